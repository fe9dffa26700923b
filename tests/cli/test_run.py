"""The frame of a run: folders, redirected output, and the end of the story."""

import io
import json
import os
import signal
import subprocess
import sys
import threading

import pytest
from nipype.pipeline import engine as pe
from rich.console import Console

from nistats_nipype.cli import interrupts, run
from nistats_nipype.cli.build import Analysis
from nistats_nipype.exceptions import OutputError


def places(folder):
    logs = folder / 'logs'
    return run.Places(folder, folder / 'work', logs / 'crash', logs / 'nipype.log')


def test_folders_are_made_and_old_crashes_removed(tmp_path):
    at = places(tmp_path / 'new' / 'out')
    run.make_folders(at)
    (at.crash_dir / 'crash-old.txt').touch()
    (at.work_dir / 'kept').touch()
    at.log_file.write_text('old\n')
    run.make_folders(at)
    run.forget_crashes(at)
    assert list(at.crash_dir.iterdir()) == []
    assert (at.work_dir / 'kept').exists()
    assert at.log_file.read_text() == 'old\n'


@pytest.mark.parametrize('obstacle', ['out', 'out/work', 'out/logs', 'out/logs/crash'])
def test_a_file_in_the_way_is_an_error_that_leaves_nothing(tmp_path, obstacle):
    path = tmp_path / obstacle
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    before = sorted(tmp_path.rglob('*'))
    with pytest.raises(OutputError, match='cannot be used') as error:
        run.make_folders(places(tmp_path / 'out'))
    assert str(tmp_path / 'out') in error.value.found
    assert sorted(tmp_path.rglob('*')) == before


def test_a_log_that_cannot_be_written_is_an_error(tmp_path):
    (tmp_path / 'logs' / 'nipype.log').mkdir(parents=True)
    with pytest.raises(OutputError, match='cannot be used'):
        run.make_folders(places(tmp_path))


def test_a_folder_without_room_is_an_error(tmp_path, monkeypatch):
    def full(**_):
        raise OSError(28, 'No space left on device', 'x')

    monkeypatch.setattr(run.tempfile, 'TemporaryFile', full)
    with pytest.raises(OutputError) as error:
        run.make_folders(places(tmp_path / 'out'))
    assert 'No space left' in error.value.found
    assert not (tmp_path / 'out').exists()


def test_output_of_all_levels_goes_to_the_log_and_ours_to_the_terminal(tmp_path, capfd):
    log = tmp_path / 'log'
    with run.redirected_output(log, ['run', 'my out']) as terminal:
        # As C libraries do; Python's own streams are pytest's here.
        os.write(1, b'from C\n')
        os.write(2, b'from C, as an error\n')
        subprocess.run([sys.executable, '-c', 'print("from a child")'], check=True)
        print('for you', file=terminal)
    os.write(1, b'afterwards\n')
    out, err = capfd.readouterr()
    assert out.splitlines() == ['for you', 'afterwards']
    assert err == ''
    head, *rest = log.read_text().splitlines()
    assert head.startswith('=== ')
    assert head.endswith(f"in {os.getcwd()}: nistats-nipype run 'my out'")
    assert rest == ['from C', 'from C, as an error', 'from a child']


def test_a_crash_inside_gives_the_terminal_back(tmp_path, capfd):
    n_open = len(os.listdir('/proc/self/fd')) if os.path.isdir('/proc/self/fd') else None

    def crash():
        with run.redirected_output(tmp_path / 'log'):
            os.write(1, b'hidden\n')
            raise KeyError('inside')

    with pytest.raises(KeyError):
        crash()
    os.write(1, b'shown\n')
    os.write(2, b'shown too\n')
    assert capfd.readouterr() == ('shown\n', 'shown too\n')
    if n_open is not None:
        assert len(os.listdir('/proc/self/fd')) == n_open


def test_a_log_is_added_to(tmp_path):
    for text in (b'one\n', b'two\n'):
        with run.redirected_output(tmp_path / 'log'):
            os.write(1, text)
    lines = (tmp_path / 'log').read_text().splitlines()
    assert [line[:3] for line in lines] == ['===', 'one', '===', 'two']


def test_the_summary_is_of_this_run_and_says_where_everything_is(tmp_path):
    for label, name in (('aVsB', 'a [b] vs b'), ('old', 'old one')):
        summary = {'Contrast': name, 'Result': f'Result of {name}.'}
        (tmp_path / f'contrast-{label}_summary.json').write_text(json.dumps(summary))
    stream = io.StringIO()
    at = places(tmp_path)
    run._summarize(Console(file=stream, soft_wrap=True), Analysis(None, ['aVsB'], []), at)
    text = stream.getvalue()
    assert 'a [b] vs b: Result of a [b] vs b.' in text
    assert 'Result of old one' not in text
    assert 'earlier run: old.' in text
    for path in (tmp_path / 'report.html', tmp_path / 'figures', at.work_dir, at.log_file):
        assert f' {path}\n' in text


