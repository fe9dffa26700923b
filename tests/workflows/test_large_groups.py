"""The memory that every step takes, beside what it asks for."""

import importlib
from pathlib import Path

import pytest

from nistats_nipype.datasets.simulation import simulate_group

#: MB that no process may take.
BOUND = 2000


@pytest.fixture
def benchmark(monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parents[2] / 'benchmarks')
    return importlib.import_module('large')


def assert_enough_was_asked_for(measured):
    peaks = {name: (cost.peak_mb, asked_mb) for name, cost, asked_mb in measured}
    assert {name: each for name, each in peaks.items() if each[0] > BOUND} == {}
    assert {name: each for name, each in peaks.items() if each[0] > each[1]} == {}
    # Nor so much that jobs wait for memory that they leave alone.
    excessive = {name: (peak, asked) for name, (peak, asked) in peaks.items() if asked > 4 * peak}
    assert {name: each for name, each in excessive.items() if each[1] > 512} == {}


@pytest.mark.slow
@pytest.mark.parametrize(
    ('n_subjects', 'resolution_mm'), [(60, 6), pytest.param(2000, 3, marks=pytest.mark.large)]
)
def test_every_step_keeps_within_its_memory(benchmark, tmp_path, n_subjects, resolution_mm):
    group = simulate_group(
        tmp_path / 'group',
        n_subjects=n_subjects,
        resolution_mm=resolution_mm,
        hole_fraction=0.0,
    )
    measured = benchmark.run_workflow(group, n_perm=100, folder=tmp_path / 'work')
    assert {'fit_glm', 'prepare_wf.smooth'} < {name for name, *_ in measured}
    assert_enough_was_asked_for(measured)


@pytest.mark.slow
@pytest.mark.parametrize(
    ('n_subjects', 'n_voxels'),
    [(3000, 5000), pytest.param(10_000, 235_375, marks=pytest.mark.large)],
)
def test_packed_maps_are_not_loaded(benchmark, n_subjects, n_voxels):
    measured = benchmark.run_packed(n_subjects, n_voxels, n_perm=20)
    assert [name.rpartition('.')[2] for name, *_ in measured if 'permute' in name] == ['permute']
    assert_enough_was_asked_for(measured)
