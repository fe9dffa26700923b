"""Run an analysis: build, execute, tell how it went."""

import json
import multiprocessing
import os
import shlex
import shutil
import sys
import tempfile
import time
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.markup import escape

from .. import __version__
from ..exceptions import NistatsNipypeError, OutputError
from .build import build_demo, build_run
from .failures import read_failures
from .interrupts import exit_code, received_signal
from .lock import locked
from .plugin import (
    end_workers,
    find_plugin,
    leaves_jobs,
    load_plugin_args,
    require_plugin,
    returns_early,
)
from .progress import NodeProgress, count_nodes


class Places(NamedTuple):
    """Where things are.

    Attributes
    ----------
    out_dir, work_dir, crash_dir : pathlib.Path
        Folders of the results, the intermediate results and the crash files.
    log_file : pathlib.Path
        What nipype and its workers say.
    """

    out_dir: Path
    work_dir: Path
    crash_dir: Path
    log_file: Path


def run_analysis(args, argv=()):
    """Run ``demo`` or ``run``; return the exit code.

    Parameters
    ----------
    args : argparse.Namespace
    argv : list of str, optional
        The arguments as they were given, for the log.

    Raises
    ------
    NistatsNipypeError
        If the arguments cannot be used; nothing has run then.
    """
    out_dir = Path(args.out_dir).absolute()
    work_dir = Path(args.work_dir).absolute() if args.work_dir else out_dir / 'work'
    logs = out_dir / 'logs'
    places = Places(out_dir, work_dir, logs / 'crash', logs / 'nipype.log')
    require_plugin(args.plugin)
    plugin_args = load_plugin_args(args, work_dir)
    analysis = (build_demo if args.command == 'demo' else build_run)(args, out_dir)
    resumed = work_dir.is_dir() and any(work_dir.iterdir())
    make_folders(places)
    _configure(analysis.workflow, places, args.plugin)
    _note_execution(analysis.workflow, args.plugin, argv)
    with locked(logs, work_dir), redirected_output(places.log_file, argv) as terminal:
        forget_crashes(places)
        console = Console(file=terminal, soft_wrap=True, highlight=False)
        console.print(f'Analysis in {escape(str(out_dir))} through {args.plugin}')
        if resumed:
            console.print(f'Unchanged steps are taken from {escape(str(work_dir))}')
        for note in analysis.notes:
            console.print(f'[yellow]Note:[/] {escape(note)}')
        return _run(console, analysis, args.plugin, plugin_args, places)


def _configure(workflow, places, plugin):
    workflow.base_dir = str(places.work_dir)
    workflow.config['execution'] = {
        'crashdump_dir': str(places.crash_dir),
        'crashfile_format': 'txt',
        'stop_on_first_crash': True,
        # A network file system may show results late.
        'job_finished_timeout': 60,
    }
    # nipype's plugins for schedulers make a request for every job at each poll.
    if not leaves_jobs(plugin):
        workflow.config['execution']['poll_sleep_duration'] = 0.02


def _note_execution(workflow, plugin, argv):
    """Let the report say how it was made."""
    for name in workflow.list_node_names():
        if name.rpartition('.')[2] == 'make_report':
            workflow.get_node(name).inputs.execution = {
                'Command': shlex.join(['nistats-nipype', *argv]),
                'Plugin': plugin,
            }


def _run(console, analysis, plugin, plugin_args, places):
    """Execute, and say how it went; return the exit code."""
    started = time.monotonic()
    try:
        error = _execute(analysis.workflow, plugin, plugin_args, console.file)
        interrupted = received_signal() is not None
    except KeyboardInterrupt:
        interrupted = True
    if interrupted:
        _explain_interrupt(console, plugin, places)
        return exit_code()
    # Some plugins return as if all was well when a node has failed.
    if error is not None or read_failures(places.crash_dir):
        _explain_failure(console, error, places)
        return 1
    if returns_early(plugin):
        console.print(f'[bold]Submitted[/] to {plugin}; the jobs run without this program.')
        _list_places(console, places)
        return 0
    console.print(f'[bold green]Finished[/] in {time.monotonic() - started:.0f} s.\n')
    _summarize(console, analysis, places)
    return 0


def make_folders(places):
    """Make the folders of a run.

    Raises
    ------
    OutputError
        If a folder cannot be made or written to; folders made in vain are removed.
    """
    made = []
    try:
        for folder in (places.work_dir, places.crash_dir):
            made += [each for each in (folder, *folder.parents) if not each.exists()]
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                pass
        with places.log_file.open('a'):
            pass
    except OSError as error:
        for folder in sorted(made, reverse=True):
            with suppress(OSError):
                folder.rmdir()
        raise OutputError(
            'The folders of the analysis cannot be used.',
            found=f'{error.strerror}: {error.filename}',
            expected='folders that can be written to',
            advice='Choose another OUT or --work-dir.',
        ) from error


