"""Draw the graph of the workflow."""

import logging
import shutil
import subprocess
import tempfile
from pathlib import Path

from ..exceptions import InputError, OutputError
from ..images.files import atomic_path, place_file
from .build import build_graph_workflow

_FORMATS = ('.svg', '.png', '.pdf', '.dot')


def draw_graph(args):
    """Run ``graph``; return the exit code.

    Raises
    ------
    InputError
        If the file name has an unknown extension.
    OutputError
        If there is nothing to draw with, or the file cannot be written.
    """
    out_file = Path(args.out_file).absolute()
    if out_file.suffix not in _FORMATS:
        raise InputError(
            f'{out_file.name} has an unknown extension.',
            found=out_file.suffix or 'none',
            expected=', '.join(_FORMATS),
        )
    if not out_file.parent.is_dir():
        raise OutputError(
            f'There is no folder to write {out_file.name} to.',
            found=f'no {out_file.parent}',
            advice='Make the folder first, or choose another one.',
        )
    workflow = build_graph_workflow(args)
    logging.getLogger('nipype.workflow').setLevel('WARNING')  # it reports a temporary file
    with tempfile.TemporaryDirectory() as folder:
        workflow.base_dir = folder
        workflow.write_graph(
            dotfilename=str(Path(folder, 'graph.dot')), graph2use=args.graph2use, format='dot'
        )
        dot_file = Path(folder, 'graph.dot')
        if out_file.suffix == '.dot':
            place_file(dot_file, out_file)
        else:
            with atomic_path(out_file) as partial:
                _render(dot_file, partial)
    print(out_file)
    return 0


def _render(dot_file, out_file):
    """Draw with Graphviz: the program if there is one, else the wheel that brings it along."""
    if shutil.which('dot'):
        command = ['dot', f'-T{out_file.suffix[1:]}', '-o', str(out_file), str(dot_file)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise OutputError(
                "Graphviz's dot could not draw the graph.",
                found=done.stderr.strip() or f'exit code {done.returncode}',
                advice='Write a .dot file, which needs no Graphviz.',
            )
        return
    try:
        import pygraphviz
    except ImportError as error:
        raise OutputError(
            'There is no Graphviz to draw the graph with.',
            found="neither the program 'dot' nor the Python package pygraphviz",
            advice="Install one: 'apt-get install graphviz', or 'pip install "
            "nistats_nipype[graph]'; or write a .dot file, which needs neither.",
        ) from error
    pygraphviz.AGraph(str(dot_file)).draw(str(out_file), prog='dot')
