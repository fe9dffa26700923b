"""Fit and test, voxel by voxel against statsmodels."""

import json

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy import stats

from nistats_nipype.exceptions import ContrastError, DesignError, InputError, MissingDataError
from nistats_nipype.interfaces import ComputeContrast, DefineContrast, FitGLM

FORMULA = 'group + site + age'
CONTRASTS = {
    'covariate': 'age',
    'difference': 'site[T.b] - site[T.c]',
    'any site': ['site[T.b]', 'site[T.c]'],
    'redundant': ['site[T.b]', 'site[T.c]', 'site[T.b] - site[T.c]'],
}
#: Voxels that are compared one by one.
SOME = slice(None, None, 25)


def punch_holes(group):
    """Put NaN at the first voxels of a mask, at one more in each map."""
    voxels = np.argwhere(group.mask)
    for n_lost, path in enumerate(group.in_files, start=1):
        image = nib.load(path)
        data = image.get_fdata(dtype=np.float32)
        data[tuple(voxels[:n_lost].T)] = np.nan
        nib.save(nib.Nifti1Image(data, image.affine), path)


@pytest.mark.parametrize('name', CONTRASTS)
def test_maps_are_those_of_statsmodels(fit_and_test, group, read, read_json, name):
    found = fit_and_test(group, CONTRASTS[name], FORMULA, name=name)
    metadata = read_json(found['metadata_file'])
    design = pd.read_csv(found['design_file'], sep='\t').to_numpy()
    weights = np.array(metadata['ContrastWeights'])
    maps = {
        kind: read(found[f'{kind}_file'], group.mask)[SOME]
        for kind in ('effect', 'variance', 'stat', 'z', 'p')
    }
    # Of redundant rows F takes as many as are independent.
    tested = weights[: np.linalg.matrix_rank(weights)]
    is_t = len(weights) == 1
    for voxel, y in enumerate(group.data.T[SOME]):
        model = sm.OLS(y, design).fit()
        result = model.t_test(weights)
        effect, variance = (np.atleast_1d(maps[kind][voxel]) for kind in ('effect', 'variance'))
        np.testing.assert_allclose(effect, result.effect, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(variance, np.atleast_1d(result.sd.squeeze()) ** 2, rtol=1e-5)
        test = result if is_t else model.f_test(tested)
        stat = test.tvalue.item() if is_t else test.fvalue
        assert maps['stat'][voxel] == pytest.approx(stat, rel=1e-5, abs=1e-6)
        assert maps['p'][voxel] == pytest.approx(float(test.pvalue), rel=1e-4)
        upper = stats.t.sf(stat, 7) if is_t else stats.f.sf(stat, len(tested), 7)
        assert maps['z'][voxel] == pytest.approx(stats.norm.isf(upper), abs=1e-5)
    assert metadata['Statistic'] == ('t' if is_t else 'F')
    assert metadata['DegreesOfFreedom'] == [7, 7]
    assert metadata['DegreesOfFreedomEffect'] == len(tested)
    shape = group.mask.shape if is_t else (*group.mask.shape, len(weights))
    assert read(found['effect_file']).shape == read(found['variance_file']).shape == shape


@pytest.mark.parametrize(
    ('sidedness', 'tail'),
    [
        ('two-sided', lambda t: 2 * stats.t.sf(np.abs(t), 10)),
        ('positive', lambda t: stats.t.sf(t, 10)),
        ('negative', lambda t: stats.t.cdf(t, 10)),
    ],
)
def test_sides_of_t(fit_and_test, group, read, read_json, sidedness, tail):
    found = fit_and_test(group, 'age', 'age', sidedness=sidedness)
    t, z, p = (read(found[f'{kind}_file'], group.mask) for kind in ('stat', 'z', 'p'))
    np.testing.assert_allclose(p, tail(t.astype(float)), rtol=1e-4)
    # z keeps the sign of t on every side.
    np.testing.assert_allclose(z, stats.norm.isf(stats.t.sf(t.astype(float), 10)), atol=1e-5)
    assert read_json(found['metadata_file'])['Sidedness'] == sidedness


@pytest.mark.parametrize('sidedness', ['two-sided', 'positive', 'negative'])
def test_f_has_one_side(fit_and_test, group, read, read_json, sidedness):
    found = fit_and_test(group, ['site[T.b]', 'site[T.c]'], 'site', sidedness=sidedness)
    f, p = (read(found[f'{kind}_file'], group.mask) for kind in ('stat', 'p'))
    np.testing.assert_allclose(p, stats.f.sf(f.astype(float), 2, 9), rtol=1e-4)
    assert read_json(found['metadata_file'])['Sidedness'] == 'positive'


def test_outside_the_mask(fit_and_test, group, read):
    found = fit_and_test(group, 'intercept')
    for kind in ('effect', 'variance', 'stat', 'z', 'p'):
        data = read(found[f'{kind}_file'])
        assert data.dtype == np.float32
        assert (data[~group.mask] == (kind == 'p')).all()
        assert np.isfinite(data).all()


def test_each_voxel_has_its_degrees_of_freedom(fit_and_test, group, read, read_json):
    punch_holes(group)
    found = fit_and_test(group, 'intercept', 'age', missing='per_voxel')
    n_observed = read(found['n_file'], group.mask)
    # The first voxel is missing in all 12 maps, the second in 11, ...; three maps make a fit.
    assert n_observed[:13].tolist() == [0, 0, 0, *range(3, 13)]
    stat, p = (read(found[f'{kind}_file'], group.mask) for kind in ('stat', 'p'))
    assert np.isnan(stat[:3]).all()
    assert np.isnan(p[:3]).all()
    design = pd.read_csv(found['design_file'], sep='\t').to_numpy()
    for voxel in range(3, 13):
        rows = slice(0, voxel)
        expected = sm.OLS(group.data[rows, voxel], design[rows]).fit()
        assert stat[voxel] == pytest.approx(expected.tvalues[0], rel=1e-4)
        assert p[voxel] == pytest.approx(expected.pvalues[0], rel=1e-4)
    model, test = map(read_json, (found['model_metadata_file'], found['metadata_file']))
    assert test['DegreesOfFreedom'] == [1, 10]
    assert model['MissingData'] == 'per_voxel'
    assert model['NumberOfVoxelsInMask'] == group.mask.sum()
    assert model['NumberOfVoxelsFitted'] == (n_observed > 0).sum() == group.mask.sum() - 3
    assert model['NumberOfIncompleteVoxelsFitted'] == 9


def test_complete_voxels_only(fit_and_test, group, read, read_json):
    punch_holes(group)
    found = fit_and_test(group, 'intercept', missing='drop_voxel')
    stat = read(found['stat_file'], group.mask)
    assert np.isnan(stat[:12]).all()
    np.testing.assert_allclose(
        stat[12:], stats.ttest_1samp(group.data[:, 12:], 0).statistic, rtol=1e-5
    )
    model = read_json(found['model_metadata_file'])
    assert model['NumberOfVoxelsFitted'] == np.isfinite(stat).sum() == group.mask.sum() - 12
    assert model['NumberOfIncompleteVoxelsFitted'] == 0


def test_zeros_are_missing_unless_said_otherwise(run, group, new_folder, refuse):
    path = group.in_files[4]
    image = nib.load(path)
    data = image.get_fdata(dtype=np.float32)
    data[tuple(np.argwhere(group.mask)[:6].T)] = 0
    nib.save(nib.Nifti1Image(data, image.affine), path)
    design = new_folder() / 'design.tsv'
    pd.DataFrame({'intercept': np.ones(12)}).to_csv(design, sep='\t', index=False)
    inputs = {
        'in_files': group.in_files,
        'mask_file': group.mask_file,
        'design_file': str(design),
    }
    refuse(FitGLM(**inputs), MissingDataError, '6 of', 'at least one of 12 maps', f'{path}: 6')
    found = run(FitGLM(**inputs, zero_is_missing=False))
    with np.load(found.model_file) as model:
        zeroed = group.data[:, :6].copy()
        zeroed[4] = 0
        np.testing.assert_allclose(model['beta'][0, :6], zeroed.mean(axis=0), rtol=1e-12)


def test_voxels_without_variance_are_counted(fit_and_test, group, read, read_json):
    voxels = np.argwhere(group.mask)[:4]
    for path in group.in_files:
        image = nib.load(path)
        data = image.get_fdata(dtype=np.float32)
        data[tuple(voxels.T)] = 2.5
        nib.save(nib.Nifti1Image(data, image.affine), path)
    found = fit_and_test(group, 'intercept')
    stat = read(found['stat_file'], group.mask)
    assert np.flatnonzero(np.isnan(stat)).tolist() == [0, 1, 2, 3]
    assert read_json(found['model_metadata_file'])['NumberOfVoxelsWithoutVariance'] == 4


# What cannot be fitted or tested is refused, and nothing is left in the folder.


@pytest.fixture
def write_design(new_folder):
    def write_design(n_rows=12, **columns):
        path = new_folder() / 'design.tsv'
        frame = pd.DataFrame({'intercept': np.ones(n_rows), **columns})
        frame.to_csv(path, sep='\t', index=False, na_rep='n/a')
        return str(path)

    return write_design


def _fit(group, design_file):
    return FitGLM(in_files=group.in_files, mask_file=group.mask_file, design_file=design_file)


def test_too_few_rows(refuse, group, write_design):
    words = ['10 rows in the design, 12 observations', 'one row of the design for each map']
    refuse(_fit(group, write_design(10)), DesignError, *words)


@pytest.mark.parametrize('value', [np.nan, np.inf])
def test_a_design_that_is_not_finite(refuse, group, write_design, value):
    design = write_design(age=[value, *range(11)])
    words = ['not finite', '1 of them, the first in row 1; columns age', 'finite numbers']
    refuse(_fit(group, design), DesignError, *words)


def test_a_participants_table_is_no_design(refuse, group):
    words = ['participants.tsv holds columns that are not numbers', 'participant_id, group, site']
    refuse(_fit(group, group.table_file), DesignError, *words)


def test_no_degrees_of_freedom(refuse, group, write_design):
    columns = {f'c{index}': np.eye(12)[index] for index in range(12)}
    words = ['no degrees of freedom', '12 observations, design of rank 12']
    refuse(_fit(group, write_design(**columns)), DesignError, *words)


def test_a_table_that_is_none(refuse, group, new_folder):
    path = new_folder() / 'design.tsv'
    path.write_bytes(b'\xff\xfe\x00')
    refuse(_fit(group, str(path)), InputError, 'design.tsv could not be read as a table')


@pytest.fixture
def deficient(run, group, write_design):
    """Fit a design of two groups and an intercept; define what can be tested in it."""
    first = np.resize([1.0, 0.0], 12)
    design = write_design(first=first, second=1 - first)
    fitted = run(_fit(group, design))
    contrast = run(DefineContrast(design_file=design, name='x', definition='first - second'))
    return {
        'model_file': fitted.model_file,
        'mask_file': group.mask_file,
        'design_file': design,
        'contrast_file': contrast.contrast_file,
    }


def test_estimable_contrast_of_a_deficient_design(run, group, read, deficient):
    found = run(ComputeContrast(**deficient))
    expected = stats.ttest_ind(group.data[::2], group.data[1::2])
    stat = read(found.stat_file, group.mask)
    np.testing.assert_allclose(stat, expected.statistic, rtol=1e-4, atol=1e-5)


def _rewrite(path, new_folder, read_json, **changes):
    out = new_folder() / 'contrast.json'
    out.write_text(json.dumps({**read_json(path), **changes}))
    return str(out)


@pytest.mark.parametrize(
    ('changes', 'words'),
    [
        ({'ContrastWeights': [[0, 1, 0]]}, ['not estimable', 'depend on others: first']),
        ({'ContrastWeights': [[0, 0, 0]]}, ['a row of zeros', 'row 0']),
        (
            {'DesignColumns': ['intercept', 'a', 'b']},
            ['made for another design', 'intercept, a, b', 'intercept, first, second'],
        ),
        ({'ContrastWeights': 'first'}, ['This is not a contrast.', 'ContrastWeights']),
    ],
)
def test_contrasts_that_do_not_fit(refuse, deficient, new_folder, read_json, changes, words):
    bad = _rewrite(deficient['contrast_file'], new_folder, read_json, **changes)
    refuse(ComputeContrast(**{**deficient, 'contrast_file': bad}), ContrastError, *words)


def test_another_mask(refuse, deficient, group, new_folder):
    mask = group.mask.copy()
    mask[tuple(np.argwhere(mask)[0])] = False
    path = new_folder() / 'smaller.nii.gz'
    image = nib.load(group.mask_file)
    nib.save(nib.Nifti1Image(mask.astype(np.uint8), image.affine), path)
    compute = ComputeContrast(**{**deficient, 'mask_file': str(path)})
    refuse(compute, InputError, 'does not fit the mask', f'{mask.sum()} values')


@pytest.mark.parametrize('content', [b'', b'PK\x03\x04 cut off'])
def test_a_model_that_is_none(refuse, deficient, new_folder, content):
    path = new_folder() / 'model.npz'
    path.write_bytes(content)
    compute = ComputeContrast(**{**deficient, 'model_file': str(path)})
    refuse(compute, InputError, 'model.npz could not be read', 'Run the step')


def test_a_file_of_another_step(refuse, deficient, new_folder):
    path = new_folder() / 'other.npz'
    np.savez(path, beta=np.zeros(3))
    words = ['other.npz does not hold a GLMFit', 'arrays beta\n', 'arrays beta, dof, pattern']
    refuse(ComputeContrast(**{**deficient, 'model_file': str(path)}), InputError, *words)


def test_per_voxel_fit_of_nothing(refuse, group, write_design):
    """Every voxel is observed somewhere, and none often enough."""
    for index, path in enumerate(group.in_files):
        image = nib.load(path)
        data = image.get_fdata(dtype=np.float32)
        data[np.indices(data.shape).sum(axis=0) % 12 != index] = np.nan
        nib.save(nib.Nifti1Image(data, image.affine), path)
    fit = _fit(group, write_design())
    fit.inputs.missing = 'per_voxel'
    words = ['No voxel has the maps', 'at most 1 of 12 maps', 'more than the 1 regressors']
    refuse(fit, MissingDataError, *words)
