"""Maps of the first level in the folders of other pipelines: BIDS derivatives, FEAT, SPM."""

import os
import re
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

from ..exceptions import InputError
from ..images.files import load_json
from .analyses import find_analyses

_ENTITY = re.compile(r'([a-zA-Z]+)-([A-Za-z0-9+]+)')
_SUBJECT = re.compile(r'(?:^|[/_])(sub-[A-Za-z0-9+]+)(?=[/_.]|$)')
_IMAGES = ('.nii.gz', '.nii')
#: Names that pybids has for entities which file names abbreviate.
_LONG_NAMES = {'subject': 'sub', 'session': 'ses', 'acquisition': 'acq', 'reconstruction': 'rec'}


class MapSelection(NamedTuple):
    """Maps of a group, one for each subject.

    Attributes
    ----------
    effect_files : list of str
        Absolute paths, sorted by subject.
    variance_files : list of str or None
        Maps of their variances, in the same order, if asked for.
    subjects : list of str
        ``sub-<label>``; in folders without such labels, what tells the analyses apart.
    metadata : list of dict
        For each map the ``Entities`` of its name and the content of its ``Sidecar`` (JSON).
    dropped : list of dict
        What was left out: ``file`` or subject, and the ``reason``.
    """

    effect_files: list
    variance_files: list | None
    subjects: list
    metadata: list
    dropped: list


class _Map(NamedTuple):
    subject: str
    path: str
    variance: str | None
    entities: dict


def select_maps(folder, entities=None, *, variances=False, unmatched='error'):
    """Select one map for each subject from the results of a first-level analysis.

    Three kinds of folders are read, by the names of the files alone:

    - BIDS derivatives, as FitLins, nilearn's ``save_glm_to_bids`` and others of the fMRIPrep
      family write them: maps of suffix ``statmap`` and ``stat-effect``, with ``stat-variance``
      beside. Entities are those of the name, and of folders above it (``node-subjectLevel``).
    - FEAT, if ``cope`` is among the entities: ``stats/cope<n>`` of every ``.feat`` folder, that
      below ``reg_standard`` where there is one, and ``cope<n>.feat/stats/cope1`` of every
      ``.gfeat`` folder, with ``varcope`` beside.
    - SPM, if ``con`` is among the entities: ``con_<n>``. SPM writes no variances.

    Parameters
    ----------
    folder : path-like
        It is searched at all depths.
    entities : dict of {str: str}, optional
        What the maps have in common, for instance ``{'contrast': 'faces', 'task': 'emotion'}``.
        An empty value asks for maps without that entity. ``suffix`` and ``stat`` may be given to
        select other maps than effects. For FEAT and SPM, ``cope`` or ``con``, a number, and
        ``folder``, a pattern that the analysis folder matches, seen from ``folder``.
    variances : bool, default False
        Whether to select the maps of the variances, too.
    unmatched : {'error', 'drop'}, default 'error'
        What to do about subjects of the folder without such a map, or without its variances.

    Returns
    -------
    MapSelection

    Raises
    ------
    InputError
        If nothing is selected; if there is more than one map for a subject, which are then all
        listed with the entities that tell them apart; if subjects have no map.
    """
    folder = Path(folder).absolute()
    if not folder.is_dir():
        raise InputError('The folder of the maps does not exist.', found=f'no folder {folder}')
    entities = {_LONG_NAMES.get(key, key): str(value) for key, value in (entities or {}).items()}
    if 'cope' in entities or 'con' in entities:
        maps, without = find_analyses(folder, entities, variances)
    else:
        maps, without = _find_bids(folder, entities, variances)
    maps = [_Map(*each) for each in maps]
    _refuse_ambiguous(maps)
    lost = [{'file': name, 'reason': 'no such map'} for name in without]
    if variances:
        lost += [
            {'file': each.path, 'reason': 'no map of variances'}
            for each in maps
            if each.variance is None
        ]
        maps = [each for each in maps if each.variance is not None]
    if lost and (unmatched == 'error' or not maps):
        raise InputError(
            f'Subjects of {folder} do not have what was asked for.',
            found='; '.join(f'{each["file"]}: {each["reason"]}' for each in lost),
            expected='a map' + ' and its variances' * variances + ' for every subject',
            advice="Correct the entities, or leave those subjects out (unmatched='drop', "
            '--unmatched drop).',
        )
    return MapSelection(
        [each.path for each in maps],
        [each.variance for each in maps] if variances else None,
        [each.subject for each in maps],
        [
            {'Entities': each.entities, 'Sidecar': _load_sidecars(folder, each.path)}
            for each in maps
        ],
        lost,
    )


def parse_entities(path):
    """Entities, suffix and extension of a BIDS file, of its name and of folders above it.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    dict of {str: str}

    Examples
    --------
    >>> parse_entities('node-subject/sub-01/sub-01_contrast-motor_stat-effect_statmap.nii.gz')
    {'node': 'subject', 'sub': '01', 'contrast': 'motor', 'stat': 'effect', 'suffix': 'statmap',
     'extension': '.nii.gz'}
    """
    path = Path(path)
    found = {}
    for part in path.parts[:-1]:
        entity = _ENTITY.fullmatch(part)
        found |= {entity[1]: entity[2]} if entity else {}
    stem, dot, extension = path.name.partition('.')
    *parts, suffix = stem.split('_')
    for part in parts:
        entity = _ENTITY.fullmatch(part)
        found |= {entity[1]: entity[2]} if entity else {}
    return found | {'suffix': suffix, 'extension': dot + extension}


