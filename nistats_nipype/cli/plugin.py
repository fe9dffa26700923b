"""nipype's execution plugins: find one, check its arguments, end its workers."""

import logging
import multiprocessing
from difflib import get_close_matches
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
#: Plugins that hand over the whole graph and return before it has run.
SUBMITTING = ('CondorDAGMan', 'PBSGraph', 'SGEGraph', 'SLURMGraph')


def is_local(name):
    """Whether a plugin works on this machine."""
    return name in _LOCAL or name == 'LegacyMultiProc'


def find_plugin(name):
    """Find an execution plugin of nipype.

    Returns
    -------
    type

    Raises
    ------
    InputError
        If there is none of that name.
    """
    from nipype.pipeline import plugins

    known = [each.removesuffix('Plugin') for each in dir(plugins) if each.endswith('Plugin')]
    if name not in known:
        folded = {each.lower(): each for each in known}
        close = get_close_matches(name.lower(), folded, n=1)
        raise InputError(
            f'nipype has no execution plugin {name!r}.',
            found=f'plugins {", ".join(sorted(known))}',
            advice=f'Did you mean --plugin {folded[close[0]]}?' if close else 'Check --plugin.',
        )
    return getattr(plugins, f'{name}Plugin')


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
    known = _LOCAL.get(args.plugin)
    unknown = [] if known is None else sorted(set(map(str, plugin_args)) - {*known})
    if unknown:
        raise InputError(
            f'{args.plugin} does not know these arguments: {", ".join(unknown)}.',
            found=f'{", ".join(map(str, plugin_args))} in {args.plugin_args}',
            expected=f'{", ".join(known) or "none"}',
            advice='Check --plugin-args; nipype would ignore them.',
        )
    if args.n_procs is not None:
        if args.plugin not in ('MultiProc', 'LegacyMultiProc'):
            raise InputError(
                '--n-procs is for --plugin MultiProc.',
                found=f'--plugin {args.plugin}',
                advice='Leave --n-procs out; a scheduler gets its limits through --plugin-args.',
            )
        plugin_args['n_procs'] = args.n_procs
    if args.plugin == 'MultiProc':
        _check_processors(plugin_args.get('n_procs', multiprocessing.cpu_count()), args)
    if ' ' in str(work_dir) and not is_local(args.plugin):
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
