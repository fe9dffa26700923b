"""Tables of the report: for reading, for sorting, and as files."""

import os
import re
from numbers import Integral, Real
from typing import Any, NamedTuple

import pandas as pd

from .embed import embed_text

#: Column names of our tables, in words.
_HEADERS = {
    'cluster_id': 'Cluster',
    'peak': 'Peak',
    'x_mm': 'x (mm)',
    'y_mm': 'y (mm)',
    'z_mm': 'z (mm)',
    'peak_stat': 'Statistic',
    'n_voxels': 'Voxels',
    'volume_mm3': 'Volume (mm³)',
    'sign': 'Sign',
    'p_fwe': 'p (FWE)',
    'p_tfce': 'p (TFCE)',
    'file': 'Map',
    'variance_file': 'Variances',
    'n_observed': 'Observed voxels',
    'n_lost': 'Lost voxels',
    'percent_lost': 'Lost (%)',
    'n_sole_loss': 'Lost by this map alone',
    'node': 'Node',
    'status': 'Status',
    'jobs': 'Jobs',
    'started': 'Started',
    'seconds': 'Seconds',
    'memory_gb': 'Memory (GB)',
    'host': 'Host',
}

#: Rows that are shown; the file to download has all.
_MOST_ROWS = 200


class _Cell(NamedTuple):
    text: str
    value: str  # full precision, to sort by
    is_number: bool


class _Table(NamedTuple):
    headers: list
    rows: list
    points: list  # x, y, z in mm of each row; empty if the rows have no place
    part: str  # which rows are shown, if not all
    href: str
    filename: str


def slug(text):
    """Make a part of a file name.

    Examples
    --------
    >>> slug('patients > controls')
    'patients-controls'
    """
    return re.sub(r'[^A-Za-z0-9]+', '-', text).strip('-') or 'table'


def make_table(frame, name):
    """Prepare a data frame for the page: formatted cells, and the whole as a file to download."""
    if frame is None:
        return None
    columns = [str(column) for column in frame.columns]
    shown = _shorten_paths(frame.head(_MOST_ROWS))
    rows = [
        [_make_cell(column, value) for column, value in zip(columns, row, strict=True)]
        for row in shown.itertuples(index=False)
    ]
    places = ['x_mm', 'y_mm', 'z_mm']
    has_places = set(places) <= set(columns) and frame[places].notna().all(axis=None)
    text = frame.to_csv(sep='\t', index=False, na_rep='n/a')
    return _Table(
        headers=[_name_column(column) for column in columns],
        rows=rows,
        points=frame[places].to_numpy(float).tolist() if has_places else [],
        part=''
        if len(frame) <= _MOST_ROWS
        else f', the first {_MOST_ROWS} of {_format_number("n", len(frame))} rows',
        href=embed_text(text, 'text/tab-separated-values'),
        filename=f'{name}.tsv',
    )


def _shorten_paths(frame):
    """Leave the folder that all files of a column share out of what is shown.

    Examples
    --------
    >>> _shorten_paths(pd.DataFrame({'file': ['/a/b/1/x.nii', '/a/b/2/x.nii']}))['file'].tolist()
    ['1/x.nii', '2/x.nii']
    """
    short = frame.copy()
    for column in {'file', 'variance_file'} & set(map(str, frame.columns)):
        paths = frame[column].astype(str)
        if len(paths) > 1 and paths.map(os.path.isabs).all():
            top = os.path.commonpath([os.path.dirname(path) for path in paths])
            short[column] = paths.map(lambda path, top=top: os.path.relpath(path, top))
    return short


def _name_column(column):
    """Put the name of a column into words.

    Examples
    --------
    >>> _name_column('x_mm'), _name_column('p_voxelFWE'), _name_column('fd_mean')
    ('x (mm)', 'p (voxelFWE)', 'fd mean')
    """
    if column[:2] in ('p_', 'q_') and column not in _HEADERS:
        return f'{column[0]} ({column[2:]})'
    return _HEADERS.get(column, column.replace('_', ' '))


def _make_cell(column, value: Any):
    """Format a value by the name of its column."""
    if pd.isna(value):
        return _Cell('', '', isinstance(value, Real))
    if isinstance(value, bool) or not isinstance(value, Real):
        return _Cell(str(value), str(value), False)
    return _Cell(_format_number(column, value), repr(float(value)), True)


def _format_number(column, value):
    """Format a number: p values, coordinates, statistics and counts each in their way.

    Examples
    --------
    >>> _format_number('p_fwe', 0.00021), _format_number('x_mm', -42.0), _format_number('n', 1234)
    ('< 0.001', '−42', '1\u202f234')
    """
    words = column.lower().split('_')
    if isinstance(value, Integral) or words[-1] == 'mm3':
        text = f'{value:,.0f}'.replace(',', '\N{NARROW NO-BREAK SPACE}')
    elif 'p' in words or 'q' in words:
        text = '< 0.001' if value < 0.001 else f'{value:.3f}'
    elif words[-1] == 'mm':
        text = f'{value:.1f}'.removesuffix('.0')
    elif words[-1] == 'stat' or 'percent' in words:
        text = f'{value:.2f}'
    else:
        text = f'{value:.4g}'
    return text.replace('-', '−')
