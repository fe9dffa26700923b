"""Permutation of models with known variances and of robust ones, from maps to p."""

import itertools

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy import stats

from nistats_nipype.exceptions import InputError, ScheduleError
from nistats_nipype.interfaces import (
    ApplyMask,
    BuildDesign,
    CorrectContrasts,
    DefineContrast,
    DrawSchedule,
    FitMixed,
    FitTails,
    MergePermutations,
    MergeSpatial,
    Permute,
    PermuteSpatial,
)
from nistats_nipype.interfaces.memory import MemoryEstimator

from .conftest import make_group, write

N = 6
MEAN, GROUP = ([1.0], None), ('group[T.patient]', 'group')


@pytest.fixture
def six(tmp_path):
    """Six maps with their variances: group, files of variances, and these in the mask."""
    group = make_group(tmp_path / 'six', n_subjects=N)
    maps = np.random.default_rng(8).chisquare(3, size=(N, *group.mask.shape)) * 0.3
    maps = maps.astype(np.float32)
    files = [
        write(tmp_path / 'six' / f'var-{index}.nii.gz', each) for index, each in enumerate(maps)
    ]
    return group, files, maps[:, group.mask].astype(np.float64)


@pytest.fixture
def prepare(six, run):
    """Design, contrast and schedule; give what all steps take, and the schedule's outputs."""

    def prepare(definition, formula, **options):
        group = six[0]
        build = BuildDesign(in_files=group.in_files)
        if formula is not None:
            build.inputs.trait_set(table_file=group.table_file, formula=formula)
        design = {'design_file': run(build).design_file}
        define = DefineContrast(name='x', definition=definition, **design)
        test = {'contrast_file': run(define).contrast_file, **design}
        drawn = run(DrawSchedule(n_perm=700, **test, **options))
        return {'mask_file': group.mask_file, **test}, drawn

    return prepare


@pytest.fixture
def permute(six, prepare, run):
    """Permute in chunks and merge; give all outputs by name."""

    def permute(test, kind=Permute, merge=MergePermutations, n_chunks=2, **inputs):
        group, variance_files, _ = six
        common, drawn = prepare(*test)
        if inputs['model'] != 'robust':
            inputs = {'variance_files': variance_files, **inputs}
        chunks = [
            run(
                kind(
                    in_files=group.in_files,
                    schedule_file=drawn.schedule_file,
                    chunk=chunk,
                    n_chunks=n_chunks,
                    **common,
                    **inputs,
                )
            ).chunk_file
            for chunk in range(n_chunks)
        ]
        return run(
            merge(chunk_files=chunks, schedule_metadata_file=drawn.metadata_file, **common)
        ).get()

    return permute


def fixed(y, v, x):
    """Z of one regressor with known variances, beside a mean unless it is the mean."""
    w = 1 / v
    if x is None:
        return (w * y).sum(axis=0) / np.sqrt(w.sum(axis=0))
    x = x[:, None] - (w * x[:, None]).sum(axis=0) / w.sum(axis=0)
    return (w * x * y).sum(axis=0) / np.sqrt((w * x**2).sum(axis=0))


def dersimonian_laird(y, v, x):
    """T of the mean with tau2 by moments."""
    w = 1 / v
    mean = (w * y).sum(axis=0) / w.sum(axis=0)
    q = (w * (y - mean) ** 2).sum(axis=0)
    tau2 = np.maximum(0, (q - (N - 1)) / (w.sum(axis=0) - (w**2).sum(axis=0) / w.sum(axis=0)))
    return fixed(y, v + tau2, x)


def enumerate_flips(y, v, compute):
    for signs in itertools.product([1, -1], repeat=N):
        yield compute(y * np.array(signs)[:, None], v, None)


def enumerate_groups(y, v, compute):
    observed = np.resize([0.0, 1.0], N)
    chosen = sorted(set(itertools.permutations(observed)), key=lambda x: x != tuple(observed))
    for x in chosen:
        yield compute(y, v, np.array(x))


