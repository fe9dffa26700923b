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
    contrasts = traits.Dict(
        traits.Str,
        _DEFINITION,
        desc='named contrasts, each a column, an expression, a list of these (F), or weights',
    )


class _BuildDesignOutputSpec(TraitedSpec):
    design_file = File(exists=True, desc='design matrix (TSV), one row per map')
    contrast_files = traits.List(File(exists=True), desc='one JSON file per contrast')


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
        from ..designs.contrasts import parse_contrast
        from ..designs.matrices import require_full_rank
        from ..images.files import save_json, save_table
        from ..stats.design import check_contrast

        inputs, cwd = self.inputs, Path(runtime.cwd)
        design = self._design()
        require_full_rank(design)
        contrasts = []
        if isdefined(inputs.contrasts):
            for name, definition in inputs.contrasts.items():
                contrast = parse_contrast(name, definition, design.columns)
                check_contrast(design.to_numpy(), contrast.weights)
                contrasts.append(contrast)
        self._results = {
            'design_file': save_table(design, cwd / 'design.tsv'),
            'contrast_files': [
                save_json(contrast.to_dict(), cwd / f'contrast-{contrast.label}.json')
                for contrast in contrasts
            ],
        }
        return runtime

    def _design(self):
        from ..designs.matrices import design_from_formula, intercept_only
        from ..designs.tables import load_participants, match_rows
        from ..exceptions import DesignError
        from ..images.volumes import count_volumes

        inputs = self.inputs
        if not isdefined(inputs.formula):
            return intercept_only(count_volumes(inputs.in_files))
        if not isdefined(inputs.table_file):
            raise DesignError(
                'The formula has no table.',
                found=f'formula {inputs.formula!r}',
                expected='a participants table with its variables',
                advice='Give table_file (--table).',
            )
        table = load_participants(inputs.table_file)
        folder = Path(inputs.table_file).parent
        rows = match_rows(table, inputs.in_files, folder)
        return design_from_formula(inputs.formula, rows)


class _DefineContrastInputSpec(BaseInterfaceInputSpec):
    design_file = File(exists=True, mandatory=True, desc='design matrix (TSV)')
    name = traits.Str(mandatory=True, desc='name of the contrast')
    definition = traits.Either(
        traits.Str,
        traits.List(traits.Float),
        traits.List(traits.Str),
        traits.List(traits.List(traits.Float)),
        mandatory=True,
        desc='a column, an expression, a list of these (F), weights, or rows of weights (F)',
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
        from ..designs.contrasts import parse_contrast
        from ..images.files import load_table, save_json
        from ..stats.design import check_contrast

        inputs = self.inputs
        design = load_table(inputs.design_file)
        contrast = parse_contrast(inputs.name, inputs.definition, design.columns)
        check_contrast(design.to_numpy(), contrast.weights)
        out_file = Path(runtime.cwd) / f'contrast-{contrast.label}.json'
        self._results['contrast_file'] = save_json(contrast.to_dict(), out_file)
        return runtime
