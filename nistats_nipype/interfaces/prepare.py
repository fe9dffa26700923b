"""From maps to observations: mask, smooth, pack."""

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


class _ComputeMaskInputSpec(BaseInterfaceInputSpec):
    in_files = InputMultiObject(
        File(exists=True), mandatory=True, desc='3D maps, one per subject, or one 4D file'
    )
    method = traits.Enum(
        'intersection',
        'coverage',
        'template',
        'given',
        usedefault=True,
        desc='voxels observed in all maps, in at least min_coverage of them, in the MNI152 '
        'template brain, or in mask_file',
    )
    min_coverage = traits.Float(
        1.0, usedefault=True, desc="share of the maps in (0, 1] that method 'coverage' asks for"
    )
    min_observations = traits.Int(
        desc="maps that method 'coverage' asks for, in place of min_coverage"
    )
    mask_file = File(exists=True, desc="mask for method 'given'; voxels > 0 are tested")
    variance_files = InputMultiObject(
        File(exists=True),
        desc='sampling variances of the maps, in their order; a map is then observed where it has '
        'both a value and a variance',
    )
    covariate_names = traits.List(traits.Str, desc='names of voxelwise covariates')
    covariate_files = InputMultiObject(
        traits.Either(File(exists=True), traits.List(File(exists=True))),
        desc='voxelwise covariates in the order of their names: for each a list of 3D maps in the '
        'order of the maps, or one 4D file; a map is then observed where it has values of these, '
        'too',
    )
    zero_is_missing = traits.Bool(
        True, usedefault=True, desc='take exact 0 as missing, as NaN always is'
    )


class _ComputeMaskOutputSpec(TraitedSpec):
    mask_file = File(exists=True, desc='group mask')
    coverage_file = File(exists=True, desc='number of maps observed at each voxel')
    losses_file = File(exists=True, desc='voxels that each map lacks (TSV)')


class ComputeMask(SimpleInterface):
    """Compute the group mask, and how many voxels each subject loses.

    Examples
    --------
    >>> ComputeMask(method='coverage', min_coverage=0.9).inputs.zero_is_missing
    True
    """

    input_spec = _ComputeMaskInputSpec
    output_spec = _ComputeMaskOutputSpec

    def _run_interface(self, runtime):
        import numpy as np

        from ..designs.covariates import check_pairs
        from ..images.files import save_table
        from ..images.masking import compute_mask
        from ..images.volumes import save_volume

        inputs, cwd = self.inputs, Path(runtime.cwd)
        n_least, names = inputs.min_observations, inputs.covariate_names
        names = names if isdefined(names) else []
        files = inputs.covariate_files if isdefined(inputs.covariate_files) else []
        check_pairs(names, files)
        group = compute_mask(
            inputs.in_files,
            method=inputs.method,
            min_coverage=inputs.min_coverage,
            min_observations=n_least if isdefined(n_least) else None,
            mask_file=inputs.mask_file if isdefined(inputs.mask_file) else None,
            zero_is_missing=inputs.zero_is_missing,
            variance_files=inputs.variance_files if isdefined(inputs.variance_files) else None,
            covariate_files=dict(zip(names, files, strict=True)),
        )
        self._results = {
            'mask_file': save_volume(
                group.mask, group.affine, cwd / 'mask.nii.gz', dtype=np.uint8
            ),
            'coverage_file': save_volume(
                group.coverage, group.affine, cwd / 'coverage.nii.gz', dtype=np.int32
            ),
            'losses_file': save_table(group.losses, cwd / 'losses.tsv'),
        }
        return runtime


class _SmoothInputSpec(BaseInterfaceInputSpec):
    in_files = InputMultiObject(File(exists=True), mandatory=True, desc='3D maps, or one 4D file')
    mask_file = File(exists=True, desc='values outside do not bleed into the inside')
    fwhm_mm = traits.Float(8.0, usedefault=True, desc='full width at half maximum in mm')
    zero_is_missing = traits.Bool(
        True, usedefault=True, desc='take exact 0 inside the mask as missing'
    )


class _SmoothOutputSpec(TraitedSpec):
    out_files = traits.List(File(exists=True), desc='smoothed maps, in the order of the input')


