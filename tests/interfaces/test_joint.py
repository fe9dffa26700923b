"""Correction over voxels and contrasts, against enumeration written here.

The enumerations fit every relabelling of every contrast with NumPy, and compare on SciPy's p.
"""

import itertools
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from nipype.interfaces.base import isdefined
from scipy import ndimage, stats

from nistats_nipype.exceptions import InputError, MaskError, ScheduleError
from nistats_nipype.images.files import load_arrays
from nistats_nipype.interfaces import (
    BuildDesign,
    CorrectContrasts,
    DefineContrast,
    DrawSchedule,
    MergePermutations,
    MergeSpatial,
    Permute,
    PermuteSpatial,
)

#: Relabellings that are equivalent give statistics that differ by rounding.
TIE = 1e-9
PATIENT, AGE = 'group[T.patient]', 'age'


@pytest.fixture
def permute_all(run, group):
    """Permute contrasts of the first maps of the group; give what CorrectContrasts takes."""

    def permute_all(
        formula,
        definitions,
        *,
        n_maps=6,
        sidedness='two-sided',
        spatial=None,
        variance_fwhm_mm=0.0,
        **drawing,
    ):
        build = BuildDesign(in_files=group.in_files[:n_maps])
        if formula is not None:
            build.inputs.trait_set(formula=formula, table_file=group.table_file)
        design_file = run(build).design_file
        sides = [sidedness] * len(definitions) if isinstance(sidedness, str) else sidedness
        inputs = {'design_file': design_file, 'mask_file': group.mask_file}
        lists = {'contrast_files': [], 'extremes_files': [], 'metadata_files': []}
        lists |= {'spatial_extremes_files': [], 'spatial_metadata_files': []} if spatial else {}
        p_files = []
        for (name, definition), side in zip(definitions.items(), sides, strict=True):
            about = {'design_file': design_file}
            define = DefineContrast(name=name, definition=definition, **about)
            about['contrast_file'] = run(define).contrast_file
            drawn = run(DrawSchedule(**{'n_perm': 5000, 'seed': 3, **about, **drawing}))
            files = {
                'in_files': group.in_files[:n_maps],
                'schedule_file': drawn.schedule_file,
                'mask_file': group.mask_file,
                'sidedness': side,
                'variance_fwhm_mm': variance_fwhm_mm,
            }
            merging = {
                'mask_file': group.mask_file,
                'sidedness': side,
                'schedule_metadata_file': drawn.metadata_file,
                **about,
            }
            chunk_file = run(Permute(**files, **about)).chunk_file
            merged = run(MergePermutations(chunk_files=[chunk_file], **merging))
            lists['contrast_files'].append(about['contrast_file'])
            lists['extremes_files'].append(merged.extremes_file)
            lists['metadata_files'].append(merged.metadata_file)
            p_files.append(merged.p_fwe_file)
            if spatial:
                chunk_file = run(PermuteSpatial(**files, **about, **spatial)).chunk_file
                merged = run(MergeSpatial(chunk_files=[chunk_file], **merging))
                lists['spatial_extremes_files'].append(merged.extremes_file)
                lists['spatial_metadata_files'].append(merged.metadata_file)
                p_files.append(merged)
        design = pd.read_csv(design_file, sep='\t')
        return SimpleNamespace(inputs={**inputs, **lists}, design=design, p_files=p_files)

    return permute_all


def freedman_lane(y, design, columns, relabel):
    """F of some columns in the whole model, for every relabelling of the nuisance's residuals.

    Also gives the sign of the last column's effect, which makes t of F of one column.
    """
    X = design.to_numpy()
    tested = [list(design).index(column) for column in columns]
    Z = np.delete(X, tested, axis=1)
    fitted = Z @ np.linalg.lstsq(Z, y, rcond=None)[0] if Z.size else 0 * y
    dof = len(tested), len(y) - X.shape[1]
    f, sign = [], []
    for residuals in relabel(y - fitted):
        relabelled = fitted + residuals
        beta = np.linalg.lstsq(X, relabelled, rcond=None)[0]
        full = ((relabelled - X @ beta) ** 2).sum(axis=0)
        if Z.size:
            reduced = relabelled - Z @ np.linalg.lstsq(Z, relabelled, rcond=None)[0]
        else:
            reduced = relabelled
        f.append(((reduced**2).sum(axis=0) - full) / dof[0] / (full / dof[1]))
        sign.append(np.sign(beta[tested[-1]]))
    return np.array(f), np.array(sign), dof


