"""The relabellings of a permutation test, and which of them are allowed."""

from pathlib import Path

from nipype.interfaces.base import (
    BaseInterfaceInputSpec,
    File,
    SimpleInterface,
    TraitedSpec,
    isdefined,
    traits,
)

from .evidence import write_count
from .loaders import load_contrast, load_design, load_record


class _DefineVarianceGroupsInputSpec(BaseInterfaceInputSpec):
    blocks_file = File(exists=True, mandatory=True, desc="exchangeability blocks in PALM's format")


class _DefineVarianceGroupsOutputSpec(TraitedSpec):
    variance_groups_file = File(exists=True, desc='variance group of each observation, from 1')


class DefineVarianceGroups(SimpleInterface):
    """Define variance groups by exchangeability blocks: what can be exchanged has one variance.

    PALM's ``-vg auto``. The file is for DrawSchedule and for FitGLM alike.

    Examples
    --------
    >>> 'blocks_file' in DefineVarianceGroups.input_spec().copyable_trait_names()
    True
    """

    input_spec = _DefineVarianceGroupsInputSpec
    output_spec = _DefineVarianceGroupsOutputSpec

    def _run_interface(self, runtime):
        from ..designs.blocks import load_blocks, save_groups
        from ..stats.blocks import variance_groups

        groups = variance_groups(load_blocks(self.inputs.blocks_file)) + 1
        out_file = Path(runtime.cwd) / 'variance_groups.csv'
        self._results['variance_groups_file'] = save_groups(groups, out_file)
        return runtime


class _DrawScheduleInputSpec(BaseInterfaceInputSpec):
    design_file = File(exists=True, mandatory=True, desc='design matrix (TSV)')
    contrast_file = File(exists=True, mandatory=True, desc='contrast (JSON)')
    n_perm = traits.Int(
        10000, usedefault=True, desc='relabellings drawn beside the observed one, at least 1'
    )
    seed = traits.Int(0, usedefault=True, desc='seed of the schedule, at least 0')
    errors = traits.Enum(
        'auto',
        'exchangeable',
        'symmetric',
        'both',
        usedefault=True,
        desc='assumption about the errors: permute, flip signs, both, or chosen by the design '
        '(sign flips where the contrast involves the mean of the data, or where variance groups '
        'could be mixed)',
    )
    method = traits.Enum(
        'freedman-lane',
        'huh-jhun',
        'dekker',
        'ter-braak',
        'draper-stoneman',
        'manly',
        usedefault=True,
        desc='what is relabelled: residuals of the nuisance model (Freedman-Lane) or of the whole '
        'model (ter Braak), the data (Manly), the regressors of interest as they are '
        '(Draper-Stoneman) or without the nuisance (Dekker, Smith), or residuals reduced to their '
        'degrees of freedom (Huh-Jhun)',
    )
    variance_groups_file = File(
        exists=True,
        desc='variance groups: a whole number for each observation, as many groups as there are '
        'numbers; the statistic is then v in place of t and G in place of F',
    )
    blocks_file = File(
        exists=True,
        desc="exchangeability blocks in PALM's format: whole numbers, one row per observation, "
        'one column (exchangeable within) or one per level (.csv, or separated by blanks or tabs)',
    )


class _DrawScheduleOutputSpec(TraitedSpec):
    schedule_file = File(exists=True, desc='relabellings, row 0 the observed one (.npz)')
    metadata_file = File(exists=True, desc='how it was drawn (JSON)')


class DrawSchedule(SimpleInterface):
    """Draw the relabellings of a permutation test, or enumerate them where there are few.

    The schedule also says what is relabelled (the method), and whether the statistic is t and F,
    or v and G (variance groups).

    Examples
    --------
    >>> DrawSchedule(n_perm=1000, seed=42).inputs.errors
    'auto'
    """

    input_spec = _DrawScheduleInputSpec
    output_spec = _DrawScheduleOutputSpec

    def _run_interface(self, runtime):
        from ..designs.blocks import load_blocks, load_groups
        from ..images.files import save_json
        from ..stats.exchange import draw_schedule

        inputs, cwd = self.inputs, Path(runtime.cwd)
        design = load_design(inputs.design_file, voxelwise=True)
        contrast = load_contrast(inputs.contrast_file, design)
        blocks, groups = inputs.blocks_file, inputs.variance_groups_file
        schedule = draw_schedule(
            design.to_numpy(),
            contrast.weights,
            n_perm=inputs.n_perm,
            seed=inputs.seed,
            errors=inputs.errors,
            blocks=load_blocks(blocks) if isdefined(blocks) else None,
            method=inputs.method,
            groups=load_groups(groups) if isdefined(groups) else None,
        )
        metadata = {
            'ExchangeabilityBlocks': None if schedule.blocks is None else schedule.blocks.tolist(),
            'PermutationMethod': schedule.method,
            'VarianceGroups': None if schedule.groups is None else schedule.groups.tolist(),
            'Errors': schedule.errors,
            'ErrorsChosenBy': _chosen_by(inputs.errors, schedule.groups),
            'NumberOfRelabellings': schedule.n_relabellings,
            # Exact: JSON has integers of any size, but many readers have not.
            'NumberOfPossibleRelabellings': write_count(schedule.n_possible),
            'Exhaustive': schedule.exhaustive,
            'NumberOfPermutationsAskedFor': inputs.n_perm,
            'Seed': inputs.seed,
            'ScheduleDigest': schedule.digest,
            'Generator': 'Philox, counter-based: row b depends on the seed and b',
        }
        self._results = {
            'schedule_file': _save_schedule(schedule, cwd / 'schedule.npz'),
            'metadata_file': save_json(metadata, cwd / 'schedule.json'),
        }
        return runtime


def _chosen_by(errors, groups):
    if errors != 'auto':
        return 'user'
    return 'design' if groups is None else 'design, blocks and variance groups'


def _save_schedule(schedule, path):
    from ..images.files import save_arrays

    fields = {name: value for name, value in schedule._asdict().items() if value is not None}
    # As text, because the count of a large group fits no integer of an array; hexadecimal, because
    # Python limits the length of decimals.
    return save_arrays(path, **{**fields, 'n_possible': hex(schedule.n_possible)})


def load_schedule(path):
    """Read what DrawSchedule wrote."""
    from ..stats.exchange import Schedule

    stored = load_record(path, Schedule, optional=('signs', 'orders', 'blocks', 'groups'))
    return stored._replace(
        n_possible=int(str(stored.n_possible), base=0),
        exhaustive=bool(stored.exhaustive),
        errors=str(stored.errors),
        method=str(stored.method),
    )
