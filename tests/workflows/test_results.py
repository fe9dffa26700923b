"""What the workflow computes: against nilearn, enumeration and a published result."""

import itertools
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from nilearn.glm.second_level import SecondLevelModel
from scipy import linalg, stats

from nistats_nipype.interfaces import BuildDesign, DefineContrast, Threshold
from nistats_nipype.workflows import init_permutation_wf

FORMULA = 'group + age'
#: Name -> formula, definition, weights for nilearn.
CONTRASTS = {
    'mean': (None, 'intercept', [1]),
    'group': (FORMULA, 'group[T.patient]', [0, 1, 0]),
    'older': (FORMULA, '-0.5 * age', [0, 0, -0.5]),
    'any': (FORMULA, ['group[T.patient]', 'age'], [[0, 1, 0], [0, 0, 1]]),
    'combined': (FORMULA, ['intercept + 45 * age', 'age', 'group[T.patient]'],
                 [[1, 0, 45], [0, 0, 1], [0, 1, 0]]),
}  # fmt: skip


@pytest.fixture(scope='module')
def graphs(simulated, build, drop_nodes, tmp_path_factory):
    """Run the workflow for each formula."""
    result = {}
    for formula in (None, FORMULA):
        contrasts = {
            name: definition
            for name, (each, definition, _) in CONTRASTS.items()
            if each == formula
        }
        inputs = {} if formula is None else {'formula': formula}
        workflow = build(
            tmp_path_factory.mktemp('work'), simulated, contrasts=contrasts, n_chunks=2, **inputs
        )
        drop_nodes(workflow, 'plot_', 'list_', 'summarize_', 'make_report')
        result[formula] = workflow.run('Linear')
    return result


@pytest.fixture(scope='module')
def models(simulated, graphs, outputs):
    """Fit nilearn's model on the same mask, with a design that is written here."""
    table = pd.read_csv(simulated.participants_file, sep='\t')
    ones = np.ones(8)
    designs = {
        None: pd.DataFrame({'intercept': ones}),
        FORMULA: pd.DataFrame(
            {'intercept': ones, 'patient': table['group'] == 'patient', 'age': table['age']}
        ).astype(float),
    }
    return {
        formula: SecondLevelModel(
            mask_img=outputs(graph, 'prepare_wf.compute_mask').mask_file
        ).fit(simulated.effect_files, design_matrix=designs[formula])
        for formula, graph in graphs.items()
    }


def load(image, mask_file):
    image = nib.load(image) if isinstance(image, str) else image
    mask = np.asarray(nib.load(mask_file).dataobj) > 0
    return image.get_fdata()[mask]


@pytest.mark.parametrize('name', CONTRASTS)
def test_maps_are_nilearns(graphs, models, outputs, name):
    formula, _, weights = CONTRASTS[name]
    graph = graphs[formula]
    mask_file = outputs(graph, 'prepare_wf.compute_mask').mask_file
    ours = outputs(graph, f'contrast_{name}_wf.compute_contrast')
    weights = np.atleast_2d(np.array(weights, dtype=float))
    is_t = len(weights) == 1
    theirs = models[formula].compute_contrast(
        weights[0] if is_t else weights,
        second_level_stat_type='t' if is_t else 'F',
        output_type='all',
    )
    assert load(ours.stat_file, mask_file).size > 3000
    np.testing.assert_allclose(
        load(ours.z_file, mask_file), load(theirs['z_score'], mask_file), rtol=0, atol=1e-4
    )
    np.testing.assert_allclose(
        load(ours.stat_file, mask_file), load(theirs['stat'], mask_file), rtol=1e-5, atol=1e-6
    )
    effect = load(ours.effect_file, mask_file)
    scale = np.abs(effect).max()
    if is_t:
        p = load(theirs['p_value'], mask_file)  # of the upper tail
        p = 2 * np.minimum(p, 1 - p)
        np.testing.assert_allclose(load(ours.p_file, mask_file), p, rtol=1e-3, atol=1e-6)
        variance = load(theirs['effect_variance'], mask_file)
        np.testing.assert_allclose(load(ours.variance_file, mask_file), variance, rtol=1e-5)
    else:
        # nilearn's effect of an F contrast is not C b but W C b, where W whitens it:
        # W = (C (X'X)^-1 C')^(-1/2), so that F is its sum of squares over rank times the residual
        # variance. Ours is C b, in the units of the data, with the variance of each row.
        X = models[formula].design_matrix_.to_numpy()
        covariance = weights @ np.linalg.inv(X.T @ X) @ weights.T
        effect = effect @ linalg.sqrtm(np.linalg.inv(covariance)).T
        scale = np.abs(effect).max()
    np.testing.assert_allclose(
        effect, load(theirs['effect_size'], mask_file), rtol=1e-5, atol=1e-6 * scale
    )


