"""Maps to analyse: the localizer data set, and a simulated group."""

from pathlib import Path

from nipype.interfaces.base import (
    BaseInterfaceInputSpec,
    Directory,
    File,
    SimpleInterface,
    TraitedSpec,
    isdefined,
    traits,
)


class _FetchLocalizerInputSpec(BaseInterfaceInputSpec):
    contrasts = traits.List(
        traits.Str,
        value=['left vs right button press'],
        usedefault=True,
        desc="contrasts, by nilearn's names",
    )
    n_subjects = traits.Either(
        traits.Int(16),
        traits.List(traits.Int),
        default=16,
        usedefault=True,
        desc='how many of the 94 subjects, or their numbers (from 1)',
    )
    get_tmaps = traits.Bool(True, usedefault=True, desc='fetch t maps too')
    get_masks = traits.Bool(False, usedefault=True, desc='fetch subject masks too')
    data_dir = Directory(desc="folder of nilearn's data sets; default: nilearn's own choice")


class _FetchLocalizerOutputSpec(TraitedSpec):
    effect_files = traits.List(File(exists=True), desc='effect maps, subject by subject')
    tmap_files = traits.List(File(exists=True), desc='t maps, in the same order')
    mask_files = traits.List(File(exists=True), desc='brain masks, one per subject')
    participants_file = File(exists=True, desc='participants table (TSV), one row per subject')


class FetchLocalizer(SimpleInterface):
    """Fetch contrast maps of the Brainomics localizer through nilearn.

    Maps that are in nilearn's data folder already are not downloaded again. Offline
    and without them, the error names the folder and the embedded alternative,
    :class:`SimulateGroup`.

    Examples
    --------
    >>> fetch = FetchLocalizer(contrasts=['left vs right button press'], n_subjects=16)
    >>> fetch.inputs.get_tmaps
    True
    """

    input_spec = _FetchLocalizerInputSpec
    output_spec = _FetchLocalizerOutputSpec

    def _run_interface(self, runtime):
        from ..datasets.localizer import fetch_localizer
        from ..images.files import save_table

        inputs = self.inputs
        data_dir = inputs.data_dir if isdefined(inputs.data_dir) else None
        localizer = fetch_localizer(
            inputs.contrasts,
            n_subjects=inputs.n_subjects,
            get_tmaps=inputs.get_tmaps,
            get_masks=inputs.get_masks,
            data_dir=data_dir,
        )
        table = Path(runtime.cwd) / 'participants.tsv'
        self._results = {
            'effect_files': list(localizer.effect_files),
            'tmap_files': list(localizer.tmap_files),
            'mask_files': list(localizer.mask_files),
            'participants_file': save_table(localizer.participants, table),
        }
        return runtime


class _SimulateGroupInputSpec(BaseInterfaceInputSpec):
    n_subjects = traits.Int(16, usedefault=True, desc='number of subjects, at least 2')
    resolution_mm = traits.Int(3, usedefault=True, desc='edge of a voxel in mm, 1 to 8')
    seed = traits.Int(0, usedefault=True, desc='seed, at least 0')
    effect_size = traits.Float(
        1.0, usedefault=True, desc='largest mean effect in % signal change; 0 gives null data'
    )
    hole_fraction = traits.Float(
        0.5, usedefault=True, desc='probability that a subject is not covered completely'
    )


class _SimulateGroupOutputSpec(TraitedSpec):
    effect_files = traits.List(File(exists=True), desc='effect maps, one per subject')
    variance_files = traits.List(File(exists=True), desc='within-subject variance maps')
    tmap_files = traits.List(File(exists=True), desc='t maps')
    participants_file = File(exists=True, desc='participants table (TSV): group, age, files')
    truth_file = File(exists=True, desc='planted mean effect')
    truth_group_file = File(exists=True, desc='planted difference of patients and controls')
    truth_age_file = File(exists=True, desc='planted effect of a year of age')
    mask_file = File(exists=True, desc='brain mask')


class SimulateGroup(SimpleInterface):
    """Simulate a group of subjects around a planted motor activation.

    The embedded data set: it needs no network, and the truth is known.

    Examples
    --------
    >>> SimulateGroup(n_subjects=12, seed=1).inputs.resolution_mm
    3
    """

    input_spec = _SimulateGroupInputSpec
    output_spec = _SimulateGroupOutputSpec

    def _run_interface(self, runtime):
        from ..datasets.simulation import simulate_group

        group = simulate_group(runtime.cwd, **self.inputs.get_traitsfree())
        self._results = group._asdict()
        return runtime
