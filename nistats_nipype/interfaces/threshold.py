"""Thresholds, clusters and peaks."""

from pathlib import Path

from nipype.interfaces.base import (
    BaseInterfaceInputSpec,
    File,
    SimpleInterface,
    TraitedSpec,
    isdefined,
    traits,
)


class _ThresholdInputSpec(BaseInterfaceInputSpec):
    in_file = File(exists=True, mandatory=True, desc='map to threshold; for fpr, fdr and '
                   'bonferroni a z map')  # fmt: skip
    mask_file = File(exists=True, mandatory=True, desc='mask; its voxels count as tests')
    method = traits.Enum(
        'fpr',
        'fdr',
        'bonferroni',
        'fwe',
        'height',
        usedefault=True,
        desc='what alpha controls: false positives at each voxel (uncorrected), the false '
        'discovery rate (Benjamini-Hochberg), the familywise error rate (Bonferroni, or by '
        'p_file); or a height in the units of the map',
    )
    alpha = traits.Float(0.001, usedefault=True, desc='error rate, between 0 and 1')
    p_file = File(exists=True, desc="corrected p map, for method 'fwe'")
    p_metadata_file = File(
        exists=True, desc='how p_file was made (JSON), to say whether alpha is within its reach'
    )
    p_statistic = traits.Enum(
        'extent',
        'mass',
        'tfce',
        desc='which one p_file is of, where p_metadata_file is of several',
    )
    height = traits.Float(desc="threshold in the units of the map, for method 'height'")
    sidedness = traits.Enum(
        'two-sided', 'positive', 'negative', usedefault=True, desc='which extremes pass'
    )
    contrast_file = File(
        exists=True, desc='contrast (JSON); if it is an F, only its upper side can pass'
    )
    cluster_threshold = traits.Int(
        0, usedefault=True, desc='smallest size of a cluster, in voxels'
    )
    connectivity = traits.Enum(
        26, 18, 6, usedefault=True, desc='neighbours of a voxel: by corner, edge, or face'
    )


class _ThresholdOutputSpec(TraitedSpec):
    thresholded_file = File(exists=True, desc='the map where it passes, 0 elsewhere')
    labels_file = File(exists=True, desc='number of the cluster at each voxel, 0 elsewhere')
    metadata_file = File(exists=True, desc='threshold and counts (JSON)')


class Threshold(SimpleInterface):
    """Threshold a map by height and cluster extent.

    Positive and negative voxels never join in a cluster.

    Examples
    --------
    >>> Threshold(method='fdr', alpha=0.05).inputs.sidedness
    'two-sided'
    """

    input_spec = _ThresholdInputSpec
    output_spec = _ThresholdOutputSpec

    def _run_interface(self, runtime):
        import numpy as np

        from ..images.files import save_json
        from ..images.tables import label_clusters
        from ..images.volumes import save_volume

        inputs, cwd = self.inputs, Path(runtime.cwd)
        space, stat = self._load(inputs.in_file)
        side = self._side()
        passing, threshold = self._passing(space, stat[space.mask], side)
        kept = np.zeros(space.mask.shape)
        kept[space.mask] = np.where(passing, stat[space.mask], 0.0)
        # Heights are decided; the labels only need what is left and its sign.
        labels = label_clusters(
            np.sign(kept),
            1.0,
            sidedness='two-sided',
            connectivity=inputs.connectivity,
            min_size=max(inputs.cluster_threshold, 1),
        )
        kept[labels == 0] = 0.0
        metadata = {
            'Method': inputs.method,
            'Alpha': None if inputs.method == 'height' else inputs.alpha,
            'Sidedness': side,
            'Threshold': threshold if np.isfinite(threshold) else None,
            'ClusterThreshold': inputs.cluster_threshold,
            'Connectivity': inputs.connectivity,
            'NumberOfVoxelsTested': int(np.isfinite(stat[space.mask]).sum()),
            'NumberOfVoxelsPositive': int((kept > 0).sum()),
            'NumberOfVoxelsNegative': int((kept < 0).sum()),
            'NumberOfClusters': int(labels.max()),
            'LargestCluster': int(np.bincount(labels.ravel())[1:].max(initial=0)),
            **self._reach(),
        }
        self._results = {
            'thresholded_file': save_volume(kept, space.affine, cwd / 'thresholded.nii.gz'),
            'labels_file': save_volume(
                labels, space.affine, cwd / 'labels.nii.gz', dtype=np.int32
            ),
            'metadata_file': save_json(metadata, cwd / 'threshold.json'),
        }
        return runtime

    def _load(self, path):
        """Read the mask and a map on its grid."""
        from ..images.observations import load_space
        from ..images.volumes import Volume, check_same_grid, load_volume

        space = load_space(self.inputs.mask_file)
        volume = load_volume(path)
        reference = Volume(space.mask, space.affine)
        check_same_grid(volume, reference, names=(path, self.inputs.mask_file))
        return space, volume.data

    def _side(self):
        from ..designs.contrasts import Contrast
        from ..images.files import load_json

        if not isdefined(self.inputs.contrast_file):
            return self.inputs.sidedness
        contrast = Contrast.from_dict(load_json(self.inputs.contrast_file))
        return contrast.tested_side(self.inputs.sidedness)

    def _passing(self, space, values, side):
        """Voxels of the mask that pass, and the smallest height that does."""
        import numpy as np

        from ..exceptions import InputError
        from ..stats.correction import check_alpha, height_threshold

        inputs = self.inputs
        heights = {'two-sided': np.abs(values), 'positive': values, 'negative': -values}[side]
        needed = {'height': 'height', 'fwe': 'p_file'}.get(inputs.method)
        if needed and not isdefined(getattr(inputs, needed)):
            raise InputError(
                f'Threshold by {inputs.method!r} lacks an input.',
                expected=f'{needed}',
                advice=f'Set {needed}, or choose another method.',
            )
        if inputs.method == 'fwe':
            _, p = self._load(inputs.p_file)
            # The map holds p in single precision, so alpha is rounded as p was.
            passing = p[space.mask] <= np.float32(check_alpha(inputs.alpha))
            passing &= heights > 0
            return passing, float(heights[passing].min(initial=np.inf))
        if inputs.method == 'height':
            threshold = inputs.height
            if not 0 < threshold < np.inf:
                raise InputError(
                    'The height of the threshold is out of range.',
                    found=f'height={threshold:g}',
                    expected="a number above 0; for the lower side set sidedness='negative'",
                )
        else:
            threshold = height_threshold(values, inputs.method, inputs.alpha, side)
        return heights >= threshold, threshold

    def _reach(self):
        """Whether any p of the p map can be as small as alpha; warn if none can."""
        import warnings

        import numpy as np

        from ..exceptions import NistatsNipypeWarning
        from ..images.files import load_json

        inputs = self.inputs
        if inputs.method != 'fwe' or not isdefined(inputs.p_metadata_file):
            return {}
        metadata = load_json(inputs.p_metadata_file)
        if isdefined(inputs.p_statistic):
            metadata |= (metadata.get('Tail') or {}).get(inputs.p_statistic) or {}
        smallest = metadata['SmallestPossibleP']
        reachable = bool(np.float32(smallest) <= np.float32(inputs.alpha))
        if not reachable:
            warnings.warn(
                f'Nothing can pass at alpha={inputs.alpha:g}: with these relabellings no '
                f'corrected p is below {smallest:.3g}. Take more relabellings, if the design '
                'has more, or a larger alpha.',
                NistatsNipypeWarning,
                stacklevel=2,
            )
        return {'AlphaReachable': reachable, 'SmallestPossibleP': smallest}


