"""Nodes of the workflows."""

from nipype.pipeline import engine as pe

from ..interfaces.memory import MemoryEstimator
from ..interfaces.usage import measure_memory


def make_node(interface, *, name, iterfield=None, n_procs=1):
    """Make a node that asks for the memory that its interface takes, and notes what it took.

    Parameters
    ----------
    interface : nipype.interfaces.base.BaseInterface
        One of this package.
    name : str
    iterfield : list of str, optional
        Makes it a MapNode.
    n_procs : int, default 1
        Threads.

    Returns
    -------
    Node or MapNode

    Notes
    -----
    1 GB, enough for most groups, is what plugins see that do not know nipype's estimators.

    Examples
    --------
    >>> from nistats_nipype.interfaces import Threshold
    >>> make_node(Threshold(), name='threshold').ram_estimator.interface
    'Threshold'
    """
    measure_memory(interface)
    request = {'name': name, 'n_procs': n_procs, 'mem_gb': 1}
    if iterfield is None:
        node = pe.Node(interface, **request)
    else:
        node = pe.MapNode(interface, iterfield=iterfield, **request)
    node.ram_estimator = MemoryEstimator(type(interface).__name__)
    return node
