"""Which execution plugins can be used on this machine."""

import shutil
from importlib.util import find_spec

from rich.console import Console
from rich.table import Table

from .plugin import OWN, STOCK, find_plugin, stock_plugins

#: Commands that nipype's plugins need, and a Python package; all else works everywhere.
_COMMANDS = {
    'Condor': 'condor_submit',
    'CondorDAGMan': 'condor_submit_dag',
    'LSF': 'bsub',
    'OAR': 'oarsub',
    # SGE has a qsub, too.
    'PBS': 'pbsnodes',
    'PBSGraph': 'pbsnodes',
}
_PACKAGES = {'IPython': 'ipyparallel', 'SomaFlow': 'soma_workflow'}
#: nipype's plugins that work with the scheduler of one of ours.
_SAME_AS = {'SLURM': 'SLURM', 'SLURMGraph': 'SLURM', 'SGE': 'SGE', 'SGEGraph': 'SGE'}


def survey_plugins():
    """Find out which plugins can be used.

    Returns
    -------
    dict
        For each name that ``--plugin`` takes, why the plugin cannot be used, or None.
    """
    own = {}
    for name in OWN:
        plugin = find_plugin(name)
        own[name] = plugin.obstacle() if hasattr(plugin, 'obstacle') else None
    stock = {}
    for name in stock_plugins():
        if name in _SAME_AS:
            obstacle = own[_SAME_AS[name]] and f'as {_SAME_AS[name]}'
        elif name in _COMMANDS:
            obstacle = None if shutil.which(_COMMANDS[name]) else f'no command {_COMMANDS[name]}'
        elif name in _PACKAGES:
            obstacle = None if find_spec(_PACKAGES[name]) else f'no package {_PACKAGES[name]}'
        elif name == 'Debug':
            obstacle = 'needs a Python function'
        else:
            obstacle = None
        stock[STOCK + name if name in OWN else name] = obstacle
    return {**own, **stock}


def show_plugins(stream):
    """Print a table of the plugins; return the exit code."""
    table = Table('plugin', 'usable here', 'why not', box=None, pad_edge=False)
    for name, obstacle in survey_plugins().items():
        table.add_row(name, 'no' if obstacle else 'yes', obstacle)
    console = Console(file=stream, highlight=False)
    console.print(table)
    console.print(f'\nThe first {len(OWN)} are of this package; {STOCK}NAME is the one of nipype.')
    return 0
