"""Robust regression on disk: a small group with a wild subject, and 30 real maps."""

from types import SimpleNamespace

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy import stats

from nistats_nipype.exceptions import InputError, MissingDataError
from nistats_nipype.interfaces import BuildDesign, ComputeContrast, DefineContrast, FitRobust
from nistats_nipype.stats import robust


@pytest.fixture
def wild(group):
    """The fourth subject is someone else's brain."""
    path = group.in_files[3]
    image = nib.load(path)
    data = 5.0 * np.asarray(image.dataobj)[::-1] + 4.0
    nib.save(nib.Nifti1Image(data.astype(np.float32), image.affine), path)
    group.data[3] = data.astype(np.float32)[group.mask]
    return group


@pytest.fixture
def analyse(run):
    """Run design, fit and test; give all outputs by name."""

    def analyse(group, definition='intercept', formula=None, **inputs):
        build = BuildDesign(in_files=group.in_files)
        if formula is not None:
            build.inputs.trait_set(table_file=group.table_file, formula=formula)
        files = {'mask_file': group.mask_file, 'design_file': run(build).design_file}
        fitted = run(FitRobust(in_files=group.in_files, **files, **inputs)).get()
        define = DefineContrast(design_file=files['design_file'], name='x', definition=definition)
        tested = ComputeContrast(
            model_file=fitted['model_file'], contrast_file=run(define).contrast_file, **files
        )
        return {**files, **fitted, 'about': fitted['metadata_file'], **run(tested).get()}

    return analyse


@pytest.mark.parametrize('definition', ['age', ['site[T.b]', 'site[T.c]']])
def test_maps_are_those_of_the_arrays(analyse, wild, read, read_json, definition):
    found = analyse(wild, definition, 'group + site + age', num_threads=2, tuning=2.0)
    design = pd.read_csv(found['design_file'], sep='\t').to_numpy()
    about = read_json(found['metadata_file'])
    weights = np.array(about['ContrastWeights'])
    model = robust.fit(wild.data, design, tuning=2.0)
    expected = robust.contrast(model, design, weights)
    for name in ('effect', 'variance', 'stat', 'z', 'p'):
        values = np.moveaxis(read(found[f'{name}_file'])[wild.mask], 0, -1)
        np.testing.assert_allclose(np.squeeze(getattr(expected, name)), values, rtol=1e-6)
    assert about['StatisticName'] == ('t' if len(weights) == 1 else 'F')
    assert about['DegreesOfFreedom'] == [7, 7]
    fitted = read_json(found['about'])
    assert fitted['RobustModel'] == 'huber'
    assert fitted['TuningConstant'] == 2.0
    assert fitted['NumberOfMaps'] == 12
    assert fitted['NumberOfVoxelsWithoutVariance'] == 0


def test_the_wild_subject_is_named(analyse, wild, read_json):
    """Oracle: the weights of statsmodels at every voxel."""
    found = analyse(wild)
    table = pd.read_csv(found['weights_file'], sep='\t')
    weights = np.array([
        sm.RLM(y, np.ones(12)).fit(maxiter=1000, tol=1e-12, conv='coefs').weights
        for y in wild.data.T
    ])  # fmt: skip
    np.testing.assert_allclose(table['mean_weight'], weights.mean(axis=0), rtol=1e-6)
    reduced = 100 * (weights < 1).mean(axis=0)
    np.testing.assert_allclose(table['percent_reduced'], reduced, atol=0.2)
    assert table['file'].tolist() == wild.in_files
    assert (table['n_voxels'] == len(weights)).all()
    assert table['mean_weight'].idxmin() == 3
    assert table['mean_weight'][3] < 0.6 < table['mean_weight'].drop(3).min()
    lowest = read_json(found['about'])['LowestMeanWeights']
    assert lowest[0] == {
        'file': wild.in_files[3],
        'mean_weight': pytest.approx(table['mean_weight'][3]),
    }
    assert len(lowest) == 3


