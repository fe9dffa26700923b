"""The design linter: all that is wrong, or in doubt, with a group analysis, at once."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..exceptions import NistatsNipypeError
from ..images.volumes import count_volumes
from .covariates import extend_for_checks, split_formula, without_placeholders
from .findings import from_error, sort_findings
from .given import design_from_file, design_from_model
from .group import design_of_maps
from .lint_covariates import check_covariates, note_unknown, of_regressors
from .lint_exchange import check_relabellings, read_blocks
from .lint_meaning import check_interactions, check_intercepts, check_left_out
from .lint_model import (
    check_collinearity,
    check_groups,
    check_leverage,
    check_matrix,
    has_constant,
    read_contrasts,
)
from .lint_rows import (
    check_files,
    check_names,
    check_order,
    check_repeats,
    check_unused,
    find_subjects,
)
from .lint_table import check_variables
from .lint_terms import column_terms, design_terms
from .matrices import INTERCEPT, variable_faults
from .tables import load_participants, match_rows, subject_label


class Request(NamedTuple):
    """What is asked of the permutation test.

    Attributes
    ----------
    n_perm : int, default 10000
        Relabellings beside the observed one; 0 for none.
    errors, method : str
        See :func:`~nistats_nipype.stats.exchange.draw_schedule`.
    sidedness : {'two-sided', 'positive', 'negative'}
    alpha : float, default 0.05
        Corrected p that should be reached.
    tail : {'none', 'gpd', 'gamma'}
    auto_groups : bool, default False
        Whether variance groups are made of the blocks.
    correct_contrasts : bool, default False
        Whether p is corrected over contrasts, too.
    missing : {'error', 'drop_voxel', 'per_voxel'}
        What is done about missing values, which not all relabellings allow.
    model : str, default 'ols'
        What is fitted to relabelled data, see
        :data:`~nistats_nipype.stats.model_engine.MODELS`.
    """

    n_perm: int = 10000
    errors: str = 'auto'
    method: str = 'freedman-lane'
    sidedness: str = 'two-sided'
    alpha: float = 0.05
    tail: str = 'none'
    auto_groups: bool = False
    correct_contrasts: bool = False
    missing: str = 'error'
    model: str = 'ols'


class _Source(NamedTuple):
    """Where the design is from."""

    formula: str
    table_file: object
    design_file: object
    bids_model_file: object
    bids_model_node: str
    #: Whether a participant must have one row only.
    unique: bool
    #: Voxelwise covariates, as the formula has them.
    covariates: list


class _Rows(NamedTuple):
    """The rows of the maps, and their places in the table."""

    rows: object
    positions: list
    table: object


def lint_design(
    in_files,
    formula=None,
    table_file=None,
    contrasts=None,
    *,
    design_file=None,
    bids_model_file=None,
    bids_model_node=None,
    blocks_file=None,
    variance_groups_file=None,
    tmap_files=(),
    covariates=None,
    request=None,
):
    """Check a group analysis before anything of it is computed.

    Parameters
    ----------
    in_files : list of path-like
        N 3D maps, or one 4D file. Values are not read.
    formula : str, optional
        See :func:`~nistats_nipype.designs.group.design_of_maps`.
    table_file : path-like, optional
        Participants table.
    contrasts : dict of {str: definition}, default {'mean': 'intercept'}
        See :func:`~nistats_nipype.designs.contrasts.parse_contrast`.
    design_file : path-like, optional
        Design matrix in place of table and formula, see
        :func:`~nistats_nipype.designs.given.design_from_file`.
    bids_model_file : path-like, optional
        BIDS Stats Model in place of a formula, and the name of its node, see
        :func:`~nistats_nipype.designs.given.design_from_model`.
    blocks_file, variance_groups_file : path-like, optional
        Exchangeability blocks in PALM's format; variance groups.
    tmap_files : list of path-like, optional
        t maps of the subjects.
    covariates : dict of {str: list of path-like}, optional
        Maps of voxelwise covariates by name, in the order of ``in_files``. The names are terms of
        the formula, or the last columns of the design file.
    request : Request, optional
        What is asked of the permutation test.

    Returns
    -------
    list of Finding
        Errors first. What depends on something that is wrong itself is not checked.

    Raises
    ------
    InputError
        If the maps cannot be read.
    DesignError
        If a voxelwise covariate is no term of the formula.

    See Also
    --------
    nistats_nipype.designs.lint_maps.lint_maps : checks of the values of the maps.
    """
    maps = list(map(str, in_files))
    request = Request() if request is None else request
    n_maps = count_volumes(maps)
    # The volumes of a 4D file have no names to match; the design says so.
    named = n_maps == len(maps)
    # Blocks say that the maps of a participant depend on each other.
    covariates = dict(covariates or {})
    fixed, voxelwise = split_formula(formula, list(covariates))
    source = _Source(
        fixed,
        table_file,
        design_file,
        bids_model_file,
        bids_model_node,
        not blocks_file,
        voxelwise,
    )
    found, findings = _match(maps, source) if named else (None, [])
    rows = found.rows if found else None
    blamed = bool(findings)
    if named:
        findings += check_files(maps, tmap_files)
    blocks, groups, faults = read_blocks(
        blocks_file, variance_groups_file, request.auto_groups, n_maps
    )
    findings += faults + check_covariates(maps, n_maps, covariates, variance_groups_file)
    design, terms, more = (None, [], []) if blamed else _build(maps, source, rows)
    findings += more
    if found:
        findings += check_names(rows, maps)
        findings += check_unused(found.table, found.positions)
        findings += check_order(rows, found.positions, blocks=blocks, variance_groups=groups)
    if named and not blamed:
        subjects = find_subjects(maps, rows)
        findings += check_repeats(*subjects, terms, blocks, request.n_perm)
    if design is not None:
        n_faults = len(faults)
        wanted = {'mean': INTERCEPT} if contrasts is None else contrasts
        names = _names(maps, n_maps)
        findings += _check_design(
            design, terms, rows, wanted, names, blocks, groups, request, n_faults, voxelwise
        )
    return sort_findings(_without_consequences(findings))


#: What explains that a design has no full rank, or no degrees of freedom.
_CAUSES = ('constant', 'doubled-intercept', 'identity-in-formula', 'number-as-text')


def _without_consequences(findings):
    """Leave out what says of the whole design what has been said of a column."""
    if not any(each.code in _CAUSES for each in findings):
        return findings
    general = ('rank-deficient', 'no-degrees-of-freedom')
    return [each for each in findings if each.code not in general]


def _names(maps, n_maps):
    if n_maps != len(maps):
        return [f'map {number}' for number in range(1, n_maps + 1)]
    labels = [subject_label(path) for path in maps]
    unique = None not in labels and len({*labels}) == len(labels)
    return labels if unique else [Path(path).name for path in maps]


def _match(maps, source):
    """Rows of the table in the order of the maps; what prevents it is a finding."""
    if source.table_file is None:
        return None, []
    path = Path(source.table_file)
    try:
        table = load_participants(path, unique=source.unique)
        numbered = table.assign(**{_PLACE: np.arange(len(table))})
        rows = match_rows(numbered, maps, path.parent)
    except NistatsNipypeError as error:
        # Without a formula, a table that names the maps serves for nothing else.
        return None, [from_error('table', path.name, error)] if source.formula else []
    positions = rows.pop(_PLACE).tolist()
    return _Rows(rows, positions, table), []


#: Column that keeps the place of a row; no column of a table has this name.
_PLACE = '\x00place'


def _build(maps, source, rows):
    """The design and its terms, or what prevents it."""
    formula, table_file = source.formula, source.table_file
    given = source.design_file or source.bids_model_file
    try:
        if source.design_file:
            found = design_from_file(maps, given).design
            return without_placeholders(found, source.covariates), [], []
        if source.bids_model_file:
            return (
                design_from_model(maps, given, table_file, source.bids_model_node).design,
                [],
                [],
            )
        design = design_of_maps(maps, formula, table_file, unique=source.unique)
    except NistatsNipypeError as error:
        if given:
            return None, [], [from_error('design', Path(given).name, error)]
        return None, [], _blame(formula, rows, error)
    if formula is None:
        return design, [], []
    terms = design_terms(formula, rows)
    return design, terms, check_variables(rows, terms, _has_intercept(design))


def _has_intercept(design):
    """Tell whether the constant is there without the columns that a person made constant."""
    varying = design.loc[:, (design != design.iloc[0]).any()]
    return INTERCEPT in design or (varying.shape[1] > 0 and has_constant(varying.to_numpy()))


def _blame(formula, rows, error):
    """All variables that are at fault, or else the formula."""
    from formulaic import Formula
    from formulaic.errors import FormulaicError

    if rows is not None:
        try:
            names = sorted(map(str, Formula(formula.removeprefix('~')).required_variables))
            faults = list(variable_faults(formula, names, rows))
        except (FormulaicError, AttributeError, SyntaxError):
            faults = []
        if faults:
            return [from_error('variable', _variable(fault), fault) for fault in faults]
    return [from_error('formula', 'formula', error)]


def _variable(fault):
    """Name of the column that an error is about."""
    text = fault.problem.removesuffix('.')
    if ': ' in text:
        return text.rpartition(': ')[2]
    return text.removeprefix('The column ').removesuffix(' mixes numbers with text')


def _check_design(
    design, terms, rows, wanted, names, blocks, groups, request, n_faults, covariates
):
    whole = extend_for_checks(design, covariates)
    findings = check_matrix(whole, terms)
    is_sound = all(each.severity != 'error' for each in findings)
    tested, faults = read_contrasts(whole, wanted)
    findings += faults + note_unknown(design, tested, covariates)
    contrasts = of_regressors(tested, design.shape[1]) if covariates else tested
    if is_sound:
        findings += check_collinearity(design, terms or column_terms(design), contrasts)
        findings += check_leverage(design, terms, contrasts, names)
        if request.n_perm and not n_faults:
            findings += check_relabellings(whole, tested, request, blocks, groups)
    if rows is not None and terms:
        findings += check_interactions(design, rows, terms, contrasts)
        findings += check_intercepts(design, rows, terms, contrasts)
        findings += check_groups(design, rows, terms, contrasts, groups is not None)
        findings += check_left_out(rows, terms, contrasts)
    return findings
