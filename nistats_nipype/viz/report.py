"""The report of a group analysis: one HTML file that opens anywhere, without a network."""

import base64
import os
import re
import struct
from numbers import Integral, Real
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from ..exceptions import InputError
from ..images.files import atomic_path

__all__ = [
    'ContrastSection',
    'DesignSection',
    'Figure',
    'GroupSection',
    'HeterogeneitySection',
    'render_report',
]

_IMAGE_TYPES = {'.png': 'image/png', '.svg': 'image/svg+xml'}

_PNG_SIGNATURE = b'\x89PNG\r\n\x1a\n'
#: Our figures are drawn at 150 dots per inch; a CSS inch has 96 pixels.
_FIGURE_DPI, _CSS_DPI = 150, 96

_KINDS = {name: f'{name} contrast' for name in ('t', 'F', 'v', 'G', 'z')}
_KINDS['chi2'] = 'χ² contrast'

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
    'memory_gb': 'memory (GB)',
}


class Figure(NamedTuple):
    """An image of the report.

    Attributes
    ----------
    path : path-like
        A ``.png`` or ``.svg`` file.
    caption : str
        Shown under the image.
    alt : str
        What the image shows, for those who cannot see it.
    """

    path: str | os.PathLike
    caption: str
    alt: str


class ContrastSection(NamedTuple):
    """What the report says about one contrast.

    Attributes
    ----------
    name : str
        Name of the contrast.
    kind : {'t', 'F', 'v', 'G', 'z', 'chi2'}
        Statistic of the test.
    definition : str
        The contrast in words or weights.
    headline : str
        The answer in one sentence.
    figures : list of Figure
        Maps of the result.
    clusters : pandas.DataFrame or None
        One row per peak, as from :func:`nistats_nipype.images.tables.cluster_table`; None if
        there is no table, empty if nothing was found.
    metadata : dict
        Facts about the test, such as the number of relabellings.
    null_figure : Figure, optional
        The null distribution.
    """

    name: str
    kind: str
    definition: str
    headline: str
    figures: list
    clusters: pd.DataFrame | None
    metadata: dict
    null_figure: Figure | None = None


class DesignSection(NamedTuple):
    """The design matrix.

    Attributes
    ----------
    figure : Figure or None
        Image of the design.
    table : pandas.DataFrame or None
        Its first rows.
    notes : list of str
        What should be known about it.
    """

    figure: Figure | None
    table: pd.DataFrame | None = None
    notes: tuple | list = ()


class GroupSection(NamedTuple):
    """The subjects.

    Attributes
    ----------
    figures : list of Figure
        Every subject; coverage.
    losses : pandas.DataFrame or None
        What each map costs the group mask, one row per map.
    notes : list of str
        What should be known about them.
    """

    figures: list
    losses: pd.DataFrame | None = None
    notes: tuple | list = ()


class HeterogeneitySection(NamedTuple):
    """How much the effects differ beyond their known variances.

    Attributes
    ----------
    figures : list of Figure
        Maps of the heterogeneity.
    metadata : dict
        Facts about it.
    """

    figures: list
    metadata: dict


class _Image(NamedTuple):
    source: str
    size: tuple  # width and height in CSS pixels; empty for SVG


class _Cell(NamedTuple):
    text: str
    value: str  # full precision, to sort by
    is_number: bool


class _Table(NamedTuple):
    headers: list
    rows: list
    href: str
    filename: str


