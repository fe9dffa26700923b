"""Contenders: the permutation engine of this package.

A contender is a function of a problem and of a number of relabellings (or maps). It prepares
what is not measured and returns the work, which returns what it computed as a dict of arrays.
"""

import sys

import numpy as np
from measuring import Program

#: Cluster-forming threshold in z; exponents of TFCE.
THRESHOLD_Z = 3.1
EXPONENTS = (0.5, 2.0)


def max_t(problem, n_perm):
    """Whole test on voxels, uncorrected p included."""

    def work():
        from nistats_nipype.stats.permutation import merge, permute

        chunk = permute(*problem.model, problem.draw(n_perm))
        result = merge([chunk], *problem.model[1:])
        return {'t': result.stat, 'null': result.null, 'p': result.p_fwe}

    return work


def no_relabelling(problem, n_perm):
    """What the test on voxels takes besides relabelling: draw, check, fit."""

    def work():
        from nistats_nipype.stats.permutation import permute

        chunk = permute(*problem.model, problem.draw(n_perm), stop=0)
        return {'t': chunk.stat}

    return work


def _spatial(problem, n_perm, **measured):
    """Whole test of spatial statistics, 6 neighbours, the graph included."""
    from nistats_nipype.images.adjacency import voxel_adjacency
    from nistats_nipype.stats.spatial import merge_spatial, permute_spatial

    graph = voxel_adjacency(problem.mask, 6)
    chunk = permute_spatial(*problem.model, problem.draw(n_perm), graph, **measured)
    return merge_spatial([chunk], *problem.model[1:])


def tfce_test(problem, n_perm):
    """Whole test on TFCE, uncorrected p included."""

    def work():
        result = _spatial(problem, n_perm, tfce=EXPONENTS)['tfce']
        return {'TFCE': result.observed, 'null': result.null, 'p': result.p_fwe}

    return work


def cluster_threshold(problem):
    """Cluster-forming threshold in t."""
    from nistats_nipype.stats.clusters import cluster_forming

    return cluster_forming(THRESHOLD_Z, 'z', problem.design, problem.contrast)


def cluster_test(problem, n_perm):
    """Whole test on the extent and the mass of clusters."""

    def work():
        results = _spatial(problem, n_perm, threshold=cluster_threshold(problem))
        extent, mass = results['extent'], results['mass']
        return {'extent': extent.observed, 'mass': mass.observed, 'p of extent': extent.p_fwe}

    return work


def tfce_maps(connectivity):
    """Contender: positive side of ready maps, by the public function."""

    def contender(problem, n_maps):
        from nistats_nipype.images.adjacency import voxel_adjacency
        from nistats_nipype.stats.graphs import check_graph
        from nistats_nipype.stats.tfce import tfce

        adjacency = voxel_adjacency(problem.mask, connectivity)
        graph = check_graph(adjacency, problem.values.shape[1])

        def work():
            maps = [tfce(stat, graph, sidedness='positive') for stat in problem.values[:n_maps]]
            return {'TFCE': maps[0]}

        return work

    return contender


def tfce_kernel(connectivity):
    """Contender: positive side of ready maps, by the compiled loop with its arrays at hand."""

    def contender(problem, n_maps):
        from nistats_nipype.images.adjacency import voxel_adjacency
        from nistats_nipype.stats import tfce_kernels
        from nistats_nipype.stats.graphs import check_graph

        adjacency = voxel_adjacency(problem.mask, connectivity)
        graph = check_graph(adjacency, problem.values.shape[1])
        arrays, out = tfce_kernels.make_work(graph), np.zeros(problem.values.shape[1])

        def work():
            # The first map last, so that what is returned is its.
            for stat in problem.values[:n_maps][::-1]:
                out[:] = 0.0
                tfce_kernels.tfce_side(stat, 1.0, *graph, np.empty(0), *EXPONENTS, arrays, out)
            return {'TFCE': out}

        return work

    return contender


def imports(problem, n_perm):
    """Start of a node: Python, all interfaces, and the compiled loops."""
    modules = ', '.join(f'nistats_nipype.stats.{name}_kernels' for name in ('cluster', 'tfce'))
    code = f'import nistats_nipype.interfaces, nistats_nipype.stats.kernels, {modules}'
    return Program([sys.executable, '-c', code])


def first_use(problem, n_perm):
    """Every kind of test once: sign flips, permutations, several rows, clusters and TFCE."""

    def work():
        rng = np.random.default_rng(0)
        several = np.column_stack([problem.design, rng.normal(size=(len(problem.design), 2))])
        regression = problem._replace(design=several, contrast=np.array([0.0, 1.0, 0.0]))
        for tested in (problem, regression, regression._replace(contrast=np.eye(3)[1:])):
            max_t(tested, n_perm)()
            tfce_test(tested, n_perm)()
            cluster_test(tested, n_perm)()
        return {}

    return work