class _TableClustersInputSpec(BaseInterfaceInputSpec):
    in_file = File(exists=True, mandatory=True, desc='map that the peaks are read from')
    labels_file = File(exists=True, mandatory=True, desc='cluster numbers, 0 outside clusters')
    p_fwe_file = File(exists=True, desc='corrected p map, for a column of the table')
    p_extent_file = File(exists=True, desc='corrected p map of cluster extent, likewise')
    p_mass_file = File(exists=True, desc='corrected p map of cluster mass, likewise')
    p_tfce_file = File(exists=True, desc='corrected p map of TFCE, likewise')
    min_distance_mm = traits.Float(
        8.0, usedefault=True, desc='smallest distance of two peaks of a cluster in mm'
    )
    max_peaks = traits.Int(3, usedefault=True, desc='most peaks listed per cluster')


class _TableClustersOutputSpec(TraitedSpec):
    clusters_file = File(exists=True, desc='clusters and their peaks in mm (TSV)')


class TableClusters(SimpleInterface):
    """List clusters and their peaks in mm, with the corrected p where there is one.

    Examples
    --------
    >>> TableClusters(max_peaks=5).inputs.min_distance_mm
    8.0
    """

    input_spec = _TableClustersInputSpec
    output_spec = _TableClustersOutputSpec

    def _run_interface(self, runtime):
        import numpy as np

        from ..images.files import save_table
        from ..images.tables import cluster_table
        from ..images.volumes import check_same_grid, load_volume

        inputs = self.inputs
        stat = load_volume(inputs.in_file)
        labels = load_volume(inputs.labels_file, dtype=np.int32)
        check_same_grid(stat, labels, names=(inputs.in_file, inputs.labels_file))
        extra = {}
        for column in ('p_fwe', 'p_extent', 'p_mass', 'p_tfce'):
            path = getattr(inputs, f'{column}_file')
            if isdefined(path):
                p = load_volume(path)
                check_same_grid(stat, p, names=(inputs.in_file, path))
                extra[column] = p.data
        table = cluster_table(
            stat.data,
            stat.affine,
            labels.data,
            min_distance_mm=inputs.min_distance_mm,
            max_peaks=inputs.max_peaks,
            extra=extra,
        )
        # Maps are in single precision; more digits would be noise.
        table = table.round({'peak_stat': 6})
        for column in extra:
            table[column] = [float(f'{p:.6g}') for p in table[column]]
        out_file = Path(runtime.cwd) / 'clusters.tsv'
        self._results['clusters_file'] = save_table(table, out_file)
        return runtime
