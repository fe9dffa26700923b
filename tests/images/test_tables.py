import itertools

import nibabel as nib
import numpy as np
import pytest
from nilearn.reporting import get_clusters_table
from scipy.ndimage import gaussian_filter

from nistats_nipype.exceptions import GridError, InputError
from nistats_nipype.images import tables
from nistats_nipype.images.tables import cluster_table, label_clusters

MNI_2MM = np.array([[-2.0, 0, 0, 90], [0, 2, 0, -126], [0, 0, 2, -72], [0, 0, 0, 1]])


@pytest.fixture
def stat():
    noise = gaussian_filter(np.random.default_rng(3).standard_normal((20, 22, 24)), 1.5)
    return noise / noise.std()


def flood_fill(supra, connectivity):
    """Find components one voxel at a time, as sets of voxels."""
    reach = {6: 1, 18: 2, 26: 3}[connectivity]
    steps = [
        step for step in itertools.product((-1, 0, 1), repeat=3) if 0 < np.abs(step).sum() <= reach
    ]
    left = set(map(tuple, np.argwhere(supra).tolist()))
    components = []
    while left:
        front = [left.pop()]
        component = set(front)
        while front:
            voxel = front.pop()
            for step in steps:
                neighbour = tuple(np.add(voxel, step).tolist())
                if neighbour in left:
                    left.remove(neighbour)
                    component.add(neighbour)
                    front.append(neighbour)
        components.append(frozenset(component))
    return set(components)


@pytest.mark.parametrize('connectivity', [6, 18, 26])
def test_clusters_are_those_of_a_flood_fill(stat, connectivity):
    labels = label_clusters(stat, 1.5, connectivity=connectivity)
    found = {
        frozenset(map(tuple, np.argwhere(labels == label).tolist()))
        for label in range(1, labels.max() + 1)
    }
    positive = flood_fill(stat >= 1.5, connectivity)
    negative = flood_fill(stat <= -1.5, connectivity)
    assert found == positive | negative
    assert labels.dtype == np.int32
    sizes = np.bincount(labels.ravel())[1:]
    assert sizes[: len(positive)].tolist() == sorted(map(len, positive), reverse=True)
    assert sizes[len(positive) :].tolist() == sorted(map(len, negative), reverse=True)


def test_a_side_and_a_size_can_be_chosen(stat):
    both = label_clusters(stat, 1.5)
    positive = label_clusters(stat, 1.5, sidedness='positive')
    negative = label_clusters(stat, 1.5, sidedness='negative')
    np.testing.assert_array_equal(positive, np.where(stat > 0, both, 0))
    np.testing.assert_array_equal(negative > 0, (both > 0) & (stat < 0))
    np.testing.assert_array_equal(negative, label_clusters(-stat, 1.5, sidedness='positive'))
    large = label_clusters(stat, 1.5, min_size=20)
    sizes = np.bincount(both.ravel())
    np.testing.assert_array_equal(large > 0, (both > 0) & (sizes[both] >= 20))
    assert set(np.unique(large)) == set(range(large.max() + 1))


def test_touching_clusters_of_two_signs_are_not_joined():
    labels = label_clusters(np.array([[[4.0, 4.0, -4.0]]]), 3.0)
    np.testing.assert_array_equal(labels, [[[1, 1, 2]]])


def test_ties_go_by_peak_and_then_by_place():
    stat = np.array([[[3.0, 0, 3.0, 0, 5.0, 0, 3.0, 3.0, 0, -3.0, 0, -9.0]]])
    labels = label_clusters(stat, 3.0)
    np.testing.assert_array_equal(labels, [[[3, 0, 4, 0, 2, 0, 1, 1, 0, 6, 0, 5]]])


def test_the_threshold_itself_is_reached_and_nan_is_not():
    stat = np.array([[[3.0, 2.999, np.nan, 3.0]]])
    np.testing.assert_array_equal(label_clusters(stat, 3.0), [[[1, 0, 0, 2]]])


def test_the_mask_cuts_clusters():
    stat = np.full((1, 1, 5), 4.0)
    mask = np.array([[[1, 1, 0, 1, 0]]])
    np.testing.assert_array_equal(label_clusters(stat, 3.0, mask=mask), [[[1, 1, 0, 2, 0]]])


def test_nothing_above_the_threshold_gives_no_labels(stat):
    assert not label_clusters(stat, 100.0).any()


@pytest.mark.parametrize(
    ('arguments', 'found'),
    [
        ({'threshold': 0.0}, 'threshold: 0.0'),
        ({'threshold': -3.0}, 'threshold: -3.0'),
        ({'threshold': np.nan}, 'threshold: nan'),
        ({'threshold': np.inf}, 'threshold: inf'),
        ({'sidedness': 'both'}, 'sidedness: both'),
        ({'connectivity': 8}, 'connectivity: 8'),
        ({'min_size': 0}, 'min_size: 0'),
    ],
)
def test_bad_arguments_are_named(stat, arguments, found):
    with pytest.raises(InputError, match='Clusters cannot be labelled') as caught:
        label_clusters(stat, **({'threshold': 3.0} | arguments))
    assert caught.value.found == found


