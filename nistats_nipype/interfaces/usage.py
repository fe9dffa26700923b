"""The memory that a node takes at its peak."""

import re
from contextlib import suppress
from pathlib import Path


def measure_memory(interface):
    """Let an interface note the peak of the memory of its process while it runs.

    nipype puts ``mem_peak_gb`` of the runtime into the report of the node, in its work folder.

    Parameters
    ----------
    interface : nipype.interfaces.base.BaseInterface
        Its hooks are set; inputs, and with them hashes, stay as they are.

    Returns
    -------
    nipype.interfaces.base.BaseInterface
        The same.

    Notes
    -----
    The kernel keeps the peak of the resident memory and sets it back when it is asked to, which
    takes some 0.04 ms. nipype's own monitor, which takes samples, adds 0.2 s to each node; its
    number is kept where it is switched on. The peak includes what the process held before, in
    one that runs node after node, and memory-mapped files, but no other process. Where there is
    no ``/proc/self/clear_refs`` (outside Linux) nothing is noted.

    Examples
    --------
    >>> from nistats_nipype.interfaces import Threshold
    >>> measure_memory(Threshold())._post_run_hook is _note_peak
    True
    """
    interface._pre_run_hook = _reset_peak
    interface._post_run_hook = _note_peak
    return interface


def _reset_peak(runtime):
    with suppress(OSError):
        Path('/proc/self/clear_refs').write_text('5')  # 5: the peak of the resident memory
        runtime.peak_was_reset = True
    return runtime


def _note_peak(runtime):
    if hasattr(runtime, 'peak_was_reset'):
        peak = re.search(r'^VmHWM:\s*(\d+) kB', Path('/proc/self/status').read_text(), re.M)
        if peak:
            runtime.mem_peak_gb = int(peak.group(1)) / 2**20  # nipype's GB are GiB
    return runtime
