"""Small maps in MNI space, and ways to read a figure back."""

import numpy as np
import pytest
from PIL import Image

from nistats_nipype.images.volumes import save_volume

#: The colour bar and its numbers take the last 0.95 inches, at 150 dots per inch.
BAR_PIXELS = 142

SHAPE = (34, 42, 34)
AFFINE = np.array([[5.0, 0, 0, -82], [0, 5, 0, -118], [0, 0, 5, -72], [0, 0, 0, 1]])


def _blob(centre_mm, height, radius_mm=14.0):
    """Draw a ball of one value on an empty map."""
    voxels = np.indices(SHAPE).reshape(3, -1)
    places = AFFINE[:3, :3] @ voxels + AFFINE[:3, 3:]
    near = np.linalg.norm(places - np.reshape(centre_mm, (3, 1)), axis=0) < radius_mm
    return np.where(near, height, 0.0).reshape(SHAPE)


class _Picture:
    """The pixels of a figure, without the colour bar."""

    def __init__(self, path):
        self.pixels = np.asarray(Image.open(path).convert('RGB')).astype(int)
        self.map = self.pixels[:, :-BAR_PIXELS]

    @property
    def warm(self):
        return self.map[..., 0] - self.map[..., 2] > 60

    @property
    def cold(self):
        return self.map[..., 2] - self.map[..., 0] > 40


@pytest.fixture
def blob():
    return _blob


@pytest.fixture
def read_picture():
    return _Picture


@pytest.fixture
def write(tmp_path):
    """Save an array as a map; give its path."""

    def save(data, name='contrast-x_stat-t_statmap.nii.gz', affine=AFFINE):
        return save_volume(data, affine, tmp_path / name)

    return save


@pytest.fixture
def stat_file(write):
    """Positive on the left at z = 40, negative on the right at z = 0."""
    return write(_blob((-40, -20, 40), 6.0) + _blob((40, -20, 0), -6.0))


@pytest.fixture
def out(tmp_path):
    return tmp_path / 'figure.png'
