"""What checks of a design find, each with what to do about it."""

from typing import Any, NamedTuple

import pandas as pd

from ..exceptions import DesignError

#: From what makes an analysis wrong, over what puts it in doubt, to what should be known.
SEVERITIES = ('error', 'warning', 'note')


class Finding(NamedTuple):
    """One thing that a check found.

    Attributes
    ----------
    severity : {'error', 'warning', 'note'}
    code : str
        Short and stable, to look it up and to filter by.
    where : str
        The column, contrast, map or file that it is about.
    problem : str
        What was found.
    advice : str
        What to do about it.
    error : Exception, optional
        The error that it stands for, if something raised one. It is not written to files.
    """

    severity: str
    code: str
    where: str
    problem: str
    advice: str
    error: Any = None


def from_error(code, where, error):
    """Make a finding of an error of this package.

    Examples
    --------
    >>> error = DesignError('The table is empty.', found='no rows', advice='Add some.')
    >>> from_error('table', 'age', error)[:5]
    ('error', 'table', 'age', 'The table is empty. Found: no rows.', 'Add some.')
    """
    problem = error.problem
    if error.found:
        problem += f' Found: {error.found}'.rstrip('.') + '.'
    advice = error.advice or (f'Expected: {error.expected}.' if error.expected else '')
    return Finding('error', code, where, problem, advice, error)


def sort_findings(findings):
    """Put errors first, then warnings, then notes; each once.

    Examples
    --------
    >>> note, error = (Finding(kind, 'x', 'age', 'p', 'a') for kind in ('note', 'error'))
    >>> [finding.severity for finding in sort_findings([note, error, note])]
    ['error', 'note']
    """
    once = {finding[:5]: finding for finding in reversed(findings)}
    kept = [finding for finding in findings if once.pop(finding[:5], None) is not None]
    return sorted(kept, key=lambda finding: SEVERITIES.index(finding.severity))


def count_findings(findings):
    """Say how many of each kind there are.

    Examples
    --------
    >>> count_findings([Finding('note', 'x', 'age', 'p', 'a')] * 2)
    'no errors, no warnings, 2 notes'
    """
    counts = {kind: sum(each.severity == kind for each in findings) for kind in SEVERITIES}
    return ', '.join(
        f'{number or "no"} {kind}{"s" * (number != 1)}' for kind, number in counts.items()
    )


def to_table(findings):
    """Make a table of findings, one row each.

    Returns
    -------
    pandas.DataFrame
        Columns ``severity``, ``code``, ``where``, ``problem`` and ``advice``.
    """
    return pd.DataFrame([each[:5] for each in findings], columns=list(Finding._fields[:5]))


def from_table(table):
    """Read findings from what :func:`to_table` gives."""
    rows = table.fillna('').astype(str).itertuples(index=False)
    return [Finding(*row) for row in rows]


def require_sound(findings):
    """Raise the errors among findings, all of them at once.

    Parameters
    ----------
    findings : list of Finding

    Raises
    ------
    NistatsNipypeError
        The error itself if there is only one.
    DesignError
        A list of them if there are more.

    Examples
    --------
    >>> require_sound([Finding('warning', 'outlier', 'age', 'One is 340.', 'Correct it.')])
    """
    faults = [finding for finding in findings if finding.severity == 'error']
    if not faults:
        return
    if len(faults) > 1:
        listed = [f'{each.where}: {each.problem} {each.advice}'.strip() for each in faults]
        raise DesignError(
            f'The checks of the design found {len(faults)} errors.',
            found=''.join(f'\n  - {line}' for line in listed),
            advice='Correct these; `nistats-nipype check` lists all that the checks find.',
        )
    (only,) = faults
    if only.error is not None:
        raise only.error
    raise DesignError(f'{only.where}: {only.problem}', advice=only.advice)
