"""What the report says of the run that it belongs to."""

import os
import platform
import re
from pathlib import Path

import pytest


@pytest.fixture(scope='module')
def run(build, simulated):
    def run(folder, **inputs):
        workflow = build(folder / 'work', simulated, out_dir=folder / 'results', **inputs)
        workflow.config['execution']['create_report'] = 'true'
        return workflow.run('Linear')

    return run


@pytest.fixture(scope='module')
def finished(run, tmp_path_factory):
    folder = tmp_path_factory.mktemp('finished')
    return folder, run(folder)


def test_the_report_shows_its_run(finished):
    folder, graph = finished
    text = (folder / 'results' / 'report.html').read_text()
    details = text[text.index('<details id="run">') :]
    (svg,) = re.findall(r'<svg .*?</svg>', details, re.DOTALL)
    names = {node.fullname.split('.', 1)[1]: node for node in graph.nodes()}
    classes = dict(
        reversed(found) for found in re.findall(r'<g class="([^"]*)" data-node="([^"]*)"', svg)
    )
    assert set(classes) == set(names)
    assert set(re.findall(r'data-source="([^"]*)" data-target="([^"]*)"', svg)) == {
        tuple(node.fullname.split('.', 1)[1] for node in edge) for edge in graph.edges
    }
    # At that time the report itself was being made, and the results were yet to be copied.
    assert classes['make_report'] == 'node node unfinished'
    assert classes['ds_group'] == 'node node not-run'
    assert classes['contrast_mean_wf.permutation_wf.permute'] == 'node map done'
    rows = re.findall(r'<tr>\s*<th scope="row"[^>]*>(.*?)</th>(.*?)</tr>', details, re.DOTALL)
    cells = {name: re.findall(r'data-value="([^"]*)"', rest) for name, rest in rows}
    assert set(cells) == set(names)
    for name in ('fit_glm', 'prepare_wf.compute_mask', 'contrast_mean_wf.plot_slices'):
        status, _, _, seconds, memory, host = cells[name]
        runtime = names[name].result.runtime
        assert status == 'done'
        assert host == platform.node()
        assert float(seconds) == pytest.approx(runtime.duration, abs=6e-4)
        if os.access('/proc/self/clear_refs', os.W_OK):
            assert float(memory) == pytest.approx(runtime.mem_peak_gb * 1.073741824, abs=6e-4)
            assert 0.05 < float(memory) < 10
    assert cells['contrast_mean_wf.permutation_wf.permute'][1] == '1.0'


def test_times_make_nothing_run_again(finished, run):
    folder, _ = finished
    results = folder / 'results'
    before = {path: path.stat().st_mtime_ns for path in results.rglob('*') if path.is_file()}
    report = Path(folder, 'work', 'second_level_wf', 'make_report')
    made = {path.name: path.stat().st_mtime_ns for path in report.iterdir() if path.is_file()}
    run(folder)
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert {path.name: path.stat().st_mtime_ns for path in report.iterdir() if path.is_file()} == (
        made
    )