class Smooth(SimpleInterface):
    """Smooth maps with a Gaussian kernel, leaving out what is missing.

    Where nothing is missing, the result is that of :func:`nilearn.image.smooth_img`.

    Examples
    --------
    >>> Smooth(fwhm_mm=8).inputs.fwhm_mm
    8.0
    """

    input_spec = _SmoothInputSpec
    output_spec = _SmoothOutputSpec

    def _run_interface(self, runtime):
        from ..images.masking import load_mask
        from ..images.smoothing import smooth
        from ..images.volumes import check_same_grid, iter_volumes, save_volume

        inputs, cwd = self.inputs, Path(runtime.cwd)
        mask = load_mask(inputs.mask_file) if isdefined(inputs.mask_file) else None
        out_files = []
        for index, (name, volume) in enumerate(iter_volumes(inputs.in_files)):
            if mask is not None and index == 0:
                check_same_grid(volume, mask, names=(name, inputs.mask_file))
            smoothed = smooth(
                volume,
                inputs.fwhm_mm,
                mask=None if mask is None else mask.data,
                zero_is_missing=inputs.zero_is_missing,
            )
            # Maps of different folders may have one name; the number keeps them apart.
            stem = Path(name).name.split('.')[0]
            out_file = cwd / f'{index:04d}_{stem}_smooth.nii.gz'
            out_files.append(save_volume(smoothed, volume.affine, out_file))
        self._results['out_files'] = out_files
        return runtime


class _ApplyMaskInputSpec(BaseInterfaceInputSpec):
    in_files = InputMultiObject(
        File(exists=True), mandatory=True, desc='3D maps, one per observation, or one 4D file'
    )
    mask_file = File(exists=True, mandatory=True, desc='mask; voxels > 0 are kept')
    zero_is_missing = traits.Bool(
        True, usedefault=True, desc='take exact 0 inside the mask as missing'
    )
    center = traits.Bool(
        False,
        usedefault=True,
        desc='subtract from each map the mean of all maps, voxel by voxel, for a covariate',
    )


class _ApplyMaskOutputSpec(TraitedSpec):
    observations_file = File(
        exists=True, desc='float32 matrix (.npy), one row per map, NaN where missing'
    )


class ApplyMask(SimpleInterface):
    """Pack maps into one file of observations that is read piece by piece.

    Every interface with ``in_files`` and ``mask_file`` takes that file in place of maps.

    Examples
    --------
    >>> ApplyMask().inputs.zero_is_missing
    True
    """

    input_spec = _ApplyMaskInputSpec
    output_spec = _ApplyMaskOutputSpec

    def _run_interface(self, runtime):
        from ..images.observations import pack

        inputs = self.inputs
        self._results['observations_file'] = pack(
            inputs.in_files,
            inputs.mask_file,
            Path(runtime.cwd) / 'observations.npy',
            zero_is_missing=inputs.zero_is_missing,
            center=inputs.center,
        )
        return runtime


class _AverageMapsInputSpec(BaseInterfaceInputSpec):
    in_files = InputMultiObject(
        File(exists=True),
        mandatory=True,
        desc='3D maps, one 4D file, or packed observations (.npy)',
    )
    mask_file = File(exists=True, mandatory=True, desc='mask; voxels > 0 are kept')
    zero_is_missing = traits.Bool(
        True, usedefault=True, desc='take exact 0 inside the mask as missing'
    )
    averages_file = File(
        exists=True,
        mandatory=True,
        desc='observation that each map goes into: a whole number a line, from 1, as '
        'BuildStandardDesign writes it',
    )


class _AverageMapsOutputSpec(TraitedSpec):
    observations_file = File(
        exists=True, desc='float32 matrix (.npy), one row per average, NaN where a map is missing'
    )


class AverageMaps(SimpleInterface):
    """Average the maps of a subject, or of a subject and condition, into one observation.

    For tests between subjects that have several maps: see BuildStandardDesign.

    Examples
    --------
    >>> AverageMaps().inputs.zero_is_missing
    True
    """

    input_spec = _AverageMapsInputSpec
    output_spec = _AverageMapsOutputSpec

    def _run_interface(self, runtime):
        from ..designs.blocks import load_groups
        from ..images.observations import average_rows, load_observations

        inputs = self.inputs
        rows = load_groups(inputs.averages_file, 'the observations that maps go into') - 1
        data = load_observations(
            inputs.in_files, inputs.mask_file, zero_is_missing=inputs.zero_is_missing
        )
        self._results['observations_file'] = average_rows(
            data.values, rows, Path(runtime.cwd) / 'averages.npy'
        )
        return runtime
