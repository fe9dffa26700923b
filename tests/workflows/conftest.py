"""A simulated group without holes, and ways to build and run the workflow on it."""

import hashlib
import itertools
import os
import shutil
from pathlib import Path

import pytest

from nistats_nipype.datasets.simulation import simulate_group
from nistats_nipype.workflows import init_second_level_wf


@pytest.fixture(scope='session')
def simulated(tmp_path_factory):
    """Eight subjects on voxels of 8 mm; not to be written to."""
    folder = tmp_path_factory.mktemp('simulated')
    return simulate_group(folder, n_subjects=8, resolution_mm=8, seed=3, hole_fraction=0.0)


@pytest.fixture
def group(simulated, tmp_path):
    """The same group, to be spoilt."""
    source, folder = Path(simulated.participants_file).parent, tmp_path / 'maps'
    shutil.copytree(source, folder)

    def moved(path):
        return str(folder / Path(path).relative_to(source))

    return simulated._replace(
        effect_files=list(map(moved, simulated.effect_files)),
        participants_file=moved(simulated.participants_file),
        mask_file=moved(simulated.mask_file),
    )


@pytest.fixture(scope='session')
def build():
    """Build the workflow on maps of a group; every other argument is the factory's."""

    def build(work, group, *, mask_file=None, table_file=None, in_files=None, **inputs):
        if mask_file is not None:
            inputs.setdefault('mask_method', 'given')
        workflow = init_second_level_wf(**{'fwhm_mm': 0, 'n_perm': 20, **inputs})
        workflow.base_dir = str(work)
        workflow.config['execution'] = {
            'crashdump_dir': str(Path(work) / 'crash'),
            'poll_sleep_duration': 0.05,
            'create_report': 'false',
        }
        inputnode = workflow.inputs.inputnode
        inputnode.in_files = group.effect_files if in_files is None else in_files
        if mask_file is not None:
            inputnode.mask_file = mask_file
        if 'formula' in inputs:
            inputnode.table_file = table_file or group.participants_file
        return workflow

    return build


@pytest.fixture(scope='session')
def drop_nodes():
    """Leave out nodes by the start of their names, at any depth."""

    def drop_nodes(workflow, *starts, but=()):
        for name in workflow.list_node_names():
            *parents, node = name.split('.')
            if node.startswith(starts) and name not in but:
                parent = workflow.get_node('.'.join(parents)) if parents else workflow
                parent.remove_nodes([parent.get_node(node)])

    return drop_nodes


@pytest.fixture(scope='session')
def outputs():
    """Give the outputs of a node after a run, by the node's name within the workflow."""

    def outputs(graph, name):
        (node,) = [node for node in graph.nodes() if node.fullname.split('.', 1)[1] == name]
        return node.result.outputs

    return outputs


@pytest.fixture(scope='session')
def digests():
    """Hash every file of a folder."""

    def digests(folder):
        return {
            os.path.relpath(path, folder): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in Path(folder).rglob('*')
            if path.is_file()
        }

    return digests


@pytest.fixture
def run_interface(tmp_path):
    """Run an interface in a folder of its own; give its outputs."""
    counter = itertools.count()

    def run_interface(interface):
        cwd = tmp_path / f'{type(interface).__name__}-{next(counter)}'
        cwd.mkdir()
        return interface.run(cwd=cwd).outputs

    return run_interface
