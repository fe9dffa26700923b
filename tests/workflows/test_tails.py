"""Small p in the workflow: tails, the false discovery rate, and levels out of reach."""

import html
import json
import warnings
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from scipy.stats import false_discovery_control

from nistats_nipype.exceptions import NistatsNipypeWarning
from nistats_nipype.workflows import init_contrast_wf, init_second_level_wf


def read_json(path):
    return json.loads(Path(path).read_text())


@pytest.fixture(scope='module')
def results(simulated, build, tmp_path_factory):
    """Run with a tail of 400 relabellings and TFCE; give the results folder."""
    folder = tmp_path_factory.mktemp('tails')
    workflow = build(
        folder / 'work',
        simulated,
        mask_file=simulated.mask_file,
        contrasts={'age': 'age'},
        formula='group + age',
        n_perm=399,
        seed=2,
        tail='gpd',
        cluster_forming_z=2.3,
        tfce=True,
        alpha_fwe=0.002,
        out_dir=folder / 'results',
    )
    # A level of .002 is out of reach of counts, which are all there is for the extent.
    with pytest.warns(NistatsNipypeWarning, match='alpha=0.002.* below 0.0025') as caught:
        workflow.run('Linear')
    assert sum('alpha=0.002' in str(each.message) for each in caught) == 1
    return folder / 'results'


def test_sidecars_say_how_p_were_made(results):
    sidecar = read_json(results / 'contrast-age_stat-logp_desc-voxelFWE_statmap.json')
    assert sidecar['Tail']['Distribution'] == 'gpd'
    assert sidecar['CorrectedPValue'] == sidecar['Tail']['Method']
    assert sidecar['MonteCarlo']['Method'].startswith('95 % interval of Clopper and Pearson, 399')
    assert sidecar['SmallestPossibleP'] == 1 / int(sidecar['NumberOfPossibleRelabellings'])
    for name, fitted in (('tfce', True), ('mass', True), ('extent', False)):
        sidecar = read_json(results / f'contrast-age_stat-logp_desc-{name}FWE_statmap.json')
        assert (sidecar['Tail'][name] is not None) == fitted
        passed = read_json(results / f'contrast-age_stat-z_desc-{name}FWEThreshold_statmap.json')
        assert passed['AlphaReachable'] == fitted
    passed = read_json(results / 'contrast-age_stat-z_desc-voxelFWEThreshold_statmap.json')
    assert passed['AlphaReachable'] is True


def test_fdr_maps_are_sunk(results):
    def load(name):
        return np.asarray(nib.load(results / f'{name}.nii.gz').dataobj).astype(float)

    mask = load('mask') > 0
    p = load('contrast-age_stat-p_desc-permutation_statmap')[mask]
    q = load('contrast-age_stat-q_desc-FDR_statmap')[mask]
    np.testing.assert_allclose(q, false_discovery_control(p), rtol=1e-5)
    logq = load('contrast-age_stat-logp_desc-FDR_statmap')
    np.testing.assert_allclose(logq[mask], -np.log10(q), atol=1e-6)
    sidecar = read_json(results / 'contrast-age_stat-q_desc-FDR_statmap.json')
    assert sidecar['FDRMethod'] == 'BH'


def test_the_report_says_so(results):
    report = (results / 'report.html').read_text()
    for words in (
        'counts of 400 relabellings',
        'Monte Carlo error',
        '95 % interval of Clopper and Pearson, 399 random relabellings',
        'Benjamini-Hochberg on uncorrected permutation p',
        'none below .0025 is possible',
    ):
        assert words in report
    # Voxelwise p have a tail: no such limit there.
    headline = read_json(results / 'contrast-age_summary.json')['Result']
    assert headline.count('is possible') == 1
    assert 'By cluster extent: nothing at FWE-corrected p < .002 (smallest p = ' in headline


def test_a_level_out_of_reach_is_in_the_headline(simulated, build, tmp_path):
    with pytest.warns(NistatsNipypeWarning, match='No corrected p of 0.01 .* n_perm=99 or more'):
        workflow = build(
            tmp_path / 'work',
            simulated,
            mask_file=simulated.mask_file,
            alpha_fwe=0.01,
            out_dir=tmp_path / 'results',
        )
    with pytest.warns(NistatsNipypeWarning, match='alpha=0.01'):
        workflow.run('Linear')
    headline = read_json(tmp_path / 'results' / 'contrast-mean_summary.json')['Result']
    assert 'No p below .0476 is possible with 20 relabellings.' in headline
    assert headline in html.unescape((tmp_path / 'results' / 'report.html').read_text())


def test_all_relabellings_may_be_too_few(simulated, build, tmp_path):
    """Of the 32 sign flips of five maps, two give every absolute t: 1/32 is out of reach."""
    workflow = build(
        tmp_path / 'work',
        simulated,
        in_files=simulated.effect_files[:5],
        mask_file=simulated.mask_file,
        n_perm=100,
        out_dir=tmp_path / 'results',
    )
    with pytest.warns(NistatsNipypeWarning, match='alpha=0.05.* below 0.0625'):
        workflow.run('Linear')
    headline = read_json(tmp_path / 'results' / 'contrast-mean_summary.json')['Result']
    assert 'No p below .0625 is possible with all 32 relabellings.' in headline


@pytest.mark.parametrize(
    ('n_perm', 'alpha', 'needed'), [(18, 0.05, 19), (98, 0.01, 99), (9999, 0.00001, 99999)]
)
def test_building_warns_of_too_few_relabellings(n_perm, alpha, needed):
    with pytest.warns(NistatsNipypeWarning, match=f'n_perm={needed} or more'):
        init_contrast_wf(contrast_name='x', definition='intercept', n_perm=n_perm, alpha_fwe=alpha)
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        for more in ({'n_perm': needed}, {'n_perm': n_perm, 'tail': 'gamma'}, {'n_perm': 0}):
            init_second_level_wf(alpha_fwe=alpha, **more)


@pytest.mark.parametrize('tail', ['gpd', 'gamma'])
def test_the_tail_arrives(tail):
    workflow = init_second_level_wf(tail=tail, tfce=True)
    for name in ('permutation_wf.merge_permutations', 'spatial_wf.merge_spatial'):
        assert workflow.get_node(f'contrast_mean_wf.{name}').inputs.tail == tail
    assert workflow.get_node('contrast_mean_wf.threshold_tfce').inputs.p_statistic == 'tfce'
