"""Effect against z."""

import numpy as np
import pytest

from nistats_nipype.exceptions import GridError, InputError
from nistats_nipype.viz import plot_effect_size

RED, BLUE = (200, 64, 28), (31, 99, 171)


@pytest.fixture
def maps(write):
    random = np.random.default_rng(4)
    z = random.normal(size=(34, 42, 34))
    effect = z * random.gamma(4, 0.05, size=z.shape)
    mask = np.ones(z.shape)
    mask[:17] = 0
    return {
        'effect_file': write(effect, 'effect.nii.gz'),
        'z_file': write(z, 'z.nii.gz'),
        'mask_file': write(mask, 'mask.nii.gz'),
    }


def rows_of(path, read_picture, colour):
    """Rows in which a line of this colour runs across the axes."""
    pixels = read_picture(path).pixels
    near = np.abs(pixels - colour).sum(axis=2) < 60
    return np.flatnonzero(near.sum(axis=1) > 80)


def test_lines_stand_at_their_heights(maps, out, read_picture):
    """A z of 2 lies twice as far from 0 as z of 1; two-sided thresholds have two lines."""
    levels = {'p < 0.001': 2.0, 'FWE': 1.0}
    assert plot_effect_size(out_file=out, thresholds=levels, **maps) == str(out)
    far, near = (rows_of(out, read_picture, colour) for colour in (RED, BLUE))
    assert far.max() - far.min() == pytest.approx(2 * (near.max() - near.min()), abs=4)
    plot_effect_size(out_file=out, thresholds=levels, sidedness='positive', **maps)
    assert np.ptp(rows_of(out, read_picture, RED)) < 5


def test_voxels_outside_the_mask_do_not_count(maps, write, out):
    plot_effect_size(out_file=out, **maps)
    expected = out.read_bytes()
    z = np.random.default_rng(4).normal(size=(34, 42, 34))
    z[:17] = 50.0
    plot_effect_size(out_file=out, **(maps | {'z_file': write(z, 'other.nii.gz')}))
    assert out.read_bytes() == expected
    z[20, 20, 20] = 6.0
    plot_effect_size(out_file=out, **(maps | {'z_file': write(z, 'other.nii.gz')}))
    assert out.read_bytes() != expected


def test_several_rows_are_their_root_mean_square(maps, write, out, tmp_path):
    """Of two rows that are alike it is the size of the one: dots on the right of 0 only."""
    import nibabel as nib

    effect = nib.load(maps['effect_file'])
    data = effect.get_fdata()
    two = tmp_path / 'two.nii.gz'
    nib.save(nib.Nifti1Image(np.stack([data, -data], axis=-1), effect.affine), two)
    plot_effect_size(out_file=out, **(maps | {'effect_file': two}))
    found = out.read_bytes()
    swapped = tmp_path / 'swapped.nii.gz'
    nib.save(nib.Nifti1Image(np.stack([-data, -data], axis=-1), effect.affine), swapped)
    plot_effect_size(out_file=out, **(maps | {'effect_file': swapped}))
    assert out.read_bytes() == found


def test_refusals(maps, write, out):
    with pytest.raises(InputError, match='too many thresholds'):
        plot_effect_size(out_file=out, thresholds=dict.fromkeys('abc', 1.0), **maps)
    with pytest.raises(InputError, match='sidedness'):
        plot_effect_size(out_file=out, sidedness='both', **maps)
    nothing = write(np.full((34, 42, 34), np.nan), 'nan.nii.gz')
    with pytest.raises(InputError, match='no effect to draw'):
        plot_effect_size(out_file=out, **(maps | {'z_file': nothing}))
    with pytest.raises(GridError):
        plot_effect_size(out_file=out, **(maps | {'z_file': write(np.ones((3, 3, 3)), 'a.nii')}))
    assert not out.exists()
