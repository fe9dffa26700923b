"""Permutation inference on clusters and with TFCE."""

from pathlib import Path

from nipype.interfaces.base import (
    File,
    SimpleInterface,
    TraitedSpec,
    isdefined,
    traits,
)

from .evidence import correction_metadata, load_schedule_metadata, method_metadata, warn_of_few
from .loaders import Extremes, load_chunk, load_contrast, load_design, save_extremes
from .permutation import MergeInputSpec
from .request import PermuteInputSpec, load_request, measured_model, save_chunk


class _PermuteSpatialInputSpec(PermuteInputSpec):
    cluster_threshold = traits.Float(
        desc='cluster-forming threshold; without it, clusters are not measured'
    )
    cluster_threshold_unit = traits.Enum(
        'z',
        'p',
        'stat',
        usedefault=True,
        desc='unit of cluster_threshold: normal score, p of one side (uncorrected), or t or F '
        '(pseudo-t too is cut at the t of a z or p; with variance groups, z or p only), z or '
        'chi-squared of fixed effects',
    )
    tfce = traits.Bool(False, usedefault=True, desc='compute TFCE')
    tfce_e = traits.Float(
        0.5, usedefault=True, desc='exponent of the extent; 1 for skeletons and surfaces'
    )
    tfce_h = traits.Float(2.0, usedefault=True, desc='exponent of the height')
    connectivity = traits.Enum(
        26, 18, 6, usedefault=True, desc='neighbours of a voxel: by corner, edge, or face'
    )


class _PermuteSpatialOutputSpec(TraitedSpec):
    chunk_file = File(exists=True, desc='maxima and counts of the chunk (.npz)')


class PermuteSpatial(SimpleInterface):
    """Compute cluster extent, cluster mass and TFCE over a chunk of relabellings.

    The split into chunks has no influence on the merged result, to the last bit.

    Examples
    --------
    >>> PermuteSpatial(cluster_threshold=3.1, tfce=True).inputs.cluster_threshold_unit
    'z'
    """

    input_spec = _PermuteSpatialInputSpec
    output_spec = _PermuteSpatialOutputSpec

    def _run_interface(self, runtime):
        from ..images.adjacency import voxel_adjacency
        from ..stats.clusters import cluster_forming
        from ..stats.spatial import permute_spatial

        inputs, request = self.inputs, load_request(self.inputs)
        threshold = None
        if isdefined(inputs.cluster_threshold):
            threshold = cluster_forming(
                inputs.cluster_threshold,
                inputs.cluster_threshold_unit,
                request.arguments['design'],
                request.arguments['contrast'],
                scores=request.compares_scores,
                known_variances=request.knows_variances,
            )
        chunk = permute_spatial(
            **request.arguments,
            **request.chunk,
            adjacency=voxel_adjacency(request.space.mask, inputs.connectivity),
            threshold=threshold,
            tfce=(inputs.tfce_e, inputs.tfce_h) if inputs.tfce else None,
        )
        self._results['chunk_file'] = save_chunk(
            chunk, inputs, runtime, **self._measured(threshold)
        )
        return runtime

    def _measured(self, threshold):
        """What the metadata of the merged result say of it."""
        inputs = self.inputs
        clusters = tfce = None
        if threshold is not None:
            clusters = {
                'Statistic': threshold,
                'Given': inputs.cluster_threshold,
                'GivenAs': inputs.cluster_threshold_unit,
            }
        if inputs.tfce:
            tfce = {'E': inputs.tfce_e, 'H': inputs.tfce_h}
        return {
            'ClusterFormingThreshold': clusters,
            'TFCE': tfce,
            'Connectivity': inputs.connectivity,
            'VarianceFWHM': inputs.variance_fwhm_mm or None,
            'MissingData': inputs.missing,
            **measured_model(inputs),
        }


class _MergeSpatialOutputSpec(TraitedSpec):
    extent_file = File(exists=True, desc='size of the cluster at each voxel, in voxels')
    extent_p_fwe_file = File(exists=True, desc='corrected p of that size')
    extent_logp_fwe_file = File(exists=True, desc='-log10 of the corrected p of that size')
    mass_file = File(exists=True, desc='sum of the statistic over the cluster at each voxel')
    mass_p_fwe_file = File(exists=True, desc='corrected p of that sum')
    mass_logp_fwe_file = File(exists=True, desc='-log10 of the corrected p of that sum')
    tfce_file = File(exists=True, desc='TFCE, without a sign')
    tfce_p_uncorrected_file = File(exists=True, desc='uncorrected p of TFCE')
    tfce_p_fwe_file = File(exists=True, desc='corrected p of TFCE')
    tfce_logp_fwe_file = File(exists=True, desc='-log10 of the corrected p of TFCE')
    null_file = File(exists=True, desc='maxima of every relabelling (TSV)')
    extremes_file = File(exists=True, desc='observed statistics and maxima for CorrectContrasts')
    metadata_file = File(exists=True, desc='how the p values were made (JSON)')


