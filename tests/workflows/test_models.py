"""Models with known variances in the whole analysis: numbers, names, report, refusals."""

import html
import json
import re
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy import stats

from nistats_nipype.exceptions import DesignError, InputError
from nistats_nipype.workflows import init_prepare_wf, init_second_level_wf

#: Without permutations, and on maps as they are.
PLAIN = {'fwhm_mm': 0, 'n_perm': 0}


def read(path, mask):
    return np.asarray(nib.load(path).dataobj)[mask].astype(float)


def read_json(path):
    return json.loads(Path(path).read_text())


@pytest.fixture(scope='module')
def analyse(simulated, build, tmp_path_factory):
    """Run the workflow with variances in another order than the maps; give its results."""

    def analyse(*, run=('Linear', None), variance_files=None, **inputs):
        folder = tmp_path_factory.mktemp('analysis')
        inputs = {**PLAIN, 'out_dir': folder / 'results', **inputs}
        workflow = build(folder / 'work', simulated, **inputs)
        given = simulated.variance_files[::-1] if variance_files is None else variance_files
        workflow.inputs.inputnode.variance_files = given
        plugin, plugin_args = run
        workflow.run(plugin, plugin_args=plugin_args)
        return folder / 'results'

    return analyse


@pytest.fixture(scope='module')
def reml(analyse):
    contrasts = {'mean': 'intercept', 'any': ['group[T.patient]', 'age']}
    return analyse(model='reml', formula='group + age', contrasts=contrasts)


@pytest.fixture(scope='module')
def fixed(analyse):
    contrasts = {'mean': 'intercept', 'any': ['intercept', 'group[T.patient]']}
    return analyse(model='fixed', formula='group', contrasts=contrasts)


@pytest.fixture(scope='module')
def values(simulated, reml):
    """Effects and variances in the mask of the analysis, in the order of the maps."""
    mask = np.asarray(nib.load(reml / 'mask.nii.gz').dataobj) > 0
    both = [
        np.stack([read(path, mask) for path in files])
        for files in (simulated.effect_files, simulated.variance_files)
    ]
    return (*both, mask)


def weigh(y, v, design):
    """Weighted least squares with known variances, at every voxel."""
    covariance = np.linalg.inv(np.einsum('ni,nv,nj->vij', design, 1 / v, design))
    beta = np.einsum('vij,nj,nv->iv', covariance, design, y / v)
    return beta, covariance


def patients(simulated):
    table = pd.read_csv(simulated.participants_file, sep='\t')
    return (table['group'] == 'patient').to_numpy(float)


