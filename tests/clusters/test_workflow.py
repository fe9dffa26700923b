"""The permutation workflow on real schedulers: the same bits as on this machine, in any split."""

import json
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from nistats_nipype.cli.plugin import find_plugin
from nistats_nipype.datasets.simulation import simulate_group
from nistats_nipype.interfaces.record import read_run
from nistats_nipype.workflows import init_second_level_wf

from .conftest import wait_for
from .schedulers import Slurm

pytestmark = [pytest.mark.cluster(seconds=240), pytest.mark.slow]

#: Nodes that draw and tell; they take most of the time, and no part in the maps.
TELLING = ('plot_', 'view_', 'table_', 'threshold_', 'summarize_', 'list_', 'make_report')


@pytest.fixture(scope='module')
def group(tmp_path_factory):
    folder = tmp_path_factory.mktemp('group')
    return simulate_group(folder, n_subjects=8, resolution_mm=8, seed=3, hole_fraction=0.0)


def build(folder, group, n_chunks):
    """Build the workflow up to the corrected maps."""
    workflow = init_second_level_wf(
        fwhm_mm=0, n_perm=40, n_chunks=n_chunks, tfce=True, out_dir=str(folder / 'out')
    )
    workflow.base_dir = str(folder / 'work')
    workflow.inputs.inputnode.in_files = group.effect_files
    for name in workflow.list_node_names():
        parent, _, node = name.rpartition('.')
        if node.startswith(TELLING):
            parent = workflow.get_node(parent) if parent else workflow
            parent.remove_nodes([parent.get_node(node)])
    workflow.config['execution'] = {'poll_sleep_duration': 0.1, 'create_report': 'false'}
    return workflow


def corrected_maps(folder):
    """Bytes of the corrected maps, by file name."""
    return {
        path.name: path.read_bytes() for path in Path(folder, 'out').glob('*FWE_statmap.nii.gz')
    }


@pytest.fixture(scope='module')
def reference(asked_for, group, tmp_path_factory):
    """Corrected maps of one job on this machine."""
    folder = tmp_path_factory.mktemp('reference')
    build(folder, group, n_chunks=1).run(plugin='Linear')
    maps = corrected_maps(folder)
    assert {'voxelFWE', 'tfceFWE'} <= {name.split('_')[2].removeprefix('desc-') for name in maps}
    return maps


@pytest.mark.parametrize('n_chunks', [1, 3, 16])
@pytest.mark.parametrize('name', ['Linear', 'MultiProc'])
def test_corrected_maps_on_this_machine(name, n_chunks, group, reference, tmp_path):
    plugin_args = {'n_procs': 2} if name == 'MultiProc' else {}
    build(tmp_path, group, n_chunks).run(plugin=find_plugin(name)(plugin_args=plugin_args))
    assert corrected_maps(tmp_path) == reference


@pytest.mark.parametrize('n_chunks', [1, 3, 16])
def test_corrected_maps_on_a_scheduler(plugin, n_chunks, group, reference, tmp_path):
    build(tmp_path, group, n_chunks).run(plugin=plugin())
    assert corrected_maps(tmp_path) == reference


def test_the_record_of_a_run_on_a_scheduler(plugin, group, tmp_path):
    workflow = build(tmp_path, group, n_chunks=3)
    workflow.config['execution']['create_report'] = 'true'
    workflow.run(plugin=plugin())
    nodes = {node.name: node for node in read_run(tmp_path / 'work' / 'second_level_wf').nodes}
    assert {node.status for node in nodes.values()} == {'done'}
    assert {node.host for node in nodes.values()} == {platform.node()}
    assert nodes['contrast_mean_wf.permutation_wf.permute'].n_jobs == 3
    assert all(node.seconds > 0 for node in nodes.values())
    assert all(0.05 < node.memory_gb < 2 for node in nodes.values())


def test_plugins_of_nipype_complete_the_workflow(cluster, group, reference, tmp_path, monkeypatch):
    # They submit the whole graph and return; both need LOGNAME, and fail without arguments.
    monkeypatch.setenv('LOGNAME', 'tester')
    name, plugin_args = (
        ('SLURMGraph', {'sbatch_args': ' --mem=1G'})
        if isinstance(cluster, Slurm)
        else ('SGEGraph', {'qsub_args': ' -S /bin/bash'})
    )
    build(tmp_path, group, n_chunks=3).run(plugin=name, plugin_args=plugin_args)
    wait_for(lambda: not cluster.jobs(), seconds=200)
    assert corrected_maps(tmp_path) == reference


def test_the_older_plugin_of_nipype_completes_the_workflow(group, reference, tmp_path):
    build(tmp_path, group, n_chunks=3).run(plugin='LegacyMultiProc', plugin_args={'n_procs': 2})
    assert corrected_maps(tmp_path) == reference


@pytest.mark.parametrize('session_cluster', [Slurm], indirect=True, ids=['slurm'])
def test_script_of_the_gallery_finds_slurm(cluster, tmp_path):
    script = Path(__file__).parents[2] / 'workflows' / '07_slurm_scatter_gather.py'
    sizes = ['--resolution', '4', '--n-perm', '99', '--n-chunks', '4']
    command = [sys.executable, str(script), '--out', 'out', *sizes]
    subprocess.run(command, check=True, cwd=tmp_path)
    answer = json.loads((tmp_path / 'out' / 'answer.json').read_text())
    assert (answer['plugin'], answer['jobs'], answer['differing']) == ('SLURM', 4, [])
    # To draw, to gather and to merge are jobs, too.
    assert len(list((tmp_path / 'out' / 'scattered').rglob('batch/*/*.sh'))) == 4 + 3
