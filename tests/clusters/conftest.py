"""Clusters for the tests of this folder, and a limit of time for each test."""

import os
import signal
import threading
import time
from contextlib import contextmanager

import pytest

from .schedulers import Sge, Slurm
from .steps import PLUGINS, QUICK, Steps

_VARIABLE = 'NISTATS_NIPYPE_CLUSTERS'
#: Seconds that a test may take, unless its marker says otherwise.
_LIMIT = 60


@pytest.fixture(scope='session')
def asked_for():
    """Skip what takes long, and changes the machine, where it was not asked for."""
    if not os.environ.get(_VARIABLE):
        pytest.skip(f'real SLURM and SGE: {_VARIABLE} is not set')


@pytest.fixture(scope='session', params=[Slurm, Sge], ids=['slurm', 'sge'])
def session_cluster(request, asked_for, tmp_path_factory):
    """A scheduler that takes jobs."""
    missing = request.param.missing()
    if missing:
        pytest.skip(f'{request.param.__name__}: {missing}')
    cluster = request.param(tmp_path_factory.mktemp('cluster'))
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


@pytest.fixture
def cluster(session_cluster, monkeypatch):
    """A scheduler with an empty queue, for commands of this process; no job may stay in it."""
    for name, value in session_cluster.environment.items():
        monkeypatch.setenv(name, value)
    yield session_cluster
    try:
        # A job notes its result shortly before it ends.
        wait_for(lambda: not session_cluster.jobs(), seconds=5)
    except TimeoutError:
        session_cluster.cancel(*session_cluster.jobs())
        raise


@pytest.fixture
def plugin(cluster):
    """Make a plugin for the scheduler; arguments are the plugin's."""

    def plugin(**plugin_args):
        return PLUGINS[type(cluster).__name__]({**QUICK, **plugin_args})

    return plugin


@pytest.fixture
def steps(tmp_path):
    return Steps(tmp_path)


@pytest.fixture(autouse=True)
def limit(request):
    """End a test that hangs."""

    def give_up(*_):
        pytest.fail(f'not done after {seconds} s')

    seconds = request.node.get_closest_marker('cluster').kwargs.get('seconds', _LIMIT)
    previous = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(seconds)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, previous)


def wait_for(condition, seconds=30):
    """Wait until something holds, and give it."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > end:
            raise TimeoutError(condition)
        time.sleep(0.1)
    return value


@contextmanager
def meanwhile(condition, action):
    """Do something once a condition holds, while the body runs; give what the condition gave.

    The body must take at least as long.
    """
    errors = []

    def act():
        try:
            action(wait_for(condition))
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=act)
    thread.start()
    try:
        yield
    finally:
        thread.join()
    assert errors == []