def test_fixed_effects_weigh_by_the_inverse_of_the_variance(analyse, simulated, values):
    y, v, mask = values
    results = analyse(model='fixed')
    weights = 1 / v
    effect = (weights * y).sum(axis=0) / weights.sum(axis=0)
    found = {
        name: read(results / f'contrast-mean_stat-{name}_statmap.nii.gz', mask)
        for name in ('effect', 'variance', 'z', 'p')
    }
    np.testing.assert_allclose(found['effect'], effect, rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(found['variance'], 1 / weights.sum(axis=0), rtol=1e-6)
    z = effect * np.sqrt(weights.sum(axis=0))
    np.testing.assert_allclose(found['z'], z, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(found['p'], 2 * stats.norm.sf(np.abs(z)), rtol=1e-5, atol=1e-37)


def test_several_rows_of_fixed_effects_are_chi_squared(fixed, simulated, values):
    y, v, mask = values
    design = np.column_stack([np.ones(8), patients(simulated)])
    beta, covariance = weigh(y, v, design)
    expected = np.einsum('iv,vij,jv->v', beta, np.linalg.inv(covariance), beta)
    found = read(fixed / 'contrast-any_stat-chi2_statmap.nii.gz', mask)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    p = read(fixed / 'contrast-any_stat-p_statmap.nii.gz', mask)
    np.testing.assert_allclose(p, stats.chi2.sf(expected, 2), rtol=1e-4, atol=1e-37)


def test_mixed_effects_are_those_of_pymare(reml, simulated, values):
    y, v, mask = values
    estimators = pytest.importorskip('pymare.estimators')
    age = pd.read_csv(simulated.participants_file, sep='\t')['age'].to_numpy(float)
    design = np.column_stack([np.ones(8), patients(simulated), age])
    some = slice(None, None, 40)
    theirs = estimators.VarianceBasedLikelihoodEstimator(
        'REML', small_sample_correction='wald', xtol=1e-10
    ).fit(y[:, some], v[:, some], design)
    tau2 = read(reml / 'stat-tau2_statmap.nii.gz', mask)[some]
    expected = theirs.params_['tau2'][0]
    agreed = np.isclose(tau2, expected, rtol=1e-3, atol=1e-5)
    # Its search ends at a lower maximum of the likelihood here and there.
    assert agreed.mean() > 0.95
    assert (tau2[agreed] > 0).sum() > 10
    effect = read(reml / 'contrast-mean_stat-effect_statmap.nii.gz', mask)[some]
    np.testing.assert_allclose(
        effect[agreed], theirs.params_['fe_params'][0][agreed], rtol=1e-2, atol=1e-4
    )
    # The F is that of the tau2 which was found.
    found_tau2 = read(reml / 'stat-tau2_statmap.nii.gz', mask)
    beta, covariance = weigh(y, v + found_tau2, design)
    wald = np.einsum('iv,vij,jv->v', beta[1:], np.linalg.inv(covariance[:, 1:, 1:]), beta[1:])
    f = read(reml / 'contrast-any_stat-F_statmap.nii.gz', mask)
    np.testing.assert_allclose(f, wald / 2, rtol=1e-3)


def test_heterogeneity_is_a_result(reml, fixed, simulated, values):
    y, v, mask = values
    names = {path.name for path in reml.iterdir()}
    stems = [f'stat-{name}_statmap' for name in ('tau2', 'I2', 'Q')]
    stems.append('stat-p_desc-heterogeneity_statmap')
    assert {f'{stem}{end}' for stem in stems for end in ('.nii.gz', '.json')} <= names
    beta, _ = weigh(y, v, np.column_stack([np.ones(8), patients(simulated)]))
    residuals = y - beta[0] - patients(simulated)[:, None] * beta[1]
    q = (residuals**2 / v).sum(axis=0)
    np.testing.assert_allclose(read(fixed / 'stat-Q_statmap.nii.gz', mask), q, rtol=1e-5)
    p = read(fixed / 'stat-p_desc-heterogeneity_statmap.nii.gz', mask)
    np.testing.assert_allclose(p, stats.chi2.sf(q, 6), rtol=1e-4)
    i2 = read(fixed / 'stat-I2_statmap.nii.gz', mask)
    np.testing.assert_allclose(i2, np.maximum(0, 100 * (1 - 6 / q)), rtol=1e-4, atol=1e-4)
    sidecar = read_json(fixed / 'stat-I2_statmap.json')
    assert sidecar['MixedModel'] == 'fixed'
    assert sidecar['MedianI2'] == pytest.approx(np.median(i2), rel=1e-5)
    assert sidecar['NumberOfVoxelsWithQPBelow.05'] == (p < 0.05).sum()
    # Fixed effects estimate no variance between maps.
    assert not list(fixed.rglob('*tau2*'))
    assert {path.stem for path in (fixed / 'figures').iterdir()} >= {'i2', 'subjects'}
    assert {path.stem for path in (reml / 'figures').iterdir()} >= {'i2', 'tau2'}


def test_statistics_go_by_their_own_names(reml, fixed):
    def statistics(results, contrast):
        names = [path.name for path in results.glob(f'contrast-{contrast}_stat-*_statmap.nii.gz')]
        found = {re.search(r'stat-(\w+?)_', name)[1] for name in names}
        return found - {'effect', 'variance', 'p'}

    assert statistics(reml, 'mean') == {'t', 'z'}
    assert statistics(reml, 'any') == {'F', 'z'}
    # The z of fixed effects is the statistic itself, and there is one map of it.
    assert statistics(fixed, 'mean') == {'z'}
    assert statistics(fixed, 'any') == {'chi2', 'z'}
    sidecar = read_json(fixed / 'contrast-mean_stat-z_statmap.json')
    assert (sidecar['StatisticName'], sidecar['DegreesOfFreedom']) == ('z', None)


def text_of(results):
    source = re.sub(r'<style>.*?</style>|<script>.*?</script>', '', (results / 'report.html')
                    .read_text(), flags=re.DOTALL)  # fmt: skip
    return ' '.join(html.unescape(re.sub('<[^>]+>', ' ', source)).split())


def test_the_report_says_what_was_fitted_and_how_much_it_varies(reml, fixed):
    mixed, known = text_of(reml), text_of(fixed)
    assert 'restricted maximum likelihood (the model of FLAME 1' in mixed
    assert 'one for each observation, were not smoothed' in mixed
    assert 'Heterogeneity I², median' in mixed
    assert 'τ² estimated as 0' in mixed
    assert 'inference is about these maps only' in known
    assert 'mean z contrast' in known
    assert 'any χ² contrast' in known
    assert 'z, the variances being known' in known
    assert 'chi-squared, 2 degrees of freedom' in known
    assert 'τ² taken as 0: fixed effects' in known
    assert 'was tested with chi-squared(2).' in known


def test_least_squares_have_no_such_section(simulated, build, tmp_path):
    workflow = build(tmp_path / 'work', simulated, **PLAIN, out_dir=tmp_path / 'results')
    workflow.run('Linear')
    assert 'Heterogeneity' not in text_of(tmp_path / 'results')
    assert not list((tmp_path / 'results').glob('stat-*'))


def test_pairs_are_recorded(reml, simulated):
    maps = pd.read_csv(reml / 'maps.tsv', sep='\t')
    assert maps['file'].tolist() == simulated.effect_files
    assert maps['variance_file'].tolist() == simulated.variance_files
    # The table names both.
    assert read_json(reml / 'maps.json')['MatchedBy'] == 'table'


def test_the_mask_is_that_of_maps_and_variances(analyse, simulated, tmp_path):
    variances = [shutil.copy(path, tmp_path) for path in simulated.variance_files]
    inside = np.argwhere(np.asarray(nib.load(simulated.mask_file).dataobj) > 0)[:3]
    image = nib.load(variances[2])
    data = image.get_fdata()
    data[tuple(inside[0])], data[tuple(inside[1])] = 0, np.nan
    nib.save(nib.Nifti1Image(data.astype('f4'), image.affine), variances[2])
    results = analyse(model='dl', variance_files=variances)
    coverage = np.asarray(nib.load(results / 'coverage.nii.gz').dataobj)
    mask = np.asarray(nib.load(results / 'mask.nii.gz').dataobj)
    assert [coverage[tuple(point)] for point in inside] == [7, 7, 8]
    assert [mask[tuple(point)] for point in inside] == [0, 0, 1]
    assert 'method of moments (DerSimonian and Laird 1986' in text_of(results)


@pytest.mark.slow
def test_the_same_bytes_by_any_plugin_and_number_of_threads(analyse, digests, reml):
    contrasts = {'mean': 'intercept', 'any': ['group[T.patient]', 'age']}
    again = analyse(
        run=('MultiProc', {'n_procs': 2}),
        model='reml',
        formula='group + age',
        contrasts=contrasts,
        omp_nthreads=2,
    )
    assert digests(again) == digests(reml)


def test_what_has_no_counterpart_is_left_out_and_reported(analyse, simulated, tmp_path):
    table = pd.read_csv(simulated.participants_file, sep='\t')
    # Without the columns of files, rows are matched by participant.
    table.drop(index=5)[['participant_id', 'age']].to_csv(
        tmp_path / 't.tsv', sep='\t', index=False
    )
    results = analyse(
        model='reml',
        unmatched='drop',
        formula='age',
        contrasts={'age': 'age'},
        table_file=str(tmp_path / 't.tsv'),
        variance_files=simulated.variance_files[1:],
    )
    maps = pd.read_csv(results / 'maps.tsv', sep='\t')
    kept = [path for i, path in enumerate(simulated.effect_files) if i not in (0, 5)]
    assert maps['file'].tolist() == kept
    assert len(pd.read_csv(results / 'design.tsv', sep='\t')) == 6
    dropped = read_json(results / 'maps.json')['Dropped']
    reasons = {each['file']: each['reason'] for each in dropped}
    assert reasons == {
        simulated.effect_files[5]: 'no row in the table',
        simulated.effect_files[0]: 'no map of variances',
    }
    text = text_of(results)
    for path, reason in reasons.items():
        assert f'Left out: {path} ({reason}).' in text


def test_maps_without_a_row_are_left_out_of_least_squares_too(build, simulated, tmp_path):
    table = pd.read_csv(simulated.participants_file, sep='\t')
    table.iloc[:6][['participant_id', 'age']].to_csv(tmp_path / 't.tsv', sep='\t', index=False)
    inputs = {
        'formula': 'age', 'contrasts': {'age': 'age'}, 'table_file': str(tmp_path / 't.tsv'),
        'out_dir': tmp_path / 'results', **PLAIN,
    }  # fmt: skip
    with pytest.raises(Exception, match='Maps have no row in the table') as error:
        build(tmp_path / 'refused', simulated, **inputs).run('Linear')
    assert DesignError.__name__ in str(error.value)
    build(tmp_path / 'work', simulated, unmatched='drop', **inputs).run('Linear')
    maps = pd.read_csv(tmp_path / 'results' / 'maps.tsv', sep='\t')
    assert maps['file'].tolist() == simulated.effect_files[:6]


# Robust regression


@pytest.fixture(scope='module')
def robust_results(simulated, build, tmp_path_factory):
    folder = tmp_path_factory.mktemp('robust')
    inputs = {'model': 'robust', 'n_perm': 0, 'fwhm_mm': 6, 'out_dir': folder / 'results'}
    build(folder / 'work', simulated, **inputs).run('Linear')
    return folder / 'results'


def test_robust_regression(robust_results, simulated):
    results = robust_results
    mask = np.asarray(nib.load(results / 'mask.nii.gz').dataobj) > 0
    smoothed = sorted((results.parent / 'work').rglob('*_smooth.nii.gz'))
    maps = np.stack([read(path, mask) for path in smoothed])
    found = {
        name: read(results / f'contrast-mean_stat-{name}_statmap.nii.gz', mask)
        for name in ('effect', 't')
    }
    for voxel in range(0, mask.sum(), 50):
        fit = sm.RLM(maps[:, voxel], np.ones(8)).fit(maxiter=2000, tol=1e-12, conv='coefs')
        assert found['effect'][voxel] == pytest.approx(fit.params[0], rel=1e-4, abs=1e-6)
        assert found['t'][voxel] == pytest.approx(fit.tvalues[0], rel=1e-4, abs=1e-6)
    weights = pd.read_csv(results / 'weights.tsv', sep='\t')
    assert weights['file'].tolist() == simulated.effect_files
    assert read_json(results / 'weights.json')['RobustModel'] == 'huber'
    text = text_of(results)
    lowest = weights.loc[weights['mean_weight'].idxmin()]
    assert "robust regression, Huber's M estimator" in text
    assert f'{lowest["file"]} {lowest["mean_weight"]:.2f}' in text
    assert 'Heterogeneity' not in text


@pytest.mark.slow
def test_robust_regression_by_any_plugin(robust_results, simulated, build, digests, tmp_path):
    inputs = {'model': 'robust', 'n_perm': 0, 'fwhm_mm': 6, 'out_dir': tmp_path / 'results'}
    workflow = build(tmp_path / 'work', simulated, omp_nthreads=2, **inputs)
    workflow.run('MultiProc', plugin_args={'n_procs': 2})
    assert digests(tmp_path / 'results') == digests(robust_results)


def test_robust_regression_has_no_variance_groups():
    with pytest.raises(InputError, match='no variance groups'):
        init_second_level_wf(model='robust', auto_variance_groups=True)


# What cannot be done is refused when the graph is built, with what to do instead.


@pytest.mark.parametrize(
    ('inputs', 'words'),
    [
        ({'fwhm_mm': 5, 'n_perm': 0}, ['fwhm_mm=0 (--fwhm 0)', 'correlated between voxels']),
        ({'method': 'manly'}, ['fwhm_mm=0 (--fwhm 0) and method=', 'first level']),
        ({**PLAIN, 'auto_variance_groups': True}, ['no variance groups']),
    ],
)  # fmt: skip
@pytest.mark.parametrize('model', ['reml', 'dl', 'fixed'])
def test_known_variances_are_not_smoothed(model, inputs, words):
    with pytest.raises(InputError) as error:
        init_second_level_wf(model=model, **inputs)
    assert all(word in str(error.value) for word in words)


def test_an_unknown_model_and_smoothed_variances():
    with pytest.raises(InputError, match='Unknown model') as error:
        init_second_level_wf(model='flame1')
    assert error.value.expected == 'ols, robust, reml, dl, fixed'
    with pytest.raises(InputError, match='cannot be smoothed'):
        init_prepare_wf(variances=True, fwhm_mm=5)


def test_variances_that_were_forgotten_end_the_run(simulated, build, tmp_path):
    """MultiProc would wait forever for a node that lacks an input."""
    workflow = build(tmp_path / 'work', simulated, model='reml', **PLAIN)
    with pytest.raises(Exception, match='needs the variances of the maps'):
        workflow.run('MultiProc', plugin_args={'n_procs': 2})


# Real data


def single(path):
    return np.squeeze(nib.load(path).get_fdata()).astype(np.float32)


@pytest.mark.parametrize('model', ['reml', 'fixed'])
def test_21_studies_of_pain(data_dir, tmp_path, model):
    files = {
        kind: sorted(map(str, (data_dir / 'pain21').glob(f'pain_[0-9][0-9]_{kind}.nii.gz')))
        for kind in ('beta', 'varcope')
    }
    workflow = init_second_level_wf(model=model, out_dir=tmp_path / 'results', **PLAIN)
    workflow.base_dir = str(tmp_path / 'work')
    workflow.inputs.inputnode.in_files = files['beta']
    workflow.inputs.inputnode.variance_files = files['varcope'][::-1]
    workflow.run('Linear')
    results = tmp_path / 'results'
    mask = np.asarray(nib.load(results / 'mask.nii.gz').dataobj) > 0
    y, v = (
        np.stack([single(path)[mask] for path in files[kind]]).astype(float)
        for kind in ('beta', 'varcope')
    )
    assert 900 < mask.sum() < 1000
    assert (v > 0).all()
    tau2 = read(results / 'stat-tau2_statmap.nii.gz', mask) if model == 'reml' else 0
    weights = 1 / (v + tau2)
    effect = (weights * y).sum(axis=0) / weights.sum(axis=0)
    found = read(results / 'contrast-mean_stat-effect_statmap.nii.gz', mask)
    np.testing.assert_allclose(found, effect, rtol=1e-3 if model == 'reml' else 1e-6)
    assert read_json(results / 'maps.json')['MatchedBy'] == 'name'
    assert read_json(results / 'stat-I2_statmap.json')['MedianI2'] > 80
