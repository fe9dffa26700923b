"""The viewer's page, apart from a browser; tests/browser opens it."""

import base64
import io
import json
import re

import numpy as np
import pytest
from PIL import Image

from nistats_nipype.exceptions import InputError
from nistats_nipype.viz import view_img


@pytest.fixture
def view(stat_file, tmp_path):
    def view(in_file=stat_file, name='viewer.html', **options):
        with open(view_img(in_file, tmp_path / name, **options), encoding='utf-8') as stream:
            return stream.read()

    return view


def drawn_in(page):
    """Which voxels have a colour: the overlay, cut into the slices that brainsprite shows."""
    (content,) = re.findall(r'base64,([^"]+)"\s*alt="overlay"', page)
    with Image.open(io.BytesIO(base64.b64decode(content))) as image:
        sprite = np.asarray(image.convert('RGBA'))[..., 3] > 0
    n_x, n_y, n_z = (options_of(page)['nbSlice'][axis] for axis in 'XYZ')
    slices = sprite.reshape(-1, n_z, sprite.shape[1] // n_y, n_y).transpose(0, 2, 3, 1)
    return slices.reshape(-1, n_y, n_z)[:n_x, :, ::-1]


def options_of(page):
    """What brainsprite is called with."""
    return json.loads(re.findall(r'brainsprite\((\{.*\})\)', page)[-1])


def words_of(page):
    """What the page is told beside the options of brainsprite."""
    return json.loads(re.search(r'const words = (\{.*\});', page)[1])


def test_page_fetches_nothing(view):
    page = view()
    assert re.findall(r'(?:src|href)="(?!data:)', page) == []
    assert 'http' not in page
    assert '@import' not in page


def test_same_bytes(view):
    assert view() == view()


def test_title_and_label_are_escaped(view):
    page = view(title='</script><b>&', label='z </script>')
    assert '<title>&lt;/script&gt;&lt;b&gt;&amp;</title>' in page
    assert '</script><b>' not in page
    assert 'z </script>' not in page
    words = words_of(page)
    assert (words['title'], words['label']) == ('</script><b>&', 'z </script>')


def test_overlay_is_the_map(view, write):
    """One voxel on the grid of the template: found in the sprite where brainsprite looks."""
    from nilearn.datasets import load_mni152_template

    template = load_mni152_template(resolution=2)
    data = np.zeros(template.shape)
    index = (60, 33, 50)
    data[index] = 5.0
    page = view(write(data, affine=template.affine))
    options = options_of(page)
    drawn = drawn_in(page)
    assert drawn.shape == template.shape
    assert np.argwhere(drawn).tolist() == [list(index)]
    # It opens there, and counts from one in the affine, or is told that it does not.
    words = words_of(page)
    count = [i + (not words['unshifted']) for i in index]
    there = np.array(options['affine']) @ [*count, 1]
    np.testing.assert_allclose(there, template.affine @ [*index, 1])
    np.testing.assert_allclose(words['point'], there[:3])
    assert options['colorMap']['max'] == pytest.approx(5.0)
    assert options['colorMap']['min'] == pytest.approx(-5.0)


def test_threshold_side_and_range(view, write):
    data = np.zeros((40, 40, 40))
    data[10:15, 20, 20], data[25:30, 20, 20] = 2.0, -6.0
    path = write(data)
    shown = [
        np.count_nonzero(drawn_in(view(path, **options)))
        for options in ({}, {'threshold': 3.0}, {'sidedness': 'positive'})
    ]
    assert shown[0] == shown[1] + shown[2]
    assert min(shown) > 0
    assert options_of(view(path, vmax=9.0))['colorMap']['max'] == 9.0
    assert options_of(view(path, sidedness='positive'))['colorMap']['max'] == 2.0


def test_nothing_to_show(view, write):
    page = view(write(np.zeros((20, 20, 20))))
    assert not drawn_in(page).any()
    assert options_of(page)['colorMap']['max'] == 1.0


def test_place_where_it_opens(view):
    assert words_of(view(cut_coords=(10.0, -20.0, 30.0)))['point'] == [10.0, -20.0, 30.0]


def test_what_cannot_be_viewed(view):
    with pytest.raises(InputError, match='viewer cannot be told'):
        view(name='viewer.png')
    with pytest.raises(InputError, match='sidedness'):
        view(sidedness='both')
