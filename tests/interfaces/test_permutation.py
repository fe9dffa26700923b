"""Permutation inference from schedule to p, against enumeration written here.

The enumerations share nothing with the package but the data: statistics come from SciPy or from
a least-squares fit of each relabelling.
"""

import itertools
import math
from pathlib import Path
from types import SimpleNamespace

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from nistats_nipype.exceptions import (
    ContrastError,
    DesignError,
    InputError,
    MissingDataError,
    NistatsNipypeWarning,
    ScheduleError,
)
from nistats_nipype.interfaces import (
    ApplyMask,
    BuildDesign,
    DefineContrast,
    DrawSchedule,
    MergePermutations,
    Permute,
)
from nistats_nipype.interfaces.schedule import load_schedule
from nistats_nipype.stats.tails import gpd_tail

#: Relabellings that are equivalent give statistics that differ by rounding.
TIE = 1e-9


def flip_signs(y, design):
    """One-sample t of every sign flip."""
    return np.array(
        [
            stats.ttest_1samp(y * np.array(signs)[:, None], 0).statistic
            for signs in itertools.product((1, -1), repeat=len(y))
        ]
    )


def split_groups(y, design):
    """Two-sample t of every way to choose the second group."""
    second = design['group[T.patient]'].to_numpy() == 1
    choices = itertools.combinations(range(len(y)), second.sum())
    members = [np.isin(np.arange(len(y)), chosen) for chosen in choices]
    members.sort(key=lambda chosen: not (chosen == second).all())
    return np.array([stats.ttest_ind(y[who], y[~who]).statistic for who in members])


def split_sites(y, design):
    """F of one-way analysis of variance of every way to fill three groups."""
    labels = tuple((design.filter(like='site') @ [1, 2]).astype(int))
    orders = sorted(set(itertools.permutations(labels)), key=lambda order: order != labels)
    return np.array(
        [
            stats.f_oneway(*(y[np.array(order) == group] for group in (0, 1, 2))).statistic
            for order in orders
        ]
    )


def freedman_lane(y, design):
    """T of the group in the whole model, of every order of the residuals of the nuisance."""
    X = design.to_numpy()
    tested = list(design).index('group[T.patient]')
    Z = np.delete(X, tested, axis=1)
    fitted = Z @ np.linalg.lstsq(Z, y, rcond=None)[0]
    unit_variance = np.linalg.inv(X.T @ X)[tested, tested]
    result = []
    for order in itertools.permutations(range(len(y))):
        relabelled = fitted + (y - fitted)[list(order)]
        beta, _, n_rank, _ = np.linalg.lstsq(X, relabelled, rcond=None)
        squares = ((relabelled - X @ beta) ** 2).sum(axis=0)
        variance = unit_variance * squares / (len(y) - n_rank)
        result.append(beta[tested] / np.sqrt(variance))
    return np.array(result)


CASES = {
    'one sample': (7, None, 'intercept', flip_signs, 2**7),
    'two samples': (8, 'group', 'group[T.patient]', split_groups, 70),
    'three groups': (6, 'site', ['site[T.b]', 'site[T.c]'], split_sites, 90),
    'covariate': (6, 'group + age', 'group[T.patient]', freedman_lane, 720),
}


@pytest.fixture
def permute(run, group):
    """Run the three steps on the first maps of the group; give all outputs."""

    def permute(n_maps, formula, definition, *, n_perm, n_chunks=1, in_files=None, **inputs):
        files = {'in_files': in_files or group.in_files[:n_maps], 'mask_file': group.mask_file}
        build = BuildDesign(in_files=group.in_files[:n_maps])
        if formula is not None:
            build.inputs.trait_set(formula=formula, table_file=group.table_file)
        design = run(build).design_file
        defined = run(DefineContrast(design_file=design, name='x', definition=definition))
        about = {'design_file': design, 'contrast_file': defined.contrast_file}
        drawn = run(DrawSchedule(n_perm=n_perm, seed=3, **about))
        chunks = [
            run(
                Permute(
                    chunk=chunk,
                    n_chunks=n_chunks,
                    schedule_file=drawn.schedule_file,
                    **files,
                    **about,
                    **inputs,
                )
            ).chunk_file
            for chunk in range(n_chunks)
        ]
        side = {'sidedness': inputs['sidedness']} if 'sidedness' in inputs else {}
        merged = run(
            MergePermutations(
                chunk_files=chunks[::-1],
                mask_file=group.mask_file,
                schedule_metadata_file=drawn.metadata_file,
                **about,
                **side,
            )
        )
        return SimpleNamespace(
            **merged.get(),
            **about,
            schedule_file=drawn.schedule_file,
            schedule_metadata_file=drawn.metadata_file,
            chunk_files=chunks,
        )

    return permute


