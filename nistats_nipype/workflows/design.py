"""The step of a second-level analysis that makes the design."""

from ..exceptions import InputError
from ..interfaces import BuildDesign, ReadDesign
from .nodes import make_node

#: Inputs of the step, by where the design is from.
_INPUTS = {
    'formula': ('table_file',),
    'file': ('design_file',),
    'bids-model': ('bids_model_file', 'table_file'),
}


def make_design_node(formula=None, design_from='formula'):
    """Make the node ``build_design``.

    Parameters
    ----------
    formula : str, optional
        For ``design_from='formula'``; without it the design is the intercept only.
    design_from : {'formula', 'file', 'bids-model'}, default 'formula'
        Whether the design is made of a table by a formula, or read from a file, or made of a
        table by a BIDS Stats Model.

    Returns
    -------
    node : nipype.pipeline.engine.Node
        It has the output ``design_file``.
    fields : list of str
        Its inputs beside ``in_files``.

    Raises
    ------
    InputError
        If ``design_from`` is unknown, or a formula comes with another source.

    Examples
    --------
    >>> make_design_node('age')[1], make_design_node(design_from='file')[1]
    (['table_file'], ['design_file'])
    """
    if design_from not in _INPUTS or (formula is not None and design_from != 'formula'):
        raise InputError(
            'It is not clear where the design is from.',
            found=f'design_from={design_from!r}, formula={formula!r}',
            expected=f'one of {", ".join(_INPUTS)}; a formula with the first only',
        )
    fields = list(_INPUTS[design_from])
    if design_from != 'formula':
        return make_node(ReadDesign(), name='build_design'), fields
    if formula is None:
        return make_node(BuildDesign(), name='build_design'), []
    return make_node(BuildDesign(formula=formula), name='build_design'), fields
