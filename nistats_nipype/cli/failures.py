"""What went wrong, from the crash files that nipype leaves."""

import re
from pathlib import Path
from typing import NamedTuple

from .progress import name_node

#: An error of this package as a traceback shows it, or the last line of any other traceback.
_OURS = re.compile(r'^\t*nistats_nipype\.exceptions\.\w+: (.+(?:\n\t* {2}\S.*)*)', re.MULTILINE)
_OTHER = re.compile(
    r'^\t*((?:\w+\.)*\w*(?:Error|Exception|Interrupt|Exit|Warning)\b.*)', re.MULTILINE
)
#: nipype's own, around the error of the interface.
_WRAPPER = 'nipype.pipeline.engine.nodes.NodeExecutionError'


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
    # Their names have the seconds only.
    for path in sorted(Path(folder).glob('crash-*.txt'), key=lambda each: each.stat().st_mtime_ns):
        text = path.read_text(errors='replace')
        folder_line = re.search(r'^Working directory: (.*)$', text, re.MULTILINE)
        name = name_node(folder_line.group(1)) if folder_line else path.stem
        message = _message(text)
        failures.setdefault(message, Failure(name, message, str(path)))
    return list(failures.values())


def _message(text):
    """Find what the last error of the last traceback says."""
    ours = _OURS.findall(text)
    if ours:
        return ours[-1].replace('\t', '')
    others = [line for line in _OTHER.findall(text) if not line.startswith(_WRAPPER)]
    return others[-1] if others else text.strip().rpartition('\n')[2].strip()
