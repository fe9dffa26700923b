"""The report, as part of a second-level workflow."""

from nipype.interfaces import utility as niu
from nipype.pipeline import engine as pe

from ..interfaces import PlotCoverage, PlotDesign, PlotOutliers, PlotSubjects
from .covariates import get_design
from .models import get_fit
from .nodes import make_node


def add_report(workflow, maps, contrast_wfs, subject_threshold):
    """Draw design, subjects, coverage and outliers, and hand everything to the report."""
    inputnode, prepare_wf, report = map(
        workflow.get_node, ('inputnode', 'prepare_wf', 'make_report')
    )
    design = get_design(workflow)
    plot_subjects = make_node(PlotSubjects(), name='plot_subjects')
    if subject_threshold is not None:
        plot_subjects.inputs.threshold = subject_threshold
    plot_coverage = make_node(PlotCoverage(), name='plot_coverage')
    plot_design = make_node(PlotDesign(), name='plot_design')
    plot_outliers = make_node(PlotOutliers(), name='plot_outliers')
    list_contrasts = pe.Node(niu.Merge(len(contrast_wfs)), name='list_contrasts')
    for index, contrast_wf in enumerate(contrast_wfs, start=1):
        workflow.connect(contrast_wf, 'outputnode.contrast_file', list_contrasts, f'in{index}')
    workflow.connect([
        (maps, plot_subjects, [('in_files', 'in_files')]),
        (inputnode, plot_subjects, [('tmap_files', 'tmap_files')]),
        (prepare_wf, plot_coverage, [('outputnode.coverage_file', 'coverage_file'),
                                     ('outputnode.losses_file', 'losses_file')]),
        (design, plot_design, [('design_file', 'design_file')]),
        (list_contrasts, plot_design, [('out', 'contrast_files')]),
        (workflow.get_node('check_maps'), plot_outliers, [('summary_file', 'summary_file'),
                                                          ('findings_file', 'findings_file')]),
        (plot_outliers, report, [('figure_file', 'outliers_figure_file')]),
        (plot_subjects, report, [('figure_file', 'subjects_figure_file')]),
        (plot_coverage, report, [('figure_file', 'coverage_figure_file')]),
        (plot_design, report, [('figure_file', 'design_figure_file')]),
        (design, report, [('design_file', 'design_file')]),
        (prepare_wf, report, [('outputnode.losses_file', 'losses_file'),
                              ('outputnode.mask_file', 'mask_file')]),
        (get_fit(workflow), report, [('metadata_file', 'model_metadata_file')]),
    ])  # fmt: skip
