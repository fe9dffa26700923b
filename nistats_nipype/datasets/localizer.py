"""The Brainomics/Localizer maps (94 subjects), through nilearn's fetcher."""

import difflib
import json
import os
from collections import Counter
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from ..exceptions import DatasetError, InputError

__all__ = ['Localizer', 'fetch_localizer']

#: Subjects in the data set (Papadopoulos Orfanos et al., 2017).
N_AVAILABLE = 94

_FOLDER = 'brainomics_localizer'
_OFFLINE_ADVICE = (
    'Connect once to download, or copy the data set there. The embedded alternative needs no '
    'network: the SimulateGroup interface, or `nistats-nipype demo` on the command line.'
)


class Localizer(NamedTuple):
    """Maps and participants of the localizer data set.

    Attributes
    ----------
    effect_files : list of str
        Absolute paths of the effect maps: subject by subject and, within a
        subject, in the order of the contrasts.
    tmap_files : list of str
        Absolute paths of the t maps in the same order; empty if not asked for.
    mask_files : list of str
        Absolute paths of the brain masks, one per subject; empty if not asked for.
    participants : pandas.DataFrame
        One row per subject, in the order of the files. ``participant_id`` is the
        first column. A subject that the published table does not list has
        missing values in all others.
    """

    effect_files: list
    tmap_files: list
    mask_files: list
    participants: pd.DataFrame


def fetch_localizer(
    contrasts=('left vs right button press',),
    *,
    n_subjects=16,
    get_tmaps=True,
    get_masks=False,
    data_dir=None,
):
    """Provide maps of the Brainomics/Localizer data set, downloading what is missing.

    Parameters
    ----------
    contrasts : str or sequence of str, default=('left vs right button press',)
        Names of contrasts, as :func:`nilearn.datasets.fetch_localizer_contrasts` lists them.
    n_subjects : int or sequence of int, default=16
        The first ``n_subjects`` subjects, or the numbers of the subjects wanted (1 to 94).
    get_tmaps : bool, default=True
        Provide the t maps as well.
    get_masks : bool, default=False
        Provide the brain mask of each subject as well.
    data_dir : path-like, optional
        Folder that holds, or will hold, ``brainomics_localizer``; by default the
        folders of :func:`nilearn.datasets.get_data_dirs`.

    Returns
    -------
    Localizer
        Lists of absolute paths, and the table of participants.

    Raises
    ------
    InputError
        If a contrast is unknown, or the subjects are not distinct numbers from 1 to 94.
    DatasetError
        If the download fails, or if a subject has no map of a contrast.

    Notes
    -----
    nilearn leaves out, without an error, the maps that its index does not list, so
    that files and participants drift apart. Here that is an error which names the
    subjects. A failed download leaves no partial file; maps that had arrived whole
    are kept and used by the next attempt.

    References
    ----------
    Pinel et al. (2007), BMC Neuroscience 8:91, doi:10.1186/1471-2202-8-91.
    Papadopoulos Orfanos et al. (2017), NeuroImage 144:309-314,
    doi:10.1016/j.neuroimage.2015.09.052.
    """
    contrasts = _check_contrasts(contrasts)
    numbers = _check_subjects(n_subjects)
    bunch = _fetch(contrasts, numbers, get_tmaps, get_masks, data_dir)
    subjects = [f'S{number:02d}' for number in numbers]
    wanted = {'cmaps': len(contrasts)}
    if get_tmaps:
        wanted['tmaps'] = len(contrasts)
    if get_masks:
        wanted['masks'] = 1
    for kind, n_maps in wanted.items():
        _check_complete(bunch.get(kind, []), subjects, n_maps, kind)
    absolute = {kind: [os.path.abspath(path) for path in bunch[kind]] for kind in wanted}
    return Localizer(
        effect_files=absolute['cmaps'],
        tmap_files=absolute.get('tmaps', []),
        mask_files=absolute.get('masks', []),
        participants=_align_participants(bunch.ext_vars, subjects),
    )


