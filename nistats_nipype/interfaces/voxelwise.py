"""Models with voxelwise covariates."""

from pathlib import Path

from nipype.interfaces.base import (
    BaseInterfaceInputSpec,
    File,
    InputMultiObject,
    SimpleInterface,
    traits,
)

from .loaders import load_design
from .model import _FitGLMOutputSpec, save_fit

#: What a covariate may be given as.
COVARIATE_FILES = (
    'for each covariate a list of 3D maps, one per row of the design, or one 4D file, or one '
    'packed file (.npy)'
)


class _FitVoxelwiseInputSpec(BaseInterfaceInputSpec):
    in_files = InputMultiObject(
        File(exists=True),
        mandatory=True,
        desc='3D maps, one per row of the design, or one 4D file, or packed observations (.npy)',
    )
    mask_file = File(exists=True, mandatory=True, desc='mask; voxels > 0 are fitted')
    design_file = File(
        exists=True, mandatory=True, desc='design matrix without the covariates (TSV)'
    )
    covariate_names = traits.List(
        traits.Str, minlen=1, mandatory=True, desc='names of the voxelwise covariates'
    )
    covariate_files = InputMultiObject(
        traits.Either(File(exists=True), traits.List(File(exists=True))),
        mandatory=True,
        desc=f'the covariates in the order of their names: {COVARIATE_FILES}',
    )
    missing = traits.Enum(
        'error',
        'drop_voxel',
        usedefault=True,
        desc='refuse missing values of maps and covariates, or fit complete voxels only',
    )
    zero_is_missing = traits.Bool(
        True,
        usedefault=True,
        desc='take exact 0, in a map or a covariate, as missing, as NaN always is',
    )


class _FitVoxelwiseOutputSpec(_FitGLMOutputSpec):
    model_file = File(exists=True, desc='estimates, what their variances need, and dof (.npz)')
    design_file = File(
        exists=True,
        desc='design matrix with a column for each covariate (TSV), NAME[voxelwise]: its mean '
        'over the fitted voxels. For contrasts, schedules and permutations',
    )


class FitVoxelwise(SimpleInterface):
    """Fit a linear model by ordinary least squares, some regressors of which are maps.

    ``ComputeContrast`` tests contrasts of it, with the design that this interface writes.

    Examples
    --------
    >>> FitVoxelwise(covariate_names=['grey_matter']).inputs.missing
    'error'
    """

    input_spec = _FitVoxelwiseInputSpec
    output_spec = _FitVoxelwiseOutputSpec

    def _run_interface(self, runtime):
        import pandas as pd

        from ..designs.covariates import VOXELWISE
        from ..images.files import save_table
        from ..images.observations import load_observations
        from ..stats import voxelwise
        from ..stats.stand_ins import extend_design

        inputs, cwd = self.inputs, Path(runtime.cwd)
        design = load_design(inputs.design_file)
        columns = [f'{name}{VOXELWISE}' for name in inputs.covariate_names]
        data = load_observations(
            inputs.in_files, inputs.mask_file, zero_is_missing=inputs.zero_is_missing
        )
        covariates = load_covariates(inputs.covariate_names, inputs.covariate_files, inputs)
        model = voxelwise.fit(
            data.values,
            design.to_numpy(),
            covariates,
            missing=inputs.missing,
            labels=data.names,
        )
        whole = pd.DataFrame(
            extend_design(design.to_numpy(), covariates, model.n_observed > 0),
            columns=[*design.columns, *columns],
        )
        metadata = {
            'Estimator': 'ordinary least squares',
            'MissingData': inputs.missing,
            'VoxelwiseCovariates': columns,
            'NumberOfVoxelsWithCollinearCovariates': int(model.collinear.sum()),
        }
        self._results = save_fit(model, whole, data, metadata, cwd)
        self._results['design_file'] = save_table(whole, cwd / 'design.tsv')
        return runtime


def load_covariates(names, files, inputs):
    """Read voxelwise covariates.

    Parameters
    ----------
    names : list of str
    files : list of (str or list of str)
        For each covariate, in any form that observations have.
    inputs : BaseInterfaceInputSpec
        With ``mask_file`` and ``zero_is_missing``.

    Returns
    -------
    list of arrays of shape (N, V)

    Raises
    ------
    InputError
        If there is not one entry for each name, a name is there twice, or maps cannot be read.
    """
    from ..designs.covariates import check_pairs
    from ..images.observations import load_observations

    check_pairs(names, files)
    covariates = []
    for each in files:
        data = load_observations(each, inputs.mask_file, zero_is_missing=inputs.zero_is_missing)
        covariates.append(data.values)
    return covariates
