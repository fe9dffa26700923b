"""Error rates, checked when a workflow is built: the nodes that use them come after hours."""

import warnings
from math import ceil

from ..exceptions import InputError, NistatsNipypeWarning


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
