"""The command line on real schedulers."""

import os
import signal
import subprocess
import sys

import pytest

from .conftest import wait_for
from .schedulers import Slurm

pytestmark = pytest.mark.cluster(seconds=120)


@pytest.fixture
def name(cluster):
    return 'SLURM' if isinstance(cluster, Slurm) else 'SGE'


def spawn(folder, *arguments):
    """Start the command line; what it says is in the file ``said`` of the folder."""
    with open(folder / 'said', 'w') as said:
        return subprocess.Popen(
            [sys.executable, '-m', 'nistats_nipype.cli.main', *map(str, arguments)],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def test_ctrl_c_leaves_no_job(cluster, name, tmp_path):
    process = spawn(
        tmp_path, 'demo', 'my out', '--n-subjects', 6, '--resolution', 8, '--plugin', name
    )
    said = tmp_path / 'said'
    wait_for(lambda: '[3/' in said.read_text(), seconds=90)
    wait_for(cluster.running)
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(timeout=60) == 128 + signal.SIGINT
    assert cluster.jobs() == []
    text = said.read_text()
    assert f'through {name}\n' in text
    assert 'Interrupted.' in text
    assert 'queue' not in text


def test_a_queue_that_is_not_there_is_named(cluster, name, tmp_path):
    option = {'SLURM': 'sbatch_args: --partition=nope', 'SGE': 'qsub_args: -q nope'}[name]
    (tmp_path / 'args.yml').write_text(f'{option}\nretry_timeout: 0.1\n')
    process = spawn(
        *(tmp_path, 'demo', 'out', '--n-subjects', 6, '--resolution', 8),
        *('--plugin', name, '--plugin-args', 'args.yml'),
    )
    assert process.wait(timeout=90) == 1
    text = (tmp_path / 'said').read_text()
    assert 'The analysis failed.' in text
    assert 'nope' in text.partition('found:')[2]
    assert 'Traceback' not in text


def test_the_table_of_plugins_asks_the_scheduler(cluster, name, tmp_path):
    assert spawn(tmp_path, 'plugins').wait(timeout=60) == 0
    rows = map(str.split, (tmp_path / 'said').read_text().splitlines())
    usable = {row[0]: row[1] for row in rows if row[1:]}
    assert usable[name] == usable[f'{name}Graph'] == 'yes'
