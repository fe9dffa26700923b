"""Captions: thresholds and units are those of the metadata."""

import pytest

from nistats_nipype.viz.captions import FIGURES, describe_figure


def level(**change):
    known = {'Alpha': 0.001, 'Threshold': 3.2905267, 'ClusterThreshold': 0}
    return {**known, 'Sidedness': 'two-sided', **change}


@pytest.fixture
def metadata():
    fwe = {'Alpha': 0.05, 'Threshold': 4.8149, 'Sidedness': 'two-sided', 'ClusterThreshold': 5}
    return {
        'uncorrected': level(),
        'fwe': fwe,
        'extent': {**fwe, 'Threshold': None},
        'mass': fwe,
        'tfce': fwe,
        'influence': {'Statistic': 't'},
        'peaks': {
            'Kind': 'mean',
            'NumberOfPeaks': 3,
            'AdjustedFor': [],
            'Groups': [''],
            'Covariate': '',
            'HeldAt': '0',
            'Repeated': False,
        },
    }


def test_every_figure_has_a_caption(metadata):
    captions = [describe_figure(name, metadata) for name in FIGURES]
    assert len(set(captions)) == len(FIGURES)
    assert all(caption.endswith('.') for caption in captions)


@pytest.mark.parametrize('name', ['uncorrected', 'slices', 'surface'])
@pytest.mark.parametrize(
    ('sidedness', 'height'),
    [('two-sided', '|z| ≥ 3.29'), ('positive', 'z ≥ 3.29'), ('negative', 'z ≤ −3.29')],
)
def test_the_uncorrected_threshold(metadata, name, sidedness, height):
    metadata['uncorrected'] = level(Sidedness=sidedness)
    assert f'z where p < 0.001, uncorrected ({height}).' in describe_figure(name, metadata)


def test_corrected_thresholds(metadata):
    fwe = describe_figure('fwe', metadata)
    assert fwe.startswith('z where the FWE-corrected p < 0.05 (|z| ≥ 4.81), in clusters of at')
    # A cluster passes as a whole: no height of z stands for it.
    assert '≥' not in describe_figure('mass', metadata)
    assert 'which no voxel does' in describe_figure('extent', metadata)


def test_lines_and_units_of_effect_and_z(metadata):
    caption = describe_figure('effect_size', metadata)
    assert 'in the units of the maps' in caption
    assert '|z| ≥ 3.29' in caption
    assert '|z| ≥ 4.81' in caption
    assert 'clusters' not in caption
    del metadata['fwe']
    assert '4.81' not in describe_figure('effect_size', metadata)


def test_units_of_the_peaks(metadata):
    assert 'in the units of the maps' in describe_figure('peaks', metadata)
