"""The contrasts that arguments ask for."""

import json

from ..exceptions import ContrastError
from .covariates import covariate_names
from .designs import load_design_of_arguments


def parse_contrasts(definitions):
    """Read ``NAME=DEFINITION`` arguments.

    Returns
    -------
    dict
        Definitions by name.

    Raises
    ------
    ContrastError
        If one cannot be read, or a name is used twice.

    Examples
    --------
    >>> parse_contrasts(['age=age', 'difference=[0, 1, -1]'])
    {'age': 'age', 'difference': [0, 1, -1]}
    """
    contrasts = {}
    for text in definitions or ():
        name, equals, definition = (part.strip() for part in text.partition('='))
        if not (name and equals and definition):
            raise ContrastError(
                'A contrast cannot be read.',
                found=text,
                expected='NAME=DEFINITION',
                advice="For instance --contrast 'age=age'.",
            )
        if name in contrasts:
            raise ContrastError(f'Two contrasts have the name {name!r}.', expected='one for each')
        if definition.startswith('['):
            try:
                definition = json.loads(definition)
            except json.JSONDecodeError as error:
                raise ContrastError(
                    f'The weights of contrast {name!r} cannot be read.',
                    found=definition,
                    expected="numbers in brackets, '[0, 1, -1]', or rows of them for F, "
                    "'[[0, 1, 0], [0, 0, 1]]'",
                ) from error
        contrasts[name] = definition
    return contrasts


def require_contrasts(args, contrasts, columns):
    """Ask which columns of a design are tested: no default would be everyone's."""
    if (args.formula or args.design_mat) and not contrasts:
        example = next((name for name in columns or () if name != 'intercept'), 'age')
        option, value = '--formula', args.formula
        if args.design_mat:
            option, value = '--design-mat', args.design_mat
        raise ContrastError(
            f'{option} needs --contrast{" or --design-con" * bool(args.design_mat)}: what is '
            'tested?',
            found=f'columns {", ".join(columns)}' if columns else f'{option} {value!r}',
            expected='a contrast of the columns of the design',
            advice=f"For instance --contrast 'effect={example}'.",
        )


def find_contrasts(args, maps):
    """Contrasts by name, and what is to be said of the design; a design has to have one."""
    contrasts, notes = {}, []
    if args.design_mat or args.bids_model:
        _, contrasts, notes = load_design_of_arguments(args, maps)
    contrasts |= parse_contrasts(args.contrast)
    if (args.formula or args.design_mat) and not contrasts:
        design, _, _ = load_design_of_arguments(args, maps)
        require_contrasts(args, contrasts, [*design.columns, *covariate_names(args)])
    return contrasts or {'mean': 'intercept'}, notes


def list_labels(contrasts):
    """Labels of contrasts, as in the names of the results."""
    from ..designs.contrasts import contrast_label

    return [contrast_label(name) for name in contrasts]
