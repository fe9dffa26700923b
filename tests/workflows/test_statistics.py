"""Variance groups and pseudo-t in the whole analysis."""

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from scipy import stats

from nistats_nipype.stats.blocks import within_blocks


def read(path, mask):
    return np.asarray(nib.load(path).dataobj)[mask]


def read_json(path):
    return json.loads(Path(path).read_text())


@pytest.fixture(scope='module')
def mask(simulated):
    return np.asarray(nib.load(simulated.mask_file).dataobj) > 0


def test_variance_groups_of_the_blocks_are_everywhere(simulated, build, mask, tmp_path):
    """Two sites, observations exchangeable within each: variances are theirs."""
    site = np.repeat(['a', 'b'], 4)
    np.savetxt(tmp_path / 'blocks.csv', within_blocks(site), fmt='%d', delimiter=',')
    table = pd.read_csv(simulated.participants_file, sep='\t')
    table['task'] = np.resize([0.0, 1.0], len(table))
    table.to_csv(tmp_path / 'table.tsv', sep='\t', index=False)
    workflow = build(
        tmp_path / 'work',
        simulated,
        mask_file=simulated.mask_file,
        table_file=str(tmp_path / 'table.tsv'),
        formula='task',
        contrasts={'task': 'task'},
        auto_variance_groups=True,
        n_perm=50,
        cluster_forming_z=2.0,
        alpha_fwe=0.1,
        out_dir=tmp_path / 'results',
    )
    workflow.inputs.inputnode.blocks_file = str(tmp_path / 'blocks.csv')
    workflow.run('Linear')
    results = tmp_path / 'results'
    # v, as Winkler et al. (2014) write G for one row.
    maps = np.stack([read(path, mask) for path in simulated.effect_files]).astype(float)
    X = np.column_stack([np.ones(8), table['task']])
    pinv = np.linalg.pinv(X)
    R = np.eye(8) - X @ pinv
    residuals = R @ maps
    W = np.empty_like(maps)
    for name in 'ab':
        rows = site == name
        W[rows] = np.diag(R)[rows].sum() / (residuals[rows] ** 2).sum(axis=0)
    covariance = np.linalg.inv(np.einsum('ni,nv,nj->vij', X, W, X))
    v = (pinv @ maps)[1] / np.sqrt(covariance[:, 1, 1])
    found = read(results / 'contrast-task_stat-v_statmap.nii.gz', mask)
    np.testing.assert_allclose(found, v, rtol=1e-4)
    sidecar = read_json(results / 'contrast-task_stat-logp_desc-voxelFWE_statmap.json')
    assert sidecar['StatisticName'] == 'v'
    assert sidecar['VarianceGroups'] == [0] * 4 + [1] * 4
    null = pd.read_csv(results / 'contrast-task_desc-voxelFWE_null.tsv', sep='\t')
    z = np.abs(read(results / 'contrast-task_stat-z_statmap.nii.gz', mask))
    assert null['max_abs_z'][0] == pytest.approx(z.max(), rel=1e-6)
    extent = read_json(results / 'contrast-task_stat-logp_desc-extentFWE_statmap.json')
    assert extent['ClusterFormingThreshold']['Statistic'] == 2.0
    assert 'groups of unequal variance (Welch 1951' in (results / 'report.html').read_text()


def test_pseudo_t_of_a_small_group(simulated, build, mask, tmp_path):
    workflow = build(
        tmp_path / 'work',
        simulated,
        mask_file=simulated.mask_file,
        variance_fwhm_mm=20.0,
        tfce=True,
        n_perm=300,
        tail='gamma',
        out_dir=tmp_path / 'results',
    )
    workflow.run('Linear')
    results = tmp_path / 'results'
    sidecar = read_json(results / 'contrast-mean_stat-logp_desc-voxelFWE_statmap.json')
    assert (sidecar['StatisticName'], sidecar['VarianceFWHM']) == ('pseudo-t', 20.0)
    # The parametric map is that of t itself.
    maps = np.stack([read(path, mask) for path in simulated.effect_files])
    t = stats.ttest_1samp(maps.astype(float), 0).statistic
    found = read(results / 'contrast-mean_stat-t_statmap.nii.gz', mask)
    np.testing.assert_allclose(found, t, rtol=1e-4)
    pseudo = read(results / 'contrast-mean_stat-t_desc-pseudo_statmap.nii.gz', mask)
    assert 0.5 < stats.pearsonr(pseudo, t).statistic < 0.999
    null = pd.read_csv(results / 'contrast-mean_desc-voxelFWE_null.tsv', sep='\t')
    assert np.abs(pseudo).max() == pytest.approx(null['max_abs_pseudo_t'][0], rel=1e-6)
    tfce = read_json(results / 'contrast-mean_stat-logp_desc-tfceFWE_statmap.json')
    assert tfce['StatisticName'] == 'pseudo-t'
    assert 'a pseudo-t, the error variance smoothed' in (results / 'report.html').read_text()
