"""nipype's MultiProc, but for the hang when a worker is killed."""

from concurrent.futures.process import BrokenProcessPool
from traceback import format_exception

from nipype.pipeline.plugins import MultiProcPlugin as _MultiProcPlugin

from ..exceptions import JobError


class MultiProcPlugin(_MultiProcPlugin):
    """Run jobs in processes of this machine, and end when one of them is killed.

    nipype 1.11 waits for the result of a worker that the kernel killed (for memory,
    mostly) for ever, because the error is raised in a thread where nobody looks.
    """

    _lost = None

    def _async_callback(self, args):
        error = args.exception()
        if error is None:
            super()._async_callback(args)
        else:
            self._lost = error

    def _get_result(self, taskid):
        result = super()._get_result(taskid)
        if result is not None or self._lost is None:
            return result
        # As lines, which is what the report of the crash can add to.
        lines = format_exception(_job_error(self._lost))
        return {'taskid': taskid, 'result': None, 'traceback': lines}

    def _submit_job(self, node, updatehash=False):
        try:
            return super()._submit_job(node, updatehash)
        except BrokenProcessPool as error:
            raise _job_error(error) from error


def _job_error(error):
    return JobError(
        'A worker process was ended from outside, and its job with it.',
        found=str(error),
        expected='a result',
        advice='Most often the machine ran out of memory: ask for fewer processes (--n-procs), '
        'or for a machine with more memory.',
    )
