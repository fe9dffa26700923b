"""Permutation inference, scattered over chunks and gathered."""

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

from ..exceptions import InputError
from .evidence import correction_metadata, load_schedule_metadata, method_metadata, warn_of_few
from .loaders import Extremes, load_chunk, load_contrast, load_design, save_extremes
from .request import PermuteInputSpec, load_request, measured_model, save_chunk
from .tails import load_tails


class _PermuteOutputSpec(TraitedSpec):
    chunk_file = File(exists=True, desc='maxima and counts of the chunk (.npz)')


class Permute(SimpleInterface):
    """Compute a statistic over a chunk of a schedule of relabellings.

    The split into chunks has no influence on the merged result, to the last bit.

    Examples
    --------
    >>> Permute(chunk=2, n_chunks=8).inputs.num_threads
    1
    """

    input_spec = PermuteInputSpec
    output_spec = _PermuteOutputSpec

    def _run_interface(self, runtime):
        from ..stats.permutation import permute

        request = load_request(self.inputs)
        chunk = permute(**request.arguments, **request.chunk)
        fwhm = self.inputs.variance_fwhm_mm or None
        measured = {
            'VarianceFWHM': fwhm,
            'MissingData': self.inputs.missing,
            **measured_model(self.inputs),
        }
        self._results['chunk_file'] = save_chunk(chunk, self.inputs, runtime, **measured)
        return runtime


class MergeInputSpec(BaseInterfaceInputSpec):
    """Inputs of whatever merges chunks."""

    chunk_files = InputMultiObject(
        File(exists=True), mandatory=True, desc='all chunks of one schedule, in any order'
    )
    mask_file = File(exists=True, mandatory=True, desc='mask of the chunks')
    design_file = File(exists=True, mandatory=True, desc='design matrix of the chunks (TSV)')
    contrast_file = File(exists=True, mandatory=True, desc='contrast of the chunks (JSON)')
    schedule_metadata_file = File(exists=True, desc='how the schedule was drawn (JSON)')
    sidedness = traits.Enum(
        'two-sided', 'positive', 'negative', usedefault=True, desc='side of the chunks'
    )
    tail = traits.Enum(
        'none',
        'gpd',
        'gamma',
        usedefault=True,
        desc='approximate the tail of the null distribution of the maximum, for corrected p below '
        'what the relabellings can count: generalised Pareto for the upper tail, or gamma for '
        'all of it; needs schedule_metadata_file. No effect where all relabellings were used, '
        'and none on cluster extent',
    )


class _MergePermutationsInputSpec(MergeInputSpec):
    signed_z = traits.Bool(
        False, usedefault=True, desc="give cor_z_score the sign of t; nistats' has none"
    )
    fdr_method = traits.Enum(
        'BH',
        'BKY',
        usedefault=True,
        desc='false discovery rate of the uncorrected p: Benjamini-Hochberg, or adaptive '
        '(Benjamini-Krieger-Yekutieli)',
    )
    fdr_alpha = traits.Float(
        0.05, usedefault=True, desc='the only level that adjusted p by BKY can be compared with'
    )
    tails_file = File(
        exists=True, desc='uncorrected p by tails fitted at each voxel (.npz), of FitTails'
    )


class _MergePermutationsOutputSpec(TraitedSpec):
    stat_file = File(
        exists=True,
        desc='observed t or F; v, G or pseudo-t if so permuted, z or chi-squared of fixed effects',
    )
    p_uncorrected_file = File(exists=True, desc='uncorrected p; 1 outside the mask')
    p_fwe_file = File(exists=True, desc='familywise-error-corrected p; 1 outside the mask')
    logp_fwe_file = File(exists=True, desc='-log10 of the corrected p; 0 outside the mask')
    cor_z_score_file = File(exists=True, desc='z of the corrected p, not below 0')
    q_fdr_file = File(exists=True, desc='FDR-adjusted permutation p; 1 outside the mask')
    logq_fdr_file = File(exists=True, desc='-log10 of the FDR-adjusted p; 0 outside the mask')
    null_file = File(exists=True, desc='maximum statistic of every relabelling (TSV)')
    extremes_file = File(exists=True, desc='observed statistic and maxima for CorrectContrasts')
    metadata_file = File(exists=True, desc='how the p values were made (JSON)')