def every_order(rows):
    return (rows[list(order)] for order in itertools.permutations(range(len(rows))))


def every_flip(rows):
    patterns = itertools.product((1, -1), repeat=len(rows))
    return (rows * np.array(pattern)[:, None] for pattern in patterns)


def score(f, sign, dof, sidedness):
    """Normal score of the p of the test: of F, of t on two sides, or of t on one."""
    if sidedness == 'two-sided':
        return stats.norm.isf(stats.f.sf(f, *dof))
    t = np.sqrt(f) * sign * (1 if sidedness == 'positive' else -1)
    return stats.norm.isf(stats.t.sf(t, dof[1]))


def correct_by_hand(maps):
    """P of the observed maps, the first of each contrast, over all of them."""
    maxima = np.max([each.max(axis=1) for each in maps], axis=0)
    reach = [each[0] - TIE * np.abs(each[0]) for each in maps]
    return [(maxima[:, None] >= row).mean(axis=0) for row in reach], maxima


CASES = {
    # contrasts, sidedness of each, relabelling
    't and t': ({'a': PATIENT, 'b': AGE}, ['two-sided'] * 2, every_order),
    't and F': ({'a': AGE, 'b': [PATIENT, AGE]}, ['two-sided'] * 2, every_order),
    'one side': ({'a': PATIENT, 'b': AGE}, ['positive'] * 2, every_order),
    'all of them': (
        {'a': PATIENT, 'b': AGE, 'c': AGE, 'd': [PATIENT, AGE]},
        ['positive', 'negative', 'two-sided', 'two-sided'],
        every_order,
    ),
    'flips': ({'a': PATIENT, 'b': 'intercept'}, ['two-sided', 'negative'], every_flip),
}


@pytest.mark.parametrize('case', CASES)
def test_p_is_that_of_enumeration(run, permute_all, group, read, read_json, case):
    definitions, sides, relabel = CASES[case]
    errors = 'symmetric' if relabel is every_flip else 'auto'
    found = permute_all('group + age', definitions, sidedness=sides, errors=errors)
    outputs = run(CorrectContrasts(**found.inputs))
    columns = [[each] if isinstance(each, str) else each for each in definitions.values()]
    y = group.data[:6]
    maps = [
        score(*freedman_lane(y, found.design, names, relabel), side)
        for names, side in zip(columns, sides, strict=True)
    ]
    expected, maxima = correct_by_hand(maps)
    for p_file, logp_file, p in zip(
        outputs.p_fwe_files, outputs.logp_fwe_files, expected, strict=True
    ):
        np.testing.assert_array_equal(read(p_file, group.mask), p.astype(np.float32))
        np.testing.assert_allclose(read(logp_file, group.mask), -np.log10(p), atol=1e-6)
        assert (read(p_file)[~group.mask] == 1).all()
        assert (read(logp_file)[~group.mask] == 0).all()
    null = pd.read_csv(outputs.null_file, sep='\t')
    assert null.columns.tolist() == ['relabelling', 'max_z']
    assert null['max_z'][0] == pytest.approx(maxima[0])
    np.testing.assert_allclose(np.sort(null['max_z']), np.sort(maxima), rtol=1e-6)
    metadata = read_json(outputs.metadata_file)
    assert metadata['Contrasts'] == list(definitions)
    assert metadata['NumberOfRelabellings'] == len(maxima)
    assert metadata['ObservedMaximum']['voxel'] == pytest.approx(maxima[0])
    smallest = metadata['SmallestCorrectedP']['voxel']
    np.testing.assert_allclose(smallest, [p.min() for p in expected])
    assert metadata['MonteCarlo']['voxel']['Method'].startswith('exact')
    assert metadata['LeftOut'] == {}


