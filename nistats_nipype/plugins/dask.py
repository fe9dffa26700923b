"""Dask."""

from importlib.util import find_spec
from itertools import count
from traceback import format_exception

from ..exceptions import InputError, JobError
from .base import DistributedPlugin
from .job import run_node


class DaskPlugin(DistributedPlugin):
    """Run the nodes of a workflow on the workers of Dask.

    A worker runs one node at a time, because a node changes the working folder of its process;
    how many processors and how much memory it has is for those who start it to decide, and a
    node's ``n_procs`` and ``mem_gb`` are not looked at. If a run ends early, nodes that wait are
    cancelled, and workers that were started for it are ended; workers of an ``address`` finish
    the node that they are at.

    Parameters
    ----------
    plugin_args : dict, optional
        address : str
            Address of a scheduler, whose workers were started with ``--nthreads 1``; by default
            workers of this machine are started for the run.
        n_workers : int
            Number of those (all processors).
        max_jobs : int
            Most nodes that wait or run at a time (no limit).
        status_callback : callable
            Called with a node and 'start', 'end' or 'exception'.

    Examples
    --------
    >>> DaskPlugin({'n_workers': 2}).settings['n_workers']
    2
    """

    defaults = {**DistributedPlugin.defaults, 'address': None, 'n_workers': None}

    def __init__(self, plugin_args=None):
        super().__init__(plugin_args=plugin_args)
        self._futures = {}

    @classmethod
    def obstacle(cls):
        """Tell why the plugin cannot be used on this machine; None if it can."""
        return None if find_spec('distributed') else 'no Python package distributed'

    def run(self, graph, config, updatehash=False):
        """Execute a graph; nipype's workflows call this.

        Raises
        ------
        RuntimeError
            If a node failed; its traceback is the message, and in the crash file.
        InputError
            If Dask is not installed, the scheduler cannot be reached, or a worker has threads.
        """
        with self._connect() as client:
            self._client, self._numbers = client, count()
            super().run(graph, config, updatehash=updatehash)

    def _connect(self):
        try:
            from distributed import Client
        except ImportError as error:
            raise InputError(
                'The plugin for Dask needs the Python package distributed.',
                found=str(error),
                advice="Install it: pip install 'nistats_nipype[dask]'.",
            ) from error
        address = self.settings['address']
        if address is None:
            return Client(
                n_workers=self.settings['n_workers'],
                threads_per_worker=1,
                dashboard_address='127.0.0.1:0',
                # A job that was killed would be killed again.
                scheduler_kwargs={'allowed_failures': 0},
            )
        try:
            return Client(address)
        except (OSError, ValueError) as error:
            raise InputError(
                'The scheduler of Dask cannot be reached.',
                found=f'{address}: {error}',
                expected='the address that dask scheduler shows, for instance tcp://10.0.0.1:8786',
            ) from error

    def _open(self, graph):
        n_threads = self._client.nthreads()
        shared = sorted(worker for worker, n in n_threads.items() if n > 1)
        if shared:
            raise InputError(
                'A worker of Dask would run several nodes at a time in one process.',
                found=f'{n_threads[shared[0]]} threads in {shared[0]}',
                expected='one',
                advice='Start more workers with one each: dask worker --nworkers 4 --nthreads 1.',
            )

    def _submit_job(self, node, updatehash=False):
        taskid = next(self._numbers)
        self._futures[taskid] = self._client.submit(run_node, node, updatehash, pure=False)
        return taskid

    def _get_result(self, taskid):
        future = self._futures[taskid]
        if not future.done():
            return None
        if future.status == 'finished':
            return {'result': None, **future.result()}
        cause = future.exception()
        error = JobError(
            'A worker of Dask was lost, and its job with it.',
            found=f'{type(cause).__name__}: {cause}',
            expected='a result',
            advice='Most often a worker ran out of memory: give each more, or start fewer.',
        )
        return {'result': None, 'traceback': format_exception(error)}

    def _clear_task(self, taskid):
        del self._futures[taskid]

    def _cancel(self):
        self._client.cancel(list(self._futures.values()), force=True)
