"""Real maps with holes, against the result that was published on them.

The published analysis leaves out NaN voxel by voxel; what it found is in the README of the data.
"""

from pathlib import Path
from types import SimpleNamespace

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from scipy.stats import false_discovery_control, norm, ttest_1samp
from statsmodels.formula.api import ols

from nistats_nipype.exceptions import MissingDataError
from nistats_nipype.interfaces import (
    BuildDesign,
    ComputeContrast,
    DefineContrast,
    DrawSchedule,
    FitGLM,
    MergePermutations,
    MergeSpatial,
    Permute,
    PermuteSpatial,
    TableClusters,
    Threshold,
)

N_VOXELS = 49792
N_INCOMPLETE = 547


@pytest.fixture(scope='module')
def wager(data_dir):
    folder = data_dir / 'wager2008'
    mask = nib.load(folder / 'mask.nii.gz').get_fdata() > 0
    in_files = sorted(map(str, folder.glob('con_*.img')))
    values = np.array([np.squeeze(nib.load(path).get_fdata())[mask] for path in in_files])
    # What the README says of the data, so that the tests below test what they say.
    image = nib.load(in_files[0])
    assert (image.shape, image.get_data_dtype()) == ((47, 56, 31, 1), np.dtype('>f4'))
    assert sum(np.isnan(nib.load(path).get_fdata()).any() for path in in_files) == 29
    assert values.shape == (30, N_VOXELS)
    # SciPy's nan_policy='omit' takes 10 s; all but a few voxels are complete.
    complete = ~np.isnan(values).any(axis=0)
    t, p = np.empty((2, len(complete)))
    t[complete], p[complete] = ttest_1samp(values[:, complete], 0)
    assert (~complete).sum() == N_INCOMPLETE
    for voxel in np.flatnonzero(~complete):
        observed = values[~np.isnan(values[:, voxel]), voxel]
        t[voxel], p[voxel] = ttest_1samp(observed, 0)
    return SimpleNamespace(
        in_files=in_files,
        mask_file=str(folder / 'mask.nii.gz'),
        mask=mask,
        values=values,
        complete=complete,
        t=t,
        p=p,
    )


def _analyse(wager, folder, missing, zero_is_missing=False):
    """Run design, fit and test, each in a folder of its own; give all outputs."""

    def run(interface, name):
        (folder / name).mkdir()
        return interface.run(cwd=folder / name).outputs.get()

    found = run(BuildDesign(in_files=wager.in_files), 'design')
    found |= run(
        DefineContrast(
            design_file=found['design_file'], name='reappraisal', definition='intercept'
        ),
        'contrast',
    )
    inputs = {'mask_file': wager.mask_file, 'design_file': found['design_file']}
    fit = FitGLM(
        in_files=wager.in_files, missing=missing, zero_is_missing=zero_is_missing, **inputs
    )
    found |= run(fit, 'fit')
    return found | run(
        ComputeContrast(
            model_file=found['model_file'], contrast_file=found['contrast_file'], **inputs
        ),
        'test',
    )


@pytest.fixture(scope='module')
def per_voxel(wager, tmp_path_factory):
    return _analyse(wager, tmp_path_factory.mktemp('per_voxel'), 'per_voxel')


def test_t_leaves_out_nan_voxel_by_voxel(wager, per_voxel, read):
    np.testing.assert_allclose(read(per_voxel['stat_file'], wager.mask), wager.t, rtol=1e-5)
    np.testing.assert_allclose(read(per_voxel['p_file'], wager.mask), wager.p, rtol=1e-4)
    n_observed = read(per_voxel['n_file'], wager.mask)
    np.testing.assert_array_equal(n_observed, (~np.isnan(wager.values)).sum(axis=0))
    assert n_observed.min() < 30
    # A NaN that were read as 0 would pull the mean of the incomplete voxels.
    np.testing.assert_allclose(
        read(per_voxel['effect_file'], wager.mask), np.nanmean(wager.values, axis=0), rtol=1e-5
    )


