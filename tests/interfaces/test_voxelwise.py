"""Voxelwise covariates from maps to p, against refits of single voxels."""

import itertools

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from nipype import MapNode, Node, Workflow

from nistats_nipype.exceptions import ContrastError, DesignError, InputError
from nistats_nipype.images.files import load_arrays
from nistats_nipype.interfaces import (
    ApplyMask,
    BuildDesign,
    ComputeContrast,
    ComputeMask,
    DefineContrast,
    DrawSchedule,
    FitGLM,
    FitVoxelwise,
    MergePermutations,
    Permute,
    PermuteSpatial,
)
from nistats_nipype.interfaces.memory import MemoryEstimator

from .conftest import make_group, write

NAME = 'grey_matter[voxelwise]'
#: Voxels that are compared one by one.
SOME = slice(None, None, 40)


@pytest.fixture
def density(group, tmp_path):
    """Maps of a covariate of the group, constant at the first voxel: files, and (N, V)."""
    maps = 0.5 + 0.1 * np.random.default_rng(6).standard_normal((12, *group.mask.shape))
    maps = maps.astype(np.float32)
    maps[(slice(None), *np.argwhere(group.mask)[0])] = 0.5
    files = [
        write(tmp_path / 'vbm' / f'sub-{number:02d}.nii.gz', each)
        for number, each in enumerate(maps, start=1)
    ]
    return files, maps[:, group.mask].astype(np.float64)


@pytest.fixture
def fit(group, density, run):
    """Fit the group with the covariate beside an intercept and age; give all outputs."""

    def fit(files=None, **inputs):
        design = BuildDesign(in_files=group.in_files, table_file=group.table_file, formula='age')
        found = run(design).get()
        interface = FitVoxelwise(
            in_files=group.in_files,
            mask_file=group.mask_file,
            design_file=found['design_file'],
            covariate_names=['grey_matter'],
            covariate_files=[density[0]] if files is None else files,
            **inputs,
        )
        return {'plain_file': found['design_file'], **run(interface).get()}

    return fit


@pytest.mark.parametrize('definition', [NAME, 'age', f'age - {NAME}', [NAME, 'age']])
def test_maps_are_those_of_statsmodels(definition, group, density, fit, run, read, read_json):
    found = fit()
    design = {'design_file': found['design_file']}
    contrast = run(DefineContrast(name='x', definition=definition, **design)).contrast_file
    weights = np.array(read_json(contrast)['ContrastWeights'])
    result = run(
        ComputeContrast(
            model_file=found['model_file'],
            mask_file=group.mask_file,
            contrast_file=contrast,
            **design,
        )
    )
    stat, p = (read(path, group.mask) for path in (result.stat_file, result.p_file))
    table = pd.read_csv(found['design_file'], sep='\t')
    assert list(table) == ['intercept', 'age', NAME]
    np.testing.assert_allclose(table[NAME], density[1][:, 1:].mean(axis=1))
    # The covariate is constant at the first voxel.
    assert np.isnan(stat).nonzero()[0].tolist() == [0]
    for v in np.arange(group.mask.sum())[SOME][1:]:
        whole = np.column_stack([table.iloc[:, :2], density[1][:, v]])
        fitted = sm.OLS(group.data[:, v], whole).fit()
        if len(weights) == 1:
            tested = fitted.t_test(weights)
            expected = tested.tvalue.item()
        else:
            tested = fitted.f_test(weights)
            expected = tested.fvalue
        assert stat[v] == pytest.approx(expected, rel=1e-5, abs=1e-6)
        assert p[v] == pytest.approx(float(tested.pvalue), rel=1e-4)
    model = read_json(found['metadata_file'])
    assert model['NumberOfVoxelsWithCollinearCovariates'] == 1
    assert model['VoxelwiseCovariates'] == [NAME]
    assert model['NumberOfVoxelsFitted'] == group.mask.sum() - 1
    assert read_json(result.metadata_file)['DegreesOfFreedom'] == [9, 9]


def test_packed_and_4d_covariates_are_the_same(group, density, fit, run, tmp_path):
    packed = run(ApplyMask(in_files=density[0], mask_file=group.mask_file)).observations_file
    volume = np.zeros((*group.mask.shape, 12))
    volume[group.mask] = density[1].T
    found = [
        load_arrays(fit(files)['model_file'])['beta']
        for files in (None, packed, [write(tmp_path / 'all.nii.gz', volume)])
    ]
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[0], found[2])


def residuals(design, y):
    return y - design @ np.linalg.lstsq(design, y, rcond=None)[0]


