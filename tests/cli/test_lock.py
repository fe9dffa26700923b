"""Two runs do not write into one folder at once."""

import fcntl
import os
import signal
import subprocess
import sys

import pytest

from nistats_nipype.cli.lock import locked
from nistats_nipype.exceptions import OutputError

HOLD = (
    'import sys, time; from nistats_nipype.cli.lock import locked\n'
    'with locked(sys.argv[1]): print("held", flush=True); time.sleep(60)'
)


@pytest.fixture
def holder(tmp_path):
    """Let another process hold the folder."""
    with subprocess.Popen(
        [sys.executable, '-c', HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == 'held\n'
        yield process
        process.kill()


def test_a_folder_in_use_is_refused_by_name_of_its_user(tmp_path, holder):
    with pytest.raises(OutputError, match='Another run is working') as error, locked(tmp_path):
        pytest.fail('the folder was taken twice')
    assert str(tmp_path) in error.value.problem
    assert error.value.found.startswith(f'process {holder.pid} on ')


def test_a_killed_run_leaves_the_folder_free(tmp_path, holder):
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    with locked(tmp_path):
        assert str(os.getpid()) in (tmp_path / '.lock').read_text()


def test_what_was_locked_first_is_free_again_after_a_refusal(tmp_path, holder):
    (tmp_path / 'logs').mkdir()
    with pytest.raises(OutputError), locked(tmp_path / 'logs', tmp_path):
        pytest.fail('the folder was taken twice')
    with locked(tmp_path / 'logs'):
        pass


def test_one_folder_for_both_purposes_is_no_conflict(tmp_path):
    with locked(tmp_path, str(tmp_path)):
        pass


def test_without_locks_the_run_goes_on(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(37, 'No locks available')

    monkeypatch.setattr(fcntl, 'flock', refuse)
    with locked(tmp_path):
        assert (tmp_path / '.lock').is_file()