@pytest.mark.slow
def test_one_file_of_all_maps_gives_the_same_results(simulated, build, digests, tmp_path):
    images = [nib.load(path) for path in simulated.effect_files]
    data = np.stack([image.get_fdata(dtype=np.float32) for image in images], axis=-1)
    nib.save(nib.Nifti1Image(data, images[0].affine), tmp_path / 'all.nii.gz')
    results = {}
    for name, in_files in {'list': None, 'one': [str(tmp_path / 'all.nii.gz')]}.items():
        out_dir = tmp_path / name
        build(tmp_path / f'work-{name}', simulated, in_files=in_files, out_dir=out_dir).run()
        results[name] = digests(out_dir)
    maps = {name for name in results['list'] if name.endswith('statmap.nii.gz')}
    assert len(maps) > 5
    assert {name: results['one'][name] for name in maps} == {
        name: results['list'][name] for name in maps
    }
    assert set(results['one']) == set(results['list'])


def test_rows_of_an_f_are_its_t(graphs, outputs):
    """Each volume of the 4D effect and variance of F is the map of the row's own t contrast."""
    graph = graphs[FORMULA]
    f = outputs(graph, 'contrast_any_wf.compute_contrast')
    t = outputs(graph, 'contrast_group_wf.compute_contrast')
    for name in ('effect_file', 'variance_file'):
        whole = nib.load(getattr(f, name)).get_fdata()
        assert whole.shape[3:] == (2,)
        np.testing.assert_array_equal(whole[..., 0], nib.load(getattr(t, name)).get_fdata())
    older = nib.load(outputs(graph, 'contrast_older_wf.compute_contrast').effect_file).get_fdata()
    effect = nib.load(f.effect_file).get_fdata()
    np.testing.assert_allclose(-0.5 * effect[..., 1], older, rtol=1e-6)


@pytest.mark.parametrize('name', CONTRASTS)
def test_observed_statistic_is_the_parametric_one(graphs, outputs, name):
    graph = graphs[CONTRASTS[name][0]]
    parametric = outputs(graph, f'contrast_{name}_wf.compute_contrast').stat_file
    merged = outputs(graph, f'contrast_{name}_wf.permutation_wf.merge_permutations')
    assert Path(merged.stat_file).read_bytes() == Path(parametric).read_bytes()


def test_permutation_workflow_enumerates(simulated, tmp_path, outputs, run_interface):
    """Corrected p of every sign flip of six maps, by SciPy."""
    in_files = simulated.effect_files[:6]
    design_file = run_interface(BuildDesign(in_files=in_files)).design_file
    define = DefineContrast(design_file=design_file, name='x', definition='intercept')
    workflow = init_permutation_wf(n_perm=100, n_chunks=3)
    workflow.base_dir = str(tmp_path)
    workflow.inputs.inputnode.trait_set(
        in_files=in_files,
        mask_file=simulated.mask_file,
        design_file=design_file,
        contrast_file=run_interface(define).contrast_file,
    )
    merged = outputs(workflow.run('Linear'), 'merge_permutations')
    y = np.array([load(path, simulated.mask_file) for path in in_files])
    t = np.array(
        [
            stats.ttest_1samp(y * np.array(signs)[:, None], 0).statistic
            for signs in itertools.product((1, -1), repeat=6)
        ]
    )
    maxima = np.abs(t).max(axis=1)
    reach = np.abs(t[0]) * (1 - 1e-9)
    p_fwe = (maxima[:, None] >= reach).mean(axis=0)
    assert len(set(p_fwe)) > 3
    np.testing.assert_array_equal(load(merged.p_fwe_file, simulated.mask_file), p_fwe)
    p = (np.abs(t) >= reach).mean(axis=0)
    np.testing.assert_array_equal(load(merged.p_uncorrected_file, simulated.mask_file), p)


