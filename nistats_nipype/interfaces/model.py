"""Fit the model, test contrasts."""

from pathlib import Path

from nipype.interfaces.base import (
    BaseInterfaceInputSpec,
    File,
    InputMultiObject,
    SimpleInterface,
    TraitedSpec,
    isdefined,
    traits,
)

from .loaders import load_contrast, load_design, load_record

_IN_FILES = '3D maps, one per row of the design, or one 4D file, or packed observations (.npy)'


class _FitGLMInputSpec(BaseInterfaceInputSpec):
    in_files = InputMultiObject(File(exists=True), mandatory=True, desc=_IN_FILES)
    mask_file = File(exists=True, mandatory=True, desc='mask; voxels > 0 are fitted')
    design_file = File(exists=True, mandatory=True, desc='design matrix (TSV)')
    missing = traits.Enum(
        'error',
        'drop_voxel',
        'per_voxel',
        usedefault=True,
        desc='refuse missing values, fit complete voxels only, or fit each voxel on the maps '
        'observed there',
    )
    zero_is_missing = traits.Bool(
        True, usedefault=True, desc='take exact 0 in a map as missing, as NaN always is'
    )
    variance_groups_file = File(
        exists=True,
        desc='variance groups: a whole number for each observation; contrasts are then tested '
        'with v in place of t and G in place of F',
    )


class _FitGLMOutputSpec(TraitedSpec):
    model_file = File(exists=True, desc='estimates, residual variance and dof (.npz)')
    n_file = File(exists=True, desc='number of maps in the fit at each voxel')
    metadata_file = File(exists=True, desc='what was fitted (JSON)')


class FitGLM(SimpleInterface):
    """Fit a linear model by ordinary least squares at every voxel.

    Examples
    --------
    >>> FitGLM(missing='per_voxel').inputs.missing
    'per_voxel'
    """

    input_spec = _FitGLMInputSpec
    output_spec = _FitGLMOutputSpec

    def _run_interface(self, runtime):
        import numpy as np

        from ..designs.blocks import load_groups
        from ..exceptions import MissingDataError
        from ..images.files import save_arrays, save_json
        from ..images.observations import load_observations
        from ..stats import glm

        inputs, cwd = self.inputs, Path(runtime.cwd)
        design = load_design(inputs.design_file)
        data = load_observations(
            inputs.in_files, inputs.mask_file, zero_is_missing=inputs.zero_is_missing
        )
        groups = inputs.variance_groups_file
        model = glm.fit(
            data.values,
            design.to_numpy(),
            missing=inputs.missing,
            labels=data.names,
            groups=load_groups(groups) if isdefined(groups) else None,
        )
        n_observed = model.n_observed
        if not n_observed.any():
            most = (~np.isnan(data.values)).sum(axis=0).max()
            raise MissingDataError(
                'No voxel has the maps that a fit takes.',
                found=f'at most {most} of {len(design)} maps at a voxel',
                expected=f'more than the {design.shape[1]} regressors',
                advice='Look at the coverage map; check that the maps lie in one space.',
            )
        metadata = {
            'Estimator': 'ordinary least squares',
            'MissingData': inputs.missing,
            'VarianceGroups': None if model.groups is None else model.groups.tolist(),
            'NumberOfMaps': len(design),
            'NumberOfVoxelsInMask': data.space.n_points,
            'NumberOfVoxelsFitted': int((n_observed > 0).sum()),
            'NumberOfIncompleteVoxelsFitted': int(
                ((n_observed > 0) & (n_observed < len(design))).sum()
            ),
            'NumberOfVoxelsWithoutVariance': int(
                ((model.dof > 0) & np.isnan(model.residual_variance)).sum()
            ),
        }
        fields = {name: value for name, value in model._asdict().items() if value is not None}
        self._results = {
            'model_file': save_arrays(cwd / 'model.npz', **fields),
            'n_file': data.space.save(n_observed, cwd / 'n.nii.gz', dtype=np.int32),
            'metadata_file': save_json(metadata, cwd / 'model.json'),
        }
        return runtime


#: What t and F are called where variances differ.
_WELCH = {'t': 'v', 'F': 'G'}


class _ComputeContrastInputSpec(BaseInterfaceInputSpec):
    model_file = File(exists=True, mandatory=True, desc='fitted model (.npz)')
    mask_file = File(exists=True, mandatory=True, desc='mask of the fit')
    design_file = File(exists=True, mandatory=True, desc='design matrix of the fit (TSV)')
    contrast_file = File(exists=True, mandatory=True, desc='contrast (JSON)')
    sidedness = traits.Enum(
        'two-sided',
        'positive',
        'negative',
        usedefault=True,
        desc='side of the p map of t; F has one side',
    )


class _ComputeContrastOutputSpec(TraitedSpec):
    effect_file = File(
        exists=True, desc='contrast of the estimates; for F 4D, one volume per contrast row'
    )
    variance_file = File(exists=True, desc='sampling variance of the effect; for F 4D')
    stat_file = File(exists=True, desc='t or F; with variance groups v or G')
    z_file = File(exists=True, desc='z of the upper tail of t or F')
    p_file = File(exists=True, desc='uncorrected p; 1 outside the mask')
    metadata_file = File(exists=True, desc='what was tested (JSON)')


class ComputeContrast(SimpleInterface):
    """Test a contrast of a fitted model: t for one row, F for several.

    Voxels without a statistic are NaN inside the mask; outside it maps are 0 (p: 1).

    Examples
    --------
    >>> ComputeContrast(sidedness='positive').inputs.sidedness
    'positive'
    """

    input_spec = _ComputeContrastInputSpec
    output_spec = _ComputeContrastOutputSpec

    def _run_interface(self, runtime):
        from ..images.files import save_json
        from ..images.observations import load_space
        from ..stats import glm

        inputs, cwd = self.inputs, Path(runtime.cwd)
        design = load_design(inputs.design_file)
        contrast = load_contrast(inputs.contrast_file, design)
        side = contrast.tested_side(inputs.sidedness)
        model = load_record(inputs.model_file, glm.GLMFit, ('groups', 'group_squares'))
        result = glm.contrast(model, design.to_numpy(), contrast.weights, sidedness=side)
        space = load_space(inputs.mask_file)
        for name in ('effect', 'variance', 'stat', 'z', 'p'):
            fill = 1.0 if name == 'p' else 0.0
            self._results[f'{name}_file'] = space.save(
                getattr(result, name), cwd / f'{name}.nii.gz', fill=fill
            )
        dof = result.dof[result.dof > 0]
        metadata = {
            **contrast.to_dict(),
            'StatisticName': contrast.kind if model.groups is None else _WELCH[contrast.kind],
            'Sidedness': side,
            'DegreesOfFreedom': [float(dof.min()), float(dof.max())],
            'DegreesOfFreedomEffect': result.dof_effect,
        }
        self._results['metadata_file'] = save_json(metadata, cwd / 'contrast.json')
        return runtime
