"""The report of a group analysis: one HTML file that opens anywhere, without a network."""

import os
import re
from pathlib import Path

from ..exceptions import InputError
from ..images.files import atomic_path
from .embed import embed_image, embed_pages
from .methods import UNKNOWN
from .table import make_table, slug

__all__ = ['render_report']

_KINDS = {name: f'{name} contrast' for name in ('t', 'F', 'v', 'G', 'z')}
_KINDS['chi2'] = 'χ² contrast'


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
        If an image is missing or of a type that HTML cannot show, a viewer is missing, or a kind
        is unknown.
    OutputError
        If the file cannot be written.

    Notes
    -----
    Images, tables and viewers are embedded and nothing is loaded from elsewhere, which a content
    security policy in the file enforces. What the viewers have in common, such as the template
    below the maps, is in the file once. All text is escaped. The same input gives the same
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
    environment.filters.update(image=embed_image, paragraphs=_paragraphs, lines=_as_list)
    viewers = [section.viewer for section in contrasts if section.viewer is not None]
    content = environment.get_template('report.html.j2').render(
        title=title,
        summary=summary,
        contrasts=[_describe_contrast(section, viewers) for section in contrasts],
        viewers=embed_pages([_read_viewer(path) for path in viewers]),
        design=design,
        design_table=make_table(design.table, 'design'),
        group=group,
        heterogeneity=heterogeneity,
        losses=make_table(group.losses, 'coverage'),
        methods=methods,
        unknown=UNKNOWN,
        provenance=provenance,
        findings=findings,
        run=run,
        run_table=make_table(run and run.table, 'nodes'),
    )
    with atomic_path(os.path.abspath(out_file)) as partial:
        partial.write_text(content, encoding='utf-8')
    return os.path.abspath(out_file)


def _describe_contrast(section, viewers):
    """Give the template what it shows of a contrast."""
    if section.kind not in _KINDS:
        raise InputError(
            f'The kind of the contrast {section.name!r} is unknown.',
            found=repr(section.kind),
            expected=' or '.join(map(repr, _KINDS)),
        )
    table = make_table(section.clusters, f'clusters_{slug(section.name)}')
    viewer = None if section.viewer is None else viewers.index(section.viewer)
    return {'section': section, 'kind': _KINDS[section.kind], 'table': table, 'viewer': viewer}


def _read_viewer(path):
    path = Path(path)
    if not path.is_file():
        raise InputError(
            f'The viewer {path} cannot be put into the report.',
            found='no such file',
            expected='an .html file, as from view_img',
        )
    return path.read_text('utf-8')


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
