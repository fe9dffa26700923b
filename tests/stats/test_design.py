import numpy as np
import pytest
from scipy import linalg

from nistats_nipype.exceptions import ContrastError, DesignError
from nistats_nipype.stats.design import (
    check_contrast,
    check_design,
    dependent_columns,
    inestimable_columns,
    partition,
    pseudo_inverse,
    rank,
)

RNG = np.random.default_rng(20140116)
GROUP = np.repeat([0.0, 1.0], [5, 6])
AGE = RNG.normal(40, 10, 11)
IQ = RNG.normal(100, 15, 11)
THREE = np.eye(3)[[0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2]]

FULL_RANK = {
    'one-sample': (np.ones((11, 1)), [[1]]),
    'one-sample with covariate': (np.column_stack([np.ones(11), AGE]), [[1, 0]]),
    'two-sample': (np.column_stack([np.ones(11), GROUP]), [[0, 1]]),
    'cell means': (np.column_stack([1 - GROUP, GROUP]), [[1, -1]]),
    'ancova': (np.column_stack([1 - GROUP, GROUP, AGE, IQ]), [[1, -1, 0, 0]]),
    'group mean in ancova': (np.column_stack([1 - GROUP, GROUP, AGE]), [[1, 0, 0]]),
    'interaction': (np.column_stack([np.ones(11), GROUP, AGE, GROUP * AGE]), [[0, 0, 0, 2]]),
    'no constant': (np.column_stack([AGE, IQ]), [[0.5, -3]]),
    'three groups': (THREE, [[1, -1, 0], [0, 1, -1]]),
    'two covariates': (np.column_stack([np.ones(11), AGE, IQ]), [[0, 1, 0], [0, 0, 1]]),
    'whole design': (np.column_stack([np.ones(11), AGE]), np.eye(2)),
}
DEFICIENT = {
    'constant and both groups': (
        np.column_stack([np.ones(11), 1 - GROUP, GROUP]),
        [[0, 1, -1]],
        np.column_stack([1 - GROUP, GROUP]),
        [[1, -1]],
    ),
    'column twice, its sum': (
        np.column_stack([np.ones(11), AGE, AGE, IQ]),
        [[0, 1, 1, 0]],
        np.column_stack([np.ones(11), AGE, IQ]),
        [[0, 1, 0]],
    ),
    'constant and three groups, F': (
        np.column_stack([np.ones(11), THREE]),
        [[0, 1, -1, 0], [0, 0, 1, -1]],
        THREE,
        [[1, -1, 0], [0, 1, -1]],
    ),
    'column of zeros': (
        np.column_stack([np.ones(11), np.zeros(11), GROUP]),
        [[0, 0, 1]],
        np.column_stack([np.ones(11), GROUP]),
        [[0, 1]],
    ),
}


def projector(matrix):
    # QR with pivoting would do; SciPy's orth is enough, and it is not ours.
    basis = linalg.orth(matrix)
    return basis @ basis.T


def beckmann(design, contrast):
    # Winkler et al. 2014, appendix A: X = M D C (C' D C)^-1, Z = M D C_v (C_v' D C_v)^-1.
    c = np.asarray(contrast, dtype=float).T
    d = linalg.inv(design.T @ design)
    x = design @ d @ c @ linalg.inv(c.T @ d @ c)
    c_u = linalg.null_space(c.T)
    c_v = c_u - c @ linalg.inv(c.T @ d @ c) @ c.T @ d @ c_u
    if not c_u.size:
        return x, np.zeros((len(design), 0))
    return x, design @ d @ c_v @ linalg.inv(c_v.T @ d @ c_v)


def guttman(design, contrast):
    # Winkler et al. 2014, appendix A: the reduced model is what C beta = 0 leaves.
    contrast = np.asarray(contrast, dtype=float)
    return design @ linalg.pinv(contrast), design @ linalg.null_space(contrast)


@pytest.mark.parametrize('name', FULL_RANK)
def test_partition_spans_what_beckmann_spans(name):
    design, contrast = FULL_RANK[name]
    x, z = beckmann(design, contrast)
    split = partition(design, contrast)
    np.testing.assert_allclose(split.interest @ split.interest.T, projector(x), atol=1e-12)
    np.testing.assert_allclose(split.nuisance @ split.nuisance.T, projector(z), atol=1e-12)


