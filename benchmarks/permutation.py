"""Permutation inference beside nilearn: CPU seconds, wall seconds, peak memory, ratio.

Every engine runs in a process of its own, on the same random maps, with one thread::

    python benchmarks/permutation.py [--n-perm 1000] [--n-voxels 235375]

Times are those of the test alone, without imports and, for ours, without compiling
(a small problem is run first). Both give corrected p; ours gives uncorrected p at
every voxel besides.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import time

# One thread for everybody, before numpy is imported.
for name in ('OMP_NUM_THREADS', 'OPENBLAS_NUM_THREADS', 'MKL_NUM_THREADS'):
    os.environ[name] = '1'

import numpy as np
from rich.console import Console
from rich.table import Table

PROBLEMS = ('one-sample', 'two groups + age')


def make_problem(name, n_voxels):
    """Random maps, design and contrast: 16 subjects one-sample, 30 in two groups."""
    rng = np.random.default_rng(0)
    n = 16 if name == 'one-sample' else 30
    maps = rng.standard_normal((n, n_voxels), dtype=np.float32)
    ones = np.ones((n, 1))
    if name == 'one-sample':
        return maps, ones, [1.0]
    group = np.repeat([0.0, 1.0], n // 2)
    return maps, np.column_stack([ones, group, rng.normal(size=n)]), [0.0, 1.0, 0.0]


def run_ours(maps, design, contrast, n_perm):
    """Draw the schedule, permute, merge."""
    from nistats_nipype.stats.exchange import draw_schedule
    from nistats_nipype.stats.permutation import merge, permute

    schedule = draw_schedule(design, contrast, n_perm=n_perm)
    chunk = permute(maps, design, contrast, schedule)
    return merge([chunk], design, contrast).p_fwe.min()


def run_nilearn(maps, design, contrast, n_perm):
    """Call the function behind nilearn's non_parametric_inference."""
    from nilearn.mass_univariate import permuted_ols

    tested = int(np.flatnonzero(contrast)[0])
    confounds = np.delete(design, tested, axis=1)
    result = permuted_ols(
        design[:, [tested]],
        maps,
        confounding_vars=confounds if confounds.size else None,
        model_intercept=False,
        n_perm=n_perm,
        two_sided_test=True,
        n_jobs=1,
        output_type='dict',
    )
    return 10 ** -result['logp_max_t'].max()


ENGINES = {'nistats_nipype': run_ours, 'nilearn': run_nilearn}


def measure(engine, problem, n_voxels, n_perm):
    """Run one engine here and print what it took."""
    maps, design, contrast = make_problem(problem, n_voxels)
    run = ENGINES[engine]
    run(maps[:, :100], design, contrast, 10)
    wall, cpu = time.perf_counter(), time.process_time()
    run(maps, design, contrast, n_perm)
    figures = {
        'cpu': time.process_time() - cpu,
        'wall': time.perf_counter() - wall,
        'peak_mb': resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
    print(json.dumps(figures))


def main():
    """Measure every engine on every problem, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--n-perm', type=int, default=1000)
    parser.add_argument('--n-voxels', type=int, default=235375, help='MNI152 brain at 2 mm')
    parser.add_argument('--only', nargs=2, metavar=('ENGINE', 'PROBLEM'), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.only:
        measure(*args.only, args.n_voxels, args.n_perm)
        return
    table = Table(title=f'{args.n_perm:,} relabellings, {args.n_voxels:,} voxels, one thread')
    for column in ('problem', 'engine', 'CPU s', 'wall s', 'peak MB', 'ratio of CPU'):
        table.add_column(column, justify='right' if column[-1] in 'sBU' else 'left')
    for problem in PROBLEMS:
        reference = None
        for engine in ENGINES:
            command = [sys.executable, __file__, '--only', engine, problem]
            command += ['--n-perm', str(args.n_perm), '--n-voxels', str(args.n_voxels)]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            figures = json.loads(done.stdout.splitlines()[-1])
            reference = reference or figures['cpu']
            numbers = [f'{figures[key]:.1f}' for key in ('cpu', 'wall')]
            ratio = f'{figures["cpu"] / reference:.1f}'
            table.add_row(problem, engine, *numbers, f'{figures["peak_mb"]:.0f}', ratio)
    Console().print(table)


if __name__ == '__main__':
    main()