def forget_crashes(places):
    """Remove the crash files of an earlier run."""
    shutil.rmtree(places.crash_dir)
    places.crash_dir.mkdir()


@contextmanager
def redirected_output(log_file, argv=()):
    """Send what this process and its children print to a file.

    nipype, its workers and compiled libraries write to the terminal by themselves,
    over the progress bar; so the file descriptors are redirected, not Python's streams.

    Parameters
    ----------
    log_file : path-like
        It is added to, under a line that says what ran when.
    argv : list of str, optional
        Arguments of the command, for that line.

    Yields
    ------
    text stream
        The terminal, for what is meant for the person in front of it.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    kept = [os.dup(number) for number in (1, 2)]
    try:
        encoding = getattr(sys.stdout, 'encoding', None)
        with (
            open(log_file, 'a') as log,
            os.fdopen(os.dup(1), 'w', encoding=encoding, errors='replace') as terminal,
        ):
            now = datetime.now().astimezone().isoformat(timespec='seconds')
            command = shlex.join(['nistats-nipype', *argv])
            log.write(f'=== {now} nistats_nipype {__version__} in {os.getcwd()}: {command}\n')
            log.flush()
            os.dup2(log.fileno(), 1)
            os.dup2(log.fileno(), 2)
            try:
                yield terminal
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
    finally:
        for number, copy in zip((1, 2), kept, strict=True):
            os.dup2(copy, number)
            os.close(copy)


def _execute(workflow, plugin, plugin_args, terminal):
    """Run the workflow; return the error that ended it, or None."""
    runner, others = None, multiprocessing.active_children()
    folder = os.getcwd()  # an interrupted node leaves its own
    try:
        with NodeProgress(count_nodes(workflow), terminal):
            runner = find_plugin(plugin)(plugin_args=plugin_args)
            workflow.run(plugin=runner)
    except Exception as error:
        # nipype raises whatever the nodes raised, and errors of its own.
        return error
    finally:
        end_workers(runner, spared=others)
        os.chdir(folder)
        left_behind = getattr(runner, 'left_behind', [])
        if left_behind:
            print(f'Jobs left in the queue of {plugin}: {" ".join(left_behind)}', file=terminal)
    return None


def _explain_interrupt(console, plugin, places):
    console.print('[bold]Interrupted.[/] The same command resumes where it stopped.')
    if leaves_jobs(plugin):
        console.print(f'Jobs that {plugin} has submitted may still be in the queue.')
    console.print(f'\nlog: {escape(str(places.log_file))}')


def _explain_failure(console, error, places):
    """Say what failed, in the words of the node that failed first."""
    failures = read_failures(places.crash_dir)
    console.print('[bold red]The analysis failed.[/]')
    for failure in failures:
        console.print(f'\n[bold]{escape(failure.node)}[/]: {escape(failure.message)}')
        console.print(f'  details:  {escape(failure.crash_file)}')
    if not failures:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        text = str(error) if isinstance(error, NistatsNipypeError) else lines[-1]
        console.print(f'\n{escape(text)}')
    console.print(f'\nlog: {escape(str(places.log_file))}')
    console.print('Once the cause is removed, the same command resumes where it stopped.')


def _summarize(console, analysis, places):
    """Say what was found and where everything is."""
    for label in analysis.labels:
        summary = json.loads((places.out_dir / f'contrast-{label}_summary.json').read_text())
        console.print(f'[bold]{escape(summary["Contrast"])}[/]: {escape(summary["Result"])}')
    suffix = '_summary.json'
    found = places.out_dir.glob(f'contrast-*{suffix}')
    labels = {path.name.removeprefix('contrast-').removesuffix(suffix) for path in found}
    older = sorted(labels - set(analysis.labels))
    if older:
        console.print(
            f'[yellow]Note:[/] the results folder also holds contrasts of an earlier run: '
            f'{", ".join(older)}.'
        )
    console.print()
    _list_places(console, places)


def _list_places(console, places):
    for what, path in (
        ('report', places.out_dir / 'report.html'),
        ('results', places.out_dir),
        ('figures', places.out_dir / 'figures'),
        ('work', places.work_dir),
        ('log', places.log_file),
    ):
        console.print(f'{what:8} {escape(str(path))}')
