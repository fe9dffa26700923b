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

from .loaders import load_contrast, load_design, load_fit

_IN_FILES = '3D maps, one per row of the design, or one 4D file, or packed observations (.npy)'
_MISSING = (
    'refuse missing values, fit complete voxels only, or fit each voxel on the maps observed there'
)
#: What the metadata call the methods.
_ESTIMATORS = {
    'reml': 'mixed effects, restricted maximum likelihood',
    'dl': 'mixed effects, DerSimonian-Laird',
    'fixed': 'fixed effects, weighted by inverse variance',
}


class _FitGLMInputSpec(BaseInterfaceInputSpec):
    in_files = InputMultiObject(File(exists=True), mandatory=True, desc=_IN_FILES)
    mask_file = File(exists=True, mandatory=True, desc='mask; voxels > 0 are fitted')
    design_file = File(exists=True, mandatory=True, desc='design matrix (TSV)')
    missing = traits.Enum('error', 'drop_voxel', 'per_voxel', usedefault=True, desc=_MISSING)
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
        metadata = {
            'Estimator': 'ordinary least squares',
            'MissingData': inputs.missing,
            'VarianceGroups': None if model.groups is None else model.groups.tolist(),
            'NumberOfVoxelsWithoutVariance': int(
                ((model.dof > 0) & np.isnan(model.residual_variance)).sum()
            ),
        }
        self._results = save_fit(model, design, data, metadata, cwd)
        return runtime


def save_fit(model, design, data, metadata, cwd):
    """Write a model, the number of maps and the metadata; refuse a model of nothing."""
    import numpy as np

    from ..exceptions import MissingDataError
    from ..images.files import save_arrays, save_json

    n_observed = model.n_observed
    if not n_observed.any():
        most = model.patterns.sum(axis=1).max()
        raise MissingDataError(
            'No voxel has the maps that a fit takes.',
            found=f'at most {most} of {len(design)} maps at a voxel',
            expected=f'more than the {design.shape[1]} regressors',
            advice='Look at the coverage map; check that the maps lie in one space.',
        )
    metadata |= {
        'NumberOfMaps': len(design),
        'NumberOfVoxelsInMask': data.space.n_points,
        'NumberOfVoxelsFitted': int((n_observed > 0).sum()),
        'NumberOfIncompleteVoxelsFitted': int(
            ((n_observed > 0) & (n_observed < len(design))).sum()
        ),
    }
    fields = {name: value for name, value in model._asdict().items() if value is not None}
    return {
        'model_file': save_arrays(cwd / 'model.npz', **fields),
        'n_file': data.space.save(n_observed, cwd / 'n.nii.gz', dtype=np.int32),
        'metadata_file': save_json(metadata, cwd / 'model.json'),
    }


class _FitMixedInputSpec(BaseInterfaceInputSpec):
    in_files = InputMultiObject(File(exists=True), mandatory=True, desc=_IN_FILES)
    variance_files = InputMultiObject(
        File(exists=True),
        mandatory=True,
        desc='sampling variances of the maps (squared standard errors, as varcope or '
        'stat-variance), in their order and in any of their forms',
    )
    mask_file = File(exists=True, mandatory=True, desc='mask; voxels > 0 are fitted')
    design_file = File(exists=True, mandatory=True, desc='design matrix (TSV)')
    method = traits.Enum(
        'reml',
        'dl',
        'fixed',
        usedefault=True,
        desc='between-subject variance: restricted maximum likelihood, as FLAME 1; moments, after '
        'DerSimonian and Laird; or none (fixed effects)',
    )
    missing = traits.Enum('error', 'drop_voxel', 'per_voxel', usedefault=True, desc=_MISSING)
    zero_is_missing = traits.Bool(
        True,
        usedefault=True,
        desc='take exact 0 in a map, of effects or variances, as missing, as NaN always is',
    )
    num_threads = traits.Int(
        1, usedefault=True, nohash=True, desc='threads; no influence on the result'
    )


