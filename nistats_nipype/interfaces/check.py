"""What is wrong with an analysis, before it is computed."""

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

from .design import _DEFINITION
from .loaders import load_design


class _FindingsOutputSpec(TraitedSpec):
    findings_file = File(
        exists=True, desc='findings, errors first: severity, code, where, problem, advice (TSV)'
    )
    metadata_file = File(exists=True, desc='the findings, and how many there are (JSON)')


class _CheckDesignInputSpec(BaseInterfaceInputSpec):
    in_files = InputMultiObject(
        File(exists=True), mandatory=True, desc='maps; their values are not read'
    )
    table_file = File(exists=True, desc='participants table (TSV, or CSV)')
    formula = traits.Str(desc='right-hand side of the model; default: the intercept only')
    design_file = File(exists=True, desc='design matrix, in place of table and formula')
    bids_model_file = File(exists=True, desc='BIDS Stats Model (JSON), in place of a formula')
    node = traits.Str(desc='its node, if there is more than one of the level Dataset')
    contrasts = traits.Dict(
        traits.Str, _DEFINITION, desc='named contrasts, see BuildDesign; default: the mean'
    )
    blocks_file = File(exists=True, desc="exchangeability blocks in PALM's format")
    variance_groups_file = File(exists=True, desc='variance groups, a whole number for each map')
    auto_variance_groups = traits.Bool(
        False, usedefault=True, desc='make the variance groups of the blocks'
    )
    tmap_files = InputMultiObject(File(exists=True), desc='t maps of the subjects')
    covariate_names = traits.List(
        traits.Str,
        desc='voxelwise covariates, terms of the formula or last columns of the design file',
    )
    covariate_files = InputMultiObject(
        traits.Either(File(exists=True), traits.List(File(exists=True))),
        desc='voxelwise covariates in the order of their names: for each a list of 3D maps in the '
        'order of the maps, or one 4D file; their values are not read',
    )
    n_perm = traits.Int(10000, usedefault=True, desc='relabellings; 0 for none')
    model = traits.Str('ols', usedefault=True, desc='model that is permuted')
    errors = traits.Str('auto', usedefault=True, desc='assumption about the errors')
    method = traits.Str('freedman-lane', usedefault=True, desc='what is relabelled')
    sidedness = traits.Enum(
        'two-sided', 'positive', 'negative', usedefault=True, desc='side of the t contrasts'
    )
    alpha_fwe = traits.Float(0.05, usedefault=True, desc='corrected p that should be reached')
    tail = traits.Str('none', usedefault=True, desc='tail approximation: none, gpd or gamma')
    correct_contrasts = traits.Bool(
        False, usedefault=True, desc='whether p is corrected over contrasts, too'
    )
    missing = traits.Str('error', usedefault=True, desc='what is done about missing values')
    on_error = traits.Enum(
        'raise', 'report', usedefault=True, desc='fail if there are errors, or only write them'
    )


class _CheckDesignOutputSpec(_FindingsOutputSpec):
    in_files = traits.List(
        File(exists=True), desc='the maps as given, for nodes that should wait for the checks'
    )


def _save(findings, folder):
    """Write findings as a table and as JSON; give the outputs."""
    from ..designs.findings import SEVERITIES, to_table
    from ..images.files import save_json, save_table

    table = to_table(findings)
    counts = {kind: int((table['severity'] == kind).sum()) for kind in SEVERITIES}
    content = {
        **{f'NumberOf{kind.capitalize()}s': number for kind, number in counts.items()},
        'Findings': table.to_dict('records'),
    }
    return {
        'findings_file': save_table(table, Path(folder) / 'findings.tsv'),
        'metadata_file': save_json(content, Path(folder) / 'findings.json'),
    }


