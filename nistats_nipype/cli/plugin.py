"""Execution plugins: find one, check its arguments, end its workers."""

import logging
import multiprocessing
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path

from ..exceptions import InputError
from .progress import report_status

#: Plugins that work on this machine, and the arguments that they know (nipype 1.11, read from
#: their code); nipype ignores any other without a word.
_LOCAL = {
    'Linear': (),
    'Debug': ('callable',),
    'MultiProc': (
        'max_jobs',
        'memory_gb',
        'mp_context',
        'n_gpu_procs',
        'n_procs',
        'non_daemon',
        'raise_insufficient',
        'scheduler',
    ),
}
#: Plugins of this package, by module; they go before those of nipype with the same name.
OWN = {'MultiProc': 'multiproc', 'SLURM': 'slurm', 'SGE': 'sge', 'Dask': 'dask'}
#: What spells a plugin of nipype that has the name of one of ours.
STOCK = 'nipype.'
_SUBMITTING = ('CondorDAGMan', 'PBSGraph', 'SGEGraph', 'SLURMGraph')


def returns_early(name):
    """Whether a plugin hands over the whole graph and returns before it has run."""
    return name.removeprefix(STOCK) in _SUBMITTING


def leaves_jobs(name):
    """Whether jobs of a plugin outlive a run that fails or is interrupted.

    Those of nipype's plugins for schedulers do; these also fail in folders with a space.
    """
    return name not in OWN and name.removeprefix(STOCK) not in {*_LOCAL, 'LegacyMultiProc'}


def stock_plugins():
    """List the names of nipype's plugins."""
    from nipype.pipeline import plugins

    return sorted(each.removesuffix('Plugin') for each in dir(plugins) if each.endswith('Plugin'))


def find_plugin(name):
    """Find an execution plugin, of this package or of nipype.

    Parameters
    ----------
    name : str
        As in ``Workflow.run``; with ``nipype.`` before it, nipype's even if there is one of
        this package.

    Returns
    -------
    type

    Raises
    ------
    InputError
        If there is none of that name.
    """
    if name in OWN:
        module = import_module(f'..plugins.{OWN[name]}', __package__)
        return getattr(module, f'{name}Plugin')
    stock = stock_plugins()
    if name.removeprefix(STOCK) in stock:
        from nipype.pipeline import plugins

        return getattr(plugins, f'{name.removeprefix(STOCK)}Plugin')
    known = sorted({*OWN, *stock})
    folded = {each.lower(): each for each in known}
    close = get_close_matches(name.removeprefix(STOCK).lower(), folded, n=1)
    raise InputError(
        f'There is no execution plugin {name!r}.',
        found=f'plugins {", ".join(known)}',
        advice=f'Did you mean --plugin {folded[close[0]]}?' if close else 'Check --plugin.',
    )


def require_plugin(name):
    """Refuse a plugin that cannot be used on this machine, as far as can be told.

    Raises
    ------
    InputError
        If there is none of that name, or if what it needs is missing.
    """
    plugin = find_plugin(name)
    obstacle = plugin.obstacle() if hasattr(plugin, 'obstacle') else None
    if obstacle:
        raise InputError(
            f'The plugin {name} cannot be used on this machine.',
            found=obstacle,
            advice='nistats-nipype plugins lists those that can.',
        )


def load_plugin_args(args, work_dir):
    """Arguments of the execution plugin, with the callback of the progress bar.

    Parameters
    ----------
    args : argparse.Namespace
    work_dir : path-like

    Returns
    -------
    dict

    Raises
    ------
    InputError
        If the file of ``--plugin-args`` cannot be used, or if the plugin could not run with
        these arguments.
    """
    plugin_args = _read_mapping(args.plugin_args) if args.plugin_args else {}
    plugin = find_plugin(args.plugin)
    if hasattr(plugin, 'check_arguments'):
        plugin.check_arguments(plugin_args)
    name = args.plugin.removeprefix(STOCK)
    known = _LOCAL.get(name)
    unknown = [] if known is None else sorted(set(map(str, plugin_args)) - {*known})
    if unknown:
        raise InputError(
            f'{args.plugin} does not know these arguments: {", ".join(unknown)}.',
            found=f'{", ".join(map(str, plugin_args))} in {args.plugin_args}',
            expected=f'{", ".join(known) or "none"}',
            advice='Check --plugin-args; nipype would ignore them.',
        )
    if args.n_procs is not None:
        if name not in ('MultiProc', 'LegacyMultiProc'):
            raise InputError(
                '--n-procs is for --plugin MultiProc.',
                found=f'--plugin {args.plugin}',
                advice='Leave --n-procs out; a scheduler gets its limits through --plugin-args.',
            )
        plugin_args['n_procs'] = args.n_procs
    if name == 'MultiProc':
        _check_processors(plugin_args.get('n_procs', multiprocessing.cpu_count()), args)
    if ' ' in str(work_dir) and leaves_jobs(args.plugin):
        raise InputError(
            f'Jobs of {args.plugin} cannot work in a folder with a space in its name.',
            found=str(work_dir),
            advice='Choose another --work-dir; OUT may have spaces.',
        )
    plugin_args['status_callback'] = report_status
    return plugin_args


def _read_mapping(path):
    import yaml

    try:
        content = yaml.safe_load(Path(path).read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(
            f'The plugin arguments in {path} could not be read.',
            found=' '.join(str(error).split()),
            expected='a YAML or JSON file',
        ) from error
    if content is not None and not isinstance(content, dict):
        raise InputError(
            'The plugin arguments are not a mapping.',
            found=f'{type(content).__name__} in {path}',
            expected="names and values, for instance 'sbatch_args: --partition=long'",
        )
    return content or {}


def _check_processors(n_procs, args):
    if isinstance(n_procs, bool) or not isinstance(n_procs, int) or n_procs < 1:
        raise InputError(
            'n_procs of MultiProc is no number of processes.',
            found=repr(n_procs),
            expected='a whole number, at least 1',
        )
    if args.n_threads > n_procs:
        raise InputError(
            'A job would need more processors than there are.',
            found=f'--n-threads {args.n_threads}, but {n_procs} processors for all jobs',
            expected=f'at most {n_procs} threads per job',
            advice='Lower --n-threads, or raise --n-procs.',
        )


def end_workers(runner, spared=()):
    """End the processes that a plugin left behind.

    nipype leaves its pool alone when a run fails or is interrupted; Python would then wait
    for jobs that nobody needs, for as long as they last.

    Parameters
    ----------
    runner : plugin or None
    spared : collection of multiprocessing.Process
        Children that are none of the plugin's.
    """
    # The pool reports jobs that it lost; that is no news.
    logger = logging.getLogger('concurrent.futures')
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        for child in set(multiprocessing.active_children()) - set(spared):
            child.kill()
            child.join()
        pool = getattr(runner, 'pool', None)
        if hasattr(pool, 'submit'):
            pool.shutdown(wait=True, cancel_futures=True)
    finally:
        logger.setLevel(level)
