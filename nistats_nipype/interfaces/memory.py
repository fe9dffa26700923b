"""Memory that a node asks for, from what it is given."""

import math
import os
from typing import NamedTuple

from nipype.interfaces.base import isdefined
from nipype.utils.ram_estimator import RamEstimator

from ..exceptions import NistatsNipypeError

#: What is asked for in place of the peak that was measured: others have other libraries.
_HEADROOM = 1.5
#: No request is smaller (GB).
_LEAST_GB = 0.5
#: MB without data, and bytes for each voxel of the grid, as ``benchmarks/large.py`` measures
#: them; those of the first row for interfaces that are not listed.
_NEEDS = {
    None: (110, 0),
    'ComputeMask': (100, 40),
    'Smooth': (110, 60),
    'ApplyMask': (100, 40),
    'FitGLM': (110, 40),
    'FitMixed': (290, 100),
    'FitVoxelwise': (110, 60),
    'FitRobust': (290, 100),
    'MeasureInfluence': (110, 60),
    'PlotInfluence': (140, 0),
    'ComputeContrast': (110, 60),
    'Permute': (290, 30),
    'PermuteSequential': (290, 30),
    'PermuteSpatial': (330, 30),
    'FitTails': (470, 50),
    'MergePermutations': (150, 60),
    'MergeSequential': (150, 60),
    'MergeSpatial': (150, 80),
    'CorrectContrasts': (150, 60),
    'Threshold': (150, 70),
    'TableClusters': (110, 50),
    'PlotGlassBrain': (250, 20),
    'PlotSubjects': (250, 20),
    'PlotStatMap': (330, 20),
    'ViewImg': (400, 60),
    'PlotCoverage': (330, 20),
    'PlotDesign': (140, 0),
    'PlotNull': (140, 0),
    'PlotSurface': (250, 20),
    'PlotOutliers': (140, 0),
    'PlotEffectSize': (250, 60),
    'PlotPeaks': (200, 20),
    'MakeReport': (200, 0),
}
#: Bytes for each point of the mask: whole maps, neighbours, and room to sort for each thread.
_SPATIAL, _SPATIAL_THREAD = 800, 150
#: Bytes for the figure of each subject that is drawn.
_FIGURE = 500_000
#: Bytes for each thread where there are voxelwise covariates: blocks of these and of their bases.
_VOXELWISE = 2**27
#: Bytes for each thread where a model is fitted to relabellings: their statistics.
_MODEL = 2**24
#: Share of a grid that fits the head which is in the mask, at most.
_MASKED = 0.4


class Facts(NamedTuple):
    """What is known of the inputs of a node.

    Attributes
    ----------
    n_observations, n_points : int
        Of the maps or of the design; voxels in the mask, or at most so many.
    n_voxels : int
        Of the grid.
    n_loaded : int
        Bytes of arrays that are loaded whole.
    n_threads : int
    """

    n_observations: int
    n_points: int
    n_voxels: int
    n_loaded: int
    n_threads: int


class MemoryEstimator(RamEstimator):
    """Estimate the memory of a node before it runs, from the headers of its inputs.

    nipype's MultiProc and the plugins of this package ask for it, once the inputs are there.

    Parameters
    ----------
    interface : str
        Name of an interface of this package.

    Notes
    -----
    One and a half times the peak that was measured is asked for, at least 0.5 GB. A node whose
    inputs cannot be read is left to say so itself.

    Examples
    --------
    >>> from nistats_nipype.interfaces import DrawSchedule
    >>> MemoryEstimator('DrawSchedule')(DrawSchedule().inputs)[0]
    0.5
    """

    def __init__(self, interface):
        super().__init__(min_gb=_LEAST_GB, max_gb=None)
        self.interface = interface

    def __call__(self, inputs):
        """Estimate what the interface takes.

        Parameters
        ----------
        inputs : nipype.interfaces.base.BaseInterfaceInputSpec

        Returns
        -------
        float
            GB, in steps of 0.1.
        str
            What it was estimated from, for nipype's report of the node.
        """
        values = {name: each for name, each in inputs.trait_get().items() if isdefined(each)}
        try:
            facts = _gather(values)
        except (NistatsNipypeError, OSError):
            facts = Facts(0, 0, 0, 0, 1)
        measured = _sum_up(self.interface, values, facts)
        asked = math.ceil(10 * _HEADROOM * measured / 1e9) / 10
        return self.clamp(asked, self.min_gb, self.max_gb), str(facts)