@pytest.mark.parametrize(('k', 'n_clusters'), [(0, 27), (10, 9)])
def test_published_result(wager, per_voxel, run, read, read_json, k, n_clusters):
    found = run(
        Threshold(
            in_file=per_voxel['z_file'],
            mask_file=wager.mask_file,
            method='fdr',
            alpha=0.05,
            connectivity=18,
            cluster_threshold=k,
        )
    )
    metadata = read_json(found.metadata_file)
    assert metadata['NumberOfVoxelsTested'] == N_VOXELS
    assert metadata['NumberOfClusters'] == n_clusters
    assert metadata['LargestCluster'] == 1473
    assert 2 * norm.sf(metadata['Threshold']) == pytest.approx(0.002549, abs=1e-6)
    sizes = np.bincount(read(found.labels_file).ravel())[1:]
    assert (len(sizes), sizes.max()) == (n_clusters, 1473)
    assert sizes.min() >= k
    table = run(TableClusters(in_file=per_voxel['z_file'], labels_file=found.labels_file))
    table = pd.read_csv(table.clusters_file, sep='\t')
    assert table['n_voxels'].dropna().tolist() == sizes.tolist()


def test_published_counts(wager, per_voxel, run, read):
    found = run(
        Threshold(in_file=per_voxel['z_file'], mask_file=wager.mask_file, method='fdr', alpha=0.05)
    )
    thresholded = read(found.thresholded_file, wager.mask)
    assert ((thresholded > 0).sum(), (thresholded < 0).sum()) == (2503, 37)
    # The same voxels as by SciPy's p and SciPy's rule of Benjamini and Hochberg.
    passing = false_discovery_control(wager.p) <= 0.05
    np.testing.assert_array_equal(thresholded != 0, passing)
    # The publication has 2,502: it asks for p < threshold, which the voxel that makes the
    # threshold misses.
    threshold = wager.p[passing].max()
    assert threshold == pytest.approx(0.002549, abs=1e-6)
    assert ((thresholded > 0) & (wager.p < threshold)).sum() == 2502


def test_zero_is_no_missing_value_in_these_maps(wager, per_voxel, tmp_path):
    """The maps mark what is missing with NaN, and hold no exact 0 anywhere.

    So ``zero_is_missing`` has no effect on them. False says what the data mean: a 0, had there
    been one, would be a measurement.
    """
    whole = np.array([nib.load(path).get_fdata() for path in wager.in_files])
    assert not (whole == 0).any()
    other = _analyse(wager, tmp_path, 'per_voxel', zero_is_missing=True)
    for name in ('stat_file', 'z_file', 'p_file', 'effect_file', 'variance_file', 'n_file'):
        assert Path(other[name]).read_bytes() == Path(per_voxel[name]).read_bytes()


def test_missing_values_are_refused_by_name(wager, refuse, run):
    lacking = np.isnan(wager.values).sum(axis=1)
    fit = FitGLM(
        in_files=wager.in_files,
        mask_file=wager.mask_file,
        design_file=run(BuildDesign(in_files=wager.in_files)).design_file,
    )
    refuse(
        fit,
        MissingDataError,
        f'{N_INCOMPLETE} of {N_VOXELS} points lack a value in at least one of 30 maps',
        f'most in {wager.in_files[lacking.argmax()]}: {lacking.max()}',
        "missing='drop_voxel'",
    )


def test_drop_voxel_tests_complete_voxels_only(wager, tmp_path, read, read_json):
    found = _analyse(wager, tmp_path, 'drop_voxel')
    complete = wager.complete
    stat = read(found['stat_file'], wager.mask)
    np.testing.assert_array_equal(np.isnan(stat), ~complete)
    np.testing.assert_allclose(stat[complete], wager.t[complete], rtol=1e-5)
    np.testing.assert_array_equal(read(found['n_file'], wager.mask), 30 * complete)
    metadata = read_json(found['metadata_file'])
    assert metadata['DegreesOfFreedom'] == [29, 29]