def on_side(stat, sidedness):
    return {'two-sided': np.abs, 'positive': np.positive, 'negative': np.negative}[sidedness](stat)


@pytest.mark.parametrize('sidedness', ['two-sided', 'positive', 'negative'])
@pytest.mark.parametrize('case', CASES)
def test_p_is_that_of_enumeration(permute, group, read, read_json, case, sidedness):
    n_maps, formula, definition, enumerate_all, n_possible = CASES[case]
    found = permute(n_maps, formula, definition, n_perm=5000, n_chunks=3, sidedness=sidedness)
    metadata = read_json(found.metadata_file)
    side = 'positive' if metadata['Statistic'] == 'F' else sidedness
    design = pd.read_csv(found.design_file, sep='\t')
    distribution = on_side(enumerate_all(group.data[:n_maps], design), side)
    assert len(distribution) == n_possible
    observed = distribution[0]
    reach = observed - TIE * np.abs(observed)
    p = (distribution >= reach).mean(axis=0)
    maxima = distribution.max(axis=1)
    p_fwe = (maxima[:, None] >= reach).mean(axis=0)
    np.testing.assert_array_equal(read(found.p_uncorrected_file, group.mask), p.astype(np.float32))
    np.testing.assert_array_equal(read(found.p_fwe_file, group.mask), p_fwe.astype(np.float32))
    null = pd.read_csv(found.null_file, sep='\t').iloc[:, 1]
    if side == 'negative':
        assert null.name == 'min_t'
        maxima = -maxima
    assert null[0] == pytest.approx(maxima[0])
    np.testing.assert_allclose(np.sort(null), np.sort(maxima), rtol=1e-6)
    assert metadata['NumberOfRelabellings'] == n_possible
    assert metadata['NumberOfPossibleRelabellings'] == str(n_possible)
    assert metadata['Exhaustive'] is True
    assert metadata['Sidedness'] == side


TESTS = {
    't': (None, 'intercept'),
    't with a covariate': ('group + age', 'age'),
    'F': ('site', ['site[T.b]', 'site[T.c]']),
}


@pytest.mark.parametrize('missing', ['error', 'drop_voxel'])
@pytest.mark.parametrize('name', TESTS)
def test_observed_statistic_is_the_parametric_one(permute, fit_and_test, group, name, missing):
    """Byte for byte, holes included."""
    if missing == 'drop_voxel':
        image = nib.load(group.in_files[4])
        data = image.get_fdata(dtype=np.float32)
        data[4:7, 5:8] = np.nan
        nib.save(nib.Nifti1Image(data, image.affine), group.in_files[4])
    formula, definition = TESTS[name]
    permuted = permute(12, formula, definition, n_perm=20, missing=missing)
    parametric = fit_and_test(group, definition, formula, missing=missing)
    content = Path(parametric['stat_file']).read_bytes()
    assert Path(permuted.stat_file).read_bytes() == content
    assert np.isnan(nib.load(permuted.stat_file).get_fdata()).any() == (missing == 'drop_voxel')


MAPS = ('stat', 'p_uncorrected', 'p_fwe', 'logp_fwe', 'cor_z_score', 'q_fdr', 'logq_fdr', 'null',
        'metadata')  # fmt: skip


def contents(found):
    return [Path(getattr(found, f'{name}_file')).read_bytes() for name in MAPS]


@pytest.mark.parametrize('name', TESTS)
def test_chunks_and_threads_have_no_influence(permute, name):
    formula, definition = TESTS[name]
    whole = contents(permute(12, formula, definition, n_perm=19))
    # With 23 chunks of 20 relabellings, some have nothing to do.
    for n_chunks, num_threads in ((3, 1), (7, 2), (23, 1)):
        parts = permute(
            12, formula, definition, n_perm=19, n_chunks=n_chunks, num_threads=num_threads
        )
        assert len(parts.chunk_files) == n_chunks
        assert contents(parts) == whole


