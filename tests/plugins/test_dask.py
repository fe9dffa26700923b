"""DaskPlugin, with workers of this machine, in processes without the settings of pytest."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from nistats_nipype.exceptions import InputError
from nistats_nipype.plugins.dask import DaskPlugin

from .conftest import build_row, result_of

pytest.importorskip('distributed')


def double(x):
    return 2 * x


def triple(x):
    return 3 * x


def fail(x):
    raise ValueError('no such luck')


def die(x):
    import os

    os.kill(os.getpid(), 9)


def run_row(folder, names, plugin_args):
    """Run functions of this module in a row, and say how it went."""
    from distributed import LocalCluster

    functions = [globals()[name] for name in names]
    seen = []
    n_threads = plugin_args.pop('n_threads', None)
    cluster = n_threads and LocalCluster(
        n_workers=1, threads_per_worker=n_threads, dashboard_address=':0'
    )
    if cluster:
        plugin_args['address'] = cluster.scheduler_address
    plugin_args['status_callback'] = lambda node, status: seen.append(f'{node.name} {status}')
    try:
        graph = build_row(Path(folder), *functions).run(plugin=DaskPlugin(plugin_args))
        told = {'out': result_of(graph, names[-1]), 'seen': seen}
    except Exception as error:
        told = {'error': type(error).__name__, 'text': str(error)}
    if cluster:
        cluster.close()
    sys.stdout.write(f'\n{json.dumps(told)}\n')


@pytest.fixture
def run(tmp_path):
    """Run functions of this module in a row, in a process of their own."""

    def run(*names, **plugin_args):
        code = f'from tests.plugins.test_dask import *; run_row({str(tmp_path)!r}, {names}, '
        done = subprocess.run(
            [sys.executable, '-c', f'{code}{plugin_args})'],
            cwd=Path(__file__).parents[2],
            env={**os.environ, 'DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT': '2s'},
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    return run


def test_values_go_from_node_to_node(run):
    told = run('double', 'triple', n_workers=2)
    assert told == {
        'out': 6,
        'seen': ['double start', 'double end', 'triple start', 'triple end'],
    }


def test_a_node_that_fails_leaves_its_reason_in_a_crash_file(run, crashes):
    # On workers that were there before.
    told = run('double', 'fail', 'triple', n_threads=1)
    assert 'no such luck' in told['text']
    (text,) = crashes()
    assert 'ValueError: no such luck' in text


def test_a_worker_that_is_killed_ends_the_run(run, crashes):
    told = run('die', 'double', n_workers=1)
    assert 'worker of Dask was lost' in told['text']
    (text,) = crashes()
    assert 'KilledWorker' in text
    assert 'ran out of memory' in text


def test_workers_with_threads_are_refused(run):
    told = run('double', n_threads=2)
    assert told['error'] == 'InputError'
    assert 'several nodes at a time' in told['text']
    assert '2 threads in ' in told['text']


def test_an_address_where_nobody_is(run):
    told = run('double', address='tcp://127.0.0.1:9')
    assert told['error'] == 'InputError'
    assert 'tcp://127.0.0.1:9' in told['text']


def test_dask_is_an_extra(build, monkeypatch):
    assert DaskPlugin.obstacle() is None
    monkeypatch.setitem(sys.modules, 'distributed', None)
    with pytest.raises(InputError, match='package distributed') as error:
        build(double).run(plugin=DaskPlugin())
    assert 'nistats_nipype[dask]' in error.value.advice
