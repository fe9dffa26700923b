"""What the workflow engine costs: wall time less the time inside the interfaces.

``python benchmarks/overhead.py`` runs the second-level workflow on a small simulated group through
each plugin, with 1 and 16 chunks. Beside the wall time stand the seconds in which at least one
interface ran, and the rest, which is the engine's: starting jobs, importing, waiting, copying.
With ``--clusters``, and as root where Debian's packages are, also on a SLURM and an SGE of one
node, started for the purpose.
"""

import argparse
import importlib.util
import os
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

CHUNKS = (1, 16)
LOCAL = {'Linear': {}, 'MultiProc': {'n_procs': 2}, 'LegacyMultiProc': {'n_procs': 2}}
DASK = {'Dask': {'n_workers': 2}}
CLUSTERS = {'SLURM': 'Slurm', 'SGE': 'Sge'}


class Overhead(NamedTuple):
    """Of one run, in seconds.

    Attributes
    ----------
    n_jobs : int
        Interfaces that ran.
    wall, inside, busy : float
        Of the whole run; summed over interfaces; in which any of them ran.
    """

    n_jobs: int
    wall: float
    inside: float
    busy: float


def union(intervals):
    """Length of what intervals cover together.

    Examples
    --------
    >>> union([(0.0, 2.0), (1.0, 3.0), (5.0, 6.0)])
    4.0
    """
    total, end = 0.0, float('-inf')
    for start, stop in sorted(intervals):
        total += max(0.0, stop - max(start, end))
        end = max(end, stop)
    return total


def interface_times(work_dir):
    """When each interface ran, from the results that nipype keeps."""
    from nipype.utils.filemanip import loadpkl

    times = []
    for path in Path(work_dir).rglob('result_*.pklz'):
        runtime = loadpkl(path).runtime
        # The result of a MapNode only gathers those of its jobs.
        if getattr(runtime, 'startTime', None):
            ends = (runtime.startTime, runtime.endTime)
            times.append(tuple(datetime.fromisoformat(each).timestamp() for each in ends))
    return times


def run(plugin, plugin_args, n_chunks, group, folder):
    """Run the workflow once."""
    from nistats_nipype.cli.plugin import find_plugin
    from nistats_nipype.workflows import init_second_level_wf

    workflow = init_second_level_wf(
        fwhm_mm=0, n_perm=200, n_chunks=n_chunks, out_dir=str(folder / 'out')
    )
    workflow.base_dir = str(folder / 'work')
    workflow.inputs.inputnode.in_files = group.effect_files
    # As the command line has it.
    workflow.config['execution'] = {'poll_sleep_duration': 0.02, 'create_report': 'false'}
    started = time.perf_counter()
    workflow.run(plugin=find_plugin(plugin)(plugin_args=plugin_args))
    wall = time.perf_counter() - started
    times = interface_times(workflow.base_dir)
    return Overhead(len(times), wall, sum(end - start for start, end in times), union(times))


@contextmanager
def cluster(name, folder):
    """Start a scheduler of one node; give None if it cannot be."""
    sys.path.insert(0, str(Path(__file__).parent.parent))
    from tests.clusters import schedulers

    kind = getattr(schedulers, CLUSTERS[name])
    missing = kind.missing()
    if missing:
        print(f'{name}: skipped, {missing}', file=sys.stderr)
        yield None
        return
    scheduler = kind(folder)
    try:
        scheduler.start()
        os.environ.update(scheduler.environment)
        yield scheduler
    finally:
        scheduler.stop()


@contextmanager
def quiet():
    """Send what nipype and its jobs print to nowhere."""
    kept = [os.dup(number) for number in (1, 2)]
    with open(os.devnull, 'w') as nowhere:
        try:
            for number in (1, 2):
                os.dup2(nowhere.fileno(), number)
            yield
        finally:
            for number, copy in zip((1, 2), kept, strict=True):
                os.dup2(copy, number)
                os.close(copy)


def main():
    """Print a row for each plugin and number of chunks."""
    from nistats_nipype.datasets.simulation import simulate_group

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--clusters', action='store_true', help='start a SLURM and an SGE, too')
    parser.add_argument('--plugins', nargs='+', help='only these', metavar='PLUGIN')
    args = parser.parse_args()
    plugins = LOCAL | (DASK if importlib.util.find_spec('distributed') else {})
    plugins |= {name: {} for name in CLUSTERS} if args.clusters else {}
    names = ('plugin', 'chunks', 'interfaces', 'wall s', 'inside s', 'none runs s', 'a job, ms')
    table = Table(*names, title='Overhead of the workflow engine')
    with ExitStack() as stack:
        top = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        group = simulate_group(top / 'group', n_subjects=8, resolution_mm=8, hole_fraction=0.0)
        run('Linear', {}, 1, group, top / 'compiled') if args.plugins is None else None
        for plugin in args.plugins or plugins:
            if plugin in CLUSTERS:
                (top / plugin).mkdir()
                if stack.enter_context(cluster(plugin, top / plugin)) is None:
                    continue
            for n_chunks in CHUNKS:
                folder = top / f'{plugin}-{n_chunks}'
                with quiet():
                    cost = run(plugin, plugins[plugin], n_chunks, group, folder)
                rest = cost.wall - cost.busy
                each = 1000 * rest / cost.n_jobs
                seconds = (f'{value:.1f}' for value in (cost.wall, cost.inside, rest))
                table.add_row(plugin, str(n_chunks), str(cost.n_jobs), *seconds, f'{each:.0f}')
    Console().print(table)


if __name__ == '__main__':
    main()
