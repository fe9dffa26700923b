"""Bad input: told by the first node that can know it, and no result beside it."""

import re
import resource
import shutil
import signal
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from nistats_nipype import exceptions
from nistats_nipype.workflows import init_second_level_wf

FORMULA = 'group + age'


@pytest.fixture
def fails(build, drop_nodes, tmp_path):
    """Run the workflow; it must fail in this node, with this error and these words.

    ``also`` are nodes that do not depend on the first and know it too. Other figures are left
    out, as they take most of the time; nothing but the report and the sinks waits for them.
    """

    def fails(group, node, error, *words, also=(), **inputs):
        work, results = tmp_path / 'work', tmp_path / 'results'
        workflow = build(work, group, out_dir=results, **inputs)
        workflow.config['execution']['crashfile_format'] = 'txt'
        drop_nodes(workflow, 'plot_', but=also)
        with pytest.raises(RuntimeError):  # nipype's own, with our error as text
            workflow.run('Linear')
        crashes = {}
        for path in (work / 'crash').iterdir():
            text = path.read_text()
            name = re.search(r'Node: second_level_wf\.(\S+)', text).group(1)
            crashes[name] = text
        assert set(crashes) - set(also) == {node}
        for name, text in crashes.items():
            found = re.search(r'nistats_nipype\.exceptions\.(\w+): (.*)', text, re.DOTALL)
            assert found, f'{name} failed with an error of another kind'
            if name == node:
                assert found.group(1) == error.__name__
                for word in words:
                    assert word in found.group(2)
                assert 'found: ' in text
        assert not [path for path in results.rglob('*') if path.is_file()]
        assert not [path for path in work.rglob('*') if '-partial-' in path.name]
        for name in crashes:
            # Nothing but what nipype itself writes.
            folder = work.joinpath('second_level_wf', *name.split('.'))
            own = re.compile(r'result_\w+\.pklz|_inputs\.pklz|_node\.pklz|report\.rst|_0x.*\.json')
            left = {path.name for path in folder.rglob('*') if path.is_file()}
            assert not [each for each in left if not own.fullmatch(each)]

    return fails


def edit(path, change, target=None):
    """Write a changed map in the place of another."""
    image = nib.load(path)
    data, affine = change(image.get_fdata(dtype=np.float32), image.affine.copy())
    nib.save(nib.Nifti1Image(data, affine), target or path)


def _shift(data, affine):
    affine[0, 3] += 4.0
    return data, affine


BAD_MAPS = {
    'other grids': (
        lambda path: edit(path, lambda data, affine: (data[:, :-1], affine)),
        'GridError',
        ['sub-03', ' voxels\n', 'the same shape', 'Resample'],
    ),
    'other affines': (
        lambda path: edit(path, _shift),
        'GridError',
        ['sub-03', 'voxels up to 4 mm apart', 'affines within 0.001 mm'],
    ),
    'a map of zeros': (
        lambda path: edit(path, lambda data, affine: (0 * data, affine)),
        'MissingDataError',
        ['1 of 8 maps hold no value', 'sub-03', 'only NaN or zeros'],
    ),
    'a map of NaN': (
        lambda path: edit(path, lambda data, affine: (np.nan * data, affine)),
        'MissingDataError',
        ['1 of 8 maps hold no value', 'sub-03', 'observed values in every map'],
    ),
    'no NIfTI': (
        lambda path: Path(path).write_text('no image'),
        'InputError',
        ['sub-03', 'could not be read as an image', 'a complete NIfTI file'],
    ),
    'a truncated file': (
        lambda path: Path(path).write_bytes(Path(path).read_bytes()[:2000]),
        'InputError',
        ['sub-03', 'could not be read as an image', 'a complete NIfTI file'],
    ),
    '4D among 3D': (
        lambda path: edit(path, lambda data, affine: (np.stack([data, data], axis=3), affine)),
        'InputError',
        ['sub-03', 'is a 4D file where a 3D file is meant', '2 volumes', 'one volume in each'],
    ),
}


@pytest.mark.parametrize('what', BAD_MAPS)
def test_bad_maps(fails, group, what):
    spoil, error, words = BAD_MAPS[what]
    spoil(group.effect_files[2])
    node = 'prepare_wf.compute_mask'
    # The figure of all subjects waits for nothing else; it may know it too.
    fails(group, node, getattr(exceptions, error), *words, also=['plot_subjects'])


def test_an_empty_mask(fails, group):
    edit(group.mask_file, lambda data, affine: (0 * data, affine))
    words = ['mask.nii.gz is empty', 'no voxel above 0', 'values above 0 inside']
    node = 'prepare_wf.compute_mask'
    fails(group, node, exceptions.MaskError, *words, mask_file=group.mask_file)


def test_a_mask_of_another_grid(fails, group):
    edit(group.mask_file, _shift)
    words = ['mask.nii.gz', 'voxels up to 4 mm apart']
    node = 'prepare_wf.compute_mask'
    fails(group, node, exceptions.GridError, *words, mask_file=group.mask_file)


def test_missing_values_in_a_given_mask(fails, group):
    voxels = np.argwhere(np.asarray(nib.load(group.mask_file).dataobj) > 0)[:9]

    def punch(data, affine):
        data[tuple(voxels.T)] = np.nan
        return data, affine

    edit(group.effect_files[5], punch)
    words = ['9 of', 'at least one of 8 maps', "missing='drop_voxel'"]
    fails(
        group,
        'fit_glm',
        exceptions.MissingDataError,
        *words,
        mask_file=group.mask_file,
        also=['contrast_mean_wf.permutation_wf.permute'],
    )


