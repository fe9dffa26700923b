"""Drawn graphs."""

import shutil
import subprocess
import sys
import types
from pathlib import Path
from xml.etree import ElementTree

import pytest

from nistats_nipype.cli import graph
from nistats_nipype.cli.main import main

needs_dot = pytest.mark.skipif(shutil.which('dot') is None, reason='Graphviz is not installed')
LEVELS = ('orig', 'flat', 'hierarchical', 'colored', 'exec')
CONTRASTS = ('--formula', 'group + age', '--contrast', 'age=age', '--contrast', 'F=[[0,1,0]]')


def draw(out_file, *arguments):
    return main(['graph', str(out_file), *arguments])


@needs_dot
@pytest.mark.parametrize('level', LEVELS)
def test_dot_files_can_be_read_by_graphviz(tmp_path, capsys, level):
    out_file = tmp_path / 'my graph.dot'
    assert draw(out_file, '--graph2use', level, *CONTRASTS) == 0
    assert capsys.readouterr().out == f'{out_file}\n'
    done = subprocess.run(
        ['dot', '-Tplain', str(out_file)], capture_output=True, text=True, check=True
    )
    nodes = [line for line in done.stdout.splitlines() if line.startswith('node ')]
    assert len(nodes) >= 5
    if level != 'orig':  # which shows workflows as one node
        assert sum('define_contrast' in node for node in nodes) == 2


@needs_dot
@pytest.mark.parametrize(
    ('extension', 'magic'), [('.svg', b'<?xml'), ('.png', b'\x89PNG'), ('.pdf', b'%PDF')]
)
def test_formats(tmp_path, extension, magic):
    out_file = tmp_path / f'graph{extension}'
    assert draw(out_file, '--graph2use', 'orig') == 0
    assert out_file.read_bytes().startswith(magic)
    assert list(tmp_path.iterdir()) == [out_file]
    if extension == '.svg':
        assert ElementTree.parse(out_file).getroot().tag.endswith('svg')


def test_permutations_are_part_of_the_graph_if_there_are_any(tmp_path):
    texts = []
    for n_perm in ('0', '10'):
        assert draw(tmp_path / 'g.dot', '--graph2use', 'flat', '--n-perm', n_perm) == 0
        texts.append((tmp_path / 'g.dot').read_text())
    assert ['permute' in text for text in texts] == [False, True]


def test_a_command_is_drawn_without_its_files(tmp_path):
    arguments = ['--maps', 'none*.nii', '--table', 'none.tsv', '--mask', 'none.nii', *CONTRASTS]
    assert draw(tmp_path / 'g.dot', *arguments) == 0


@pytest.mark.parametrize('name', ['graph.jpg', 'graph'])
def test_other_extensions_are_refused(tmp_path, capsys, name):
    assert draw(tmp_path / name) == 2
    assert '.svg, .png, .pdf, .dot' in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there(tmp_path, capsys):
    assert draw(tmp_path / 'none' / 'graph.svg') == 2
    assert str(tmp_path / 'none') in capsys.readouterr().err


def test_a_formula_without_contrast_is_refused_as_in_run(tmp_path, capsys):
    assert draw(tmp_path / 'g.dot', '--formula', 'age') == 2
    assert '--formula needs --contrast' in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_without_graphviz_the_ways_out_are_named(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(graph.shutil, 'which', lambda _: None)
    monkeypatch.setitem(sys.modules, 'pygraphviz', None)
    assert draw(tmp_path / 'g.svg') == 2
    message = capsys.readouterr().err
    assert 'nistats_nipype[graph]' in message
    assert '.dot' in message
    assert list(tmp_path.iterdir()) == []


def test_the_wheel_draws_where_the_program_is_missing(tmp_path, monkeypatch):
    class AGraph:
        def __init__(self, dot_file):
            self.text = Path(dot_file).read_text()

        def draw(self, out_file, prog):
            Path(out_file).write_text(f'{prog}: {self.text}')

    monkeypatch.setattr(graph.shutil, 'which', lambda _: None)
    monkeypatch.setitem(sys.modules, 'pygraphviz', types.SimpleNamespace(AGraph=AGraph))
    assert draw(tmp_path / 'g.svg', '--graph2use', 'flat') == 0
    text = (tmp_path / 'g.svg').read_text()
    assert text.startswith('dot: strict digraph')
    assert 'fit_glm' in text


def test_what_graphviz_says_is_passed_on(tmp_path, capsys, monkeypatch):
    broken = tmp_path / 'dot'
    broken.write_text('#!/bin/sh\necho "no font" >&2\nexit 1\n')
    broken.chmod(0o755)
    monkeypatch.setenv('PATH', str(tmp_path))
    assert draw(tmp_path / 'g.svg') == 2
    assert 'no font' in capsys.readouterr().err
    assert not (tmp_path / 'g.svg').exists()