@pytest.mark.parametrize('name', FULL_RANK)
def test_partition_agrees_with_guttman(name):
    # Guttman's X is not orthogonal to Z; what is left of it beside Z is the effect of interest.
    design, contrast = FULL_RANK[name]
    x, z = guttman(design, contrast)
    split = partition(design, contrast)
    residual = x - (projector(z) @ x if z.size else 0)
    np.testing.assert_allclose(split.interest @ split.interest.T, projector(residual), atol=1e-11)
    if z.size:
        np.testing.assert_allclose(split.nuisance @ split.nuisance.T, projector(z), atol=1e-12)


@pytest.mark.parametrize('name', FULL_RANK)
def test_bases_are_orthonormal_and_complete(name):
    design, contrast = FULL_RANK[name]
    split = partition(design, contrast)
    both = np.hstack([split.interest, split.nuisance])
    np.testing.assert_allclose(both.T @ both, np.eye(design.shape[1]), atol=1e-12)
    np.testing.assert_allclose(both @ (both.T @ design), design, rtol=1e-12, atol=1e-12)
    assert split.interest.shape[1] == len(contrast)


@pytest.mark.parametrize(
    'name', [name for name, (_, contrast) in FULL_RANK.items() if len(contrast) == 1]
)
def test_scale_and_sign_of_a_one_row_contrast(name):
    design, contrast = FULL_RANK[name]
    split = partition(design, contrast)
    y = np.random.default_rng(1).normal(size=11)
    beta = np.linalg.lstsq(design, y, rcond=None)[0]
    effect = (contrast @ beta).item()
    assert split.scale * (split.interest.T @ y).item() == pytest.approx(effect, rel=1e-10)
    unit_variance = (contrast @ linalg.inv(design.T @ design) @ np.transpose(contrast)).item()
    assert split.scale**2 == pytest.approx(unit_variance, rel=1e-10)


@pytest.mark.parametrize('name', DEFICIENT)
def test_rank_deficient_design_equals_its_full_rank_form(name):
    design, contrast, full_design, full_contrast = DEFICIENT[name]
    split, expected = partition(design, contrast), partition(full_design, full_contrast)
    for ours, theirs in zip(split[:2], expected[:2], strict=True):
        np.testing.assert_allclose(ours @ ours.T, theirs @ theirs.T, atol=1e-12)
        assert ours.shape == theirs.shape
    np.testing.assert_allclose(split.scale, expected.scale, rtol=1e-12)


@pytest.mark.parametrize(
    'redundant',
    [
        [[1, -1, 0], [0, 1, -1], [1, 0, -1]],
        [[1, -1, 0], [0, 1, -1], [1, -1, 0]],
        [[1e6, -1e6, 0], [0, 1e-6, -1e-6], [1, 1, -2]],
    ],
)
def test_redundant_rows_count_once(redundant):
    split, plain = partition(THREE, redundant), partition(THREE, [[1, -1, 0], [0, 1, -1]])
    assert split.interest.shape == (11, 2)
    np.testing.assert_allclose(
        split.interest @ split.interest.T, plain.interest @ plain.interest.T, atol=1e-12
    )
    assert np.isnan(split.scale)


@pytest.mark.parametrize('unit', [1e-12, 1e-6, 1.0, 1e6, 1e12])
def test_units_of_a_covariate_decide_nothing(unit):
    design = np.column_stack([np.ones(11), GROUP, AGE * unit])
    split = partition(design, [0, 1, 0])
    expected = partition(np.column_stack([np.ones(11), GROUP, AGE]), [0, 1, 0])
    assert rank(design) == 3
    assert dependent_columns(design) == []
    assert inestimable_columns(design, np.eye(3)) == []
    np.testing.assert_allclose(split.interest, expected.interest, atol=1e-12)
    np.testing.assert_allclose(
        split.nuisance @ split.nuisance.T, expected.nuisance @ expected.nuisance.T, atol=1e-12
    )


@pytest.mark.parametrize('unit', [1e-12, 1.0, 1e12])
def test_units_hide_no_dependency(unit):
    design = np.column_stack([np.ones(11), AGE, IQ, (2 * AGE - IQ) * unit])
    assert rank(design) == 3
    assert dependent_columns(design) == [1, 2, 3]


