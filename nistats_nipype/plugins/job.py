"""What runs inside a job: one node, and a note of what became of it."""

import json
import os
import pickle
import sys
from pathlib import Path
from socket import gethostname
from traceback import format_exception

#: Exit code of a job whose node failed, and which has noted so; a job that ends with another
#: code than this or 0 has not come that far. Python and shells use 1, 2 and those above 125.
NODE_FAILED = 3


def run_node(node, updatehash=False):
    """Run a node with the settings of its workflow.

    Parameters
    ----------
    node : nipype.pipeline.engine.Node
    updatehash : bool
        As in nipype.

    Returns
    -------
    dict
        ``traceback``, lines of text or None, and ``hostname``.
    """
    from nipype import config, logging

    lines = None
    try:
        os.environ.setdefault('MPLBACKEND', node.config['execution']['matplotlib_backend'])
        config.update_config(_escaped(node.config))
        logging.update_logging(config)
        node.run(updatehash=updatehash)
    except (Exception, SystemExit) as error:
        lines = format_exception(error)
    return {'traceback': lines, 'hostname': gethostname()}


def _escaped(sections):
    """Settings for nipype's parser, which takes % in a folder's name for a reference."""
    return {
        section: {name: str(value).replace('%', '%%') for name, value in settings.items()}
        for section, settings in sections.items()
    }


def main(task_file):
    """Run the node in a file, and write what became of it beside that.

    Parameters
    ----------
    task_file : path-like
        A pickled node and ``updatehash``. What becomes of it is written to a file of the
        same name that ends in ``.json``, complete or not at all.

    Returns
    -------
    int
        Exit code.
    """
    task_file = Path(task_file).absolute()
    node, updatehash = pickle.loads(task_file.read_bytes())
    outcome = run_node(node, updatehash)
    unfinished = task_file.with_suffix('.unfinished')
    unfinished.write_text(json.dumps(outcome))
    unfinished.replace(task_file.with_suffix('.json'))
    return NODE_FAILED if outcome['traceback'] else 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1]))