@pytest.mark.parametrize(
    ('test', 'model', 'name', 'maps'),
    [
        (MEAN, 'dl', 't', lambda y, v: enumerate_flips(y, v, dersimonian_laird)),
        (MEAN, 'fixed', 'z', lambda y, v: enumerate_flips(y, v, fixed)),
        (GROUP, 'fixed', 'z', lambda y, v: enumerate_groups(y, v, fixed)),
    ],
)
def test_p_are_those_of_all_relabellings(test, model, name, maps, six, permute, read, read_json):
    group, _, variances = six
    found = permute(test, model=model)
    expected = np.array(list(maps(group.data, variances)))
    size = np.abs(expected)
    reached = size >= size[0] - 1e-9
    for key, value in [
        ('stat', expected[0]),
        ('p_uncorrected', reached.mean(axis=0)),
        ('p_fwe', (size.max(axis=1)[:, None] >= size[0] - 1e-9).mean(axis=0)),
    ]:
        np.testing.assert_allclose(read(found[f'{key}_file'], group.mask), value, rtol=1e-4)
    null = pd.read_csv(found['null_file'], sep='\t')[f'max_abs_{name}']
    np.testing.assert_allclose(np.sort(null), np.sort(size.max(axis=1)), rtol=1e-6)
    metadata = read_json(found['metadata_file'])
    assert metadata['PermutedModel'] == model
    assert metadata['StatisticName'] == metadata['NullOf'] == name
    assert 'the model fitted to every relabelling' in metadata['Method']


def test_reml_is_that_of_the_fit(six, permute, run, read):
    group, variance_files, variances = six
    found = permute(MEAN, model='reml')
    fitted = run(
        FitMixed(
            in_files=group.in_files,
            variance_files=variance_files,
            mask_file=group.mask_file,
            design_file=run(BuildDesign(in_files=group.in_files)).design_file,
        )
    )
    tau2 = read(fitted.tau2_file, group.mask).astype(float)
    stat = read(found['stat_file'], group.mask)
    np.testing.assert_allclose(stat, fixed(group.data, variances + tau2, None), rtol=1e-4)


def test_a_robust_model_takes_no_variances(six, permute, read, read_json):
    group = six[0]
    found = permute(GROUP, model='robust', tuning=2.0)
    some = slice(None, None, 60)
    design = np.column_stack([np.ones(N), np.resize([0.0, 1.0], N)])
    norm = sm.robust.norms.HuberT(2.0)
    expected = [
        sm.RLM(y, design, M=norm).fit(maxiter=20000, tol=1e-12, conv='coefs').tvalues[1]
        for y in group.data[:, some].T
    ]
    np.testing.assert_allclose(read(found['stat_file'], group.mask)[some], expected, rtol=1e-5)
    metadata = read_json(found['metadata_file'])
    assert metadata['PermutedModel'] == 'robust'
    assert metadata['TuningConstant'] == 2.0


def test_packed_files_and_threads_give_the_same_bits(six, permute, run):
    group, variance_files, _ = six
    packed = run(ApplyMask(in_files=variance_files, mask_file=group.mask_file)).observations_file
    one = permute(MEAN, model='reml', n_chunks=1)
    other = permute(
        MEAN,
        model='reml',
        n_chunks=5,
        num_threads=3,
        variance_files=packed,
    )
    tables = [pd.read_csv(each['null_file'], sep='\t') for each in (one, other)]
    pd.testing.assert_frame_equal(*tables, check_exact=True)


@pytest.mark.parametrize(
    ('model', 'unit', 'given', 'threshold'),
    [
        ('fixed', 'z', 2.0, 2.0),
        ('fixed', 'p', 0.01, stats.norm.isf(0.01)),
        ('dl', 'z', 2.0, stats.t.isf(stats.norm.sf(2.0), N - 1)),
    ],
)
def test_clusters_and_tfce(model, unit, given, threshold, permute, read_json):
    found = permute(
        MEAN,
        PermuteSpatial,
        MergeSpatial,
        model=model,
        cluster_threshold=given,
        cluster_threshold_unit=unit,
        tfce=True,
    )
    metadata = read_json(found['metadata_file'])
    assert metadata['ClusterFormingThreshold']['Statistic'] == pytest.approx(threshold)
    assert metadata['PermutedModel'] == model
    null = pd.read_csv(found['null_file'], sep='\t')
    # Flipping all signs turns a map into its negative.
    np.testing.assert_array_equal(null.groupby('max_tfce').size() % 2, 0)
    assert list(null) == ['relabelling', 'max_extent', 'max_mass', 'max_tfce']


