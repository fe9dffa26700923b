"""Standard designs: paired, repeated measures, mixed and others, with what belongs to them."""

from pathlib import Path

from nipype.interfaces.base import (
    BaseInterfaceInputSpec,
    File,
    InputMultiObject,
    SimpleInterface,
    TraitedSpec,
    traits,
)

from .design import save_design

#: Designs in which a participant has several maps.
REPEATED = ('paired', 'repeated-measures', 'mixed')


class _BuildStandardDesignInputSpec(BaseInterfaceInputSpec):
    in_files = InputMultiObject(
        File(exists=True), mandatory=True, desc='3D maps that the rows belong to'
    )
    table_file = File(
        exists=True,
        mandatory=True,
        desc='table (TSV, or CSV), a row for each map; with several maps of a participant, a '
        'column must name the files',
    )
    kind = traits.Enum(
        'one-sample',
        'two-sample',
        'paired',
        'repeated-measures',
        'mixed',
        'ancova',
        'regression',
        mandatory=True,
        desc='the design; it says which of the columns below are needed',
    )
    subject = traits.Str(desc='column of the subjects: paired, repeated measures, mixed')
    group = traits.Str(desc='column of the groups: two-sample, ANCOVA, mixed')
    within = InputMultiObject(
        traits.Str, desc='column of the conditions (two of repeated measures): paired, mixed'
    )
    covariates = InputMultiObject(traits.Str, desc='columns of numbers: ANCOVA, regression')
    nuisance = InputMultiObject(traits.Str, desc='columns that a regression adjusts for')
    effect = traits.Str(
        desc="effect to test: a factor, or '<first>:<second>'; mixed, two-way repeated measures"
    )
    reference = traits.Str(desc='level that others are compared with; default: the first')
    equal_variance = traits.Bool(
        desc='whether groups have one variance, the default, or each its own'
    )
    interaction = traits.Bool(desc='whether ANCOVA has slopes for each group; default: no')


class _BuildStandardDesignOutputSpec(TraitedSpec):
    design_file = File(exists=True, desc='design matrix (TSV), one row per observation')
    contrast_files = traits.List(File(exists=True), desc='one JSON file per contrast')
    blocks_file = File(exists=True, desc='exchangeability blocks, if observations depend')
    variance_groups_file = File(exists=True, desc='variance groups, if variances differ')
    averages_file = File(
        exists=True, desc='for AverageMaps, if maps are to be averaged: the observation of each'
    )
    metadata_file = File(exists=True, desc='what is tested and exchanged (JSON)')


class BuildStandardDesign(SimpleInterface):
    """Build a standard design, its contrasts, and the blocks or groups that it is tested with.

    ``blocks_file`` and ``variance_groups_file`` are for DrawSchedule, the latter for FitGLM, too.
    Where there is an ``averages_file``, a row of the design is an average: AverageMaps makes it.

    Examples
    --------
    >>> BuildStandardDesign(kind='paired', subject='participant_id', within='drug').inputs.within
    ['drug']
    """

    input_spec = _BuildStandardDesignInputSpec
    output_spec = _BuildStandardDesignOutputSpec

    def _run_interface(self, runtime):
        given = self.inputs.get_traitsfree()
        files, kind = (given.pop('in_files'), given.pop('table_file')), given.pop('kind')
        built, metadata = load_standard_design(*files, kind, given)
        self._results = save_standard_design(built, metadata, runtime.cwd)
        return runtime


def load_standard_design(in_files, table_file, kind, arguments):
    """Make a standard design of the rows of a table that belong to maps; give its metadata, too.

    ``arguments`` are those of the builder; a list of one name is that name.
    """
    from ..designs.builders import standard_design
    from ..designs.group import rows_of_maps

    rows = rows_of_maps(in_files, table_file, unique=kind not in REPEATED)
    if len(arguments.get('within', ())) == 1:
        arguments = {**arguments, 'within': arguments['within'][0]}
    built = standard_design(kind, rows, **arguments)
    metadata = {
        'StandardDesign': kind,
        'StandardDesignArguments': arguments,
        'StandardDesignDescription': built.description,
    }
    return built, metadata


def save_standard_design(built, metadata, folder):
    """Write a standard design and what belongs to it; give the outputs by name."""
    from ..designs.blocks import save_blocks, save_groups

    folder = Path(folder)
    files = save_design(built.design, built.contrasts, metadata, folder)
    if built.blocks is not None:
        files['blocks_file'] = save_blocks(built.blocks, folder / 'blocks.csv')
    if built.groups is not None:
        groups_file = folder / 'variance_groups.csv'
        files['variance_groups_file'] = save_groups(built.groups, groups_file)
    if built.averages is not None:
        files['averages_file'] = save_groups(built.averages + 1, folder / 'averages.csv')
    return files