@pytest.fixture(scope='module')
def success(wager, data_dir, tmp_path_factory):
    """Success of reappraisal, beside the activity of the right VLPFC as nuisance.

    From a table, in another order than that of the maps, by a formula; all outputs by name.
    """
    folder = tmp_path_factory.mktemp('success')
    table = pd.read_csv(data_dir / 'wager2008' / 'X_Y_data.txt', sep=r'\s+')
    table['file'] = wager.in_files
    table.sample(frac=1, random_state=1).to_csv(folder / 'table.tsv', sep='\t', index=False)

    def run(interface):
        cwd = folder / type(interface).__name__
        cwd.mkdir()
        return interface.run(cwd=cwd).outputs.get()

    build = BuildDesign(
        in_files=wager.in_files,
        table_file=str(folder / 'table.tsv'),
        formula='Y_Reappraisal_Success + center(X_RVLPFC)',
        contrasts={'success': 'F(Y_Reappraisal_Success)'},
    )
    found = {'table': table, 'design': run(build)}
    about = {
        'design_file': found['design']['design_file'],
        'contrast_file': found['design']['contrast_files'][0],
    }
    where = {'mask_file': wager.mask_file}
    maps = {'in_files': wager.in_files, **where}
    model_file = run(
        FitGLM(
            **maps,
            design_file=about['design_file'],
            missing='drop_voxel',
        )
    )['model_file']
    found['test'] = run(ComputeContrast(model_file=model_file, **where, **about))
    drawn = run(DrawSchedule(n_perm=29, seed=4, **about))
    found['schedule'] = drawn['schedule_file']
    shared = {'schedule_file': drawn['schedule_file'], 'missing': 'drop_voxel', **maps, **about}
    merge = {'schedule_metadata_file': drawn['metadata_file'], **where, **about}
    chunk = run(Permute(**shared))['chunk_file']
    found['voxels'] = run(MergePermutations(chunk_files=[chunk], **merge))
    chunk = run(PermuteSpatial(tfce=True, connectivity=6, **shared))['chunk_file']
    found['tfce'] = run(MergeSpatial(chunk_files=[chunk], **merge))
    return found


def test_covariate_beside_a_nuisance(wager, success, read):
    """T and p of some voxels are those of statsmodels, with a design of its own."""
    t = read(success['test']['stat_file'], wager.mask).astype(float)
    p = read(success['test']['p_file'], wager.mask).astype(float)
    np.testing.assert_array_equal(np.isnan(t), ~wager.complete)
    maps, largest = np.asarray(wager.values), np.nanargmax(np.abs(t))
    for voxel in (*np.flatnonzero(wager.complete)[[0, 9999, 30000, -1]], largest):
        table = success['table'].assign(y=maps[:, voxel])
        fit = ols('y ~ Y_Reappraisal_Success + X_RVLPFC', table).fit()
        assert t[voxel] == pytest.approx(fit.tvalues['Y_Reappraisal_Success'], rel=1e-5)
        assert p[voxel] == pytest.approx(fit.pvalues['Y_Reappraisal_Success'], rel=1e-4)
        assert fit.df_resid == 27


def test_covariate_by_permutation(wager, success, read):
    """Corrected p over all complete voxels, by least squares on relabelled residuals."""
    table, complete = success['table'], wager.complete
    design = np.column_stack([np.ones(30), table['X_RVLPFC'], table['Y_Reappraisal_Success']])
    y = np.asarray(wager.values)[:, complete].astype(float)
    nuisance = design[:, :2]
    residual = y - nuisance @ np.linalg.lstsq(nuisance, y, rcond=None)[0]
    with np.load(success['schedule']) as schedule:
        orders = schedule['orders']
    assert len(orders) == 30
    inverse = np.linalg.inv(design.T @ design)
    null = []
    for order in orders:
        moved = residual[order]
        b = inverse @ (design.T @ moved)
        variance = ((moved - design @ b) ** 2).sum(axis=0) / 27
        null.append(np.abs(b[2] / np.sqrt(variance * inverse[2, 2])))
    null = np.array(null)
    observed = np.abs(read(success['test']['stat_file'], wager.mask)[complete].astype(float))
    np.testing.assert_allclose(null[0], observed, rtol=1e-4)
    reach = null[0] * (1 - 1e-9)
    p_fwe = (null.max(axis=1)[:, None] >= reach).mean(axis=0).astype(np.float32)
    found = read(success['voxels']['p_fwe_file'], wager.mask)[complete]
    np.testing.assert_array_equal(found, p_fwe)
    assert len(np.unique(found)) > 5


def test_covariate_by_tfce(wager, success, read):
    """Corrected p of TFCE are those of its maxima over the same relabellings."""
    tfce = read(success['tfce']['tfce_file'], wager.mask).astype(float)
    complete = wager.complete
    np.testing.assert_array_equal(np.isnan(tfce), ~complete)
    null = pd.read_csv(success['tfce']['null_file'], sep='\t')['max_tfce'].to_numpy()
    assert len(null) == 30
    assert null[0] == pytest.approx(np.nanmax(np.abs(tfce)), rel=1e-6)
    p_fwe = read(success['tfce']['tfce_p_fwe_file'], wager.mask)[complete]
    # Single precision of the map, against double of the maxima: no tie is that close here.
    expected = (null[:, None] >= np.abs(tfce[complete]) * (1 - 1e-6)).mean(axis=0)
    np.testing.assert_array_equal(p_fwe, expected.astype(np.float32))
    assert len(np.unique(p_fwe)) > 3