class _FitMixedOutputSpec(_FitGLMOutputSpec):
    model_file = File(exists=True, desc='estimates, their covariance, tau2 and dof (.npz)')
    tau2_file = File(
        exists=True, desc='between-subject variance, in squared units of the maps; fixed: 0'
    )
    i2_file = File(exists=True, desc='share of the variation that is heterogeneity, in percent')
    q_file = File(exists=True, desc='heterogeneity: sum of squared weighted residuals')
    q_p_file = File(exists=True, desc='p of the heterogeneity; 1 outside the mask')


class FitMixed(SimpleInterface):
    """Fit a linear model whose within-subject variances are known, at every voxel.

    ``ComputeContrast`` tests contrasts of it. Voxels without a fit are NaN inside the mask.

    Examples
    --------
    >>> FitMixed(method='fixed').inputs.missing
    'error'
    """

    input_spec = _FitMixedInputSpec
    output_spec = _FitMixedOutputSpec

    def _run_interface(self, runtime):
        import numpy as np

        from ..images.observations import load_observations
        from ..stats import mixed

        inputs, cwd = self.inputs, Path(runtime.cwd)
        design = load_design(inputs.design_file)
        data, variances = (
            load_observations(files, inputs.mask_file, zero_is_missing=inputs.zero_is_missing)
            for files in (inputs.in_files, inputs.variance_files)
        )
        model = mixed.fit(
            data.values,
            variances.values,
            design.to_numpy(),
            method=inputs.method,
            missing=inputs.missing,
            labels=data.names,
            num_threads=inputs.num_threads,
        )
        metadata = {
            'Estimator': _ESTIMATORS[inputs.method],
            'MixedModel': inputs.method,
            'MissingData': inputs.missing,
            'NumberOfVoxelsWithoutHeterogeneity': int((model.tau2 == 0).sum()),
            'NumberOfVoxelsWithQPBelow.05': int((model.q_p < 0.05).sum()),
        }
        fitted = model.n_observed > 0
        if fitted.any():
            metadata['MedianTau2'] = float(np.median(model.tau2[fitted]))
            metadata['MedianI2'] = float(np.median(model.i2[fitted]))
        self._results = save_fit(model, design, data, metadata, cwd)
        for name in ('tau2', 'i2', 'q', 'q_p'):
            fill = 1.0 if name == 'q_p' else 0.0
            self._results[f'{name}_file'] = data.space.save(
                getattr(model, name), cwd / f'{name}.nii.gz', fill=fill
            )
        return runtime


class _ComputeContrastInputSpec(BaseInterfaceInputSpec):
    model_file = File(
        exists=True,
        mandatory=True,
        desc='model of FitGLM, FitMixed, FitRobust or FitVoxelwise (.npz)',
    )
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
    stat_file = File(
        exists=True,
        desc='t or F; with variance groups v or G; of fixed effects z or chi-squared',
    )
    z_file = File(exists=True, desc='z of the upper tail of the statistic')
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
        import numpy as np

        from ..images.files import save_json
        from ..images.observations import load_space

        inputs, cwd = self.inputs, Path(runtime.cwd)
        design = load_design(inputs.design_file, voxelwise=True)
        contrast = load_contrast(inputs.contrast_file, design)
        side = contrast.tested_side(inputs.sidedness)
        model, test = load_fit(inputs.model_file)
        result = test(model, design.to_numpy(), contrast.weights, sidedness=side)
        space = load_space(inputs.mask_file)
        for name in ('effect', 'variance', 'stat', 'z', 'p'):
            fill = 1.0 if name == 'p' else 0.0
            self._results[f'{name}_file'] = space.save(
                getattr(result, name), cwd / f'{name}.nii.gz', fill=fill
            )
        dof = result.dof[result.dof > 0]
        has_dof = np.isfinite(dof).all()
        metadata = {
            **contrast.to_dict(),
            'StatisticName': result.kind,
            'Sidedness': side,
            # JSON has no infinity.
            'DegreesOfFreedom': [float(dof.min()), float(dof.max())] if has_dof else None,
            'DegreesOfFreedomEffect': result.dof_effect,
        }
        self._results['metadata_file'] = save_json(metadata, cwd / 'contrast.json')
        return runtime
