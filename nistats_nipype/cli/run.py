"""Run an analysis: build, execute, tell how it went."""

import json
import os
import shutil
import sys
import time
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from ..exceptions import InputError, OutputError
from .build import build_demo_workflow, build_run_workflow
from .failures import read_failures
from .progress import NodeProgress, count_nodes, report_status


def run_analysis(args):
    """Run ``demo`` or ``run``; return the exit code."""
    out_dir = Path(args.out_dir).absolute()
    work_dir = Path(args.work_dir).absolute() if args.work_dir else out_dir / 'work'
    log_dir = out_dir / 'logs'
    build = build_demo_workflow if args.command == 'demo' else build_run_workflow
    workflow = build(args, out_dir)
    plugin_args = load_plugin_args(args)
    crash_dir = log_dir / 'crash'
    _make_folders(crash_dir, work_dir)
    workflow.base_dir = str(work_dir)
    workflow.config['execution'] = {
        'crashdump_dir': str(crash_dir),
        'crashfile_format': 'txt',
        'stop_on_first_crash': True,
        'poll_sleep_duration': 0.1,
    }
    started = time.monotonic()
    log_file = log_dir / 'nipype.log'
    with redirected_output(log_file) as terminal:
        console = Console(file=terminal, soft_wrap=True, highlight=False)
        console.print(f'Analysis in {escape(str(out_dir))} through {args.plugin}')
        error = _execute(workflow, args.plugin, plugin_args, terminal)
        seconds = time.monotonic() - started
        if error is not None:
            _explain_failure(console, error, crash_dir, log_file)
            return 1
        _summarize(console, out_dir, work_dir, log_file, seconds)
    return 0


def load_plugin_args(args):
    """Arguments of the execution plugin, with the callback of the progress bar.

    Raises
    ------
    InputError
        If the file does not exist or does not hold a mapping.
    """
    import yaml

    plugin_args = {}
    if args.plugin_args:
        try:
            plugin_args = yaml.safe_load(Path(args.plugin_args).read_text()) or {}
        except (OSError, yaml.YAMLError) as error:
            raise InputError(
                'The plugin arguments could not be read.',
                found=str(error),
                expected='a YAML or JSON file',
            ) from error
        if not isinstance(plugin_args, dict):
            raise InputError(
                'The plugin arguments are not a mapping.',
                found=f'{type(plugin_args).__name__} in {args.plugin_args}',
                expected="names and values, for instance 'sbatch_args: --partition=long'",
            )
    if args.n_procs is not None:
        plugin_args['n_procs'] = args.n_procs
    plugin_args['status_callback'] = report_status
    return plugin_args


def _make_folders(crash_dir, work_dir):
    """Make the folders of a run, without the crash files of an earlier one."""
    try:
        if crash_dir.exists():
            shutil.rmtree(crash_dir)
        crash_dir.mkdir(parents=True)
        work_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            'The folders of the analysis could not be made.',
            found=str(error),
            expected='folders that can be written to',
            advice='Choose another OUT or --work-dir.',
        ) from error


@contextmanager
def redirected_output(log_file):
    """Send what this process and its children print to a file.

    nipype, its workers and compiled libraries write to the terminal by themselves,
    over the progress bar; so the file descriptors are redirected, not Python's streams.

    Yields
    ------
    text stream
        The terminal, for what is meant for the person in front of it.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    kept = [os.dup(number) for number in (1, 2)]
    try:
        with log_file.open('w') as log, os.fdopen(os.dup(1), 'w') as terminal:
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
    with NodeProgress(count_nodes(workflow), terminal):
        try:
            workflow.run(plugin=plugin, plugin_args=plugin_args)
        except Exception as error:
            # nipype raises whatever the nodes raised, and errors of its own.
            return error
    return None


def _explain_failure(console, error, crash_dir, log_file):
    """Say what failed, in the words of the node that failed first."""
    failures = read_failures(crash_dir)
    console.print('[bold red]The analysis failed.[/]')
    for failure in failures:
        console.print(f'\n[bold]{escape(failure.node)}[/]: {escape(failure.message)}')
        console.print(f'  details:  {escape(failure.crash_file)}')
    if not failures:
        last = str(error).strip().splitlines() or [type(error).__name__]
        console.print(f'\n{escape(last[-1])}')
    console.print(f'\nlog: {escape(str(log_file))}')
    console.print('Once the cause is removed, the same command resumes where it stopped.')


def _summarize(console, out_dir, work_dir, log_file, seconds):
    """Say what was found and where everything is."""
    console.print(f'[bold green]Finished[/] in {seconds:.0f} s.\n')
    for path in sorted(out_dir.glob('contrast-*_summary.json')):
        summary = json.loads(path.read_text())
        console.print(f'[bold]{escape(summary["Contrast"])}[/]: {escape(summary["Result"])}')
    console.print()
    for what, path in (
        ('report', out_dir / 'report.html'),
        ('results', out_dir),
        ('figures', out_dir / 'figures'),
        ('work', work_dir),
        ('log', log_file),
    ):
        console.print(f'{what:8} {escape(str(path))}')
