"""Maps from the folders of other pipelines."""

from pathlib import Path

from nipype.interfaces.base import (
    BaseInterfaceInputSpec,
    Directory,
    File,
    SimpleInterface,
    TraitedSpec,
    traits,
)


class _SelectMapsInputSpec(BaseInterfaceInputSpec):
    folder = Directory(
        exists=True,
        mandatory=True,
        desc='BIDS derivatives (FitLins, nilearn), or a folder of FEAT or SPM analyses',
    )
    entities = traits.Dict(
        traits.Str,
        traits.Str,
        desc="what the maps have in common, such as {'contrast': 'faces', 'space': 'MNI152'}; an "
        "empty value: without that entity; FEAT: {'cope': '1'}, SPM: {'con': '1'}",
    )
    variances = traits.Bool(False, usedefault=True, desc='select the maps of variances, too')
    unmatched = traits.Enum(
        'error',
        'drop',
        usedefault=True,
        desc='refuse subjects without such a map or its variances, or leave them out',
    )


class _SelectMapsOutputSpec(TraitedSpec):
    effect_files = traits.List(File(exists=True), desc='one map per subject, sorted by subject')
    variance_files = traits.List(
        File(exists=True), desc='maps of their variances, in the same order, if asked for'
    )
    subjects = traits.List(traits.Str, desc='subject of each map')
    table_file = File(
        exists=True, desc='table (TSV): participant_id, effect_file and, if any, variance_file'
    )
    metadata_file = File(
        exists=True, desc='entities and sidecars of the maps, and what was left out (JSON)'
    )


class SelectMaps(SimpleInterface):
    """Select one map for each subject from the results of another pipeline.

    See :func:`nistats_nipype.datasets.derivatives.select_maps`. The folder is searched every
    time, because files may have been added to it.

    Examples
    --------
    >>> SelectMaps(entities={'contrast': 'faces'}, variances=True).inputs.unmatched
    'error'
    """

    input_spec = _SelectMapsInputSpec
    output_spec = _SelectMapsOutputSpec
    _always_run = True

    def _run_interface(self, runtime):
        import pandas as pd
        from nipype.interfaces.base import isdefined

        from ..datasets.derivatives import select_maps
        from ..images.files import save_json, save_table

        inputs, cwd = self.inputs, Path(runtime.cwd)
        selection = select_maps(
            inputs.folder,
            inputs.entities if isdefined(inputs.entities) else None,
            variances=inputs.variances,
            unmatched=inputs.unmatched,
        )
        table = {'participant_id': selection.subjects, 'effect_file': selection.effect_files}
        if selection.variance_files is not None:
            table['variance_file'] = selection.variance_files
            self._results['variance_files'] = selection.variance_files
        metadata = {'Maps': selection.metadata, 'Dropped': selection.dropped}
        self._results |= {
            'effect_files': selection.effect_files,
            'subjects': selection.subjects,
            'table_file': save_table(pd.DataFrame(table), cwd / 'maps.tsv'),
            'metadata_file': save_json(metadata, cwd / 'selection.json'),
        }
        return runtime