def test_other_shapes_are_refused(stat):
    with pytest.raises(InputError, match='not one map'):
        label_clusters(stat[0], 3.0)
    with pytest.raises(GridError, match='The mask and the statistic map'):
        label_clusters(stat, 3.0, mask=np.ones((2, 2, 2)))


def test_the_main_peaks_and_sizes_are_those_of_nilearn(stat):
    image = nib.Nifti1Image(stat, MNI_2MM)
    theirs = get_clusters_table(image, 2.0, two_sided=True, min_distance=8.0)
    theirs = theirs[theirs['Cluster Size (mm3)'] != '']
    # nilearn joins neighbours that share a face.
    labels = label_clusters(stat, 2.0, connectivity=6)
    ours = cluster_table(stat, MNI_2MM, labels, max_peaks=1)
    assert len(ours) == len(theirs) > 10
    columns = ['X', 'Y', 'Z', 'Peak Stat', 'Cluster Size (mm3)']
    expected = {tuple(np.round(row, 6)) for row in theirs[columns].to_numpy(dtype=float)}
    columns = ['x_mm', 'y_mm', 'z_mm', 'peak_stat', 'volume_mm3']
    found = {tuple(np.round(row, 6)) for row in ours[columns].to_numpy(dtype=float)}
    assert found == expected


def test_peaks_are_local_maxima_by_brute_force(stat):
    labels = label_clusters(stat, 1.0)
    table = cluster_table(stat, MNI_2MM, labels, min_distance_mm=0.0, max_peaks=10_000)
    found = np.round(nib.affines.apply_affine(np.linalg.inv(MNI_2MM), table.iloc[:, 2:5]))
    found = list(map(tuple, found.astype(int).tolist()))
    assert len(found) == len(set(found))
    height = np.abs(stat)
    expected = set()
    for voxel in np.argwhere(labels):
        box = tuple(slice(max(0, i - 1), i + 2) for i in voxel)
        around = height[box][labels[box] == labels[tuple(voxel)]]
        if height[tuple(voxel)] >= around.max():
            expected.add(tuple(voxel.tolist()))
    assert set(found) == expected
    np.testing.assert_array_equal(table['peak_stat'], [stat[voxel] for voxel in found])


def test_sub_peaks_follow_their_cluster_at_a_distance(stat):
    labels = label_clusters(stat, 1.0)
    table = cluster_table(stat, MNI_2MM, labels, min_distance_mm=10.0, max_peaks=4)
    assert table['cluster_id'].is_monotonic_increasing
    assert set(table['cluster_id']) == set(range(1, labels.max() + 1))
    assert table['peak'].max() == 4
    for label, rows in table.groupby('cluster_id'):
        assert list(rows['peak']) == list(range(1, len(rows) + 1))
        assert rows['peak_stat'].abs().is_monotonic_decreasing
        heights = stat[labels == label]
        assert rows['peak_stat'].iloc[0] == heights[np.abs(heights).argmax()]
        places = rows[['x_mm', 'y_mm', 'z_mm']].to_numpy()
        for one, two in itertools.combinations(places, 2):
            assert np.linalg.norm(one - two) >= 10.0 - 1e-6
        assert rows['n_voxels'].iloc[0] == (labels == label).sum()
        assert rows['volume_mm3'].iloc[0] == pytest.approx(8 * (labels == label).sum())
        assert rows['n_voxels'].iloc[1:].isna().all()
        assert rows['volume_mm3'].iloc[1:].isna().all()
        assert set(rows['sign']) == {'positive' if heights[0] > 0 else 'negative'}


def test_a_distance_met_exactly_is_enough():
    stat = np.zeros((8, 1, 1))
    stat[:, 0, 0] = [0, 5, 3, 3, 3, 3, 4, 0]
    affine = np.diag([2.4, 2.4, 2.4, 1.0])
    affine[0, 3] = -77.7
    ends = nib.affines.apply_affine(affine, [[1, 0, 0], [6, 0, 0]])
    assert ends[1, 0] - ends[0, 0] < 12.0  # 5 x 2.4 mm, less a rounding error
    labels = label_clusters(stat, 3.0)
    table = cluster_table(stat, affine, labels, min_distance_mm=12.0)
    assert list(table['peak_stat']) == [5.0, 4.0]


@pytest.mark.parametrize(
    ('heights', 'peaks'),
    [
        ([5, 5, 5, 5, 5], [2]),  # the middle of a flat cluster
        ([5, 5, 5, 5], [1]),  # the first of two that are as near to the middle
        ([4, 4, 4, 6, 4], [3]),  # shoulders are no peaks
        ([6, 4, 4, 5, 5, 4, 5], [0, 3, 6]),  # equal heights go by place
    ],
)
def test_plateaus_count_once(heights, peaks):
    stat = np.reshape(np.array(heights, dtype=float), (-1, 1, 1))
    labels = label_clusters(stat, 3.0)
    table = cluster_table(stat, np.eye(4), labels, min_distance_mm=0.0)
    assert list(table['x_mm']) == peaks


