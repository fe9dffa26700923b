"""SLURM."""

import math
import os
from contextlib import suppress

from ..exceptions import SchedulerError
from .batch import LEAST_GB, BatchPlugin
from .job import NODE_FAILED
from .scheduler import Ending, Listed, run_command

#: States of jobs that have ended (squeue(1), "Job state codes"), and what to do about each.
_ENDED = {
    'BOOT_FAIL': 'A machine failed; start again.',
    'CANCELLED': 'Somebody cancelled it, or a limit of the cluster did; start again to resume.',
    'COMPLETED': 'If the file system is slow, raise job_finished_timeout.',
    'DEADLINE': 'Ask for a later --deadline in sbatch_args.',
    'FAILED': 'The end of its log is in the crash file.',
    'NODE_FAIL': 'A machine failed; start again.',
    'OUT_OF_MEMORY': 'Give the node more mem_gb, or ask for more (sbatch_args: --mem=8G).',
    'PREEMPTED': 'Another job took its place; start again to resume.',
    'REVOKED': 'Start again to resume.',
    'TIMEOUT': 'Ask for more time (sbatch_args: --time=4:00:00).',
}
_KILLED = 'Mostly a machine out of memory: ask for more (mem_gb of the node).'
_FIELDS = ('JobState', 'Reason', 'ExitCode', 'RunTime', 'TimeLimit', 'NodeList')


class SLURMPlugin(BatchPlugin):
    """Run the nodes of a workflow as jobs of SLURM.

    A node's ``n_procs`` and ``mem_gb`` become ``--cpus-per-task`` and ``--mem``.

    Parameters
    ----------
    plugin_args : dict, optional
        sbatch_args : str or list of str
            Options for sbatch, after those of the plugin, so that they go before them. A node
            can have more, in ``Node.plugin_args``; with ``overwrite: True`` there, instead.
        template : str
            Head of the job scripts, or a file with it (``#!/bin/bash``).
        max_jobs : int
            Most jobs in the queue at a time (no limit).
        max_tries, retry_timeout : int, float
            How often a rejected job is submitted again (2), and seconds before that (2),
            doubled each time.
        max_outage : float
            Seconds without an answer of the controller after which the run is given up (1800).
        poll_min, poll_max : float
            Results are looked for each tenth of the time since the last change, within these
            bounds in seconds (0.2, 10).
        query_interval : float
            Seconds between questions to the controller (10).
        status_callback : callable
            Called with a node and 'start', 'end' or 'exception'.

    Examples
    --------
    >>> plugin = SLURMPlugin({'sbatch_args': '--partition=long --time=4:00:00'})
    >>> plugin.settings['max_outage']
    1800.0
    """

    defaults = {**BatchPlugin.defaults, 'sbatch_args': ''}
    commands = ('sbatch', 'scancel', 'squeue', 'scontrol')
    submit_args = 'sbatch_args'

    def _submit(self, job, node, options):
        log_file = str(job.task_file.with_suffix('.log')).replace('%', '%%')
        request = [f'--cpus-per-task={node.n_procs}']
        if not any(option.startswith('--mem') for option in options):
            request.append(f'--mem={math.ceil(1024 * max(node.mem_gb_runtime, LEAST_GB))}M')
        printed = run_command(
            *('sbatch', '--parsable', f'--job-name={job.name}', f'--output={log_file}'),
            *(*request, *options, job.task_file.with_suffix('.sh').name),
            cwd=job.task_file.parent,
        )
        # The id, and the name of the cluster where there are several.
        return printed.split()[-1].partition(';')[0]

    def _list_jobs(self):
        printed = run_command(
            *('squeue', '--noheader', '--states=all', f'--user={os.getuid()}'),
            '--format=%i|%T|%j',
        )
        lines = (line.split('|', 2) for line in printed.splitlines())
        return {
            job_id: Listed(name, 'over' if state in _ENDED else 'open')
            for job_id, state, name in lines
        }

    def _inquire(self, job_id):
        facts = {}
        with suppress(SchedulerError):
            printed = run_command('scontrol', '--oneliner', 'show', 'job', job_id)
            known = dict(part.partition('=')[::2] for part in printed.split())
            facts = {name: known[name] for name in _FIELDS if name in known}
        if not facts:
            # It forgets jobs after some minutes; the accounting, if there is one, does not.
            with suppress(SchedulerError):
                fields = ('State', 'ExitCode', 'Elapsed', 'Timelimit', 'NodeList')
                printed = run_command(
                    *('sacct', '--jobs', job_id, '--allocations', '--noheader'),
                    *('--parsable2', f'--format={",".join(fields)}'),
                )
                values = printed.strip().split('|')
                facts = dict(zip(fields, values, strict=False)) if len(values) > 1 else {}
        if not facts:
            return None
        return _conclude(facts)


def _conclude(facts):
    """Say how a job ended, from what scontrol or sacct tell."""
    # 'CANCELLED by 1000' in sacct.
    reason = facts.get('JobState') or facts['State']
    state = reason.split()[0]
    code, _, signal = facts['ExitCode'].partition(':')
    killed = state == 'FAILED' and (signal == '9' or code == '137')
    noted = state in ('COMPLETED', 'FAILED') and signal == '0' and int(code) in (0, NODE_FAILED)
    return Ending(
        reason=f'{reason}, signal 9' if killed else reason,
        details=', '.join(f'{name}={value}' for name, value in facts.items()),
        advice=_KILLED if killed else _ENDED.get(state, ''),
        sudden=not noted,
    )
