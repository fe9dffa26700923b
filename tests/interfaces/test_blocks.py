"""Exchangeability blocks from a file to corrected p: repeated measures of subjects."""

import itertools
from pathlib import Path
from types import SimpleNamespace

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.anova import AnovaRM

from nistats_nipype.exceptions import InputError, ScheduleError
from nistats_nipype.interfaces import (
    ComputeContrast,
    DefineContrast,
    DrawSchedule,
    FitGLM,
    MergePermutations,
    MergeSpatial,
    Permute,
    PermuteSpatial,
)

TIE = 1e-9


@pytest.fixture
def analyse(run, new_folder):
    """Fit, test and permute maps under a design that is written here; give all outputs."""

    def analyse(in_files, mask_file, design, definition, blocks=None, *, n_perm, **inputs):
        sidedness = {'sidedness': inputs.pop('sidedness', 'two-sided')}
        folder = new_folder('inputs')
        design_file = folder / 'design.tsv'
        pd.DataFrame(design).to_csv(design_file, sep='\t', index=False)
        about = {'design_file': str(design_file)}
        define = DefineContrast(name='x', definition=definition, **about)
        about['contrast_file'] = run(define).contrast_file
        draw = DrawSchedule(n_perm=n_perm, seed=11, **about, **inputs)
        if blocks is not None:
            np.savetxt(folder / 'blocks.csv', blocks, fmt='%d', delimiter=',')
            draw.inputs.blocks_file = str(folder / 'blocks.csv')
        drawn = run(draw)
        maps = {'in_files': in_files, 'mask_file': mask_file}
        model = run(FitGLM(design_file=str(design_file), **maps)).model_file
        tested = run(ComputeContrast(model_file=model, mask_file=mask_file, **about, **sidedness))
        chunks = [
            run(
                Permute(
                    schedule_file=drawn.schedule_file,
                    chunk=chunk,
                    n_chunks=2,
                    **maps,
                    **about,
                    **sidedness,
                )
            ).chunk_file
            for chunk in range(2)
        ]
        merge = {
            'mask_file': mask_file,
            'schedule_metadata_file': drawn.metadata_file,
            **about,
            **sidedness,
        }
        merged = run(MergePermutations(chunk_files=chunks, **merge))
        return SimpleNamespace(
            **merged.get(),
            parametric_file=tested.stat_file,
            schedule_file=drawn.schedule_file,
            maps={**maps, **about, **sidedness},
            merge=merge,
        )

    return analyse


def dummies(labels, prefix):
    labels = np.asarray(labels)
    return {f'{prefix}{name}': (labels == name).astype(float) for name in np.unique(labels)}


# A paired design: subject and condition.

SUBJECTS = np.repeat(np.arange(1, 7), 2)
CONDITION = np.tile([0.0, 1.0], 6)
PAIRED = {**dummies(SUBJECTS, 's'), 'condition': CONDITION}
ON_SIDE = {'two-sided': np.abs, 'positive': np.positive, 'negative': np.negative}


def flip_differences(differences, sidedness):
    """One-sample t of every sign flip on its side, the observed one first."""
    patterns = np.array(list(itertools.product((1, -1), repeat=len(differences))))
    t = [stats.ttest_1samp(s[:, None] * differences, 0).statistic for s in patterns]
    return ON_SIDE[sidedness](np.array(t))


def p_of(null):
    """Uncorrected and corrected p from a statistic of every relabelling."""
    reach = null[0] - TIE * np.abs(null[0])
    p_fwe = (null.max(axis=1)[:, None] >= reach).mean(axis=0)
    return [p.astype(np.float32) for p in ((null >= reach).mean(axis=0), p_fwe)]


def check_p(found, null, mask, read):
    p, p_fwe = p_of(null)
    np.testing.assert_array_equal(read(found.p_uncorrected_file, mask), p)
    np.testing.assert_array_equal(read(found.p_fwe_file, mask), p_fwe)


@pytest.mark.parametrize('sidedness', ON_SIDE)
def test_paired_test_is_that_of_sign_flips_of_the_differences(
    analyse, group, read, read_json, sidedness
):
    found = analyse(
        group.in_files,
        group.mask_file,
        PAIRED,
        'condition',
        SUBJECTS,
        n_perm=1000,
        sidedness=sidedness,
    )
    differences = group.data[1::2] - group.data[::2]
    t = stats.ttest_1samp(differences, 0).statistic
    np.testing.assert_allclose(read(found.stat_file, group.mask), t, rtol=1e-5, atol=1e-6)
    check_p(found, flip_differences(differences, sidedness), group.mask, read)
    metadata = read_json(found.metadata_file)
    assert metadata['NumberOfPossibleRelabellings'] == '64'
    assert metadata['Exhaustive'] is True
    assert metadata['Errors'] == 'exchangeable'
    expected = [[-1, subject, row] for row, subject in enumerate(SUBJECTS.tolist(), start=1)]
    assert metadata['ExchangeabilityBlocks'] == expected
    with np.load(found.schedule_file) as schedule:
        np.testing.assert_array_equal(schedule['blocks'], expected)
        moved = SUBJECTS[schedule['orders']]
    assert (moved == SUBJECTS).all()


