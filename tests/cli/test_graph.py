"""Drawn graphs."""

import shutil
import subprocess
import sys
import types
from pathlib import Path
from xml.etree import ElementTree

import pytest
from nipype.interfaces import utility as niu
from nipype.pipeline import engine as pe

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
    assert '.svg, .mmd, .md, .png, .pdf, .dot' in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there(tmp_path, capsys):
    assert draw(tmp_path / 'none' / 'graph.svg') == 2
    assert str(tmp_path / 'none') in capsys.readouterr().err


def test_a_formula_without_contrast_is_refused_as_in_run(tmp_path, capsys):
    assert draw(tmp_path / 'g.dot', '--formula', 'age') == 2
    assert '--formula needs --contrast' in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def without_graphviz(monkeypatch, tmp_path):
    empty = tmp_path / 'bin'
    empty.mkdir()
    monkeypatch.setenv('PATH', str(empty))
    monkeypatch.setitem(sys.modules, 'pygraphviz', None)


@pytest.mark.parametrize('level', LEVELS)
def test_without_graphviz_there_is_a_picture(tmp_path, without_graphviz, level):
    out_file = tmp_path / 'graph.svg'
    assert draw(out_file, '--graph2use', level, *CONTRASTS) == 0
    root = ElementTree.parse(out_file).getroot()
    keys = {each.get('data-node') for each in root.iter()} - {None}
    inner = 'contrast_age_wf.compute_contrast'
    assert ({'make_report', 'contrast_age_wf'} if level == 'orig' else {inner}) <= keys
    again = tmp_path / 'again.svg'
    assert draw(again, '--graph2use', level, *CONTRASTS) == 0
    assert again.read_bytes() == out_file.read_bytes()


@pytest.mark.parametrize('extension', ['.png', '.pdf'])
def test_without_graphviz_the_ways_out_are_named(tmp_path, capsys, without_graphviz, extension):
    assert draw(tmp_path / f'g{extension}') == 2
    message = capsys.readouterr().err
    assert 'Write a .svg file' in message
    assert 'nistats_nipype[graph]' in message
    assert [path.name for path in tmp_path.iterdir()] == ['bin']


def test_mermaid(tmp_path):
    assert draw(tmp_path / 'g.mmd', *CONTRASTS) == 0
    text = (tmp_path / 'g.mmd').read_text()
    assert '["contrast_age_wf"]' in text
    assert '["fit_glm<br>FitGLM"]' in text
    assert draw(tmp_path / 'g.md', *CONTRASTS) == 0
    assert (tmp_path / 'g.md').read_text() == f'```mermaid\n{text}```\n'


@pytest.fixture
def work_dir(tmp_path):
    """The work folder of two nodes of which the second has failed."""
    workflow = pe.Workflow('small_wf', base_dir=str(tmp_path / 'work'))
    first = pe.Node(niu.Function(function=keep, output_names=['out']), name='first')
    first.inputs.trait_set(value=1, fails=False)
    second = pe.Node(niu.Function(function=keep, output_names=['out']), name='second')
    second.inputs.fails = True
    workflow.connect(first, 'out', second, 'value')
    workflow.config['execution'] = {'crashdump_dir': str(tmp_path / 'crash')}
    with pytest.raises(RuntimeError):
        workflow.run('Linear')
    return tmp_path / 'work'


def keep(value, fails):
    if fails:
        raise RuntimeError('as was asked for')
    return value


def test_what_became_of_a_run(tmp_path, capsys, work_dir):
    for folder in (work_dir, work_dir / 'small_wf'):
        assert draw(tmp_path / 'run.svg', '--of-run', str(folder)) == 0
        assert capsys.readouterr().out == f'{tmp_path / "run.svg"}\n'
        root = ElementTree.parse(tmp_path / 'run.svg').getroot()
        classes = {each.get('data-node'): each.get('class') for each in root.iter()}
        assert classes['first'] == 'node node done'
        assert classes['second'] == 'node node failed'
    assert draw(tmp_path / 'run.mmd', '--of-run', str(work_dir)) == 0
    assert ':::failed' in (tmp_path / 'run.mmd').read_text()


def test_runs_that_cannot_be_drawn(tmp_path, capsys, work_dir):
    assert draw(tmp_path / 'run.png', '--of-run', str(work_dir)) == 2
    assert '.svg, .mmd, .md\n' in capsys.readouterr().err
    assert draw(tmp_path / 'run.svg', '--of-run', str(tmp_path / 'none')) == 2
    assert f'no record of a run in {tmp_path / "none"}' in capsys.readouterr().err
    shutil.copytree(work_dir / 'small_wf', work_dir / 'other_wf')
    assert draw(tmp_path / 'run.svg', '--of-run', str(work_dir)) == 2
    assert 'other_wf, small_wf' in capsys.readouterr().err
    assert not (tmp_path / 'run.svg').exists()


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