@pytest.mark.parametrize(
    ('columns', 'expected'),
    [
        ([np.ones(11), AGE, IQ], []),
        ([np.ones(11), 1 - GROUP, GROUP, AGE], [0, 1, 2]),
        ([AGE, np.ones(11), 3 * AGE], [0, 2]),
        ([np.ones(11), np.zeros(11)], [1]),
        ([np.ones(11), AGE, AGE + 40, IQ, IQ / 15], [0, 1, 2, 3, 4]),
        ([np.ones(11), 1 - GROUP, GROUP, AGE, IQ, IQ], [0, 1, 2, 4, 5]),
    ],
)
def test_dependent_columns_are_those_whose_removal_keeps_the_rank(columns, expected):
    design = np.column_stack(columns)
    assert dependent_columns(design) == expected
    # A column is dependent if and only if the others span it.
    whole = np.linalg.matrix_rank(design)
    removable = [
        index
        for index in range(design.shape[1])
        if np.linalg.matrix_rank(np.delete(design, index, axis=1)) == whole
    ]
    assert removable == expected


def test_more_columns_than_rows():
    design = np.random.default_rng(0).normal(size=(3, 5))
    assert rank(design) == 3
    assert dependent_columns(design) == [0, 1, 2, 3, 4]
    assert inestimable_columns(design, design[1]) == []
    assert inestimable_columns(design, [1, 0, 0, 0, 0]) == [0]


@pytest.mark.parametrize('name', DEFICIENT)
def test_estimable_means_a_combination_of_rows(name):
    # Oracle: the rank does not grow when the contrast is added as a row.
    design, contrast, *_ = DEFICIENT[name]
    candidates = [*np.eye(design.shape[1]), *contrast, design.sum(axis=0), design[0] - design[-1]]
    for candidate in candidates:
        grown = np.linalg.matrix_rank(np.vstack([design, candidate]))
        estimable = grown == np.linalg.matrix_rank(design)
        assert (inestimable_columns(design, candidate) == []) == estimable


def test_pseudo_inverse_matches_scipy_and_is_a_generalised_inverse():
    full = FULL_RANK['ancova'][0]
    np.testing.assert_allclose(pseudo_inverse(full), linalg.pinv(full), rtol=1e-9, atol=1e-13)
    for design, *_ in DEFICIENT.values():
        inverse = pseudo_inverse(design)
        np.testing.assert_allclose(design @ inverse @ design, design, rtol=1e-12, atol=1e-12)


def test_check_design_returns_float64():
    checked = check_design([[1, 2], [3, 4]])
    assert checked.dtype == np.float64
    assert checked.tolist() == [[1.0, 2.0], [3.0, 4.0]]


@pytest.mark.parametrize(
    'design', [np.ones(5), np.ones((2, 2, 2)), np.ones((0, 2)), np.ones((3, 0))]
)
def test_a_design_that_is_no_matrix_is_refused(design):
    with pytest.raises(DesignError, match='not a matrix') as caught:
        check_design(design)
    assert str(design.shape) in caught.value.found


@pytest.mark.parametrize('value', [np.nan, np.inf, -np.inf])
def test_a_design_with_a_missing_covariate_names_the_place(value):
    design = np.ones((4, 3))
    design[2, 1] = design[3, 2] = value
    with pytest.raises(DesignError, match='not finite') as caught:
        partition(design, [1, 0, 0])
    assert caught.value.found == '2 of them, the first in row 2, column 1'


@pytest.mark.parametrize(
    ('contrast', 'message'),
    [
        ([1, 0], 'found:    2 weights'),
        (np.ones((1, 2, 3)), 'does not fit'),
        (np.ones((0, 3)), 'no rows'),
        ([1, np.nan, 0], 'not finite'),
        ([0, 0, 0], 'row of zeros'),
        ([[1, -1, 0], [0, 0, 0]], 'found:    row 1'),
        ([0, 1, 0], r'dependent columns \[1\]'),
        ([[0, 1, -1], [1, 0, 0]], r'dependent columns \[0, 1, 2\]'),
    ],
)
def test_contrast_errors_say_what_was_found(contrast, message):
    design = DEFICIENT['constant and both groups'][0]
    with pytest.raises(ContrastError, match=message):
        check_contrast(design, contrast)


def test_a_contrast_on_a_column_of_zeros_is_refused():
    design = np.column_stack([np.ones(11), np.zeros(11), GROUP])
    with pytest.raises(ContrastError, match=r'dependent columns \[1\]'):
        partition(design, [0, 1, 0])


def test_columns_that_are_independent_are_not_blamed():
    design = np.column_stack([DEFICIENT['constant and both groups'][0], AGE])
    assert inestimable_columns(design, [0, 1, 0, 1]) == [1]
    assert inestimable_columns(design, [[0, 0, 0, 1], [1, 0, 0, -1]]) == [0]


def test_check_contrast_makes_one_row_a_matrix():
    checked = check_contrast(THREE, [1, -1, 0])
    assert checked.shape == (1, 3)
    assert checked.dtype == np.float64