def test_a_plateau_bent_around_a_voxel_keeps_its_peak_inside():
    stat = np.full((5, 5, 1), 4.0)
    stat[1:4, 1:4] = 0.0
    table = cluster_table(stat, np.eye(4), label_clusters(stat, 3.0))
    assert len(table) == 1
    row = table.iloc[0]
    assert stat[int(row['x_mm']), int(row['y_mm']), 0] == 4.0


def test_maps_of_other_quantities_become_columns(stat):
    labels = label_clusters(stat, 1.5)
    p_values = np.random.default_rng(0).random(stat.shape)
    table = cluster_table(stat, MNI_2MM, labels, extra={'p_fwe': p_values})
    assert list(table.columns) == [*tables._DTYPES, 'p_fwe']
    voxels = nib.affines.apply_affine(np.linalg.inv(MNI_2MM), table[['x_mm', 'y_mm', 'z_mm']])
    expected = p_values[tuple(np.round(voxels).astype(int).T)]
    np.testing.assert_array_equal(table['p_fwe'], expected)


def test_an_empty_table_has_the_same_columns_and_types(stat):
    extra = {'p_fwe': stat}
    full = cluster_table(stat, MNI_2MM, label_clusters(stat, 1.5), extra=extra)
    empty = cluster_table(stat, MNI_2MM, label_clusters(stat, 99.0), extra=extra)
    assert len(empty) == 0
    assert empty.dtypes.equals(full.dtypes)


def test_labels_with_gaps_keep_their_numbers(stat):
    labels = label_clusters(stat, 1.5)
    labels[labels == 2] = 0
    ids = set(cluster_table(stat, MNI_2MM, labels)['cluster_id'])
    assert ids == set(range(1, labels.max() + 1)) - {2}


def test_labels_of_another_map_are_refused(stat):
    labels = np.ones(stat.shape, dtype=int)
    with pytest.raises(InputError, match='Cluster 1 is not one of this statistic map'):
        cluster_table(stat, MNI_2MM, labels)
    labels = label_clusters(stat, 1.5)
    stat[labels == 1] = np.nan
    with pytest.raises(InputError, match='Cluster 1 is not one of this statistic map'):
        cluster_table(stat, MNI_2MM, labels)


@pytest.mark.parametrize(
    ('arguments', 'found'),
    [
        ({'min_distance_mm': -1}, 'min_distance_mm: -1'),
        ({'min_distance_mm': np.nan}, 'min_distance_mm: nan'),
        ({'max_peaks': 0}, 'max_peaks: 0'),
        ({'labels': np.zeros((20, 22, 24))}, 'labels: type float64, minimum 0.0'),
        ({'labels': -np.ones((20, 22, 24), dtype=int)}, 'labels: type int64, minimum -1'),
    ],
)
def test_bad_arguments_of_the_table_are_named(stat, arguments, found):
    arguments = {'labels': label_clusters(stat, 1.5)} | arguments
    with pytest.raises(InputError, match='The cluster table cannot be made') as caught:
        cluster_table(stat, MNI_2MM, **arguments)
    assert caught.value.found == found


def test_extra_maps_are_checked(stat):
    labels = label_clusters(stat, 1.5)
    with pytest.raises(GridError, match="map 'p' and the statistic map"):
        cluster_table(stat, MNI_2MM, labels, extra={'p': stat[0]})
    with pytest.raises(InputError, match=r"extra: \['sign'\]"):
        cluster_table(stat, MNI_2MM, labels, extra={'sign': stat})
    with pytest.raises(GridError, match='The label map'):
        cluster_table(stat, MNI_2MM, labels[0])


def test_published_peaks_of_the_food_maps(data_dir):
    # The README of the data names the extremes of the one-sample t of the complete voxels.
    folder = data_dir / 'ds000157_food'
    paths = sorted(folder.glob('sub-*.nii.gz'))
    mask = nib.load(folder / 'mask.nii.gz')
    maps = [nib.load(path).get_fdata(dtype=np.float32) for path in paths]
    mean, std = np.mean(maps, axis=0), np.std(maps, axis=0, ddof=1)
    inside = (mask.get_fdata() > 0) & np.all([each != 0 for each in maps], axis=0)
    t = np.divide(mean, std / np.sqrt(30), out=np.zeros_like(mean), where=inside)
    table = cluster_table(t, mask.affine, label_clusters(t, 6.0, mask=inside))
    highest = table.loc[table['peak_stat'].idxmax()]
    lowest = table.loc[table['peak_stat'].idxmin()]
    assert tuple(highest[['x_mm', 'y_mm', 'z_mm']]) == (-20, -94, 10)
    assert highest['peak_stat'] == pytest.approx(11.61, abs=0.005)
    assert tuple(lowest[['x_mm', 'y_mm', 'z_mm']]) == (-60, -66, 8)
    assert lowest['peak_stat'] == pytest.approx(-7.73, abs=0.005)
