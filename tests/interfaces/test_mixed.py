"""Fixed and mixed effects on disk: a small group, and 21 real studies."""

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from scipy import stats

from nistats_nipype.exceptions import GridError, InputError, MissingDataError
from nistats_nipype.interfaces import BuildDesign, ComputeContrast, DefineContrast, FitMixed
from nistats_nipype.stats import mixed

HETEROGENEITY = ('tau2', 'i2', 'q', 'q_p')
MAPS = ('effect', 'variance', 'stat', 'z', 'p')


def save(path, data, affine):
    nib.save(nib.Nifti1Image(np.asarray(data, dtype=np.float32), affine), path)
    return str(path)


@pytest.fixture
def variances(group, tmp_path):
    """Variance maps of the group, and their values in the mask."""
    random = np.random.default_rng(7)
    affine = nib.load(group.mask_file).affine
    maps = random.chisquare(5, size=(len(group.in_files), *group.mask.shape)) / 10
    files = [save(tmp_path / f'var{i:02d}.nii.gz', each, affine) for i, each in enumerate(maps)]
    return files, maps[:, group.mask].astype(np.float32).astype(float)


@pytest.fixture
def fit_mixed(run, group, variances):
    """Run design and fit; give all outputs by name, and the inputs of a contrast."""

    def fit_mixed(formula=None, **inputs):
        build = BuildDesign(in_files=group.in_files)
        if formula is not None:
            build.inputs.trait_set(table_file=group.table_file, formula=formula)
        design = run(build).design_file
        files = {'in_files': group.in_files, 'variance_files': variances[0], **inputs}
        fit = FitMixed(mask_file=group.mask_file, design_file=design, **files)
        return run(fit).get() | {'design_file': design, 'mask_file': group.mask_file}

    return fit_mixed


@pytest.fixture
def compute(run):
    def compute(fitted, definition, **inputs):
        files = {name: fitted[name] for name in ('design_file', 'mask_file')}
        define = DefineContrast(design_file=files['design_file'], name='x', definition=definition)
        files['contrast_file'] = run(define).contrast_file
        return run(ComputeContrast(model_file=fitted['model_file'], **files, **inputs)).get()

    return compute


@pytest.mark.parametrize(
    ('method', 'definition', 'name'),
    [
        ('reml', 'age', 't'),
        ('dl', 'age', 't'),
        ('fixed', 'age', 'z'),
        ('reml', ['site[T.b]', 'site[T.c]'], 'F'),
        ('fixed', ['site[T.b]', 'site[T.c]'], 'chi2'),
    ],
)
def test_maps_are_those_of_the_arrays(
    fit_mixed, compute, group, variances, read, read_json, method, definition, name
):
    fitted = fit_mixed('group + site + age', method=method, num_threads=2)
    found = compute(fitted, definition)
    design = pd.read_csv(fitted['design_file'], sep='\t').to_numpy()
    model = mixed.fit(group.data, variances[1], design, method=method)
    for key in HETEROGENEITY:
        values = read(fitted[f'{key}_file'])
        np.testing.assert_allclose(values[group.mask], getattr(model, key), rtol=1e-6)
        assert (values[~group.mask] == (key == 'q_p')).all()
    metadata = read_json(found['metadata_file'])
    weights = np.array(metadata['ContrastWeights'])
    expected = mixed.contrast(model, design, weights)
    for key in MAPS:
        values = read(found[f'{key}_file'])
        ours = np.moveaxis(values[group.mask], 0, -1)
        np.testing.assert_allclose(np.squeeze(getattr(expected, key)), ours, rtol=1e-6)
        assert (values[~group.mask] == (key == 'p')).all()
    assert metadata['StatisticName'] == name
    assert metadata['DegreesOfFreedom'] == (None if method == 'fixed' else [7, 7])
    assert metadata['DegreesOfFreedomEffect'] == len(weights)
    about = read_json(fitted['metadata_file'])
    assert about['Estimator'].startswith('fixed' if method == 'fixed' else 'mixed')
    assert about['NumberOfVoxelsWithoutHeterogeneity'] == (model.tau2 == 0).sum()
    assert about['NumberOfVoxelsFitted'] == about['NumberOfVoxelsInMask'] == group.mask.sum()


def test_voxels_without_a_variance_are_missing(
    fit_mixed, compute, group, variances, read, read_json
):
    image = nib.load(variances[0][3])
    data = image.get_fdata()
    data[tuple(np.argwhere(group.mask)[:5].T)] = 0
    save(variances[0][3], data, image.affine)
    with pytest.raises(MissingDataError, match='5 of'):
        fit_mixed()
    fitted = fit_mixed(missing='per_voxel')
    assert read(fitted['n_file'], group.mask)[:6].tolist() == [11] * 5 + [12]
    found = compute(fitted, 'intercept', sidedness='positive')
    t, p = (read(found[f'{kind}_file'], group.mask)[:6] for kind in ('stat', 'p'))
    np.testing.assert_allclose(p, stats.t.sf(t, [10] * 5 + [11]), rtol=1e-4)
    assert read_json(found['metadata_file'])['DegreesOfFreedom'] == [10, 11]
    assert read_json(fitted['metadata_file'])['NumberOfIncompleteVoxelsFitted'] == 5
    dropped = fit_mixed(missing='drop_voxel')
    tau2 = read(dropped['tau2_file'], group.mask)
    assert np.flatnonzero(np.isnan(tau2)).tolist() == [0, 1, 2, 3, 4]


# What cannot be fitted is refused, and nothing is left in the folder.


