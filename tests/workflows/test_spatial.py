"""Clusters, TFCE and exchangeability blocks within the whole analysis."""

import json
import os
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from nistats_nipype.workflows import init_contrast_wf, init_second_level_wf

SPATIAL = {'cluster_forming_z': 1.5, 'tfce': True}
CORRECTIONS = ('extentFWE', 'massFWE', 'tfceFWE')


def analyse(build, folder, group, blocks_file=None, **inputs):
    """Run an analysis in a folder, and leave its results in a folder beside."""
    workflow = build(
        folder / 'work',
        group,
        mask_file=group.mask_file,
        contrasts={'mean': 'intercept'},
        n_perm=30,
        out_dir=folder / 'results',
        **inputs,
    )
    if blocks_file is not None:
        workflow.inputs.inputnode.blocks_file = str(blocks_file)
    workflow.run('Linear')
    return folder / 'results'


@pytest.fixture(scope='module')
def small(simulated, tmp_path_factory):
    """The simulated group in a mask of one hemisphere's middle."""
    image = nib.load(simulated.mask_file)
    mask = np.asarray(image.dataobj) > 0
    mask[: mask.shape[0] // 2] = False
    path = tmp_path_factory.mktemp('small') / 'mask.nii.gz'
    nib.save(nib.Nifti1Image(mask.astype(np.uint8), image.affine), path)
    return simulated._replace(mask_file=str(path))


@pytest.fixture(scope='module')
def plain(build, small, tmp_path_factory):
    """Results without spatial statistics; the work folder stays as it was left."""
    folder = tmp_path_factory.mktemp('plain')
    analyse(build, folder, small)
    return folder


@pytest.fixture(scope='module')
def finished(build, small, tmp_path_factory):
    """Results with all of them, in one chunk; not to be written to."""
    return analyse(build, tmp_path_factory.mktemp('finished'), small, **SPATIAL)


def names(folder):
    return {str(path.relative_to(folder)) for path in Path(folder).rglob('*') if path.is_file()}


def read_json(folder, name):
    return json.loads((folder / f'contrast-mean_{name}.json').read_text())


def test_names_of_the_results(plain, finished):
    expected = {'stat-tfce_statmap', 'stat-p_desc-tfce_statmap'}
    for desc in CORRECTIONS:
        expected |= {f'stat-{stat}_desc-{desc}_statmap' for stat in ('p', 'logp')}
        expected |= {f'stat-z_desc-{desc}Threshold_statmap'}
    files = {f'contrast-mean_{name}.{kind}' for name in expected for kind in ('nii.gz', 'json')}
    tables = {f'desc-{desc}Threshold_clusters' for desc in CORRECTIONS} | {'desc-spatialFWE_null'}
    files |= {f'contrast-mean_{name}.{kind}' for name in tables for kind in ('tsv', 'json')}
    files |= {f'figures/contrast-mean_desc-{desc}Threshold_glass.png' for desc in CORRECTIONS}
    assert names(finished) - names(plain / 'results') == files
    assert names(plain / 'results') < names(finished)


def test_voxelwise_results_are_those_without(plain, finished, digests):
    """But for the report, the answer, and the tables, which gain columns."""
    with_spatial, without = digests(finished), digests(plain / 'results')
    different = {name for name in without if with_spatial[name] != without[name]}
    assert different == {
        'report.html',
        'contrast-mean_summary.json',
        'contrast-mean_desc-uncorrectedThreshold_clusters.tsv',
        'contrast-mean_desc-voxelFWEThreshold_clusters.tsv',
    }


def test_what_passes_is_what_the_p_map_says(finished):
    z = nib.load(finished / 'contrast-mean_stat-z_statmap.nii.gz').get_fdata()
    for desc in CORRECTIONS:
        p, logp, kept = (
            nib.load(finished / f'contrast-mean_stat-{name}_statmap.nii.gz').get_fdata()
            for name in (f'p_desc-{desc}', f'logp_desc-{desc}', f'z_desc-{desc}Threshold')
        )
        np.testing.assert_array_equal(kept != 0, p <= 0.05)
        np.testing.assert_array_equal(kept[kept != 0], z[kept != 0])
        np.testing.assert_allclose(logp, -np.log10(p), atol=1e-6)
        assert (kept != 0).any()
        header = (finished / f'contrast-mean_desc-{desc}Threshold_clusters.tsv').read_text()
        columns = header.splitlines()[0].split('\t')
        assert columns[-4:] == ['p_fwe', 'p_extent', 'p_mass', 'p_tfce']


def test_sidecars_say_how(finished):
    expected = {
        'ClusterFormingThreshold': {'Given': 1.5, 'GivenAs': 'z'},
        'TFCE': {'E': 0.5, 'H': 2.0},
        'Connectivity': 26,
        'Sidedness': 'two-sided',
        'NumberOfRelabellings': 31,
        'Seed': 0,
        'ExchangeabilityBlocks': None,
    }
    for desc in CORRECTIONS:
        for name in (f'stat-p_desc-{desc}_statmap', f'stat-z_desc-{desc}Threshold_statmap'):
            sidecar = read_json(finished, name)
            threshold = sidecar['ClusterFormingThreshold']
            assert threshold.pop('Statistic') > 1.5
            assert {key: sidecar[key] for key in expected} == expected
    threshold = read_json(finished, 'stat-z_desc-tfceFWEThreshold_statmap')
    assert (threshold['Method'], threshold['Alpha']) == ('fwe', 0.05)
    voxelwise = read_json(finished, 'stat-p_desc-voxelFWE_statmap')
    assert 'TFCE' not in voxelwise


def test_the_number_of_chunks_changes_no_file(build, small, finished, tmp_path, digests):
    results = analyse(build, tmp_path, small, n_chunks=3, **SPATIAL)
    mapflow = list((tmp_path / 'work').rglob('spatial_wf/permute_spatial/mapflow/*'))
    assert len(mapflow) == 3
    expected = digests(finished)
    assert len(expected) > 60
    assert digests(results) == expected


def times(folder):
    """When each node last computed, by its name."""
    root = folder / 'work' / 'second_level_wf'
    return {
        str(path.parent.relative_to(root)).replace(os.sep, '.'): path.stat().st_mtime_ns
        for path in root.rglob('result_*.pklz')
    }


def test_adding_tfce_computes_nothing_again(build, small, plain, finished):
    """Neither the fit nor the voxelwise permutations; the schedule is shared."""
    before = times(plain)
    results = analyse(build, plain, small, tfce=True)
    after = times(plain)
    again = {name for name, time in after.items() if before.get(name) not in (None, time)}
    new = set(after) - set(before)
    contrast = 'contrast_mean_wf.'
    assert {f'{contrast}spatial_wf.permute_spatial', f'{contrast}spatial_wf.merge_spatial'} <= new
    assert {name.removeprefix(contrast) for name in again} <= {
        'summarize_contrast',
        'list_figures',
        'list_sections',
        'table_uncorrected',  # p_tfce is a new column
        'table_fwe',
        'list_tables',
        'plot_peaks',
        'make_report',
        'ds_contrast',
        'ds_group',
    }
    assert f'{contrast}permutation_wf.draw_schedule' in before
    name = 'contrast-mean_stat-p_desc-tfceFWE_statmap.nii.gz'
    assert (results / name).read_bytes() == (finished / name).read_bytes()


@pytest.fixture(scope='module')
def blocked(build, small, tmp_path_factory):
    """Pairs of subjects flipped as wholes: 2 ** 4 relabellings, so that no p is below 1 / 8."""
    folder = tmp_path_factory.mktemp('blocked')
    blocks_file = folder / 'blocks.csv'
    rows = [f'1,-{row // 2 + 1},{row + 1}' for row in range(8)]
    blocks_file.write_text('\n'.join(rows))
    return analyse(build, folder, small, blocks_file, tfce=True, alpha_fwe=0.2)


def test_blocks_reach_every_permutation(blocked, small):
    expected = [[1, -(row // 2) - 1, row + 1] for row in range(8)]
    for desc in ('voxelFWE', 'tfceFWE'):
        sidecar = read_json(blocked, f'stat-p_desc-{desc}_statmap')
        assert sidecar['ExchangeabilityBlocks'] == expected
        assert sidecar['NumberOfRelabellings'] == 16
        assert sidecar['NumberOfPossibleRelabellings'] == '16'
    assert (blocked / 'contrast-mean_desc-voxelFWE_null.tsv').read_text().count('\n') == 17
    # A sign of two subjects at a time: p by hand, for the largest t.
    mask = np.asarray(nib.load(small.mask_file).dataobj) > 0
    y = np.array([nib.load(path).get_fdata()[mask] for path in small.effect_files])
    signs = np.repeat(np.indices((2,) * 4).reshape(4, -1).T * 2 - 1, 2, axis=1)[:, :, None]
    means, squares = (signs * y).mean(axis=1), (y**2).sum(axis=0)
    maxima = np.abs(means / np.sqrt(squares - 8 * means**2)).max(axis=1)
    p = nib.load(blocked / 'contrast-mean_stat-p_desc-voxelFWE_statmap.nii.gz').get_fdata()
    # The last pattern is without flips.
    assert p.min() == (maxima >= maxima[-1] * (1 - 1e-9)).mean()


def test_blocks_are_optional(finished, blocked):
    one, other = (
        (folder / 'contrast-mean_stat-t_statmap.nii.gz').read_bytes()
        for folder in (finished, blocked)
    )
    assert one == other
    p = [
        (folder / 'contrast-mean_stat-p_desc-voxelFWE_statmap.nii.gz').read_bytes()
        for folder in (finished, blocked)
    ]
    assert p[0] != p[1]


def spatial_nodes(workflow):
    words = ('spatial', 'tfce', 'extent', 'mass')
    return {name for name in workflow.list_node_names() if any(word in name for word in words)}


def test_nodes_are_there_when_asked_for():
    assert not spatial_nodes(init_second_level_wf(out_dir='results'))
    # Without permutations there is nothing to compare with.
    assert not spatial_nodes(init_second_level_wf(n_perm=0, out_dir='results', **SPATIAL))
    steps = ('threshold', 'table', 'plot')
    nodes = {'inputnode', 'outputnode', 'permute_spatial', 'merge_spatial'}
    wf = {f'spatial_wf.{name}' for name in nodes}
    for inputs, labels in (
        ({'tfce': True}, ['tfce']),
        ({'cluster_forming_z': 3.1}, ['extent', 'mass']),
        (SPATIAL, ['extent', 'mass', 'tfce']),
    ):
        workflow = init_contrast_wf(contrast_name='a', definition='a', **inputs)
        expected = wf | {f'{step}_{label}' for step in steps for label in labels}
        assert spatial_nodes(workflow) == expected


def test_parameters_arrive():
    workflow = init_second_level_wf(
        n_chunks=3, omp_nthreads=4, sidedness='negative', connectivity=6, missing='per_voxel',
        alpha_fwe=0.02, cluster_threshold=4, **SPATIAL,
    )  # fmt: skip
    contrast = workflow.get_node('contrast_mean_wf')
    permute = contrast.get_node('spatial_wf.permute_spatial')
    assert permute.n_procs == permute.interface.inputs.num_threads == 4
    assert permute.inputs.chunk == [0, 1, 2]
    expected = {
        'spatial_wf.permute_spatial': {
            'n_chunks': 3,
            'sidedness': 'negative',
            'missing': 'per_voxel',
            'connectivity': 6,
            'cluster_threshold': 1.5,
            'cluster_threshold_unit': 'z',
            'tfce': True,
        },
        'spatial_wf.merge_spatial': {'sidedness': 'negative'},
    }
    for label in ('extent', 'mass', 'tfce'):
        expected[f'threshold_{label}'] = {
            'method': 'fwe',
            'alpha': 0.02,
            'sidedness': 'negative',
            'cluster_threshold': 4,
            'connectivity': 6,
        }
    for name, values in expected.items():
        inputs = contrast.get_node(name).inputs.get_traitsfree()
        assert {key: inputs[key] for key in values} == values
