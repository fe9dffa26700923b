"""Thresholds, clusters and tables, against nilearn where it means the same."""

import json

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from nilearn.glm import threshold_stats_img
from nilearn.reporting import get_clusters_table
from scipy import ndimage, stats

from nistats_nipype.exceptions import GridError, InputError, NistatsNipypeWarning
from nistats_nipype.interfaces import TableClusters, Threshold

SHAPE = (20, 22, 18)
AFFINE = np.array([[3.0, 0, 0, -30], [0, 3, 0, -31], [0, 0, 3.5, -28], [0, 0, 0, 1]])


def save(folder, data, name, dtype=np.float32, affine=AFFINE):
    path = str(folder / name)
    nib.save(nib.Nifti1Image(np.asarray(data).astype(dtype), affine), path)
    return path


@pytest.fixture
def z_map(tmp_path):
    """Write a smooth random z map with a strong positive and negative region, and a mask."""
    random = np.random.default_rng(5)
    z = ndimage.gaussian_filter(random.normal(size=SHAPE), 1.2)
    z /= z.std()
    z[4:8, 4:8, 4:9] += 4
    z[12:15, 12:16, 8:12] -= 4
    mask = np.zeros(SHAPE, dtype=bool)
    mask[1:-1, 2:-1, 1:-2] = True
    z = np.where(mask, z, 0)
    return save(tmp_path, z, 'z.nii.gz'), save(tmp_path, mask, 'mask.nii.gz', np.uint8)


@pytest.mark.parametrize('cluster_threshold', [0, 10])
@pytest.mark.parametrize('sidedness', ['two-sided', 'positive'])
@pytest.mark.parametrize(
    ('method', 'alpha'), [('fpr', 0.01), ('fdr', 0.05), ('bonferroni', 0.05), ('height', None)]
)
def test_methods_are_nilearns(run, read, read_json, z_map, method, alpha, sidedness,
                              cluster_threshold):  # fmt: skip
    if method == 'fdr' and int(np.__version__.split('.')[0]) < 2:
        pytest.skip('with numpy 1 nilearn leaves out the voxel at the threshold, by rounding')
    in_file, mask_file = z_map
    rule = {'height': 2.5} if method == 'height' else {'alpha': alpha}
    found = run(
        Threshold(
            in_file=in_file,
            mask_file=mask_file,
            method=method,
            sidedness=sidedness,
            cluster_threshold=cluster_threshold,
            connectivity=6,  # nilearn's only one
            **rule,
        )
    )
    expected, threshold = threshold_stats_img(
        in_file,
        mask_img=mask_file,
        alpha=alpha or 0.05,
        threshold=2.5 if method == 'height' else None,
        height_control=None if method == 'height' else method,
        cluster_threshold=cluster_threshold,
        two_sided=sidedness == 'two-sided',
    )
    result = read(found.thresholded_file)
    np.testing.assert_array_equal(result, expected.get_fdata().astype(np.float32))
    metadata = read_json(found.metadata_file)
    assert metadata['Threshold'] == pytest.approx(threshold, abs=1e-9)
    # The numbers agree with the maps.
    labels = read(found.labels_file)
    sizes = np.bincount(labels.ravel())[1:]
    assert metadata['NumberOfVoxelsPositive'] == (result > 0).sum() > 0
    assert metadata['NumberOfVoxelsNegative'] == (result < 0).sum()
    assert (metadata['NumberOfVoxelsNegative'] > 0) == (sidedness == 'two-sided')
    assert metadata['NumberOfClusters'] == len(sizes) == labels.max()
    assert metadata['LargestCluster'] == sizes.max()
    assert sizes.min() >= cluster_threshold
    assert metadata['NumberOfVoxelsTested'] == read(mask_file).sum()
    np.testing.assert_array_equal(labels != 0, result != 0)
    assert metadata['Method'] == method
    assert metadata['Alpha'] == alpha
    assert metadata['Sidedness'] == sidedness


