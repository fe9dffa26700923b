import nibabel as nib
import numpy as np
import pytest
from nilearn.image import smooth_img

from nistats_nipype.exceptions import GridError, InputError
from nistats_nipype.images.smoothing import smooth
from nistats_nipype.images.volumes import Volume

RNG = np.random.default_rng(11)
SHAPE = (9, 10, 11)
ROTATED = nib.affines.from_matvec(
    nib.eulerangles.euler2mat(0.1, 0.2, 0.3) @ np.diag([-2.0, 2.5, 3.0]), [5, 6, 7]
)


@pytest.fixture
def data():
    return RNG.standard_normal(SHAPE).astype(np.float32)


@pytest.mark.parametrize('fwhm', [4.0, 8, [3.0, 0.0, 12.0], (30.0, 30.0, 30.0)])
@pytest.mark.parametrize('mask', [None, np.ones(SHAPE, dtype=bool)])
def test_a_complete_map_is_smoothed_as_nilearn_does(data, fwhm, mask):
    expected = smooth_img(nib.Nifti1Image(data, ROTATED), fwhm).get_fdata()
    result = smooth(Volume(data, ROTATED), fwhm, mask=mask)
    np.testing.assert_allclose(result, expected, rtol=1e-5, atol=1e-6)
    assert result.dtype == np.float32


def test_zeros_are_data_without_a_mask(data):
    data[3:6, 3:6] = 0.0
    expected = smooth_img(nib.Nifti1Image(data, ROTATED), 6.0).get_fdata()
    np.testing.assert_allclose(smooth(Volume(data, ROTATED), 6.0), expected, rtol=1e-5, atol=1e-6)


def kernel_mean(data, observed, voxel, sigma):
    """Average the observed voxels around one, weighted by a Gaussian; far from the edges."""
    offsets = np.indices(data.shape) - np.reshape(voxel, (3, 1, 1, 1))
    weight = np.exp(-0.5 * ((offsets / np.reshape(sigma, (3, 1, 1, 1))) ** 2).sum(axis=0))
    radius = np.floor(4 * np.asarray(sigma) + 0.5).reshape(3, 1, 1, 1)  # where SciPy cuts it
    weight *= (np.abs(offsets) <= radius).all(axis=0) & observed
    return (weight * np.where(observed, data, 0)).sum() / weight.sum()


def test_missing_values_are_left_out_of_the_average():
    data = RNG.standard_normal((25, 25, 25))
    data[RNG.random(data.shape) < 0.3] = np.nan
    data[12, 12, 12] = 1.0
    voxel_mm = np.array([2.0, 3.0, 4.0])
    result = smooth(Volume(data, np.diag([-2.0, 3, 4, 1])), 6.0)
    sigma = 6.0 / 2.3548200450309493 / voxel_mm
    expected = kernel_mean(data, np.isfinite(data), (12, 12, 12), sigma)
    assert result[12, 12, 12] == pytest.approx(expected, rel=1e-12)
    np.testing.assert_array_equal(np.isnan(result), np.isnan(data))


def test_nothing_outside_the_mask_or_missing_inside_it_reaches_the_result(data):
    mask = RNG.random(SHAPE) < 0.6
    zero = mask & (RNG.random(SHAPE) < 0.1)
    lost = mask & ~zero & (RNG.random(SHAPE) < 0.1)
    other = data.copy()
    other[~mask] = 1e6
    for each in (data, other):
        each[zero] = 0.0
        each[lost] = np.nan
    results = [smooth(Volume(each, ROTATED), 7.0, mask=mask) for each in (data, other)]
    np.testing.assert_array_equal(*results)
    assert (results[0][~mask] == 0).all()
    np.testing.assert_array_equal(np.isnan(results[0]), zero | lost)


def test_a_constant_map_stays_constant_whatever_is_missing():
    data = np.full(SHAPE, 2.5)
    mask = RNG.random(SHAPE) < 0.4
    data[RNG.random(SHAPE) < 0.3] = np.nan
    result = smooth(Volume(data, ROTATED), 9.0, mask=mask)
    np.testing.assert_allclose(result[mask & np.isfinite(data)], 2.5, rtol=1e-13)


def test_zeros_inside_the_mask_are_data_if_told_so(data):
    data[4, 4, 4] = 0.0
    mask = np.ones(SHAPE, dtype=bool)
    assert np.isnan(smooth(Volume(data, ROTATED), 6.0, mask=mask)[4, 4, 4])
    kept = smooth(Volume(data, ROTATED), 6.0, mask=mask, zero_is_missing=False)
    np.testing.assert_array_equal(kept, smooth(Volume(data, ROTATED), 6.0))


@pytest.mark.parametrize('fwhm', [0, None, [0.0, 0.0, 0.0]])
def test_no_smoothing_gives_a_copy(data, fwhm):
    mask = RNG.random(SHAPE) < 0.5
    data[0, 0] = np.nan
    data[1, 1] = 0.0
    before = data.copy()
    expected = np.where(mask, np.where(data == 0, np.nan, data), 0)
    result = smooth(Volume(data, ROTATED), fwhm, mask=mask)
    np.testing.assert_array_equal(result, expected)
    plain = smooth(Volume(data, ROTATED), fwhm)
    np.testing.assert_array_equal(plain, before)
    assert not np.shares_memory(plain, data)


def test_the_map_given_is_not_changed(data):
    before = data.copy()
    smooth(Volume(data, ROTATED), 6.0, mask=data > 0)
    np.testing.assert_array_equal(data, before)


@pytest.mark.parametrize(
    ('dtype', 'expected'), [(np.float64, np.float64), (np.float32, np.float32), (int, np.float32)]
)
def test_the_type_of_the_result(dtype, expected):
    assert smooth(Volume(np.ones((2, 2, 2), dtype), np.eye(4)), 3.0).dtype == expected


@pytest.mark.parametrize('fwhm', [-1, np.nan, np.inf, [1.0, 2.0], [1, -1, 1], 'fast', [[1, 2, 3]]])
def test_a_width_that_cannot_be_used_is_refused(data, fwhm):
    with pytest.raises(InputError, match='no usable width'):
        smooth(Volume(data, ROTATED), fwhm)


def test_infinite_values_and_other_grids_are_refused(data):
    with pytest.raises(GridError, match='do not share one grid'):
        smooth(Volume(data, ROTATED), 6.0, mask=np.ones((2, 2, 2), dtype=bool))
    data[0, 0, 0] = np.inf
    with pytest.raises(InputError, match='infinite'):
        smooth(Volume(data, ROTATED), 6.0)
