"""Inference on clusters and with TFCE from schedule to maps, against enumeration written here.

The enumerations relabel by themselves: statistics come from SciPy for every relabelling, and
clusters from scipy.ndimage. Only the enhancement of a map is the package's, which has its own
tests.
"""

import itertools
from pathlib import Path
from types import SimpleNamespace

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from scipy import ndimage, stats

from nistats_nipype.exceptions import InputError, MissingDataError, ScheduleError
from nistats_nipype.images.adjacency import voxel_adjacency
from nistats_nipype.interfaces import (
    BuildDesign,
    DefineContrast,
    DrawSchedule,
    MergePermutations,
    MergeSpatial,
    Permute,
    PermuteSpatial,
    TableClusters,
)
from nistats_nipype.stats.tfce import tfce

#: Relabellings that are equivalent give statistics that differ by rounding.
TIE = 1e-9
RANKS = {6: 1, 18: 2, 26: 3}
BOTH = {'cluster_threshold': 2.0, 'tfce': True}


def flip_signs(y):
    """One-sample t of every sign flip, the observed one first."""
    patterns = itertools.product((1, -1), repeat=len(y))
    return [stats.ttest_1samp(np.array(p)[:, None] * y, 0).statistic for p in patterns]


def split_groups(y):
    """Two-sample t of every choice of the second group; observed: the odd rows."""
    odd = tuple(range(1, len(y), 2))
    choices = itertools.combinations(range(len(y)), len(y) // 2)
    members = [np.isin(range(len(y)), c) for c in sorted(choices, key=lambda c: c != odd)]
    return [stats.ttest_ind(y[who], y[~who]).statistic for who in members]


def split_sites(y):
    """F of one-way analysis of variance for every filling of three groups of two."""
    labels = (0, 1, 2, 0, 1, 2)
    orders = sorted(set(itertools.permutations(labels)), key=lambda order: order != labels)
    groups = [[y[np.array(order) == group] for group in range(3)] for order in orders]
    return [stats.f_oneway(*three).statistic for three in groups]


class Case:
    """A test: how it is asked for, and its enumeration."""

    def __init__(self, n_maps, formula, definition, enumerate_all, n_possible, dof):
        self.n_maps, self.formula, self.definition = n_maps, formula, definition
        self.enumerate_all, self.n_possible, self.dof = enumerate_all, n_possible, dof


CASES = {
    'one sample': Case(6, None, 'intercept', flip_signs, 64, 5),
    'two samples': Case(8, 'group', 'group[T.patient]', split_groups, 70, 6),
    'three groups': Case(6, 'site', ['site[T.b]', 'site[T.c]'], split_sites, 90, (2, 3)),
}


def forming(case, z):
    """Cluster-forming threshold for a normal score, by SciPy."""
    p = stats.norm.sf(z)
    return stats.f.isf(p, *case.dof) if isinstance(case.dof, tuple) else stats.t.isf(p, case.dof)


def measure(stat, mask, threshold, connectivity, signs):
    """Extent and mass of the cluster of each voxel, each sign on its own."""
    structure = ndimage.generate_binary_structure(3, RANKS[connectivity])
    volume = np.zeros(mask.shape)
    volume[mask] = np.nan_to_num(stat)
    extent, mass = np.zeros(mask.shape), np.zeros(mask.shape)
    for sign in signs:
        labels, n = ndimage.label(sign * volume >= threshold, structure)
        index = np.arange(n + 1)
        sizes = ndimage.sum_labels(np.ones(mask.shape), labels, index)
        masses = ndimage.sum_labels(sign * volume, labels, index)
        extent += np.where(labels, sizes[labels], 0)
        mass += np.where(labels, masses[labels], 0)
    return extent[mask], mass[mask]


SIGNS = {'two-sided': (1, -1), 'positive': (1,), 'negative': (-1,)}


def expect(y, mask, case, *, z=2.0, connectivity=26, exponents=(0.5, 2.0), side='two-sided'):
    """Observed maps and p of all three statistics, in double precision."""
    null = np.array(case.enumerate_all(y))
    assert len(null) == case.n_possible
    tested = np.isfinite(null[0])
    inside = mask.copy()
    inside[mask] = tested
    graph = voxel_adjacency(inside, connectivity)
    E, H = exponents
    threshold = forming(case, z)
    rows = [measure(t[tested], inside, threshold, connectivity, SIGNS[side]) for t in null]
    maps = {name: np.array([row[i] for row in rows]) for i, name in enumerate(('extent', 'mass'))}
    maps['tfce'] = np.abs([tfce(t[tested], graph, E=E, H=H, sidedness=side) for t in null])
    result = {'tested': tested}
    for name, each in maps.items():
        reach = each[0] * (1 - TIE)
        result[name] = each[0]
        result[f'{name}_p_fwe'] = (each.max(axis=1)[:, None] >= reach).mean(axis=0)
        result[f'{name}_p_uncorrected'] = (each >= reach).mean(axis=0)
        result[f'{name}_null'] = each.max(axis=1)
    return result


@pytest.fixture
def spatial(run, group):
    """Run the steps on the first maps of the group; give all outputs."""

    def spatial(case='one sample', *, n_perm=5000, n_chunks=1, in_files=None, **inputs):
        n_maps, formula = CASES[case].n_maps, CASES[case].formula
        build = BuildDesign(in_files=group.in_files[:n_maps])
        if formula is not None:
            build.inputs.trait_set(formula=formula, table_file=group.table_file)
        about = {'design_file': run(build).design_file}
        define = DefineContrast(name='x', definition=CASES[case].definition, **about)
        about['contrast_file'] = run(define).contrast_file
        drawn = run(DrawSchedule(n_perm=n_perm, seed=3, **about))
        files = {
            'in_files': in_files or group.in_files[:n_maps],
            'mask_file': group.mask_file,
            'schedule_file': drawn.schedule_file,
            **about,
        }
        chunks = [
            run(PermuteSpatial(chunk=chunk, n_chunks=n_chunks, **files, **inputs)).chunk_file
            for chunk in range(n_chunks)
        ]
        merge = {
            'mask_file': group.mask_file,
            'schedule_metadata_file': drawn.metadata_file,
            'sidedness': inputs.get('sidedness', 'two-sided'),
            **about,
        }
        outputs = run(MergeSpatial(chunk_files=chunks[::-1], **merge)).get()
        return SimpleNamespace(**outputs, files=files, merge=merge, chunks=chunks)

    return spatial


def check(found, expected, group, read):
    """Every map is the expected one, to the precision on disk."""
    tested = expected['tested']
    for name in ('extent', 'mass', 'tfce'):
        observed = read(getattr(found, f'{name}_file'), group.mask)[tested]
        np.testing.assert_allclose(observed, expected[name], rtol=1e-6, atol=1e-6)
        p = read(getattr(found, f'{name}_p_fwe_file'), group.mask)[tested]
        np.testing.assert_array_equal(p, expected[f'{name}_p_fwe'].astype(np.float32))
        logp = read(getattr(found, f'{name}_logp_fwe_file'), group.mask)[tested]
        np.testing.assert_allclose(logp, -np.log10(expected[f'{name}_p_fwe']), atol=1e-6)
    p = read(found.tfce_p_uncorrected_file, group.mask)[tested]
    np.testing.assert_array_equal(p, expected['tfce_p_uncorrected'].astype(np.float32))


@pytest.mark.parametrize('side', SIGNS)
@pytest.mark.parametrize('name', CASES)
def test_maps_are_those_of_enumeration(spatial, group, read, name, side):
    case = CASES[name]
    found = spatial(name, n_chunks=3, sidedness=side, **BOTH)
    # F has one side, whatever is asked for.
    side = 'positive' if name == 'three groups' else side
    expected = expect(group.data[: case.n_maps], group.mask, case, side=side)
    assert expected['extent'].max() > 1
    assert len(set(expected['tfce_p_fwe'])) > 1
    check(found, expected, group, read)
    null = pd.read_csv(found.null_file, sep='\t')
    assert null['relabelling'].tolist() == list(range(case.n_possible))
    for statistic in ('extent', 'mass', 'tfce'):
        maxima = expected[f'{statistic}_null']
        assert null[f'max_{statistic}'][0] == pytest.approx(maxima[0])
        np.testing.assert_allclose(np.sort(null[f'max_{statistic}']), np.sort(maxima), rtol=1e-9)


@pytest.mark.parametrize(
    ('inputs', 'expectations'),
    [
        ({'connectivity': 6}, {'connectivity': 6}),
        ({'connectivity': 18, 'tfce_e': 1.0}, {'connectivity': 18, 'exponents': (1.0, 2.0)}),
        ({'tfce_h': 1.5, 'cluster_threshold': 1.2}, {'exponents': (0.5, 1.5), 'z': 1.2}),
    ],
)
def test_parameters_arrive(spatial, group, read, read_json, inputs, expectations):
    found = spatial(**{**BOTH, **inputs})
    expected = expect(group.data[:6], group.mask, CASES['one sample'], **expectations)
    check(found, expected, group, read)
    metadata = read_json(found.metadata_file)
    assert metadata['Connectivity'] == inputs.get('connectivity', 26)
    E, H = expectations.get('exponents', (0.5, 2.0))
    assert metadata['TFCE'] == {'E': E, 'H': H}


def test_more_neighbours_make_larger_clusters(spatial, group, read):
    maps = [
        read(spatial(connectivity=c, cluster_threshold=1.0).extent_file, group.mask) for c in RANKS
    ]
    assert all((one <= more).all() for one, more in itertools.pairwise(maps))
    assert maps[0].sum() < maps[1].sum() < maps[2].sum()


@pytest.mark.parametrize('name', CASES)
def test_units_of_the_threshold_agree(spatial, read_json, name):
    """A normal score, its p, and the statistic of that p give the same files."""
    z = 2.2
    stat = float(forming(CASES[name], z))
    contents = []
    for unit, value in (('z', z), ('p', float(stats.norm.sf(z))), ('stat', stat)):
        found = spatial(name, cluster_threshold=value, cluster_threshold_unit=unit)
        contents.append(
            [
                Path(getattr(found, f'{statistic}_{kind}file')).read_bytes()
                for statistic in ('extent', 'mass')
                for kind in ('', 'p_fwe_', 'logp_fwe_')
            ]
        )
        threshold = read_json(found.metadata_file)['ClusterFormingThreshold']
        assert threshold['Statistic'] == pytest.approx(stat, rel=1e-12)
        assert (threshold['Given'], threshold['GivenAs']) == (value, unit)
    assert contents[0] == contents[1] == contents[2]


MAPS = ('extent', 'extent_p_fwe', 'extent_logp_fwe', 'mass', 'mass_p_fwe', 'mass_logp_fwe')
TFCE_MAPS = ('tfce', 'tfce_p_uncorrected', 'tfce_p_fwe', 'tfce_logp_fwe')


def contents(found, names=(*MAPS, *TFCE_MAPS, 'null', 'metadata')):
    return [Path(getattr(found, f'{name}_file')).read_bytes() for name in names]


@pytest.mark.parametrize('name', ['two samples', 'three groups'])
def test_chunks_and_threads_have_no_influence(spatial, name):
    whole = contents(spatial(name, n_perm=19, **BOTH))
    # With 23 chunks of 20 relabellings, some have nothing to do.
    for n_chunks, num_threads in ((3, 1), (7, 2), (23, 1)):
        parts = spatial(name, n_perm=19, n_chunks=n_chunks, num_threads=num_threads, **BOTH)
        assert contents(parts) == whole


@pytest.mark.parametrize(
    ('inputs', 'asked'),
    [({'cluster_threshold': 2.0}, ('extent', 'mass')), ({'tfce': True}, ('tfce',))],
)
def test_only_what_was_asked_for(spatial, read_json, inputs, asked):
    both, found = spatial(n_perm=30, **BOTH), spatial(n_perm=30, **inputs)
    given = {name for name in (*MAPS, *TFCE_MAPS) if hasattr(found, f'{name}_file')}
    given = {name for name in given if isinstance(getattr(found, f'{name}_file'), str)}
    expected = {name for name in (*MAPS, *TFCE_MAPS) if name.split('_')[0] in asked}
    assert given == expected
    assert contents(found, sorted(expected)) == contents(both, sorted(expected))
    null = pd.read_csv(found.null_file, sep='\t')
    assert list(null) == ['relabelling', *(f'max_{name}' for name in asked)]
    metadata = read_json(found.metadata_file)
    assert set(metadata['SmallestCorrectedP']) == set(metadata['ObservedMaximum']) == set(asked)
    assert (metadata['TFCE'] is None) == ('tfce' not in asked)
    assert (metadata['ClusterFormingThreshold'] is None) == ('extent' not in asked)
    folder = Path(found.null_file).parent
    maps = {f'{name}.nii.gz' for name in expected}
    others = {'null.tsv', 'extremes.npz', 'spatial.json'}
    assert {path.name for path in folder.iterdir()} == maps | others


def test_outside_of_mask_and_clusters(spatial, group, read):
    found = spatial(n_perm=30, **BOTH)
    outside = ~group.mask
    for statistic in ('extent', 'mass', 'tfce'):
        for kind, value in (('', 0), ('p_fwe_', 1), ('logp_fwe_', 0)):
            assert (read(getattr(found, f'{statistic}_{kind}file'))[outside] == value).all()
    assert (read(found.tfce_p_uncorrected_file)[outside] == 1).all()
    in_no_cluster = group.mask & (read(found.extent_file) == 0)
    assert in_no_cluster.any()
    for statistic in ('extent', 'mass'):
        assert (read(getattr(found, f'{statistic}_file'))[in_no_cluster] == 0).all()
        assert (read(getattr(found, f'{statistic}_p_fwe_file'))[in_no_cluster] == 1).all()
        assert (read(getattr(found, f'{statistic}_logp_fwe_file'))[in_no_cluster] == 0).all()


def spoil(path, where, value):
    image = nib.load(path)
    data = image.get_fdata(dtype=np.float32)
    data[where] = value
    nib.save(nib.Nifti1Image(data, image.affine), path)


@pytest.mark.parametrize('value', [np.nan, 0.0])
def test_voxels_that_are_not_tested(spatial, group, read, read_json, value):
    """NaN in every map, and no bridge between those beside them."""
    hole = np.zeros(group.mask.shape, dtype=bool)
    hole[4] = True  # a plane through the effect
    spoil(group.in_files[2], hole, value)
    found = spatial(missing='drop_voxel', **BOTH)
    y = group.data[:6].copy()
    y[2, hole[group.mask]] = np.nan
    expected = expect(y, group.mask, CASES['one sample'])
    np.testing.assert_array_equal(~expected['tested'], hole[group.mask])
    check(found, expected, group, read)
    for name in (*MAPS, *TFCE_MAPS):
        image = read(getattr(found, f'{name}_file'))
        np.testing.assert_array_equal(np.isnan(image), hole & group.mask)
    metadata = read_json(found.metadata_file)
    assert metadata['NumberOfVoxelsNotTested'] == (hole & group.mask).sum()
    assert metadata['NumberOfVoxelsTested'] == (~hole & group.mask).sum()


def test_zero_may_be_a_value(spatial, group, read):
    spoil(group.in_files[2], np.s_[4], 0.0)
    found = spatial(n_perm=30, zero_is_missing=False, **BOTH)
    assert not np.isnan(read(found.tfce_file)).any()


def test_metadata(spatial, group, read, read_json):
    found = spatial('two samples', n_perm=40, sidedness='negative', **BOTH)
    metadata = read_json(found.metadata_file)
    null = pd.read_csv(found.null_file, sep='\t')
    expected = {
        'Method': 'permutation, Freedman-Lane, maximum statistic',
        'Sidedness': 'negative',
        'Statistic': 't',
        'NumberOfRelabellings': 41,
        'SmallestPossibleP': 1 / 41,
        'NumberOfPossibleRelabellings': '70',
        'Exhaustive': False,
        'Seed': 3,
        'Errors': 'exchangeable',
        'ExchangeabilityBlocks': None,
        'NumberOfVoxelsTested': group.mask.sum(),
        'NumberOfVoxelsNotTested': 0,
    }
    assert {key: metadata[key] for key in expected} == expected
    assert len(null) == 41
    for name in ('extent', 'mass', 'tfce'):
        observed = read(getattr(found, f'{name}_file'), group.mask)
        p = read(getattr(found, f'{name}_p_fwe_file'), group.mask)
        # The observed maximum is the first of the null distribution.
        assert null[f'max_{name}'][0] == pytest.approx(observed.max(), rel=1e-6)
        assert metadata['ObservedMaximum'][name] == null[f'max_{name}'][0]
        share = (null[f'max_{name}'] >= null[f'max_{name}'][0] * (1 - TIE)).mean()
        assert metadata['SmallestCorrectedP'][name] == pytest.approx(share)
        assert p.min() == np.float32(share)
    f = read_json(spatial('three groups', n_perm=40, sidedness='negative', **BOTH).metadata_file)
    assert (f['Statistic'], f['Sidedness']) == ('F', 'positive')


def test_what_the_schedule_says_is_optional(run, spatial, read_json):
    found = spatial(n_perm=30, **BOTH)
    merge = {name: path for name, path in found.merge.items() if 'schedule' not in name}
    alone = run(MergeSpatial(chunk_files=found.chunks, **merge))
    assert contents(alone, (*MAPS, *TFCE_MAPS, 'null')) == contents(
        found, (*MAPS, *TFCE_MAPS, 'null')
    )
    assert 'Seed' not in read_json(alone.metadata_file)


def test_peaks_carry_the_p_of_the_maps(run, spatial, group, read, new_folder):
    found = spatial(**BOTH)
    files = {name: path for name, path in found.files.items() if 'schedule' not in name}
    voxels = run(Permute(schedule_file=found.files['schedule_file'], **files)).chunk_file
    voxelwise = run(MergePermutations(chunk_files=[voxels], **found.merge))
    # Clusters as they were formed, numbered by scipy.ndimage: positive ones, then negative ones.
    stat = read(voxelwise.stat_file).astype(float)
    structure = np.ones((3, 3, 3))
    threshold = forming(CASES['one sample'], 2.0)
    labels, n = ndimage.label((stat >= threshold) & group.mask, structure)
    below, _ = ndimage.label((stat <= -threshold) & group.mask, structure)
    labels[below > 0] = below[below > 0] + n
    affine = nib.load(voxelwise.stat_file).affine
    labels_file = new_folder() / 'labels.nii.gz'
    nib.save(nib.Nifti1Image(labels.astype(np.int32), affine), labels_file)
    maps = {
        'p_fwe': voxelwise.p_fwe_file,
        'p_extent': found.extent_p_fwe_file,
        'p_mass': found.mass_p_fwe_file,
        'p_tfce': found.tfce_p_fwe_file,
    }
    table = run(
        TableClusters(
            in_file=voxelwise.stat_file,
            labels_file=str(labels_file),
            **{f'{name}_file': path for name, path in maps.items()},
        )
    ).clusters_file
    table = pd.read_csv(table, sep='\t')
    assert table['cluster_id'].nunique() == labels.max()
    xyz = table[['x_mm', 'y_mm', 'z_mm']].to_numpy()
    voxels = np.round(nib.affines.apply_affine(np.linalg.inv(affine), xyz)).astype(int)
    for name, path in maps.items():
        at_peaks = read(path)[tuple(voxels.T)]
        np.testing.assert_allclose(table[name], at_peaks, atol=1e-8, rtol=0)
    assert len(set(table['p_extent'])) > 1
    # One p for all peaks of a cluster, and its size is the mapped one.
    of_cluster = table.groupby('cluster_id')['p_extent']
    assert (of_cluster.max() == of_cluster.min()).all()
    sizes = table['n_voxels'].ffill().to_numpy()
    np.testing.assert_array_equal(sizes, read(found.extent_file)[tuple(voxels.T)])


def test_columns_only_for_the_maps_there_are(run, spatial, read, group, new_folder):
    found = spatial(n_perm=30, tfce=True)
    labels_file = new_folder() / 'labels.nii.gz'
    image = nib.load(found.tfce_file)
    nib.save(nib.Nifti1Image(group.mask.astype(np.int32), image.affine), labels_file)
    table = TableClusters(
        in_file=found.tfce_file, labels_file=str(labels_file), p_tfce_file=found.tfce_p_fwe_file
    )
    columns = pd.read_csv(run(table).clusters_file, sep='\t').columns
    assert [name for name in columns if name.startswith('p_')] == ['p_tfce']


# What cannot be done is refused, and nothing is left in the folder.


@pytest.mark.parametrize(
    ('inputs', 'words'),
    [
        ({}, ['No spatial statistic is asked for', 'cluster-forming threshold', 'TFCE']),
        (
            {'cluster_threshold': 3.1, 'cluster_threshold_unit': 'p'},
            ['out of range', '3.1 in units of p', 'between 0 and 1'],
        ),
        ({'cluster_threshold': 0.0}, ['out of range', '0 in units of z', 'above 0']),
        (
            {'cluster_threshold': -2.0, 'cluster_threshold_unit': 'stat'},
            ['out of range', '-2 in units of stat'],
        ),
        # Half of the map is above: t is 0 there.
        (
            {'cluster_threshold': 0.5, 'cluster_threshold_unit': 'p'},
            ['Clusters cannot be formed', 'above 0'],
        ),
        ({'tfce': True, 'tfce_e': -1.0}, ['exponents of TFCE are out of range', 'E = -1']),
    ],
)
def test_requests_that_mean_nothing(refuse, spatial, inputs, words):
    files = spatial(n_perm=30, tfce=True).files
    refuse(PermuteSpatial(**files, **inputs), InputError, *words)


def test_an_unknown_unit():
    with pytest.raises(Exception, match=r'cluster_threshold_unit.*must be') as error:
        PermuteSpatial(cluster_threshold=3.0, cluster_threshold_unit='mm')
    assert 'TraitError' in type(error.value).__name__


@pytest.mark.parametrize(
    ('other', 'words'),
    [
        ('two samples', ['8 observations in the schedule', '6, the rows of the design']),
        ('three groups', ['other groups of equal rows', 'Draw the schedule again']),
    ],
)
def test_schedule_of_another_design(refuse, spatial, other, words):
    files = spatial(n_perm=30, tfce=True).files
    other = spatial(other, n_perm=30, tfce=True).files['schedule_file']
    interface = PermuteSpatial(tfce=True, **{**files, 'schedule_file': other})
    refuse(interface, ScheduleError, 'schedule does not fit the design', *words)


@pytest.mark.parametrize('chunk', [-1, 3])
def test_no_such_chunk(refuse, spatial, chunk):
    files = spatial(n_perm=30, tfce=True).files
    interface = PermuteSpatial(tfce=True, chunk=chunk, n_chunks=3, **files)
    refuse(interface, ScheduleError, 'no such chunk', f'chunk {chunk} of 3')


def test_missing_values_are_refused_by_name(refuse, spatial, group):
    files = spatial(n_perm=30, tfce=True).files
    spoil(group.in_files[3], np.s_[6, 7], np.nan)
    words = ['of 6 maps', f'most in {group.in_files[3]}', "missing='drop_voxel'"]
    refuse(PermuteSpatial(tfce=True, **files), MissingDataError, *words)


@pytest.mark.parametrize(
    ('first', 'second', 'words'),
    [
        # Far above whatever there is: no observed map differs.
        ({'cluster_threshold': 40.0}, {'cluster_threshold': 41.0}, ['threshold']),
        ({'cluster_threshold': 40.0}, {'cluster_threshold': 40.0, 'connectivity': 6}, ['pairs']),
    ],
)
def test_chunks_that_measured_other_things(refuse, spatial, first, second, words):
    units = {'cluster_threshold_unit': 'stat', 'n_perm': 30, 'n_chunks': 2}
    first, second = (spatial(**inputs, **units) for inputs in (first, second))
    merge = MergeSpatial(chunk_files=[first.chunks[0], second.chunks[1]], **first.merge)
    refuse(merge, ScheduleError, 'did not measure the same', *words)


def test_chunks_that_do_not_belong_together(refuse, run, spatial, group):
    found = spatial(n_perm=30, n_chunks=3, **BOTH)
    refuse(
        MergeSpatial(chunk_files=found.chunks[1:], **found.merge), ScheduleError, 'do not add up'
    )
    side = {**found.merge, 'sidedness': 'positive'}
    refuse(
        MergeSpatial(chunk_files=found.chunks, **side), ScheduleError, 'computed for another side'
    )
    voxelwise = run(Permute(**found.files)).chunk_file
    words = ['does not hold a SpatialChunk', 'expected', 'maxima']
    refuse(MergeSpatial(chunk_files=[voxelwise], **found.merge), InputError, voxelwise, *words)
