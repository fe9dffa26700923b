"""
Repeated measures: does the response depend on memory load?
===========================================================

Twenty subjects held nothing, one item or two items in memory. Where do the three
conditions differ at all? That is one F test. And what does each further item add? Those
are t tests of the same model, with the same exchangeability blocks, corrected together.

The builder of the standard design makes the model and the blocks, and the prebuilt
workflow does the rest, down to a report. The group is simulated. In the right middle
frontal gyrus the response grows with load, in the calcarine sulcus two items suppress
it, and a motor response is the same in all conditions, so that no test may find it.

Run it with ``python workflows/05_repeated_measures_f.py``. For a paper, take
``--n-perm 10000``.
"""

# %%
# What to run, and where
# ----------------------

import argparse
import json
from pathlib import Path

import matplotlib.pyplot as plt
import nibabel as nib
import numpy as np
from nipype.pipeline import engine as pe

from nistats_nipype.datasets import simulate_conditions
from nistats_nipype.interfaces import BuildStandardDesign
from nistats_nipype.workflows import init_second_level_wf

parser = argparse.ArgumentParser()
parser.add_argument('--out', default='repeated_measures', help='folder of everything')
parser.add_argument('--n-subjects', type=int, default=20, help='simulated subjects')
parser.add_argument('--resolution', type=int, default=4, help='edge of a voxel in mm')
parser.add_argument('--n-perm', type=int, default=500, help='relabellings (advised: 10000)')
parser.add_argument('--plugin', default='MultiProc', help="nipype's execution plugin")
parser.add_argument('--n-procs', type=int, default=2, help='processes of MultiProc')
args = parser.parse_args()
out_dir = Path(args.out).absolute()

# %%
# What is planted
# ---------------
# Largest effects in % signal change, by condition and region.

effects = {
    'load0': {'motor': 1.0},
    'load1': {'motor': 1.0, 'frontal': 0.5},
    'load2': {'motor': 1.0, 'frontal': 1.0, 'occipital': -0.8},
}

# %%
# The design
# ----------
# A column for each subject, and one for each condition against the first. The blocks let
# conditions change places within subjects, never between them.

build_design = pe.Node(
    BuildStandardDesign(kind='repeated-measures', subject='participant_id', within='condition'),
    name='build_design',
)

# %%
# The tests
# ---------
# Two columns at once make an F test. The t tests are of what each further item adds.
# ``correct_contrasts`` corrects p over voxels and contrasts together, so that the price of looking
# three times is paid.

one, two = 'condition[T.load1]', 'condition[T.load2]'
contrasts = {'load': [one, two], 'load1vs0': one, 'load2vs1': f'{two} - {one}'}
second_level_wf = init_second_level_wf(
    design_from='file',
    contrasts=contrasts,
    fwhm_mm=6,
    n_perm=args.n_perm,
    correct_contrasts=True,
    title='Memory load (simulated)',
    out_dir=out_dir,
)
workflow = pe.Workflow(name='work', base_dir=str(out_dir))
workflow.connect([
    (build_design, second_level_wf, [('design_file', 'inputnode.design_file'),
                                     ('blocks_file', 'inputnode.blocks_file')]),
])  # fmt: skip

# %%
# What was planted, and what was found
# ------------------------------------
# What passes has a p below .05, corrected over voxels and contrasts. How much passes of where
# conditions differ by 0.4 % or more? And how many voxels pass where they do not differ?


def load_truth(truth_files):
    """Load the planted differences, by contrast; for F that of the highest and the lowest."""
    load0, load1, load2 = (nib.load(path).get_fdata() for path in truth_files.values())
    return {
        'load': np.ptp([load0, load1, load2], axis=0),
        'load1vs0': load1 - load0,
        'load2vs1': load2 - load1,
    }


def check(contrast, difference):
    """Compare what passes with the truth."""
    p_file = out_dir / f'contrast-{contrast}_stat-p_desc-voxelContrastsFWE_statmap.nii.gz'
    passes = nib.load(p_file).get_fdata() < 0.05
    return {
        'voxels': int(passes.sum()),
        'found': float(passes[abs(difference) >= 0.4].mean()),
        'elsewhere': int(passes[difference == 0].sum()),
    }


# %%
# The conditions, where F is largest
# ----------------------------------
# Intervals are those within subjects: each subject's mean over conditions is taken off, and the
# variance is scaled up by 3 / 2 for it (Cousineau 2005, Morey 2008).


def plot_conditions(effect_files, places, out_file):
    """Draw the mean of each condition with its 95 % interval, at some voxels."""
    figure, panels = plt.subplots(
        ncols=len(places), figsize=(7.5, 3.5), sharey=True, layout='constrained'
    )
    maps = [nib.load(path).get_fdata() for path in effect_files]
    for (name, voxel), axes in zip(places.items(), panels, strict=True):
        values = np.array([each[voxel] for each in maps]).reshape(-1, len(effects))
        within = values - values.mean(axis=1, keepdims=True)
        error = np.sqrt(1.5 * within.var(axis=0, ddof=1) / len(values))
        half = 2.093 * error  # 97.5 % quantile of t with 19 degrees of freedom
        axes.axhline(0, color='0.8', linewidth=1)
        axes.errorbar(range(3), values.mean(axis=0), half, color='C3', marker='o', capsize=4)
        axes.set_xticks(range(3), ['0 items', '1 item', '2 items'])
        axes.set_xlim(-0.4, 2.4)
        axes.set_title(name)
        axes.spines[['top', 'right']].set_visible(False)
    panels[0].set_ylabel('effect (% signal change)')
    figure.savefig(out_file, dpi=150)


# %%
# Run it
# ------
# Any execution plugin of nipype will do.

# Plugins with processes of their own import this script again; only the first run runs.
if __name__ == '__main__':
    group = simulate_conditions(
        out_dir / 'maps', effects, n_subjects=args.n_subjects, resolution_mm=args.resolution
    )
    build_design.inputs.in_files = group.effect_files
    build_design.inputs.table_file = group.maps_file
    second_level_wf.inputs.inputnode.in_files = group.effect_files
    workflow.run(plugin=args.plugin, plugin_args={'n_procs': args.n_procs})

    truth = load_truth(group.truth_files)
    answer = {contrast: check(contrast, truth[contrast]) for contrast in contrasts}
    (out_dir / 'answer.json').write_text(json.dumps(answer, indent=2))
    for contrast, each in answer.items():
        print(
            f'{contrast}: {each["found"]:.0%} of what differs found, {each["elsewhere"]} of '
            f'{each["voxels"]} voxels elsewhere'
        )
    for contrast, each in answer.items():
        assert each['found'] > 0.8, f'{contrast} misses what was planted.'
        assert each['elsewhere'] <= 0.1 * each['voxels'], f'{contrast} finds too much.'

    f = nib.load(out_dir / 'contrast-load_stat-F_statmap.nii.gz').get_fdata()
    front = np.indices(f.shape)[1] > f.shape[1] / 2  # the second axis runs to the front
    places = {
        name: np.unravel_index(np.argmax(np.where(where, f, 0)), f.shape)
        for name, where in {
            'right middle frontal gyrus': front,
            'calcarine sulcus': ~front,
        }.items()
    }
    plot_conditions(group.effect_files, places, out_dir / 'conditions.png')
    for contrast in contrasts:
        print(f'picture: {out_dir}/figures/contrast-{contrast}_desc-voxelFWEThreshold_glass.png')
    print(f'picture: {out_dir / "conditions.png"}')
    print(f'report:  {out_dir / "report.html"}')
