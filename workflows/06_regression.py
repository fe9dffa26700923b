"""
Regression: age, with head motion as nuisance
=============================================

Does the response change with age? Older subjects also move more, so the question is what
age explains beside motion. And what would motion have seemed to explain on its own?

Each test is a standard design of its own, with what is adjusted for. The group is
simulated: the response grows with age in the calcarine sulcus, and motion, which is
correlated with age, has no effect anywhere. At the end is the relation to age at the peak,
with motion taken out of both, beside the slope that was planted.

Run it with ``python workflows/06_regression.py``. For a paper, take ``--n-perm 10000``.
"""

# %%
# What to run, and where
# ----------------------

import argparse
import json
import shutil
from pathlib import Path

import matplotlib.pyplot as plt
import nibabel as nib
import numpy as np
import pandas as pd
from nipype.interfaces import utility as niu
from nipype.pipeline import engine as pe

from nistats_nipype.datasets import simulate_group
from nistats_nipype.interfaces import BuildStandardDesign, PlotStatMap, Threshold
from nistats_nipype.workflows import init_permutation_wf, init_prepare_wf

parser = argparse.ArgumentParser()
parser.add_argument('--out', default='regression', help='folder of everything')
parser.add_argument('--n-subjects', type=int, default=60, help='simulated subjects')
parser.add_argument('--resolution', type=int, default=4, help='edge of a voxel in mm')
parser.add_argument('--n-perm', type=int, default=1000, help='relabellings (advised: 10000)')
parser.add_argument('--plugin', default='MultiProc', help="nipype's execution plugin")
parser.add_argument('--n-procs', type=int, default=2, help='processes of MultiProc')
args = parser.parse_args()
out_dir = Path(args.out).absolute()

# %%
# Three tests
# -----------
# Age beside motion, motion beside age, and motion alone. The builder takes the mean off each
# column. Maps are permuted, by Freedman and Lane's method: the residuals of the nuisance are.
# Maps are not smoothed any further, so that slopes are those that were planted.

tests = {
    'age': {'covariates': ['age'], 'nuisance': ['motion']},
    'motion': {'covariates': ['motion'], 'nuisance': ['age']},
    'motion_alone': {'covariates': ['motion']},
}
prepare_wf = init_prepare_wf(fwhm_mm=0)
workflow = pe.Workflow(name='work', base_dir=str(out_dir))
for name, columns in tests.items():
    build = pe.Node(BuildStandardDesign(kind='regression', **columns), name=f'build_{name}')
    select = pe.Node(niu.Select(index=[0]), name=f'select_{name}')
    permutation_wf = init_permutation_wf(n_perm=args.n_perm, name=f'{name}_wf')
    threshold = pe.Node(Threshold(method='fwe', alpha=0.05), name=f'threshold_{name}')
    workflow.connect([
        (build, select, [('contrast_files', 'inlist')]),
        (build, permutation_wf, [('design_file', 'inputnode.design_file')]),
        (select, permutation_wf, [('out', 'inputnode.contrast_file')]),
        (prepare_wf, permutation_wf, [('outputnode.observations_file', 'inputnode.in_files'),
                                      ('outputnode.mask_file', 'inputnode.mask_file')]),
        (permutation_wf, threshold, [('outputnode.stat_file', 'in_file'),
                                     ('outputnode.p_fwe_file', 'p_file')]),
        (prepare_wf, threshold, [('outputnode.mask_file', 'mask_file')]),
    ])  # fmt: skip

# %%
# Pictures of what passes, on the same slices.

for name, title in {'age': 'Age, beside motion', 'motion_alone': 'Motion, alone'}.items():
    plot = pe.Node(
        PlotStatMap(
            title=f'{title}: p < .05 corrected',
            label='t',
            vmax=12.0,
            cut_coords=[-8.0, -2.0, 4.0, 10.0, 16.0],
        ),
        name=f'plot_{name}',
    )
    threshold = workflow.get_node(f'threshold_{name}')
    workflow.connect(threshold, 'thresholded_file', plot, 'in_file')


# %%
# What was planted, and what was found
# ------------------------------------
# How much passes of where the planted slope is at least half as steep as at its steepest? And how
# many voxels pass where age has no effect?


def check(thresholded_file, slope):
    """Compare what passes with where age has an effect."""
    passes = nib.load(thresholded_file).get_fdata() != 0
    return {
        'voxels': int(passes.sum()),
        'found': float(passes[slope >= slope.max() / 2].mean()),
        'elsewhere': int(passes[slope == 0].sum()),
    }


# %%
# Effect against age, at the peak
# -------------------------------
# Motion is taken out of both the effect and age. The slope of what is left is that of age in the
# model of both (the theorem of Frisch, Waugh and Lovell). The peak is where noise happens to help,
# so it tends to be steeper than the truth, of which its standard error does not know.


