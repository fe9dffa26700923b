"""Permutation inference over voxels and contrasts together."""

import json
from functools import partial
from pathlib import Path
from typing import NamedTuple

from nipype.interfaces.base import (
    BaseInterfaceInputSpec,
    File,
    InputMultiObject,
    SimpleInterface,
    TraitedSpec,
    isdefined,
    traits,
)

from .evidence import correction_metadata, load_schedule_metadata, warn_of_few
from .loaders import load_contrast, load_design, load_extremes

#: Metadata of one contrast that hold for all: what DrawSchedule wrote, by one schedule.
_SHARED = (
    'Errors',
    'ExchangeabilityBlocks',
    'Exhaustive',
    'Generator',
    'NumberOfPermutationsAskedFor',
    'NumberOfPossibleRelabellings',
    'PermutationMethod',
    'ScheduleDigest',
    'Seed',
)
#: Metadata in which spatial statistics must agree to be compared as they are.
_SETTINGS = ('ClusterFormingThreshold', 'TFCE', 'Connectivity', 'VarianceFWHM')
#: Inputs with one file per contrast.
_LISTS = (
    'extremes_files',
    'metadata_files',
    'contrast_files',
    'spatial_extremes_files',
    'spatial_metadata_files',
)


class _Test(NamedTuple):
    """What one contrast tested."""

    kind: str
    #: Of the statistic: t or F, v or G, or pseudo-t.
    name: str
    sidedness: str
    #: Of the effect and of the error.
    dof: tuple
    #: Whether it was compared on normal scores.
    scored: bool

    def __str__(self):
        dof = ', '.join(map(str, self.dof[self.kind == 't' :]))
        side = f', {self.sidedness}' if self.kind == 't' else ''
        return f'{self.name}({dof}){side}'


class _Family(NamedTuple):
    """A statistic of all contrasts on one scale: for each, rows over voxels and relabellings."""

    scale: str
    observed: list
    #: Smallest values that tie with the observed ones.
    limits: list
    nulls: list


class _CorrectContrastsInputSpec(BaseInterfaceInputSpec):
    extremes_files = InputMultiObject(
        File(exists=True),
        mandatory=True,
        desc='extremes_file of MergePermutations, one per contrast',
    )
    metadata_files = InputMultiObject(
        File(exists=True),
        mandatory=True,
        desc='metadata_file of MergePermutations, in the same order (JSON)',
    )
    spatial_extremes_files = InputMultiObject(
        File(exists=True), desc='extremes_file of MergeSpatial, in the same order'
    )
    spatial_metadata_files = InputMultiObject(
        File(exists=True), desc='metadata_file of MergeSpatial, in the same order (JSON)'
    )
    contrast_files = InputMultiObject(
        File(exists=True), mandatory=True, desc='the contrasts, in the same order (JSON)'
    )
    design_file = File(exists=True, mandatory=True, desc='their design matrix (TSV)')
    mask_file = File(exists=True, mandatory=True, desc='their mask')
    tail = traits.Enum(
        'none',
        'gpd',
        'gamma',
        usedefault=True,
        desc='approximate the tail of the joint null distribution, as in MergePermutations',
    )


class _CorrectContrastsOutputSpec(TraitedSpec):
    p_fwe_files = traits.List(
        File(), desc='p corrected over voxels and contrasts, one map per contrast'
    )
    logp_fwe_files = traits.List(File(), desc='-log10 of these')
    extent_p_fwe_files = traits.List(File(), desc='likewise, of the cluster extent')
    extent_logp_fwe_files = traits.List(File(), desc='-log10 of these')
    mass_p_fwe_files = traits.List(File(), desc='likewise, of the cluster mass')
    mass_logp_fwe_files = traits.List(File(), desc='-log10 of these')
    tfce_p_fwe_files = traits.List(File(), desc='likewise, of TFCE')
    tfce_logp_fwe_files = traits.List(File(), desc='-log10 of these')
    null_file = File(
        exists=True, desc='maxima over voxels and contrasts of every relabelling (TSV)'
    )
    metadata_file = File(exists=True, desc='how the p values were made (JSON)')


