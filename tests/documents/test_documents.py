"""The documents render, and the commands that they show are those of the program."""

import re
from pathlib import Path

import pytest

docutils = pytest.importorskip('docutils.core')

ROOT = Path(__file__).parents[2]
DOCUMENTS = [
    'README.rst',
    'CHANGES.rst',
    'CONTRIBUTING.rst',
    'benchmarks/README.rst',
    'tests/validity/README.rst',
    'workflows/README.rst',
]


@pytest.mark.parametrize('name', DOCUMENTS)
def test_document_renders_without_a_warning(name):
    # Level 2 are warnings; they end the rendering here.
    settings = {'report_level': 2, 'halt_level': 2, 'file_insertion_enabled': False}
    text = (ROOT / name).read_text()
    assert (
        '<h1'
        in docutils.publish_string(text, writer='html5', settings_overrides=settings).decode()
    )


def test_pictures_of_the_readme_exist():
    pictures = re.findall(r'^\.\. image:: (\S+)', (ROOT / 'README.rst').read_text(), re.MULTILINE)
    assert pictures
    assert all((ROOT / picture).is_file() for picture in pictures)


def commands_of(name):
    """Every ``nistats-nipype`` command of a document, as a list of arguments."""
    import shlex

    text = (ROOT / name).read_text().replace('\\\n', ' ')
    lines = re.findall(r'^    (?:\S.*/|\$ )?nistats-nipype (.*)$', text, re.MULTILINE)
    return [shlex.split(line) for line in lines]


GUIDES = sorted(str(path.relative_to(ROOT)) for path in ROOT.glob('docs/howto/*.rst'))


def test_commands_of_the_documents_are_understood():
    from nistats_nipype.cli.parser import get_parser

    commands = [command for name in ('README.rst', *GUIDES) for command in commands_of(name)]
    assert {command[0] for command in commands} == {'demo', 'design', 'run', 'check', 'graph'}
    for command in commands:
        assert get_parser().parse_args(command).command == command[0]
