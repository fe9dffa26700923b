"""Tails of the null distributions of cluster mass and TFCE; those of t are beside its tests."""

import itertools
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from nistats_nipype.exceptions import NistatsNipypeWarning
from nistats_nipype.interfaces import (
    BuildDesign,
    DefineContrast,
    DrawSchedule,
    MergeSpatial,
    PermuteSpatial,
)
from nistats_nipype.stats.tails import gpd_tail

NAMES = ('extent', 'mass', 'tfce')


@pytest.fixture
def measured(run, group):
    """Measure clusters and TFCE over relabellings; give what merging needs."""

    def measured(n_perm=399, formula='group', definition='group[T.patient]', n_maps=12, z=2.0):
        build = BuildDesign(in_files=group.in_files[:n_maps])
        if formula is not None:
            build.inputs.trait_set(formula=formula, table_file=group.table_file)
        about = {'design_file': run(build).design_file}
        define = DefineContrast(name='x', definition=definition, **about)
        about['contrast_file'] = run(define).contrast_file
        drawn = run(DrawSchedule(n_perm=n_perm, seed=3, **about))
        about['mask_file'] = group.mask_file
        permute = PermuteSpatial(
            in_files=group.in_files[:n_maps],
            schedule_file=drawn.schedule_file,
            cluster_threshold=z,
            tfce=True,
            **about,
        )
        return {
            'chunk_files': [run(permute).chunk_file],
            'schedule_metadata_file': drawn.metadata_file,
            **about,
        }

    return measured


@pytest.fixture
def merge(run, read, read_json, group):
    def merge(inputs, **more):
        found = run(MergeSpatial(**inputs, **more))
        maps = {
            f'{name}{kind}': read(getattr(found, f'{name}{kind}_file'), group.mask).astype(float)
            for name, kind in itertools.product(NAMES, ('', '_p_fwe', '_logp_fwe'))
        }
        null = pd.read_csv(found.null_file, sep='\t')
        metadata = read_json(found.metadata_file)
        return SimpleNamespace(files=found.get(), null=null, metadata=metadata, **maps)

    return merge


@pytest.mark.parametrize('tail', ['gpd', 'gamma'])
def test_mass_and_tfce_have_tails(measured, merge, tail):
    inputs = measured(formula=None, definition='intercept')
    counted, tailed = merge(inputs), merge(inputs, tail=tail)
    for name in ('mass', 'tfce'):
        null = tailed.null[f'max_{name}'].to_numpy()
        observed = np.minimum(getattr(tailed, name), null[0])
        p, counts = (getattr(found, f'{name}_p_fwe') for found in (tailed, counted))
        if tail == 'gpd':
            expected = gpd_tail(null, observed, n_possible=2**12).p
            expected = np.where(counts < 0.1, expected, counts)
        else:
            skewness = stats.skew(null, bias=False)
            gamma = stats.pearson3(skewness, null.mean(), null.std(ddof=1))
            expected = np.where(counts < 1, np.maximum(gamma.sf(observed), 1 / 2**12), 1)
        # No test at points outside clusters.
        assert (p[getattr(tailed, name) == 0] == 1).all()
        np.testing.assert_allclose(p, expected, rtol=2e-4)
        np.testing.assert_allclose(getattr(tailed, f'{name}_logp_fwe'), -np.log10(p), atol=1e-5)
        fitted = tailed.metadata['Tail'][name]
        assert fitted['Distribution'] == tail
        assert tailed.metadata['CorrectedPValue'][name] == fitted['Method']
        assert tailed.metadata['SmallestCorrectedP'][name] == pytest.approx(p.min(), rel=1e-6)
        assert tailed.metadata['MonteCarlo'][name] == counted.metadata['MonteCarlo'][name]
        n_fitted = fitted['NumberOfVoxelsFitted'] + fitted['NumberOfVoxelsAtLimit']
        assert n_fitted == (counts < (0.1 if tail == 'gpd' else 1)).sum() > 0


@pytest.mark.parametrize('tail', ['gpd', 'gamma'])
def test_extent_is_counted(measured, merge, tail):
    inputs = measured()
    counted, tailed = merge(inputs), merge(inputs, tail=tail)
    for name in ('extent', 'extent_p_fwe', 'extent_logp_fwe', 'tfce_p_uncorrected', 'null'):
        one, other = (Path(found.files[f'{name}_file']) for found in (counted, tailed))
        assert one.read_bytes() == other.read_bytes()
    assert tailed.metadata['Tail']['extent'] is None
    assert tailed.metadata['CorrectedPValue']['extent'] == 'counts of 400 relabellings'


def test_effects_get_smaller_p(measured, merge, group):
    """The corner with an effect is beyond what 400 of some 4,000 sign flips can count."""
    inputs = measured(formula=None, definition='intercept')
    counted, tailed = merge(inputs), merge(inputs, tail='gpd')
    assert counted.tfce_p_fwe.min() == pytest.approx(1 / 400)
    # No less than what all flips could give.
    assert 1 / 2**12 <= np.float32(tailed.tfce_p_fwe.min()) < 1 / 400
    assert tailed.metadata['Tail']['tfce']['SmallestPossibleP'] == 1 / 2**12
    assert tailed.metadata['SmallestPossibleP'] == counted.metadata['SmallestPossibleP']


def test_maxima_without_clusters(measured, merge):
    """Where most relabellings form no cluster, most maxima are 0; p of no cluster stays 1."""
    inputs = measured(z=4.2)
    for tail in ('gpd', 'gamma'):
        found = merge(inputs, tail=tail)
        assert (found.null['max_mass'] == 0).mean() > 0.5
        assert (found.mass_p_fwe[found.mass == 0] == 1).all()
        assert (found.mass_p_fwe > 0).all()


def test_all_relabellings_leave_nothing_to_fit(measured, merge):
    inputs = measured(n_perm=500, n_maps=8)
    counted = merge(inputs)
    for tail in ('gpd', 'gamma'):
        tailed = merge(inputs, tail=tail)
        for name in NAMES:
            p = getattr(tailed, f'{name}_p_fwe')
            np.testing.assert_array_equal(p, getattr(counted, f'{name}_p_fwe'))
            assert tailed.metadata['CorrectedPValue'][name] == 'exact: all 70 relabellings'
        # Either group can be the first.
        assert tailed.metadata['SmallestPossibleP'] == 2 / 70


def test_few_relabellings(measured, merge):
    inputs = measured(n_perm=99)
    with pytest.warns(NistatsNipypeWarning, match='a quarter of 100 relabellings'):
        found = merge(inputs, tail='gpd')
    assert found.metadata['Tail']['tfce']['ObservedLabellingFitted'] is True
