"""Tables of the inputs and outputs of nipype interfaces, made of their specs.

Where autodoc documents a class that is an interface, a table of its inputs and one of its
outputs follow the docstring: name, type, default, and the description with what the input
excludes or requires.
"""

import re

from nipype.interfaces.base import BaseInterface, isdefined

# What traits says, and what readers need of it.
_SHORTER = (
    ('a pathlike object or string representing an existing file', 'existing file'),
    ('a pathlike object or string representing an existing directory', 'existing folder'),
    ('a pathlike object or string representing a file', 'file'),
    ('a pathlike object or string representing a directory', 'folder'),
    ('a list of items which are', 'list of'),
    ('a list of at least 1 items which are', 'list, not empty, of'),
    ('a dictionary with keys which are a string and with values which are', 'dict of str to'),
    ('a boolean', 'bool'),
    ('a string', 'str'),
    ('an integer', 'int'),
    ('a float', 'float'),
)
_HEADER = """.. list-table::
   :header-rows: 1
   :widths: {widths}
   :class: traits
"""


def describe_type(spec, name):
    """Say in a few words what a trait takes."""
    text = spec.trait(name).full_info(spec, name, None)
    for long, short in _SHORTER:
        text = text.replace(long, short)
    return re.sub(r"('[^']*')", r'``\1``', text)


def describe_default(spec, name):
    """Give the default of an input, or say that it has none."""
    trait = spec.trait(name)
    if trait.mandatory:
        return '**required**'
    value = getattr(spec, name)
    # '' and [] stand for "none", as the description says.
    return f'``{value!r}``' if trait.usedefault and isdefined(value) else ''


def describe(spec, name):
    """Give the description of a trait, with what it excludes and requires."""
    trait = spec.trait(name)
    parts = [f'{escape(trait.desc)}.']
    for title, names in (('Excludes', trait.xor), ('Requires', trait.requires)):
        others = [f'``{other}``' for other in names or () if other != name]
        if others:
            parts.append(f'{title} {", ".join(others)}.')
    return ' '.join(parts)


def escape(text):
    """Escape what reStructuredText would take for markup in plain text."""
    return re.sub(r'([*`|\\]|_(?=\W|$))', r'\\\1', ' '.join(text.split()))


def table(title, spec_class, has_defaults):
    """Give the lines of the table of a spec; those that must be given come first."""
    spec = spec_class()
    names = sorted(spec.copyable_trait_names(), key=lambda name: not spec.trait(name).mandatory)
    columns = ['Name', 'Type', 'Default', 'Description']
    rows = [
        [
            f'``{name}``',
            describe_type(spec, name),
            describe_default(spec, name),
            describe(spec, name),
        ]
        for name in names
    ]
    widths = '22 20 16 42'
    if not has_defaults:
        columns, rows = columns[:1] + columns[3:], [row[:1] + row[3:] for row in rows]
        widths = '30 70'
    lines = [f'.. rubric:: {title}', '', *_HEADER.format(widths=widths).splitlines(), '']
    for row in [columns, *rows]:
        marks = ['   * - ', *['     - '] * (len(row) - 1)]
        lines += [f'{mark}{cell}'.rstrip() for mark, cell in zip(marks, row, strict=True)]
    return [*lines, '']


def add_tables(app, what, name, obj, options, lines):
    """Put the tables below the docstring of an interface."""
    if what == 'class' and issubclass(obj, BaseInterface):
        lines += ['', *table('Inputs', obj.input_spec, has_defaults=True)]
        lines += table('Outputs', obj.output_spec, has_defaults=False)


def plain_signature(app, what, name, obj, options, signature, return_annotation):
    """Say that inputs are keywords, in place of the arguments of nipype's base class."""
    if what == 'class' and issubclass(obj, BaseInterface):
        return '(**inputs)', None
    return None


def setup(app):
    """Run after numpydoc, which rewrites docstrings at priority 500."""
    app.connect('autodoc-process-docstring', add_tables, priority=900)
    app.connect('autodoc-process-signature', plain_signature)
    return {'parallel_read_safe': True}