@pytest.mark.parametrize('definition', [AGE, [PATIENT, AGE]])
@pytest.mark.parametrize('sidedness', ['two-sided', 'negative'])
def test_a_single_contrast_keeps_its_p(run, permute_all, read, definition, sidedness):
    spatial = {'cluster_threshold': 1.5, 'tfce': True}
    found = permute_all(
        'group + age', {'a': definition}, n_maps=12, sidedness=sidedness, spatial=spatial,
        n_perm=99,
    )  # fmt: skip
    outputs = run(CorrectContrasts(**found.inputs))
    voxelwise, merged = found.p_files
    np.testing.assert_array_equal(read(outputs.p_fwe_files[0]), read(voxelwise))
    for name in ('extent', 'mass', 'tfce'):
        (p_file,) = getattr(outputs, f'{name}_p_fwe_files')
        np.testing.assert_array_equal(read(p_file), read(getattr(merged, f'{name}_p_fwe_file')))


@pytest.fixture
def variance_groups_file(new_folder):
    path = new_folder() / 'groups.csv'
    path.write_text('\n'.join(['1', '2'] * 6))
    return str(path)


@pytest.mark.parametrize(
    ('kind', 'definition'), [('v', AGE), ('G', [PATIENT, AGE]), ('pseudo-t', AGE)]
)
def test_a_single_contrast_of_any_statistic_keeps_its_p(
    run, permute_all, read, read_json, variance_groups_file, kind, definition
):
    inputs = {'variance_groups_file': variance_groups_file}
    inputs = {'variance_fwhm_mm': 20.0} if kind == 'pseudo-t' else inputs
    found = permute_all('group + age', {'a': definition}, n_maps=12, n_perm=99, **inputs)
    outputs = run(CorrectContrasts(**found.inputs))
    np.testing.assert_array_equal(read(outputs.p_fwe_files[0]), read(found.p_files[0]))
    metadata = read_json(outputs.metadata_file)
    assert metadata['Tests'][0].startswith(f'{kind}(')
    assert metadata['VoxelwiseScale'] == ('pseudo_t' if kind == 'pseudo-t' else 'z')


def test_v_and_g_are_compared_on_the_p_of_their_tests(
    run, permute_all, read, group, variance_groups_file
):
    definitions = {'a': AGE, 'b': [PATIENT, AGE]}
    found = permute_all(
        'group + age', definitions, n_maps=12, n_perm=99,
        variance_groups_file=variance_groups_file,
    )  # fmt: skip
    outputs = run(CorrectContrasts(**found.inputs))
    v, g = (load_arrays(path) for path in found.inputs['extremes_files'])
    # Scores of v are of one side, without the sign.
    observed, null = (stats.norm.isf(2 * stats.norm.sf(v[f'voxel_{name}'])) for name in
                      ('observed', 'null'))  # fmt: skip
    maxima = np.maximum(null, g['voxel_null'])
    for path, row in zip(outputs.p_fwe_files, (observed, g['voxel_observed']), strict=True):
        p = (maxima[:, None] >= row - 1e-7 * (1 + np.abs(row))).mean(axis=0)
        np.testing.assert_array_equal(read(path, group.mask), p.astype(np.float32))


