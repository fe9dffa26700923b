"""What the plugins of batch schedulers share: files, patience, and a clean queue."""

import json
import os
import pickle
import re
import shlex
import shutil
import sys
import tempfile
import time
import uuid
import zlib
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from traceback import format_exception

from nipype import logging

from ..exceptions import JobError, SchedulerError
from .base import DistributedPlugin
from .scheduler import Ending, run_command

logger = logging.getLogger('nipype.workflow')

#: Seconds for cancelled jobs to leave the queue; SLURM waits 30 before it kills them.
_CANCEL_TIMEOUT = 45
#: GB that a job is given at least: importing nipype, nilearn and numba takes 0.3 before a node
#: has done anything, and nipype's own default for a node is 0.2.
LEAST_GB = 0.5
#: Lines of a job's log that go into the crash file.
_LOG_LINES = 20


@dataclass
class Job:
    """A node that was submitted.

    Attributes
    ----------
    name : str
        Name of the job, unlike that of any other.
    node : str
        Full name of the node.
    task_file : pathlib.Path
        The pickled node. Script, log and outcome are beside it.
    result_file : pathlib.Path
        What nipype writes when a node has run.
    id : str or None
        The scheduler's; None if it was not submitted.
    over_since : float or None
        When the scheduler first said that it is over.
    result : dict or None
        For nipype, with the ``traceback`` of a failure.
    """

    name: str
    node: str
    task_file: Path
    result_file: Path
    id: str | None = None
    over_since: float | None = None
    result: dict | None = None


