"""Rows of the comparison, on the screen and in files."""

from typing import NamedTuple

import numpy as np
from measuring import Cost

COLUMNS = ('contender', 'run', 'CPU s', 'wall s', 'peak MB', 'CPU ms each', 'ratio', 'differences')


class Row(NamedTuple):
    """A contender in a table.

    Attributes
    ----------
    title : str
    amount : int
        How many relabellings, or maps.
    cost : Cost or None
        None if it did not run.
    results : dict of {str: ndarray}
    note : str
        Why it did not run.
    """

    title: str
    amount: int = 0
    cost: Cost | None = None
    results: dict = {}
    note: str = ''

    @property
    def each(self):
        """CPU ms of one relabelling, or map: the same number as CPU s of 1,000."""
        return 1e3 * self.cost.cpu / self.amount

    def cells(self, reference):
        """What the table shows, beside a reference that may be None."""
        if self.cost is None:
            return (self.title, '', '', '', '', '', '', self.note)
        return (
            self.title,
            f'{self.amount:,}',
            f'{self.cost.cpu:.2f}',
            f'{self.cost.wall:.2f}',
            f'{self.cost.peak_mb:.0f}',
            f'{self.each:.3g}' if self.each < 1000 else f'{self.each:.0f}',
            f'{self.each / reference.each:.2f}' if reference else '',
            _differences(self.results, reference.results) if reference else '',
        )


def _differences(results, reference):
    """Largest differences of what both computed, as shares of the largest value."""
    texts = []
    for name in sorted(results.keys() & reference.keys()):
        size = min(results[name].size, reference[name].size)
        ours, theirs = reference[name][:size], results[name][:size]
        difference = np.nanmax(np.abs(theirs - ours)) / np.nanmax(np.abs(ours))
        texts.append(f'{name} {difference:.1g}')
    return ', '.join(texts)


class Comparison(NamedTuple):
    """A table: one task on one group.

    Attributes
    ----------
    title, target : str
    rows : list of Row
    reference : Row or None
        What the ratios are to.
    baseline : Row or None
        What the reference adds to.
    """

    title: str
    target: str
    rows: list
    reference: Row | None
    baseline: Row | None

    @property
    def caption(self):
        """The target, and what the reference takes above the baseline."""
        text = f'Target: {self.target}.'
        if self.reference and self.baseline:
            added = self.reference.each - self.baseline.each
            total = 1e-3 * added * self.reference.amount
            more = f'{added:.3f} CPU ms each, {total:.2f} s in all'
            text += f' {self.reference.title} takes {more}, more than "{self.baseline.title}".'
        return text

    def cells(self):
        """All rows of the table."""
        return [row.cells(None if row is self.reference else self.reference) for row in self.rows]


def as_rst(comparison):
    """Table in reStructuredText."""
    lines = [f'.. list-table:: {comparison.title}', '   :header-rows: 1', '']
    for row in (COLUMNS, *comparison.cells()):
        marks = ['*'] + [' '] * (len(row) - 1)
        lines += [f'   {mark} - {cell}'.rstrip() for mark, cell in zip(marks, row, strict=True)]
    return '\n'.join([*lines, '', comparison.caption, ''])


def as_tsv(comparison):
    """Table as tab-separated values, each row with the title of the table."""
    rows = [(comparison.title, *row) for row in comparison.cells()]
    return ''.join('\t'.join(row) + '\n' for row in rows)


def write(comparisons, path):
    """Write tables to a file: ``.tsv``, or else reStructuredText."""
    if path.suffix == '.tsv':
        path.write_text('\t'.join(('table', *COLUMNS)) + '\n' + ''.join(map(as_tsv, comparisons)))
    else:
        path.write_text('\n'.join(map(as_rst, comparisons)))
