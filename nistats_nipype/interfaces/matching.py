"""Which maps, variances and rows belong together."""

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


class _MatchMapsInputSpec(BaseInterfaceInputSpec):
    in_files = InputMultiObject(
        File(exists=True), mandatory=True, desc='3D effect maps, or one 4D file; not read'
    )
    variance_files = InputMultiObject(
        File(exists=True), desc='maps of their variances in any order, or one 4D file'
    )
    needs_variances = traits.Bool(
        False, usedefault=True, desc='whether to refuse maps without variance_files'
    )
    table_file = File(exists=True, desc='participants table (TSV, or CSV)')
    unmatched = traits.Enum(
        'error',
        'drop',
        usedefault=True,
        desc='refuse maps without variances, variances without a map and maps without a row, or '
        'leave them out',
    )
    left_out = traits.List(
        traits.Dict(traits.Str, traits.Str),
        desc='file and reason of what was left out before, for the metadata',
    )


class _MatchMapsOutputSpec(TraitedSpec):
    in_files = traits.List(File(exists=True), desc='effect maps that are left, in their order')
    variance_files = traits.List(
        File(exists=True), desc='their variances, in the order of in_files, if any were given'
    )
    metadata_file = File(exists=True, desc='how they were matched, and what was left out (JSON)')


class MatchMaps(SimpleInterface):
    """Match effect maps, maps of their variances and rows of a table, never by position.

    See :func:`nistats_nipype.designs.matching.match_maps` for the rules.

    Examples
    --------
    >>> MatchMaps(unmatched='drop').inputs.unmatched
    'drop'
    """

    input_spec = _MatchMapsInputSpec
    output_spec = _MatchMapsOutputSpec

    def _run_interface(self, runtime):
        from ..designs.matching import match_maps
        from ..exceptions import InputError
        from ..images.files import save_json

        inputs = self.inputs
        if inputs.needs_variances and not isdefined(inputs.variance_files):
            raise InputError(
                'The model needs the variances of the maps.',
                found='no variance_files',
                expected='a map of variances (squared standard errors) for every map',
                advice="Give variance_files (--variance-maps), or choose model='ols'.",
            )
        matched = match_maps(
            inputs.in_files,
            inputs.variance_files if isdefined(inputs.variance_files) else None,
            inputs.table_file if isdefined(inputs.table_file) else None,
            unmatched=inputs.unmatched,
        )
        dropped = [dict(each) for each in inputs.left_out] if isdefined(inputs.left_out) else []
        metadata = {'MatchedBy': matched.matched_by, 'Dropped': dropped + matched.dropped}
        self._results['in_files'] = matched.in_files
        if matched.variance_files is not None:
            self._results['variance_files'] = matched.variance_files
        self._results['metadata_file'] = save_json(metadata, Path(runtime.cwd) / 'matching.json')
        return runtime
