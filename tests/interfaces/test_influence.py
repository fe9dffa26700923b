"""Influence of single subjects on disk, against analyses without them."""

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from nibabel.affines import apply_affine
from scipy import stats

from nistats_nipype.exceptions import InputError
from nistats_nipype.interfaces import (
    ApplyMask,
    BuildDesign,
    DefineContrast,
    MeasureInfluence,
    PlotInfluence,
)
from nistats_nipype.stats import glm


@pytest.fixture
def measure(run):
    def measure(group, found, **inputs):
        files = {name: found[name] for name in ('design_file', 'contrast_file')}
        inputs = {'in_files': group.in_files, **inputs}
        return run(MeasureInfluence(mask_file=group.mask_file, **files, **inputs))

    return measure


def place_of(group, voxel):
    """Coordinates of a voxel of the mask."""
    return apply_affine(nib.load(group.mask_file).affine, np.argwhere(group.mask)[voxel])


@pytest.mark.parametrize(
    ('definition', 'sidedness'),
    [('age', 'two-sided'), ('age', 'negative'), (['site[T.b]', 'site[T.c]'], 'two-sided')],
)
def test_rows_are_analyses_without_the_subject(
    measure, group, fit_and_test, read, read_json, definition, sidedness
):
    found = fit_and_test(group, definition, 'site + age')
    out = measure(group, found, sidedness=sidedness, save_maps=True)
    table = pd.read_csv(out.influence_file, sep='\t')
    design = pd.read_csv(found['design_file'], sep='\t').to_numpy()
    weights = np.array(read_json(found['contrast_file'])['ContrastWeights'])
    stat = read(found['stat_file'], group.mask)
    sign = -1 if sidedness == 'negative' else 1
    height = np.abs if len(weights) == 1 and sidedness == 'two-sided' else lambda t: sign * t
    peak = height(stat).argmax()
    effects = np.reshape(read(found['effect_file'])[group.mask], (group.mask.sum(), -1)).T
    about = read_json(out.metadata_file)
    np.testing.assert_allclose(about['Peak'], place_of(group, peak))
    assert about['PeakStatistic'] == pytest.approx(stat[peak], rel=1e-5)
    assert len(out.map_files) == 12
    for i in range(12):
        others = np.delete(np.arange(12), i)
        after = glm.contrast(glm.fit(group.data[others], design[others]), design[others], weights)
        row = table.iloc[i]
        np.testing.assert_allclose(read(out.map_files[i], group.mask), after.stat, rtol=1e-4)
        assert row['stat_at_peak'] == pytest.approx(after.stat[peak], rel=1e-9)
        assert row['change_at_peak'] == pytest.approx(after.stat[peak] - stat[peak], rel=1e-4)
        new = height(after.stat).argmax()
        columns = [f'new_peak_{axis}_mm' for axis in 'xyz']
        np.testing.assert_allclose(row[columns].astype(float), place_of(group, new))
        assert row['new_peak'] == pytest.approx(after.stat[new], rel=1e-9)
        moved = np.abs(after.effect - effects).max(axis=0)
        columns = [f'largest_effect_change_{axis}_mm' for axis in 'xyz']
        where = place_of(group, moved.argmax())
        np.testing.assert_allclose(row[columns].astype(float), where)
        assert abs(row['largest_effect_change']) == pytest.approx(moved.max(), rel=1e-4)
    lowest = table.loc[(np.sign(stat[peak]) * table['stat_at_peak']).idxmin()]
    assert about['WeakestAtPeak']['file'] == lowest['file'] == group.in_files[lowest.name]
    assert about['WeakestAtPeak']['stat'] == pytest.approx(lowest['stat_at_peak'])


def test_packed_maps(measure, group, fit_and_test, run, tmp_path):
    found = fit_and_test(group, 'intercept')
    names = [f'sub-{i}' for i in range(12)]
    pd.DataFrame({'file': names}).to_csv(tmp_path / 'maps.tsv', sep='\t', index=False)
    packed = run(ApplyMask(in_files=group.in_files, mask_file=group.mask_file))
    maps_file = str(tmp_path / 'maps.tsv')
    out = measure(group, found, in_files=[packed.observations_file], maps_file=maps_file)
    ours, plain = (
        pd.read_csv(each.influence_file, sep='\t') for each in (out, measure(group, found))
    )
    assert ours['file'].tolist() == names
    pd.testing.assert_frame_equal(ours.drop(columns='file'), plain.drop(columns='file'))


def test_without_the_only_one_of_its_kind_nothing_is_left(
    measure, group, fit_and_test, run, read_json
):
    table = group.table.assign(rare=[0] * 5 + [1] + [0] * 6)
    table.to_csv(group.table_file, sep='\t', index=False)
    out = measure(group, fit_and_test(group, 'rare', 'rare'))
    lost = pd.read_csv(out.influence_file, sep='\t')['stat_at_peak'].isna()
    assert np.flatnonzero(lost).tolist() == [5]
    about = read_json(out.metadata_file)
    assert about['NumberOfMapsWithoutWhichNothingIsLeft'] == 1
    figure = PlotInfluence(influence_file=out.influence_file, metadata_file=out.metadata_file)
    assert nib.filename_parser.splitext_addext(run(figure).figure_file)[1] == '.png'


def test_variance_groups_are_refused(group, fit_and_test, refuse, tmp_path):
    found = fit_and_test(group, 'intercept')
    groups = tmp_path / 'groups.csv'
    groups.write_text('1\n' * 6 + '2\n' * 6)
    interface = MeasureInfluence(
        in_files=group.in_files,
        mask_file=group.mask_file,
        design_file=found['design_file'],
        contrast_file=found['contrast_file'],
        variance_groups_file=str(groups),
    )
    refuse(interface, InputError, 'have no variance groups', str(groups))


@pytest.mark.slow
def test_reappraisal(data_dir, tmp_path, run):
    """Thirty real maps with holes, against SciPy without the map that matters most."""
    folder = data_dir / 'wager2008'
    mask = nib.load(folder / 'mask.nii.gz').get_fdata() > 0
    in_files = sorted(map(str, folder.glob('con_*.img')))
    maps = np.array([np.squeeze(nib.load(path).get_fdata())[mask] for path in in_files])
    design_file = run(BuildDesign(in_files=in_files)).design_file
    define = DefineContrast(design_file=design_file, name='x', definition='intercept')
    measure = MeasureInfluence(
        in_files=in_files,
        mask_file=str(folder / 'mask.nii.gz'),
        design_file=design_file,
        contrast_file=run(define).contrast_file,
        missing='per_voxel',
        zero_is_missing=False,
    )
    table = pd.read_csv(run(measure).influence_file, sep='\t')
    peak = np.nanargmax(np.abs(stats.ttest_1samp(maps, 0, nan_policy='omit').statistic))
    expected = [
        stats.ttest_1samp(np.delete(maps[:, peak], index), 0).statistic for index in range(30)
    ]
    np.testing.assert_allclose(table['stat_at_peak'], expected, rtol=1e-9)
    # The map with the lowest robust weight is the one that holds t down.
    assert table['change_at_peak'].idxmax() == 15