def run_analysis(tmp_path, monkeypatch, error=None, plugin='MultiProc', crash=None):
    """End a run in some way without running it; give exit code and what was said."""

    def execute(*_):
        if crash:
            (at.crash_dir / 'crash-1.txt').write_text(crash)
        if isinstance(error, KeyboardInterrupt):
            raise error
        return error

    at = places(tmp_path)
    run.make_folders(at)
    monkeypatch.setattr(run, '_execute', execute)
    (tmp_path / 'contrast-a_summary.json').write_text('{"Contrast": "a", "Result": "Yes."}')
    stream = io.StringIO()
    console = Console(file=stream, soft_wrap=True)
    code = run._run(console, Analysis(None, ['a'], []), plugin, {}, at)
    return code, stream.getvalue()


def test_an_error_without_a_crash_file_is_told(tmp_path, monkeypatch):
    code, text = run_analysis(tmp_path, monkeypatch, error=RuntimeError('a\nlast [line]'))
    assert code == 1
    assert 'failed' in text
    assert 'last [line]' in text
    assert str(tmp_path / 'logs' / 'nipype.log') in text
    ours = OutputError('No room.', advice='Make some.')
    code, text = run_analysis(tmp_path, monkeypatch, error=ours)
    assert str(ours) in text
    code, text = run_analysis(tmp_path, monkeypatch, error=MemoryError())
    assert 'MemoryError' in text


def test_a_plugin_that_swallows_a_failure_is_not_believed(tmp_path, monkeypatch):
    crash = 'Node: wf.a\nWorking directory: /w/a\n\nKeyError: 1\n'
    code, text = run_analysis(tmp_path, monkeypatch, crash=crash)
    assert code == 1
    assert 'a: KeyError: 1' in text
    assert 'Finished' not in text


def test_a_graph_plugin_has_submitted_and_not_finished(tmp_path, monkeypatch):
    code, text = run_analysis(tmp_path, monkeypatch, plugin='SLURMGraph')
    assert code == 0
    assert 'Submitted' in text
    assert 'Finished' not in text
    assert 'Yes.' not in text


@pytest.mark.parametrize(
    ('plugin', 'queued'), [('MultiProc', False), ('SLURM', False), ('nipype.SLURM', True)]
)
def test_an_interrupt_is_no_failure(tmp_path, monkeypatch, plugin, queued):
    code, text = run_analysis(tmp_path, monkeypatch, KeyboardInterrupt(), plugin)
    assert code == 130
    assert 'Interrupted' in text
    assert 'resumes' in text
    assert ('queue' in text) == queued


@pytest.mark.parametrize(('number', 'code'), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_is_remembered_when_nipype_swallows_it(tmp_path, monkeypatch, number, code):
    # Where the tests run in the background of a shell, Ctrl-C is ignored.
    inherited = signal.signal(number, signal.SIG_DFL)
    with interrupts.interruptible():
        try:
            os.kill(os.getpid(), number)
        except KeyboardInterrupt:
            swallowed = RuntimeError('the node failed')
        assert run_analysis(tmp_path, monkeypatch, swallowed)[0] == code
    assert signal.signal(number, inherited) is signal.SIG_DFL
    with interrupts.interruptible():
        assert interrupts.received_signal() is None


def test_a_forked_worker_just_ends():
    with interrupts.interruptible():
        pid = os.fork()
        if pid == 0:
            try:
                os.kill(os.getpid(), signal.SIGTERM)
            finally:
                os._exit(1)
        _, status = os.waitpid(pid, 0)
        assert os.WTERMSIG(status) == signal.SIGTERM
        assert interrupts.received_signal() is None


def test_signals_are_left_alone_outside_the_main_thread():
    seen = []

    def work():
        with interrupts.interruptible():
            seen.append(signal.getsignal(signal.SIGTERM))

    before = signal.getsignal(signal.SIGTERM)
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [before]


def test_ctrl_c_stays_ignored_in_the_background():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with interrupts.interruptible():
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_jobs_that_could_not_be_cancelled_are_named(monkeypatch):
    class LeavingPlugin:
        left_behind = ('7', '8')

        def __init__(self, plugin_args):
            pass

    def interrupted(self, plugin):
        raise KeyboardInterrupt

    monkeypatch.setattr(run, 'find_plugin', lambda name: LeavingPlugin)
    monkeypatch.setattr(pe.Workflow, 'run', interrupted)
    stream = io.StringIO()
    with pytest.raises(KeyboardInterrupt):
        run._execute(pe.Workflow('empty_wf'), 'SLURM', {}, stream)
    assert 'Jobs left in the queue of SLURM: 7 8\n' in stream.getvalue()
