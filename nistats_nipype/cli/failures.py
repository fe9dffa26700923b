"""What went wrong, from the crash files that nipype leaves."""

import re
from pathlib import Path
from typing import NamedTuple

#: An error of this package as a traceback shows it, or the last line of any other traceback.
_OURS = re.compile(r'^\t*nistats_nipype\.exceptions\.\w+: (.+(?:\n\t* {2}\S.*)*)', re.MULTILINE)
_OTHER = re.compile(r'^\t*((?:\w+\.)*\w*(?:Error|Exception|Interrupt|Exit)\b.*)', re.MULTILINE)


class Failure(NamedTuple):
    """A node that failed.

    Attributes
    ----------
    node : str
        Name of the node.
    message : str
        What the error said.
    crash_file : str
        Where the rest is.
    """

    node: str
    message: str
    crash_file: str


def read_failures(folder):
    """Read the crash files of a folder, the first failure first.

    Parameters
    ----------
    folder : path-like
        nipype's ``crashdump_dir``.

    Returns
    -------
    list of Failure
        Failures with the same message are listed once.
    """
    failures = {}
    for path in sorted(Path(folder).glob('crash-*.txt')):
        text = path.read_text()
        node = re.search(r'^Node: (.*)$', text, re.MULTILINE)
        ours, others = _OURS.search(text), _OTHER.findall(text)
        if ours:
            message = ours.group(1).replace('\t', '')
        else:
            message = others[-1] if others else 'The job ended without a message.'
        name = node.group(1).rpartition('.')[2] if node else path.stem
        failures.setdefault(message, Failure(name, message, str(path)))
    return list(failures.values())