def adjust(values, nuisance):
    """Take a constant and a nuisance regressor out of values."""
    design = np.column_stack([np.ones(len(nuisance)), nuisance])
    return values - design @ np.linalg.lstsq(design, values, rcond=None)[0]


def fit_slope(effect, age, motion):
    """Fit the slope of age at one voxel; give its standard error, too."""
    effect, age = adjust(effect, motion), adjust(age, motion)
    slope = age @ effect / (age @ age)
    residuals = effect - slope * age
    return slope, np.sqrt(residuals @ residuals / (len(age) - 3) / (age @ age))


def plot_peak(effect, age, motion, planted, out_file):
    """Draw the effect against age, both adjusted for motion, with fitted and planted slope."""
    slope, _ = fit_slope(effect, age, motion)
    effect, age = adjust(effect, motion) + effect.mean(), adjust(age, motion) + age.mean()
    ends = np.array([age.min(), age.max()])
    figure, axes = plt.subplots(figsize=(5, 4), layout='constrained')
    axes.scatter(age, effect, color='0.4', s=18)
    for label, each, style in (('fitted', slope, 'C3-'), ('planted', planted, 'C0--')):
        line = effect.mean() + each * (ends - age.mean())
        axes.plot(ends, line, style, linewidth=2, label=f'{label}: {each:.3f} % per year')
    axes.set_xlabel('age, adjusted for motion (years)')
    axes.set_ylabel('effect, adjusted for motion (% signal change)')
    axes.set_title('The calcarine sulcus, at the peak of t', fontsize=10)
    axes.legend(frameon=False)
    axes.spines[['top', 'right']].set_visible(False)
    figure.savefig(out_file, dpi=150)


# %%
# Run it
# ------
# Motion is a column that the script adds to the table of participants. Any execution plugin of
# nipype will do.

# Plugins with processes of their own import this script again; only the first run runs.
if __name__ == '__main__':
    group = simulate_group(
        out_dir / 'maps',
        n_subjects=args.n_subjects,
        resolution_mm=args.resolution,
        effect_size=2.0,
        between_sd=0.15,
        within_sd=0.15,
    )
    table = pd.read_csv(group.participants_file, sep='\t')
    noise = np.random.default_rng(0).normal(0, 0.07, len(table))
    table['motion'] = (0.2 + 0.006 * (table['age'] - 45) + noise).round(3)  # mm
    table_file = Path(group.participants_file).with_name('motion.tsv')
    table.to_csv(table_file, sep='\t', index=False)
    prepare_wf.inputs.inputnode.in_files = group.effect_files
    for name in tests:
        build = workflow.get_node(f'build_{name}')
        build.inputs.in_files = group.effect_files
        build.inputs.table_file = str(table_file)
    graph = workflow.run(plugin=args.plugin, plugin_args={'n_procs': args.n_procs})
    results = {node.fullname: node.result.outputs for node in graph.nodes()}

    truth = nib.load(group.truth_age_file).get_fdata()
    answer = {
        name: check(results[f'work.threshold_{name}'].thresholded_file, truth) for name in tests
    }
    t = nib.load(results['work.age_wf.merge_permutations'].stat_file).get_fdata()
    peak = np.unravel_index(t.argmax(), t.shape)
    effect = np.array([nib.load(path).get_fdata()[peak] for path in group.effect_files])
    age, motion = table['age'].to_numpy(), table['motion'].to_numpy()
    slope, error = fit_slope(effect, age, motion)
    answer['peak'] = {'slope': slope, 'error': error, 'planted': truth[peak], 't': t[peak]}
    (out_dir / 'answer.json').write_text(json.dumps(answer, indent=2))

    print(f'age and motion correlate by {np.corrcoef(age, motion)[0, 1]:.2f}')
    for name in tests:
        each = answer[name]
        print(
            f'{name}: passes in {each["found"]:.0%} of where age has an effect; '
            f'{each["elsewhere"]} of {each["voxels"]} voxels elsewhere'
        )
    print(f'at the peak: {slope:.4f} % per year (s.e. {error:.4f}), planted {truth[peak]:.4f}')
    assert answer['age']['found'] > 0.8, 'Age misses what was planted.'
    assert answer['age']['elsewhere'] <= 0.1 * answer['age']['voxels'], 'Age finds too much.'
    assert answer['motion']['voxels'] <= 5, 'Motion has no effect of its own.'
    assert answer['motion_alone']['found'] > 0.3, 'Motion alone should stand in for age.'
    assert abs(slope - truth[peak]) < 4 * error, 'The slope is not the planted one.'
    assert np.isclose(slope / error, t[peak]), 'The picture is not of the model that was tested.'

    for name in ('age', 'motion_alone'):
        shutil.copyfile(results[f'work.plot_{name}'].figure_file, out_dir / f'{name}.png')
    plot_peak(effect, age, motion, truth[peak], out_dir / 'peak.png')
    for name in ('age', 'motion_alone', 'peak'):
        print(f'picture: {out_dir / f"{name}.png"}')