def render_report(
    out_file,
    *,
    title,
    summary,
    contrasts,
    design,
    group,
    methods,
    provenance,
    heterogeneity=None,
    findings=None,
    run=None,
):
    """Write the report of a group analysis as one self-contained HTML file.

    Parameters
    ----------
    out_file : path-like
        The file to write; ``.html``.
    title : str
        Title of the report.
    summary : str
        What was done, in a few sentences. Blank lines separate paragraphs.
    contrasts : list of ContrastSection
        The results, in the order in which they are to be read.
    design : DesignSection
        The design matrix.
    group : GroupSection
        The subjects and what each of them covers.
    methods : str
        Text that can be pasted into a paper. Blank lines separate paragraphs.
    provenance : dict
        Name to value, or list of values: versions, seeds, source files.
    heterogeneity : HeterogeneitySection, optional
        Where the variances of the maps are known.
    findings : list of dict, optional
        What checks found, each with ``severity`` ('error', 'warning' or 'note'), ``where``,
        ``problem``, ``advice`` and ``code``; without it the report does not speak of checks.
    run : RunSection, optional
        The workflow as it ran.

    Returns
    -------
    str
        Absolute path of the report.

    Raises
    ------
    InputError
        If an image is missing or of a type that HTML cannot show, or a kind is unknown.
    OutputError
        If the file cannot be written.

    Notes
    -----
    Images and tables are embedded and nothing is loaded from elsewhere, which a content
    security policy in the file enforces. All text is escaped. The same input gives the same
    bytes: the report has no date of its own.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader('nistats_nipype.viz'),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.filters.update(image=_load_image, paragraphs=_paragraphs, lines=_as_list)
    content = environment.get_template('report.html.j2').render(
        title=title,
        summary=summary,
        contrasts=[_describe_contrast(section) for section in contrasts],
        design=design,
        design_table=_make_table(design.table, 'design'),
        group=group,
        heterogeneity=heterogeneity,
        losses=_make_table(group.losses, 'coverage'),
        methods=methods,
        provenance=provenance,
        findings=findings,
        run=run,
        run_table=_make_table(run and run.table, 'nodes'),
    )
    with atomic_path(os.path.abspath(out_file)) as partial:
        partial.write_text(content, encoding='utf-8')
    return os.path.abspath(out_file)


def _describe_contrast(section):
    """Give the template what it shows of a contrast."""
    if section.kind not in _KINDS:
        raise InputError(
            f'The kind of the contrast {section.name!r} is unknown.',
            found=repr(section.kind),
            expected=' or '.join(map(repr, _KINDS)),
        )
    table = _make_table(section.clusters, f'clusters_{_slug(section.name)}')
    return {'section': section, 'kind': _KINDS[section.kind], 'table': table}


def _load_image(figure):
    """Read an image for the page; its size keeps the room free while the browser decodes it."""
    path = Path(figure.path)
    media_type = _IMAGE_TYPES.get(path.suffix.lower())
    content = path.read_bytes() if media_type and path.is_file() else b''
    is_png = content.startswith(_PNG_SIGNATURE)
    if not content or is_png != (media_type == 'image/png'):
        raise InputError(
            f'The figure {path} cannot be put into the report.',
            found='no such file' if not path.is_file() else 'a file of another type',
            expected=f'a {" or ".join(_IMAGE_TYPES)} file',
        )
    # The signature of a PNG file is followed by the length and the name of the IHDR
    # chunk, and then by width and height as big-endian 32-bit integers.
    pixels = struct.unpack('>2I', content[16:24]) if is_png else ()
    size = tuple(round(n * _CSS_DPI / _FIGURE_DPI) for n in pixels)
    return _Image(f'data:{media_type};base64,{_base64(content)}', size)


def _base64(content):
    return base64.b64encode(content).decode('ascii')


def _paragraphs(text):
    r"""Split a text at blank lines.

    Examples
    --------
    >>> _paragraphs('One\nparagraph.\n\n\nAnother.\n')
    ['One\nparagraph.', 'Another.']
    """
    return [part.strip() for part in re.split(r'\n\s*\n', text) if part.strip()]


def _as_list(value):
    """Give the lines of a value: several for a list or a dict.

    Examples
    --------
    >>> _as_list({'numpy': '2.4'}), _as_list('seed 0')
    (['numpy: 2.4'], ['seed 0'])
    """
    if isinstance(value, dict):
        return [f'{name}: {each}' for name, each in value.items()]
    return [str(each) for each in value] if isinstance(value, list | tuple) else [str(value)]


def _slug(text):
    """Make a part of a file name.

    Examples
    --------
    >>> _slug('patients > controls')
    'patients-controls'
    """
    return re.sub(r'[^A-Za-z0-9]+', '-', text).strip('-') or 'table'


def _make_table(frame, name):
    """Prepare a data frame: formatted cells, and the whole as a file to download."""
    if frame is None:
        return None
    columns = [str(column) for column in frame.columns]
    rows = [
        [_make_cell(column, value) for column, value in zip(columns, row, strict=True)]
        for row in frame.itertuples(index=False)
    ]
    text = frame.to_csv(sep='\t', index=False, na_rep='n/a')
    return _Table(
        headers=[_name_column(column) for column in columns],
        rows=rows,
        href=f'data:text/tab-separated-values;base64,{_base64(text.encode())}',
        filename=f'{name}.tsv',
    )


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