class CheckDesign(SimpleInterface):
    """Check table, formula, contrasts and blocks before anything is computed.

    Errors, warnings and notes are written to a table, each with the column or contrast that it
    is about and with what to do. Errors make the interface fail, and tell all of them at once.

    Examples
    --------
    >>> CheckDesign(formula='group + age', contrasts={'age': 'age'}).inputs.on_error
    'raise'
    """

    input_spec = _CheckDesignInputSpec
    output_spec = _CheckDesignOutputSpec

    def _run_interface(self, runtime):
        from ..designs.covariates import check_covariate_names, check_pairs
        from ..designs.findings import require_sound
        from ..designs.lint import Request, lint_design

        inputs = {
            name: value for name, value in self.inputs.get_traitsfree().items() if isdefined(value)
        }
        names, files = inputs.get('covariate_names', []), inputs.get('covariate_files', [])
        check_covariate_names(names)
        check_pairs(names, files)
        findings = lint_design(
            inputs['in_files'],
            inputs.get('formula'),
            inputs.get('table_file'),
            inputs.get('contrasts'),
            design_file=inputs.get('design_file'),
            bids_model_file=inputs.get('bids_model_file'),
            bids_model_node=inputs.get('node'),
            blocks_file=inputs.get('blocks_file'),
            variance_groups_file=inputs.get('variance_groups_file'),
            tmap_files=inputs.get('tmap_files', ()),
            covariates={
                name: each if isinstance(each, list) else [each]
                for name, each in zip(names, files, strict=True)
            },
            request=Request(
                n_perm=inputs['n_perm'],
                model=inputs['model'],
                errors=inputs['errors'],
                method=inputs['method'],
                sidedness=inputs['sidedness'],
                alpha=inputs['alpha_fwe'],
                tail=inputs['tail'],
                auto_groups=inputs['auto_variance_groups'],
                correct_contrasts=inputs['correct_contrasts'],
                missing=inputs['missing'],
            ),
        )
        if inputs['on_error'] == 'raise':
            require_sound(findings)
        self._results = {**_save(findings, runtime.cwd), 'in_files': list(inputs['in_files'])}
        return runtime


class _CheckMapsInputSpec(BaseInterfaceInputSpec):
    in_files = InputMultiObject(
        File(exists=True), mandatory=True, desc='3D maps, or one 4D file; some voxels are read'
    )
    mask_file = File(exists=True, desc='mask that the voxels are taken from')
    design_file = File(
        exists=True, desc='design matrix (TSV), for groups whose variances are compared'
    )
    variance_groups_file = File(
        exists=True, desc='variance groups, which may differ: then no variances are compared'
    )
    losses_file = File(
        exists=True,
        desc='what each map covers (TSV), as ComputeMask writes it; by default it is counted in '
        'the voxels that are read',
    )
    design_findings_file = File(
        exists=True, desc='findings of CheckDesign, to be written along with those of the maps'
    )
    zero_is_missing = traits.Bool(
        True, usedefault=True, desc='take exact 0 in a map as missing, as NaN always is'
    )
    on_error = traits.Enum(
        'raise', 'report', usedefault=True, desc='fail if there are errors, or only write them'
    )


class _CheckMapsOutputSpec(_FindingsOutputSpec):
    summary_file = File(
        exists=True,
        desc='a row for each map (TSV): mean and standard deviation in the units of the maps, '
        'coverage as a share, correlation with the mean of the others',
    )


class CheckMaps(SimpleInterface):
    """Check which maps stand apart from their group: by mean, spread, coverage, and pattern.

    Examples
    --------
    >>> CheckMaps(in_files=[]).inputs.zero_is_missing
    True
    """

    input_spec = _CheckMapsInputSpec
    output_spec = _CheckMapsOutputSpec

    def _run_interface(self, runtime):
        import pandas as pd

        from ..designs.findings import from_table, require_sound, sort_findings
        from ..designs.lint_maps import groups_of_design, lint_look, look_at_maps
        from ..images.files import load_table, save_table

        inputs = self.inputs
        mask, earlier = inputs.mask_file, inputs.design_findings_file
        losses = load_table(inputs.losses_file) if isdefined(inputs.losses_file) else None
        findings = from_table(load_table(earlier)) if isdefined(earlier) else []
        groups = None
        if isdefined(inputs.design_file) and not isdefined(inputs.variance_groups_file):
            groups = groups_of_design(load_design(inputs.design_file))
        look = look_at_maps(
            inputs.in_files,
            mask_file=mask if isdefined(mask) else None,
            zero_is_missing=inputs.zero_is_missing,
            losses=losses,
        )
        found = lint_look(look, groups)
        if inputs.on_error == 'raise':
            require_sound(found)
        self._results = _save(sort_findings(findings + found), runtime.cwd)
        table = pd.DataFrame({'map': look.names, **look.summary._asdict()})
        self._results['summary_file'] = save_table(table, Path(runtime.cwd) / 'summary.tsv')
        return runtime
