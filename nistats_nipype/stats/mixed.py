"""Fixed and mixed effects when the variance within each observation is known."""

from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from scipy import special

from ..exceptions import InputError
from .design import (
    check_contrast,
    check_design,
    check_rows,
    inestimable_columns,
    pseudo_inverse,
    whitening,
)
from .distributions import chi2_to_z, f_to_z, t_to_z, z_to_p
from .glm import ContrastResult, accumulate, blocks_of_patterns
from .missing import check_missing, count_observed, find_patterns, name_of, points_of_patterns

#: How the between-observation variance is estimated; the position is the kernel's code.
METHODS = ('fixed', 'dl', 'reml')


class MixedFit(NamedTuple):
    """A fit with known within-observation variances at V points; NaN where nothing was fitted.

    Attributes
    ----------
    beta : ndarray of shape (P, V), float64
        Estimates in the units of the data.
    covariance : ndarray of shape (P * (P + 1) / 2, V), float64
        Sampling covariance of the estimates: its lower triangle, row by row.
    tau2 : ndarray of shape (V,), float64
        Between-observation variance, in squared units; 0 with fixed effects.
    q : ndarray of shape (V,), float64
        Heterogeneity: the sum of squared residuals of the fixed-effects fit, each over its
        variance (Cochran's Q, for any design).
    dof : ndarray of shape (V,), float64
        Residual degrees of freedom; 0 where nothing was fitted.
    pattern : ndarray of shape (V,), int32
        Row of ``patterns`` that holds at a point; -1 where nothing was fitted.
    patterns : ndarray of shape (K, N), bool
        Which observations entered the fit.
    method : {'fixed', 'dl', 'reml'}
        How ``tau2`` was estimated.
    """

    beta: np.ndarray
    covariance: np.ndarray
    tau2: np.ndarray
    q: np.ndarray
    dof: np.ndarray
    pattern: np.ndarray
    patterns: np.ndarray
    method: str

    @property
    def n_observed(self):
        """Observations that entered the fit at each point: ndarray of shape (V,), int32."""
        return count_observed(self.patterns, self.pattern)

    @property
    def i2(self):
        """Share of the variation that is heterogeneity, in percent: ndarray of shape (V,).

        It is (Q - dof) / Q, not below 0 [1]_.

        References
        ----------
        .. [1] Higgins JPT, Thompson SG (2002). Quantifying heterogeneity in a meta-analysis. Stat
           Med 21(11):1539-1558. https://doi.org/10.1002/sim.1186
        """
        with np.errstate(divide='ignore'):
            return np.maximum(100.0 * (1.0 - self.dof / self.q), 0.0)

    @property
    def q_p(self):
        """Probability of a larger Q without heterogeneity: ndarray of shape (V,)."""
        return special.chdtrc(self.dof, self.q)


def check_variances(variances, values, labels=None):
    """Refuse within-observation variances that do not belong to the observations.

    Parameters
    ----------
    variances, values : ndarray of shape (N, V)
        NaN is missing.
    labels : sequence of N str, optional
        Names of the observations, for errors.

    Raises
    ------
    InputError
        If the shapes differ, or a variance is infinite or not above 0.

    Examples
    --------
    >>> check_variances(np.array([[0.5, np.nan]]), np.array([[1.0, 2.0]]))
    """
    if variances.shape != values.shape:
        raise InputError(
            'The variances do not fit the observations.',
            found=f'{len(variances)} maps of variances with {variances.shape[-1]} points each, '
            f'{len(values)} maps of effects with {values.shape[-1]}',
            expected='one variance for each effect, in the same order',
        )
    for index, row in enumerate(variances):
        # NaN compares as neither.
        bad = (row <= 0) | np.isinf(row)
        if bad.any():
            raise InputError(
                f'The variances of {name_of(labels, index)} cannot be used.',
                found=f'{bad.sum()} of {bad.size} are zero, negative or infinite, '
                f'the first {row[bad][0]:g}',
                expected='finite numbers above 0: squared standard errors',
                advice='Give the variance maps of the first level, in the order of the effects; '
                'leave voxels without a variance out of the mask, or make them NaN.',
            )


class _Both:
    """Rows of the effects, missing where the variance is; made one by one."""

    def __init__(self, values, variances):
        self.values, self.variances, self.shape = values, variances, values.shape

    def __len__(self):
        return len(self.values)

    def __iter__(self):
        for row, variance in zip(self.values, self.variances, strict=True):
            yield np.where(np.isnan(variance), np.nan, row)


