"""What is distributed: contents of sdist and wheel, metadata, an installed copy that starts."""

import ast
import configparser
import email
import os
import re
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[1]
MODULE_OF = {'pillow': 'PIL', 'pyyaml': 'yaml'}
BOUND_ONLY = {'traits'}  # reached through nipype, which allows releases that are too old for us
OPTIONAL = {'dask', 'distributed', 'pygraphviz'}  # imported where used, with an error that helps
NEVER_SHIPPED = re.compile(r'(^|/)(\.git|\.venv|__pycache__|\.coverage|\.DS_Store)(/|$)')


def _setup_cfg():
    config = configparser.ConfigParser(interpolation=None)
    config.read(ROOT / 'setup.cfg', encoding='utf-8')
    return config


VERSION = _setup_cfg()['metadata']['version']


def _requirements(text):
    """Requirement of each distribution named in a list, by name."""
    lines = (line.split('#')[0].strip() for line in text.splitlines())
    parsed = (Requirement(line) for line in lines if line)
    return {requirement.name.lower(): requirement for requirement in parsed}


@pytest.fixture(scope='module')
def distributions(tmp_path_factory):
    """Paths of the sdist and of the wheel made from it."""
    try:
        version('build')
    except PackageNotFoundError:
        pytest.skip('build is not installed: pip install -e .[test]')
    # Built from a copy, so that neither the run nor a stale build/ folder is seen by the other.
    source = tmp_path_factory.mktemp('source') / 'nistats_nipype'
    left_out = ('.git', '.venv*', '*.egg-info', 'build', 'dist', 'demo*', '_build', '__pycache__')
    shutil.copytree(ROOT, source, ignore=shutil.ignore_patterns(*left_out, '.*cache', '.cov*'))
    out = tmp_path_factory.mktemp('dist')
    command = [sys.executable, '-m', 'build', '--no-isolation', '--outdir', str(out), str(source)]
    done = subprocess.run(command, cwd=out, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    (sdist,) = out.glob('*.tar.gz')
    (wheel,) = out.glob('*.whl')
    return sdist, wheel


def _names_in_sdist(sdist):
    with tarfile.open(sdist) as archive:
        return {name.partition('/')[2] for name in archive.getnames()} - {''}


def _names_in_wheel(wheel):
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_sdist_has_what_a_developer_needs(distributions):
    names = _names_in_sdist(distributions[0])
    expected = {
        'CHANGES.rst',
        'CITATION.cff',
        'CONTRIBUTING.rst',
        'LICENSE',
        'README.rst',
        'docs/conf.py',
        'docs/index.rst',
        'pyproject.toml',
        'setup.cfg',
        'setup.py',
        'tests/conftest.py',
        'tests/constraints-minimum.txt',
        'tests/test_packaging.py',
        'tools/setup.sh',
    }
    assert expected - names == set()
    gallery = {path.relative_to(ROOT).as_posix() for path in ROOT.glob('workflows/*.py')}
    assert gallery - names == set()


def test_wheel_has_the_package_and_nothing_else(distributions):
    names = _names_in_wheel(distributions[1])
    info = f'nistats_nipype-{VERSION}.dist-info'
    assert {name.split('/')[0] for name in names} == {'nistats_nipype', info}
    modules = {path.relative_to(ROOT).as_posix() for path in ROOT.glob('nistats_nipype/**/*.py')}
    assert {name for name in names if name.endswith('.py')} == modules
    assert f'{info}/licenses/LICENSE' in names


def test_wheel_has_the_report_templates(distributions):
    folder = ROOT / 'nistats_nipype' / 'viz' / 'templates'
    templates = {p.relative_to(ROOT).as_posix() for p in folder.glob('*') if p.is_file()}
    assert templates
    assert templates - _names_in_wheel(distributions[1]) == set()


def test_nothing_private_is_shipped(distributions):
    sdist, wheel = distributions
    names = _names_in_sdist(sdist) | _names_in_wheel(wheel)
    assert {name for name in names if NEVER_SHIPPED.search(name)} == set()


def test_wheel_metadata(distributions):
    with zipfile.ZipFile(distributions[1]) as archive:
        text = archive.read(f'nistats_nipype-{VERSION}.dist-info/METADATA').decode()
        entry_points = archive.read(
            f'nistats_nipype-{VERSION}.dist-info/entry_points.txt'
        ).decode()
    metadata = email.message_from_string(text)
    assert metadata['Name'] == 'nistats_nipype'
    assert metadata['Version'] == VERSION
    assert metadata['License-Expression'] == 'BSD-3-Clause'
    assert metadata['Requires-Python'] == '>=3.11'
    assert {'doc', 'graph', 'test'} <= set(metadata.get_all('Provides-Extra'))
    assert metadata.get_payload().strip() == (ROOT / 'README.rst').read_text('utf-8').strip()
    assert 'nistats-nipype = nistats_nipype.cli.main:main' in entry_points


def test_installed_wheel_starts(distributions, tmp_path):
    # Nothing else is in the environment: version and help need no dependency.
    venv.create(tmp_path / 'env', with_pip=False)
    python = tmp_path / 'env' / 'bin' / 'python'
    pip = [sys.executable, '-m', 'pip', '--python', str(python), 'install', '--quiet']
    offline = ['--no-deps', '--no-index', '--disable-pip-version-check']
    subprocess.run([*pip, *offline, str(distributions[1])], check=True)
    environment = {k: v for k, v in os.environ.items() if not k.startswith(('PYTHON', 'COV'))}

    def run(*command):
        return subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )

    shown = run(tmp_path / 'env' / 'bin' / 'nistats-nipype', '--version')
    assert shown.returncode == 0, shown.stderr
    assert VERSION in shown.stdout
    place = run(python, '-c', 'import nistats_nipype; print(nistats_nipype.__file__)')
    assert place.stdout.startswith(str(tmp_path))


