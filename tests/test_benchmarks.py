"""The benchmark runs, at a small scale."""

import csv
import importlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

FOLDER = Path(__file__).parent.parent / 'benchmarks'


@pytest.mark.slow
def test_tables(tmp_path):
    out = tmp_path / 'out.tsv'
    command = [sys.executable, FOLDER / 'run.py', '--scale', 'small', '--out', out]
    command += ['--tasks', 'max-t', '--contenders', 'nistats_nipype', 'numpy', 'palm']
    # There is no PALM where there is no PATH.
    environment = os.environ | {'PATH': '', 'NISTATS_NIPYPE_DATA': ''}
    done = subprocess.run(
        command, check=False, env=environment, capture_output=True, text=True, timeout=200
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert 'max-t, real: skipped, NISTATS_NIPYPE_DATA is not set' in done.stdout
    with out.open() as file:
        rows = list(csv.DictReader(file, delimiter='\t'))
    ours, nothing, product, palm = rows
    assert ours['run'] == nothing['run'] == '1,000'
    assert 50 < float(ours['peak MB']) < 1000
    assert float(ours['CPU s']) > 0
    assert nothing['differences'] == 't 0'
    # Single precision, on the same relabellings.
    name, difference = product['differences'].split()
    assert name == 'null'
    assert 0 < float(difference) < 1e-5
    assert palm['differences'] == 'skipped: palm is not installed'


@pytest.fixture
def load(monkeypatch):
    """Import a module of the benchmark."""
    monkeypatch.syspath_prepend(FOLDER)
    return importlib.import_module


def test_numbers_of_a_table(load, tmp_path):
    docutils = pytest.importorskip('docutils.core')
    tables = load('tables')
    ours = tables.Row('ours', 10, tables.Cost(1.0, 2.0, 3.0), {'t': np.array([1.0, -2.0])})
    peer = tables.Row('peer', 5, tables.Cost(2.0, 2.0, 3.0), {'t': np.array([np.nan, -1.9])})
    absent = tables.Row('absent', note='skipped')
    comparison = tables.Comparison('a title', 'a target', [ours, peer, absent], ours, peer)
    assert peer.cells(ours)[1:] == ('5', '2.00', '2.00', '3', '400', '4.00', 't 0.05')
    assert (
        'ours takes -300.000 CPU ms each, -3.00 s in all, more than "peer"' in comparison.caption
    )
    tables.write([comparison], tmp_path / 'out.rst')
    text = (tmp_path / 'out.rst').read_text()
    settings = {'report_level': 2, 'halt_level': 2}
    page = docutils.publish_string(text, writer='html5', settings_overrides=settings).decode()
    assert page.count('<tr') == 4


def test_mixed_effects():
    version = pytest.importorskip('pymare').__version__
    command = [sys.executable, FOLDER / 'mixed.py', '--share', '0.001']
    environment = os.environ | {'COLUMNS': '140'}
    done = subprocess.run(
        command, check=False, env=environment, capture_output=True, text=True, timeout=200
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count(f'PyMARE {version}, a call each') == 2
    assert done.stdout.count('0.00%, 0.00%') == 4


def test_our_contenders_compute_the_same(load):
    tasks = load('tasks')
    groups = {}
    for name, task in tasks.TASKS.items():
        make = task.groups['simulated']
        problem = groups.setdefault(make, make('small').first(300))
        if task.unit == 'maps':
            problem = tasks.problems.statistic_maps(problem, 2)
        first, *others = [
            contender.prepare(problem, 2)()
            for contender in task.contenders
            if contender.needs == 'nistats_nipype' and contender.prepare is not tasks.ours.imports
        ]
        assert bool(first) == task.compared, name
        for other in others:
            for quantity in first.keys() & other.keys():
                np.testing.assert_array_equal(
                    other[quantity], first[quantity], f'{name} {quantity}'
                )


@pytest.mark.slow
def test_overhead_of_the_engine(load):
    command = [sys.executable, FOLDER / 'overhead.py', '--plugins', 'Linear']
    environment = os.environ | {'COLUMNS': '140'}
    done = subprocess.run(
        command, check=False, env=environment, capture_output=True, text=True, timeout=200
    )
    assert done.returncode == 0, done.stdout + done.stderr
    rows = [line.strip('│').split('│') for line in done.stdout.splitlines() if 'Linear' in line]
    rows = [list(map(float, cells[1:])) for cells in rows]
    assert [cells[0] for cells in rows] == [1, 16]
    # A job more for each chunk.
    assert rows[1][1] - rows[0][1] == 15
    for _, _, wall, inside, rest, _ in rows:
        # One after the other; the table has one decimal.
        assert wall == pytest.approx(inside + rest, abs=0.15)
        assert rest > 0
    assert load('overhead').union([(0.0, 2.0), (1.0, 3.0), (1.5, 1.6), (5.0, 6.0)]) == 4.0


def test_growth_of_the_cost(load, monkeypatch):
    large = load('large')
    monkeypatch.setattr(large, 'SIZES', {'subjects': (20, 40), 'voxels': (500, 1000)})
    monkeypatch.setattr(large, 'STAYING', {'subjects': 20, 'voxels': 500, 'relabellings': 30})
    subjects, voxels = large.scale()
    assert list(subjects.columns[0].cells) == ['20', '40', 'a + b x']
    assert list(voxels.columns[0].cells) == ['500', '1,000', 'a + b x']
    offset, slope = 0.25, 0.003
    line = large._line([1, 2, 3], [offset + slope * x for x in (1, 2, 3)])
    assert line == '0.25 + 3.000e-3 x (R² 1.0000)'
