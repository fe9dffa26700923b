"""Lint of every interface: traits metadata, defaults, names, docstrings, exports.

nipype accepts any keyword on a trait and ignores those that it does not know, so
that ``exist=True`` checks nothing and ``dec=...`` documents nothing. The second
half of this module shows each fault to the lint and expects it to be found.
"""

import importlib
import inspect
import itertools
import pkgutil

import numpy as np
import pytest
from nipype.interfaces.base import (
    BaseInterface,
    BaseInterfaceInputSpec,
    Directory,
    File,
    InputMultiObject,
    SimpleInterface,
    TraitedSpec,
    isdefined,
    traits,
)

ROOM = 'nistats_nipype.interfaces'

# Read by nipype 1.11 and 1.12: grep for metadata in nipype/interfaces/base/{core,specs,support}.py
# and nipype/pipeline/engine. Those for command lines (argstr, position, sep, genfile, name_source,
# name_template, keep_extension, output_name) mean nothing here and are left out.
READ_BY_NIPYPE = {
    'copyfile',
    'deprecated',
    'desc',
    'hash_files',
    'mandatory',
    'max_ver',
    'min_ver',
    'new_name',
    'nohash',
    'requires',
    'usedefault',
    'xor',
}
# Put on a trait by traits or by nipype's own trait types.
SET_BY_TRAIT_TYPES = {'array', 'copy', 'extensions', 'instance_handler', 'parent', 'type'}
KNOWN = READ_BY_NIPYPE | SET_BY_TRAIT_TYPES

SECTIONS = {
    'Attributes',
    'Examples',
    'Inputs',
    'Methods',
    'Notes',
    'Outputs',
    'Parameters',
    'Raises',
    'References',
    'Returns',
    'See Also',
    'Warnings',
    'Warns',
    'Yields',
}


def trait_types(handler):
    """Yield a trait type and those of its items, at any depth."""
    yield handler
    inner_traits = getattr(handler, 'inner_traits', None)
    items = [item.handler for item in inner_traits()] if inner_traits else []
    # A trait type answers None for an attribute that it does not have.
    items += getattr(handler, 'handlers', None) or []
    for item in items:
        yield from trait_types(item)


def metadata_faults(name, trait):
    """Faults in the keywords of one trait and of its items."""
    if not (trait.desc or '').strip():
        yield f'{name}: no desc'
    keys = set(trait.__dict__)
    for kind in trait_types(trait.handler):
        keys |= set(getattr(kind, '_metadata', None) or ())
    for key in sorted(keys - KNOWN):
        yield f'{name}: unknown metadata {key!r}'


def reference_faults(name, trait, spec):
    """Faults in the names that ``xor``, ``requires`` and ``new_name`` point to."""
    for key in ('xor', 'requires', 'new_name'):
        others = getattr(trait, key) or []
        others = [others] if isinstance(others, str) else others
        for other in others:
            if other not in spec.copyable_trait_names():
                yield f'{name}: {key} names {other!r}, which is no input'


def input_faults(spec_class):
    """Faults in an input specification."""
    spec, other = spec_class(), spec_class()
    for name, trait in spec.items():
        yield from metadata_faults(name, trait)
        yield from reference_faults(name, trait, spec)
        value = getattr(spec, name)
        if is_mutable(value) and value is getattr(other, name):
            yield f'{name}: its mutable default is shared between instances'
        if trait.mandatory and trait.usedefault:
            yield f'{name}: mandatory, yet with a default'
        files = [kind for kind in trait_types(trait.handler) if isinstance(kind, File)]
        if trait.mandatory and not all(kind.exists for kind in files):
            yield f'{name}: a mandatory file without exists=True'
        if name in {'num_threads', 'n_procs'} and not trait.nohash:
            yield f'{name}: without nohash=True, the number of threads would change the hash'


def output_faults(spec_class):
    """Faults in an output specification."""
    for name, trait in spec_class().items():
        yield from metadata_faults(name, trait)
        outer, *inner = trait_types(trait.handler)
        if isinstance(outer, File) and not name.endswith('_file'):
            yield f'{name}: the name of a file output ends in _file'
        if any(isinstance(kind, File) for kind in inner) and not name.endswith('_files'):
            yield f'{name}: the name of an output of files ends in _files'
        if isinstance(outer, Directory) and not name.endswith('_dir'):
            yield f'{name}: the name of a folder output ends in _dir'


def is_mutable(value):
    """Whether a default could be changed in place."""
    return isdefined(value) and not isinstance(
        value, str | bytes | int | float | complex | bool | tuple | frozenset | type(None)
    )


def docstring_faults(interface):
    """Faults in the docstring of an interface, which numpydoc has to read."""
    lines = inspect.cleandoc(interface.__dict__.get('__doc__') or '').splitlines()
    if not lines:
        yield 'no docstring'
        return
    if not lines[0].endswith('.'):
        yield 'the summary of the docstring is not one line that ends in a full stop'
    headings = {
        title
        for title, rule in itertools.pairwise(lines)
        if title.strip() and len(rule) > 2 and set(rule) == {'-'}
    }
    if not headings:
        yield 'the docstring has no numpydoc section'
    for heading in sorted(headings - SECTIONS):
        yield f'the docstring has a section {heading!r} that numpydoc does not know'


def interface_faults(interface):
    """All faults of one interface class, as sentences."""
    faults = list(docstring_faults(interface))
    if interface.input_spec:
        faults += input_faults(interface.input_spec)
    if interface.output_spec:
        faults += output_faults(interface.output_spec)
    return faults


