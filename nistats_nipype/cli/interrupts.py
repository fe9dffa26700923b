"""Ctrl-C and SIGTERM: both end a run in order."""

import os
import signal
import threading
from contextlib import contextmanager

#: Number of the signal that ended the run, if one did. nipype takes the exception of an
#: interrupted node for a failure of the node, so the exception alone does not tell.
_received = None


def received_signal():
    """Number of the signal that ended the run, or None."""
    return _received


def exit_code():
    """Exit code of an interrupted run, as shells have it: 128 and the number of the signal."""
    return 128 + (_received or signal.SIGINT)


@contextmanager
def interruptible():
    """Let SIGTERM, as schedulers and ``timeout`` send it, end a run as Ctrl-C does.

    Either raises KeyboardInterrupt, so that the terminal is restored and no process is
    left behind. Worker processes that are forked off inside just end.
    """
    global _received  # noqa: PLW0603 - see the comment on it
    _received = None
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    owner = os.getpid()

    def interrupt(number, frame):
        if os.getpid() != owner:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
            return
        global _received  # noqa: PLW0603
        _received = number
        raise KeyboardInterrupt

    previous = {
        number: signal.signal(number, interrupt)
        for number in (signal.SIGINT, signal.SIGTERM)
        # A shell has jobs in the background ignore Ctrl-C.
        if signal.getsignal(number) is not signal.SIG_IGN
    }
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