def _gather(values):
    """Look at the headers of the inputs."""
    from ..images.files import load_table
    from ..images.nifti import open_image
    from ..images.packed import PackedMaps
    from ..images.volumes import count_volumes

    maps = values.get('in_files', ())
    if maps and isinstance(maps[0], list):  # of a MapNode: each of its nodes has one of the lists
        maps = maps[0]
        values = {**values, 'in_files': maps}
    maps = [os.fspath(path) for path in maps]
    paths = list(_paths(values))
    n_loaded = sum(os.path.getsize(path) for path in paths if path.endswith('.npz'))
    n_observations = n_points = n_voxels = 0
    image = next((path for path in paths if path.endswith(_IMAGES)), None)
    if image is not None:
        n_voxels = math.prod(open_image(image).shape[:3])
        n_points = math.ceil(_MASKED * n_voxels)
    if maps and maps[0].endswith('.npy'):
        n_observations, n_points = PackedMaps(maps[0]).shape
    elif maps:
        n_observations = count_volumes(maps)
        # Steps that read maps one by one have no design.
        n_loaded += 4 * n_observations * n_points if 'design_file' in values else 0
    elif 'design_file' in values:
        n_observations = len(load_table(values['design_file']))
    covariates = values['covariate_files'] if _takes_covariates(values) else ()
    images = [each for each in covariates if not _is_packed(each)]
    if 'design_file' in values and not _is_packed(values.get('variance_files', '.npy')):
        images.append(values['variance_files'])
    n_loaded += 4 * n_observations * n_points * len(images)
    return Facts(n_observations, n_points, n_voxels, n_loaded, values.get('num_threads', 1))


def _takes_covariates(values):
    """Whether voxelwise covariates enter a fit; a step that makes a mask reads map by map."""
    return {'covariate_files', 'mask_file', 'design_file'} <= {*values}


def _is_packed(files):
    first = files if isinstance(files, str | os.PathLike) else files[0]
    return os.fspath(first).endswith('.npy')


_IMAGES = ('.nii', '.nii.gz', '.img', '.hdr', '.mgz', '.mgh')


def _paths(values):
    for each in values.values():
        for path in each if isinstance(each, list | tuple) else [each]:
            if isinstance(path, str | os.PathLike) and os.path.isfile(path):
                yield os.fspath(path)


def _sum_up(interface, values, facts):
    """Peak of an interface, in bytes."""
    from ..stats.engines import POINTS
    from ..stats.glm import BLOCK, NUMBERS

    base, per_voxel = _NEEDS.get(interface, _NEEDS[None])
    n = facts.n_observations
    # What is loaded is copied once, by checks or on the way to the results.
    total = 1e6 * base + per_voxel * facts.n_voxels + 2 * facts.n_loaded
    if interface in ('FitGLM', 'FitMixed', 'FitRobust', 'MeasureInfluence'):
        total += 20 * facts.n_threads * min(BLOCK * n, NUMBERS)
    if 'schedule_file' in values:
        total += 32 * facts.n_threads * min(POINTS * n, NUMBERS)
    if values.get('model', 'ols') != 'ols' and 'schedule_file' in values:
        total += _MODEL * facts.n_threads + 20 * min(BLOCK * n, NUMBERS)
    if _takes_covariates(values):
        total += _VOXELWISE * facts.n_threads
    if interface == 'PermuteSpatial':
        total += (_SPATIAL + _SPATIAL_THREAD * facts.n_threads) * facts.n_points
    if interface == 'DrawSchedule':
        total += 8 * values['n_perm'] * n
    if interface == 'PlotSubjects':
        total += _FIGURE * min(n, values['max_subjects'])
    return total
