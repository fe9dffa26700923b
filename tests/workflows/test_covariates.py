"""Voxelwise covariates in the whole analysis, against fits of single voxels."""

import itertools
import json
from pathlib import Path
from typing import NamedTuple

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy import ndimage

from nistats_nipype.exceptions import DesignError, InputError
from nistats_nipype.workflows import init_second_level_wf

SHAPE = (5, 5, 4)
AFFINE = np.diag([10.0, 10.0, 10.0, 1.0])
N = 6


class Group(NamedTuple):
    """Six small maps, a covariate with a map for each, and a table."""

    effect_files: list
    covariate_files: list
    participants_file: str
    mask_file: str
    data: np.ndarray
    covariate: np.ndarray
    age: np.ndarray


def save(data, path):
    nib.save(nib.Nifti1Image(np.asarray(data, dtype=np.float32), AFFINE), path)
    return str(path)


def read(path):
    return np.asarray(nib.load(path).dataobj).reshape(-1)


def read_json(path):
    return json.loads(Path(path).read_text())


@pytest.fixture(scope='module')
def six(tmp_path_factory):
    folder = tmp_path_factory.mktemp('six')
    rng = np.random.default_rng(11)
    covariate = (rng.standard_normal((N, *SHAPE)) + 3.0).astype(np.float32)
    data = (rng.standard_normal((N, *SHAPE)) + 0.5 * covariate).astype(np.float32)
    names = [f'sub-{number:02d}' for number in range(1, N + 1)]
    maps = [
        save(each, folder / f'{name}_effect.nii.gz')
        for name, each in zip(names, data, strict=True)
    ]
    grey = [
        save(each, folder / f'{name}_gm.nii.gz')
        for name, each in zip(names, covariate, strict=True)
    ]
    age = np.array([23.0, 31.0, 44.0, 27.0, 52.0, 39.0])
    table = pd.DataFrame({'participant_id': names, 'age': age})
    table.to_csv(folder / 'participants.tsv', sep='\t', index=False)
    mask = save(np.ones(SHAPE), folder / 'mask.nii.gz')
    flat = (each.reshape(N, -1).astype(np.float64) for each in (data, covariate))
    return Group(maps, grey, str(folder / 'participants.tsv'), mask, *flat, age)


@pytest.fixture(scope='module')
def start(build, six):
    """Build the workflow with the covariate; every other argument is the factory's."""

    def start(work, covariate_files=None, **inputs):
        asked = {'covariates': ['grey'], 'alpha_fwe': 0.1, 'mask_file': six.mask_file, **inputs}
        workflow = build(work, six, **asked)
        files = [six.covariate_files] if covariate_files is None else covariate_files
        workflow.inputs.inputnode.covariate_files = files
        return workflow

    return start


@pytest.fixture(scope='module')
def finished(start, tmp_path_factory):
    """The group beside age and the covariate, with all permutations: results, graph, folder."""
    folder = tmp_path_factory.mktemp('finished')
    workflow = start(
        folder / 'work',
        formula='age + center(grey)',
        contrasts={'grey': 'center(grey)', 'age': 'age', 'both': ['F(age)', 'F(center(grey))']},
        n_perm=719,
        tail='gpd',
        tfce=True,
        cluster_forming_z=1.0,
        out_dir=folder / 'results',
    )
    workflow.run('Linear')
    return folder


def designs(group):
    """Design at every voxel: intercept, age, centred covariate."""
    for x in group.covariate.T:
        yield np.column_stack([np.ones(N), group.age, x - x.mean()])


def test_maps_are_those_of_statsmodels(finished, six):
    results = finished / 'results'
    weights = {'grey': [0, 0, 1], 'age': [0, 1, 0], 'both': [[0, 1, 0], [0, 0, 1]]}
    for name, row in weights.items():
        kind = 'F' if name == 'both' else 't'
        expected = []
        for y, design in zip(six.data.T, designs(six), strict=True):
            fitted = sm.OLS(y, design).fit()
            test = fitted.f_test(row) if kind == 'F' else fitted.t_test(row)
            expected.append(float(test.fvalue if kind == 'F' else test.tvalue.item()))
        found = read(results / f'contrast-{name}_stat-{kind}_statmap.nii.gz')
        np.testing.assert_allclose(found, expected, rtol=2e-4, atol=1e-5)


