"""
Paired: the same subjects, off and on a drug
============================================

Twenty patients were scanned twice, off and on their drug. Where does the drug change
the response?

Subjects differ from each other by more than the drug changes anything. A paired test
compares each subject with itself, so that what a subject's two maps have in common
drops out; and it exchanges maps within subjects only. Here it is beside the test that one
would make by forgetting whose maps they are. The group is simulated: a motor response
that the drug does not change, and an increase planted in the right middle frontal gyrus.

Run it with ``python workflows/04_paired.py``. For a paper, take ``--n-perm 10000``.
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
from nipype.interfaces import utility as niu
from nipype.pipeline import engine as pe

from nistats_nipype.datasets import simulate_conditions
from nistats_nipype.interfaces import (
    BuildDesign,
    BuildStandardDesign,
    PlotGlassBrain,
    Threshold,
)
from nistats_nipype.workflows import init_permutation_wf, init_prepare_wf

parser = argparse.ArgumentParser()
parser.add_argument('--out', default='paired', help='folder of everything')
parser.add_argument('--n-subjects', type=int, default=20, help='simulated subjects')
parser.add_argument('--resolution', type=int, default=4, help='edge of a voxel in mm')
parser.add_argument('--n-perm', type=int, default=1000, help='relabellings (advised: 10000)')
parser.add_argument('--plugin', default='MultiProc', help="nipype's execution plugin")
parser.add_argument('--n-procs', type=int, default=2, help='processes of MultiProc')
args = parser.parse_args()
out_dir = Path(args.out).absolute()

# %%
# Two designs
# -----------
# The paired design has a column for each subject, and comes with exchangeability blocks: the two
# maps of a subject may change places, those of different subjects never do. With 20 subjects that
# makes 2\ :sup:`20` relabellings, of which ``n_perm`` are drawn.
#
# The other design knows the conditions only. ``BuildDesign`` refuses subjects with several maps
# unless it is told that they are ``repeated``, because what follows is wrong without blocks.

build_paired = pe.Node(
    BuildStandardDesign(kind='paired', subject='participant_id', within='condition'),
    name='build_paired',
)
build_unpaired = pe.Node(
    BuildDesign(formula='condition', repeated=True, contrasts={'on - off': 'condition[T.on]'}),
    name='build_unpaired',
)

# %%
# The same test of both
# ---------------------
# Maps are masked and smoothed once. What is above the threshold has a p below .05, corrected
# over the brain. Both pictures have one colour scale.

prepare_wf = init_prepare_wf(fwhm_mm=6)
workflow = pe.Workflow(name='work', base_dir=str(out_dir))
for name, build in {'paired': build_paired, 'unpaired': build_unpaired}.items():
    select = pe.Node(niu.Select(index=[0]), name=f'select_{name}')
    permutation_wf = init_permutation_wf(n_perm=args.n_perm, name=f'{name}_wf')
    threshold = pe.Node(Threshold(method='fwe', alpha=0.05), name=f'threshold_{name}')
    plot = pe.Node(
        PlotGlassBrain(title=f'On - off, {name}: p < .05 corrected', label='t', vmax=12.0),
        name=f'plot_{name}',
    )
    workflow.connect([
        (build, select, [('contrast_files', 'inlist')]),
        (build, permutation_wf, [('design_file', 'inputnode.design_file')]),
        (select, permutation_wf, [('out', 'inputnode.contrast_file')]),
        (prepare_wf, permutation_wf, [('outputnode.observations_file', 'inputnode.in_files'),
                                      ('outputnode.mask_file', 'inputnode.mask_file')]),
        (permutation_wf, threshold, [('outputnode.stat_file', 'in_file'),
                                     ('outputnode.p_fwe_file', 'p_file')]),
        (prepare_wf, threshold, [('outputnode.mask_file', 'mask_file')]),
        (threshold, plot, [('thresholded_file', 'in_file')]),
    ])  # fmt: skip
workflow.connect(
    build_paired, 'blocks_file', workflow.get_node('paired_wf'), 'inputnode.blocks_file'
)


# %%
# What was planted, and what was found
# ------------------------------------
# How much is found of what was planted, as far as it has half of its height at least? And how
# many voxels are found where nothing was planted?


def check(stat_file, thresholded_file, planted):
    """Compare what passes the threshold with the truth."""
    t = nib.load(stat_file).get_fdata()
    passes = nib.load(thresholded_file).get_fdata() != 0
    return {
        'voxels': int(passes.sum()),
        'found': float(passes[planted >= planted.max() / 2].mean()),
        'elsewhere': int(passes[planted == 0].sum()),
        't_at_peak': float(t.flat[planted.argmax()]),
    }


def plot_subjects(effect_files, planted, out_file):
    """Draw every subject off and on the drug, where the planted effect is largest."""
    voxel = np.unravel_index(planted.argmax(), planted.shape)
    values = np.array([nib.load(path).dataobj[voxel] for path in effect_files]).reshape(-1, 2)
    figure, axes = plt.subplots(figsize=(4, 4), layout='constrained')
    axes.plot([0, 1], values.T, color='0.7', marker='o', markersize=4)
    axes.plot([0, 1], values.mean(axis=0), color='C3', marker='o', linewidth=3, label='mean')
    axes.set_xticks([0, 1], ['off', 'on'])
    axes.set_xlim(-0.3, 1.3)
    axes.set_ylabel('effect (% signal change)')
    axes.set_title('Subjects differ by more than the drug changes', fontsize=10)
    axes.legend(frameon=False)
    axes.spines[['top', 'right']].set_visible(False)
    figure.savefig(out_file, dpi=150)


# %%
# Run it
# ------
# Any execution plugin of nipype will do.

# Plugins with processes of their own import this script again; only the first run runs.
if __name__ == '__main__':
    group = simulate_conditions(
        out_dir / 'maps',
        {'off': {'motor': 1.0}, 'on': {'motor': 1.0, 'frontal': 0.7}},
        subject_sd=0.8,
        n_subjects=args.n_subjects,
        resolution_mm=args.resolution,
    )
    for node in (build_paired, build_unpaired):
        node.inputs.in_files = group.effect_files
        node.inputs.table_file = group.maps_file
    prepare_wf.inputs.inputnode.in_files = group.effect_files
    graph = workflow.run(plugin=args.plugin, plugin_args={'n_procs': args.n_procs})
    results = {node.fullname: node.result.outputs for node in graph.nodes()}

    off, on = (nib.load(path).get_fdata() for path in group.truth_files.values())
    answer = {
        name: check(
            results[f'work.{name}_wf.merge_permutations'].stat_file,
            results[f'work.threshold_{name}'].thresholded_file,
            on - off,
        )
        for name in ('paired', 'unpaired')
    }
    (out_dir / 'answer.json').write_text(json.dumps(answer, indent=2))
    for name, each in answer.items():
        print(
            f'{name}: {each["found"]:.0%} of the planted change found, {each["elsewhere"]} of '
            f'{each["voxels"]} voxels elsewhere; t at the planted peak {each["t_at_peak"]:.1f}'
        )
    paired, unpaired = answer['paired'], answer['unpaired']
    assert paired['found'] > 0.8, 'The paired test misses what was planted.'
    assert paired['elsewhere'] <= 0.1 * paired['voxels'], 'It finds what was not planted.'
    assert unpaired['found'] < paired['found'] / 2, 'Nothing is lost without the pairs.'

    for name in ('paired', 'unpaired'):
        shutil.copyfile(results[f'work.plot_{name}'].figure_file, out_dir / f'{name}.png')
    plot_subjects(group.effect_files, on - off, out_dir / 'subjects.png')
    for name in ('paired', 'unpaired', 'subjects'):
        print(f'picture: {out_dir / f"{name}.png"}')