def test_packed_maps_give_the_same(run, permute, group):
    packed = run(ApplyMask(in_files=group.in_files, mask_file=group.mask_file))
    assert contents(permute(12, None, 'intercept', n_perm=50)) == contents(
        permute(12, None, 'intercept', n_perm=50, in_files=packed.observations_file)
    )


def test_maps_of_p_agree(permute, group, read, read_json):
    found = permute(12, 'group + age', 'age', n_perm=199)
    p_fwe, p, stat = (
        read(getattr(found, f'{name}_file'), group.mask).astype(float)
        for name in ('p_fwe', 'p_uncorrected', 'stat')
    )
    null = pd.read_csv(found.null_file, sep='\t')
    assert null.columns.tolist() == ['relabelling', 'max_abs_t']
    assert len(null) == 200
    np.testing.assert_allclose(p_fwe * 200, np.round(p_fwe * 200), atol=1e-4)
    assert (p_fwe >= p).all()
    assert p.min() >= np.float32(1 / 200)
    # The observed maximum is the first of the null distribution.
    assert null['max_abs_t'][0] == pytest.approx(np.abs(stat).max(), rel=1e-6)
    reached = (null['max_abs_t'] >= null['max_abs_t'][0]).mean()
    assert p_fwe[np.abs(stat).argmax()] == pytest.approx(reached)
    logp = read(found.logp_fwe_file, group.mask)
    np.testing.assert_allclose(logp, -np.log10(p_fwe), atol=1e-6)
    z = read(found.cor_z_score_file, group.mask)
    np.testing.assert_allclose(z, np.maximum(stats.norm.isf(p_fwe), 0), atol=1e-5)
    outside = {'stat': 0, 'p_fwe': 1, 'p_uncorrected': 1, 'logp_fwe': 0, 'cor_z_score': 0}
    for name, value in outside.items():
        assert (read(getattr(found, f'{name}_file'))[~group.mask] == value).all()
    metadata = read_json(found.metadata_file)
    assert metadata['SmallestCorrectedP'] == pytest.approx(p_fwe.min())
    assert metadata['SmallestPossibleP'] == 1 / 200
    assert metadata['ObservedMaximum'] == null['max_abs_t'][0]
    assert metadata['NumberOfVoxelsTested'] == group.mask.sum()
    assert (metadata['Seed'], metadata['Exhaustive']) == (3, False)
    assert metadata['Errors'] == 'exchangeable'


def test_signed_z(run, permute, group, read):
    found = permute(12, None, 'intercept', n_perm=199)
    signed = run(
        MergePermutations(
            chunk_files=found.chunk_files,
            mask_file=group.mask_file,
            design_file=found.design_file,
            contrast_file=found.contrast_file,
            signed_z=True,
        )
    )
    plain, stat = (read(name, group.mask) for name in (found.cor_z_score_file, found.stat_file))
    z = read(signed.cor_z_score_file, group.mask)
    np.testing.assert_array_equal(np.abs(z), plain)
    assert (np.sign(z)[z != 0] == np.sign(stat)[z != 0]).all()
    assert (z < 0).sum() < (z > 0).sum()


def test_seed_decides_the_schedule(run, permute):
    found = permute(12, None, 'intercept', n_perm=20)
    about = {'design_file': found.design_file, 'contrast_file': found.contrast_file}

    def draw(seed):
        return Path(run(DrawSchedule(n_perm=20, seed=seed, **about)).schedule_file).read_bytes()

    assert draw(3) == Path(found.schedule_file).read_bytes()
    assert draw(4) != draw(3)


def test_large_groups(run, read_json, new_folder):
    """Two thousand maps can be permuted in more ways than Python will write as a decimal."""
    folder = new_folder()
    design = pd.DataFrame({'intercept': 1.0, 'x': np.arange(2000.0)})
    design.to_csv(folder / 'design.tsv', sep='\t', index=False)
    about = {'design_file': str(folder / 'design.tsv')}
    about['contrast_file'] = run(DefineContrast(name='x', definition='x', **about)).contrast_file
    drawn = run(DrawSchedule(n_perm=3, **about))
    assert load_schedule(drawn.schedule_file).n_possible == math.factorial(2000)
    assert read_json(drawn.metadata_file)['NumberOfPossibleRelabellings'] == '> 1e4000'


