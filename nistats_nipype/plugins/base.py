"""What nipype's base of distributed plugins leaves open: failures without a trace, jobs left."""

import signal
import sys
import threading
from contextlib import contextmanager
from math import inf
from traceback import format_exception

from nipype.pipeline.plugins.base import DistributedPluginBase

from ..exceptions import InputError


class DistributedPlugin(DistributedPluginBase):
    """Run nodes as jobs elsewhere; no failure goes unreported and no job is left behind.

    A subclass submits a node in ``_submit_job``, tells its result in ``_get_result``, and
    forgets it in ``_clear_task``, as in nipype; it may override ``_open`` and ``_cancel``.

    Parameters
    ----------
    plugin_args : dict, optional
        Values for names in ``defaults``; no other is accepted.

    Attributes
    ----------
    settings : dict
        The defaults with the values that were given.
    """

    #: Arguments that the plugin knows, and their values if they are not given.
    defaults = {'max_jobs': inf, 'status_callback': None}

    def __init__(self, plugin_args=None):
        super().__init__(plugin_args=plugin_args)
        self.check_arguments(self.plugin_args)
        self.settings = {**self.defaults, **self.plugin_args}
        self._failures = {}

    @classmethod
    def check_arguments(cls, plugin_args):
        """Refuse arguments that the plugin does not know.

        Raises
        ------
        InputError
            If there is one.
        """
        unknown = sorted(set(map(str, plugin_args)) - cls.defaults.keys())
        if unknown:
            raise InputError(
                f'{cls.__name__} does not know these arguments: {", ".join(unknown)}.',
                found=', '.join(map(str, plugin_args)),
                expected=f'some of {", ".join(sorted(cls.defaults))}',
                advice='Check the spelling of the plugin arguments.',
            )

    @classmethod
    def obstacle(cls):
        """Tell why the plugin cannot be used on this machine; None if it can."""
        raise NotImplementedError

    def run(self, graph, config, updatehash=False):
        """Execute a graph; nipype's workflows call this.

        Raises
        ------
        RuntimeError
            If a node failed; its traceback is the message, and in the crash file.
        """
        self._failures.clear()
        for node in graph.nodes():
            # nipype gives a MapNode the plugin's arguments, and with them a callback that
            # can often not be pickled; nothing reads them.
            if hasattr(node, 'use_plugin'):
                del node.use_plugin
        with _terminable():
            try:
                self._open(graph)
                super().run(graph, config, updatehash=updatehash)
            except BaseException:
                self._cancel()
                raise
        if self._failures:
            # Of nodes that ran here instead of in a job; nipype raises those of jobs.
            raise RuntimeError(next(iter(self._failures.values())))

    def _open(self, graph):
        """Get ready to run a graph, before anything is submitted."""

    def _cancel(self):
        """End all jobs that have been submitted; the run has failed or was interrupted."""

    def _clean_queue(self, jobid, graph, result=None):
        if result is None:
            # nipype makes one string of it, and then fails when it adds lines to that.
            result = {'result': None, 'traceback': format_exception(*sys.exc_info())}
        self._failures[jobid] = ''.join(result['traceback'])
        return super()._clean_queue(jobid, graph, result=result)

    def _task_finished_cb(self, jobid, cached=False):
        # nipype calls this for a node that failed on the master thread, too.
        if jobid not in self._failures:
            super()._task_finished_cb(jobid, cached)


@contextmanager
def _terminable():
    """Let SIGTERM, which would end Python on the spot, raise SystemExit.

    Batch systems send it to a run that is itself a job. A handler that is there already is
    left alone.
    """
    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return

    def leave(number, frame):
        raise SystemExit(128 + number)

    signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
