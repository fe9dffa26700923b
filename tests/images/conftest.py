"""Small maps on disk."""

import itertools
import resource
import signal
from contextlib import contextmanager

import nibabel as nib
import numpy as np
import pytest

AFFINE = np.array(
    [[-2.0, 0.0, 0.0, 6.0], [0.0, 3.0, 0.0, -9.0], [0.0, 0.0, 4.0, -8.0], [0.0, 0.0, 0.0, 1.0]]
)


@pytest.fixture
def affine():
    return AFFINE.copy()


@pytest.fixture
def write_map(tmp_path):
    """Write an array with nibabel alone, under a fresh name unless one is given."""
    counter = itertools.count()

    def write(data, affine=AFFINE, name=None, dtype=np.float32):
        path = tmp_path / (name or f'map-{next(counter):02d}.nii.gz')
        nib.save(nib.Nifti1Image(np.asarray(data, dtype=dtype), affine), path)
        return str(path)

    return write


@pytest.fixture
def file_size_limit():
    """Make writes beyond some bytes fail, as on a full disk (EFBIG for ENOSPC)."""

    @contextmanager
    def limit(n_bytes):
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
            signal.signal(signal.SIGXFSZ, handler)

    return limit
