"""What a piece of work costs: CPU and wall seconds, and peak memory.

Run as a program, it measures another program: ``python measuring.py COMMAND ARGUMENTS``. Linux
counts the memory of the process that starts a program as the program's own, so that programs
are started from here, where there is next to none, and not where the data are.
"""

import json
import re
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

#: ``ru_maxrss`` is in bytes on macOS, in kB on Linux.
_PER_MB = 2**20 if sys.platform == 'darwin' else 2**10


class Cost(NamedTuple):
    """CPU and wall seconds, and peak memory in MB."""

    cpu: float
    wall: float
    peak_mb: float


class Program(NamedTuple):
    """A contender that is a program.

    Attributes
    ----------
    command : list of str
    read : callable
        Returns what the program computed: a dict of named arrays.
    """

    command: list
    read: Callable = dict


def measure(work):
    """Do the work, of this process or of a program.

    Parameters
    ----------
    work : callable or Program

    Returns
    -------
    results : dict
        What the work returned.
    Cost
    """
    if isinstance(work, Program):
        command = [sys.executable, __file__, *work.command]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        return work.read(), Cost(*json.loads(done.stdout.splitlines()[-1]))
    wall, cpu = time.perf_counter(), time.process_time()
    results = work()
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    return results, Cost(cpu, wall, _peak_mb())


def _peak_mb():
    """Peak memory of this process, without what Linux adds of the process that started it."""
    status = Path('/proc/self/status')
    if status.exists():
        return int(re.search(r'VmHWM:\s*(\d+) kB', status.read_text())[1]) / 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / _PER_MB


def main():
    """Run the program on the command line and print its cost."""
    wall = time.perf_counter()
    subprocess.run(sys.argv[1:], check=True, stdout=sys.stderr)
    wall = time.perf_counter() - wall
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(json.dumps(Cost(used.ru_utime + used.ru_stime, wall, used.ru_maxrss / _PER_MB)))


if __name__ == '__main__':
    main()