BAD_TABLES = {
    'fewer rows than maps': (
        lambda table: table[:6],
        ['Maps have no row in the table.', '2 of 8 maps without a row: sub-07, sub-08'],
    ),
    'a subject twice': (
        lambda table: pd.concat([table, table[2:3]]),
        ['duplicate participants in', 'participants.tsv', 'sub-03', 'every participant once'],
    ),
    'a covariate that is missing': (
        lambda table: table.assign(age=table['age'].where(table.index != 4)),
        ['Covariates are missing: age.', 'sub-05', 'a value for every observation'],
    ),
    'a rank-deficient design': (
        lambda table: table.assign(age=(table['group'] == 'patient').astype(float)),
        ['found 2 errors', 'age, group: age follows from group', "'age' is not estimable"],
    ),
    'an infinite covariate': (
        lambda table: table.assign(age=np.where(table.index == 1, np.inf, table['age'])),
        ['not finite', 'age', 'finite numbers'],
    ),
    'a column that is not there': (
        lambda table: table.drop(columns='age'),
        ['The formula names columns that the table does not have: age.', 'columns participant_id'],
    ),
}


@pytest.mark.parametrize('what', BAD_TABLES)
def test_bad_tables(fails, group, what):
    change, words = BAD_TABLES[what]
    table = change(pd.read_csv(group.participants_file, sep='\t'))
    table.to_csv(group.participants_file, sep='\t', index=False, na_rep='n/a')
    error = exceptions.DesignError
    fails(group, 'check_design', error, *words, formula=FORMULA, contrasts={'age': 'age'})


def test_two_maps_of_one_subject(fails, group):
    second = Path(group.effect_files[1]).with_name('sub-02_ses-2_statmap.nii.gz')
    shutil.copy(group.effect_files[5], second)
    files = [*group.effect_files[:5], str(second), *group.effect_files[6:]]
    table = pd.read_csv(group.participants_file, sep='\t')[['participant_id', 'age']]
    table.to_csv(group.participants_file, sep='\t', index=False)
    words = ['duplicate subjects among the maps', 'sub-02', 'every participant once']
    fails(group, 'check_design', exceptions.DesignError, *words, in_files=files, formula='age')


def test_the_same_file_twice(fails, group):
    files = [*group.effect_files, group.effect_files[0]]
    words = ['sub-01', 'is listed twice', 'entries 1 and 9 of 9', 'each map once']
    fails(group, 'check_design', exceptions.InputError, *words, in_files=files)


@pytest.mark.parametrize(
    ('definition', 'words'),
    [
        ('Age', ['column that the design does not have: Age', 'columns intercept', 'age?']),
        ([1.0, 2.0], ['do not fit the design', '[1.0, 2.0]', '3 numbers per row']),
        ([0.0, 0.0, 0.0], ['a row of zeros', 'row 0']),
        ('age = 1', ['compares with a number', 'age = 1']),
    ],
)
def test_bad_contrasts(fails, group, definition, words):
    fails(
        group,
        'check_design',
        exceptions.ContrastError,
        *words,
        formula=FORMULA,
        contrasts={'x': definition},
    )


@pytest.mark.parametrize(
    ('inputs', 'node', 'error', 'words'),
    [
        ({'n_perm': -3}, 'check_design', 'ScheduleError',
         ['Too few relabellings', 'n_perm = -3', 'at least 1']),
        ({'errors': 'exchangeable'}, 'check_design',
         'ScheduleError', ['no relabelling beside the observed one', "errors='symmetric'"]),
        ({'min_coverage': 80.0, 'mask_method': 'coverage'}, 'prepare_wf.compute_mask',
         'InputError', ['out of range', 'min_coverage=80.0', 'at most 1']),
        ({'fwhm_mm': -4.0}, 'prepare_wf.smooth', 'InputError', ['fwhm_mm=-4.0', '0 or above']),
    ],
)  # fmt: skip
def test_bad_parameters(fails, group, inputs, node, error, words):
    fails(group, node, getattr(exceptions, error), *words, **inputs)


@pytest.mark.parametrize('n_perm', [0, 10])
@pytest.mark.parametrize('alpha', [0.0, 1.0, 3.1, -0.05, np.nan])
@pytest.mark.parametrize('name', ['alpha_uncorrected', 'alpha_fwe'])
def test_levels_are_checked_before_anything_runs(name, alpha, n_perm):
    with pytest.raises(exceptions.InputError) as caught:
        init_second_level_wf(**{name: alpha}, n_perm=n_perm)
    for word in ('not between 0 and 1', f'{name}={alpha:g}', '0.05'):
        assert word in str(caught.value)


def test_no_space(fails, group):
    """On a disk that fills up (EFBIG stands in for ENOSPC) while the maps are packed."""
    n_voxels = np.count_nonzero(np.asarray(nib.load(group.mask_file).dataobj))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4 * 8 * n_voxels, hard))
    words = ['Could not write', 'observations.npy', 'File too large', 'room for the file']
    figures = ['plot_subjects', 'plot_coverage']
    try:
        fails(group, 'prepare_wf.apply_mask', exceptions.OutputError, *words, also=figures)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)
