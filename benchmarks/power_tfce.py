"""Power of TFCE for an extended effect, with and without a strong focal peak, beside nilearn's.

Run ``python benchmarks/power_tfce.py``; nearly all of the time is nilearn's. Groups of 16 maps of
smooth noise hold an effect that is weak and extended (a ball); in half of the analyses one voxel,
far from it, has a strong effect of its own. Power is the share of groups in which the ball is
found: some voxel of it has a familywise-error-corrected p of at most .05, by the maximum over the
same 99 sign flips, on the positive side, with 6 neighbours.

nilearn adds up 100 heights from 0 to the maximum of each map and does not multiply by the step.
So a map with a high maximum, such as one with a focal peak, has its extended part counted at
fewer heights than that of a sign flip, which takes the peak apart; what is left is no longer
large. With the integral, as ours is, the extended part of a map does not depend on its peak.
``--null`` measures the error rate without an effect instead.
"""

import argparse
import os

os.environ |= {f'{name}_NUM_THREADS': '1' for name in ('OMP', 'OPENBLAS', 'MKL')}

import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial

import numpy as np
from rich.console import Console
from rich.table import Table
from scipy import ndimage

SHAPE, N_MAPS, N_FLIPS, ALPHA = (12, 12, 12), 16, 99, 0.05
#: Mean of the ball and of the focal peak, in standard deviations of a map.
WEAK, STRONG = 0.35, 4.0
GRID = np.indices(SHAPE)
BALL = np.linalg.norm(GRID - np.reshape([4, 4, 4], (3, 1, 1, 1)), axis=0) <= 3
PEAK = (10, 10, 10)
METHODS = ('voxelwise t', 'TFCE, exact (ours)', "TFCE, nilearn's")


def simulate(rng, effect, peak):
    """Maps of a group: (N, X, Y, Z)."""
    maps = ndimage.gaussian_filter(rng.normal(size=(N_MAPS, *SHAPE)), (0, 1, 1, 1))
    maps /= maps.std()
    maps[:, BALL] += effect
    maps[(slice(None), *PEAK)] += peak
    return maps


def t_of_flips(maps, rng):
    """One-sample t of the maps and of random sign flips of them: (1 + B, X, Y, Z)."""
    signs = rng.choice([-1.0, 1.0], size=(1 + N_FLIPS, N_MAPS))
    signs[0] = 1.0
    mean = np.tensordot(signs, maps, 1) / N_MAPS
    variance = ((maps**2).sum(axis=0) - N_MAPS * mean**2) / (N_MAPS - 1)
    return mean / np.sqrt(variance / N_MAPS)


def ours(t):
    """Exact TFCE of each map, positive side."""
    from nistats_nipype.images.adjacency import voxel_adjacency
    from nistats_nipype.stats.graphs import check_graph
    from nistats_nipype.stats.tfce import tfce

    graph = check_graph(voxel_adjacency(np.ones(SHAPE, dtype=bool), 6), np.prod(SHAPE))
    maps = [tfce(one.ravel(), graph, sidedness='positive').reshape(SHAPE) for one in t]
    return np.array(maps)


def nilearns(t):
    """What nilearn's non_parametric_inference computes of each map, positive side."""
    from nilearn.mass_univariate._utils import calculate_tfce

    structure = ndimage.generate_binary_structure(3, 1)
    by_map = np.moveaxis(t, 0, -1)
    enhanced = calculate_tfce(by_map, structure, two_sided_test=False)
    return enhanced.reshape(by_map.shape).transpose(3, 0, 1, 2)


def find(maps):
    """Whether the ball is found, and whether anything is."""
    null = maps.reshape(len(maps), -1).max(axis=1)
    p = (null[:, None, None, None] >= maps[0]).mean(axis=0)
    return p[BALL].min() <= ALPHA, p.min() <= ALPHA


def analyse(effect, peak, seed):
    """Analyse a group in all ways: what was found, and CPU seconds."""
    rng = np.random.default_rng(seed)
    t = t_of_flips(simulate(rng, effect, peak), rng)
    found, seconds = [], []
    for enhance in (np.asarray, ours, nilearns):
        start = time.process_time()
        enhanced = enhance(t)
        seconds.append(time.process_time() - start)
        found.append(find(enhanced))
    return found, seconds


def main():
    """Print the power of every method for every kind of group."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--groups', type=int, default=100, help='groups of each kind')
    parser.add_argument('--jobs', type=int, default=2, help='processes')
    parser.add_argument('--null', action='store_true', help='groups without an effect, too')
    arguments = parser.parse_args()
    kinds = {'extended effect': (WEAK, 0.0), 'extended effect and focal peak': (WEAK, STRONG)}
    if arguments.null:
        kinds['no effect (anything found)'] = (0.0, 0.0)
    table = Table('groups', *METHODS, title=f'Power at familywise {ALPHA}: share ± standard error')
    total = np.zeros(len(METHODS))
    ours(np.zeros((1, *SHAPE)))  # compiled before the processes are made
    with ProcessPoolExecutor(arguments.jobs) as pool:
        for kind, (effect, peak) in kinds.items():
            results = list(pool.map(partial(analyse, effect, peak), range(arguments.groups)))
            found = np.array([found for found, _ in results])[:, :, 0 if effect else 1]
            total += np.sum([seconds for _, seconds in results], axis=0)
            share = found.mean(axis=0)
            error = np.sqrt(share * (1 - share) / len(found))
            cells = [f'{s:.2f} ± {e:.2f}' for s, e in zip(share, error, strict=True)]
            table.add_row(kind, *cells)
    n_maps = len(kinds) * arguments.groups * (1 + N_FLIPS)
    table.add_row('CPU ms per map', '', *(f'{1e3 * s / n_maps:.2f}' for s in total[1:]))
    Console().print(table)


if __name__ == '__main__':
    main()
