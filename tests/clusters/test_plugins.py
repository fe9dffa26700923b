"""SLURMPlugin and SGEPlugin on real schedulers: what they ask for, and what can go wrong."""

import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from nistats_nipype.exceptions import SchedulerError

from .conftest import meanwhile, wait_for
from .schedulers import Slurm
from .steps import DIE, RAISE, Steps

pytestmark = pytest.mark.cluster

EVERYTHING = Counter({'1': 1, '2': 1, '3': 1, 'sum': 1})


@pytest.fixture
def options(cluster):
    """Name the argument of the plugin that has options, and choose one of two."""

    def options(for_slurm, for_sge):
        if isinstance(cluster, Slurm):
            return {'sbatch_args': for_slurm}
        return {'qsub_args': for_sge}

    return options


@pytest.fixture
def hold(options):
    """Arguments of nodes whose jobs shall wait for ever."""
    return options('--hold', '-h')


def fails(steps, plugin, **kwargs):
    """Run the steps until the first failure; give the crash file."""
    with pytest.raises(RuntimeError):
        steps.run(plugin, **{'stop_on_first_crash': True, **kwargs})
    return steps.crash()


def three_waiting(cluster):
    """Ids of the waiting jobs, once there are three."""
    # Asked once: a job of the run before may be about to leave the queue.
    job_ids = cluster.waiting()
    return job_ids if len(job_ids) == 3 else None


def replace_command(name, folder, monkeypatch, script):
    """Put a shell script in the place of a command, which it knows as $REAL."""
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f'#!/bin/bash\nREAL={shutil.which(name)}\ncd {folder}/..\n{script}\n')
    path.chmod(0o755)
    monkeypatch.setenv('PATH', str(folder), prepend=':')


def test_success(plugin, steps):
    seen = []
    # One that cannot be pickled.
    callback = lambda node, status: seen.append((node.name, status))  # noqa: E731
    assert steps.run(plugin(status_callback=callback)) == 60
    assert steps.ran() == EVERYTHING
    assert {('add', 'start'), ('add', 'end'), ('_multiply2', 'end')} < set(seen)
    # The same again computes nothing.
    assert steps.run(plugin()) == 60
    assert steps.ran() == Counter()


def test_jobs_get_what_nodes_ask_for(cluster, plugin, steps):
    steps.order(1, REPORT)
    assert steps.run(plugin(), n_procs=2) == 60
    found = dict(line.split('=', 1) for line in (steps.folder / 'found').read_text().splitlines())
    assert found['OMP_NUM_THREADS'] == found['NUMBA_NUM_THREADS'] == '2'
    if isinstance(cluster, Slurm):
        assert found['SLURM_CPUS_PER_TASK'] == '2'
        assert found['SLURM_MEM_PER_NODE'] == '1024'
    else:
        assert found['NSLOTS'] == '2'
        # Of which Python takes more than it uses.
        assert found['address_space'] == str(2 * 2**30)


REPORT = """
import os, resource
limit = resource.getrlimit(resource.RLIMIT_AS)[0]
with open(f'{folder}/found', 'w') as found:
    print(f'address_space={limit}', file=found)
    for name, value in os.environ.items():
        if name.startswith(('OMP_', 'NUMBA_', 'SLURM_', 'NSLOTS')):
            print(f'{name}={value}', file=found)
"""


def test_a_job_that_raises(plugin, steps):
    steps.order(2, RAISE)
    with pytest.raises(RuntimeError, match='no such luck'):
        steps.run(plugin())
    assert 'ValueError: no such luck' in steps.crash()
    # Jobs that do not need it went on; afterwards only the rest is computed.
    assert steps.ran() == Counter({'1': 1, '2': 1, '3': 1})
    steps.order(2, None)
    assert steps.run(plugin()) == 60
    assert steps.ran() == Counter({'2': 1, 'sum': 1})


def test_other_jobs_are_cancelled_if_the_first_failure_ends_the_run(cluster, plugin, steps):
    steps.order(1, RAISE)
    steps.sleep(2)
    steps.sleep(3)
    assert 'no such luck' in fails(steps, plugin())
    assert cluster.jobs() == []


def test_a_job_cancelled_while_it_waits(cluster, plugin, steps, hold):
    with meanwhile(lambda: three_waiting(cluster), lambda jobs: cluster.cancel(*jobs)):
        text = fails(steps, plugin(), plugin_args=hold)
    assert 'JobError: Job' in text
    assert ('CANCELLED' if isinstance(cluster, Slurm) else 'does not know') in text
    assert steps.ran() == Counter()
    assert steps.run(plugin()) == 60
    assert steps.ran() == EVERYTHING


def test_a_job_cancelled_while_it_runs(cluster, plugin, steps):
    steps.sleep(2)
    with meanwhile(steps.sleeper, cluster.cancel), pytest.raises(RuntimeError):
        steps.run(plugin())
    text = steps.crash()
    assert 'JobError: Job' in text
    assert ('CANCELLED' if isinstance(cluster, Slurm) else 'signal 9') in text
    steps.order(2, None)
    assert steps.ran() == Counter({'1': 1, '2': 1, '3': 1})
    assert steps.run(plugin()) == 60
    assert steps.ran() == Counter({'2': 1, 'sum': 1})


