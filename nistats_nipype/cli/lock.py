"""One run at a time in a folder."""

import errno
import fcntl
import os
import socket
from contextlib import ExitStack, contextmanager
from pathlib import Path

from ..exceptions import OutputError

#: What file systems without locks answer.
_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)


@contextmanager
def locked(*folders):
    """Keep other runs out of folders for as long as the block runs.

    The operating system holds the locks and drops them when the process ends, however it ends;
    no file has to be removed by hand after a kill. On a file system that knows no locks the
    block runs without one.

    Parameters
    ----------
    *folders : path-like
        Folders that exist and can be written to; equal ones count once.

    Raises
    ------
    OutputError
        If another run holds one of the folders.
    """
    with ExitStack() as stack:
        for folder in dict.fromkeys(map(Path, folders)):
            stack.enter_context(_locked_file(folder / '.lock'))
        yield


@contextmanager
def _locked_file(path):
    with open(path, 'a+') as file:  # opening must not empty what the other run has written
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            raise OutputError(
                f'Another run is working in {path.parent}.',
                found=file.read().strip() or 'a lock',
                advice='Wait until it has ended, or choose another OUT and --work-dir.',
            ) from error
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
        file.truncate(0)
        file.write(f'process {os.getpid()} on {socket.gethostname()}\n')
        file.flush()
        yield