@pytest.mark.parametrize('name', ['grey', 'age'])
def test_p_are_those_of_all_permutations(finished, six, name):
    """Freedman and Lane at every voxel, one permutation after the other."""
    tested = {'age': 1, 'grey': 2}[name]
    orders = np.array(list(itertools.permutations(range(N))))
    t = np.empty((len(orders), SHAPE[0] * SHAPE[1] * SHAPE[2]))
    for v, design in enumerate(designs(six)):
        nuisance = np.delete(design, tested, axis=1)
        residuals = six.data[:, v] - nuisance @ np.linalg.lstsq(nuisance, six.data[:, v])[0]
        data = residuals[orders].T
        beta, *_ = np.linalg.lstsq(design, data)
        variance = ((data - design @ beta) ** 2).sum(axis=0) / (N - 3)
        t[:, v] = beta[tested] / np.sqrt(
            variance * np.linalg.inv(design.T @ design)[tested, tested]
        )
    size = np.abs(t)
    limits = size[0] * (1 - 1e-5)
    results = finished / 'results'
    found = read(results / f'contrast-{name}_stat-p_desc-permutation_statmap.nii.gz')
    np.testing.assert_allclose(found, (size >= limits).mean(axis=0), rtol=1e-5)
    found = read(results / f'contrast-{name}_stat-p_desc-voxelFWE_statmap.nii.gz')
    largest = size.max(axis=1)
    np.testing.assert_allclose(found, (largest[:, None] >= limits).mean(axis=0), rtol=1e-5)
    null = pd.read_csv(results / f'contrast-{name}_desc-voxelFWE_null.tsv', sep='\t')
    np.testing.assert_allclose(np.sort(null['max_abs_t']), np.sort(largest), rtol=1e-4)


def test_everything_names_the_covariate(finished, six):
    results = finished / 'results'
    column = 'center(grey)[voxelwise]'
    design = pd.read_csv(results / 'design.tsv', sep='\t')
    assert list(design) == ['intercept', 'age', column]
    centred = six.covariate - six.covariate.mean(axis=0)
    np.testing.assert_allclose(design[column], centred.mean(axis=1), atol=1e-6)
    about = read_json(results / 'design.json')
    assert about['Formula'] == 'age + center(grey)'
    assert about['Terms']['center(grey)']['Columns'] == [column]
    maps = pd.read_csv(results / 'maps.tsv', sep='\t')
    assert maps['grey_file'].tolist() == six.covariate_files
    for kind in ('p_desc-voxelFWE', 'p_desc-tfceFWE', 'p_desc-extentFWE'):
        about = read_json(results / f'contrast-grey_stat-{kind}_statmap.json')
        assert about['ContrastFormula'] == column
        assert about['VoxelwiseCovariates'] == [column]
    # All relabellings were used, so that nothing is left for a tail to fit.
    assert about['NumberOfRelabellings'] == 720
    page = (results / 'report.html').read_text()
    assert 'for the voxelwise covariate center(grey) (Casanova et al. 2007' in page
    assert 'whose maps were not smoothed.' in page
    assert 'Effect of interest and nuisance were separated at every voxel.' in page
    findings = pd.read_csv(results / 'findings.tsv', sep='\t')
    assert 'voxelwise-covariate' in findings['code'].tolist()
    assert 'not-centred' not in findings['code'].tolist()


