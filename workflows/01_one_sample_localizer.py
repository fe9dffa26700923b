"""
One-sample test: left against right button press
=================================================

Sixteen subjects pressed a button with the left or the right hand. Which regions
respond differently, across subjects?

This is the second-level example of nistats as a nipype workflow. It fetches the
subjects' contrast maps, draws the t map of each, smooths the effects with 8 mm,
fits a one-sample model, and shows the group's z map twice: at an uncorrected
p < .001, and where the familywise-error-corrected p of a permutation test is below
.001 (``cor_z_score``).

Run it with ``python workflows/01_one_sample_localizer.py``. Without a network,
``--simulated`` takes a simulated group in place of the fetched one. The 1,000
relabellings are those of the nistats example and just enough to reach .001; for a
paper, take ``--n-perm 10000``.
"""

# %%
# What to run, and where
# ----------------------

import argparse
import shutil
from pathlib import Path
from statistics import NormalDist

from nipype.pipeline import engine as pe

from nistats_nipype.interfaces import (
    BuildDesign,
    ComputeContrast,
    DefineContrast,
    FetchLocalizer,
    FitGLM,
    PlotGlassBrain,
    PlotSubjects,
    SimulateGroup,
    Threshold,
)
from nistats_nipype.workflows import init_permutation_wf, init_prepare_wf

parser = argparse.ArgumentParser()
parser.add_argument('--out', default='one_sample_localizer', help='folder of everything')
parser.add_argument('--simulated', action='store_true', help='simulate the group: no network')
parser.add_argument('--data-dir', help="folder of nilearn's data sets")
parser.add_argument('--n-perm', type=int, default=1000, help='relabellings (advised: 10000)')
parser.add_argument('--n-chunks', type=int, default=2, help='jobs that share them')
parser.add_argument('--plugin', default='MultiProc', help="nipype's execution plugin")
parser.add_argument('--n-procs', type=int, default=2, help='processes of MultiProc')
args = parser.parse_args()

# %%
# The maps
# --------
# An effect map and a t map per subject; both sources give the same outputs.

if args.simulated:
    source = SimulateGroup(n_subjects=16)
else:
    source = FetchLocalizer(contrasts=['left vs right button press'], n_subjects=16)
    if args.data_dir:
        source.inputs.data_dir = str(Path(args.data_dir).absolute())
fetch = pe.Node(source, name='fetch')

# %%
# Every subject, at abs(t) > 2
# ----------------------------
# The first thing to look at: one map that is shifted or empty spoils a group.

plot_subjects = pe.Node(
    PlotSubjects(threshold=2.0, title='Subjects, abs(t) > 2', label='t'), name='plot_subjects'
)

# %%
# Mask, smooth, fit
# -----------------
# The voxels that every subject has; 8 mm; a design of a single column of ones.

prepare_wf = init_prepare_wf(fwhm_mm=8)
build_design = pe.Node(BuildDesign(), name='build_design')
define_contrast = pe.Node(
    DefineContrast(name='left vs right', definition='intercept'), name='define_contrast'
)
fit_glm = pe.Node(FitGLM(), name='fit_glm')
compute_contrast = pe.Node(ComputeContrast(), name='compute_contrast')

# %%
# z at an uncorrected p < .001
# ----------------------------
# The height of the nistats example, z = 3.09, on both sides.

z_p001 = NormalDist().inv_cdf(1 - 0.001)
threshold = pe.Node(Threshold(method='height', height=z_p001), name='threshold')
plot_z = pe.Node(PlotGlassBrain(title='z, p < .001 uncorrected', label='z'), name='plot_z')

# %%
# z of the corrected p
# --------------------
# The null distribution of the largest absolute t in the brain comes from flipping the
# signs of whole subjects. The relabellings are shared by ``n_chunks`` jobs, which has no
# influence on the result.

permutation_wf = init_permutation_wf(n_perm=args.n_perm, n_chunks=args.n_chunks)
plot_cor_z = pe.Node(
    PlotGlassBrain(
        title='cor_z_score, p < .001 corrected', label='z of corrected p', threshold=z_p001
    ),
    name='plot_cor_z',
)

# %%
# The workflow
# ------------

workflow = pe.Workflow(name='work', base_dir=str(Path(args.out).absolute()))
workflow.connect([
    (fetch, plot_subjects, [('tmap_files', 'in_files')]),
    (fetch, prepare_wf, [('effect_files', 'inputnode.in_files')]),
    (fetch, build_design, [('effect_files', 'in_files')]),
    (build_design, define_contrast, [('design_file', 'design_file')]),
    (prepare_wf, fit_glm, [('outputnode.observations_file', 'in_files'),
                           ('outputnode.mask_file', 'mask_file')]),
    (build_design, fit_glm, [('design_file', 'design_file')]),
    (fit_glm, compute_contrast, [('model_file', 'model_file')]),
    (prepare_wf, compute_contrast, [('outputnode.mask_file', 'mask_file')]),
    (build_design, compute_contrast, [('design_file', 'design_file')]),
    (define_contrast, compute_contrast, [('contrast_file', 'contrast_file')]),
    (compute_contrast, threshold, [('z_file', 'in_file')]),
    (prepare_wf, threshold, [('outputnode.mask_file', 'mask_file')]),
    (threshold, plot_z, [('thresholded_file', 'in_file')]),
    (prepare_wf, permutation_wf, [('outputnode.observations_file', 'inputnode.in_files'),
                                  ('outputnode.mask_file', 'inputnode.mask_file')]),
    (build_design, permutation_wf, [('design_file', 'inputnode.design_file')]),
    (define_contrast, permutation_wf, [('contrast_file', 'inputnode.contrast_file')]),
    (permutation_wf, plot_cor_z, [('outputnode.cor_z_score_file', 'in_file')]),
])  # fmt: skip

# %%
# Run it
# ------
# Any execution plugin of nipype will do. A second run finds everything done.

# Plugins with processes of their own import this script again; only the first run runs.
if __name__ == '__main__':
    graph = workflow.run(plugin=args.plugin, plugin_args={'n_procs': args.n_procs})
    for node in graph.nodes():
        if node.name.startswith('plot_'):
            picture = Path(args.out, f'{node.name.removeprefix("plot_")}.png')
            shutil.copyfile(node.result.outputs.figure_file, picture)
            print(f'picture: {picture}')
