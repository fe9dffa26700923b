"""Draw the graph of the workflow, or of a run."""

import logging
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path

from ..exceptions import InputError, OutputError
from ..images.files import atomic_path, place_file
from .build import build_graph_workflow

_OF_RUNS = ('.svg', '.mmd', '.md')
_FORMATS = (*_OF_RUNS, '.png', '.pdf', '.dot')


def draw_graph(args):
    """Run ``graph``; return the exit code.

    Raises
    ------
    InputError
        If the file name has an unknown extension, or there is no record of the run.
    OutputError
        If there is nothing to draw with, or the file cannot be written.
    """
    out_file = Path(args.out_file).absolute()
    formats = _OF_RUNS if args.of_run else _FORMATS
    if out_file.suffix not in formats:
        raise InputError(
            f'{out_file.name} has an extension that cannot be drawn.',
            found=out_file.suffix or 'none',
            expected=', '.join(formats),
        )
    if not out_file.parent.is_dir():
        raise OutputError(
            f'There is no folder to write {out_file.name} to.',
            found=f'no {out_file.parent}',
            advice='Make the folder first, or choose another one.',
        )
    if args.of_run:
        _draw_run(args.of_run, out_file)
    else:
        _draw_workflow(build_graph_workflow(args), args.graph2use, out_file)
    print(out_file)
    return 0


def _draw_run(work_dir, out_file):
    from ..interfaces.record import read_run
    from ..viz.run import graph_of_run
    from ..workflows.drawing import draw_graph as draw

    draw(graph_of_run(*read_run(_find_workflow(Path(work_dir)))), out_file)


def _find_workflow(work_dir):
    """Find the folder of the workflow in a work folder, which is named for it."""
    from ..interfaces.record import find_run

    work_dir = work_dir.absolute()
    if find_run(work_dir) == work_dir:
        return work_dir
    found = [each for each in sorted(work_dir.glob('*')) if find_run(each) == each]
    if len(found) > 1:
        raise InputError(
            f'Several workflows have run in {work_dir}.',
            found=', '.join(each.name for each in found),
            expected='the folder of one of them',
        )
    # Without any, the folder itself is what the error is about.
    return found[0] if found else work_dir


def _draw_workflow(workflow, graph2use, out_file):
    """Draw with Graphviz where there is one, and without it as far as that goes."""
    from ..workflows.drawing import draw_workflow

    if out_file.suffix in ('.mmd', '.md'):
        draw_workflow(workflow, out_file, graph2use=graph2use)
        return
    if out_file.suffix == '.dot':
        with _dot_file(workflow, graph2use) as dot_file:
            place_file(dot_file, out_file)
        return
    render = _find_renderer()
    if render:
        with _dot_file(workflow, graph2use) as dot_file, atomic_path(out_file) as partial:
            render(dot_file, partial)
    elif out_file.suffix == '.svg':
        draw_workflow(workflow, out_file, graph2use=graph2use)
    else:
        raise OutputError(
            f'{out_file.suffix} takes Graphviz, and there is none.',
            found="neither the program 'dot' nor the Python package pygraphviz",
            advice='Write a .svg file, which needs neither, or .mmd, .md or .dot; or install one: '
            "'apt-get install graphviz', or 'pip install nistats_nipype[graph]'.",
        )


@contextmanager
def _dot_file(workflow, graph2use):
    """Let nipype describe a workflow to Graphviz, in a temporary file."""
    logging.getLogger('nipype.workflow').setLevel('WARNING')  # it reports that file
    with tempfile.TemporaryDirectory() as folder:
        workflow.base_dir = folder
        dot_file = Path(folder, 'graph.dot')
        workflow.write_graph(dotfilename=str(dot_file), graph2use=graph2use, format='dot')
        yield dot_file


def _find_renderer():
    """Find Graphviz: the program if there is one, else the wheel that brings it along."""
    if shutil.which('dot'):
        return _render_by_program
    try:
        import pygraphviz
    except ImportError:
        return None
    return lambda dot_file, out_file: pygraphviz.AGraph(str(dot_file)).draw(
        str(out_file), prog='dot'
    )


def _render_by_program(dot_file, out_file):
    command = ['dot', f'-T{out_file.suffix[1:]}', '-o', str(out_file), str(dot_file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise OutputError(
            "Graphviz's dot could not draw the graph.",
            found=done.stderr.strip() or f'exit code {done.returncode}',
            advice='Write a .dot or .mmd file, which needs no Graphviz.',
        )