class MergeSpatial(SimpleInterface):
    """Merge the chunks of cluster and TFCE inference into p values.

    Only the outputs of what the chunks hold are set. p is 1 outside the mask and outside
    clusters. A ``tail`` is fitted for mass and TFCE alone: the extent is a whole number, of
    which a null has few.

    Examples
    --------
    >>> MergeSpatial(sidedness='positive').inputs.sidedness
    'positive'
    """

    input_spec = MergeInputSpec
    output_spec = _MergeSpatialOutputSpec

    def _run_interface(self, runtime):
        import numpy as np
        import pandas as pd

        from ..images.files import save_json, save_table
        from ..images.observations import load_space
        from ..stats.approximation import smallest_counted
        from ..stats.spatial import SpatialChunk, merge_spatial

        inputs, cwd = self.inputs, Path(runtime.cwd)
        design = load_design(inputs.design_file, voxelwise=True)
        contrast = load_contrast(inputs.contrast_file, design)
        side = contrast.tested_side(inputs.sidedness)
        chunks, measured = zip(
            *(load_chunk(path, SpatialChunk) for path in inputs.chunk_files), strict=True
        )
        results = merge_spatial(chunks, design.to_numpy(), contrast.weights, sidedness=side)
        space = load_space(inputs.mask_file)
        schedule, n_possible = load_schedule_metadata(inputs.schedule_metadata_file)
        table = pd.DataFrame({'relabelling': range(int(chunks[0].n_relabellings))})
        by_name = {}
        for name, result in results.items():
            found, evidence = self._correct(name, result, schedule, n_possible)
            for key, value in evidence.items():
                by_name.setdefault(key, {})[name] = value
            self._save_maps(name, result._replace(p_fwe=found.p), space, cwd)
            table[f'max_{name}'] = result.null
        tested = ~np.isnan(result.observed)
        null = result.null[~np.isnan(result.null)]
        metadata = {
            **schedule,
            **measured[0],
            **method_metadata({**schedule, **measured[0]}, contrast.kind, str(chunks[0].scale)),
            'Sidedness': side,
            'NumberOfRelabellings': len(null),
            'NumberOfRelabellingsLeftOut': len(table) - len(null),
            # Of the last one: equivalent relabellings are not told by the extent.
            'SmallestPossibleP': smallest_counted(null),
            'NumberOfVoxelsTested': int(tested.sum()),
            'NumberOfVoxelsNotTested': int((~tested).sum()),
            **by_name,
        }
        warn_of_few(inputs.tail, len(null), schedule.get('Exhaustive', False))
        extremes = {name: Extremes(each.observed, each.null) for name, each in results.items()}
        self._results['null_file'] = save_table(table, cwd / 'null.tsv')
        self._results['extremes_file'] = save_extremes(cwd / 'extremes.npz', extremes)
        self._results['metadata_file'] = save_json(metadata, cwd / 'spatial.json')
        return runtime

    def _correct(self, name, result, schedule, n_possible):
        """Corrected p of one statistic, and what is known of them."""
        import numpy as np

        from ..stats.approximation import approximate

        null = result.null[~np.isnan(result.null)]
        found = approximate(
            result.p_fwe,
            null,
            result.observed,
            tail='none' if name == 'extent' else self.inputs.tail,
            n_possible=n_possible,
        )
        exhaustive = schedule.get('Exhaustive', False)
        counted = float(np.nanmin(result.p_fwe))
        return found, correction_metadata(found, null, counted, self.inputs.tail, exhaustive)

    def _save_maps(self, name, result, space, cwd):
        import numpy as np

        maps = {
            name: (result.observed, 0.0),
            f'{name}_p_fwe': (result.p_fwe, 1.0),
            f'{name}_logp_fwe': (-np.log10(result.p_fwe) + 0.0, 0.0),
        }
        if result.p_uncorrected is not None:
            maps[f'{name}_p_uncorrected'] = (result.p_uncorrected, 1.0)
        for label, (row, fill) in maps.items():
            out_file = cwd / f'{label}.nii.gz'
            self._results[f'{label}_file'] = space.save(row, out_file, fill=fill)
