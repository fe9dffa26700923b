"""Permutation of mixed and robust models in the whole analysis, against enumeration."""

import html
import itertools
import json
import re
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from scipy import stats

from nistats_nipype.exceptions import InputError
from nistats_nipype.workflows import init_contrast_wf, init_permutation_wf, init_second_level_wf

N = 8
PATIENTS = {'formula': 'group', 'contrasts': {'patients': 'group[T.patient]'}}


@pytest.fixture(scope='module')
def analyse(simulated, build, tmp_path_factory):
    """Run the workflow, with the variances that the model takes; give its results."""

    def analyse(model, run=('Linear', None), **inputs):
        folder = tmp_path_factory.mktemp(model)
        inputs = {'n_perm': 300, 'out_dir': folder / 'results', **inputs}
        workflow = build(folder / 'work', simulated, model=model, **inputs)
        if model != 'robust':
            workflow.inputs.inputnode.variance_files = simulated.variance_files[::-1]
        plugin, plugin_args = run
        workflow.run(plugin, plugin_args=plugin_args)
        return folder / 'results'

    return analyse


@pytest.fixture(scope='module')
def reml(analyse):
    return analyse('reml', tfce=True, cluster_forming_z=2.3, tail='gamma', n_chunks=2)


def read(path, mask):
    return np.asarray(nib.load(path).dataobj)[mask].astype(float)


def load(simulated, results):
    """Effects and variances in the mask, and the mask."""
    mask = np.asarray(nib.load(results / 'mask.nii.gz').dataobj) > 0
    both = [
        np.stack([read(path, mask) for path in files])
        for files in (simulated.effect_files, simulated.variance_files)
    ]
    return (*both, mask)


def text_of(results):
    source = (results / 'report.html').read_text()
    source = re.sub(r'<style>.*?</style>|<script>.*?</script>', '', source, flags=re.DOTALL)
    return ' '.join(html.unescape(re.sub('<[^>]+>', ' ', source)).split())


def corrected(results, contrast, mask):
    return read(results / f'contrast-{contrast}_stat-p_desc-voxelFWE_statmap.nii.gz', mask)


def weigh(y, v, x):
    """Weighted effect of a regressor beside a mean, or of the mean, over its standard error."""
    w = 1 / v
    if x is None:
        return (w * y).sum(axis=0) / np.sqrt(w.sum(axis=0))
    x = x[:, None] - (w * x[:, None]).sum(axis=0) / w.sum(axis=0)
    return (w * x * y).sum(axis=0) / np.sqrt((w * x**2).sum(axis=0))


def moments(y, v):
    """DerSimonian and Laird's tau2 of a mean."""
    w = 1 / v
    total = w.sum(axis=0)
    q = (w * (y - (w * y).sum(axis=0) / total) ** 2).sum(axis=0)
    return np.maximum(0, (q - (N - 1)) / (total - (w**2).sum(axis=0) / total))


def share(size):
    """Share of the relabellings whose maximum reaches the first, at each voxel."""
    return (size.max(axis=1)[:, None] >= size[0] - 1e-7).mean(axis=0)


def test_sign_flips_of_mixed_effects(analyse, simulated):
    results = analyse('dl')
    y, v, mask = load(simulated, results)
    flips = [np.array(s)[:, None] * y for s in itertools.product([1, -1], repeat=N)]
    expected = share(np.abs([weigh(each, v + moments(each, v), None) for each in flips]))
    np.testing.assert_allclose(corrected(results, 'mean', mask), expected, rtol=1e-5)
    sidecar = results / 'contrast-mean_stat-p_desc-voxelFWE_statmap.json'
    metadata = json.loads(sidecar.read_text())
    assert metadata['PermutedModel'] == 'dl'
    assert metadata['NumberOfRelabellings'] == 2**N


def test_permutations_of_pairs(analyse, simulated):
    results = analyse('fixed', **PATIENTS)
    y, v, mask = load(simulated, results)
    table = pd.read_csv(simulated.participants_file, sep='\t')
    observed = tuple((table['group'] == 'patient').astype(float))
    groups = sorted(set(itertools.permutations(observed)), key=lambda each: each != observed)
    expected = share(np.abs([weigh(y, v, np.array(each)) for each in groups]))
    np.testing.assert_allclose(corrected(results, 'patients', mask), expected, rtol=1e-5)
    text = text_of(results)
    assert 'maps permuted together with their variances' in text
    assert 'the fixed effects estimated anew for every relabelling' in text


def test_the_report_says_what_was_permuted(reml):
    text = text_of(reml)
    assert 'the signs of the maps flipped, and the variance between maps estimated anew' in text
    assert 'Mériaux et al. 2006' in text
    assert 'Freedman and Lane' not in text
    assert 'Permuted statistic t' in text
    names = {path.name for path in reml.iterdir()}
    for kind in ('voxelFWE', 'extentFWE', 'massFWE', 'tfceFWE'):
        assert f'contrast-mean_stat-logp_desc-{kind}_statmap.nii.gz' in names