@pytest.mark.slow
def test_chunks_change_no_bit_and_a_second_run_computes_nothing(start, six, tmp_path, digests):
    """With a voxel where the covariate is the same for all, so that there is no result."""
    covariate = six.covariate.reshape(N, *SHAPE).copy()
    covariate[:, 2, 2, 2] = 1.5
    names = [tmp_path / Path(path).name for path in six.covariate_files]
    files = [save(each, name) for each, name in zip(covariate, names, strict=True)]
    asked = {
        'covariate_files': [files],
        'formula': 'age + grey',
        'contrasts': {'grey': 'grey', 'age': 'age'},
        'n_perm': 60,
        'tfce': True,
        'cluster_forming_z': 1.0,
        'correct_contrasts': True,
    }
    several = {'plugin': 'MultiProc', 'plugin_args': {'n_procs': 2}}
    for n_chunks, how in ((1, {}), (3, several)):
        work, out_dir = (tmp_path / f'{name}-{n_chunks}' for name in ('work', 'results'))
        start(work, n_chunks=n_chunks, out_dir=out_dir, **asked).run(**how)
    found = digests(tmp_path / 'results-3')
    assert found == digests(tmp_path / 'results-1')
    results = tmp_path / 'results-3'
    assert read_json(results / 'design.json')['NumberOfVoxelsWithCollinearCovariates'] == 1
    assert 'no result at 1 voxel where a covariate' in (results / 'report.html').read_text()
    flat = np.ravel_multi_index((2, 2, 2), SHAPE)
    for name in ('t', 'tfce', 'p_desc-tfceFWE', 'p_desc-voxelFWE', 'p_desc-voxelContrastsFWE'):
        values = read(results / f'contrast-grey_stat-{name}_statmap.nii.gz')
        assert np.flatnonzero(np.isnan(values)).tolist() == [flat]
    stored = {
        path: path.stat().st_mtime_ns
        for path in (tmp_path / 'work-3').rglob('result_*.pklz')
        if 'ds_' not in path.name
    }
    start(tmp_path / 'work-3', n_chunks=3, out_dir=tmp_path / 'results-3', **asked).run()
    assert {path: path.stat().st_mtime_ns for path in stored} == stored
    assert digests(tmp_path / 'results-3') == found


def test_two_covariates_one_of_them_4d_smoothed_in_a_common_mask(
    start, six, tmp_path, drop_nodes, outputs
):
    """Without a formula they stand beside the intercept; zeros are outside the mask."""
    rng = np.random.default_rng(5)
    other = rng.uniform(1.0, 2.0, (N, *SHAPE)).astype(np.float32)
    other[3, 0, 0, 0] = 0.0
    other[:, 4, 4, 3] = np.nan
    stacked = save(np.moveaxis(other, 0, -1), tmp_path / 'all.nii.gz')
    workflow = start(
        tmp_path / 'work',
        [six.covariate_files, stacked],
        covariates=['grey', 'thick'],
        covariate_fwhm_mm=20.0,
        mask_file=None,
        contrasts={'mean': 'intercept', 'thick': 'thick - grey'},
        n_perm=0,
    )
    drop_nodes(workflow, 'plot', 'view', 'make_report', 'summarize', 'table', 'threshold', 'ds_')
    graph = workflow.run('Linear')
    mask = np.asarray(nib.load(outputs(graph, 'prepare_wf.compute_mask').mask_file).dataobj) > 0
    expected = np.ones(SHAPE, dtype=bool)
    expected[0, 0, 0] = expected[4, 4, 3] = False
    np.testing.assert_array_equal(mask, expected)
    # Within the mask only, as maps are smoothed.
    sigma = 2.0 / np.sqrt(8 * np.log(2))
    weights = ndimage.gaussian_filter(mask.astype(float), sigma)
    smoothed = [
        ndimage.gaussian_filter(np.where(mask, each, 0.0), sigma) / weights for each in other
    ]
    covariates = outputs(graph, 'prepare_wf.mask_covariates').observations_file
    np.testing.assert_allclose(
        np.load(covariates[1]), np.array([each[mask] for each in smoothed]), rtol=1e-5
    )
    grey, thick = (np.load(path).astype(np.float64) for path in covariates)
    t = read(outputs(graph, 'contrast_thick_wf.compute_contrast').stat_file)[mask.ravel()]
    data = six.data[:, mask.ravel()]
    for v in range(0, mask.sum(), 9):
        design = np.column_stack([np.ones(N), grey[:, v], thick[:, v]])
        fitted = sm.OLS(data[:, v], design).fit().t_test([0, -1, 1])
        assert t[v] == pytest.approx(fitted.tvalue.item(), rel=1e-4)


