"""What every job over relabellings is given, loads and saves."""

from pathlib import Path
from typing import NamedTuple

from nipype.interfaces.base import (
    BaseInterfaceInputSpec,
    File,
    InputMultiObject,
    isdefined,
    traits,
)

from ..exceptions import InputError
from .loaders import load_contrast, load_design
from .schedule import load_schedule
from .voxelwise import COVARIATE_FILES, load_covariates


class RelabelInputSpec(BaseInterfaceInputSpec):
    """Inputs of whatever relabels observations."""

    in_files = InputMultiObject(
        File(exists=True),
        mandatory=True,
        desc='3D maps, one per row of the design, or one 4D file, or packed observations (.npy)',
    )
    mask_file = File(exists=True, mandatory=True, desc='mask; voxels > 0 are tested')
    design_file = File(exists=True, mandatory=True, desc='design matrix (TSV)')
    contrast_file = File(exists=True, mandatory=True, desc='contrast (JSON)')
    schedule_file = File(exists=True, mandatory=True, desc='relabellings (.npz)')
    sidedness = traits.Enum(
        'two-sided', 'positive', 'negative', usedefault=True, desc='side of t; F has one side'
    )
    missing = traits.Enum(
        'error',
        'drop_voxel',
        'per_voxel',
        usedefault=True,
        desc='refuse missing values, test complete voxels only, or test each voxel on the maps '
        'observed there, compared on z of the parametric p',
    )
    zero_is_missing = traits.Bool(
        True, usedefault=True, desc='take exact 0 in a map as missing, as NaN always is'
    )
    num_threads = traits.Int(
        1, usedefault=True, nohash=True, desc='threads; no influence on the result'
    )


class ChunkInputSpec(RelabelInputSpec):
    """Inputs of whatever runs over a chunk of relabellings."""

    chunk = traits.Int(0, usedefault=True, desc='which chunk of the schedule, from 0')
    n_chunks = traits.Int(1, usedefault=True, desc='in how many chunks the schedule is cut')


class PermuteInputSpec(ChunkInputSpec):
    """Inputs of whatever computes statistics over a chunk of relabellings."""

    variance_fwhm_mm = traits.Float(
        0.0,
        usedefault=True,
        desc='FWHM in mm of the Gaussian kernel that smooths the error variance, for pseudo-t; 0 '
        'leaves it as it is. Of use where there are few degrees of freedom, 20 or less',
    )

    covariate_files = InputMultiObject(
        traits.Either(File(exists=True), traits.List(File(exists=True))),
        desc='voxelwise covariates, in the order of the columns that stand for them in the design '
        f'of FitVoxelwise: {COVARIATE_FILES}',
    )
    model = traits.Enum(
        'ols',
        'robust',
        'reml',
        'dl',
        'fixed',
        usedefault=True,
        desc='least squares; or the model of FitRobust, or of FitMixed by its method, fitted anew '
        'for every relabelling: signs are flipped without nuisance, or maps permuted with their '
        'variances beside an intercept only',
    )
    variance_files = InputMultiObject(
        File(exists=True),
        desc='sampling variances of the maps, in their order and in any of their forms, for '
        'reml, dl and fixed',
    )
    tuning = traits.Float(
        1.345, usedefault=True, desc='tuning constant of the robust model, that of FitRobust'
    )


class Request(NamedTuple):
    """What is asked for, loaded.

    Attributes
    ----------
    space : nistats_nipype.images.observations.VolumeSpace
        Where the points are.
    arguments : dict
        Arguments that all functions over relabellings share, see
        :func:`nistats_nipype.stats.permutation.permute`.
    chunk : dict
        The others of that function.
    """

    space: object
    arguments: dict
    chunk: dict

    @property
    def compares_scores(self):
        """Whether maps are of normal scores: of v and G, or where degrees of freedom vary."""
        groups = self.arguments['schedule'].groups
        return groups is not None or self.arguments['missing'] == 'per_voxel'

    @property
    def knows_variances(self):
        """Whether maps are of z or chi-squared: of fixed effects."""
        model = self.chunk.get('model')
        return model is not None and model.name == 'fixed'


def load_request(inputs):
    """Load what the inputs of a :class:`RelabelInputSpec` name.

    Parameters
    ----------
    inputs : RelabelInputSpec

    Returns
    -------
    Request
    """
    from ..designs.covariates import VOXELWISE, voxelwise_columns
    from ..images.observations import load_observations

    files = inputs.get_traitsfree().get('covariate_files')
    design = load_design(inputs.design_file, voxelwise=files is not None)
    contrast = load_contrast(inputs.contrast_file, design)
    schedule = load_schedule(inputs.schedule_file)
    data = load_observations(
        inputs.in_files, inputs.mask_file, zero_is_missing=inputs.zero_is_missing
    )
    arguments = {
        'values': data.values,
        'design': design.to_numpy(),
        'contrast': contrast.weights,
        'schedule': schedule,
        'sidedness': inputs.sidedness,
        'missing': inputs.missing,
        'labels': data.names,
        'num_threads': inputs.num_threads,
    }
    if files is not None:
        names = [name.removesuffix(VOXELWISE) for name in voxelwise_columns(design)]
        arguments['covariates'] = load_covariates(names, files, inputs)
    return Request(data.space, arguments, _load_chunk(inputs, schedule, data.space))


def _load_chunk(inputs, schedule, space):
    """Which relabellings are asked for, of which model, and how the variance is smoothed."""
    from functools import partial

    from ..images.smoothing import smooth_row
    from ..stats.relabelling import chunk_bounds

    given = inputs.get_traitsfree()
    chunk = {}
    if 'n_chunks' in given:
        bounds = chunk_bounds(schedule.n_relabellings, inputs.chunk, inputs.n_chunks)
        chunk['start'], chunk['stop'] = bounds
    if given.get('variance_fwhm_mm'):
        chunk['smooth_variance'] = partial(
            smooth_row, space=space, fwhm_mm=inputs.variance_fwhm_mm
        )
    if given.get('model', 'ols') != 'ols':
        chunk['model'] = _load_model(inputs)
    elif 'variance_files' in given:
        raise InputError(
            'Least squares takes no variances of the maps.',
            found="variance_files with model='ols'",
            advice="Choose model='reml', 'dl' or 'fixed', or leave the variances out.",
        )
    return chunk


def _load_model(inputs):
    """Model that is fitted to every relabelling, with the variances of the maps."""
    from ..images.observations import load_observations
    from ..stats.model_engine import Model

    variances = None
    if isdefined(inputs.variance_files):
        variances = load_observations(
            inputs.variance_files, inputs.mask_file, zero_is_missing=inputs.zero_is_missing
        ).values
    return Model(inputs.model, variances, inputs.tuning)


def measured_model(inputs):
    """What the metadata say of voxelwise covariates, and of another model than least squares."""
    from ..designs.covariates import voxelwise_columns

    measured = {}
    if isdefined(inputs.covariate_files):
        design = load_design(inputs.design_file, voxelwise=True)
        measured['VoxelwiseCovariates'] = voxelwise_columns(design)
    if inputs.model != 'ols':
        measured['PermutedModel'] = inputs.model
    if inputs.model == 'robust':
        measured['TuningConstant'] = inputs.tuning
    return measured


def save_chunk(chunk, inputs, runtime, **measured):
    """Save a chunk, and what the metadata of the merged result say of it."""
    import json

    from ..images.files import save_arrays

    out_file = Path(runtime.cwd) / f'chunk-{inputs.chunk:04d}.npz'
    return save_arrays(out_file, **chunk._asdict(), measured=json.dumps(measured))