# What cannot be permuted is refused, and nothing is left in the folder.


@pytest.fixture
def merge_with(permute, group, refuse):
    """Merge chunks that do not belong together; it must fail with these words."""
    found = permute(12, None, 'intercept', n_perm=20, n_chunks=3)

    def merge_with(chunk_files, error, *words, **inputs):
        files = {
            'mask_file': group.mask_file,
            'design_file': found.design_file,
            'contrast_file': found.contrast_file,
        }
        merge = MergePermutations(chunk_files=chunk_files, **{**files, **inputs})
        refuse(merge, error, *words)

    merge_with.found = found
    return merge_with


def test_a_chunk_is_missing(merge_with):
    first, _, last = merge_with.found.chunk_files
    words = ['do not add up', '0 to 6, 14 to 20', 'every relabelling once, 0 to 20']
    merge_with([last, first], ScheduleError, *words)


def test_a_chunk_is_there_twice(merge_with):
    chunks = merge_with.found.chunk_files
    twice = '0 to 6, 7 to 13, 7 to 13, 14 to 20'
    merge_with([*chunks, chunks[1]], ScheduleError, 'do not add up', twice)


def test_a_chunk_of_another_schedule(merge_with, permute):
    other = permute(12, None, 'intercept', n_perm=30, n_chunks=3)
    chunks = [*merge_with.found.chunk_files[:2], other.chunk_files[2]]
    merge_with(chunks, ScheduleError, 'do not add up', '20 to 30')


def test_a_chunk_of_other_data(merge_with, permute, group):
    image = nib.load(group.in_files[0])
    nib.save(nib.Nifti1Image(-image.get_fdata(), image.affine), group.in_files[0])
    other = permute(12, None, 'intercept', n_perm=20, n_chunks=3)
    chunks = [*merge_with.found.chunk_files[:2], other.chunk_files[2]]
    merge_with(chunks, ScheduleError, 'not of the same data')


def test_chunks_of_another_side(merge_with):
    merge_with(
        merge_with.found.chunk_files,
        ScheduleError,
        'computed for another side',
        "'negative'",
        sidedness='negative',
    )


def test_chunks_of_another_mask(merge_with, group, new_folder):
    mask = group.mask.copy()
    mask[tuple(np.argwhere(mask)[0])] = False
    path = new_folder() / 'smaller.nii.gz'
    nib.save(nib.Nifti1Image(mask.astype(np.uint8), nib.load(group.mask_file).affine), path)
    words = ['does not fit the mask', f'{mask.sum()} values']
    merge_with(merge_with.found.chunk_files, InputError, *words, mask_file=str(path))


def test_a_contrast_of_another_design(merge_with, permute):
    other = permute(12, 'age', 'age', n_perm=20)
    words = ['made for another design', 'columns intercept, age', 'columns intercept\n']
    contrast_file = other.contrast_file
    merge_with(merge_with.found.chunk_files, ContrastError, *words, contrast_file=contrast_file)


def test_a_file_that_is_no_chunk(merge_with, group):
    words = ['mask.nii.gz could not be read', 'an .npz file']
    merge_with([group.mask_file], InputError, *words)


@pytest.mark.parametrize(
    ('inputs', 'words'),
    [
        ({'n_perm': 0}, ['Too few relabellings', 'n_perm = 0', 'at least 1']),
        ({'n_perm': -5}, ['Too few relabellings', 'n_perm = -5', 'at least 1']),
        ({'seed': -1}, ['The seed is out of range', '-1']),
        ({'errors': 'exchangeable'}, ['allows no relabelling', 'equal rows', "'symmetric'"]),
    ],
)
def test_schedules_that_cannot_be_drawn(refuse, permute, inputs, words):
    found = permute(12, None, 'intercept', n_perm=20)
    about = {'design_file': found.design_file, 'contrast_file': found.contrast_file}
    refuse(DrawSchedule(**about, **inputs), ScheduleError, *words)


