"""Sun Grid Engine and its successors."""

import math
import os
import pwd
from contextlib import suppress
from xml.etree import ElementTree

from ..exceptions import SchedulerError
from .batch import LEAST_GB, BatchPlugin
from .job import NODE_FAILED
from .scheduler import Ending, Listed, run_command

#: GB of address space beside the memory in use, which h_vmem counts as well: 0.4 was measured
#: with nipype, nilearn and numba loaded and one thread of BLAS.
_UNUSED_GB = 1.0
_FIELDS = ('failed', 'exit_status', 'ru_wallclock', 'maxvmem', 'hostname')


class SGEPlugin(BatchPlugin):
    """Run the nodes of a workflow as jobs of Sun Grid Engine.

    A node's ``n_procs`` becomes slots of a parallel environment, and ``mem_gb`` a limit per
    slot.

    Parameters
    ----------
    plugin_args : dict, optional
        qsub_args : str or list of str
            Options for qsub, after those of the plugin, so that they go before them. A node
            can have more, in ``Node.plugin_args``; with ``overwrite: True`` there, instead.
        parallel_env : str
            Parallel environment on one machine, for nodes of several processors (smp).
        memory_resource : str or None
            Resource that stands for memory (h_vmem); None to ask for none.
        others
            As those of :class:`~nistats_nipype.plugins.slurm.SLURMPlugin`.

    Examples
    --------
    >>> SGEPlugin({'qsub_args': '-q long.q'}).settings['parallel_env']
    'smp'
    """

    defaults = {
        **BatchPlugin.defaults,
        'qsub_args': '',
        'parallel_env': 'smp',
        'memory_resource': 'h_vmem',
    }
    commands = ('qsub', 'qdel', 'qstat', 'qacct')
    submit_args = 'qsub_args'

    def _submit(self, job, node, options):
        printed = run_command(
            # Paths within the folder: one with a colon would be taken for a machine's name.
            *('qsub', '-terse', '-cwd', '-V', '-S', '/bin/bash', '-N', job.name),
            *('-j', 'yes', '-o', job.task_file.with_suffix('.log').name),
            *(*self._request(node), *options, job.task_file.with_suffix('.sh').name),
            cwd=job.task_file.parent,
        )
        return printed.split()[-1]

    def _request(self, node):
        request = []
        if node.n_procs > 1:
            request += ['-pe', self.settings['parallel_env'], str(node.n_procs)]
        resource = self.settings['memory_resource']
        if resource is not None:
            mem_mb = 1024 * (max(node.mem_gb_runtime, LEAST_GB) + _UNUSED_GB)
            request += ['-l', f'{resource}={math.ceil(mem_mb / node.n_procs)}M']
        return request

    def _list_jobs(self):
        printed = run_command('qstat', '-xml', '-u', pwd.getpwuid(os.getuid()).pw_name)
        try:
            jobs = list(ElementTree.fromstring(printed).iter('job_list'))
        except ElementTree.ParseError as error:
            raise SchedulerError('qstat printed no XML.', found=str(error)) from error
        return {
            job.findtext('JB_job_number'): Listed(
                job.findtext('JB_name'), 'stuck' if 'E' in job.findtext('state') else 'open'
            )
            for job in jobs
        }

    def _inquire(self, job_id):
        with suppress(SchedulerError):
            lines = run_command('qstat', '-j', job_id).splitlines()
            reasons = [' '.join(line.split()) for line in lines if line.startswith('error reason')]
            if reasons:
                advice = 'Remove the cause, and start again to resume.'
                return Ending('it was in error state', '; '.join(reasons), advice, sudden=True)
        with suppress(SchedulerError):
            lines = run_command('qacct', '-j', job_id).splitlines()
            # A job that was started again is there more than once, the last time at the end.
            known = dict(line.split(maxsplit=1) for line in lines if len(line.split()) > 1)
            return _conclude({name: ' '.join(known[name].split()) for name in _FIELDS})
        return None


def _conclude(facts):
    """Say how a job ended, from what qacct tells."""
    failed, _, failure = facts['failed'].partition(' : ')
    status = int(facts['exit_status'].split()[0])
    if failed not in ('0', '100'):  # 100: after the job, by a signal
        reason = failure
    else:
        reason = f'signal {status - 128}' if status > 128 else f'exit status {status}'
    return Ending(
        reason,
        ', '.join(f'{name}={value}' for name, value in facts.items()),
        'It was deleted, or went beyond a limit: ask for more time (qsub_args: -l h_rt=4:0:0) or '
        'memory (mem_gb of the node).'
        if status > 128
        else 'If its log was written, the end of it is in the crash file.',
        sudden=failed != '0' or status not in (0, NODE_FAILED),
    )