def fit(values, variances, design, *, method='reml', missing='error', labels=None, num_threads=1):
    """Fit a linear model of effects whose within-observation variances are known.

    The variance of an observation is its own plus, with mixed effects, one between observations
    (tau2), the same for all; the estimates are those of least squares weighted by the inverse.

    Parameters
    ----------
    values : ndarray of shape (N, V)
        Observations, NaN where missing.
    variances : ndarray of shape (N, V)
        Their sampling variances (squared standard errors), NaN where missing.
    design : array-like of shape (N, P)
        Design matrix.
    method : {'reml', 'dl', 'fixed'}, default 'reml'
        Estimator of tau2: restricted maximum likelihood; the method of moments after
        DerSimonian and Laird [1]_, which is faster and less efficient; or none, tau2 = 0, so
        that inference is about these observations only, not about a population.
    missing : {'error', 'drop_voxel', 'per_voxel'}, default 'error'
        As for :func:`nistats_nipype.stats.glm.fit`. A value without a variance is missing, and
        a variance without a value.
    labels : sequence of N str, optional
        Names of the observations, for errors.
    num_threads : int, default 1
        Threads; no influence on the result.

    Returns
    -------
    MixedFit

    Raises
    ------
    DesignError
        If the design does not fit the observations or leaves no degrees of freedom.
    MissingDataError
        See :func:`nistats_nipype.stats.missing.check_missing`.
    InputError
        If there is no such method, or by :func:`check_variances`.

    Notes
    -----
    REML is the highest maximum of the restricted likelihood over tau2 >= 0, to 1e-12 of tau2 and
    the least variance. There may be several where variances differ much: all are looked for.

    t and F treat tau2 as known but for their degrees of freedom, N - rank. They are conservative
    where it is small: at 5%, 1.3% of means of 8 observations of like variance without
    heterogeneity are significant, 2.9% of 20.

    Stage 1 of FSL's FLAME [2]_ takes the mode of the posterior of log(tau2) under the prior
    1 / tau2. The prior and the change of variable cancel, so that this is the maximum of the
    restricted likelihood as well, with t and F on N - rank degrees of freedom: ``'reml'`` is the
    model of FLAME 1. What differs: FLAME looks for the maximum to 1e-4 of log(tau2), does not
    let tau2 become 0, and estimates a tau2 for each variance group if the design has several,
    which is not possible here. Stage 2 (sampling) and the model of outliers are not here either.

    References
    ----------
    .. [1] DerSimonian R, Laird N (1986). Meta-analysis in clinical trials. Control Clin Trials
       7(3):177-188. https://doi.org/10.1016/0197-2456(86)90046-2
    .. [2] Woolrich MW, Behrens TEJ, Beckmann CF, Jenkinson M, Smith SM (2004). Multilevel linear
       modelling for FMRI group analysis using Bayesian inference. NeuroImage 21(4):1732-1747.
       https://doi.org/10.1016/j.neuroimage.2003.12.023

    Examples
    --------
    >>> effects, variances = np.array([[1.0], [2.0], [6.0]]), np.full((3, 1), 0.5)
    >>> model = fit(effects, variances, np.ones((3, 1)))
    >>> float(model.beta[0, 0].round(6)), float(model.tau2[0].round(6))
    (3.0, 6.5)
    """
    if method not in METHODS:
        raise InputError('Unknown method.', found=repr(method), expected=', '.join(METHODS))
    design = check_design(design)
    (n_observations, n_points), n_columns = values.shape, design.shape[1]
    check_rows(design, n_observations)
    check_variances(variances, values, labels)
    both = _Both(values, variances)
    patterns, pattern = find_patterns(both, check_missing(both, missing, labels))
    model = MixedFit(
        beta=np.full((n_columns, n_points), np.nan),
        covariance=np.full((n_columns * (n_columns + 1) // 2, n_points), np.nan),
        tau2=np.full(n_points, np.nan),
        q=np.full(n_points, np.nan),
        dof=np.zeros(n_points),
        pattern=pattern,
        patterns=patterns,
        method=method,
    )
    with ThreadPoolExecutor(num_threads) as pool:
        jobs = [
            pool.submit(_fit_block, model, values, variances, *piece)
            for piece in blocks_of_patterns(model, design)
        ]
        for job in jobs:
            job.result()
    return model


def _fit_block(model, values, variances, rows, points, geometry):
    """Fit ``points`` on the observations ``rows`` into the arrays of ``model``."""
    from .mixed_kernels import fit_points

    where = np.ix_(rows, points)
    results = [np.empty((len(each), len(points))) for each in (model.beta, model.covariance)]
    results += [np.empty(len(points)) for _ in ('tau2', 'q')]
    fit_points(
        *geometry,
        np.asarray(values[where], dtype=np.float64),
        np.asarray(variances[where], dtype=np.float64),
        METHODS.index(model.method),
        *results,
    )
    for name, result in zip(('beta', 'covariance', 'tau2', 'q'), results, strict=True):
        getattr(model, name)[..., points] = result


def contrast(model, design, weights, *, sidedness='two-sided'):
    """Test a contrast of a fit with known within-observation variances.

    Parameters
    ----------
    model : MixedFit
        Result of :func:`fit`.
    design : array-like of shape (N, P)
        The design of the fit.
    weights : array-like of shape (P,) or (Q, P)
        Contrast weights. Of redundant rows, as many count as are independent.
    sidedness : {'two-sided', 'positive', 'negative'}, default 'two-sided'
        Side of ``p`` for one row. Several rows have one side only.

    Returns
    -------
    ContrastResult
        With mixed effects of ``kind`` t or F (Wald's statistic over the rank), on the residual
        degrees of freedom. With fixed effects, where all variances are known, of ``kind`` z or
        chi2, and ``dof`` is infinite. Points whose observed rows do not determine the contrast
        hold NaN.

    Raises
    ------
    ContrastError
        If the contrast does not fit the design or is not estimable.

    Examples
    --------
    >>> effects, variances = np.array([[1.0], [2.0], [6.0]]), np.full((3, 1), 0.5)
    >>> model = fit(effects, variances, np.ones((3, 1)), method='fixed')
    >>> result = contrast(model, np.ones((3, 1)), [1.0])
    >>> result.kind, result.stat.round(4), result.variance.round(4)
    ('z', array([7.3485]), array([[0.1667]]))
    """
    from .mixed_kernels import wald

    design = check_design(design)
    weights = check_contrast(design, weights)
    n_rows, fixed = len(weights), model.method == 'fixed'
    effect = accumulate(weights, model.beta)
    diagonal = np.arange(n_rows) * (np.arange(n_rows) + 3) // 2
    variance = accumulate(_quadratic(weights)[diagonal], model.covariance)
    independent = whitening(weights @ pseudo_inverse(design)) @ weights
    for kept, points in zip(
        model.patterns, points_of_patterns(model.pattern, len(model.patterns)), strict=True
    ):
        if points.size and inestimable_columns(design[kept], weights):
            effect[:, points] = variance[:, points] = np.nan
    dof = np.where(model.dof > 0, np.inf if fixed else model.dof, np.nan)
    if n_rows == 1:
        stat = effect[0] / np.sqrt(variance[0])
        z = stat if fixed else t_to_z(stat, dof)
        p = z_to_p(z, sidedness)
    else:
        stat = np.empty(effect.shape[1])
        covariance = accumulate(_quadratic(independent), model.covariance)
        wald(accumulate(independent, model.beta), covariance, stat)
        stat[np.isnan(effect[0])] = np.nan
        if not fixed:
            stat /= len(independent)
        z = chi2_to_z(stat, len(independent)) if fixed else f_to_z(stat, len(independent), dof)
        p = z_to_p(z, 'positive')
    kind = ('z' if fixed else 't') if n_rows == 1 else ('chi2' if fixed else 'F')
    return ContrastResult(kind, effect, variance, stat, z, p, len(independent), dof)


def _quadratic(rows):
    """Weights that take the covariance of estimates to that of ``rows @ estimates``.

    Both are lower triangles, row by row: (K, P) to (K * (K + 1) / 2, P * (P + 1) / 2).
    """
    k, j = np.tril_indices(len(rows))
    p, q = np.tril_indices(rows.shape[1])
    weights = rows[k][:, p] * rows[j][:, q] + rows[k][:, q] * rows[j][:, p]
    weights[:, p == q] /= 2.0
    return weights
