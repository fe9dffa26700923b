"""Design matrices and contrasts."""

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

from .loaders import load_design

_DEFINITION = traits.Either(
    traits.Str,
    traits.List(traits.Float),
    traits.List(traits.Str),
    traits.List(traits.List(traits.Float)),
    desc='column, expression or weights',
)


class _BuildDesignInputSpec(BaseInterfaceInputSpec):
    in_files = InputMultiObject(
        File(exists=True),
        mandatory=True,
        desc='maps that the rows belong to; they are counted and matched, not read (but for '
        'the header of a 4D file)',
    )
    table_file = File(exists=True, desc='participants table (TSV, or CSV)', requires=['formula'])
    formula = traits.Str(
        desc="right-hand side of the model, e.g. 'group + age'; default: the intercept only"
    )
    covariate_names = traits.List(
        traits.Str,
        desc='voxelwise covariates, terms of the formula: the design is made without them, for '
        'FitVoxelwise, which adds them',
    )
    repeated = traits.Bool(
        False,
        usedefault=True,
        desc='let a participant have several rows, whose maps a column names; they depend on each '
        'other, which exchangeability blocks have to say',
    )
    contrasts = traits.Dict(
        traits.Str,
        _DEFINITION,
        desc='named contrasts, each a column, an expression, a whole effect (F(group)), a list of '
        'these (F), or weights',
    )


class _BuildDesignOutputSpec(TraitedSpec):
    design_file = File(exists=True, desc='design matrix (TSV), one row per map')
    contrast_files = traits.List(File(exists=True), desc='one JSON file per contrast')
    metadata_file = File(exists=True, desc='formula, terms and coding of the columns (JSON)')


class BuildDesign(SimpleInterface):
    """Build the design matrix from a table and a formula, or of the intercept only.

    Rows are matched to maps by subject or file name, never by position alone.

    Examples
    --------
    >>> build = BuildDesign(formula='group + age', contrasts={'age': 'age'})
    >>> build.inputs.contrasts
    {'age': 'age'}
    """

    input_spec = _BuildDesignInputSpec
    output_spec = _BuildDesignOutputSpec

    def _run_interface(self, runtime):
        from ..designs.coding import describe_formula
        from ..designs.covariates import check_covariate_names, describe_covariates, split_formula
        from ..designs.group import design_of_maps, rows_of_maps
        from ..designs.matrices import require_full_rank

        inputs = self.inputs
        formula = inputs.formula if isdefined(inputs.formula) else None
        table = inputs.table_file if isdefined(inputs.table_file) else None
        names = inputs.covariate_names if isdefined(inputs.covariate_names) else []
        check_covariate_names(names)
        unique = not inputs.repeated
        fixed, terms = split_formula(formula, names)
        design = design_of_maps(inputs.in_files, fixed, table, unique=unique)
        require_full_rank(design)
        metadata = {'Formula': '1', 'Terms': {'intercept': {'Columns': ['intercept']}}}
        if formula is not None:
            rows = rows_of_maps(inputs.in_files, table, fixed, unique=unique)
            metadata = describe_formula(fixed, rows)
        if names:
            metadata['Formula'] = formula or ' + '.join(['1', *names])
            metadata['Terms'] |= describe_covariates(terms)
        definitions = inputs.contrasts if isdefined(inputs.contrasts) else {}
        self._results = save_design(design, definitions, metadata, runtime.cwd)
        return runtime


def save_design(design, definitions, metadata, folder):
    """Write a design, its contrasts and what is known of it; give the outputs by name."""
    from ..designs.group import define_contrast
    from ..exceptions import ContrastError
    from ..images.files import save_json, save_table

    folder = Path(folder)
    # All are defined before the first is saved, so that a bad one leaves nothing behind.
    contrasts = [define_contrast(*item, design) for item in definitions.items()]
    files = {contrast.label.casefold(): contrast for contrast in contrasts}
    if len(files) < len(contrasts):
        raise ContrastError(
            'Two contrasts would share their file names.',
            found=', '.join(contrast.name for contrast in contrasts),
            expected='names that differ in letters or digits, not in their case alone',
        )
    return {
        'design_file': save_table(design, folder / 'design.tsv'),
        'contrast_files': [
            save_json(contrast.to_dict(), folder / f'contrast-{contrast.label}.json')
            for contrast in contrasts
        ],
        'metadata_file': save_json(metadata, folder / 'design.json'),
    }


class _DefineContrastInputSpec(BaseInterfaceInputSpec):
    design_file = File(exists=True, mandatory=True, desc='design matrix (TSV)')
    name = traits.Str(mandatory=True, desc='name of the contrast')
    definition = traits.Either(
        traits.Str,
        traits.List(traits.Float),
        traits.List(traits.Str),
        traits.List(traits.List(traits.Float)),
        mandatory=True,
        desc='a column, an expression, a whole effect (F(group)), a list of these (F), weights, '
        'or rows of weights (F)',
    )


class _DefineContrastOutputSpec(TraitedSpec):
    contrast_file = File(exists=True, desc='contrast (JSON)')


class DefineContrast(SimpleInterface):
    """Define a contrast of a design, and refuse one that is not estimable.

    Examples
    --------
    >>> DefineContrast(name='difference', definition='patient - control').inputs.name
    'difference'
    """

    input_spec = _DefineContrastInputSpec
    output_spec = _DefineContrastOutputSpec

    def _run_interface(self, runtime):
        from ..designs.group import define_contrast
        from ..images.files import save_json

        inputs = self.inputs
        design = load_design(inputs.design_file, voxelwise=True)
        contrast = define_contrast(inputs.name, inputs.definition, design)
        out_file = Path(runtime.cwd) / f'contrast-{contrast.label}.json'
        self._results['contrast_file'] = save_json(contrast.to_dict(), out_file)
        return runtime