def test_pseudo_t_is_compared_with_its_like(run, permute_all, refuse, read, group):
    about = {'n_maps': 12, 'n_perm': 99, 'variance_fwhm_mm': 20.0}
    found = permute_all('group + age', {'a': AGE, 'b': PATIENT}, **about)
    outputs = run(CorrectContrasts(**found.inputs))
    both = [load_arrays(path) for path in found.inputs['extremes_files']]
    maxima = np.max([each['voxel_null'] for each in both], axis=0)
    for path, each in zip(outputs.p_fwe_files, both, strict=True):
        p = (maxima[:, None] >= each['voxel_observed'] * (1 - TIE)).mean(axis=0)
        np.testing.assert_array_equal(read(path, group.mask), p.astype(np.float32))
    found = permute_all('group + age', {'a': AGE, 'b': [PATIENT, AGE]}, **about)
    words = ['pseudo-t(9), two-sided; pseudo-F(2, 9)', 'its like alone']
    refuse(CorrectContrasts(**found.inputs), InputError, *words)


def test_spatial_p_are_those_of_enumeration(run, permute_all, group, read, read_json):
    """Extent and mass from scipy.ndimage, on t of all flips."""
    definitions = {'a': 'group[control]', 'b': 'group[patient]'}
    found = permute_all('0 + group', definitions, spatial={'cluster_threshold': 2.0, 'tfce': True})
    outputs = run(CorrectContrasts(**found.inputs))
    threshold = stats.t.isf(stats.norm.sf(2.0), 4)
    extents, masses = [], []
    for column in definitions.values():
        f, sign, _ = freedman_lane(group.data[:6], found.design, [column], every_flip)
        t = np.sqrt(f) * sign
        measured = [measure(each, group.mask, threshold) for each in t]
        extents.append(np.array([extent for extent, _ in measured]))
        masses.append(np.array([mass for _, mass in measured]))
    for name, maps in (('extent', extents), ('mass', masses)):
        expected, maxima = correct_by_hand(maps)
        for p_file, p in zip(getattr(outputs, f'{name}_p_fwe_files'), expected, strict=True):
            np.testing.assert_array_equal(read(p_file, group.mask), p.astype(np.float32))
        null = pd.read_csv(outputs.null_file, sep='\t')[f'max_{name}']
        np.testing.assert_allclose(np.sort(null), np.sort(maxima), rtol=1e-6)
    # Over the two contrasts, TFCE is no smaller than over each.
    joint, alone = outputs.tfce_p_fwe_files, found.p_files[1::2]
    for p_file, merged in zip(joint, alone, strict=True):
        assert (read(p_file) >= read(merged.tfce_p_fwe_file)).all()
    metadata = read_json(outputs.metadata_file)
    assert set(metadata['ObservedMaximum']) == {'voxel', 'extent', 'mass', 'tfce'}


def measure(t, mask, threshold):
    """Extent and mass of the cluster of each voxel, the signs apart."""
    volume = np.zeros(mask.shape)
    volume[mask] = t
    extent, mass = np.zeros(mask.shape), np.zeros(mask.shape)
    for sign in (1, -1):
        labels, n = ndimage.label(sign * volume >= threshold, np.ones((3, 3, 3)))
        index = np.arange(n + 1)
        extent += np.where(labels, ndimage.sum_labels(mask, labels, index)[labels], 0)
        mass += np.where(labels, ndimage.sum_labels(sign * volume, labels, index)[labels], 0)
    return extent[mask], mass[mask]


@pytest.mark.parametrize(
    ('definitions', 'sides', 'reason'),
    [
        ({'a': AGE, 'b': [PATIENT, AGE]}, 'two-sided', 'F(2, 9); t(9), two-sided'),
        ({'a': AGE, 'b': AGE}, ['positive', 'negative'], 't(9), negative; t(9), positive'),
    ],
)
def test_spatial_statistics_without_a_common_scale_are_left_out(
    run, permute_all, read_json, definitions, sides, reason
):
    found = permute_all(
        'group + age', definitions, n_maps=12, sidedness=sides, n_perm=19, spatial={'tfce': True}
    )
    outputs = run(CorrectContrasts(**found.inputs))
    assert len(outputs.p_fwe_files) == 2
    assert not isdefined(outputs.tfce_p_fwe_files)
    left_out = read_json(outputs.metadata_file)['LeftOut']
    assert left_out == {'tfce': f'contrasts of different tests: {reason}'}


