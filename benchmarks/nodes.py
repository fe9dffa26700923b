"""Run a workflow node by node, each in a process of its own, and measure every one."""

import json
import pickle
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import networkx as nx
from measuring import Cost, Program, measure
from nipype.interfaces.utility import IdentityInterface, Merge
from nipype.pipeline.plugins.linear import LinearPlugin


class Measured(NamedTuple):
    """A node that has run.

    Attributes
    ----------
    name : str
        Within the workflow.
    cost : Cost
        Of its process, which begins with importing nipype.
    asked_mb : float
        Memory that the node asked for.
    """

    name: str
    cost: Cost
    asked_mb: float


class MeasuringPlugin(LinearPlugin):
    """One node after the other; ``measured`` lists what each took."""

    def run(self, graph, config, updatehash=False):
        """Run the nodes of a graph."""
        self.measured = []
        for node in nx.topological_sort(graph):
            if not isinstance(node.interface, IdentityInterface | Merge):
                self.measured.append(_run_alone(node, updatehash))
            # What has run already is only read.
            node.run(updatehash=updatehash)


def _run_alone(node, updatehash):
    asked = 1024 * node.mem_gb_runtime
    with tempfile.TemporaryDirectory() as folder:
        task_file = Path(folder) / 'node.pkl'
        task_file.write_bytes(pickle.dumps((node, updatehash)))
        command = [sys.executable, '-m', 'nistats_nipype.plugins.job', str(task_file)]

        def outcome():
            return json.loads(task_file.with_suffix('.json').read_text())

        try:
            _, cost = measure(Program(command, outcome))
        except subprocess.CalledProcessError:
            raise RuntimeError('\n'.join(outcome()['traceback'])) from None
    return Measured(node.fullname.partition('.')[2], cost, asked)
