"""Graphs of workflows, drawn where a docstring has a ``workflow`` directive.

The content of the directive is Python that names a workflow ``wf``. ``graph2use`` is that of
nipype's ``write_graph``.

The sections ``Inputs`` and ``Outputs`` of the factories, which numpydoc does not know, are
taken out before it and put back after it.
"""

import re

from docutils import nodes
from docutils.parsers.rst import Directive, directives
from numpydoc.docscrape import NumpyDocString

from nistats_nipype.viz.graph_svg import draw_svg
from nistats_nipype.workflows.drawing import describe_workflow

_OWN_SECTIONS = ('Inputs', 'Outputs')
_SECTION = re.compile(r'^(\w[\w ]*)\n-{3,}\n', re.MULTILINE)


def draw(workflow, graph2use):
    """Give the graph of a workflow as SVG."""
    return draw_svg(describe_workflow(workflow, graph2use))


class WorkflowGraph(Directive):
    """Draw the graph of the workflow ``wf`` that the content makes."""

    has_content = True
    option_spec = {'graph2use': directives.unchanged, 'simple_form': directives.unchanged}

    def run(self):
        """Give a figure, and the call that makes the workflow below it."""
        code = '\n'.join(self.content)
        names = {}
        exec(compile(code, f'workflow directive, line {self.lineno}', 'exec'), names)
        svg = draw(names['wf'], self.options.get('graph2use', 'colored'))
        call = nodes.literal_block(code, code, language='python')
        return [nodes.raw('', f'<div class="workflow-graph">{svg}</div>', format='html'), call]


def take_sections(app, what, name, obj, options, lines):
    """Take the own sections out of a docstring, for :func:`put_sections`."""
    head, *sections = _SECTION.split('\n'.join(lines))
    sections = list(zip(sections[::2], sections[1::2], strict=True))
    own = [section for section in sections if section[0] in _OWN_SECTIONS]
    if own:
        rest = [
            f'{title}\n{"-" * len(title)}\n{text}'
            for title, text in sections
            if title not in _OWN_SECTIONS
        ]
        lines[:] = (head + ''.join(rest)).splitlines()
        app.env.temp_data[name] = own


def put_sections(app, what, name, obj, options, lines):
    """Put them back, with the names of the fields in bold."""
    for title, text in app.env.temp_data.pop(name, ()):
        fields = [
            re.sub(r'(\w+)', r'**\1**', line) if re.match(r'\w', line) else line
            for line in text.rstrip().splitlines()
        ]
        lines += ['', f'.. rubric:: {title}', '', *fields, '']


def setup(app):
    """Wrap numpydoc, which rewrites docstrings at priority 500."""
    # It reads the docstrings for signatures, too, and warns of sections that are not listed.
    NumpyDocString.sections |= {title: [] for title in _OWN_SECTIONS}
    app.add_directive('workflow', WorkflowGraph)
    app.connect('autodoc-process-docstring', take_sections, priority=100)
    app.connect('autodoc-process-docstring', put_sections, priority=900)
    return {'parallel_read_safe': True}
