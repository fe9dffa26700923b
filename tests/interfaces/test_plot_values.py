"""Figures of values: what is drawn comes from the maps."""

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from nistats_nipype.exceptions import DesignError, InputError
from nistats_nipype.interfaces import (
    ApplyMask,
    FitVoxelwise,
    PlotEffectSize,
    PlotPeaks,
    TableClusters,
    Threshold,
)


@pytest.fixture
def draw(run, fit_and_test):
    """Draw the peaks of a contrast; give the inputs, the outputs and the values."""

    def draw(group, definition, formula=None, alpha=0.01, **inputs):
        found = fit_and_test(group, definition, formula)
        known = {'mask_file': group.mask_file, 'contrast_file': found['contrast_file']}
        level = run(Threshold(in_file=found['z_file'], alpha=alpha, **known))
        table = run(TableClusters(in_file=found['z_file'], labels_file=level.labels_file))
        given = {
            'in_files': group.in_files,
            'design_file': found['design_file'],
            'clusters_files': [table.clusters_file],
            **known,
            **inputs,
        }
        outputs = run(PlotPeaks(**given))
        return given, outputs, pd.read_csv(outputs.values_file, sep='\t')

    return draw


def test_values_are_those_of_the_maps(draw, read, group):
    given, outputs, values = draw(group, 'intercept')
    clusters = pd.read_csv(given['clusters_files'][0], sep='\t')
    assert outputs.figure_file.endswith('peaks.png')
    inverse = np.linalg.inv(nib.load(group.mask_file).affine)
    maps = [read(path) for path in group.in_files]
    for (number, rank), rows in values.groupby(['cluster_id', 'peak'], sort=False):
        place = rows[['x_mm', 'y_mm', 'z_mm']].iloc[0].to_numpy()
        voxel = tuple(np.rint(inverse[:3, :3] @ place + inverse[:3, 3]).astype(int))
        np.testing.assert_allclose(rows['value'], [data[voxel] for data in maps], rtol=1e-6)
        chosen = clusters[(clusters['cluster_id'] == number) & (clusters['peak'] == rank)]
        np.testing.assert_array_equal(chosen[['x_mm', 'y_mm', 'z_mm']].to_numpy()[0], place)
    # Main peaks come first, the strongest of them before the others.
    first = values.drop_duplicates(['cluster_id', 'peak'])
    heights = clusters[clusters['peak'] == 1]['peak_stat'].abs().sort_values(ascending=False)
    mains = first.merge(clusters, on=['cluster_id', 'peak'])['peak_stat'].abs()
    n_mains = min(len(heights), 6)
    np.testing.assert_allclose(mains[:n_mains], heights[:n_mains])
    assert len(first) <= 6


def test_adjusted_values_are_partial_residuals(draw, group, read_json):
    _, outputs, values = draw(group, 'age', 'group + age', max_peaks=2)
    about = read_json(outputs.metadata_file)
    assert (about['Kind'], about['Covariate'], about['NumberOfPeaks']) == ('covariate', 'age', 2)
    assert about['AdjustedFor'] == ['group[T.patient]']
    patient = (group.table['group'] == 'patient').to_numpy(dtype=float)
    design = np.column_stack([np.ones(12), group.table['age'], patient])
    for _, rows in values.groupby(['cluster_id', 'peak']):
        fit = sm.OLS(rows['value'].to_numpy(), design).fit()
        expected = rows['value'] - (patient - patient.mean()) * fit.params[2]
        np.testing.assert_allclose(rows['adjusted'], expected, atol=1e-5)
        np.testing.assert_allclose(rows['adjusted'] - rows['fitted'], fit.resid, atol=1e-5)
        np.testing.assert_array_equal(rows['covariate'], group.table['age'])


def test_packed_maps_give_the_same(draw, run, group):
    given, outputs, _ = draw(group, 'group[T.patient]', 'group + age')
    packed = run(ApplyMask(in_files=group.in_files, mask_file=group.mask_file))
    names = pd.DataFrame({'file': group.in_files})
    path = outputs.values_file.replace('peaks.tsv', 'names.tsv')
    names.to_csv(path, sep='\t', index=False)
    again = run(PlotPeaks(**(given | {'in_files': [packed.observations_file], 'maps_file': path})))
    for name in ('figure_file', 'values_file', 'metadata_file'):
        contents = []
        for each in (outputs, again):
            with open(getattr(each, name), 'rb') as stream:
                contents.append(stream.read())
        assert contents[0] == contents[1]


