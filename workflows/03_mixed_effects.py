"""
Mixed effects: subjects with known variances
============================================

A subject who was scanned longer is known better. Where the first level gives a
variance beside each effect, a mixed-effects model weighs subjects by what is known of
them, and tells how much they differ beyond that: tau², I² and Q.

The steps are put together by hand, each an interface of its own. The group is
simulated, and what was planted is known.

Run it with ``python workflows/03_mixed_effects.py``.
"""

# %%
# What to run, and where
# ----------------------

import argparse
import json
import shutil
from pathlib import Path

import nibabel as nib
from nipype.pipeline import engine as pe

from nistats_nipype.datasets import simulate_group
from nistats_nipype.interfaces import (
    BuildDesign,
    ComputeContrast,
    ComputeMask,
    DefineContrast,
    FitMixed,
    PlotGlassBrain,
    PlotStatMap,
    Threshold,
)

parser = argparse.ArgumentParser()
parser.add_argument('--out', default='mixed_effects', help='folder of everything')
parser.add_argument('--n-subjects', type=int, default=20, help='simulated subjects')
parser.add_argument('--resolution', type=int, default=4, help='edge of a voxel in mm')
parser.add_argument('--plugin', default='MultiProc', help="nipype's execution plugin")
parser.add_argument('--n-procs', type=int, default=2, help='processes of MultiProc')
args = parser.parse_args()
out_dir = Path(args.out).absolute()

# %%
# The steps
# ---------
# The mask keeps voxels where every subject has both an effect and a variance. Maps are not
# smoothed: the variances would no longer be theirs. REML is what FSL calls FLAME 1.

compute_mask = pe.Node(ComputeMask(), name='compute_mask')
build_design = pe.Node(BuildDesign(), name='build_design')
define_contrast = pe.Node(
    DefineContrast(name='left vs right', definition='intercept'), name='define_contrast'
)
fit_mixed = pe.Node(FitMixed(method='reml'), name='fit_mixed')
compute_contrast = pe.Node(ComputeContrast(), name='compute_contrast')
threshold = pe.Node(Threshold(method='fdr', alpha=0.05), name='threshold')
plot_z = pe.Node(PlotGlassBrain(title='z, q < .05', label='z'), name='plot_z')
plot_i2 = pe.Node(
    PlotStatMap(title='Heterogeneity of subjects', label='I² (%)', threshold=50.0), name='plot_i2'
)

# %%
# The workflow
# ------------

workflow = pe.Workflow(name='work', base_dir=str(out_dir))
workflow.connect([
    (build_design, define_contrast, [('design_file', 'design_file')]),
    (compute_mask, fit_mixed, [('mask_file', 'mask_file')]),
    (build_design, fit_mixed, [('design_file', 'design_file')]),
    (fit_mixed, compute_contrast, [('model_file', 'model_file')]),
    (compute_mask, compute_contrast, [('mask_file', 'mask_file')]),
    (build_design, compute_contrast, [('design_file', 'design_file')]),
    (define_contrast, compute_contrast, [('contrast_file', 'contrast_file')]),
    (compute_contrast, threshold, [('z_file', 'in_file')]),
    (compute_mask, threshold, [('mask_file', 'mask_file')]),
    (threshold, plot_z, [('thresholded_file', 'in_file')]),
    (fit_mixed, plot_i2, [('i2_file', 'in_file')]),
])  # fmt: skip

# %%
# Run it, and compare with what was planted
# -----------------------------------------

# Plugins with processes of their own import this script again; only the first run runs.
if __name__ == '__main__':
    group = simulate_group(
        out_dir / 'maps', n_subjects=args.n_subjects, resolution_mm=args.resolution
    )
    build_design.inputs.in_files = group.effect_files
    for node in (compute_mask, fit_mixed):
        node.inputs.in_files = group.effect_files
        node.inputs.variance_files = group.variance_files
    graph = workflow.run(plugin=args.plugin, plugin_args={'n_procs': args.n_procs})
    results = {node.name: node.result.outputs for node in graph.nodes()}
    found = nib.load(results['threshold'].thresholded_file).get_fdata() != 0
    planted = nib.load(group.truth_file).get_fdata() != 0
    answer = {'voxels': int(found.sum()), 'planted': float(planted[found].mean())}
    (out_dir / 'answer.json').write_text(json.dumps(answer, indent=2))
    print(f'{answer["voxels"]} voxels, {answer["planted"]:.0%} of them planted')
    for name in ('plot_z', 'plot_i2'):
        picture = out_dir / f'{name.removeprefix("plot_")}.png'
        shutil.copyfile(results[name].figure_file, picture)
        print(f'picture: {picture}')
