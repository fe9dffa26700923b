"""Permutation of robust regression and of models with known variances, refitted every time.

No residuals of the nuisance are moved: those of observations with variances of their own are not
exchangeable, and those of a robust fit depend on weights. What is left are the tests that
relabelling makes exact whatever the statistic. If observations are symmetric about 0 under the
null hypothesis, their signs are flipped, each keeping its variance; if they and their variances
are exchangeable as pairs, the pairs are permuted, an intercept being the only nuisance.
"""

from typing import NamedTuple

import numpy as np

from ..exceptions import InputError, ScheduleError
from . import mixed, robust
from .engines import make_results
from .methods import observed_basis, relabelled_basis

#: Models that can be permuted.
MODELS = ('robust', *mixed.METHODS)
#: Relabellings that are computed at a time; no influence on the result.
_BATCH = 64
#: What is left of an orthonormal vector that the constant explains, at most.
_CONSTANT = 1e-9


class Model(NamedTuple):
    """A model other than least squares, for a permutation test.

    Attributes
    ----------
    name : {'robust', 'reml', 'dl', 'fixed'}
        Robust regression, or a method of :func:`nistats_nipype.stats.mixed.fit`.
    variances : ndarray of shape (N, V), optional
        Sampling variances of the observations, for all but 'robust'.
    tuning : float, default 1.345
        For 'robust', see :func:`nistats_nipype.stats.robust.fit`.
    """

    name: str
    variances: np.ndarray | None = None
    tuning: float = robust.TUNING

    def test(self, values, design, contrast, **options):
        """Compute the observed statistic: ndarray of shape (V,)."""
        if self.name == 'robust':
            fit = robust.fit(values, design, tuning=self.tuning, **options)
            return robust.contrast(fit, design, contrast).stat
        fit = mixed.fit(values, self.variances, design, method=self.name, **options)
        return mixed.contrast(fit, design, contrast).stat


def check_model(model):
    """Refuse a model that there is not, or that lacks what it takes.

    Parameters
    ----------
    model : Model

    Raises
    ------
    InputError

    Examples
    --------
    >>> check_model(Model('robust'))
    """
    if model.name not in MODELS:
        raise InputError(
            'Unknown model.', found=repr(model.name), expected=f'None, or {", ".join(MODELS)}'
        )
    takes_variances = model.name != 'robust'
    if takes_variances != (model.variances is not None):
        raise InputError(
            f'The model {model.name!r} {"needs" if takes_variances else "takes no"} variances.',
            found='none' if takes_variances else 'variances of the observations',
            expected='variances with reml, dl and fixed only',
        )


def check_relabelling(name, split, errors, method='freedman-lane'):
    """Refuse a test that relabelling does not make exact.

    Parameters
    ----------
    name : str
        Of the model.
    split : Partition
        Design partitioned for the contrast.
    errors : {'exchangeable', 'symmetric', 'both'}
        Of the schedule.
    method : str
        Of the schedule.

    Raises
    ------
    ScheduleError
        If there is another nuisance than the constant where observations are permuted, or any
        where signs are flipped; or with another method than Freedman and Lane's.

    Notes
    -----
    With known variances v, an observation under the null hypothesis has errors of variance
    v + tau2. Without nuisance it is symmetric about 0 if these are, so that its sign can be
    flipped; any statistic will do, and tau2 is estimated anew for every relabelling [1]_.
    Beside an intercept, pairs of observation and variance are exchangeable if neither depends
    on what is tested [2]_; an effect on the variances alone would count against that hypothesis.

    References
    ----------
    .. [1] Mériaux S, Roche A, Dehaene-Lambertz G, Thirion B, Poline JB (2006). Combined
       permutation test and mixed-effect model for group average analysis in fMRI. Hum Brain
       Mapp 27(5):402-410. https://doi.org/10.1002/hbm.20251
    .. [2] Winkler AM, Ridgway GR, Webster MA, Smith SM, Nichols TE (2014). Permutation
       inference for the general linear model. NeuroImage 92:381-397.
       https://doi.org/10.1016/j.neuroimage.2014.01.060

    Examples
    --------
    >>> from nistats_nipype.stats.design import partition
    >>> check_relabelling('reml', partition(np.ones((4, 1)), [1]), 'symmetric')
    """
    if method != 'freedman-lane':
        raise ScheduleError(
            f'The model {name!r} is not permuted by this method.',
            found=method,
            expected='freedman-lane (--method freedman-lane), which is exact where the model can '
            'be permuted',
        )
    flips = errors != 'exchangeable'
    nuisance = split.nuisance
    left = nuisance if flips else nuisance - nuisance.mean(axis=0)
    n_left = int((np.linalg.norm(left, axis=0) > _CONSTANT).sum())
    if nuisance.shape[1] == 0 or (not flips and nuisance.shape[1] == 1 and n_left == 0):
        return
    raise ScheduleError(
        f'The model {name!r} cannot be permuted beside these nuisance regressors.',
        found=f'errors taken as {errors}, and {nuisance.shape[1]} regressors or combinations '
        'that are not tested: '
        + (
            'flipping signs would flip their effects'
            if flips
            else 'an observation cannot be moved with its variance or weight and without them'
        ),
        expected='sign flips of a design without nuisance (one sample), or permutations beside '
        'an intercept only (two samples, one covariate, F over all regressors)',
        advice="Permute least squares, model='ols' (--model ols), whose residuals can be moved; "
        'or leave out the permutations, n_perm=0 (--n-perm 0).',
    )