def test_chi_squared_clusters_are_cut_at_chi_squared(permute, read_json):
    test = ['intercept', 'group[T.patient]'], 'group'
    found = permute(test, PermuteSpatial, MergeSpatial, model='fixed', cluster_threshold=2.0)
    metadata = read_json(found['metadata_file'])
    expected = stats.chi2.isf(stats.norm.sf(2.0), 2)
    assert metadata['ClusterFormingThreshold']['Statistic'] == pytest.approx(expected)
    assert metadata['StatisticName'] == 'chi2'


def test_contrasts_are_corrected_together(six, prepare, run, read):
    """Of the same test twice, p over both contrasts is that over voxels."""
    group, variance_files, _ = six
    for model, test in [('dl', MEAN), ('fixed', (['intercept', 'group[T.patient]'], 'group'))]:
        common, drawn = prepare(*test)
        chunk = run(
            Permute(
                in_files=group.in_files,
                variance_files=variance_files,
                model=model,
                schedule_file=drawn.schedule_file,
                **common,
            )
        ).chunk_file
        merged = run(
            MergePermutations(
                chunk_files=[chunk], schedule_metadata_file=drawn.metadata_file, **common
            )
        )
        together = run(
            CorrectContrasts(
                contrast_files=[common['contrast_file']] * 2,
                extremes_files=[merged.extremes_file] * 2,
                metadata_files=[merged.metadata_file] * 2,
                mask_file=common['mask_file'],
                design_file=common['design_file'],
            )
        )
        expected = read(merged.p_fwe_file, group.mask)
        for path in together.p_fwe_files:
            np.testing.assert_allclose(read(path, group.mask), expected, rtol=1e-6)


def test_what_cannot_be_permuted_is_refused(six, prepare, refuse):
    group, variance_files, _ = six
    common, drawn = prepare('group[T.patient]', 'group + age')
    about = {'in_files': group.in_files, 'schedule_file': drawn.schedule_file, **common}
    mixed = {'model': 'reml', 'variance_files': variance_files}
    refuse(Permute(**about, **mixed), ScheduleError, 'nuisance regressors', 'an intercept only')
    refuse(PermuteSpatial(**about, **mixed, tfce=True), ScheduleError, 'nuisance regressors')
    refuse(Permute(**about, model='reml'), InputError, "The model 'reml' needs variances")
    refuse(Permute(**about, variance_files=variance_files), InputError, 'takes no variances')
    refuse(
        Permute(**about, model='robust', variance_files=variance_files),
        InputError,
        "The model 'robust' takes no variances",
    )
    common, drawn = prepare(*MEAN)
    about = {'in_files': group.in_files, 'schedule_file': drawn.schedule_file, **common}
    refuse(Permute(**about, **mixed, missing='per_voxel'), InputError, "missing='per_voxel'")
    refuse(Permute(**about, **mixed, variance_fwhm_mm=8.0), InputError, 'a smoothed variance')


def test_tails_of_single_voxels_are_refused(six, prepare, run, refuse):
    group, variance_files, _ = six
    common, drawn = prepare(*MEAN)
    about = {'in_files': group.in_files, 'schedule_file': drawn.schedule_file, **common}
    chunk = run(Permute(**about, model='dl', variance_files=variance_files)).chunk_file
    refuse(FitTails(**about, chunk_files=[chunk]), InputError, 'another model')


def test_memory_counts_the_variances(six, prepare):
    group, variance_files, _ = six
    common, drawn = prepare(*MEAN)
    node = Permute(in_files=group.in_files, schedule_file=drawn.schedule_file, **common)
    estimate = MemoryEstimator('Permute')
    without = estimate(node.inputs)[1]
    node.inputs.trait_set(model='reml', variance_files=variance_files)
    n_bytes = 4 * N * 0.4 * group.mask.size
    loaded = [int(text.split('n_loaded=')[1].split(',')[0]) for text in
              (without, estimate(node.inputs)[1])]  # fmt: skip
    assert loaded[1] - loaded[0] == pytest.approx(n_bytes, rel=0.01)
