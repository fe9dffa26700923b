"""Uncorrected p below what relabellings can count."""

from pathlib import Path

from nipype.interfaces.base import File, InputMultiObject, SimpleInterface, TraitedSpec, traits

from .loaders import load_chunk, load_record
from .request import RelabelInputSpec, load_request


class _FitTailsInputSpec(RelabelInputSpec):
    chunk_files = InputMultiObject(
        File(exists=True), mandatory=True, desc='all chunks of the schedule, of Permute'
    )
    tail = traits.Enum(
        'gpd',
        'gamma',
        usedefault=True,
        desc='generalised Pareto for the upper tail, or gamma for all of the null distribution',
    )


class _FitTailsOutputSpec(TraitedSpec):
    tails_file = File(exists=True, desc='uncorrected p, and how they were made (.npz)')


class FitTails(SimpleInterface):
    """Fit a distribution to the null of each voxel, for small uncorrected p.

    Voxels whose p by counting is below 0.1 are relabelled once more, by themselves. Nothing is
    fitted if the schedule is exhaustive. Pseudo-t is refused, and so are other models than least
    squares.

    Examples
    --------
    >>> FitTails(tail='gamma').inputs.num_threads
    1
    """

    input_spec = _FitTailsInputSpec
    output_spec = _FitTailsOutputSpec

    def _run_interface(self, runtime):
        import json

        from ..images.files import save_arrays
        from ..stats.permutation import Chunk, merge
        from ..stats.pointwise import fit_points

        inputs, request = self.inputs, load_request(self.inputs)
        chunks = [load_chunk(path, Chunk)[0] for path in inputs.chunk_files]
        model = request.arguments['design'], request.arguments['contrast']
        result = merge(chunks, *model, sidedness=inputs.sidedness)
        tails = fit_points(**request.arguments, result=result, tail=inputs.tail)
        self._results['tails_file'] = save_arrays(
            Path(runtime.cwd) / 'tails.npz',
            **tails._asdict(),
            metadata=json.dumps(_describe(tails, inputs.tail)),
        )
        return runtime


def _describe(tails, name):
    """What the metadata say of fitted tails."""
    import numpy as np

    from ..stats.approximation import count_sources
    from ..stats.pointwise import BELOW

    counts = count_sources(tails.source[~np.isnan(tails.p)])
    fit_p = tails.fit_p[~np.isnan(tails.fit_p)]
    if not counts['fit'] + counts['limit']:
        return {'Method': 'counts'}
    distribution = {'gpd': 'generalised Pareto', 'gamma': 'gamma'}[name]
    return {
        'Method': f'counts; below {BELOW:g} a {distribution} distribution fitted at each voxel',
        'Distribution': name,
        'NumberOfVoxelsCounted': counts['count'],
        'NumberOfVoxelsFitted': counts['fit'],
        'NumberOfVoxelsAtLimit': counts['limit'],
        # As of any test of fit, one of twenty is below .05 where the distribution is right.
        'FitP': {
            'Median': float(np.median(fit_p)) if fit_p.size else None,
            'ShareBelow0.05': float(np.mean(fit_p < 0.05)) if fit_p.size else None,
        },
    }


def load_tails(path):
    """Read what FitTails wrote.

    Returns
    -------
    nistats_nipype.stats.pointwise.PointwiseTails
    dict
        What the metadata say of it.
    """
    import json
    from collections import namedtuple

    from ..stats.pointwise import PointwiseTails

    stored = namedtuple('PointwiseTails', [*PointwiseTails._fields, 'metadata'])
    *tails, metadata = load_record(path, stored)
    return PointwiseTails(*tails), json.loads(str(metadata))