def test_clusters_are_formed_at_the_t_of_the_model(reml):
    sidecar = reml / 'contrast-mean_stat-p_desc-extentFWE_statmap.json'
    metadata = json.loads(sidecar.read_text())
    assert metadata['PermutedModel'] == 'reml'
    assert metadata['ClusterFormingThreshold']['Statistic'] == pytest.approx(
        stats.t.isf(stats.norm.sf(2.3), N - 1)
    )


@pytest.mark.slow
def test_the_same_bytes_by_any_plugin_and_number_of_chunks(analyse, digests, reml):
    again = analyse(
        'reml', ('MultiProc', {'n_procs': 2}), tfce=True, cluster_forming_z=2.3, tail='gamma',
        n_chunks=5, omp_nthreads=2,
    )  # fmt: skip
    assert digests(again) == digests(reml)


@pytest.mark.slow
def test_robust_regression(analyse, simulated):
    """Maps of t, of the null and of p belong together."""
    results = analyse('robust', fwhm_mm=6)
    _, _, mask = load(simulated, results)
    p = corrected(results, 'mean', mask)
    null = pd.read_csv(results / 'contrast-mean_desc-voxelFWE_null.tsv', sep='\t')
    t = read(results / 'contrast-mean_stat-t_statmap.nii.gz', mask)
    assert len(null) == 2**N
    reached = null['max_abs_t'].to_numpy() >= np.abs(t)[:, None] * (1 - 1e-6)
    np.testing.assert_allclose(p, reached.mean(axis=1), rtol=1e-5)
    assert 'the robust model fitted anew for every relabelling' in text_of(results)


def test_nodes_are_given_the_model():
    workflow = init_second_level_wf(model='reml', fwhm_mm=0, tfce=True, tail='gpd')
    for name in ('permutation_wf.permute', 'spatial_wf.permute_spatial'):
        assert workflow.get_node(f'contrast_mean_wf.{name}').inputs.model == 'reml'
    # Uncorrected p are counted.
    assert workflow.get_node('contrast_mean_wf.permutation_wf.fit_tails') is None
    fields = init_permutation_wf(model='dl').get_node('inputnode').outputs.copyable_trait_names()
    assert 'variance_files' in fields
    robust = init_contrast_wf(contrast_name='x', definition='intercept', model='robust')
    assert robust.get_node('permutation_wf.permute').inputs.model == 'robust'


# What cannot be permuted is refused when the graph is built if the formula tells, and by the
# checks of the design otherwise.

LEAVES = 'of which the contrast leaves terms untested'


@pytest.mark.parametrize('model', ['reml', 'dl', 'fixed', 'robust'])
@pytest.mark.parametrize(
    ('inputs', 'words'),
    [
        ({'formula': 'group + age', 'contrasts': {'age': 'age'}}, LEAVES),
        ({'formula': 'group + age', 'contrasts': {'age': [0, 0, 1]}}, LEAVES),
        ({'formula': 'age', 'contrasts': {'mean': 'intercept'}}, LEAVES),
        ({'formula': 'age * sex', 'contrasts': {'any': ['age', 'sex']}}, LEAVES),
        ({'method': 'dekker'}, "method='freedman-lane' (--method freedman-lane)"),
        ({'missing': 'per_voxel'}, "missing='drop_voxel' (--missing drop_voxel)"),
        ({'variance_fwhm_mm': 6.0}, 'variance_fwhm_mm=0 (--variance-fwhm 0)'),
    ],
)
def test_what_is_not_permuted_is_refused(model, inputs, words):
    with pytest.raises(InputError) as error:
        init_second_level_wf(model=model, fwhm_mm=0, **inputs)
    assert words in str(error.value)
    assert '--model ols' in str(error.value)
    assert '--n-perm 0' in str(error.value)
    if 'missing' not in inputs:
        assert init_second_level_wf(model=model, fwhm_mm=0, n_perm=0, **inputs)


@pytest.mark.parametrize(
    'inputs',
    [
        {'formula': '1'},
        {'formula': 'group', 'contrasts': {'group': 'group'}},
        {'formula': 'group + age', 'contrasts': {'any': ['group', 'age']}},
        {'formula': '0 + group', 'contrasts': {'x': 'group[a] - group[b]'}},
    ],
)
def test_what_may_be_permuted_is_not_refused(inputs):
    assert init_second_level_wf(model='reml', fwhm_mm=0, **inputs)


def test_the_checks_refuse_what_the_formula_does_not_tell(simulated, build, tmp_path):
    """A factor of four levels has one term."""
    table = pd.read_csv(simulated.participants_file, sep='\t')
    table['site'] = list('abcdabcd')
    table.to_csv(tmp_path / 'participants.tsv', sep='\t', index=False)
    workflow = build(
        tmp_path / 'work',
        simulated,
        table_file=str(tmp_path / 'participants.tsv'),
        model='robust',
        formula='site',
        contrasts={'b': 'site[T.b]'},
    )
    with pytest.raises(Exception, match='cannot be permuted beside these nuisance') as error:
        workflow.run('Linear')
    assert 'an intercept only' in str(error.value)
    assert not list(Path(tmp_path / 'work').rglob('observations.npy'))