def test_citation_is_valid_and_current():
    citation = yaml.safe_load((ROOT / 'CITATION.cff').read_text('utf-8'))
    assert {'cff-version', 'message', 'title', 'authors'} <= set(citation)
    assert citation['cff-version'] == '1.2.0'
    assert citation['version'] == VERSION
    assert citation['license'] == _setup_cfg()['metadata']['license_expression']
    assert all('name' in author or 'family-names' in author for author in citation['authors'])


def test_changes_mention_the_version():
    headings = re.findall(
        r'^(\d\S*).*\n[-=~]+$', (ROOT / 'CHANGES.rst').read_text('utf-8'), flags=re.MULTILINE
    )
    assert headings[0] == Version(VERSION).base_version


def test_every_dependency_has_its_minimum_pinned():
    declared = _requirements(_setup_cfg()['options']['install_requires'])
    pinned = _requirements((ROOT / 'tests' / 'constraints-minimum.txt').read_text('utf-8'))
    assert set(declared) <= set(pinned)
    for name, requirement in declared.items():
        (lowest,) = (spec for spec in requirement.specifier if spec.operator == '>=')
        (pin,) = pinned[name].specifier
        assert pin.operator == '=='
        assert Version(pin.version) == Version(lowest.version), name


def test_what_is_imported_is_declared_and_the_reverse():
    imported = set()
    for path in ROOT.glob('nistats_nipype/**/*.py'):
        for node in ast.walk(ast.parse(path.read_text('utf-8'))):
            if isinstance(node, ast.Import):
                imported |= {alias.name.split('.')[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                imported.add(node.module.split('.')[0])
    imported -= {*sys.stdlib_module_names, 'nistats_nipype'}
    declared = set(_requirements(_setup_cfg()['options']['install_requires']))
    modules = {MODULE_OF.get(name, name) for name in declared}
    assert imported - modules - OPTIONAL == set()
    assert modules - imported - BOUND_ONLY == set()


def test_supported_pythons_agree():
    config = _setup_cfg()
    listed = re.findall(r':: (3\.\d+)$', config['metadata']['classifiers'], flags=re.MULTILINE)
    assert config['options']['python_requires'] == f'>= {listed[0]}'
    ruff = (ROOT / 'pyproject.toml').read_text('utf-8')
    assert f'target-version = "py{listed[0].replace(".", "")}"' in ruff