def test_without_clusters(draw, group, read_json):
    given, outputs, values = draw(group, 'age', 'age', alpha=1e-9)
    assert not len(pd.read_csv(given['clusters_files'][0], sep='\t'))
    assert not len(values)
    assert read_json(outputs.metadata_file)['NumberOfPeaks'] == 0


def test_the_first_table_with_clusters_counts(draw, run, group, new_folder):
    given, outputs, _ = draw(group, 'intercept')
    empty = new_folder() / 'clusters.tsv'
    pd.read_csv(given['clusters_files'][0], sep='\t')[:0].to_csv(empty, sep='\t', index=False)
    tables = [str(empty), *given['clusters_files']]
    again = run(PlotPeaks(**(given | {'clusters_files': tables})))
    with open(again.figure_file, 'rb') as one, open(outputs.figure_file, 'rb') as other:
        assert one.read() == other.read()


def test_a_peak_outside_of_the_mask(draw, refuse, group, new_folder):
    given, _, _ = draw(group, 'intercept')
    table = pd.read_csv(given['clusters_files'][0], sep='\t').assign(x_mm=900.0)
    path = new_folder() / 'clusters.tsv'
    table.to_csv(path, sep='\t', index=False)
    refuse(
        PlotPeaks(**(given | {'clusters_files': [str(path)]})), InputError, 'outside of the mask'
    )


def test_voxelwise_covariates(draw, run, refuse, group, new_folder, read_json):
    """The covariate of a peak is that of its voxel."""
    random = np.random.default_rng(8)
    folder, affine = new_folder(), nib.load(group.mask_file).affine
    covariates = [str(folder / f'sub-{number:02d}_gm.nii.gz') for number in range(1, 13)]
    for path in covariates:
        data = 1 + random.random(group.mask.shape, dtype=np.float32)
        nib.save(nib.Nifti1Image(data, affine), path)
    given, _, _ = draw(group, 'intercept', max_peaks=1)
    fit = run(
        FitVoxelwise(
            in_files=group.in_files,
            mask_file=group.mask_file,
            design_file=given['design_file'],
            covariate_names=['gm'],
            covariate_files=[covariates],
        )
    )
    contrast = folder / 'contrast.json'
    contrast.write_text(
        '{"Contrast": "gm", "ContrastWeights": [[0, 1]], '
        '"DesignColumns": ["intercept", "gm[voxelwise]"]}'
    )
    given |= {'design_file': fit.design_file, 'contrast_file': str(contrast)}
    refuse(PlotPeaks(**given), InputError, 'gm[voxelwise]', 'covariate_files')
    outputs = run(PlotPeaks(covariate_files=[covariates], **given))
    values = pd.read_csv(outputs.values_file, sep='\t')
    voxel = np.rint(np.linalg.inv(affine) @ [*values.loc[0, ['x_mm', 'y_mm', 'z_mm']], 1])
    seen = [nib.load(path).get_fdata()[tuple(voxel[:3].astype(int))] for path in covariates]
    np.testing.assert_allclose(values['covariate'], seen, rtol=1e-5)
    slope = np.polyfit(seen, values['value'], 1)
    np.testing.assert_allclose(values['fitted'], np.polyval(slope, seen), rtol=1e-4)


def test_effect_size(run, fit_and_test, group, new_folder):
    found = fit_and_test(group, 'intercept')
    known = {'mask_file': group.mask_file}
    levels = [
        run(Threshold(in_file=found['z_file'], **known, **rule)).metadata_file
        for rule in ({'alpha': 0.001}, {'method': 'fdr', 'alpha': 0.05})
    ]
    plot = PlotEffectSize(effect_file=found['effect_file'], z_file=found['z_file'], **known)
    contents = []
    for change in ({}, {'threshold_metadata_files': levels}, {'label': '% signal change'}):
        plot.inputs.trait_set(**change)
        with open(run(plot).figure_file, 'rb') as stream:
            contents.append(stream.read())
    assert len(set(contents)) == 3


def test_a_design_of_another_group(draw, refuse, group, new_folder):
    given, _, _ = draw(group, 'intercept')
    short = new_folder() / 'design.tsv'
    pd.read_csv(given['design_file'], sep='\t')[:-1].to_csv(short, sep='\t', index=False)
    refuse(PlotPeaks(**(given | {'design_file': str(short)})), DesignError, '11', '12')