def _permute_with(group, found, **inputs):
    files = {
        'in_files': group.in_files,
        'mask_file': group.mask_file,
        'design_file': found.design_file,
        'contrast_file': found.contrast_file,
        'schedule_file': found.schedule_file,
    }
    return Permute(**{**files, **inputs})


@pytest.mark.parametrize(
    ('n_maps', 'formula', 'definition', 'words'),
    [
        (9, None, 'intercept', ['9 observations in the schedule', '12, the rows']),
        (12, 'age', 'age', ['other groups of equal rows', 'Draw the schedule again']),
    ],
)
def test_schedule_of_another_design(refuse, permute, group, n_maps, formula, definition, words):
    """Of other length, or with other rows that are interchangeable."""
    found = permute(12, 'group', 'group[T.patient]', n_perm=20)
    other = permute(n_maps, formula, definition, n_perm=20)
    interface = _permute_with(group, found, schedule_file=other.schedule_file)
    refuse(interface, ScheduleError, 'schedule does not fit the design', *words)


@pytest.mark.parametrize('chunk', [-1, 3])
def test_no_such_chunk(refuse, permute, group, chunk):
    found = permute(12, None, 'intercept', n_perm=20)
    words = ['no such chunk', f'chunk {chunk} of 3']
    refuse(_permute_with(group, found, chunk=chunk, n_chunks=3), ScheduleError, *words)


def test_missing_values_are_refused_by_name(refuse, permute, group):
    found = permute(12, None, 'intercept', n_perm=20)
    image = nib.load(group.in_files[7])
    data = image.get_fdata(dtype=np.float32)
    data[6, 7] = np.nan
    nib.save(nib.Nifti1Image(data, image.affine), group.in_files[7])
    words = ['of 12 maps', f'most in {group.in_files[7]}', "missing='drop_voxel'"]
    refuse(_permute_with(group, found), MissingDataError, *words)


def test_another_number_of_maps(refuse, permute, group):
    found = permute(12, None, 'intercept', n_perm=20)
    words = ['12 rows in the design, 11 observations']
    refuse(_permute_with(group, found, in_files=group.in_files[:11]), DesignError, *words)


def test_files_of_another_step(refuse, permute, merge_with, group):
    found = merge_with.found
    schedule, chunk = found.schedule_file, found.chunk_files[0]
    words = ['does not hold a Schedule', 'counts, ', 'row_classes']
    refuse(_permute_with(group, found, schedule_file=chunk), InputError, chunk, *words)
    words = ['does not hold a Chunk', 'counts, ', 'row_classes']
    merge_with([*found.chunk_files[:2], schedule], InputError, schedule, *words)


# Tails, the false discovery rate, and how far counts can be off.


@pytest.fixture
def merge_again(run, group):
    """Merge the chunks of a permutation test with other inputs."""

    def merge_again(found, schedule_metadata_file=None, **inputs):
        if schedule_metadata_file is not None:
            inputs['schedule_metadata_file'] = schedule_metadata_file
        return run(
            MergePermutations(
                chunk_files=found.chunk_files,
                mask_file=group.mask_file,
                design_file=found.design_file,
                contrast_file=found.contrast_file,
                **inputs,
            )
        )

    return merge_again


@pytest.fixture
def affected(group):
    """Add effects of age, group and site, so that some p are small."""
    table = group.table
    effects = {
        (3, 7): (table['age'] - table['age'].mean()) / 5,
        (5, 9): (table['group'] == 'control') * 5,
        (7, 3): (table['site'] == 'c') * 4,
    }
    for row, path in enumerate(group.in_files):
        image = nib.load(path)
        data = image.get_fdata(dtype=np.float32)
        for (x, y), effect in effects.items():
            data[x : x + 2, y : y + 2, 4:6] += effect[row]
        nib.save(nib.Nifti1Image(data, image.affine), path)


#: Formula, contrast, side: with t on each side, and F.
TAILED = [
    ('group + age', 'age', 'two-sided'),
    ('group + age', 'group[T.patient]', 'negative'),
    ('site', ['site[T.b]', 'site[T.c]'], 'two-sided'),
]


def tail_by_hand(tail, null, observed, counted):
    """Corrected p for a null of 400: gamma by SciPy, generalised Pareto by stats.tails."""
    if tail == 'gpd':
        # The observed labelling is left out of 300 values or more.
        return gpd_tail(null, observed, n_possible=10**8).p
    gamma = stats.pearson3(stats.skew(null, bias=False), null.mean(), null.std(ddof=1))
    return np.where(counted < 1, gamma.sf(observed), 1)