def test_without_blocks_subjects_are_mixed(analyse, group, read_json):
    """The same design has 12! relabellings then; the file is what restricts them."""
    found = analyse(group.in_files, group.mask_file, PAIRED, 'condition', n_perm=50)
    metadata = read_json(found.metadata_file)
    assert metadata['ExchangeabilityBlocks'] is None
    assert int(metadata['NumberOfPossibleRelabellings']) > 64
    with np.load(found.schedule_file) as schedule:
        assert 'blocks' not in schedule
        assert (SUBJECTS[schedule['orders']] != SUBJECTS).any()


def spatial(run, found):
    """Clusters and TFCE with the schedule of an analysis."""
    chunk = run(
        PermuteSpatial(
            schedule_file=found.schedule_file, cluster_threshold=2.0, tfce=True, **found.maps
        )
    )
    return run(MergeSpatial(chunk_files=[chunk.chunk_file], **found.merge))


def test_clusters_and_tfce_use_the_blocks(analyse, run, group, read, read_json, new_folder):
    """Conditions exchanged within subjects are signs of the differences flipped."""
    blocked = analyse(group.in_files, group.mask_file, PAIRED, 'condition', SUBJECTS, n_perm=100)
    folder, in_files = new_folder('differences'), []
    for number, pair in enumerate(zip(group.in_files[::2], group.in_files[1::2], strict=True)):
        first, second = map(nib.load, pair)
        in_files.append(str(folder / f'{number}.nii.gz'))
        difference = second.get_fdata() - first.get_fdata()
        nib.save(nib.Nifti1Image(difference.astype(np.float32), first.affine), in_files[-1])
    mean = {'mean': np.ones(6)}
    flipped = analyse(in_files, group.mask_file, mean, 'mean', n_perm=100)
    one, other = spatial(run, blocked), spatial(run, flipped)
    for name in ('extent', 'mass', 'tfce'):
        p = read(getattr(one, f'{name}_p_fwe_file'))
        np.testing.assert_array_equal(p, read(getattr(other, f'{name}_p_fwe_file')))
        assert len(np.unique(p)) > 2
    np.testing.assert_array_equal(read(one.extent_file), read(other.extent_file))
    np.testing.assert_allclose(read(one.tfce_file), read(other.tfce_file), rtol=1e-4)
    metadata = read_json(one.metadata_file)
    assert metadata['ExchangeabilityBlocks'][0] == [-1, 1, 1]
    assert metadata['NumberOfRelabellings'] == 64


def test_signs_of_subjects_flip_as_wholes(analyse, group, read, read_json):
    """Two scans of each subject, the mean of all tested: 64 relabellings, not 4,096.

    Oracle: the fit of the mean to every pattern of signs that subjects share.
    """
    whole = [[1, -subject, row] for row, subject in enumerate(SUBJECTS, start=1)]
    found = analyse(
        group.in_files, group.mask_file, {'mean': np.ones(12)}, 'mean', whole, n_perm=1000,
        errors='symmetric',
    )  # fmt: skip
    patterns = np.repeat(list(itertools.product((1, -1), repeat=6)), 2, axis=1)
    t = [stats.ttest_1samp(s[:, None] * group.data, 0).statistic for s in patterns]
    check_p(found, np.abs(t), group.mask, read)
    assert read_json(found.metadata_file)['NumberOfPossibleRelabellings'] == '64'


BAD = {
    'too few rows': ('1\n' * 11, ScheduleError, ['do not fit the design', '(11, 1)', '12 rows']),
    'zero': ('0\n' * 12, ScheduleError, ['cannot be read', '0 in row 0', 'but not 0']),
    'one each': (
        ''.join(f'{row}\n' for row in range(1, 13)),
        ScheduleError,
        ['allow no relabelling beside the observed one'],
    ),
    'words': ('subject\n' + '1\n' * 12, InputError, ['could not be read', "'subject'"]),
    # Conditions are exchanged in no subject: only whole subjects are.
    'whole subjects': (
        ''.join(f'1,-{subject},{row}\n' for row, subject in enumerate(SUBJECTS, start=1)),
        ScheduleError,
        ['allow no relabelling', 'values of the regressor that the contrast tests'],
    ),
}


@pytest.mark.parametrize('name', BAD)
def test_blocks_that_cannot_be_used(refuse, run, new_folder, name):
    content, error, words = BAD[name]
    folder = new_folder('inputs')
    design_file, blocks_file = folder / 'design.tsv', folder / 'blocks.csv'
    pd.DataFrame(PAIRED).to_csv(design_file, sep='\t', index=False)
    blocks_file.write_text(content)
    about = {'design_file': str(design_file)}
    define = DefineContrast(name='x', definition='condition', **about)
    about['contrast_file'] = run(define).contrast_file
    refuse(DrawSchedule(blocks_file=str(blocks_file), **about), error, *words)


