"""Contenders: other packages of Python, as their users call them."""

import warnings

import numpy as np
from ours import EXPONENTS, THRESHOLD_Z, cluster_threshold


def numpy_max_t(problem, n_perm):
    """Blocked single-precision matrix product with a running maximum: no counts, no p."""
    signs = problem.draw(n_perm).signs.astype(np.float32)
    n = len(problem.values)

    def work():
        units = problem.values / np.linalg.norm(problem.values, axis=0)
        maxima = np.zeros(len(signs), dtype=np.float32)
        for rows in range(0, len(signs), 512):
            for start in range(0, units.shape[1], 256):
                sums = signs[rows : rows + 512] @ units[:, start : start + 256]
                top = np.maximum(sums.max(axis=1), -sums.min(axis=1))
                np.maximum(maxima[rows : rows + 512], top, out=maxima[rows : rows + 512])
        r = maxima.astype(np.float64) / np.sqrt(n)
        return {'null': r * np.sqrt((n - 1) / (1 - r**2))}

    return work


def _masker(problem):
    import nibabel as nib
    from nilearn.maskers import NiftiMasker

    return NiftiMasker(nib.Nifti1Image(problem.mask.astype(np.uint8), problem.affine)).fit()


def _nilearn(problem, n_perm, **asked):
    """Call the function behind nilearn's non_parametric_inference."""
    from nilearn.mass_univariate import permuted_ols

    tested = int(np.flatnonzero(problem.contrast)[0])
    confounds = np.delete(problem.design, tested, axis=1)
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        return permuted_ols(
            problem.design[:, [tested]],
            problem.values,
            confounding_vars=confounds if confounds.size else None,
            model_intercept=False,
            n_perm=n_perm,
            two_sided_test=True,
            random_state=0,
            n_jobs=1,
            **asked,
        )


def nilearn_max_t(problem, n_perm):
    """Whole test on voxels."""

    def work():
        result = _nilearn(problem, n_perm)
        return {'t': result['t'][0], 'p': 10 ** -result['logp_max_t'][0]}

    return work


def nilearn_tfce_test(problem, n_perm):
    """Whole test on TFCE with 100 steps from 0 to the maximum of each map, and on voxels."""
    masker = _masker(problem)

    def work():
        result = _nilearn(problem, n_perm, masker=masker, tfce=True)
        step = np.abs(result['t']).max() / 100
        return {'TFCE': np.abs(result['tfce'][0]) * step, 'p': 10 ** -result['logp_max_tfce'][0]}

    return work


def nilearn_cluster_test(problem, n_perm):
    """Whole test on the extent and the mass of clusters, and on voxels."""
    from scipy import stats

    masker, threshold = _masker(problem), cluster_threshold(problem)

    def work():
        both_sides = 2 * stats.norm.sf(THRESHOLD_Z)
        result = _nilearn(problem, n_perm, masker=masker, threshold=both_sides)
        extent = result['size'][0]
        # Its mass is that of what exceeds the threshold.
        mass = result['mass'][0] + threshold * extent
        p = 10 ** -result['logp_max_size'][0]
        return {'extent': extent, 'mass': mass, 'p of extent': p}

    return work


def nilearn_tfce_maps(connectivity):
    """Contender: positive side of ready maps, in 100 steps."""

    def contender(problem, n_maps):
        from nilearn.mass_univariate._utils import calculate_tfce
        from scipy import ndimage

        structure = ndimage.generate_binary_structure(3, {6: 1, 26: 3}[connectivity])
        volumes = problem.volumes(problem.values[:n_maps])

        def work():
            enhanced = calculate_tfce(volumes, structure, two_sided_test=False)
            return {'TFCE': enhanced[problem.mask, 0] * problem.values[0].max() / 100}

        return work

    return contender


def _package_statistics(problem, n_perm):
    """Iterate over the statistics of our relabellings with the model of the tfce package."""
    from tfce.glm import PermutedGLM

    schedule = problem.draw(n_perm)
    tested = problem.contrast != 0
    nuisance = problem.design[:, ~tested]
    values = problem.values.astype(np.float64)
    # It takes the residuals of the nuisance, as Freedman and Lane relabel them.
    values -= nuisance @ (np.linalg.pinv(nuisance) @ values)
    model = PermutedGLM(values.T, problem.design, problem.contrast)
    if schedule.orders is None:
        yield from map(model.fit_signs, schedule.signs)
    else:
        yield from map(model.fit, schedule.orders)


def package_max_t(problem, n_perm):
    """Largest statistic of every relabelling: no counts, no p."""

    def work():
        maps = _package_statistics(problem, n_perm)
        observed = next(maps)
        null = [np.abs(observed).max(), *(np.abs(stat).max() for stat in maps)]
        return {'t': observed, 'null': np.array(null)}

    return work


def package_tfce_test(problem, n_perm):
    """Largest TFCE of every relabelling, on two sides: no counts, no p."""
    from tfce import tfce

    E, H = EXPONENTS

    def enhance(stat):
        volume = problem.volumes(stat[None].astype(np.float32))[..., 0]
        return np.abs(tfce(volume, connectivity=6, E=E, H=H)[problem.mask])

    def work():
        maps = map(enhance, _package_statistics(problem, n_perm))
        observed = next(maps)
        return {'TFCE': observed, 'null': np.array([observed.max(), *(one.max() for one in maps)])}

    return work


def package_tfce_maps(connectivity):
    """Contender: positive side of ready maps, exact, in single precision."""

    def contender(problem, n_maps):
        from tfce import tfce

        volumes = np.moveaxis(problem.volumes(problem.values[:n_maps].astype(np.float32)), -1, 0)
        settings = {'connectivity': connectivity, 'two_sided': False}

        def work():
            maps = [tfce(volume, **settings) for volume in volumes]
            return {'TFCE': maps[0][problem.mask]}

        return work

    return contender


def mne_max_t(problem, n_perm):
    """Whole test on voxels."""
    from mne.stats import permutation_t_test

    values = problem.values.astype(np.float64)

    def work():
        t, p, _ = permutation_t_test(values, n_perm, rng=0, verbose=False)
        return {'t': t, 'p': p}

    return work


def _mne(problem, n_perm, threshold):
    from mne.stats import permutation_cluster_1samp_test

    from nistats_nipype.images.adjacency import voxel_adjacency

    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        return permutation_cluster_1samp_test(
            problem.values.astype(np.float64),
            threshold=threshold,
            n_permutations=n_perm,
            adjacency=voxel_adjacency(problem.mask, 6),
            out_type='indices',
            rng=0,
            verbose=False,
        )


def mne_cluster_test(problem, n_perm):
    """Whole test on the mass of clusters."""

    def work():
        t, clusters, *_ = _mne(problem, n_perm, cluster_threshold(problem))
        mass = np.zeros(len(t))
        for (voxels,) in clusters:
            mass[voxels] = np.abs(t[voxels].sum())
        return {'mass': mass}

    return work


def mne_tfce_test(problem, n_perm):
    """Whole test on TFCE in steps of 0.1."""

    def work():
        enhanced, _, p, _ = _mne(problem, n_perm, {'start': 0, 'step': 0.1})
        return {'TFCE': np.abs(enhanced), 'p': p}

    return work