class MergePermutations(SimpleInterface):
    """Merge the chunks of a permutation test into p values and the null distribution.

    p is the share of the relabellings, the observed one included, that reach the
    observed value: at the same voxel (uncorrected), or anywhere in the mask (corrected).
    With a ``tail``, small corrected p are read off a distribution fitted to the maxima. With a
    ``tails_file``, uncorrected p are those of :class:`~nistats_nipype.interfaces.FitTails`, and
    FDR-adjusted p are made of them.

    Examples
    --------
    >>> MergePermutations(tail='gpd').inputs.fdr_method
    'BH'
    """

    input_spec = _MergePermutationsInputSpec
    output_spec = _MergePermutationsOutputSpec

    def _run_interface(self, runtime):
        import numpy as np

        from ..images.files import save_json, save_table
        from ..stats.approximation import on_side
        from ..stats.correction import corrected_z

        cwd = Path(runtime.cwd)
        contrast, side, measured, result, space = self._merge()
        found, metadata = self._correct(side, result)
        p_uncorrected, metadata['UncorrectedPValue'] = self._uncorrected(result)
        metadata |= measured
        q = self._adjust(p_uncorrected)
        z = corrected_z(found.p, result.stat if self.inputs.signed_z else None)
        for name, row, fill in (
            ('stat', result.stat, 0.0),
            ('p_uncorrected', p_uncorrected, 1.0),
            ('p_fwe', found.p, 1.0),
            ('logp_fwe', -np.log10(found.p) + 0.0, 0.0),
            ('cor_z_score', z, 0.0),
            ('q_fdr', q, 1.0),
            ('logq_fdr', -np.log10(q) + 0.0, 0.0),
        ):
            self._results[f'{name}_file'] = space.save(row, cwd / f'{name}.nii.gz', fill=fill)
        metadata |= method_metadata(metadata, contrast.kind, result.scale)
        metadata['SmallestFDRAdjustedP'] = float(np.nanmin(q))
        null = _null_table(result.null, metadata['NullOf'], side)
        self._results['null_file'] = save_table(null, cwd / 'null.tsv')
        extremes = {'voxel': Extremes(on_side(result.observed, side), result.null)}
        self._results['extremes_file'] = save_extremes(cwd / 'extremes.npz', extremes)
        self._results['metadata_file'] = save_json(metadata, cwd / 'permutation.json')
        return runtime

    def _merge(self):
        from ..images.observations import load_space
        from ..stats.permutation import Chunk, merge

        inputs = self.inputs
        design = load_design(inputs.design_file, voxelwise=True)
        contrast = load_contrast(inputs.contrast_file, design)
        side = contrast.tested_side(inputs.sidedness)
        chunks, measured = zip(
            *(load_chunk(path, Chunk) for path in inputs.chunk_files), strict=True
        )
        result = merge(chunks, design.to_numpy(), contrast.weights, sidedness=side)
        return contrast, side, measured[0], result, load_space(inputs.mask_file)

    def _correct(self, side, result):
        """Corrected p, and what is known of them."""
        import numpy as np

        from ..stats.approximation import approximate, on_side

        inputs, null = self.inputs, result.null[~np.isnan(result.null)]
        n = len(null)
        schedule, n_possible = load_schedule_metadata(inputs.schedule_metadata_file)
        exhaustive = schedule.get('Exhaustive', False)
        warn_of_few(inputs.tail, n, exhaustive)
        found = approximate(
            result.p_fwe,
            null,
            on_side(result.observed, side),
            tail=inputs.tail,
            n_possible=n_possible,
        )
        tested = ~np.isnan(result.stat)
        counted = float(np.nanmin(result.p_fwe))
        metadata = {
            **schedule,
            'Sidedness': side,
            'NumberOfRelabellings': n,
            'NumberOfRelabellingsLeftOut': len(result.null) - n,
            'NumberOfVoxelsWithRelabellingsLeftOut': int((result.left_out > 0).sum()),
            'SmallestPossibleP': found.smallest,
            'PValue': 'share of the relabellings, the observed one included, that reach the '
            'observed value',
            **correction_metadata(found, null, counted, inputs.tail, exhaustive),
            'NumberOfVoxelsTested': int(tested.sum()),
            'NumberOfVoxelsNotTested': int((~tested).sum()),
            'FDRMethod': inputs.fdr_method,
            'FDRAlpha': inputs.fdr_alpha if inputs.fdr_method == 'BKY' else None,
        }
        return found, metadata

    def _uncorrected(self, result):
        """Uncorrected p, and what is known of them."""
        import numpy as np

        if not isdefined(self.inputs.tails_file):
            return result.p_uncorrected, {'Method': 'counts'}
        tails, metadata = load_tails(self.inputs.tails_file)
        if not np.array_equal(np.isnan(tails.p), np.isnan(result.p_uncorrected)):
            raise InputError(
                'The fitted tails are not of the same test.',
                found='other voxels that are tested',
                expected='tails fitted to the chunks that are merged',
                advice='Run FitTails on the same chunks, design and contrast.',
            )
        return tails.p, metadata

    def _adjust(self, p):
        from ..stats.correction import fdr, fdr_two_stage

        inputs = self.inputs
        return fdr(p) if inputs.fdr_method == 'BH' else fdr_two_stage(p, inputs.fdr_alpha)


def _null_table(null, name, side):
    import pandas as pd

    names = {'two-sided': f'max_abs_{name}', 'positive': f'max_{name}', 'negative': f'min_{name}'}
    values = -null if side == 'negative' else null
    return pd.DataFrame({'relabelling': range(len(null)), names[side]: values})
