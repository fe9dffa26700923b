"""Batch schedulers through their commands."""

import os
import subprocess
from typing import NamedTuple

from ..exceptions import SchedulerError

#: Seconds after which a command is taken for unanswered.
_TIMEOUT = 60


class Listed(NamedTuple):
    """A job as the scheduler lists it.

    Attributes
    ----------
    name : str
        Name of the job.
    state : {'open', 'stuck', 'over'}
        Waiting or running; never to run; ended.
    """

    name: str
    state: str


class Ending(NamedTuple):
    """What the scheduler knows of the end of a job.

    Attributes
    ----------
    reason : str
        In a few words.
    details : str
        All that may help.
    advice : str
        What to do about it.
    sudden : bool
        Whether the job cannot have come to the point of noting its result.
    """

    reason: str
    details: str
    advice: str
    sudden: bool


def run_command(*arguments, cwd=None):
    """Run a command of a scheduler.

    Parameters
    ----------
    *arguments : str
        The command and its arguments.
    cwd : path-like, optional
        Where to run it.

    Returns
    -------
    str
        What it printed.

    Raises
    ------
    SchedulerError
        If it cannot be run, fails, or takes more than a minute.
    """
    try:
        done = subprocess.run(
            arguments,
            cwd=cwd,
            check=True,
            capture_output=True,
            text=True,
            errors='replace',
            stdin=subprocess.DEVNULL,
            timeout=_TIMEOUT,
            # SGE breaks long lines in what it prints otherwise.
            env={**os.environ, 'SGE_SINGLE_LINE': '1'},
            # Ctrl-C on the terminal is for the run, not for a submission on its way.
            start_new_session=True,
        )
    except subprocess.CalledProcessError as error:
        said = ' '.join((error.stderr or error.stdout).split())
        found = said or f'exit code {error.returncode}'
    except subprocess.TimeoutExpired:
        found = f'no answer in {_TIMEOUT} s'
    except OSError as error:
        found = str(error)
    else:
        return done.stdout
    raise SchedulerError(
        f'{arguments[0]} failed.',
        found=found,
        advice=f'The command was: {" ".join(map(str, arguments))}',
    )