@pytest.mark.parametrize('tail', ['gpd', 'gamma'])
@pytest.mark.parametrize(('formula', 'definition', 'sidedness'), TAILED)
def test_tails(permute, merge_again, affected, group, read, read_json, tail, formula, definition,
               sidedness):  # fmt: skip
    found = permute(12, formula, definition, n_perm=399, sidedness=sidedness)
    merged = merge_again(found, found.schedule_metadata_file, tail=tail, sidedness=sidedness)
    counted, p, p_uncorrected, logp, z, stat = (
        read(path, group.mask).astype(float)
        for path in (
            found.p_fwe_file,
            merged.p_fwe_file,
            merged.p_uncorrected_file,
            merged.logp_fwe_file,
            merged.cor_z_score_file,
            merged.stat_file,
        )
    )
    metadata = read_json(merged.metadata_file)
    null = on_side(pd.read_csv(merged.null_file, sep='\t').iloc[:, 1].to_numpy(),
                   metadata['Sidedness'])  # fmt: skip
    # The map of t is in single precision, the null is not.
    observed = np.minimum(on_side(stat, metadata['Sidedness']), null[0])
    expected = tail_by_hand(tail, null, observed, counted)
    # Counts jump where rounding carries an observed value past a maximum.
    differ = np.abs(np.log(p / expected)) > 1e-4
    assert differ.mean() < 0.01
    assert differ.sum() == 0 or tail == 'gpd'
    np.testing.assert_allclose(logp, -np.log10(p), atol=1e-5)
    np.testing.assert_allclose(z, np.maximum(stats.norm.isf(p), 0), atol=1e-5)
    np.testing.assert_array_equal(p_uncorrected, read(found.p_uncorrected_file, group.mask))
    assert metadata['SmallestCorrectedP'] == pytest.approx(p.min(), rel=1e-6)
    fitted = metadata['Tail']
    assert fitted['Distribution'] == tail
    assert fitted['Fitted'] is True
    assert fitted['ObservedLabellingFitted'] == (tail == 'gamma')
    assert metadata['CorrectedPValue'] == fitted['Method']
    n_possible = int(metadata['NumberOfPossibleRelabellings'])
    assert metadata['SmallestPossibleP'] == fitted['SmallestPossibleP'] == 1 / n_possible
    assert (
        fitted['NumberOfExceedances']
        == ((null if tail == 'gamma' else null[1:]) > fitted['Threshold']).sum()
    )
    if tail == 'gpd':
        assert 0.05 < fitted['FitP'] <= 0.5
        assert set(fitted['Parameters']) == {'scale', 'shape'}
        np.testing.assert_array_equal(p[counted >= 0.1], counted[counted >= 0.1])
        assert fitted['NumberOfVoxelsFitted'] == (counted < 0.1).sum() > 0
    else:
        assert fitted['Parameters']['mean'] == pytest.approx(null.mean())
        assert fitted['Parameters']['variance'] == pytest.approx(null.var(ddof=1))
        assert fitted['Parameters']['skewness'] == pytest.approx(stats.skew(null, bias=False))
        assert fitted['NumberOfVoxelsFitted'] == (counted < 1).sum()
    assert fitted['NumberOfVoxelsAtLimit'] == 0
    assert fitted['NumberOfVoxelsCounted'] == p.size - fitted['NumberOfVoxelsFitted']
    # The interval is that of the count, for the fit has none.
    assert metadata['MonteCarlo']['SmallestCorrectedP']['P'] == pytest.approx(counted.min())