class CorrectContrasts(SimpleInterface):
    """Correct p over voxels and contrasts together, as PALM's ``-corrcon``.

    All contrasts must have been permuted with the same relabellings. Voxelwise, contrasts are
    compared on z of the parametric p of their test, so that t and F (v and G) of any degrees of
    freedom and side go together. Cluster extent, cluster mass, TFCE and pseudo-t are compared as
    they are, where contrasts agree in kind, degrees of freedom, side and settings. Otherwise
    pseudo-t is refused, the others are left out, and the metadata say so.

    Examples
    --------
    >>> CorrectContrasts(tail='gpd').inputs.tail
    'gpd'
    """

    input_spec = _CorrectContrastsInputSpec
    output_spec = _CorrectContrastsOutputSpec

    def _run_interface(self, runtime):
        import pandas as pd

        from ..images.files import save_json, save_table
        from ..images.observations import load_space

        inputs, cwd = self.inputs, Path(runtime.cwd)
        self._check_lengths()
        names, tests = self._load_tests()
        schedule, n_possible = load_schedule_metadata(inputs.metadata_files[0])
        shared = {key: schedule[key] for key in _SHARED}
        space = load_space(inputs.mask_file)
        families, left_out = self._gather(tests, space.n_points)
        n = len(families['voxel'].nulls[0])
        table = pd.DataFrame({'relabelling': range(n)})
        metadata = {
            **shared,
            'Method': 'permutation, maximum statistic over voxels and contrasts',
            'Contrasts': names,
            'Tests': list(map(str, tests)),
            'VoxelwiseScale': families['voxel'].scale,
            'LeftOut': left_out,
        }
        for name, family in families.items():
            tail = 'none' if name == 'extent' else inputs.tail
            p, null, evidence = _correct(family, tail, n_possible, shared['Exhaustive'])
            self._save_maps('' if name == 'voxel' else f'{name}_', p, space, cwd)
            table[f'max_{family.scale}'] = null
            for key, value in evidence.items():
                metadata.setdefault(key, {})[name] = value
        n_left_out = int(table[f'max_{families["voxel"].scale}'].isna().sum())
        metadata['NumberOfRelabellings'] = n - n_left_out
        metadata['NumberOfRelabellingsLeftOut'] = n_left_out
        warn_of_few(inputs.tail, n - n_left_out, shared['Exhaustive'])
        self._results['null_file'] = save_table(table, cwd / 'null.tsv')
        self._results['metadata_file'] = save_json(metadata, cwd / 'contrasts.json')
        return runtime

    def _check_lengths(self):
        """Refuse lists that cannot be of the same contrasts."""
        from ..exceptions import InputError

        lists = {name: getattr(self.inputs, name) for name in _LISTS}
        counts = {name: len(files) for name, files in lists.items() if isdefined(files)}
        if len(set(counts.values())) > 1:
            raise InputError(
                'The lists of files are not of the same contrasts.',
                found=', '.join(f'{count} {name}' for name, count in counts.items()),
                expected='one file per contrast in each, in the same order',
            )

    def _load_tests(self):
        """Names of the contrasts and what they tested, if all saw the same relabellings."""
        from ..images.files import load_json
        from ..stats.design import partition, rank

        design = load_design(self.inputs.design_file, voxelwise=True)
        matrix = design.to_numpy()
        contrasts = [load_contrast(path, design) for path in self.inputs.contrast_files]
        metadata = [load_json(path) for path in self.inputs.metadata_files]
        names = [contrast.name for contrast in contrasts]
        _check_schedules(names, metadata)
        dof_error = len(matrix) - rank(matrix)
        tests = []
        for contrast, found in zip(contrasts, metadata, strict=True):
            dof_effect = partition(matrix, contrast.weights).interest.shape[1]
            dof = dof_effect, dof_error
            about = (found[name] for name in ('StatisticName', 'Sidedness'))
            tests.append(_Test(contrast.kind, *about, dof, found['NullOf'] == 'z'))
        return names, tests

    def _gather(self, tests, n_points):
        """Families by the name of the statistic, and why some were left out."""
        from ..images.files import load_json

        inputs = self.inputs
        voxelwise = [load_extremes(path)['voxel'] for path in inputs.extremes_files]
        _check_points(voxelwise, n_points)
        families, left_out = {'voxel': _voxelwise(tests, voxelwise)}, {}
        if isdefined(inputs.spatial_extremes_files):
            spatial = [load_extremes(path) for path in inputs.spatial_extremes_files]
            settings = [load_json(path) for path in inputs.spatial_metadata_files]
            reason = _why_incomparable(tests, settings)
            for name in spatial[0]:
                if reason:
                    left_out[name] = reason
                else:
                    families[name] = _as_they_are(name, [each[name] for each in spatial])
        return families, left_out

    def _save_maps(self, prefix, p, space, cwd):
        """Write a map of p and one of -log10 p for each contrast."""
        import numpy as np

        for name, rows, fill in (('p_fwe', p, 1.0), ('logp_fwe', -np.log10(p) + 0.0, 0.0)):
            self._results[f'{prefix}{name}_files'] = [
                space.save(row, cwd / f'contrast-{number}_{prefix}{name}.nii.gz', fill=fill)
                for number, row in enumerate(rows)
            ]


