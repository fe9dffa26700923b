"""The code in README and guides does what the reader is told.

Blocks in Python and bash are executed as they stand, those of a document one after the other, in
a folder that has the files which they name. Blocks of other languages belong to other programs.
"""

import os
import re
import subprocess
import sys
import textwrap
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

from nistats_nipype.exceptions import InputError
from nistats_nipype.plugins.sge import SGEPlugin
from nistats_nipype.plugins.slurm import SLURMPlugin

ROOT = Path(__file__).parents[2]
DOCUMENTS = [
    'README.rst',
    *sorted(str(p.relative_to(ROOT)) for p in ROOT.glob('docs/*.rst')),
    *sorted(str(p.relative_to(ROOT)) for p in ROOT.glob('docs/howto/*.rst')),
    *sorted(str(p.relative_to(ROOT)) for p in ROOT.glob('docs/explanation/*.rst')),
]
#: Languages of what is not executed: output, settings, and the commands of other programs.
OTHERS = {'text', 'yaml', 'matlab', 'console'}
_BLOCK = re.compile(r'^( *)\.\. code-block:: (\w+)\n\n((?:\1 +\S.*\n|\n)+)', re.MULTILINE)


class Block(NamedTuple):
    """A block of code, and where it is."""

    place: str
    language: str
    code: str


def blocks_of(name):
    """Blocks of a document, in their order."""
    text = (ROOT / name).read_text()
    return [
        Block(
            f'{name}:{text.count(chr(10), 0, match.start()) + 1}',
            match[2],
            textwrap.dedent(match[3]).strip('\n'),
        )
        for match in _BLOCK.finditer(text)
    ]


WITH_CODE = [
    name
    for name in DOCUMENTS
    if {'bash', 'python'} & {block.language for block in blocks_of(name)}
]


@pytest.fixture
def bash(tmp_path, study):
    """Run a script with the command on PATH; give what it prints."""
    folder = tmp_path / 'bin'
    folder.mkdir()
    command = folder / 'nistats-nipype'
    # One process in place of MultiProc's workers: no result depends on the plugin.
    command.write_text(
        f'#!{sys.executable}\n'
        'import sys\n'
        'from nistats_nipype.cli.main import main\n'
        "plain = sys.argv[1] == 'run' and '--plugin' not in sys.argv\n"
        "sys.exit(main(sys.argv[1:] + ['--plugin', 'Linear'] * plain))\n"
    )
    command.chmod(0o755)
    path = os.pathsep.join([str(folder), str(Path(sys.executable).parent), os.environ['PATH']])
    paths = {'PATH': path, 'PYTHONPATH': os.pathsep.join([str(ROOT), *sys.path[1:]])}

    def run(block):
        done = subprocess.run(
            ['bash', '-euo', 'pipefail', '-c', block.code],
            cwd=study,
            env={**os.environ, **paths},
            check=False,
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, f'{block.place}\n{done.stdout}{done.stderr}'
        return done.stdout

    return run


def assert_shown(block, output):
    """Hold what a document shows against what was printed; ``...`` stands for anything."""
    shown, printed = (' '.join(text.split()) for text in (block.code, output))
    pattern = re.escape(shown).replace(re.escape('...'), '.*')
    assert re.search(pattern, printed), f'{block.place} is not in\n{output}'


def is_understood(plugin_args):
    """Whether a scheduler's plugin knows arguments; those of a mistake are refused."""
    for plugin in (SLURMPlugin, SGEPlugin):
        with suppress(InputError):
            plugin.check_arguments(plugin_args)
            return True
    return False


@pytest.mark.slow
@pytest.mark.parametrize('name', WITH_CODE)
def test_code_does_what_the_reader_is_told(name, bash):
    names, printed = {}, None
    for block in blocks_of(name):
        if block.language == 'bash' and 'tools/setup.sh' not in block.code:
            printed = bash(block)
        elif block.language == 'python':
            exec(compile(block.code, block.place, 'exec'), names)
        elif block.language == 'yaml':
            assert is_understood(yaml.safe_load(block.code)), block.place
        elif block.language == 'text' and printed is not None:
            assert_shown(block, printed)
        if block.language != 'bash':
            printed = None


def test_blocks_are_of_known_languages():
    blocks = [block for name in DOCUMENTS for block in blocks_of(name)]
    assert len(blocks) > 30
    for block in blocks:
        assert block.language in {'bash', 'python', *OTHERS}, block.place
        # Whatever is ours is executed, if this machine can.
        if block.language == 'console' and 'nistats-nipype' in block.code:
            assert '--plugin S' in block.code, block.place