def test_packed_maps_go_by_the_names_of_a_table(analyse, group, tmp_path, run, refuse):
    from nistats_nipype.interfaces import ApplyMask

    packed = ApplyMask(in_files=group.in_files, mask_file=group.mask_file)
    names = [f'sub-{i}' for i in range(12)]
    pd.DataFrame({'file': names}).to_csv(tmp_path / 'maps.tsv', sep='\t', index=False)
    design_file = run(BuildDesign(in_files=group.in_files)).design_file
    inputs = {
        'in_files': [run(packed).observations_file],
        'mask_file': group.mask_file,
        'design_file': design_file,
    }
    found = run(FitRobust(maps_file=str(tmp_path / 'maps.tsv'), **inputs))
    table = pd.read_csv(found.weights_file, sep='\t')
    assert table['file'].tolist() == names
    plain = pd.read_csv(analyse(group)['weights_file'], sep='\t')
    pd.testing.assert_frame_equal(table.drop(columns='file'), plain.drop(columns='file'))
    refuse(
        FitRobust(maps_file=design_file, **inputs), InputError, 'does not name the maps', 'losses'
    )


def test_missing_values(analyse, group, read, read_json, refuse, run):
    image = nib.load(group.in_files[0])
    data = np.asarray(image.dataobj).copy()
    hole = tuple(np.argwhere(group.mask)[5])
    data[hole] = np.nan
    nib.save(nib.Nifti1Image(data, image.affine), group.in_files[0])
    inputs = {
        'in_files': group.in_files,
        'mask_file': group.mask_file,
        'design_file': run(BuildDesign(in_files=group.in_files)).design_file,
    }
    refuse(FitRobust(**inputs), MissingDataError, 'sub-01', 'per_voxel')
    found = analyse(group, missing='per_voxel')
    assert read(found['n_file'])[hole] == 11
    assert read_json(found['metadata_file'])['DegreesOfFreedom'] == [10, 11]
    table = pd.read_csv(found['weights_file'], sep='\t')
    assert (table['n_voxels'] == group.mask.sum() - (np.arange(12) == 0)).all()


# Real maps with holes


@pytest.fixture
def wager(data_dir):
    folder = data_dir / 'wager2008'
    mask = nib.load(folder / 'mask.nii.gz').get_fdata() > 0
    in_files = sorted(map(str, folder.glob('con_*.img')))
    values = np.array([np.squeeze(nib.load(path).get_fdata())[mask] for path in in_files])
    return SimpleNamespace(
        in_files=in_files, mask_file=str(folder / 'mask.nii.gz'), mask=mask, maps=values
    )


def test_reappraisal(wager, analyse, read, read_json):
    """Robust against ordinary t on 30 maps, and statsmodels at every hundredth voxel."""
    found = analyse(wager, missing='per_voxel', zero_is_missing=False)
    t, effect = (read(found[f'{name}_file'], wager.mask) for name in ('stat', 'effect'))
    ordinary = stats.ttest_1samp(wager.maps, 0, nan_policy='omit').statistic
    for voxel in range(0, t.size, 100):
        y = wager.maps[:, voxel]
        y = y[~np.isnan(y)]
        theirs = sm.RLM(y, np.ones(len(y))).fit(maxiter=1000, tol=1e-12, conv='coefs')
        assert t[voxel] == pytest.approx(theirs.tvalues[0], rel=1e-5, abs=1e-6)
        assert effect[voxel] == pytest.approx(theirs.params[0], rel=1e-5, abs=1e-7)
    # The same brain, and with noisy maps in the group robust regression sees more of it.
    assert 0.94 < np.corrcoef(t, ordinary)[0, 1] < 0.97
    critical = stats.t.isf(0.0005, 29)
    assert (np.abs(t) > critical).sum() > 1.4 * (np.abs(ordinary) > critical).sum()
    # Oracle: the map that is farthest from the others, voxel by voxel.
    distance = np.abs(wager.maps - np.nanmedian(wager.maps, axis=0))
    farthest = np.nanmedian(distance / np.nanmedian(distance, axis=0), axis=1).argmax()
    lowest = read_json(found['about'])['LowestMeanWeights']
    assert lowest[0]['file'] == wager.in_files[farthest]
    assert lowest[0]['mean_weight'] < 0.6 < 0.8 < lowest[1]['mean_weight']
