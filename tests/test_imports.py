"""What imports what: layers between rooms, light imports, and code style."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

# Each costs 0.2 to 2 s to import. nipype itself brings numpy, nibabel and some of scipy.
HEAVY = {
    'formulaic',
    'jinja2',
    'matplotlib',
    'nilearn',
    'numba',
    'pandas',
    'scipy.ndimage',
    'scipy.stats',
    'sklearn',
}


def _loaded_by(statement):
    """Names of the modules that a fresh interpreter holds after a statement."""
    code = f'{statement}\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))'
    done = subprocess.run(
        [sys.executable, '-c', code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout.splitlines()[-1]))


def _tool(name):
    """Path of a program of the environment that runs the tests."""
    folders = str(Path(sys.executable).parent)
    found = shutil.which(name, path=folders)
    if found is None:
        pytest.skip(f'{name} is not installed: pip install -e .[test]')
    return found


def _check(*command):
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f'\n{done.stdout}{done.stderr}'
    return done.stdout


def test_layers_are_kept():
    report = _check(_tool('lint-imports'), '--config', 'setup.cfg', '--no-cache')
    assert ' 0 broken' in report


@pytest.mark.parametrize('command', ['check', 'format --check'])
def test_style(command):
    _check(_tool('ruff'), *command.split(), '.')


@pytest.mark.parametrize('room', ['interfaces', 'workflows'])
def test_graph_building_imports_nothing_heavy(room):
    # A graph is built, and every node's job started, by importing these rooms.
    by_nipype = _loaded_by('import nipype.pipeline.engine, nipype.interfaces.utility')
    by_room = _loaded_by(f'import nistats_nipype.{room}')
    assert sorted(HEAVY & (by_room - by_nipype)) == []


def test_parser_imports_only_argparse():
    # `nistats-nipype --help` and `--version` answer at once.
    loaded = _loaded_by('import nistats_nipype.cli.parser')
    heavy = HEAVY | {'nibabel', 'nipype', 'numpy', 'rich', 'scipy', 'traits'}
    assert sorted(heavy & loaded) == []
    ours = [name.split('.') for name in loaded if name.startswith('nistats_nipype.')]
    assert {room for _, room, *_ in ours} <= {'cli', 'exceptions'}


def test_package_import_is_light():
    assert sorted((HEAVY | {'nipype', 'numpy'}) & _loaded_by('import nistats_nipype')) == []
