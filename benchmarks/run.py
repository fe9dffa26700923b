"""The permutation engine beside its peers: CPU and wall seconds, peak memory, ratios.

``python benchmarks/run.py`` runs every task. Each contender runs in a process of its own, with
one thread, on the same maps; those that are not installed are skipped. See README.rst.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import problems
from measuring import Cost
from rich.console import Console
from rich.table import Table
from tables import COLUMNS, Comparison, Row, write
from tasks import TASKS

ENDS = (COLUMNS[0], COLUMNS[-1])
GROUPS = ['simulated', 'real']
_LIBRARIES = ('OMP', 'OPENBLAS', 'MKL', 'NUMBA')
ONE_THREAD = {f'{library}_NUM_THREADS': '1' for library in _LIBRARIES}


def run_contender(name, index, scale, problem_file):
    """Run a contender in a process of its own; it writes to the folder of the problem only."""
    contender = TASKS[name].contenders[index]
    if not contender.is_present:
        return Row(contender.title, note=f'skipped: {contender.needs} is not installed')
    folder = problem_file.parent
    amount = TASKS[name].amount(contender, scale)
    script = Path(__file__).with_name('contender.py').resolve()
    arguments = [script, name, index, amount, problem_file, folder / 'results.npz']
    environment = os.environ | ONE_THREAD | {'TMPDIR': str(folder)}
    if contender.first_use:
        environment['NUMBA_CACHE_DIR'] = str(folder / 'compiled')
    done = subprocess.run(
        [sys.executable, *map(str, arguments)],
        check=False,
        env=environment,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        *_, reason = [f'status {done.returncode}', *done.stderr.strip().splitlines()]
        return Row(contender.title, note=f'failed: {reason}')
    cost = Cost(*json.loads(done.stdout.splitlines()[-1]))
    with np.load(folder / 'results.npz') as results:
        return Row(contender.title, amount, cost, dict(results))


def compare(name, group, arguments):
    """Run a task on a group; None if there is no such group here."""
    task = TASKS[name]
    problem = task.groups[group](arguments.scale)
    if problem is None:
        return None
    n_maps, n_voxels = problem.values.shape
    if task.unit == 'maps':
        problem = problems.statistic_maps(problem)
    rows = {}
    with tempfile.TemporaryDirectory() as folder:
        problem_file = Path(folder) / 'problem.npz'
        problem.save(problem_file)
        for index, contender in enumerate(task.contenders):
            if contender.needs in arguments.contenders:
                rows[contender.label] = run_contender(name, index, arguments.scale, problem_file)
    ran = {label: row for label, row in rows.items() if row.cost}
    return Comparison(
        title=f'{task.title}; {group} group, {n_maps} subjects, {n_voxels:,} voxels',
        target=task.target,
        rows=list(rows.values()),
        reference=ran.get(task.contenders[0].label) if task.compared else None,
        baseline=ran.get(task.baseline),
    )


def parse():
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    needs = sorted({contender.needs for task in TASKS.values() for contender in task.contenders})
    parser.add_argument('--tasks', nargs='+', choices=TASKS, default=list(TASKS))
    parser.add_argument('--contenders', nargs='+', choices=needs, default=needs)
    parser.add_argument('--groups', nargs='+', choices=GROUPS, default=GROUPS)
    parser.add_argument('--scale', choices=('small', 'full'), default='full')
    parser.add_argument('--out', type=Path, help='file for the tables: .rst or .tsv')
    return parser.parse_args()


def main():
    """Run the tasks, print a table of each, and return whether a contender failed."""
    arguments = parse()
    # Where there is no terminal, as wide as the tables are.
    console = Console(width=None if sys.stdout.isatty() else 140)
    comparisons = []
    for name in arguments.tasks:
        for group in (group for group in arguments.groups if group in TASKS[name].groups):
            comparison = compare(name, group, arguments)
            if comparison is None:
                console.print(f'{name}, {group}: skipped, {problems.DATA_VARIABLE} is not set')
                continue
            table = Table(title=comparison.title, caption=comparison.caption)
            for column in COLUMNS:
                table.add_column(column, justify='left' if column in ENDS else 'right')
            for cells in comparison.cells():
                table.add_row(*cells)
            console.print(table)
            comparisons.append(comparison)
    if arguments.out:
        write(comparisons, arguments.out)
    return any(row.note.startswith('failed') for one in comparisons for row in one.rows)


if __name__ == '__main__':
    sys.exit(main())
