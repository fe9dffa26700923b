"""Standard designs from a table on disk to corrected p."""

import itertools
from pathlib import Path
from types import SimpleNamespace

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.anova import AnovaRM

from nistats_nipype.exceptions import ContrastError, DesignError, InputError
from nistats_nipype.interfaces import (
    ApplyMask,
    AverageMaps,
    BuildStandardDesign,
    ComputeContrast,
    DrawSchedule,
    FitGLM,
    MergePermutations,
    Permute,
)


@pytest.fixture
def save_rows(new_folder):
    """Write a table that names its maps, in an order of its own."""

    def save_rows(**columns):
        path = new_folder('table') / 'maps.tsv'
        table = pd.DataFrame(columns).sample(frac=1, random_state=3)
        table.to_csv(path, sep='\t', index=False)
        return str(path)

    return save_rows


@pytest.fixture
def analyse(run):
    """Test the first contrast of what BuildStandardDesign gave, with all that belongs to it."""

    def analyse(built, in_files, mask_file, n_perm):
        given = {name: value for name, value in built.get().items() if isinstance(value, str)}
        about = {
            'design_file': built.design_file,
            'contrast_file': built.contrast_files[0],
        }
        groups = {key: given[key] for key in ('variance_groups_file',) if key in given}
        blocks = {key: given[key] for key in ('blocks_file',) if key in given}
        if 'averages_file' in given:
            average = AverageMaps(
                in_files=in_files, mask_file=mask_file, averages_file=given['averages_file']
            )
            in_files = [run(average).observations_file]
        maps = {'in_files': in_files, 'mask_file': mask_file}
        fit = run(FitGLM(design_file=built.design_file, **maps, **groups))
        tested = run(ComputeContrast(model_file=fit.model_file, mask_file=mask_file, **about))
        drawn = run(DrawSchedule(n_perm=n_perm, seed=2, **about, **blocks, **groups))
        chunk = run(Permute(schedule_file=drawn.schedule_file, **maps, **about))
        merged = run(
            MergePermutations(
                chunk_files=[chunk.chunk_file],
                schedule_metadata_file=drawn.metadata_file,
                mask_file=mask_file,
                **about,
            )
        )
        return SimpleNamespace(
            **merged.get(),
            parametric_file=tested.stat_file,
            parametric_p_file=tested.p_file,
            schedule_file=drawn.schedule_file,
        )

    return analyse


def p_of(null):
    """Uncorrected and corrected p from a statistic of every relabelling."""
    reach = null[0] - 1e-9 * np.abs(null[0])
    p_fwe = (null.max(axis=1)[:, None] >= reach).mean(axis=0)
    return [p.astype(np.float32) for p in ((null >= reach).mean(axis=0), p_fwe)]


def check_p(found, null, mask, read):
    p, p_fwe = p_of(np.asarray(null))
    np.testing.assert_array_equal(read(found.p_uncorrected_file, mask), p)
    np.testing.assert_array_equal(read(found.p_fwe_file, mask), p_fwe)