def test_a_job_that_is_killed(plugin, steps):
    steps.order(2, DIE)
    with pytest.raises(RuntimeError, match='signal 9'):
        steps.run(plugin())
    text = steps.crash()
    assert 'signal 9' in text
    assert '  last words\n' in text
    assert 'mem_gb' in text
    steps.order(2, None)
    steps.ran()
    assert steps.run(plugin()) == 60
    assert steps.ran() == Counter({'2': 1, 'sum': 1})


def test_an_old_result_is_not_taken_for_a_new_one(cluster, plugin, steps, hold):
    assert steps.run(plugin()) == 60
    steps.ran()
    with meanwhile(lambda: three_waiting(cluster), lambda jobs: cluster.cancel(*jobs)):
        text = fails(steps, plugin(), factor=20, plugin_args=hold)
    assert 'JobError: Job' in text
    assert steps.run(plugin(), factor=20) == 120
    assert steps.ran() == EVERYTHING


def test_a_queue_that_is_not_there(plugin, steps, options):
    started = time.monotonic()
    text = fails(steps, plugin(**options('--partition=nope', '-q nope')))
    # Tried three times.
    assert 0.6 < time.monotonic() - started < 20
    assert 'SchedulerError: ' in text
    assert 'nope' in text.rpartition('SchedulerError: ')[2]
    assert steps.ran() == Counter()
    assert steps.run(plugin()) == 60


def test_no_scheduler_is_found_out_before_anything_is_submitted(plugin, steps, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setenv('PATH', str(steps.folder))
        with pytest.raises(SchedulerError, match='failed') as error:
            steps.run(plugin())
    assert 'No such file' in error.value.found
    assert not steps.crash_dir.exists()


@pytest.mark.cluster(seconds=150)
@pytest.mark.parametrize('seconds', [8, pytest.param(30, marks=pytest.mark.slow)])
def test_an_outage_of_the_controller(cluster, plugin, steps, seconds):
    def outage(_):
        cluster.pause()
        time.sleep(seconds)
        cluster.resume()

    # The last two jobs end, and the next one is submitted, while nobody answers.
    steps.sleep(2, seconds=4)
    with meanwhile(steps.sleeper, outage):
        assert steps.run(plugin()) == 60
    assert steps.ran() == EVERYTHING


def test_a_name_for_the_user_is_not_needed(plugin, steps, monkeypatch):
    for name in ('LOGNAME', 'USER', 'LNAME', 'USERNAME'):
        monkeypatch.delenv(name, raising=False)
    assert steps.run(plugin()) == 60


def test_a_folder_with_a_strange_name(plugin, tmp_path):
    folder = tmp_path / "my work: 100%j, 'new'"
    folder.mkdir()
    assert Steps(folder).run(plugin()) == 60


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run(cluster, plugin, steps, number):
    steps.sleep(2)
    process = spawn(cluster, steps)
    wait_for(steps.sleeper)
    process.send_signal(number)
    process.communicate(timeout=50)
    assert process.returncode == (
        -signal.SIGINT if number == signal.SIGINT else 128 + signal.SIGTERM
    )
    assert cluster.jobs() == []
    steps.order(2, None)
    assert steps.run(plugin()) == 60


def test_jobs_of_a_run_that_was_killed(cluster, plugin, steps):
    steps.sleep(2)
    process = spawn(cluster, steps)
    job_id = wait_for(steps.sleeper)
    process.kill()
    process.communicate()
    # They would write to the same files.
    with pytest.raises(SchedulerError, match='earlier run') as error:
        steps.run(plugin())
    assert job_id in error.value.found
    cluster.cancel(job_id)
    wait_for(lambda: not cluster.jobs())
    steps.order(2, None)
    assert steps.run(plugin()) == 60


def spawn(cluster, steps):
    """Run the steps in a process of its own."""
    code = (
        'import sys; from tests.clusters.steps import *; '
        'Steps(sys.argv[2]).run(PLUGINS[sys.argv[1]](QUICK))'
    )
    return subprocess.Popen(
        [sys.executable, '-c', code, type(cluster).__name__, str(steps.folder)],
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


@pytest.mark.parametrize('submitted', [True, False], ids=['lost answer', 'rejected'])
def test_submissions_that_fail_at_first(cluster, plugin, steps, options, monkeypatch, submitted):
    command = next(iter(options('sbatch', 'qsub').values()))
    real = 'cd - >/dev/null; "$REAL" "$@"'
    fail = f'{real} >/dev/null; exit 1' if submitted else 'exit 1'
    first = f'if [ ! -e tried ]; then touch tried; {fail}; fi'
    replace_command(command, steps.folder / 'bin', monkeypatch, f'{first}\n{real}')
    assert steps.run(plugin()) == 60
    assert (steps.folder / 'tried').exists()
    # No job was submitted twice.
    assert steps.ran() == EVERYTHING


def test_a_job_that_can_never_run(cluster, plugin, steps, options):
    if isinstance(cluster, Slurm):
        pytest.skip('SLURM has no error state of jobs')
    text = fails(steps, plugin(qsub_args='-o /no/such/folder/log'))
    assert 'error state' in text
    assert '/no/such/folder' in text
    assert cluster.jobs() == []


@pytest.mark.slow
@pytest.mark.cluster(seconds=200)
def test_a_job_beyond_its_time(cluster, plugin, steps, options):
    # SLURM counts minutes.
    limit = options('--time=1', '-l h_rt=0:0:10')
    steps.sleep(2)
    text = fails(steps, plugin(), plugin_args=limit)
    assert ('TIMEOUT' if isinstance(cluster, Slurm) else 'h_rt') in text
    assert '--time=' in text or 'h_rt=' in text