@pytest.fixture
def threshold_fwe(run, read_json, z_map, tmp_path):
    """Threshold a p map that comes with metadata; give the metadata of the result."""

    def threshold_fwe(metadata, **inputs):
        in_file, mask_file = z_map
        path = tmp_path / 'p.json'
        path.write_text(json.dumps(metadata))
        p_file = save(tmp_path, np.full(SHAPE, 0.06), 'p.nii.gz')
        found = run(
            Threshold(
                in_file=in_file,
                mask_file=mask_file,
                method='fwe',
                p_file=p_file,
                p_metadata_file=str(path),
                **inputs,
            )
        )
        return read_json(found.metadata_file)

    return threshold_fwe


@pytest.mark.parametrize(
    ('smallest', 'alpha'), [(1 / 20, 0.05), (1 / 3000, 0.05), (1e-38, 1e-9), (1 / 60, 1 / 60)]
)
def test_alpha_within_reach(threshold_fwe, smallest, alpha):
    metadata = threshold_fwe({'SmallestPossibleP': smallest}, alpha=alpha)
    assert metadata['AlphaReachable'] is True
    assert metadata['SmallestPossibleP'] == smallest


@pytest.mark.parametrize(('smallest', 'alpha'), [(1 / 19, 0.05), (0.01, 0.005), (2 / 32, 0.05)])
def test_alpha_out_of_reach(threshold_fwe, smallest, alpha):
    """Said in a warning, because whoever reads "nothing passes" would take it for a result."""
    with pytest.warns(NistatsNipypeWarning, match=f'alpha={alpha:g}.* below {smallest:.3g}'):
        metadata = threshold_fwe({'SmallestPossibleP': smallest}, alpha=alpha)
    assert metadata['AlphaReachable'] is False
    assert metadata['NumberOfClusters'] == 0


def test_reach_of_one_of_several_statistics(threshold_fwe):
    metadata = {'SmallestPossibleP': 0.1, 'Tail': {'extent': None, 'mass': None}}
    metadata['Tail']['tfce'] = {'SmallestPossibleP': 1e-12}
    found = threshold_fwe(metadata, alpha=0.05, p_statistic='tfce')
    assert (found['AlphaReachable'], found['SmallestPossibleP']) == (True, 1e-12)
    for name in ('extent', 'mass'):
        with pytest.warns(NistatsNipypeWarning, match='no corrected p is below 0.1'):
            threshold_fwe(metadata, alpha=0.05, p_statistic=name)


def test_negative_side_mirrors_the_positive(run, read, z_map, tmp_path):
    in_file, mask_file = z_map
    mirrored = save(tmp_path, -read(in_file), 'mirrored.nii.gz')
    for method in ('fpr', 'fdr', 'bonferroni'):
        rule = {'mask_file': mask_file, 'method': method, 'alpha': 0.05}
        down = run(Threshold(in_file=in_file, sidedness='negative', **rule))
        up = run(Threshold(in_file=mirrored, sidedness='positive', **rule))
        result = read(down.thresholded_file)
        assert result.min() < 0 == result.max()
        np.testing.assert_array_equal(result, -read(up.thresholded_file))
        np.testing.assert_array_equal(read(down.labels_file), read(up.labels_file))


@pytest.mark.parametrize('connectivity', [6, 18, 26])
def test_signs_never_join(run, read, read_json, tmp_path, connectivity):
    z = np.zeros(SHAPE)
    z[5, 5, 5:8], z[6, 5, 5:8] = 4, -4  # side by side
    z[10, 10, 10] = z[11, 11, 10] = 4  # share an edge
    z[15, 15, 10] = z[16, 16, 11] = 4  # share a corner
    found = run(
        Threshold(
            in_file=save(tmp_path, z, 'z.nii.gz'),
            mask_file=save(tmp_path, np.ones(SHAPE), 'mask.nii.gz'),
            connectivity=connectivity,
        )
    )
    n_clusters = {6: 6, 18: 5, 26: 4}[connectivity]
    assert read_json(found.metadata_file)['NumberOfClusters'] == n_clusters
    labels = read(found.labels_file)
    assert labels[6, 5, 6] == n_clusters  # negative clusters come last
    assert labels[5, 5, 6] == 1


