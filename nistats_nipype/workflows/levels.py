"""Arguments, checked when a workflow is built: the nodes that use them come after hours."""

import warnings
from math import ceil

from ..designs.contrasts import contrast_label
from ..exceptions import ContrastError, InputError, NistatsNipypeWarning


def check_levels(**levels):
    """Refuse levels that are not between 0 and 1."""
    for name, alpha in levels.items():
        if not 0 < alpha < 1:
            raise InputError(
                'The error rate is not between 0 and 1.',
                found=f'{name}={alpha:g}',
                expected='for instance 0.05, or 0.001',
                advice='Give a p value; thresholds on the statistic go by other names.',
            )


def check_reach(n_perm, alpha):
    """Warn of a corrected level that so many relabellings cannot reach by counting."""
    smallest = 1 / (n_perm + 1)
    if alpha < smallest:
        # Rounded, because 1 / 0.00001 is a little more than 100000.
        needed = ceil(round(1 / alpha, 6)) - 1
        warnings.warn(
            f'No corrected p of {alpha:g} is possible with n_perm={n_perm}: the smallest is '
            f'{smallest:.3g}. Take n_perm={needed} or more, a larger alpha_fwe, or a tail.',
            NistatsNipypeWarning,
            stacklevel=3,
        )


def check_labels(contrasts):
    """Refuse contrasts that would write to the same files."""
    if not contrasts:
        raise ContrastError('No contrast was given.', expected='at least one')
    names = {}
    for name in contrasts:
        label = contrast_label(name)
        # Many file systems do not tell A from a.
        other = names.setdefault(label.casefold(), name)
        if other != name:
            raise ContrastError(
                'Two contrasts would share their file names.',
                found=f'{other!r} and {name!r} become {contrast_label(other)!r} and {label!r}',
                expected='names that differ in letters or digits, not in their case alone',
            )
