"""Mixed effects with known variances beside PyMARE: CPU time a voxel, and who finds the maximum.

Run ``python benchmarks/mixed.py``. A simulated group of 30 maps with an intercept, or with three
covariates too, is fitted by REML: by this package; by PyMARE, one call for each voxel, on a few of
them; and by PyMARE, one call for all, on some more. One thread each; a small problem is run
first, so that imports and compiling are not counted. The last column is the share of voxels, of
those that both fitted, where the restricted likelihood is lower than ours, and the other way
round.
"""

import argparse
import os

os.environ |= {f'{name}_NUM_THREADS': '1' for name in ('OMP', 'OPENBLAS', 'MKL')}

from importlib.metadata import version

import numpy as np
from measuring import measure
from rich.console import Console
from rich.table import Table

N_MAPS = 30
#: Voxels of a problem, and those of them that the slower ways get.
N_VOXELS, N_AT_ONCE, N_ONE_BY_ONE = 200_000, 10_000, 300
#: Deviances closer than this are the same maximum.
TIE = 1e-6


def simulate(n_columns, n_voxels):
    """Effects, variances that differ between maps and voxels, and a design."""
    rng = np.random.default_rng(0)
    design = np.column_stack([np.ones(N_MAPS), rng.normal(size=(N_MAPS, n_columns - 1))])
    spread = np.exp(rng.normal(scale=0.5, size=(N_MAPS, 1)))
    variances = spread * rng.chisquare(10, size=(N_MAPS, n_voxels)) / 10
    tau2 = rng.choice([0.0, 0.3, 1.0, 10.0], size=n_voxels)
    return rng.normal(size=variances.shape) * np.sqrt(variances + tau2), variances, design


def ours(values, variances, design):
    """Fit all voxels with this package."""
    from nistats_nipype.stats import mixed

    return {'tau2': mixed.fit(values, variances, design).tau2}


def at_once(values, variances, design):
    """Fit all voxels with one call of PyMARE."""
    from pymare.estimators import VarianceBasedLikelihoodEstimator

    estimator = VarianceBasedLikelihoodEstimator('REML', small_sample_correction='wald')
    return {'tau2': estimator.fit(values, variances, design).params_['tau2'][0]}


def one_by_one(values, variances, design):
    """Fit all voxels with a call of PyMARE each."""
    columns = range(values.shape[1])
    parts = [at_once(values[:, [v]], variances[:, [v]], design)['tau2'] for v in columns]
    return {'tau2': np.concatenate(parts)}


def deviance(tau2, values, variances, design):
    """Minus twice the restricted log-likelihood at every voxel."""
    weights = 1 / (variances + tau2)
    information = np.einsum('ip,iv,iq->vpq', design, weights, design)
    moments = np.einsum('ip,iv,iv->vp', design, weights, values)
    beta = np.linalg.solve(information, moments[..., None])[..., 0]
    terms = weights * (values - design @ beta.T) ** 2 - np.log(weights)
    return terms.sum(axis=0) + np.linalg.slogdet(information)[1]


def first(problem, n_voxels):
    """The same problem at its first voxels."""
    values, variances, design = problem
    return values[:, :n_voxels].copy(), variances[:, :n_voxels].copy(), design


def main():
    """Print a table of each design."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--share', type=float, default=1.0, help='of the voxels')
    share = parser.parse_args().share
    pymare = f'PyMARE {version("pymare")}'
    contenders = {
        'nistats_nipype': (ours, N_VOXELS),
        f'{pymare}, a call for all': (at_once, N_AT_ONCE),
        f'{pymare}, a call each': (one_by_one, N_ONE_BY_ONE),
    }
    for n_columns in (1, 4):
        problem = simulate(n_columns, max(10, round(share * N_VOXELS)))
        table = Table(
            *(
                'contender',
                'voxels',
                'CPU s',
                'CPU µs a voxel',
                'ratio',
                'lower, higher likelihood',
            ),
            title=f'REML: {N_MAPS} maps, {n_columns} regressors',
        )
        reference = None
        for label, (contender, n_voxels) in contenders.items():
            part = first(problem, max(10, round(share * n_voxels)))
            contender(*first(part, 5))
            results, cost = measure(lambda: contender(*part))  # noqa: B023
            each = 1e6 * cost.cpu / part[0].shape[1]
            if reference is None:
                reference, tau2 = each, results['tau2']
                cells = '', ''
            else:
                theirs = deviance(results['tau2'], *part)
                excess = theirs - deviance(tau2[: theirs.size], *part)
                lower, higher = (excess > TIE).mean(), (excess < -TIE).mean()
                cells = f'{each / reference:.0f}', f'{lower:.2%}, {higher:.2%}'
            table.add_row(label, f'{part[0].shape[1]:,}', f'{cost.cpu:.2f}', f'{each:.2f}', *cells)
        Console().print(table)


if __name__ == '__main__':
    main()