def all_interfaces():
    """Yield the public interface classes defined in the room, in its own order."""
    package = importlib.import_module(ROOM)
    for info in pkgutil.walk_packages(package.__path__, f'{ROOM}.'):
        module = importlib.import_module(info.name)
        for name, member in vars(module).items():
            if (
                inspect.isclass(member)
                and issubclass(member, BaseInterface)
                and member.__module__ == module.__name__
                and not name.startswith('_')
            ):
                yield member


INTERFACES = list(all_interfaces())


def test_room_has_interfaces():
    assert INTERFACES


@pytest.mark.parametrize('interface', INTERFACES, ids=lambda interface: interface.__name__)
def test_interface_follows_the_house_rules(interface):
    assert interface_faults(interface) == []


@pytest.mark.parametrize('interface', INTERFACES, ids=lambda interface: interface.__name__)
def test_interface_is_exported(interface):
    room = importlib.import_module(ROOM)
    assert getattr(room, interface.__name__, None) is interface
    assert interface.__name__ in room.__all__


# The lint, shown a sound interface and then one fault at a time.


class _SoundInputSpec(BaseInterfaceInputSpec):
    in_files = InputMultiObject(File(exists=True), mandatory=True, desc='maps')
    weights = traits.List(traits.Float(), [1.0], usedefault=True, desc='weights')
    mask_file = File(exists=True, xor=['no_mask'], desc='mask')
    no_mask = traits.Bool(xor=['mask_file'], desc='go without a mask')
    num_threads = traits.Int(1, usedefault=True, nohash=True, desc='threads')


class _SoundOutputSpec(TraitedSpec):
    stat_file = File(desc='statistic')
    stat_files = traits.List(File(), desc='statistics')
    n_voxels = traits.Int(desc='number of voxels')
    report_dir = Directory(desc='report')


class Sound(SimpleInterface):
    """Do as an interface should.

    Notes
    -----
    Nothing to add.
    """

    input_spec = _SoundInputSpec
    output_spec = _SoundOutputSpec


def _with(base, **members):
    """Sound, with traits added to its inputs (``in``) or outputs, or with another docstring."""
    if base == 'doc':
        return type('Toy', (Sound,), {'__doc__': members['doc']})
    spec = _SoundInputSpec if base == 'in' else _SoundOutputSpec
    side = 'input_spec' if base == 'in' else 'output_spec'
    body = {'__doc__': Sound.__doc__, side: type('_ToySpec', (spec,), members)}
    return type('Toy', (Sound,), body)


def test_lint_accepts_a_sound_interface():
    assert interface_faults(Sound) == []


FAULTS = {
    'no desc': _with('in', bad=traits.Int()),
    'empty desc': _with('out', bad=traits.Int(desc=' ')),
    **{
        f'unknown metadata {key!r}': _with('in', bad=traits.Str(desc='x', **{key: 'y'}))
        for key in ('exist', 'dec', 'descr', 'help', 'default', 'usedefaults', 'argstr', 'min')
    },
    "unknown metadata 'dec' ": _with('in', bad=traits.List(File(dec='y'), desc='x')),
    "unknown metadata 'descr' ": _with(
        'in', bad=traits.Dict(traits.Str(), traits.List(File(descr='y')), desc='x')
    ),
    "unknown metadata 'exist' ": _with(
        'in', bad=traits.Either(traits.Enum('a', 'b'), File(exist=True), desc='x')
    ),
    'shared between instances': _with(
        'in', bad=traits.Any(np.zeros(2), usedefault=True, desc='x')
    ),
    'which is no input': _with('in', bad=traits.Int(xor=['mask_fil'], desc='x')),
    'which is no input ': _with('in', bad=traits.Int(requires=['nothing'], desc='x')),
    'mandatory, yet with a default': _with(
        'in', bad=traits.Int(1, usedefault=True, mandatory=True, desc='x')
    ),
    'a mandatory file without exists=True': _with('in', bad=File(mandatory=True, desc='x')),
    'a mandatory file without exists=True ': _with(
        'in', bad=traits.List(File(), mandatory=True, desc='x')
    ),
    'would change the hash': _with('in', num_threads=traits.Int(1, usedefault=True, desc='x')),
    'ends in _file': _with('out', statistic=File(desc='x')),
    'ends in _file ': _with('out', in_files=File(desc='x')),
    'ends in _files': _with('out', statistics=traits.List(File(), desc='x')),
    'ends in _dir': _with('out', folder=Directory(desc='x')),
    'no docstring': _with('doc', doc=None),
    'full stop': _with('doc', doc='Fit the model\n\nNotes\n-----\nNone.'),
    'no numpydoc section': _with('doc', doc='Fit the model.'),
    'does not know': _with('doc', doc='Fit the model.\n\nOption\n------\nNone.'),
}


@pytest.mark.parametrize('expected', FAULTS)
def test_lint_finds(expected):
    faults = interface_faults(FAULTS[expected])
    wanted = 'no desc' if expected == 'empty desc' else expected.strip()
    assert len(faults) == 1
    assert wanted in faults[0]


def test_lint_finds_an_interface_that_is_not_exported(monkeypatch):
    room = importlib.import_module(ROOM)
    monkeypatch.setattr(room, '__all__', [])
    with pytest.raises(AssertionError):
        test_interface_is_exported(INTERFACES[0])