class BatchPlugin(DistributedPlugin):
    """Run nodes as jobs of a batch scheduler, through its commands.

    Each job writes what became of its node to a file of its own, so that no older result can
    be taken for it. The scheduler is asked only whether a job without such a file may still
    write one.

    Attributes
    ----------
    left_behind : list of str
        Jobs of a run that failed or was interrupted and that could not be cancelled.
    """

    defaults = {
        **DistributedPlugin.defaults,
        'template': '#!/bin/bash',
        'max_tries': 2,
        'retry_timeout': 2.0,
        'max_outage': 1800.0,
        'poll_min': 0.2,
        'poll_max': 10.0,
        'query_interval': 10.0,
    }
    #: Commands that are needed: the one that submits, the one that cancels, others.
    commands = ()
    #: Name of the argument that has options for the command that submits.
    submit_args = None

    def __init__(self, plugin_args=None):
        super().__init__(plugin_args=plugin_args)
        self.left_behind = []
        self._jobs = {}
        self._queued = set()
        self._suffix = None

    @classmethod
    def obstacle(cls):
        """Tell why the plugin cannot be used on this machine; None if it can."""
        missing = [command for command in cls.commands if shutil.which(command) is None]
        if missing:
            return f'no command {", ".join(missing)}'
        try:
            cls()._list_jobs()
        except SchedulerError as error:
            return error.found
        return None

    def _submit(self, job, node, options):
        """Submit the script of a job from its folder; return the id."""
        raise NotImplementedError

    def _list_jobs(self):
        """List the jobs of this user: a dict of Listed by id."""
        raise NotImplementedError

    def _inquire(self, job_id):
        """Find out how a job ended: Ending, or None if the scheduler does not know."""
        raise NotImplementedError

    def run(self, graph, config, updatehash=False):
        """Execute a graph; nipype's workflows call this.

        Raises
        ------
        RuntimeError
            If a node failed; its traceback is the message, and in the crash file.
        SchedulerError
            If the scheduler does not answer to begin with, or has jobs of an earlier run.
        """
        execution = {**config['execution'], 'poll_sleep_duration': self.settings['poll_min']}
        super().run(graph, {**config, 'execution': execution}, updatehash=updatehash)

    def _open(self, graph):
        node = next(iter(graph.nodes()))
        base_dir = Path(node.base_dir or tempfile.mkdtemp()).resolve()
        folder = base_dir / node.fullname.partition('.')[0] / 'batch'
        # The name of a job tells where it works, and of which run it is.
        place = f'.{zlib.crc32(os.fsencode(folder)):08x}.'
        # Those that have noted how it went are just leaving.
        earlier = [
            job_id
            for job_id, (name, _) in self._list_open(place).items()
            if not folder.joinpath(*name.split('.')[-2:]).with_suffix('.json').exists()
        ]
        if earlier:
            raise SchedulerError(
                'Jobs of an earlier run that work in the same folder are still in the queue.',
                found=f'{", ".join(earlier)} in {folder.parent}',
                advice=f'Wait for them or cancel them ({self.commands[1]}), and start again.',
            )
        run = uuid.uuid4().hex[:8]
        self._folder = folder / run
        self._folder.mkdir(parents=True)
        self._suffix = f'{place}{run}.'
        self._numbers = count(1)
        self._jobs.clear()
        self._queued.clear()
        self._changed = time.monotonic()
        self._silent_since = None
        self._next_look = self._next_query = 0.0
        self._is_refusing = False

    def _list_open(self, mark):
        """List the jobs in the queue whose names have a mark."""
        return {
            job_id: listed
            for job_id, listed in self._list_jobs().items()
            if mark in listed.name and listed.state != 'over'
        }

    def _submit_job(self, node, updatehash=False):
        number = next(self._numbers)
        # SGE wants a letter first.
        name = 'n' + re.sub(r'[^\w.-]', '_', node.name) + f'{self._suffix}{number}'
        result_file = Path(node.output_dir(), f'result_{node.name}.pklz')
        job = Job(name, node.fullname, self._folder / f'{number}.task', result_file)
        self._jobs[name] = job
        try:
            self._write_files(job, node, updatehash)
            job.id = self._submit_patiently(job, node)
            self._queued.add(job.id)
        except Exception as error:
            # As the result of the job, so that nipype writes a crash file.
            self._fail(job, error)
        self._changed = time.monotonic()
        return name

    def _write_files(self, job, node, updatehash):
        job.task_file.write_bytes(pickle.dumps((node, updatehash)))
        template = self.settings['template']
        if os.path.isfile(template):
            template = Path(template).read_text()
        command = [sys.executable, '-m', f'{__package__}.job', str(job.task_file)]
        lines = [
            template.rstrip(),
            'export NIPYPE_NO_ET=1',
            # Or BLAS and numba take all processors of the machine, whatever was asked for, and
            # address space for each, of which SGE allows no more than was asked for either.
            f'export OMP_NUM_THREADS={node.n_procs} NUMBA_NUM_THREADS={node.n_procs}',
            f'exec {shlex.join(command)}',
        ]
        job.task_file.with_suffix('.sh').write_text('\n'.join([*lines, '']))

    def _options(self, node):
        """Options for the command that submits: those of the run, then those of the node."""
        given = [self.settings[self.submit_args], node.plugin_args.get(self.submit_args)]
        if given[1] and node.plugin_args.get('overwrite'):
            del given[0]
        split = (shlex.split(each) if isinstance(each, str) else each or [] for each in given)
        return [str(option) for options in split for option in options]

    def _submit_patiently(self, job, node):
        """Submit a job, again if that fails; return the id.

        Raises
        ------
        SchedulerError
            If the scheduler refuses it several times, or does not answer for too long.
        """
        n_refused, pause = 0, self.settings['retry_timeout']
        while True:
            try:
                job_id = self._submit(job, node, self._options(node))
            except SchedulerError as error:
                problem = error
            else:
                self._silent_since, self._is_refusing = None, False
                return job_id
            listed = self._ask()
            if listed is not None:
                # An answer can be lost when the request was not.
                for job_id, each in listed.items():
                    if each.name == job.name:
                        return job_id
                n_refused += 1
                # Where one job was refused for good, hundreds of others need no patience.
                if n_refused > self.settings['max_tries'] or self._is_refusing:
                    self._is_refusing = True
                    raise problem
            logger.warning('%s was not submitted, trying again. %s', job.node, problem)
            time.sleep(pause)
            pause = min(2 * pause, 60)

    def _ask(self):
        """List the jobs of this user; None if the scheduler does not answer just now.

        Raises
        ------
        SchedulerError
            If it has not answered for too long.
        """
        try:
            listed = self._list_jobs()
        except SchedulerError as error:
            now = time.monotonic()
            if self._silent_since is None:
                self._silent_since = now
            silence = now - self._silent_since
            logger.warning('The scheduler has not answered for %.3g s. %s', silence, error)
            if silence > self.settings['max_outage']:
                raise SchedulerError(
                    f'The scheduler has not answered for {silence:.3g} s.',
                    found=error.found,
                    expected=f'an answer within {self.settings["max_outage"]} s (max_outage)',
                    advice='Start again once it answers.',
                ) from error
            return None
        self._silent_since = None
        return listed

    def _get_result(self, taskid):
        now = time.monotonic()
        if now >= self._next_look:
            self._look()
            pause = min((now - self._changed) / 10, self.settings['poll_max'])
            self._next_look = now + pause
        return self._jobs[taskid].result

    def _clear_task(self, taskid):
        del self._jobs[taskid]

    def _look(self):
        """See which jobs have noted a result and, from time to time, which never will."""
        waiting = [job for job in self._jobs.values() if job.result is None]
        listed = None
        if time.monotonic() >= self._next_query:
            try:
                listed = self._ask()
            except SchedulerError as error:
                for job in waiting:
                    self._fail(job, error)
            self._next_query = time.monotonic() + self.settings['query_interval']
        # After the scheduler was asked: a job that is over by then has noted what it could.
        self._collect(waiting)
        if listed is not None:
            for job in waiting:
                if job.result is None:
                    self._judge(job, listed.get(job.id))

    def _collect(self, jobs):
        """Take the results that jobs have noted."""
        noted = _list_folder(self._folder)
        for job in jobs:
            outcome = job.task_file.with_suffix('.json')
            if outcome.name not in noted:
                continue
            result = {'result': None, **json.loads(outcome.read_text())}
            # Nodes that come next look for this file here.
            if result['traceback'] or job.result_file.name in _list_folder(job.result_file.parent):
                job.result = result
                self._queued.discard(job.id)
                self._changed = time.monotonic()

    def _judge(self, job, listed):
        """Give a job up if it cannot note a result any more."""
        if listed is not None and listed.state == 'open':
            job.over_since = None
            return
        now = time.monotonic()
        if job.over_since is None:
            job.over_since = now
        ending = self._inquire(job.id)
        is_stuck = listed is not None and listed.state == 'stuck'
        if is_stuck:
            with suppress(SchedulerError):
                run_command(self.commands[1], job.id)
        is_lost = is_stuck or (ending is not None and ending.sudden)
        patience = 0 if is_lost else float(self._config['execution']['job_finished_timeout'])
        if now - job.over_since < patience:
            return  # what it noted may be late
        self._queued.discard(job.id)
        if ending is None:
            ending = Ending('the scheduler does not know why', '', '', sudden=True)
        self._fail(
            job,
            JobError(
                f'Job {job.id} ended without a result: {ending.reason}.',
                found=ending.details,
                expected=f'{job.task_file.with_suffix(".json")}, in which it notes how it went',
                advice=ending.advice,
            ),
        )

    def _fail(self, job, error):
        """Take an error for the result of a job, after the end of the job's log."""
        log_file = job.task_file.with_suffix('.log')
        lines = []
        if log_file.exists():
            end = log_file.read_text(errors='replace').splitlines()[-_LOG_LINES:]
            lines = [f'End of {log_file}:\n', *(f'  {line}\n' for line in end)]
        job.result = {'result': None, 'traceback': [*lines, *format_exception(error)]}
        self._changed = time.monotonic()

    def _cancel(self):
        """Cancel the jobs of this run, and see to it that they leave the queue."""
        if self._suffix is None:
            return  # nothing was submitted
        self.left_behind = sorted(self._queued)
        deadline = time.monotonic() + _CANCEL_TIMEOUT
        while time.monotonic() < deadline:
            try:
                # By name: a submission may have been interrupted before it told the id.
                self.left_behind = sorted(self._list_open(self._suffix))
                if not self.left_behind:
                    return
                run_command(self.commands[1], *self.left_behind)
            except SchedulerError as error:
                logger.warning('Jobs could not be cancelled yet. %s', error)
            time.sleep(0.5)
        logger.error('Jobs left in the queue: %s', ', '.join(self.left_behind))


def _list_folder(folder):
    """List a folder, which has a network file system show what is new in it."""
    try:
        return set(os.listdir(folder))
    except OSError as error:
        logger.warning('A folder cannot be listed just now. %s', error)
        return set()