def _check_contrasts(contrasts):
    """Give the contrast names as a list; say what comes close to an unknown one."""
    from nilearn.datasets.func import CONTRAST_NAME_WRAPPER

    contrasts = [contrasts] if isinstance(contrasts, str) else list(contrasts)
    known = [*CONTRAST_NAME_WRAPPER, *CONTRAST_NAME_WRAPPER.values()]
    unknown = [name for name in contrasts if name not in known]
    if unknown:
        close = difflib.get_close_matches(str(unknown[0]), dict.fromkeys(known), n=4)
        raise InputError(
            'The localizer data set has no such contrast.',
            found=', '.join(repr(name) for name in unknown),
            expected='a name listed by nilearn.datasets.fetch_localizer_contrasts',
            advice=f'Did you mean {" or ".join(map(repr, close))}?' if close else None,
        )
    if not contrasts or len(set(contrasts)) < len(contrasts):
        raise InputError(
            'The contrasts must be distinct names.', found=repr(contrasts), expected='at least one'
        )
    return contrasts


def _check_subjects(n_subjects):
    """Give the subjects' numbers as a list."""
    try:
        numbers = list(range(1, n_subjects + 1)) if _is_count(n_subjects) else list(n_subjects)
        valid = all(number == int(number) and 1 <= number <= N_AVAILABLE for number in numbers)
    except (TypeError, ValueError):
        numbers, valid = [], False
    if not numbers or not valid or len(set(numbers)) < len(numbers):
        raise InputError(
            'The subjects of the localizer data set cannot be chosen like this.',
            found=f'n_subjects={n_subjects!r}',
            expected=f'a number of subjects or distinct subject numbers, 1 to {N_AVAILABLE}',
        )
    return [int(number) for number in numbers]


def _is_count(value):
    return hasattr(value, '__index__')


def _fetch(contrasts, numbers, get_tmaps, get_masks, data_dir):
    """Call nilearn and explain its failures."""
    from nilearn import datasets

    data_dir = None if data_dir is None else str(data_dir)
    folders = [Path(folder, _FOLDER) for folder in datasets.get_data_dirs(data_dir)]
    try:
        with _leaving_no_debris(folders):
            return datasets.fetch_localizer_contrasts(
                contrasts,
                n_subjects=numbers,
                get_tmaps=get_tmaps,
                get_masks=get_masks,
                data_dir=data_dir,
                verbose=0,
            )
    except json.JSONDecodeError as error:
        raise DatasetError(
            'The index of the localizer data set is not readable.',
            found=f'{error}; looked in {_listing(folders)}',
            expected='a JSON file called "download" (a log-in page of a network may have '
            'been saved in its place)',
            advice='Delete that file and fetch again.',
        ) from error
    except (OSError, ValueError) as error:  # requests' errors are OSErrors
        raise DatasetError(
            'The localizer data set could not be provided.',
            found=f'{type(error).__name__}: {error}',
            expected=f'the maps in {_listing(folders)}, or a network to download them',
            advice=_OFFLINE_ADVICE,
        ) from error


def _listing(folders):
    return ' or '.join(str(folder) for folder in folders)


@contextmanager
def _leaving_no_debris(folders):
    """Remove the half-downloaded files and empty folders of a fetch that fails.

    nilearn would resume a partial file, whatever is in it; and the empty folder
    that it makes would be found first by the next call.
    """
    before = {path for folder in folders for path in [folder, *folder.rglob('*')] if path.exists()}
    try:
        yield
    except BaseException:
        for folder in folders:
            after = [folder, *folder.rglob('*')]
            for path in sorted(set(after) - before, reverse=True):  # children before parents
                if path.suffix == '.part':
                    path.unlink(missing_ok=True)
                elif path.is_dir() and not any(path.iterdir()):
                    path.rmdir()
        raise


def _check_complete(files, subjects, n_maps, kind):
    """Refuse a fetch in which the index lacks a map of a subject."""
    counts = Counter(Path(path).parent.name for path in files)
    lacking = [subject for subject in subjects if counts[subject] != n_maps]
    if lacking:
        complete = [int(subject[1:]) for subject in subjects if subject not in lacking]
        raise DatasetError(
            f'The localizer data set does not have all {kind} of every subject.',
            found=f'none, or not all, for {", ".join(lacking)}',
            expected=f'{n_maps} per subject',
            advice=f'Leave them out: n_subjects={complete}.'
            if complete
            else 'Choose another contrast.',
        )


def _align_participants(table, subjects):
    """Give one row per subject, in the order of the files, ``participant_id`` first."""
    table = table.drop_duplicates('participant_id').set_index('participant_id')
    return table.reindex(pd.Index(subjects, name='participant_id')).reset_index()
