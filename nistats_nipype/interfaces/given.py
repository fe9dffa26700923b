"""Designs from other tools, and for them."""

from pathlib import Path

from nipype.interfaces.base import (
    BaseInterfaceInputSpec,
    File,
    InputMultiObject,
    SimpleInterface,
    TraitedSpec,
    isdefined,
    traits,
)

from .design import save_design
from .loaders import load_contrast, load_design


class _ReadDesignInputSpec(BaseInterfaceInputSpec):
    in_files = InputMultiObject(
        File(exists=True),
        mandatory=True,
        desc='maps that the rows belong to, 3D or one 4D file; of a design_file in the order of '
        'its rows',
    )
    design_file = File(
        exists=True,
        desc="design matrix: FSL's design.mat, plain numbers as PALM reads them, or a table with "
        'a header (TSV, or CSV), as nilearn makes it; or give bids_model_file',
    )
    con_file = File(
        exists=True, requires=['design_file'], desc="t contrasts: FSL's design.con, or numbers"
    )
    fts_file = File(
        exists=True, requires=['con_file'], desc="F tests of them: FSL's design.fts, or numbers"
    )
    bids_model_file = File(
        exists=True, desc='BIDS Stats Model (JSON); its node of the level Dataset is read'
    )
    table_file = File(
        exists=True, requires=['bids_model_file'], desc='variables of the model (TSV, or CSV)'
    )
    covariate_names = traits.List(
        traits.Str,
        requires=['design_file'],
        desc='voxelwise covariates: the last columns of the design, in this order. They are left '
        'out, for FitVoxelwise, which puts the maps in their place',
    )
    node = traits.Str(requires=['bids_model_file'], desc='node of the model, if it has several')


class _ReadDesignOutputSpec(TraitedSpec):
    design_file = File(exists=True, desc='design matrix (TSV), one row per map')
    contrast_files = traits.List(File(exists=True), desc='one JSON file per contrast')
    metadata_file = File(exists=True, desc='where the design is from (JSON)')


class ReadDesign(SimpleInterface):
    """Read a design and contrasts that were made by another tool.

    Rows of a design file belong to maps by their position, as such a file names no maps. Those of
    a model are matched by the table, as in BuildDesign.

    Examples
    --------
    >>> ReadDesign().inputs.get_traitsfree()
    {}
    """

    input_spec = _ReadDesignInputSpec
    output_spec = _ReadDesignOutputSpec

    def _run_interface(self, runtime):
        from ..designs.covariates import (
            check_covariate_names,
            describe_covariates,
            without_placeholders,
        )
        from ..designs.given import design_from_file, design_from_model
        from ..designs.matrices import require_full_rank
        from ..exceptions import InputError

        given = self.inputs.get_traitsfree()
        names = given.pop('covariate_names', [])
        check_covariate_names(names)
        if ('design_file' in given) == ('bids_model_file' in given):
            raise InputError(
                'It is not clear which design to read.', expected='design_file or bids_model_file'
            )
        if names and 'con_file' in given:
            raise InputError(
                'Contrasts cannot be read before the voxelwise covariates are in the design.',
                found='con_file and covariate_names',
                advice='Define them with DefineContrast and the design of FitVoxelwise.',
            )
        if 'design_file' in given:
            found = design_from_file(**given)
        else:
            found = design_from_model(model_file=given.pop('bids_model_file'), **given)
        design, metadata = without_placeholders(found.design, names), found.metadata
        require_full_rank(design)
        if names:
            metadata = {**metadata, 'Terms': describe_covariates(names)}
        self._results = save_design(design, found.contrasts, metadata, runtime.cwd)
        return runtime


class _ExportFSLInputSpec(BaseInterfaceInputSpec):
    design_file = File(exists=True, mandatory=True, desc='design matrix (TSV)')
    contrast_files = InputMultiObject(File(exists=True), desc='contrasts of it (JSON)')
    groups_file = File(
        exists=True,
        desc='a whole number for each row: variance groups, or exchangeability blocks of one '
        'column for randomise -e',
    )


class _ExportFSLOutputSpec(TraitedSpec):
    mat_file = File(exists=True, desc='design.mat')
    con_file = File(exists=True, desc='design.con: t contrasts, and those that F is made of')
    fts_file = File(exists=True, desc='design.fts, if there is an F contrast')
    grp_file = File(exists=True, desc='design.grp, of groups_file')


class ExportFSL(SimpleInterface):
    """Write a design and its contrasts as FSL's randomise and flameo, and PALM, read them.

    Examples
    --------
    >>> 'contrast_files' in ExportFSL.input_spec().copyable_trait_names()
    True
    """

    input_spec = _ExportFSLInputSpec
    output_spec = _ExportFSLOutputSpec

    def _run_interface(self, runtime):
        from ..designs.blocks import load_groups
        from ..designs.fsl import save_fsl

        inputs = self.inputs
        design = load_design(inputs.design_file)
        files = inputs.contrast_files if isdefined(inputs.contrast_files) else []
        groups = load_groups(inputs.groups_file) if isdefined(inputs.groups_file) else None
        contrasts = [load_contrast(path, design) for path in files]
        paths = save_fsl(design, contrasts, Path(runtime.cwd), groups=groups)
        self._results = {f'{extension}_file': path for extension, path in paths.items()}
        return runtime