def test_published_result_on_real_maps(data_dir, build, tmp_path, outputs, run_interface):
    """The 30 maps of Wager et al. (2008), NaN left out voxel by voxel.

    Published: 2,502 voxels above 0 and 37 below at Benjamini-Hochberg q < .05 (we have 2,503,
    because a voxel whose p equals the threshold passes), in 27 clusters of which 9 have 10 voxels.
    A NaN marks what is missing in these maps, and there is no 0, so that 0 is taken as a value.
    """
    folder = data_dir / 'wager2008'
    mask_file = str(folder / 'mask.nii.gz')
    workflow = build(
        tmp_path / 'work',
        None,
        in_files=sorted(map(str, folder.glob('con_*.img'))),
        mask_file=mask_file,
        missing='per_voxel',
        zero_is_missing=False,
        n_perm=0,
        out_dir=tmp_path / 'results',
    )
    graph = workflow.run('Linear')
    sunk = tmp_path / 'results' / 'contrast-mean_stat-z_statmap.nii.gz'
    z_file = outputs(graph, 'contrast_mean_wf.compute_contrast').z_file
    assert sunk.read_bytes() == Path(z_file).read_bytes()
    for k, n_clusters in ((0, 27), (10, 9)):
        found = run_interface(
            Threshold(
                in_file=str(sunk),
                mask_file=mask_file,
                method='fdr',
                alpha=0.05,
                connectivity=18,
                cluster_threshold=k,
            )
        )
        sizes = np.bincount(np.asarray(nib.load(found.labels_file).dataobj).ravel())[1:]
        assert (len(sizes), sizes.max()) == (n_clusters, 1473)
        z = load(found.thresholded_file, mask_file)
        if not k:
            assert ((z > 0).sum(), (z < 0).sum()) == (2503, 37)
            threshold = 2 * stats.norm.sf(np.abs(z[z != 0]).min())
            assert threshold == pytest.approx(0.002549, abs=1e-6)


def test_holes_reach_the_permutations_as_they_should(tmp_path, build, group, outputs):
    """The fit uses what is there, and so do relabellings."""
    voxels = np.argwhere(np.asarray(nib.load(group.mask_file).dataobj) > 0)[::50]
    image = nib.load(group.effect_files[3])
    data = image.get_fdata(dtype=np.float32)
    data[tuple(voxels.T)] = np.nan
    nib.save(nib.Nifti1Image(data, image.affine), group.effect_files[3])
    workflow = build(
        tmp_path / 'work', group, mask_file=group.mask_file, missing='per_voxel', n_perm=255
    )
    graph = workflow.run('Linear')
    merged = outputs(graph, 'contrast_mean_wf.permutation_wf.merge_permutations')
    parametric = outputs(graph, 'contrast_mean_wf.compute_contrast')
    t = nib.load(parametric.stat_file).get_fdata()
    assert np.isfinite(t).all()
    np.testing.assert_array_equal(nib.load(merged.stat_file).get_fdata(), t)
    y = np.array([nib.load(path).get_fdata()[tuple(voxels.T)] for path in group.effect_files])
    expected = stats.ttest_1samp(np.delete(y, 3, axis=0), 0).statistic
    np.testing.assert_allclose(t[tuple(voxels.T)], expected, rtol=1e-5)
    report = Path(outputs(graph, 'make_report').report_file).read_text()
    assert 'compared on the z of the parametric p' in report
    # All sign flips of the seven maps that these voxels have, each twice.
    signs = np.array(list(itertools.product([1.0, -1.0], repeat=7)))
    y = np.delete(y, 3, axis=0)
    flipped = stats.ttest_1samp(signs[:, :, None] * y, 0, axis=1).statistic
    counted = (np.abs(flipped) >= np.abs(expected) - 1e-9).mean(axis=0)
    p = nib.load(merged.p_uncorrected_file).get_fdata()[tuple(voxels.T)]
    np.testing.assert_allclose(p, counted, rtol=1e-6)