@pytest.fixture
def refuse_fit(run, refuse, group, variances):
    def refuse_fit(error, *words, **inputs):
        design = run(BuildDesign(in_files=group.in_files)).design_file
        files = {'in_files': group.in_files, 'variance_files': variances[0], **inputs}
        fit = FitMixed(mask_file=group.mask_file, design_file=design, **files)
        refuse(fit, error, *words)

    return refuse_fit


@pytest.mark.parametrize(('value', 'inputs'), [(-1, {}), (0, {'zero_is_missing': False})])
def test_variances_that_are_none(refuse_fit, group, variances, value, inputs):
    image = nib.load(variances[0][2])
    data = image.get_fdata()
    data[tuple(np.argwhere(group.mask)[0])] = value
    save(variances[0][2], data, image.affine)
    words = [f'variances of {group.in_files[2]} cannot be used', f'the first {value}\n']
    refuse_fit(InputError, *words, 'squared standard errors', **inputs)


def test_too_few_variance_maps(refuse_fit, variances):
    words = ['11 maps of variances', '12 maps of effects', 'in the same order']
    refuse_fit(InputError, *words, variance_files=variances[0][:-1])


def test_variances_on_another_grid(refuse_fit, variances, tmp_path):
    image = nib.load(variances[0][0])
    other = save(tmp_path / 'other.nii.gz', image.get_fdata()[1:], image.affine)
    refuse_fit(GridError, 'other.nii.gz', variance_files=[*variances[0][:-1], other])


# Real data


@pytest.fixture(scope='module')
def pain(data_dir, tmp_path_factory):
    """The 21 studies, and a mask of the voxels that all have."""
    files = {
        kind: sorted(map(str, (data_dir / 'pain21').glob(f'pain_[0-9][0-9]_{kind}.nii.gz')))
        for kind in ('beta', 'varcope')
    }
    maps = {
        kind: np.array([np.squeeze(nib.load(path).get_fdata()) for path in paths])
        for kind, paths in files.items()
    }
    mask = (maps['varcope'] > 0).all(axis=0)
    assert maps['beta'].shape == maps['varcope'].shape == (21, 10, 10, 10)
    assert 900 < mask.sum() < 1000
    affine = nib.load(files['beta'][0]).affine
    mask_file = save(tmp_path_factory.mktemp('pain') / 'mask.nii.gz', mask, affine)
    return files, {kind: values[:, mask] for kind, values in maps.items()}, mask, mask_file


def fit_pain(run, pain, new_folder, **inputs):
    files, *_, mask_file = pain
    design = new_folder() / 'design.tsv'
    pd.DataFrame({'intercept': np.ones(21)}).to_csv(design, sep='\t', index=False)
    fit = FitMixed(
        in_files=files['beta'],
        variance_files=files['varcope'],
        mask_file=mask_file,
        design_file=str(design),
        **inputs,
    )
    return run(fit).get() | {'design_file': str(design), 'mask_file': mask_file}


def test_21_studies_of_pain(run, compute, pain, read, new_folder):
    """Against formulas and a search, and against PyMARE, voxel by voxel, where it is installed."""
    _, values, mask, _ = pain
    y, v = values['beta'], values['varcope']
    fitted = fit_pain(run, pain, new_folder)
    tau2, i2, q, q_p = (read(fitted[f'{kind}_file'], mask) for kind in HETEROGENEITY)
    weights = 1 / v
    q_expected = (weights * (y - (weights * y).sum(0) / weights.sum(0)) ** 2).sum(0)
    np.testing.assert_allclose(q, q_expected, rtol=1e-5)
    np.testing.assert_allclose(q_p, stats.chi2.sf(q_expected, 20), rtol=1e-3, atol=1e-37)
    np.testing.assert_allclose(i2, np.maximum(0, 100 * (1 - 20 / q_expected)), rtol=1e-4)
    # Units differ between the studies by a factor of a thousand.
    assert (q_p < 0.05).all()
    assert np.median(i2) > 80
    found = compute(fitted, 'intercept')
    effect, variance, t = (read(found[f'{kind}_file'], mask) for kind in MAPS[:3])
    weights = 1 / (v + tau2)
    np.testing.assert_allclose(effect, (weights * y).sum(0) / weights.sum(0), rtol=1e-3)
    np.testing.assert_allclose(variance, 1 / weights.sum(0), rtol=1e-3)
    np.testing.assert_allclose(t, effect / np.sqrt(variance), rtol=1e-4)
    lowest = restricted_deviance(tau2, y, v)
    for other in [0.0, *np.geomspace(1e-4, 1e5, 400)]:
        assert (restricted_deviance(other, y, v) >= lowest - 1e-6).all()
    estimators = pytest.importorskip('pymare.estimators')
    theirs = estimators.VarianceBasedLikelihoodEstimator(
        'REML', small_sample_correction='wald', xtol=1e-10
    ).fit(y, v, np.ones((21, 1)))
    pymare = theirs.params_['tau2'][0]
    excess = restricted_deviance(pymare, y, v) - lowest
    assert excess.min() > -1e-6
    # Its search is too coarse here and there for studies in units so different.
    agreed = excess < 1e-6
    assert agreed.mean() > 0.95
    np.testing.assert_allclose(tau2[agreed], pymare[agreed], rtol=1e-4, atol=1e-6)
    theirs = theirs.params_['fe_params'][0]
    np.testing.assert_allclose(effect[agreed], theirs[agreed], rtol=1e-4)


def restricted_deviance(tau2, y, v):
    """Minus twice the restricted log-likelihood of a mean, at every voxel."""
    weights = 1 / (v + tau2)
    mean = (weights * y).sum(axis=0) / weights.sum(axis=0)
    terms = weights * (y - mean) ** 2 - np.log(weights)
    return terms.sum(axis=0) + np.log(weights.sum(axis=0))
