"""What is measured, and who takes part."""

import importlib.util
import shutil
from collections.abc import Callable
from importlib import metadata
from typing import NamedTuple

import ours
import peers
import problems
import programs

#: Relabellings of a test, and maps of the tasks on single maps, by scale.
N_PERM = {'small': 100, 'full': 1000}
N_MAPS = {'small': 3, 'full': 10}
#: A contender gets no fewer relabellings, or maps, than these.
_FEWEST = 2


class Contender(NamedTuple):
    """Who takes part in a task.

    Attributes
    ----------
    label : str
        What the table calls it.
    prepare : callable
        See :mod:`ours`.
    needs : str
        A package of Python, or a program on PATH.
    share : float
        Of the relabellings, or maps, of the task: slow contenders get less to do. 0: one.
    first_use : bool
        Not warmed up, with a cache of compiled code that only such contenders use.
    """

    label: str
    prepare: Callable
    needs: str = 'nistats_nipype'
    share: float = 1.0
    first_use: bool = False

    @property
    def is_present(self):
        """Whether it can be run here."""
        return bool(importlib.util.find_spec(self.needs) or shutil.which(self.needs))

    @property
    def title(self):
        """The label, with the version of a package."""
        if self.needs == 'nistats_nipype' or not importlib.util.find_spec(self.needs):
            return self.label
        return self.label.replace(self.needs, f'{self.needs} {metadata.version(self.needs)}', 1)


class Task(NamedTuple):
    """A comparison. The first contender is the one that the others are compared with.

    Attributes
    ----------
    title, target : str
    contenders : tuple of Contender
    unit : {'relabellings', 'maps'}
        What is counted. A task on maps is given statistics of the group and of sign flips of it.
    times : int
        How often the number of relabellings, or maps, of the scale.
    groups : dict of {str: callable}
        The problems it is run on, of :mod:`problems`.
    baseline : str or None
        Label of the contender that does without what the task is about.
    compared : bool
        Whether the contenders do the same, so that ratios have a meaning.
    """

    title: str
    target: str
    contenders: tuple
    unit: str = 'relabellings'
    times: int = 1
    groups: dict = {'simulated': problems.simulated, 'real': problems.real}
    baseline: str | None = None
    compared: bool = True

    def amount(self, contender, scale):
        """How many relabellings, or maps, a contender gets."""
        if not contender.share:
            return 1
        number = (N_PERM if self.unit == 'relabellings' else N_MAPS)[scale]
        return max(_FEWEST, round(number * self.times * contender.share))


OURS = 'nistats_nipype'
_ALONE = f'{OURS}, max-t instead'
_NOTHING = f'{OURS}, without relabelling'


def _tfce_maps(connectivity, milliseconds):
    return Task(
        f'TFCE of a map: one side, {connectivity} neighbours',
        f'at most {milliseconds} ms per map',
        (
            Contender(f'{OURS}, as in a test', ours.tfce_kernel(connectivity)),
            Contender(f'{OURS}, function tfce', ours.tfce_maps(connectivity)),
            Contender('tfce', peers.package_tfce_maps(connectivity), 'tfce'),
            Contender('nilearn', peers.nilearn_tfce_maps(connectivity), 'nilearn', 0.2),
            Contender('fslmaths', programs.fslmaths(connectivity), 'fslmaths'),
        ),
        unit='maps',
    )


TASKS = {
    'max-t': Task(
        'Max-t by sign flips, two sides, uncorrected p included (ours)',
        'at most 3 CPU s for 10,000 relabellings in the kernel',
        (
            Contender(OURS, ours.max_t),
            Contender(_NOTHING, ours.no_relabelling),
            Contender('numpy, maxima only', peers.numpy_max_t, 'numpy'),
            Contender('tfce, maxima only', peers.package_max_t, 'tfce', 0.05),
            Contender('nilearn', peers.nilearn_max_t, 'nilearn', 0.1),
            # All its maps are in memory at once.
            Contender('mne', peers.mne_max_t, 'mne', 0.01),
            Contender('randomise, one side', programs.randomise('-x'), 'randomise', 0.05),
            Contender('palm', programs.palm(), 'palm', 0.01),
        ),
        times=10,
        baseline=_NOTHING,
    ),
    'freedman-lane': Task(
        'Freedman-Lane: two groups, two covariates, uncorrected p included (ours)',
        'about 1 CPU s for 1,000 relabellings',
        (
            Contender(OURS, ours.max_t),
            Contender(_NOTHING, ours.no_relabelling),
            Contender('tfce, maxima only', peers.package_max_t, 'tfce'),
            Contender('nilearn', peers.nilearn_max_t, 'nilearn'),
            Contender('randomise, one side', programs.randomise('-x'), 'randomise'),
            Contender('palm', programs.palm(), 'palm', 0.1),
        ),
        groups={'simulated': problems.covariates},
        baseline=_NOTHING,
    ),
    'tfce-6': _tfce_maps(6, 12),
    'tfce-26': _tfce_maps(26, 22),
    'tfce-test': Task(
        'Test on TFCE: two sides, 6 neighbours',
        'at most 28 CPU s for 1,000 relabellings',
        (
            Contender(OURS, ours.tfce_test),
            Contender('tfce, maxima only', peers.package_tfce_test, 'tfce', 0.1),
            Contender('nilearn', peers.nilearn_tfce_test, 'nilearn', 0.02),
            Contender('mne, steps of 0.1', peers.mne_tfce_test, 'mne', 0.01),
            Contender(
                'mrclusterstats, one side', programs.mrclusterstats(), 'mrclusterstats', 0.05
            ),
            Contender('randomise, one side', programs.randomise('-T'), 'randomise', 0.1),
            Contender('palm', programs.palm('-T'), 'palm', 0.02),
        ),
    ),
    'clusters': Task(
        f'Test on clusters: extent and mass at z = {ours.THRESHOLD_Z}, two sides, 6 neighbours',
        'extent and mass add at most 0.2 ms per map to max-t',
        (
            Contender(OURS, ours.cluster_test),
            Contender(_ALONE, ours.max_t),
            Contender('nilearn', peers.nilearn_cluster_test, 'nilearn', 0.05),
            Contender('mne, mass', peers.mne_cluster_test, 'mne', 0.1),
            Contender(
                'mrclusterstats, extent, one side',
                programs.mrclusterstats(*programs.MRTRIX_CLUSTERS),
                'mrclusterstats',
                0.1,
            ),
            Contender('randomise, mass, one side', programs.randomise('-C'), 'randomise', 0.1),
            Contender('palm, mass', programs.palm(*programs.PALM_MASS), 'palm', 0.05),
        ),
        baseline=_ALONE,
    ),
    'start': Task(
        'Start and memory',
        'import in under 2 s, compiling in under 15 s, memory under 400 MB whatever the number '
        'of relabellings',
        (
            Contender('import of interfaces and kernels', ours.imports, share=0),
            Contender('every kind of test, compiling', ours.first_use, share=0, first_use=True),
            Contender('every kind of test, compiled', ours.first_use, share=0, first_use=True),
            Contender('max-t', ours.max_t),
            Contender('max-t, ten times as often', ours.max_t, share=10),
            Contender('TFCE', ours.tfce_test, share=0.02),
            Contender('clusters', ours.cluster_test, share=0.1),
        ),
        groups={'simulated': problems.simulated},
        compared=False,
    ),
}