@pytest.mark.parametrize('tail', ['gpd', 'gamma'])
def test_no_tail_where_all_relabellings_were_used(permute, merge_again, read_json, tail):
    found = permute(8, 'group', 'group[T.patient]', n_perm=100)
    merged = merge_again(found, found.schedule_metadata_file, tail=tail)
    for name in MAPS[:-1]:
        path = getattr(merged, f'{name}_file')
        assert Path(path).read_bytes() == Path(getattr(found, f'{name}_file')).read_bytes()
    metadata = read_json(merged.metadata_file)
    assert metadata['CorrectedPValue'] == 'exact: all 70 relabellings'
    assert metadata['Tail']['Fitted'] is False
    assert metadata['Tail']['NumberOfVoxelsFitted'] == 0
    # Two groups of four can be exchanged as a whole, which leaves the absolute t.
    assert metadata['SmallestPossibleP'] == 2 / 70
    assert metadata['MonteCarlo']['Method'] == 'exact: all 70 relabellings'
    p = metadata['SmallestCorrectedP']
    assert metadata['MonteCarlo']['SmallestCorrectedP'] == {'P': p, 'Interval': [p, p]}
    assert metadata['MonteCarlo']['Alpha0.05'] == {'P': 3 / 70, 'Interval': [3 / 70, 3 / 70]}


def test_a_tail_of_few_relabellings(permute, merge_again, read_json):
    """It is fitted with the observed labelling, and a warning says what that means."""
    found = permute(12, 'group + age', 'age', n_perm=99)
    with pytest.warns(NistatsNipypeWarning, match='a quarter of 100 relabellings'):
        merged = merge_again(found, found.schedule_metadata_file, tail='gpd')
    assert read_json(merged.metadata_file)['Tail']['ObservedLabellingFitted'] is True
    merge_again(found, found.schedule_metadata_file, tail='gamma')  # says nothing


def test_a_tail_needs_to_know_what_is_possible(permute, group, refuse):
    found = permute(12, 'group + age', 'age', n_perm=399)
    merge = MergePermutations(
        chunk_files=found.chunk_files,
        mask_file=group.mask_file,
        design_file=found.design_file,
        contrast_file=found.contrast_file,
        tail='gpd',
    )
    refuse(merge, InputError, 'how many relabellings there are', 'schedule_metadata_file')


@pytest.mark.parametrize(('method', 'name'), [('BH', 'fdr_bh'), ('BKY', 'fdr_tsbky')])
@pytest.mark.parametrize('alpha', [0.2, 0.5])
def test_false_discovery_rate(permute, merge_again, affected, group, read, read_json, method,
                              name, alpha):  # fmt: skip
    found = permute(12, 'group + age', 'age', n_perm=399)
    merged = merge_again(found, fdr_method=method, fdr_alpha=alpha)
    q, logq = (read(path) for path in (merged.q_fdr_file, merged.logq_fdr_file))
    p = read(found.p_uncorrected_file, group.mask).astype(float)
    reject, expected, *_ = multipletests(p, alpha, name)
    assert 0 < reject.sum() < reject.size
    np.testing.assert_array_equal(q[group.mask] <= alpha, reject)
    if method == 'BH':
        np.testing.assert_allclose(q[group.mask], expected, rtol=1e-5)
    np.testing.assert_allclose(logq[group.mask], -np.log10(q[group.mask]), atol=1e-5)
    assert (q[~group.mask] == 1).all()
    assert (logq[~group.mask] == 0).all()
    metadata = read_json(merged.metadata_file)
    assert metadata['FDRMethod'] == method
    assert metadata['FDRAlpha'] == (alpha if method == 'BKY' else None)
    assert metadata['SmallestFDRAdjustedP'] == pytest.approx(q.min())


@pytest.mark.parametrize('n_perm', [399, 15])
def test_how_far_counts_may_be_off(permute, read_json, n_perm):
    metadata = read_json(permute(12, 'group + age', 'age', n_perm=n_perm).metadata_file)
    found = metadata['MonteCarlo']
    n = n_perm + 1
    assert metadata['CorrectedPValue'] == f'counts of {n} relabellings'
    assert found['Method'].startswith(f'95 % interval of Clopper and Pearson, {n_perm} random')
    assert found['SmallestCorrectedP']['P'] == metadata['SmallestCorrectedP']
    parts = [found['SmallestCorrectedP']]
    if n < 20:
        assert found['Alpha0.05'] is None
    else:
        assert found['Alpha0.05']['P'] == 20 / 400
        parts.append(found['Alpha0.05'])
    for part in parts:
        reached = round(part['P'] * n) - 1
        interval = stats.binomtest(reached, n_perm).proportion_ci(method='exact')
        np.testing.assert_allclose(part['Interval'], interval, atol=1e-12)
    assert metadata['Tail'] is None