def _find_bids(folder, entities, variances):
    """Maps of BIDS derivatives, and the subjects that have none."""
    found, subjects = {}, set()
    for top, folders, files in os.walk(folder):
        folders.sort()
        subjects |= {name for name in folders if _SUBJECT.fullmatch(name)}
        for name in sorted(files):
            if name.endswith(_IMAGES):
                path = Path(top, name)
                parsed = parse_entities(path.relative_to(folder))
                # .dscalar.nii and .func.gii are no volumes; what has no subject is of a group.
                if parsed['extension'] in _IMAGES and 'sub' in parsed:
                    found[str(path)] = parsed
    wanted = {'suffix': 'statmap', **entities}
    if wanted['suffix'] == 'statmap':
        wanted = {'stat': 'effect', **wanted}
    if variances and wanted.get('stat') != 'effect':
        raise InputError(
            'Only effects have maps of variances.',
            found=', '.join(f'{key}={value}' for key, value in entities.items()),
            expected='stat=effect, the default',
        )
    chosen = {path: parsed for path, parsed in found.items() if _fits(parsed, wanted)}
    if not chosen:
        raise _nothing_selected(folder, found.values(), wanted)
    beside = defaultdict(list)
    for path, parsed in found.items():
        if parsed.get('stat') == 'variance':
            beside[_without_stat(parsed)].append(path)
    maps = []
    for path, parsed in chosen.items():
        partners = beside[_without_stat(parsed)] if variances else []
        if len(partners) > 1:
            raise InputError(f'{path} has several maps of variances.', found=', '.join(partners))
        partner = partners[0] if partners else None
        maps.append((f'sub-{parsed["sub"]}', path, partner, parsed))
    subjects |= {f'sub-{parsed["sub"]}' for parsed in found.values()}
    if 'sub' in entities:
        subjects &= {f'sub-{entities["sub"]}'}
    maps.sort(key=lambda each: each[:2])
    return maps, sorted(subjects - {each[0] for each in maps})


def _fits(parsed, wanted):
    return all(parsed.get(key, '') == value for key, value in wanted.items())


def _without_stat(parsed):
    return frozenset((key, parsed[key]) for key in parsed if key not in ('stat', 'extension'))


def _nothing_selected(folder, parsed, wanted):
    """Explain an empty selection by what there is."""
    values = defaultdict(set)
    for each in parsed:
        for key, value in each.items():
            values[key].add(value)
    hidden = ('sub', 'extension')
    there = '; '.join(
        f'{key}: {", ".join(sorted(values[key]))}' for key in sorted(values) if key not in hidden
    )
    return InputError(
        f'No map in {folder} is selected.',
        found=there or 'no NIfTI file with a subject in its name',
        expected=', '.join(f'{key}={value or "(none)"}' for key, value in wanted.items()),
        advice='Correct the entities; for FEAT give cope=<number>, for SPM con=<number>.',
    )


def _refuse_ambiguous(maps):
    """Refuse more than one map of a subject, and say what tells them apart."""
    by_subject = defaultdict(list)
    for each in maps:
        by_subject[each.subject].append(each)
    twice = [several for several in by_subject.values() if len(several) > 1]
    if not twice:
        return
    differing = defaultdict(set)
    for several in twice:
        for key in {key for each in several for key in each.entities}:
            values = {each.entities.get(key, '(none)') for each in several}
            differing[key] |= values if len(values) > 1 else set()
    told = '; '.join(f'{key}: {", ".join(sorted(v))}' for key, v in sorted(differing.items()) if v)
    raise InputError(
        'There is more than one map for a subject.',
        found='; '.join(
            f'{several[0].subject}: {", ".join(each.path for each in several)}'
            for several in twice
        ),
        expected='one map for each',
        advice=f'Choose by entities. They differ in {told or "their folders"}; an empty value '
        'asks for maps without an entity.',
    )


def _load_sidecars(folder, path):
    """Sidecars of a map, those of its folder and its own name last; None if there are none.

    By the inheritance principle of BIDS a sidecar is for all maps below its folder whose names
    have its suffix and all of its entities.
    """
    path = Path(path)
    entities, content = _entities_of(path), {}
    above = [each for each in (path.parent, *path.parents) if each.is_relative_to(folder)]
    for top in sorted(set(above), key=lambda each: len(each.parts)):
        sidecars = {each: _entities_of(each) for each in sorted(top.glob('*.json'))}
        for sidecar in sorted(sidecars, key=lambda each: len(sidecars[each])):
            if sidecars[sidecar] <= entities:
                content |= load_json(sidecar)
    return content or None


def _entities_of(path):
    """Entities and suffix of a name, without folder and extension."""
    parsed = parse_entities(path.name)
    return {(key, parsed[key]) for key in parsed if key != 'extension'}
