"""TFCE and cluster statistics of simulated maps at MNI 2 mm, side by side with peers.

Run ``python benchmarks/tfce_clusters.py``. Times are CPU time of the process, per map, both
sides of it: the median over maps. Everything runs in one thread, on the same maps: smooth
Gaussian noise of unit variance in the brain mask of nilearn, half of it on either side of 0.
"""

import argparse
import os

os.environ |= {f'{name}_NUM_THREADS': '1' for name in ('OMP', 'OPENBLAS', 'MKL')}

import statistics
import time
import warnings

import numpy as np
from nilearn.datasets import load_mni152_brain_mask
from scipy import ndimage

from nistats_nipype.images.adjacency import voxel_adjacency
from nistats_nipype.stats import cluster_kernels, tfce_kernels
from nistats_nipype.stats.graphs import check_graph

VOXEL_MM = 2
RANKS = {6: 1, 18: 2, 26: 3}
NO_WEIGHTS = np.empty(0)


def simulate(mask, n_maps, fwhm_mm):
    """Smooth noise in the mask, one map per row."""
    rng = np.random.default_rng(0)
    sigma = fwhm_mm / VOXEL_MM / np.sqrt(8 * np.log(2))
    maps = np.array(
        [ndimage.gaussian_filter(rng.normal(size=mask.shape), sigma)[mask] for _ in range(n_maps)]
    )
    return (maps - maps.mean(axis=1, keepdims=True)) / maps.std(axis=1, keepdims=True)


def seconds(function, maps):
    """Median CPU seconds per map, after one call to compile and warm up."""
    function(maps[0])
    times = []
    for one in maps:
        start = time.process_time()
        function(one)
        times.append(time.process_time() - start)
    return statistics.median(times)


def our_tfce(graph):
    """Both sides of a map, with everything but the result allocated beforehand."""
    work = tfce_kernels.make_work(graph)
    out = np.zeros(len(graph.indptr) - 1)

    def enhance(stat):
        for sign in (1.0, -1.0):
            tfce_kernels.tfce_side(stat, sign, *graph, NO_WEIGHTS, 0.5, 2.0, work, out)
        return out

    return enhance


def package_tfce(mask, connectivity):
    """The tfce package on PyPI: exact, compiled, single precision. None without it."""
    try:
        import tfce
    except ImportError:
        return None
    image = np.zeros(mask.shape, dtype=np.float32)

    def enhance(stat):
        image[mask] = stat
        return tfce.tfce(image, connectivity=connectivity)[mask]

    return enhance


def nilearn_tfce(mask, connectivity):
    """What nilearn's non_parametric_inference runs: 100 steps, each labelled by SciPy."""
    from nilearn.mass_univariate._utils import calculate_tfce

    structure = ndimage.generate_binary_structure(3, RANKS[connectivity])
    image = np.zeros((*mask.shape, 1))

    def enhance(stat):
        image[mask, 0] = stat
        return calculate_tfce(image, structure)[mask, 0]

    return enhance


def scipy_clusters(mask, connectivity, threshold):
    """Largest extent and mass of either side, with SciPy's image labelling."""
    structure = ndimage.generate_binary_structure(3, RANKS[connectivity])
    image = np.zeros(mask.shape)

    def measure(stat):
        image[mask] = stat
        result = []
        for height in (image, -image):
            labels, n_labels = ndimage.label(height >= threshold, structure)
            inside = labels > 0
            result.append(np.bincount(labels[inside], minlength=n_labels + 1).max())
            result.append(np.bincount(labels[inside], height[inside], n_labels + 1).max())
        return tuple(result)

    return measure


def report(name, time_, reference):
    """Print a row."""
    print(f'  {name:34s}{1e3 * time_:12.3f} ms {time_ / reference:10.1f} x')


def compare_tfce(maps, mask, graph, connectivity, with_nilearn):
    """Time TFCE, and check that the exact ones agree."""
    print(f'TFCE, E = 0.5, H = 2, {connectivity} neighbours, both sides')
    ours = our_tfce(graph)
    reference = seconds(ours, maps)
    report('nistats_nipype', reference, reference)
    package = package_tfce(mask, connectivity)
    if package is not None:
        np.testing.assert_allclose(ours(maps[0]), package(maps[0]), rtol=1e-4, atol=1e-12)
        report('tfce (PyPI)', seconds(package, maps), reference)
    if with_nilearn:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
            report('nilearn', seconds(nilearn_tfce(mask, connectivity), maps[:1]), reference)


def compare_clusters(maps, mask, graph, connectivity, threshold):
    """Time the largest extent and mass, and check that they agree."""
    print(f'Clusters, |z| >= {threshold}, {connectivity} neighbours, extent and mass, both sides')
    work = cluster_kernels.make_work(maps.shape[1])

    def ours(stat):
        return cluster_kernels.cluster_extremes(stat, threshold, *graph, NO_WEIGHTS, work)

    peer = scipy_clusters(mask, connectivity, threshold)
    np.testing.assert_allclose(ours(maps[0]), peer(maps[0]), rtol=1e-10)
    reference = seconds(ours, np.tile(maps, (5, 1)))
    report('nistats_nipype', reference, reference)
    report('scipy.ndimage.label, bincount', seconds(peer, maps), reference)


def main():
    """Run the comparison."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--n-maps', type=int, default=9)
    parser.add_argument('--fwhm-mm', type=float, default=8.0, help='smoothness (default 8)')
    parser.add_argument('--threshold', type=float, default=3.1, help='z (default 3.1)')
    parser.add_argument('--no-nilearn', action='store_true', help='leave out the slow peer')
    args = parser.parse_args()
    mask = np.asarray(load_mni152_brain_mask(resolution=VOXEL_MM).dataobj) > 0
    maps = simulate(mask, args.n_maps, args.fwhm_mm)
    print(f'{args.n_maps} maps of {maps.shape[1]} voxels, noise of FWHM {args.fwhm_mm} mm')
    for connectivity in (6, 26):
        start = time.process_time()
        graph = check_graph(voxel_adjacency(mask, connectivity), maps.shape[1])
        spent = time.process_time() - start
        print(f'Graph of {connectivity} neighbours: {1e3 * spent:.0f} ms, once')
        compare_tfce(maps, mask, graph, connectivity, not args.no_nilearn)
        compare_clusters(maps, mask, graph, connectivity, args.threshold)


if __name__ == '__main__':
    main()