# Twelve subjects, three basis functions: real maps.

FACES = np.tile(np.arange(1, 13), 3)
BASIS = np.repeat([1, 2, 3], 12)


@pytest.fixture
def faces(data_dir, new_folder):
    """Maps, a mask of the voxels that all of them have, and the values there."""
    in_files = [
        str(data_dir / 'faces12' / 'nii' / f'con_{number:04d}.nii.gz') for number in range(3, 39)
    ]
    images = [nib.load(path) for path in in_files]
    data = np.array([image.get_fdata() for image in images])
    mask = (np.isfinite(data) & (data != 0)).all(axis=0)
    assert mask.sum() == 1685
    mask_file = new_folder('mask') / 'mask.nii.gz'
    nib.save(nib.Nifti1Image(mask.astype(np.uint8), images[0].affine), mask_file)
    return SimpleNamespace(in_files=in_files, mask_file=str(mask_file), mask=mask, y=data[:, mask])


def repeated_measures_f(y):
    """F of the condition in a two-way table without repeats; y is (conditions, subjects, V)."""
    n_conditions, n_subjects = y.shape[:2]
    grand = y.mean(axis=(0, 1))
    of_condition, of_subject = y.mean(axis=1), y.mean(axis=0)
    between = n_subjects * ((of_condition - grand) ** 2).sum(axis=0)
    residual = y - of_condition[:, None] - of_subject[None] + grand
    dof = (n_conditions - 1) * (n_subjects - 1)
    return between / (n_conditions - 1) / ((residual**2).sum(axis=(0, 1)) / dof)


def test_repeated_measures_of_real_maps(analyse, run, faces, read, read_json):
    """Three basis functions exchanged within subjects."""
    design = {**dummies(FACES, 's'), **dummies(BASIS, 'bf')}
    del design['bf1']
    arguments = faces.in_files, faces.mask_file, design, ['bf2', 'bf3'], FACES
    found = analyse(*arguments, n_perm=199)
    f = read(found.stat_file, faces.mask).astype(float)
    assert Path(found.stat_file).read_bytes() == Path(found.parametric_file).read_bytes()
    table = pd.DataFrame({'subject': FACES, 'basis': BASIS})
    for voxel in (0, 400, 900, 1684, int(f.argmax())):
        table['y'] = faces.y[:, voxel]
        anova = AnovaRM(table, 'y', 'subject', within=['basis']).fit().anova_table
        assert f[voxel] == pytest.approx(anova['F Value'].iloc[0], rel=1e-5)
        assert anova[['Num DF', 'Den DF']].iloc[0].tolist() == [2, 22]
    # An exchange within subjects leaves their means, the nuisance, as they are: so the maps
    # themselves can be moved.
    with np.load(found.schedule_file) as schedule:
        orders = schedule['orders']
    assert (FACES[orders] == FACES).all()
    null = np.array([repeated_measures_f(faces.y[o].reshape(3, 12, -1)) for o in orders])
    check_p(found, null, faces.mask, read)
    p_fwe = read(found.p_fwe_file, faces.mask)
    assert p_fwe.min() == np.float32(1 / 200)
    assert (p_fwe[f > 60] < 0.05).all()
    metadata = read_json(found.metadata_file)
    # 3! orders for each of 12 subjects, which F cannot tell apart where all have one order.
    assert metadata['NumberOfPossibleRelabellings'] == str(6**12)
    assert (metadata['Statistic'], metadata['Sidedness']) == ('F', 'positive')
    again = analyse(*arguments, n_perm=199)
    for name in ('p_fwe_file', 'p_uncorrected_file', 'null_file'):
        one, other = (Path(getattr(each, name)).read_bytes() for each in (found, again))
        assert one == other


def test_all_sign_flips_of_real_maps(run, analyse, faces, read, read_json):
    """Mean of the first basis function: 2 ** 12 relabellings, all of them."""
    maps = faces.in_files[:12], faces.mask_file
    found = analyse(*maps, {'mean': np.ones(12)}, 'mean', n_perm=4095)
    y = faces.y[:12]
    signs = np.array(list(itertools.product((1, -1), repeat=12)))
    # A flip leaves the sum of squares as it is.
    mean, squares = signs @ y / 12, (y**2).sum(axis=0)
    t = mean / np.sqrt((squares - 12 * mean**2) / 11 / 12)
    np.testing.assert_allclose(t[0], stats.ttest_1samp(y, 0).statistic, rtol=1e-9)
    check_p(found, np.abs(t), faces.mask, read)
    metadata = read_json(found.metadata_file)
    assert metadata['NumberOfRelabellings'] == 4096
    assert metadata['Exhaustive'] is True
    assert read(found.p_fwe_file, faces.mask).min() >= np.float32(2 / 4096)
