"""The groups that contenders are given: simulated ones, and a real one."""

import os
from pathlib import Path
from typing import NamedTuple

import numpy as np

#: Folder with the real group, in an environment variable, as for the tests.
DATA_VARIABLE = 'NISTATS_NIPYPE_DATA'
#: Voxels of the problem with covariates.
_N_COVARIATE_VOXELS = 75919
_FWHM_MM = 8.0


class Problem(NamedTuple):
    """Maps, and the model of them.

    Attributes
    ----------
    values : (N, V) array of float32
        One map per row. For tasks on single maps, these are their statistics, in float64.
    mask : (X, Y, Z) array of bool
        The V voxels, in C order.
    affine : (4, 4) array
    design : (N, P) array
    contrast : (P,) array
    """

    values: np.ndarray
    mask: np.ndarray
    affine: np.ndarray
    design: np.ndarray
    contrast: np.ndarray

    @property
    def model(self):
        """The first arguments of a test: values, design and contrast."""
        return self.values, self.design, self.contrast

    def draw(self, n_perm):
        """Our relabellings, the observed one first."""
        from nistats_nipype.stats.exchange import draw_schedule

        return draw_schedule(self.design, self.contrast, n_perm=n_perm)

    def first(self, n_voxels):
        """The same problem at its first voxels."""
        kept = np.cumsum(self.mask).reshape(self.mask.shape) <= n_voxels
        return self._replace(values=self.values[:, :n_voxels].copy(), mask=self.mask & kept)

    def volumes(self, rows):
        """Maps as images: (B, V) to (X, Y, Z, B), 0 outside the mask."""
        volumes = np.zeros((*self.mask.shape, len(rows)), dtype=rows.dtype)
        volumes[self.mask] = rows.T
        return volumes

    def save(self, path):
        """Write the problem, for the processes of the contenders."""
        np.savez(path, **self._asdict())


def load(path):
    """Read a problem."""
    with np.load(path) as arrays:
        return Problem(**arrays)


def _simulate(n_maps, voxel_mm):
    """Smooth noise of unit variance in the brain mask of nilearn, as float32."""
    from nilearn.datasets import load_mni152_brain_mask
    from scipy import ndimage

    image = load_mni152_brain_mask(resolution=voxel_mm)
    mask = np.asarray(image.dataobj) > 0
    rng = np.random.default_rng(0)
    sigma = _FWHM_MM / voxel_mm / np.sqrt(8 * np.log(2))
    values = np.empty((n_maps, mask.sum()), dtype=np.float32)
    for row in values:
        noise = ndimage.gaussian_filter(rng.standard_normal(mask.shape), sigma)[mask]
        row[:] = noise / noise.std()
    return values, mask, image.affine


def simulated(scale):
    """16 maps of smooth noise, one sample; at full scale 235,375 voxels of 2 mm."""
    maps = _simulate(16, 2 if scale == 'full' else 8)
    return Problem(*maps, design=np.ones((16, 1)), contrast=np.ones(1))


def covariates(scale):
    """30 maps, two groups and two covariates; at full scale 75,919 voxels."""
    maps = _simulate(30, 2 if scale == 'full' else 8)
    rng = np.random.default_rng(1)
    group = np.repeat([0.0, 1.0], 15)
    design = np.column_stack([np.ones(30), group, rng.normal(size=(30, 2))])
    return Problem(*maps, design, np.array([0.0, 1.0, 0.0, 0.0])).first(_N_COVARIATE_VOXELS)


def real(scale):
    """The 30 subjects of ds000157_food at the voxels that all have; None without the folder."""
    import nibabel as nib

    if not os.environ.get(DATA_VARIABLE):
        return None
    folder = Path(os.environ[DATA_VARIABLE]).expanduser() / 'ds000157_food'
    step = 1 if scale == 'full' else 4
    inside = nib.load(folder / 'mask.nii.gz')
    mask = np.asarray(inside.dataobj)[::step, ::step, ::step] > 0
    images = [nib.load(path) for path in sorted(folder.glob('sub-*.nii.gz'))]
    maps = [image.get_fdata(dtype=np.float32)[::step, ::step, ::step] for image in images]
    complete = mask & np.all([np.isfinite(one) & (one != 0) for one in maps], axis=0)
    values = np.array([one[complete] for one in maps])
    affine = inside.affine @ np.diag([step, step, step, 1])
    return Problem(values, complete, affine, np.ones((len(values), 1)), np.ones(1))


def statistic_maps(problem, n_maps=10):
    """Statistic of a one-sample problem and of sign flips of it, the observed one first."""
    values = problem.values.astype(np.float64)
    signs = problem.draw(n_maps - 1).signs
    mean = signs @ values / len(values)
    variance = ((values**2).sum(axis=0) - len(values) * mean**2) / (len(values) - 1)
    return problem._replace(values=mean / np.sqrt(variance / len(values)))