def test_fwe_takes_the_voxels_of_p(run, read, read_json, z_map, tmp_path):
    in_file, mask_file = z_map
    z, mask = read(in_file), read(mask_file) > 0
    p = np.ones(SHAPE, dtype=np.float32)
    p[mask & (np.abs(z) > 3)] = 0.05  # as float32 above 0.05
    p[mask & (np.abs(z) > 3.5)] = 0.02
    inputs = {
        'in_file': in_file,
        'mask_file': mask_file,
        'p_file': save(tmp_path, p, 'p.nii.gz'),
        'method': 'fwe',
    }
    for alpha, height in ((0.05, 3), (0.049, 3.5), (0.01, np.inf)):
        found = run(Threshold(alpha=alpha, **inputs))
        result = read(found.thresholded_file)
        passing = mask & (np.abs(z) > height)
        np.testing.assert_array_equal(result, np.where(passing, z, 0))
        threshold = read_json(found.metadata_file)['Threshold']
        if passing.any():
            assert threshold == pytest.approx(np.abs(z[passing]).min())
        else:
            assert threshold is None
    positive = read(run(Threshold(alpha=0.05, sidedness='positive', **inputs)).thresholded_file)
    np.testing.assert_array_equal(positive, np.where(mask & (z > 3), z, 0))


def test_an_f_has_one_side(run, read, read_json, z_map, tmp_path):
    in_file, mask_file = z_map
    contrast = tmp_path / 'contrast.json'
    content = {'Contrast': 'x', 'ContrastWeights': np.eye(2).tolist(), 'DesignColumns': ['a', 'b']}
    contrast.write_text(json.dumps(content))
    inputs = {'in_file': in_file, 'mask_file': mask_file, 'alpha': 0.01}
    f = run(Threshold(contrast_file=str(contrast), sidedness='two-sided', **inputs))
    positive = run(Threshold(sidedness='positive', **inputs))
    np.testing.assert_array_equal(read(f.thresholded_file), read(positive.thresholded_file))
    metadata = read_json(f.metadata_file)
    assert metadata['Sidedness'] == 'positive'
    assert metadata['Threshold'] == pytest.approx(stats.norm.isf(0.01))


def test_nan_is_not_tested(run, read, read_json, z_map, tmp_path):
    in_file, mask_file = z_map
    z = read(in_file).copy()
    z[4:6, 4:8, 4:9] = np.nan
    found = run(
        Threshold(
            in_file=save(tmp_path, z, 'holes.nii.gz'),
            mask_file=mask_file,
            method='bonferroni',
            alpha=0.05,
        )
    )
    metadata = read_json(found.metadata_file)
    n_tested = int(read(mask_file).sum()) - 2 * 4 * 5
    assert metadata['NumberOfVoxelsTested'] == n_tested
    assert metadata['Threshold'] == pytest.approx(stats.norm.isf(0.05 / n_tested / 2))
    assert np.isfinite(read(found.thresholded_file)).all()


def test_nothing_passes(run, read, read_json, z_map):
    in_file, mask_file = z_map
    inputs = {'in_file': in_file, 'mask_file': mask_file}
    found = run(Threshold(**inputs, method='height', height=50.0))
    metadata = read_json(found.metadata_file)
    assert (metadata['NumberOfClusters'], metadata['LargestCluster']) == (0, 0)
    assert not read(found.thresholded_file).any()
    table = run(TableClusters(in_file=in_file, labels_file=found.labels_file))
    assert len(pd.read_csv(table.clusters_file, sep='\t')) == 0


def test_main_peaks_are_nilearns(run, z_map):
    in_file, mask_file = z_map
    found = run(
        Threshold(
            in_file=in_file,
            mask_file=mask_file,
            method='height',
            height=1.8,
            connectivity=6,
            cluster_threshold=6,
        )
    )
    table = run(TableClusters(in_file=in_file, labels_file=found.labels_file))
    ours = pd.read_csv(table.clusters_file, sep='\t')
    theirs = get_clusters_table(in_file, 1.8, cluster_threshold=6, two_sided=True)
    theirs = theirs[theirs['Cluster Size (mm3)'] != '']
    main = ours[ours['peak'] == 1]

    def rows(frame, columns):
        values = frame[columns].astype(float).to_numpy()
        return values[np.lexsort(values.T)]

    assert len(main) >= 4
    np.testing.assert_allclose(
        rows(main, ['x_mm', 'y_mm', 'z_mm', 'peak_stat']),
        rows(theirs, ['X', 'Y', 'Z', 'Peak Stat']),
        atol=1e-4,
    )
    volumes = sorted(np.trunc(main['volume_mm3']))  # nilearn rounds down
    assert volumes == sorted(theirs['Cluster Size (mm3)'].astype(float))
    assert set(ours['sign']) == {'positive', 'negative'}


