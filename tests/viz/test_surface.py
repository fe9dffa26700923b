"""The cortex: what is looked up where, and what is drawn."""

from itertools import pairwise

import numpy as np
import pytest
from nilearn.datasets import fetch_surf_fsaverage
from nilearn.surface import vol_to_surf

from nistats_nipype.exceptions import InputError
from nistats_nipype.viz import plot_surface
from nistats_nipype.viz.brains import load_brain
from nistats_nipype.viz.surface import load_hemisphere, sample_cortex


@pytest.mark.parametrize('name', ['left', 'right'])
def test_sampling_agrees_with_nilearn(name, write):
    """A smooth map: the extreme of the samples is close to their mean, which nilearn gives."""
    shape, affine = (90, 108, 90), np.array([[2.0, 0, 0, -90], [0, 2, 0, -126], [0, 0, 2, -72.0]])
    affine = np.vstack([affine, [0, 0, 0, 1]])
    places = affine[:3, :3] @ np.indices(shape).reshape(3, -1) + affine[:3, 3:]
    data = (100 + places.sum(axis=0) / 10 + np.sin(places[0] / 30)).reshape(shape)
    path = write(data, affine=affine)
    values, inside = sample_cortex(load_brain(path), load_hemisphere(name))
    assert inside.all()
    files = fetch_surf_fsaverage('fsaverage5')
    expected = vol_to_surf(path, files[f'pial_{name}'], inner_mesh=files[f'white_{name}'])
    # 4 mm of cortex, 2 mm of voxel and the way from MNI305 to MNI152, at 0.17 per mm.
    assert np.abs(values - expected).max() < 0.17 * 6
    assert np.corrcoef(values, expected)[0, 1] > 0.995


def test_white_and_pial_surfaces_enclose_the_cortex():
    left, right = map(load_hemisphere, ('left', 'right'))
    assert (left.pial[:, 0] < 8).all()
    assert (right.pial[:, 0] > -8).all()
    thickness = np.linalg.norm(left.pial - left.white, axis=1)
    assert 1.5 < thickness.mean() < 3.5
    assert left.faces.max() == len(left.white) - 1 == len(left.depth) - 1


def views(picture):
    """The four brains, from left to right."""
    edges = np.linspace(0, picture.map.shape[1], 5).astype(int)
    for first, last in pairwise(edges):
        yield np.s_[:, first:last]


def test_sides_and_signs(stat_file, out, read_picture):
    """Positive on the left, lateral; negative on the right, lateral: as on the glass brain."""
    assert plot_surface(stat_file, out, threshold=3.0, title='t') == str(out)
    picture = read_picture(out)
    warm = [int(picture.warm[view].sum()) for view in views(picture)]
    cold = [int(picture.cold[view].sum()) for view in views(picture)]
    assert warm[0] > 200
    assert cold[3] > 200
    # Below the temporal lobe, the inner side of the right one shows it, too.
    assert max(warm[1:]) == max(cold[:2]) == 0


def test_threshold_side_and_mask(stat_file, blob, write, out, read_picture):
    plot_surface(stat_file, out, sidedness='positive')
    picture = read_picture(out)
    assert picture.warm.any()
    assert not picture.cold.any()
    plot_surface(stat_file, out, threshold=6.5)
    assert not read_picture(out).warm.any()
    mask = write(blob((40, -20, 0), 1.0, radius_mm=30), 'mask.nii.gz')
    plot_surface(stat_file, out, mask_file=mask)
    assert not read_picture(out).warm.any()
    assert read_picture(out).cold.any()


def test_front_and_back(blob, write, out, read_picture):
    """A frontal blob is on the left of the left lateral view, on the right of the right one."""
    plot_surface(write(blob((-40, 45, 10), 5.0) + blob((40, 45, 10), 5.0)), out)
    picture = read_picture(out)
    left, *_, right = views(picture)
    for view, side in ((left, 0), (right, 1)):
        warm = picture.warm[view]
        where = np.flatnonzero(warm.any(axis=0)).mean() / warm.shape[1]
        assert round(where) == side


def test_a_map_beside_the_cortex_says_so(blob, write, out):
    plot_surface(write(blob((0, 0, 0), 5.0)), out)
    inside = out.read_bytes()
    away = np.array([[5.0, 0, 0, 200], [0, 5, 0, -118], [0, 0, 5, -72], [0, 0, 0, 1]])
    plot_surface(write(blob((0, 0, 0), 5.0), affine=away), out)
    assert out.read_bytes() != inside
    _, covered = sample_cortex(load_brain(write(blob((0, 0, 0), 5.0), affine=away)),
                               load_hemisphere('left'))  # fmt: skip
    assert not covered.any()


def test_vector_figures_hold_an_image(stat_file, tmp_path):
    """Thousands of triangles would be megabytes."""
    path = tmp_path / 'surface.svg'
    plot_surface(stat_file, path)
    text = path.read_text()
    assert '<image' in text
    assert len(text) < 700_000


def test_unknown_side(stat_file, out):
    with pytest.raises(InputError, match='sidedness'):
        plot_surface(stat_file, out, sidedness='both')
