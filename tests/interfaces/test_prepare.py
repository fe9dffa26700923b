"""Mask, smooth and pack, each by itself."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from nilearn.image import smooth_img

from nistats_nipype.exceptions import GridError, InputError, MaskError, MissingDataError
from nistats_nipype.interfaces import ApplyMask, ComputeMask, FitGLM, Smooth


@pytest.fixture
def holes(group):
    """Take the first voxels of the mask from two maps: as NaN from one, as 0 from the other."""
    voxels = np.argwhere(group.mask)
    for path, value, n_lost in ((group.in_files[0], np.nan, 5), (group.in_files[3], 0.0, 8)):
        image = nib.load(path)
        data = image.get_fdata(dtype=np.float32)
        data[tuple(voxels[:n_lost].T)] = value
        nib.save(nib.Nifti1Image(data, image.affine), path)
    return group


def test_losses_of_a_given_mask(run, holes):
    found = run(ComputeMask(in_files=holes.in_files, method='given', mask_file=holes.mask_file))
    losses = pd.read_csv(found.losses_file, sep='\t')
    n_voxels = holes.mask.sum()
    assert losses['file'].tolist() == holes.in_files
    assert losses['n_lost'].tolist() == [5, 0, 0, 8, *[0] * 8]
    assert losses['n_observed'].tolist() == (n_voxels - losses['n_lost']).tolist()
    np.testing.assert_allclose(losses['percent_lost'], 100 * losses['n_lost'] / n_voxels)
    # Five voxels are missing in both, so that leaving out one of the two brings back none.
    assert losses['n_sole_loss'].tolist() == [0, 0, 0, 3, *[0] * 8]
    np.testing.assert_array_equal(nib.load(found.mask_file).dataobj, holes.mask)


@pytest.mark.parametrize(
    ('inputs', 'n_outside'),
    [
        ({}, 8),
        ({'zero_is_missing': False}, 5),
        ({'method': 'coverage', 'min_coverage': 11 / 12}, 5),
        ({'method': 'coverage', 'min_coverage': 10 / 12}, 0),
    ],
)
def test_masks_by_coverage(run, holes, inputs, n_outside):
    found = run(ComputeMask(in_files=holes.in_files, **inputs))
    mask = np.asarray(nib.load(found.mask_file).dataobj)
    coverage = np.asarray(nib.load(found.coverage_file).dataobj)
    assert mask.dtype == np.uint8
    assert (mask == 0).sum() == n_outside
    assert coverage.max() == 12
    assert coverage.min() == (11 if inputs.get('zero_is_missing') is False else 10)
    assert len(np.unique(mask[coverage < 12 * inputs.get('min_coverage', 1)])) <= 1


def test_template_mask_is_nilearns(run, group):
    from nilearn.datasets import load_mni152_brain_mask
    from nilearn.image import resample_to_img

    found = run(ComputeMask(in_files=group.in_files, method='template'))
    expected = resample_to_img(
        load_mni152_brain_mask(),
        group.in_files[0],
        interpolation='nearest',
        force_resample=True,
        copy_header=True,
    )
    mask = np.asarray(nib.load(found.mask_file).dataobj)
    np.testing.assert_array_equal(mask, np.asarray(expected.dataobj))
    assert 0 < mask.sum() < mask.size


@pytest.mark.parametrize('fwhm_mm', [0.0, 20.0])
def test_smooth_is_nilearns(run, group, fwhm_mm):
    found = run(Smooth(in_files=group.in_files[:3], fwhm_mm=fwhm_mm))
    assert len(found.out_files) == 3
    for before, after in zip(group.in_files, found.out_files, strict=False):
        expected = smooth_img(before, fwhm_mm or None).get_fdata()
        result = nib.load(after)
        np.testing.assert_allclose(result.get_fdata(), expected, atol=2e-6)
        np.testing.assert_allclose(result.affine, nib.load(before).affine)


def test_smooth_of_a_4d_file_gives_its_volumes(run, group, new_folder):
    joined = new_folder() / 'all.nii.gz'
    nib.save(nib.concat_images(group.in_files[:3]), joined)
    together = run(Smooth(in_files=str(joined), fwhm_mm=20.0)).out_files
    apart = run(Smooth(in_files=group.in_files[:3], fwhm_mm=20.0)).out_files
    for one, other in zip(together, apart, strict=True):
        np.testing.assert_array_equal(nib.load(one).dataobj, nib.load(other).dataobj)


def test_smooth_in_a_mask_keeps_a_constant(run, group, new_folder):
    data = np.where(group.mask, np.float32(3), np.float32(100))
    data[tuple(np.argwhere(group.mask)[7])] = np.nan
    path = new_folder() / 'constant.nii.gz'
    nib.save(nib.Nifti1Image(data, nib.load(group.mask_file).affine), path)
    smoothed = run(Smooth(in_files=str(path), mask_file=group.mask_file, fwhm_mm=30.0))
    result = nib.load(smoothed.out_files[0]).get_fdata()
    inside = result[group.mask]
    assert np.flatnonzero(np.isnan(inside)).tolist() == [7]
    np.testing.assert_allclose(inside[~np.isnan(inside)], 3.0, rtol=1e-6)
    assert not result[~group.mask].any()


def test_packed_maps_hold_the_values_in_the_mask(run, holes):
    packed = run(ApplyMask(in_files=holes.in_files, mask_file=holes.mask_file))
    values = np.load(packed.observations_file)
    expected = np.array([np.asarray(nib.load(f).dataobj)[holes.mask] for f in holes.in_files])
    expected[expected == 0] = np.nan
    assert values.dtype == np.float32
    np.testing.assert_array_equal(values, expected)
    assert np.isnan(values).sum(axis=1).tolist() == [5, 0, 0, 8, *[0] * 8]


def test_packed_maps_and_maps_give_the_same_fit(run, holes, new_folder):
    """ApplyMask + FitGLM equals FitGLM on the maps, on a 4D file too, to the last bit."""
    joined = new_folder() / 'all.nii'
    nib.save(nib.concat_images(holes.in_files), joined)
    design = new_folder() / 'design.tsv'
    pd.DataFrame({'intercept': np.ones(12)}).to_csv(design, sep='\t', index=False)
    packed = run(ApplyMask(in_files=holes.in_files, mask_file=holes.mask_file))
    fits = [
        run(
            FitGLM(
                in_files=in_files,
                mask_file=holes.mask_file,
                design_file=str(design),
                missing='per_voxel',
            )
        )
        for in_files in (holes.in_files, packed.observations_file, str(joined))
    ]
    models = []
    for fit in fits:
        with np.load(fit.model_file) as archive:
            models.append(dict(archive))
    assert models[0]['dof'].min() == 9
    for model in models[1:]:
        for name, array in models[0].items():
            np.testing.assert_array_equal(model[name], array)
    assert len({Path(fit.n_file).read_bytes() for fit in fits}) == 1


# What cannot be used is refused, and nothing is left in the folder.


def _moved(group, folder):
    image = nib.load(group.in_files[2])
    affine = image.affine.copy()
    affine[0, 3] += 3.0
    nib.save(nib.Nifti1Image(np.asarray(image.dataobj), affine), folder / 'moved.nii.gz')
    return str(folder / 'moved.nii.gz')


def _cropped(group, folder):
    nib.save(nib.load(group.in_files[2]).slicer[:, :-1], folder / 'cropped.nii.gz')
    return str(folder / 'cropped.nii.gz')


def _filled(value):
    def write(group, folder):
        image = nib.load(group.in_files[2])
        data = np.full(image.shape, value, dtype=np.float32)
        nib.save(nib.Nifti1Image(data, image.affine), folder / 'filled.nii.gz')
        return str(folder / 'filled.nii.gz')

    return write


def _text(group, folder):
    (folder / 'text.nii.gz').write_text('This is no image.')
    return str(folder / 'text.nii.gz')


def _truncated(group, folder):
    content = Path(group.in_files[2]).read_bytes()
    (folder / 'truncated.nii.gz').write_bytes(content[: len(content) // 2])
    return str(folder / 'truncated.nii.gz')


def _series(group, folder):
    nib.save(nib.concat_images(group.in_files[:2]), folder / 'series.nii.gz')
    return str(folder / 'series.nii.gz')


def _twice(group, folder):
    return group.in_files[0]


BAD_MAPS = {
    'grids': (_cropped, GridError, ['cropped.nii.gz', '12 x 14 x 10 and 12 x 13 x 10 voxels']),
    'affines': (_moved, GridError, ['moved.nii.gz', 'voxels up to 3 mm apart', 'within 0.001 mm']),
    'zeros': (_filled(0), MissingDataError, ['filled.nii.gz', 'only NaN or zeros']),
    'NaN': (_filled(np.nan), MissingDataError, ['filled.nii.gz', 'only NaN']),
    'infinite': (_filled(np.inf), InputError, ['filled.nii.gz', 'infinite', '1680 of 1680']),
    'no image': (_text, InputError, ['text.nii.gz could not be read as an image']),
    'truncated': (_truncated, InputError, ['truncated.nii.gz could not be read', 'complete']),
    '4D': (_series, InputError, ['series.nii.gz is a 4D file', '2 volumes', 'one volume']),
    'twice': (_twice, InputError, ['is listed twice', 'entries 1 and 3 of 12', 'each map once']),
}


@pytest.mark.parametrize('what', BAD_MAPS)
@pytest.mark.parametrize('interface', [ComputeMask, ApplyMask])
def test_bad_maps(refuse, group, new_folder, interface, what):
    spoil, error, words = BAD_MAPS[what]
    in_files = list(group.in_files)
    in_files[2] = spoil(group, new_folder('bad'))
    inputs = {} if interface is ComputeMask else {'mask_file': group.mask_file}
    refuse(interface(in_files=in_files, **inputs), error, *words)


@pytest.mark.parametrize(
    'what', ['grids', 'affines', 'infinite', 'no image', 'truncated', '4D', 'twice']
)
def test_bad_maps_are_not_smoothed(group, new_folder, what):
    """Maps before the bad one are whole; of the bad one there is nothing."""
    spoil, error, words = BAD_MAPS[what]
    in_files = [*group.in_files[:2], spoil(group, new_folder('bad')), *group.in_files[3:]]
    cwd = new_folder()
    with pytest.raises(error) as caught:
        Smooth(in_files=in_files).run(cwd=cwd)
    assert all(word in str(caught.value) for word in words)
    left = sorted(path.name for path in cwd.iterdir())
    stems = [f'{n:04d}_sub-0{n + 1}_stat-effect_statmap_smooth.nii.gz' for n in (0, 1)]
    assert left == ([] if what == 'twice' else stems)
    for name in left:
        assert np.isfinite(nib.load(cwd / name).get_fdata()).all()


@pytest.mark.parametrize(
    ('inputs', 'error', 'words'),
    [
        ({'method': 'given'}, InputError, ['mask_file=None', 'both']),
        ({'method': 'coverage', 'min_coverage': 90.0}, InputError, ['90', 'at most 1']),
        ({'min_coverage': 0.5}, InputError, ["'intersection' does not read"]),
    ],
)
def test_methods_that_do_not_go_together(refuse, group, inputs, error, words):
    refuse(ComputeMask(in_files=group.in_files, **inputs), error, *words)


def test_an_empty_mask(refuse, group, new_folder):
    path = new_folder() / 'empty.nii.gz'
    nib.save(nib.Nifti1Image(np.zeros(group.mask.shape, np.uint8), np.eye(4)), path)
    given = ComputeMask(in_files=group.in_files, method='given', mask_file=str(path))
    packing = ApplyMask(in_files=group.in_files, mask_file=str(path))
    smoothing = Smooth(in_files=group.in_files, mask_file=str(path))
    for interface in (given, packing, smoothing):
        refuse(interface, MaskError, 'empty.nii.gz is empty', 'no voxel above 0')


def test_a_negative_fwhm(refuse, group):
    refuse(Smooth(in_files=group.in_files, fwhm_mm=-1.0), InputError, 'fwhm_mm=-1.0', '0 or above')
