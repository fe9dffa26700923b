"""Fit the model robustly."""

from pathlib import Path

from nipype.interfaces.base import File, SimpleInterface, isdefined, traits

from .loaders import load_design, load_names
from .model import _FitGLMInputSpec, _FitGLMOutputSpec, save_fit

#: Maps that the metadata name: those with the lowest mean weight.
_NAMED = 3


class _FitRobustInputSpec(_FitGLMInputSpec):
    maps_file = File(
        exists=True,
        desc='table with a row for each map and a column file (TSV), which names packed '
        'observations',
    )
    tuning = traits.Float(
        1.345,
        usedefault=True,
        desc='weights begin to fall where a residual is so many times the scale; 1.345 keeps 95 % '
        'of the efficiency of least squares',
    )
    num_threads = traits.Int(
        1, usedefault=True, nohash=True, desc='threads; no influence on the result'
    )


class _FitRobustOutputSpec(_FitGLMOutputSpec):
    model_file = File(exists=True, desc='estimates, scale, error variance and dof (.npz)')
    weights_file = File(
        exists=True,
        desc='mean weight of each map over voxels, and the share of the voxels where it is below '
        '1 (TSV)',
    )


class FitRobust(SimpleInterface):
    """Fit a linear model by Huber's M estimator, at every voxel.

    Subjects that lie far from the others at a voxel count less there. ``ComputeContrast`` tests
    contrasts of it. Voxels without an estimate are NaN inside the mask.

    Examples
    --------
    >>> FitRobust().inputs.tuning
    1.345
    """

    input_spec = _FitRobustInputSpec
    output_spec = _FitRobustOutputSpec

    def _run_interface(self, runtime):
        import numpy as np

        from ..images.files import save_table
        from ..images.observations import load_observations
        from ..stats import robust

        inputs, cwd = self.inputs, Path(runtime.cwd)
        design = load_design(inputs.design_file)
        data = load_observations(
            inputs.in_files, inputs.mask_file, zero_is_missing=inputs.zero_is_missing
        )
        names = load_names(inputs.maps_file) if isdefined(inputs.maps_file) else data.names
        model = robust.fit(
            data.values,
            design.to_numpy(),
            tuning=inputs.tuning,
            missing=inputs.missing,
            labels=names,
            num_threads=inputs.num_threads,
        )
        weights = _table(model, names)
        lowest = weights.nsmallest(_NAMED, 'mean_weight')
        unsettled = (model.dof > 0) & np.isnan(model.scale)
        metadata = {
            'Estimator': "robust regression, Huber's M estimator",
            'RobustModel': 'huber',
            'TuningConstant': inputs.tuning,
            'MissingData': inputs.missing,
            'NumberOfVoxelsWithoutVariance': int(unsettled.sum()),
            'LowestMeanWeights': lowest[['file', 'mean_weight']].to_dict('records'),
        }
        self._results = save_fit(model, design, data, metadata, cwd)
        self._results['weights_file'] = save_table(weights, cwd / 'weights.tsv')
        return runtime


def _table(model, names):
    """Weights of the maps."""
    import numpy as np
    import pandas as pd

    with np.errstate(invalid='ignore'):
        share = 100.0 * model.n_reduced / model.n_weighted
    return pd.DataFrame(
        {
            'file': names,
            'mean_weight': model.mean_weight,
            'percent_reduced': share,
            'n_voxels': model.n_weighted,
        }
    )
