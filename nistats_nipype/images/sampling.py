"""A look at the maps of a group that does not cost what reading all their voxels does."""

import hashlib
import os

import numpy as np

from .masking import load_mask
from .volumes import check_same_grid, iter_volumes, observed_values

#: Voxels of the grid that a look takes.
N_POINTS = 50_000


def sample_maps(in_files, *, n_points=N_POINTS, mask_file=None, zero_is_missing=True):
    """Read some voxels of every map, the same of all.

    Parameters
    ----------
    in_files : path-like, or list of path-like
        3D files, one per map, or a single 4D file. One map is in memory at a time.
    n_points : int, default 50000
        Voxels to take, spread at random over the grid or the mask; the same for the same grid.
    mask_file : path-like, optional
        Mask that the voxels are taken from.
    zero_is_missing : bool, default True
        Whether a value of exactly 0 is a missing one, as NaN always is.

    Returns
    -------
    names : list of N str
        The map of each row.
    values : ndarray of shape (N, S), float32
        NaN where a value is missing.

    Raises
    ------
    InputError
        If a file cannot be read.
    GridError
        If the maps and the mask do not share one grid.
    """
    names, rows, chosen = [], [], None
    mask = None if mask_file is None else load_mask(mask_file)
    for name, volume in iter_volumes(in_files):
        if chosen is None:
            chosen = _choose(volume, name, mask, mask_file, n_points)
        values = volume.data.reshape(-1)[chosen]
        observed = observed_values(values, zero_is_missing=zero_is_missing)
        names.append(name)
        rows.append(np.where(observed, values, np.float32(np.nan)))
    return names, np.array(rows)


def _choose(volume, name, mask, mask_file, n_points):
    """Flat indices of the voxels to look at."""
    candidates = np.arange(volume.data.size)
    if mask is not None:
        check_same_grid(volume, mask, names=(name, str(mask_file)))
        candidates = np.flatnonzero(mask.data)
    if len(candidates) <= n_points:
        return candidates
    # At random: a fixed stride would follow the rows of the grid.
    return np.sort(np.random.default_rng(0).choice(candidates, n_points, replace=False))


def find_copies(paths):
    """Find files that hold the same bytes under different names.

    Parameters
    ----------
    paths : list of path-like

    Returns
    -------
    list of list of str
        Each of two files or more; files are read only where sizes agree.
    """
    by_size = {}
    for path in paths:
        by_size.setdefault(os.path.getsize(path), []).append(os.fspath(path))
    by_content = {}
    for size, alike in by_size.items():
        for path in alike if len(alike) > 1 else ():
            with open(path, 'rb') as stream:
                digest = hashlib.file_digest(stream, 'sha256').hexdigest()
            by_content.setdefault((size, digest), []).append(path)
    return [alike for alike in by_content.values() if len(alike) > 1]