def names_of(in_files):
    """Subjects of two maps each, under participants with several rows."""
    return np.repeat([f'sub-{number}' for number in range(len(in_files) // 2)], 2)


def test_paired(run, group, analyse, save_rows, read, read_json):
    """Signs of six differences, all flips."""
    table_file = save_rows(
        participant_id=names_of(group.in_files), file=group.in_files, drug=['off', 'on'] * 6
    )
    built = run(
        BuildStandardDesign(
            in_files=group.in_files,
            table_file=table_file,
            kind='paired',
            subject='participant_id',
            within='drug',
        )
    )
    assert [Path(path).name for path in built.contrast_files] == ['contrast-onOff.json']
    found = analyse(built, group.in_files, group.mask_file, 1000)
    differences = group.data[1::2] - group.data[::2]
    signs = itertools.product((1, -1), repeat=6)
    null = [stats.ttest_1samp(np.array(s)[:, None] * differences, 0).statistic for s in signs]
    np.testing.assert_allclose(
        read(found.parametric_file, group.mask), null[0], rtol=1e-4, atol=1e-5
    )
    check_p(found, np.abs(null), group.mask, read)
    assert read_json(found.metadata_file)['NumberOfPossibleRelabellings'] == '64'
    metadata = read_json(built.metadata_file)
    assert metadata['StandardDesign'] == 'paired'
    assert metadata['StandardDesignArguments'] == {'subject': 'participant_id', 'within': 'drug'}
    said = 'Paired test: drug (off, on), exchanged within each of 6 subjects.'
    assert metadata['StandardDesignDescription'] == said


def test_between_subjects_of_a_mixed_design(run, group, analyse, save_rows, read, read_json):
    """Six subjects' averages, permuted between two groups."""
    columns = {
        's': names_of(group.in_files),
        'file': group.in_files,
        'time': [1, 2] * 6,
        'arm': np.repeat(['a', 'b', 'a', 'b', 'b', 'a'], 2),
    }
    built = run(
        BuildStandardDesign(
            in_files=group.in_files,
            table_file=save_rows(**columns),
            kind='mixed',
            subject='s',
            group='arm',
            within='time',
            effect='arm',
        )
    )
    assert len(pd.read_csv(built.design_file, sep='\t')) == 6
    assert Path(built.averages_file).read_text().split() == list('112233445566')
    found = analyse(built, group.in_files, group.mask_file, 1000)
    means = (group.data[1::2] + group.data[::2]) / 2
    expected = stats.ttest_ind(means[[1, 3, 4]], means[[0, 2, 5]])
    t = read(found.parametric_file, group.mask)
    np.testing.assert_allclose(t, expected.statistic, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(
        read(found.parametric_p_file, group.mask), expected.pvalue, rtol=1e-3, atol=1e-5
    )
    # The observed groups, and the others.
    chosen = sorted(itertools.combinations(range(6), 3), key=lambda those: those != (1, 3, 4))
    packed = means.astype(np.float32).astype(float)
    null = [
        stats.ttest_ind(packed[list(those)], np.delete(packed, those, axis=0)).statistic
        for those in chosen
    ]
    check_p(found, np.abs(null), group.mask, read)


def test_unequal_variances(run, group, analyse, read):
    built = run(
        BuildStandardDesign(
            in_files=group.in_files,
            table_file=group.table_file,
            kind='two-sample',
            group='group',
            equal_variance=False,
            reference='patient',
        )
    )
    found = analyse(built, group.in_files, group.mask_file, 20)
    expected = stats.ttest_ind(group.data[::2], group.data[1::2], equal_var=False)
    t = read(found.parametric_file, group.mask)
    np.testing.assert_allclose(t, expected.statistic, rtol=1e-4, atol=1e-5)
    p = read(found.parametric_p_file, group.mask)
    np.testing.assert_allclose(p, expected.pvalue, rtol=1e-3)


REFUSED = {
    'of one row each': (
        {'kind': 'paired', 'subject': 'participant_id', 'within': 'group'},
        DesignError,
        ['Subjects lack maps', '12 of 12 subjects'],
    ),
    'that lacks a column': (
        {'kind': 'ancova', 'group': 'group'},
        InputError,
        ["arguments of the design 'ancova'", 'Add covariates.'],
    ),
    'with a column too many': (
        {'kind': 'one-sample', 'group': 'group'},
        InputError,
        ['Leave out group.'],
    ),
    'of an unknown column': (
        {'kind': 'regression', 'covariates': ['age', 'size']},
        DesignError,
        ['does not have these columns: size'],
    ),
}


@pytest.mark.parametrize('name', REFUSED)
def test_designs_that_are_refused(refuse, group, name):
    arguments, error, words = REFUSED[name]
    build = BuildStandardDesign(in_files=group.in_files, table_file=group.table_file, **arguments)
    refuse(build, error, *words)


def test_covariates_whose_names_become_one_label(refuse, group, save_rows):
    table_file = save_rows(file=group.in_files, **{'a b': range(12), 'a_b': [1, 5, 2] * 4})
    build = BuildStandardDesign(
        in_files=group.in_files,
        table_file=table_file,
        kind='regression',
        covariates=['a b', 'a_b'],
    )
    refuse(build, ContrastError, 'share their file names', 'a b, a_b')


def test_maps_without_names_in_the_table(refuse, group, save_rows):
    table_file = save_rows(participant_id=names_of(group.in_files), drug=['off', 'on'] * 6)
    build = BuildStandardDesign(
        in_files=group.in_files,
        table_file=table_file,
        kind='paired',
        subject='participant_id',
        within='drug',
    )
    refuse(build, DesignError, 'duplicate participants in the table', 'name every map in a column')


def test_averages_keep_what_is_missing(run, group, new_folder):
    folder = new_folder('maps')
    image = nib.load(group.in_files[0])
    holed = image.get_fdata(dtype=np.float32)
    where = tuple(np.argwhere(group.mask)[7])
    holed[where] = np.nan
    nib.save(nib.Nifti1Image(holed, image.affine), folder / 'holed.nii.gz')
    (folder / 'averages.csv').write_text('1\n1\n2\n2\n')
    in_files = [str(folder / 'holed.nii.gz'), *group.in_files[1:4]]
    averages_file = str(folder / 'averages.csv')
    average = AverageMaps(
        in_files=in_files, mask_file=group.mask_file, averages_file=averages_file
    )
    packed = np.load(run(average).observations_file)
    expected = group.data[:4].reshape(2, 2, -1).mean(axis=1)
    expected[0, 7] = np.nan
    np.testing.assert_allclose(packed, expected, rtol=1e-6)
    # The same of maps that were packed before.
    apply_mask = ApplyMask(in_files=in_files, mask_file=group.mask_file)
    average.inputs.in_files = [run(apply_mask).observations_file]
    np.testing.assert_array_equal(np.load(run(average).observations_file), packed)


@pytest.mark.parametrize(
    ('text', 'words'),
    [
        ('1\n2\n', ['2 numbers for 12 maps']),
        ('1\n' * 11 + '3\n', ['without gaps', 'from 0 to 2']),
        ('1 1\n' * 12, ['does not hold the observations that maps go into', '2 numbers a row']),
    ],
)
def test_averages_that_do_not_fit(refuse, group, new_folder, text, words):
    averages_file = new_folder('averages') / 'averages.csv'
    averages_file.write_text(text)
    average = AverageMaps(
        in_files=group.in_files, mask_file=group.mask_file, averages_file=str(averages_file)
    )
    refuse(average, InputError, *words)


# Twelve subjects, three basis functions: real maps.

FACES = np.tile([f'sub-{number:02d}' for number in range(1, 13)], 3)
BASIS = np.repeat(['bf1', 'bf2', 'bf3'], 12)


def repeated_measures_f(y):
    """F of the condition in a two-way table without repeats; y is (conditions, subjects, V)."""
    grand = y.mean(axis=(0, 1))
    between = y.shape[1] * ((y.mean(axis=1) - grand) ** 2).sum(axis=0) / (len(y) - 1)
    residual = y - y.mean(axis=1)[:, None] - y.mean(axis=0)[None] + grand
    dof = (len(y) - 1) * (y.shape[1] - 1)
    return between / ((residual**2).sum(axis=(0, 1)) / dof)


def test_repeated_measures_of_real_maps(data_dir, run, new_folder, analyse, save_rows, read):
    folder = data_dir / 'faces12' / 'nii'
    in_files = [str(folder / f'con_{number:04d}.nii.gz') for number in range(3, 39)]
    images = [nib.load(path) for path in in_files]
    data = np.array([image.get_fdata() for image in images])
    mask = (np.isfinite(data) & (data != 0)).all(axis=0)
    mask_file = str(new_folder('mask') / 'mask.nii.gz')
    nib.save(nib.Nifti1Image(mask.astype(np.uint8), images[0].affine), mask_file)
    y = data[:, mask]
    built = run(
        BuildStandardDesign(
            in_files=in_files,
            table_file=save_rows(participant_id=FACES, basis=BASIS, map=in_files),
            kind='repeated-measures',
            subject='participant_id',
            within='basis',
        )
    )
    found = analyse(built, in_files, mask_file, 199)
    f = read(found.parametric_file, mask).astype(float)
    table = pd.DataFrame({'participant': FACES, 'bf': BASIS})
    for voxel in (0, 500, 1000, 1684, int(f.argmax())):
        table['y'] = y[:, voxel]
        anova = AnovaRM(table, 'y', 'participant', within=['bf']).fit().anova_table
        assert f[voxel] == pytest.approx(anova['F Value'].iloc[0], rel=1e-5)
    with np.load(found.schedule_file) as schedule:
        orders = schedule['orders']
    assert orders.shape == (200, 36)
    assert (FACES[orders] == FACES).all()
    null = [repeated_measures_f(y[order].reshape(3, 12, -1)) for order in orders]
    check_p(found, null, mask, read)
    assert read(found.p_fwe_file, mask).min() == np.float32(1 / 200)