def check_test(model, split, schedule, missing, smooth, covariates):
    """Refuse what a model cannot be permuted with.

    Parameters
    ----------
    model : Model
    split : Partition
    schedule : Schedule
    missing : str
    smooth, covariates : object or None
        Whether the variance is smoothed, and whether there are voxelwise covariates.

    Raises
    ------
    InputError
        By :func:`check_model`, or if the model does not go with the request.
    ScheduleError
        By :func:`check_relabelling`.
    """
    check_model(model)
    wrong = {
        'variance groups': schedule.groups is not None,
        'a smoothed variance': smooth is not None,
        'voxelwise covariates': covariates is not None,
        "missing='per_voxel'": missing == 'per_voxel',
    }
    if any(wrong.values()):
        raise InputError(
            f'The model {model.name!r} is not permuted with what is asked for.',
            found=', '.join(filter(wrong.get, wrong)),
            expected='one statistic, of the same observations at every point',
            advice="Choose model='ols', or leave it out (missing='drop_voxel').",
        )
    check_relabelling(model.name, split, schedule.errors, schedule.method)


class ModelStatistics:
    """Engine of the statistic of a model that is refitted for every relabelling.

    Parameters
    ----------
    values : array of shape (N, V)
    model : Model
    method : nistats_nipype.stats.methods.Method
        Freedman and Lane's, whose relabelling of the data is one of the whole design where
        :func:`check_relabelling` passes.
    schedule : Schedule
    signed : bool
        Whether the statistic is t (z of fixed effects); or else F (chi-squared).
    """

    scale, batch = 'model', _BATCH

    def __init__(self, values, model, method, schedule, signed):
        self.values, self.model, self.method = values, model, method
        self.schedule, self.signed = schedule, signed

    @property
    def n_held(self):
        """Numbers held for each observation and point."""
        return 1 if self.model.variances is None else 2

    def _statistics(self, bases, points):
        """Compute the statistic at some points: (B, points)."""
        out = np.empty((len(bases), len(points)))
        values = np.asarray(self.values[:, points], dtype=np.float64)
        n_interest, model = self.method.n_interest, self.model
        # What is tested comes last: it is taken beside all others.
        bases = np.ascontiguousarray(bases[:, ::-1])
        if model.name == 'robust':
            from .robust_kernels import relabelled_statistics

            relabelled_statistics(bases, n_interest, values, float(model.tuning), out)
        else:
            from .mixed_kernels import relabelled_statistics

            variances = np.asarray(model.variances[:, points], dtype=np.float64)
            code = mixed.METHODS.index(model.name)
            relabelled_statistics(bases, n_interest, values, variances, code, out)
        if n_interest == 1:
            return out if self.signed else out**2
        return out if model.name == 'fixed' else out / n_interest

    def observe(self, points):
        """Compute the statistic of the observed labelling at some points."""
        return self._statistics(observed_basis(self.method.split)[None], points)[0]

    def load(self, rows):
        """Prepare some relabellings, rows of the schedule: bases of the design."""
        return relabelled_basis(self.method, self.schedule, rows)

    def extremes(self, batches, points, side, limits, n_rows):
        """Maxima, counts and relabellings left out, over batches of relabellings."""
        maxima, counts, left_out = make_results(n_rows, len(points))
        for low, bases in zip(range(0, n_rows, self.batch), batches, strict=True):
            stat = self._statistics(bases, points)
            turned = np.abs(stat) if side == 0 else side * stat
            absent = np.isnan(stat)
            maxima[low : low + len(bases)] = turned.max(axis=1, initial=-np.inf, where=~absent)
            counts += (turned >= limits).sum(axis=0)
            left_out += absent.sum(axis=0)
        return maxima, counts, left_out

    def maps(self, rows, blocks, pool):
        """Compute the statistic of some rows of the schedule at blocks of points: (B, points)."""
        bases = self.load(rows)
        maps = pool.map(lambda points: self._statistics(bases, points), blocks)
        return np.concatenate(list(maps), axis=1)

    def observed_map(self, blocks, pool):
        """Compute the statistic of the observed labelling at blocks of points."""
        return np.concatenate(list(pool.map(self.observe, blocks)))