def test_peaks_are_apart_and_few(run, z_map, tmp_path):
    z = np.zeros(SHAPE)
    z[2:18, 5, 5] = 3
    z[[3, 4, 9, 12, 15], 5, 5] = 9, 8.5, 7, 6, 5
    in_file = save(tmp_path, z, 'line.nii.gz')
    labels_file = save(tmp_path, z > 0, 'labels.nii.gz', np.int32)
    p_file = save(tmp_path, np.where(z > 8, 0.01, 0.5), 'p.nii.gz')

    def peaks(**inputs):
        table = run(TableClusters(in_file=in_file, labels_file=labels_file, **inputs))
        return pd.read_csv(table.clusters_file, sep='\t')

    assert peaks()['peak_stat'].tolist() == [9, 7, 6]
    assert peaks(max_peaks=4)['peak_stat'].tolist() == [9, 7, 6, 5]
    assert peaks(max_peaks=4, min_distance_mm=15.0)['peak_stat'].tolist() == [9, 7, 5]
    first = peaks(p_fwe_file=p_file).iloc[0]
    assert first['p_fwe'] == pytest.approx(0.01)
    assert (first['x_mm'], first['y_mm'], first['z_mm']) == (-30 + 9, -31 + 15, -28 + 17.5)
    assert first['n_voxels'] == 16
    assert first['volume_mm3'] == pytest.approx(16 * 31.5)


@pytest.mark.parametrize(
    ('inputs', 'words'),
    [
        ({'alpha': 0.0}, ['found:    0\n', 'between 0 and 1']),
        ({'alpha': 1.0}, ['found:    1\n', 'between 0 and 1']),
        ({'alpha': 3.1}, ['3.1', 'between 0 and 1']),
        ({'method': 'fdr', 'alpha': -0.05}, ['-0.05', 'between 0 and 1']),
        ({'method': 'fwe'}, ["'fwe' lacks an input", 'p_file']),
        ({'method': 'height'}, ["'height' lacks an input", 'height']),
        ({'method': 'height', 'height': -2.0}, ['height=-2', 'above 0']),
        ({'method': 'height', 'height': np.nan}, ['height=nan', 'above 0']),
    ],
)
def test_thresholds_that_cannot_be(refuse, z_map, inputs, words):
    in_file, mask_file = z_map
    refuse(Threshold(in_file=in_file, mask_file=mask_file, **inputs), InputError, *words)


def test_alpha_of_fwe_is_checked(refuse, z_map):
    in_file, mask_file = z_map
    threshold = Threshold(
        in_file=in_file, mask_file=mask_file, p_file=in_file, method='fwe', alpha=5.0
    )
    refuse(threshold, InputError, 'found:    5\n', 'between 0 and 1')


def test_maps_of_another_grid(refuse, z_map, tmp_path):
    in_file, mask_file = z_map
    moved = AFFINE.copy()
    moved[1, 3] += 3
    other = save(tmp_path, np.ones(SHAPE), 'other.nii.gz', affine=moved)
    words = ['other.nii.gz', 'up to 3 mm apart']
    refuse(Threshold(in_file=other, mask_file=mask_file), GridError, *words)
    fwe = Threshold(in_file=in_file, mask_file=mask_file, method='fwe', p_file=other, alpha=0.05)
    refuse(fwe, GridError, *words)
    refuse(TableClusters(in_file=in_file, labels_file=other), GridError, *words)
    table = TableClusters(in_file=in_file, labels_file=mask_file, p_fwe_file=other)
    refuse(table, GridError, *words)


def test_a_cluster_of_both_signs(refuse, z_map):
    in_file, mask_file = z_map
    words = ['Cluster 1 is not one of this statistic map', 'one sign']
    refuse(TableClusters(in_file=in_file, labels_file=mask_file), InputError, *words)
