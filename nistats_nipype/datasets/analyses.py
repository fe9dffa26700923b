"""Analysis folders of FEAT and SPM."""

import os
import re
from fnmatch import fnmatch
from pathlib import Path

from ..exceptions import InputError

_SUBJECT = re.compile(r'(?:^|[/_])(sub-[A-Za-z0-9+]+)(?=[/_.]|$)')
_KINDS = {'cope': 'FEAT', 'con': 'SPM'}


def find_analyses(folder, entities, variances):
    """Find one contrast in the analysis folders of FEAT or SPM.

    Parameters
    ----------
    folder : pathlib.Path
    entities : dict of {str: str}
        ``cope`` (FEAT) or ``con`` (SPM), the number of the contrast; ``folder``, a pattern of
        the analysis folders.
    variances : bool
        Whether the variances are needed.

    Returns
    -------
    list of tuple
        Subject, map, map of its variances or None, and entities.
    list of str
        Analysis folders without that contrast.

    Raises
    ------
    InputError
        If other entities are given, the number is none, nothing is found, or variances are to
        come from SPM.
    """
    key = 'cope' if 'cope' in entities else 'con'
    unknown = sorted(set(entities) - {key, 'folder'})
    number = entities[key]
    if unknown or not number.isdecimal():
        raise InputError(
            f'Maps of {_KINDS[key]} are not selected like that.',
            found=', '.join(f'{name}={value}' for name, value in entities.items()),
            expected=f'{key}=<number>, and folder=<pattern> if need be',
        )
    if key == 'con' and variances:
        raise InputError(
            'SPM writes no maps of variances.',
            found=f'con={number}',
            expected='maps of effects and of variances',
            advice='Compute (con / spmT) ** 2 for every subject, and give both lists of maps.',
        )
    find = _find_feat if key == 'cope' else _find_spm
    analyses = {
        unit: pair
        for unit, pair in find(folder, int(number)).items()
        if fnmatch(str(unit), entities.get('folder', '*'))
    }
    if not any(analyses.values()):
        names = ', '.join(map(str, analyses)) or f'no folder of {_KINDS[key]}'
        raise InputError(
            f'No map in {folder} is selected.',
            found=names,
            expected=f'{key} {number} in at least one of them' if analyses else 'analysis folders',
        )
    labels = _label(analyses)
    maps = [
        (labels[unit], *map(_as_text, pair), {key: number, 'folder': str(unit)})
        for unit, pair in analyses.items()
        if pair
    ]
    return sorted(maps, key=lambda each: each[:2]), [
        str(unit) for unit, pair in analyses.items() if not pair
    ]


def _as_text(path):
    return None if path is None else str(path)


def _find_feat(folder, number):
    """Contrast and its variances in every .feat and .gfeat folder, by that folder."""
    found = {}
    for top, folders, _ in os.walk(folder):
        folders.sort()
        for name in [name for name in folders if name.endswith(('.feat', '.gfeat'))]:
            # What a higher level has inside is not another first level.
            folders.remove(name)
            analysis = Path(top, name)
            if name.endswith('.gfeat'):
                stats, cope = analysis / f'cope{number}.feat' / 'stats', 'cope1'
            else:
                standard = analysis / 'reg_standard' / 'stats'
                stats = standard if standard.is_dir() else analysis / 'stats'
                cope = f'cope{number}'
            effect = _image(stats / cope)
            found[analysis.relative_to(folder)] = effect and (effect, _image(stats / f'var{cope}'))
    return found


def _find_spm(folder, number):
    """Contrast in every folder that has contrasts, by that folder."""
    found = {}
    for top, folders, files in os.walk(folder):
        folders.sort()
        if any(re.fullmatch(r'con_\d{4}\.(nii|nii\.gz|img)', name) for name in files):
            effect = _image(Path(top, f'con_{number:04d}'))
            found[Path(top).relative_to(folder)] = effect and (effect, None)
    return found


def _image(stem):
    """The image of a name without extension, or None; two of them are refused."""
    files = [stem.with_name(stem.name + end) for end in ('.nii.gz', '.nii', '.img')]
    files = [path for path in files if path.is_file()]
    if len(files) > 1:
        raise InputError(f'{stem} is there twice.', found=', '.join(map(str, files)))
    return files[0] if files else None


def _label(units):
    """Subject of every analysis folder: sub-<label>, or the first part of its path that differs.

    Examples
    --------
    >>> list(_label([Path('fsl/S01/a.feat'), Path('fsl/S02/a.feat')]).values())
    ['S01', 'S02']
    """
    labels = {}
    common = Path(os.path.commonpath(units)) if len(units) > 1 else Path()
    for unit in units:
        found = _SUBJECT.findall(unit.as_posix())
        name = unit.relative_to(common).parts[0] if unit != common else unit.name
        labels[unit] = found[-1] if found else name.removesuffix('.feat').removesuffix('.gfeat')
    return labels