def _check_schedules(names, metadata):
    """Refuse contrasts of which a relabelling of one is not that of another."""
    from ..exceptions import ScheduleError

    digests = [each.get('ScheduleDigest', 'unknown') for each in metadata]
    methods = {each.get('PermutationMethod') for each in metadata}
    if len(set(digests)) > 1 or len(methods) > 1 or 'unknown' in digests:
        raise ScheduleError(
            'The contrasts were not permuted with the same relabellings.',
            found='; '.join(
                f'{name}: {each.get("PermutationMethod", "method unknown")}, '
                f'errors {each.get("Errors", "unknown")}, '
                f'{each["NumberOfRelabellings"]} relabellings, schedule {digest[:8]}'
                for name, each, digest in zip(names, metadata, digests, strict=True)
            ),
            expected='one schedule for all: the same design, method, errors, blocks, n_perm, seed',
            advice="Set errors to 'exchangeable' or 'symmetric' (--errors) where 'auto' chose "
            'differently; give MergePermutations the schedule_metadata_file.',
        )


def _check_points(extremes, n_points):
    from ..exceptions import MaskError

    sizes = sorted({each.observed.size for each in extremes})
    if sizes != [n_points]:
        raise MaskError(
            'The contrasts were not tested in this mask.',
            found=f'{" and ".join(map(str, sizes))} voxels tested',
            expected=f'{n_points}, the voxels of the mask',
        )


def _voxelwise(tests, extremes):
    """Put t, F, v and G of all contrasts on z; pseudo-t has no parametric p.

    Chi-squared has one, but compares with its like on its own scale.
    """
    from ..exceptions import InputError
    from ..stats.joint import common_scores

    if any(test.name.startswith('pseudo') or test.name == 'chi2' for test in tests):
        if len(set(tests)) > 1:
            raise InputError(
                'Pseudo-t, as chi-squared, can be compared with its like alone.',
                found='; '.join(map(str, tests)),
                expected='contrasts of one kind, side and degrees of freedom',
                advice='Leave out the smoothing of the variance, or the contrasts that differ.',
            )
        return _as_they_are(tests[0].name.replace('-', '_'), extremes)
    pairs = []
    for test, each in zip(tests, extremes, strict=True):
        scale = 'z' if test.scored else 'r'
        about = {'kind': test.kind, 'sidedness': test.sidedness, 'dof': test.dof, 'scale': scale}
        pairs.append((partial(common_scores, **about), each))
    return _Family(
        scale='z',
        observed=[scores(each.observed) for scores, each in pairs],
        limits=[scores(each.observed, tie=True) for scores, each in pairs],
        nulls=[scores(each.null) for scores, each in pairs],
    )


def _correct(family, tail, n_possible, exhaustive):
    """Corrected p of all contrasts (C, V), the joint null (B,), and what is known of them."""
    import numpy as np

    from ..stats.approximation import approximate
    from ..stats.joint import correct_jointly

    counted, null = correct_jointly(family.limits, family.nulls)
    usable = null[~np.isnan(null)]
    found = approximate(
        counted.ravel(), usable, np.ravel(family.observed), tail=tail, n_possible=n_possible
    )
    p = found.p.reshape(counted.shape)
    smallest = float(np.nanmin(counted))
    return (
        p,
        null,
        {
            **correction_metadata(found, usable, smallest, tail, exhaustive),
            'SmallestCorrectedP': np.nanmin(p, axis=1).tolist(),
            'SmallestPossibleP': found.smallest,
        },
    )


def _as_they_are(name, extremes):
    """Compare a statistic of all contrasts without more ado."""
    from ..stats.engines import lowest_tie

    observed = [each.observed for each in extremes]
    limits = [lowest_tie(row, 'stat') for row in observed]
    return _Family(name, observed, limits, [each.null for each in extremes])


def _why_incomparable(tests, settings):
    """Why spatial statistics of the contrasts have no common scale; empty if they have."""
    if len(set(tests)) > 1:
        return f'contrasts of different tests: {"; ".join(sorted(set(map(str, tests))))}'
    asked = {json.dumps([each.get(key) for key in _SETTINGS]) for each in settings}
    return 'contrasts with different settings' if len(asked) > 1 else ''