def test_p_are_those_of_all_permutations(run, read, read_json, tmp_path):
    group = make_group(tmp_path / 'six', n_subjects=6)
    rng = np.random.default_rng(1)
    maps = rng.standard_normal((6, *group.mask.shape)).astype(np.float32)
    covariate = maps[:, group.mask].astype(np.float64)
    files = [write(tmp_path / f'gm-{number}.nii.gz', each) for number, each in enumerate(maps)]
    common = {'in_files': group.in_files, 'mask_file': group.mask_file}
    built = run(BuildDesign(in_files=group.in_files))
    fitted = run(
        FitVoxelwise(
            design_file=built.design_file,
            covariate_names=['grey_matter'],
            covariate_files=[files],
            **common,
        )
    )
    design = {'design_file': fitted.design_file}
    contrast = run(DefineContrast(name='density', definition=NAME, **design)).contrast_file
    drawn = run(DrawSchedule(contrast_file=contrast, n_perm=719, **design))
    test = {'contrast_file': contrast, **design}
    chunks = [
        run(
            Permute(
                schedule_file=drawn.schedule_file,
                covariate_files=[files],
                chunk=chunk,
                n_chunks=2,
                **common,
                **test,
            )
        ).chunk_file
        for chunk in range(2)
    ]
    merged = run(
        MergePermutations(
            chunk_files=chunks,
            mask_file=group.mask_file,
            schedule_metadata_file=drawn.metadata_file,
            **test,
        )
    )
    stats = []
    for y, x in zip(group.data.T, covariate.T, strict=True):
        whole = np.column_stack([np.ones(6), x])
        # The mean is the nuisance: permuting the residuals is permuting the data.
        data = np.array(list(itertools.permutations(y))).T
        squares = (residuals(whole, data) ** 2).sum(axis=0)
        stats.append(((data - data.mean(axis=0)) ** 2).sum(axis=0) / squares - 1)
    stats = np.array(stats)
    limits = stats[:, 0] * (1 - 1e-6)
    expected = (stats >= limits[:, None]).mean(axis=1)
    np.testing.assert_allclose(read(merged.p_uncorrected_file, group.mask), expected, rtol=1e-5)
    expected = (stats.max(axis=0) >= limits[:, None]).mean(axis=1)
    np.testing.assert_allclose(read(merged.p_fwe_file, group.mask), expected, rtol=1e-5)
    np.testing.assert_allclose(
        read(merged.stat_file, group.mask) ** 2, 4 * stats[:, 0], rtol=1e-4, atol=1e-6
    )
    assert read_json(merged.metadata_file)['VoxelwiseCovariates'] == [NAME]
    spatial = PermuteSpatial(
        schedule_file=drawn.schedule_file,
        covariate_files=[files],
        tfce=True,
        n_chunks=100,
        **common,
        **test,
    )
    assert load_arrays(run(spatial).chunk_file)['counts'].max() >= 1


def test_means_are_not_taken_for_the_covariates(group, density, fit, refuse, run):
    found = fit()
    design = {'design_file': found['design_file']}
    common = {'in_files': group.in_files, 'mask_file': group.mask_file}
    refuse(FitGLM(**design, **common), DesignError, NAME, 'FitVoxelwise')
    contrast = run(DefineContrast(name='x', definition='age', **design)).contrast_file
    schedule = run(DrawSchedule(contrast_file=contrast, n_perm=9, **design)).schedule_file
    files = {'contrast_file': contrast, 'schedule_file': schedule, **design, **common}
    refuse(Permute(**files), DesignError, NAME, 'covariate_files')
    refuse(Permute(covariate_files=[density[0]] * 2, **files), InputError, '2 covariates')


def test_what_is_wrong_is_said(group, density, fit, refuse, run):
    plain = fit()['plain_file']
    inputs = {
        'in_files': group.in_files,
        'mask_file': group.mask_file,
        'design_file': plain,
        'covariate_names': ['grey_matter'],
    }
    refuse(
        FitVoxelwise(covariate_files=density[0], **inputs), InputError, '12 covariates', '[[map'
    )
    refuse(FitVoxelwise(covariate_files=[density[0][1:]], **inputs), DesignError, '11 maps')
    refuse(
        DefineContrast(design_file=fit()['design_file'], name='x', definition='gray_matter'),
        ContrastError,
        'Did you mean grey_matter?',
    )


def test_it_chains_in_a_workflow(group, density, fit, tmp_path):
    workflow = Workflow('voxelwise', base_dir=str(tmp_path))
    pack = Node(ApplyMask(in_files=density[0], mask_file=group.mask_file), name='pack')
    node = Node(
        FitVoxelwise(
            in_files=group.in_files,
            mask_file=group.mask_file,
            design_file=fit()['plain_file'],
            covariate_names=['grey_matter'],
        ),
        name='fit',
    )
    define = Node(DefineContrast(name='density', definition=NAME), name='define')
    compute = Node(ComputeContrast(mask_file=group.mask_file), name='compute')
    workflow.connect(pack, 'observations_file', node, 'covariate_files')
    workflow.connect(node, 'design_file', define, 'design_file')
    workflow.connect(node, 'design_file', compute, 'design_file')
    workflow.connect(node, 'model_file', compute, 'model_file')
    workflow.connect(define, 'contrast_file', compute, 'contrast_file')
    graph = workflow.run()
    (done,) = (each for each in graph.nodes if each.name == 'compute')
    assert done.result.outputs.stat_file


def test_memory_counts_covariates_where_they_are_loaded(group, density, fit):
    def loaded(interface, inputs):
        return int(MemoryEstimator(interface)(inputs)[1].split('n_loaded=')[1].split(',')[0])

    maps = {'in_files': group.in_files, 'covariate_files': [density[0]]}
    mask = ComputeMask(covariate_names=['grey_matter'], **maps)
    assert loaded('ComputeMask', mask.inputs) == 0
    whole = FitVoxelwise(
        mask_file=group.mask_file,
        design_file=fit()['plain_file'],
        covariate_names=['grey_matter'],
        **maps,
    )
    assert loaded('FitVoxelwise', whole.inputs) == pytest.approx(
        2 * 4 * 12 * 0.4 * group.mask.size, rel=0.01
    )
    # As a MapNode, with a list for each of two covariates: one of them at a time.
    pack = Node(ApplyMask(in_files=density[0], mask_file=group.mask_file), name='one')
    both = MapNode(ApplyMask(mask_file=group.mask_file), iterfield=['in_files'], name='both')
    both.inputs.in_files = [density[0]] * 2
    estimate = MemoryEstimator('ApplyMask')
    assert estimate(both.inputs) == estimate(pack.inputs)