def test_spatial_settings_that_differ_are_left_out(run, permute_all, read_json):
    one, other = (
        permute_all('age', {'a': AGE}, n_maps=12, n_perm=19, spatial={'tfce': True, 'tfce_h': h})
        for h in (2.0, 3.0)
    )
    lists = {name: one.inputs[name] + other.inputs[name] for name in one.inputs if 'files' in name}
    outputs = run(CorrectContrasts(**{**one.inputs, **lists}))
    assert read_json(outputs.metadata_file)['LeftOut'] == {
        'tfce': 'contrasts with different settings'
    }


def test_a_tail_is_fitted_to_the_joint_null(run, permute_all, read, read_json, group):
    definitions = {'a': 'group[control] + group[patient]', 'b': 'group[patient]'}
    found = permute_all('0 + group', definitions, n_maps=12, n_perm=400)
    counted = run(CorrectContrasts(**found.inputs))
    fitted = run(CorrectContrasts(tail='gpd', **found.inputs))
    tail = read_json(fitted.metadata_file)['Tail']['voxel']
    assert tail['Fitted']
    assert tail['NumberOfVoxelsFitted'] + tail['NumberOfVoxelsCounted'] == 2 * group.mask.sum()
    for one, other in zip(counted.p_fwe_files, fitted.p_fwe_files, strict=True):
        p, by_fit = read(one, group.mask), read(other, group.mask)
        np.testing.assert_array_equal(by_fit[p > 0.25], p[p > 0.25])
        np.testing.assert_allclose(by_fit, p, atol=0.03)


# What cannot be corrected together is refused.


def test_auto_that_chose_differently(permute_all, refuse):
    found = permute_all('age', {'mean': 'intercept', 'slope': AGE}, n_perm=19)
    words = ['mean: freedman-lane, errors symmetric', 'slope: freedman-lane, errors exchangeable']
    refuse(CorrectContrasts(**found.inputs), ScheduleError, 'not permuted with', *words)


@pytest.mark.parametrize('drawing', [{'seed': 4}, {'n_perm': 20}, {'method': 'manly'}])
def test_other_relabellings(permute_all, refuse, drawing):
    one = permute_all('age', {'a': AGE}, n_perm=19)
    other = permute_all('age', {'b': AGE}, **{'n_perm': 19, **drawing})
    lists = {name: one.inputs[name] + other.inputs[name] for name in one.inputs if 'files' in name}
    correct = CorrectContrasts(**{**one.inputs, **lists})
    refuse(correct, ScheduleError, 'not permuted with', 'expected: one schedule')


def test_relabellings_that_nobody_knows(run, permute_all, refuse):
    found = permute_all('age', {'a': AGE}, n_perm=19)
    path = Path(found.inputs['metadata_files'][0])
    path.write_text(path.read_text().replace('ScheduleDigest', 'Other'))
    refuse(CorrectContrasts(**found.inputs), ScheduleError, 'unknown', 'schedule_metadata_file')


def test_lists_of_different_lengths(permute_all, refuse):
    inputs = permute_all('age', {'a': AGE}, n_perm=19).inputs
    inputs['contrast_files'] *= 2
    words = ['1 extremes_files, 1 metadata_files, 2 contrast_files', 'same order']
    refuse(CorrectContrasts(**inputs), InputError, *words)


def test_files_of_something_else(permute_all, refuse, group, new_folder):
    inputs = permute_all('age', {'a': AGE}, n_perm=19).inputs
    path = new_folder() / 'x.npz'
    np.savez(path, a=np.zeros(3))
    correct = CorrectContrasts(**{**inputs, 'extremes_files': [str(path)]})
    refuse(correct, InputError, 'arrays a')
    mask_file = group.in_files[0]
    refuse(
        CorrectContrasts(**{**inputs, 'mask_file': mask_file}),
        MaskError,
        f'{group.mask.sum()} voxels tested',
    )