def test_a_design_file_has_a_place_for_each_covariate(start, six, tmp_path, drop_nodes, outputs):
    """FSL's and PALM's way: the values of the last column are not read."""
    pd.DataFrame({'mean': 1.0, 'age': six.age, 'ev3': 0.0}).to_csv(
        tmp_path / 'design.tsv', sep='\t', index=False
    )
    workflow = start(
        tmp_path / 'work',
        covariates=['ev3'],
        design_from='file',
        contrasts={'grey': [0, 0, 1]},
        n_perm=0,
    )
    workflow.inputs.inputnode.design_file = str(tmp_path / 'design.tsv')
    drop_nodes(workflow, 'plot', 'view', 'make_report', 'summarize', 'table', 'threshold', 'ds_')
    graph = workflow.run('Linear')
    t = read(outputs(graph, 'contrast_grey_wf.compute_contrast').stat_file)
    design = next(designs(six))
    expected = sm.OLS(six.data[:, 0], design).fit().tvalues[2]
    assert t[0] == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(
    ('asked', 'words'),
    [
        ({'model': 'robust', 'n_perm': 0}, "model='ols'"),
        ({'influence': True}, 'no influence'),
        ({'missing': 'per_voxel'}, "missing='drop_voxel'"),
        ({'method': 'manly'}, "method='freedman-lane'"),
        ({'variance_fwhm_mm': 8.0}, 'variance_fwhm_mm=0'),
        ({'auto_variance_groups': True}, 'no variance groups'),
        ({'unmatched': 'drop'}, "unmatched='error'"),
        ({'design_from': 'bids-model'}, 'a formula or a design file'),
        ({'covariates': ['grey', 'grey']}, 'one name: grey'),
        ({'covariates': ['grey matter']}, "'grey matter'"),
    ],
)
def test_what_does_not_go_together_builds_no_graph(asked, words):
    with pytest.raises(InputError) as info:
        init_second_level_wf(**{'covariates': ['grey'], **asked})
    assert words in str(info.value)


@pytest.mark.parametrize(
    ('formula', 'words'),
    [
        ('age', 'does not have the voxelwise covariate grey'),
        ('age * grey', 'is part of another term'),
        ('age + log(grey) + grey', 'is part of another term'),
        ('grey + center(grey)', 'is in the formula twice'),
    ],
)
def test_a_covariate_is_a_term_of_the_formula(formula, words):
    with pytest.raises(DesignError) as info:
        init_second_level_wf(covariates=['grey'], formula=formula, contrasts={'age': 'age'})
    assert words in str(info.value)


def test_wrong_maps_end_the_run_before_anything_is_computed(start, six, tmp_path):
    def message(number, files, **inputs):
        asked = {'formula': 'grey', 'contrasts': {'grey': 'grey'}, 'n_perm': 0, **inputs}
        workflow = start(tmp_path / str(number), files, **asked)
        with pytest.raises(RuntimeError) as info:
            workflow.run('Linear')
        assert not list((tmp_path / str(number)).rglob('fit_voxelwise/result_*'))
        return str(info.value)

    assert '5 maps of grey for 6 maps' in message(1, [six.covariate_files[:-1]])
    assert 'in another order' in message(2, [six.covariate_files[::-1]])
    assert '2 covariates; names grey' in message(3, [six.covariate_files] * 2)
    copies = [
        six.covariate_files[0],
        *(
            save(nib.load(six.covariate_files[0]).get_fdata(), tmp_path / f'sub-{k:02d}_gm.nii')
            for k in range(2, N + 1)
        ),
    ]
    assert 'are the same file' in message(4, [copies])
    groups = tmp_path / 'groups.csv'
    groups.write_text('1\n1\n1\n2\n2\n2\n')
    workflow = start(tmp_path / '5', formula='grey', contrasts={'grey': 'grey'})
    workflow.inputs.inputnode.variance_groups_file = str(groups)
    with pytest.raises(RuntimeError, match='Variance groups and voxelwise covariates'):
        workflow.run('Linear')
    other = [tmp_path / Path(path).name.replace('gm', 'thin') for path in six.covariate_files]
    for path in other:
        save(np.random.default_rng(0).random((4, 5, 4)) + float(path.name[4:6]), path)
    assert 'grid' in message(6, [list(map(str, other))]).lower()
