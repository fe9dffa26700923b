"""Methods of permutation, variance groups and pseudo-t, by the interfaces."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy import ndimage, stats

from nistats_nipype.exceptions import InputError, ScheduleError
from nistats_nipype.interfaces import (
    BuildDesign,
    ComputeContrast,
    DefineContrast,
    DefineVarianceGroups,
    DrawSchedule,
    FitGLM,
    FitTails,
    MergePermutations,
    MergeSequential,
    MergeSpatial,
    Permute,
    PermuteSequential,
    PermuteSpatial,
)
from nistats_nipype.stats.blocks import within_blocks


@pytest.fixture
def analyse(run, group):
    """Permute two groups of the first maps; give inputs and outputs."""

    def analyse(n_maps=8, variance_fwhm_mm=0.0, spatial=None, formula='group', **drawing):
        build = BuildDesign(in_files=group.in_files[:n_maps], table_file=group.table_file)
        build.inputs.formula = formula
        design = run(build).design_file
        contrast = run(
            DefineContrast(design_file=design, name='x', definition='group[T.patient]')
        ).contrast_file
        about = {'design_file': design, 'contrast_file': contrast}
        drawn = run(DrawSchedule(**about, **drawing))
        files = {'in_files': group.in_files[:n_maps], 'mask_file': group.mask_file, **about}
        permute = Permute if spatial is None else PermuteSpatial
        chunk = run(
            permute(
                schedule_file=drawn.schedule_file,
                variance_fwhm_mm=variance_fwhm_mm,
                **files,
                **(spatial or {}),
            )
        ).chunk_file
        merge = MergePermutations if spatial is None else MergeSpatial
        merged = run(
            merge(
                chunk_files=[chunk],
                mask_file=group.mask_file,
                schedule_metadata_file=drawn.metadata_file,
                **about,
            )
        )
        return SimpleNamespace(
            **merged.get(),
            **about,
            files=files,
            chunk_files=[chunk],
            schedule_file=drawn.schedule_file,
            schedule_metadata_file=drawn.metadata_file,
        )

    return analyse


@pytest.fixture
def groups_file(tmp_path):
    path = tmp_path / 'groups.csv'
    path.write_text('1\n2\n' * 4)
    return str(path)


def test_without_a_covariate_two_methods_agree(analyse, group, read, read_json):
    # Draper and Stoneman move the group, Freedman and Lane what is beside the mean: the same.
    found = {method: analyse(method=method) for method in ('freedman-lane', 'draper-stoneman')}
    one, other = (read(each.p_fwe_file, group.mask) for each in found.values())
    np.testing.assert_array_equal(one, other)
    metadata = [read_json(each.metadata_file) for each in found.values()]
    assert [each['Method'] for each in metadata] == [
        'permutation, Freedman-Lane, maximum statistic',
        'permutation, Draper-Stoneman, maximum statistic',
    ]
    assert metadata[0]['NumberOfRelabellingsLeftOut'] == 0


def test_methods_differ_beside_a_covariate(analyse, group, read, read_json):
    p = {
        method: read(
            analyse(method=method, n_perm=300, formula='group + age').p_uncorrected_file,
            group.mask,
        )
        for method in ('freedman-lane', 'huh-jhun', 'ter-braak', 'manly', 'dekker')
    }
    for name, other in p.items():
        assert name == 'freedman-lane' or (other != p['freedman-lane']).any()
        # ... but by little.
        assert stats.spearmanr(other, p['freedman-lane']).statistic > 0.95


def test_variance_groups_make_welchs_t(analyse, run, group, read, read_json, groups_file):
    found = analyse(variance_groups_file=groups_file)
    theirs = stats.ttest_ind(group.data[1:8:2], group.data[:8:2], equal_var=False)
    np.testing.assert_allclose(read(found.stat_file, group.mask), theirs.statistic, rtol=1e-5)
    metadata = read_json(found.metadata_file)
    assert metadata['StatisticName'] == 'v'
    assert metadata['VarianceGroups'] == [0, 1] * 4
    null = pd.read_csv(found.null_file, sep='\t')
    assert list(null) == ['relabelling', 'max_abs_z']
    z = stats.norm.isf(theirs.pvalue / 2)
    assert null['max_abs_z'][0] == pytest.approx(z.max(), rel=1e-5)
    # The same in the parametric maps.
    model = run(FitGLM(variance_groups_file=groups_file, **_fit_inputs(found)))
    tested = run(
        ComputeContrast(
            model_file=model.model_file,
            mask_file=group.mask_file,
            design_file=found.design_file,
            contrast_file=found.contrast_file,
        )
    )
    np.testing.assert_array_equal(read(tested.stat_file), read(found.stat_file))
    np.testing.assert_allclose(read(tested.p_file, group.mask), theirs.pvalue, rtol=1e-5)
    assert read_json(tested.metadata_file)['StatisticName'] == 'v'
    low, high = read_json(tested.metadata_file)['DegreesOfFreedom']
    np.testing.assert_allclose([low, high], [theirs.df.min(), theirs.df.max()], rtol=1e-6)


def _fit_inputs(found):
    return {name: found.files[name] for name in ('in_files', 'mask_file', 'design_file')}


def test_clusters_of_variance_groups_are_formed_in_z(analyse, group, read, groups_file):
    spatial = {'cluster_threshold': 2.0, 'connectivity': 6}
    found = analyse(spatial=spatial, variance_groups_file=groups_file)
    theirs = stats.ttest_ind(group.data[1:8:2], group.data[:8:2], equal_var=False)
    z = np.zeros(group.mask.shape)
    z[group.mask] = np.sign(theirs.statistic) * stats.norm.isf(theirs.pvalue / 2)
    expected = np.zeros(group.mask.shape)
    for sign in (1, -1):
        labels, _ = ndimage.label(sign * z >= 2.0)
        sizes = np.bincount(labels.ravel())
        expected += np.where(labels > 0, sizes[labels], 0)
    np.testing.assert_array_equal(read(found.extent_file), expected)


def test_a_threshold_of_v_itself_is_refused(analyse, groups_file):
    spatial = {'cluster_threshold': 2.0, 'cluster_threshold_unit': 'stat'}
    with pytest.raises(InputError, match='formed in z'):
        analyse(spatial=spatial, variance_groups_file=groups_file)


def test_a_smoothed_variance_makes_pseudo_t(analyse, group, read, read_json):
    found = analyse(variance_fwhm_mm=30.0, n_perm=60)
    one, other = group.data[1:8:2], group.data[:8:2]
    variance = (one.var(axis=0, ddof=1) + other.var(axis=0, ddof=1)) / 2
    volume, weight = np.zeros(group.mask.shape), group.mask.astype(float)
    volume[group.mask] = variance
    # 14 mm voxels; the variance outside the mask does not count.
    sigma = 30.0 / 14.0 / np.sqrt(8 * np.log(2))
    smoothed = ndimage.gaussian_filter(volume, sigma) / ndimage.gaussian_filter(weight, sigma)
    t = (one.mean(axis=0) - other.mean(axis=0)) / np.sqrt(smoothed[group.mask] / 2)
    np.testing.assert_allclose(read(found.stat_file, group.mask), t, rtol=1e-5)
    metadata = read_json(found.metadata_file)
    assert (metadata['StatisticName'], metadata['VarianceFWHM']) == ('pseudo-t', 30.0)
    null = pd.read_csv(found.null_file, sep='\t')
    assert list(null) == ['relabelling', 'max_abs_pseudo_t']
    assert null['max_abs_pseudo_t'][0] == pytest.approx(np.abs(t).max(), rel=1e-5)
    spatial = {'tfce': True, 'connectivity': 6}
    assert (
        read_json(analyse(variance_fwhm_mm=30.0, spatial=spatial).metadata_file)['StatisticName']
        == 'pseudo-t'
    )


def test_variance_groups_by_blocks(run, tmp_path):
    blocks = tmp_path / 'blocks.csv'
    np.savetxt(blocks, within_blocks(['a', 'a', 'b', 'b']), fmt='%d', delimiter=',')
    found = run(DefineVarianceGroups(blocks_file=str(blocks))).variance_groups_file
    assert Path(found).read_text().split() == ['1', '1', '2', '2']


def test_what_cannot_be_had_is_refused(analyse, groups_file, tmp_path):
    with pytest.raises(ScheduleError, match='Variance groups cannot be had'):
        analyse(method='dekker', variance_groups_file=groups_file)
    with pytest.raises(InputError, match='both be smoothed'):
        analyse(variance_fwhm_mm=8.0, variance_groups_file=groups_file)
    wide = tmp_path / 'wide.csv'
    wide.write_text('1,1\n' * 8)
    with pytest.raises(InputError, match='does not hold variance groups'):
        analyse(variance_groups_file=str(wide))


def test_tails_of_uncorrected_p_replace_counts(analyse, run, group, read, read_json):
    found = analyse(n_maps=12, n_perm=499)
    inputs = {**found.files, 'schedule_file': found.schedule_file}
    tails = run(FitTails(chunk_files=found.chunk_files, **inputs)).tails_file
    merged = run(
        MergePermutations(
            chunk_files=found.chunk_files,
            mask_file=group.mask_file,
            design_file=found.design_file,
            contrast_file=found.contrast_file,
            schedule_metadata_file=found.schedule_metadata_file,
            tails_file=tails,
        )
    )
    counted, fitted = (read(each.p_uncorrected_file, group.mask) for each in (found, merged))
    np.testing.assert_array_equal(fitted[counted >= 0.1], counted[counted >= 0.1])
    near = (counted > 0.02) & (counted < 0.1)
    assert np.abs(np.log(fitted[near] / counted[near])).max() < 0.7
    about = read_json(merged.metadata_file)['UncorrectedPValue']
    n_fitted = about['NumberOfVoxelsFitted'] + about['NumberOfVoxelsAtLimit']
    n_small = (counted < 0.1).sum()
    assert 0.9 * n_small <= n_fitted <= n_small
    assert 0.1 < about['FitP']['Median'] <= 0.5
    assert read_json(found.metadata_file)['UncorrectedPValue'] == {'Method': 'counts'}


def test_tails_of_another_test_are_refused(analyse, run, refuse, group):
    found = analyse(n_maps=12, n_perm=99)
    tails = run(
        FitTails(chunk_files=found.chunk_files, schedule_file=found.schedule_file, **found.files)
    ).tails_file
    with np.load(tails) as stored:
        arrays = dict(stored)
    arrays['p'][3] = np.nan
    np.savez(tails, **arrays)
    refuse(
        MergePermutations(
            chunk_files=found.chunk_files,
            mask_file=group.mask_file,
            design_file=found.design_file,
            contrast_file=found.contrast_file,
            tails_file=tails,
        ),
        InputError,
        'not of the same test',
    )


def test_early_stopping_gives_uncorrected_p(analyse, run, group, read, read_json):
    found = analyse(n_maps=12, n_perm=600)
    inputs = {**found.files, 'schedule_file': found.schedule_file}
    chunks = [
        run(PermuteSequential(n_stop=5, chunk=chunk, n_chunks=3, **inputs)).chunk_file
        for chunk in range(3)
    ]
    merged = run(
        MergeSequential(
            chunk_files=chunks[::-1],
            mask_file=group.mask_file,
            design_file=found.design_file,
            contrast_file=found.contrast_file,
            schedule_metadata_file=found.schedule_metadata_file,
        )
    )
    other = run(
        PermuteSequential(n_stop=5, chunk=1, n_chunks=3, **{**inputs, 'sidedness': 'negative'})
    ).chunk_file
    with pytest.raises(ScheduleError, match='not of one test'):
        run(
            MergeSequential(
                chunk_files=[chunks[0], other, chunks[2]],
                mask_file=group.mask_file,
                design_file=found.design_file,
                contrast_file=found.contrast_file,
            )
        )
    p, used = (read(merged.p_uncorrected_file, group.mask), read(merged.n_used_file, group.mask))
    counted = read(found.p_uncorrected_file, group.mask)
    np.testing.assert_array_equal(p[used == 600], counted[used == 600])
    stopped = used < 600
    np.testing.assert_allclose(p[stopped], 5 / used[stopped], rtol=1e-6)
    assert stats.spearmanr(p, counted).statistic > 0.9
    np.testing.assert_array_equal(read(merged.stat_file), read(found.stat_file))
    about = read_json(merged.metadata_file)
    assert about['NumberOfVoxelsStopped'] >= stopped.sum()
    assert about['NumberOfExceedancesToStop'] == 5
    assert about['Sidedness'] == 'two-sided'
    assert about['MedianNumberOfRelabellingsUsed'] == np.median(used)
