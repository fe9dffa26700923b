"""Influence of single maps in the whole analysis."""

import html
import json
import re

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from nistats_nipype.exceptions import InputError
from nistats_nipype.workflows import init_second_level_wf


@pytest.fixture(scope='module')
def results(simulated, build, tmp_path_factory):
    folder = tmp_path_factory.mktemp('influence')
    contrasts = {'mean': 'intercept', 'any': ['group[T.patient]', 'age']}
    inputs = {'formula': 'group + age', 'contrasts': contrasts, 'n_perm': 0, 'influence': True}
    build(folder / 'work', simulated, out_dir=folder / 'results', **inputs).run('Linear')
    return folder / 'results'


@pytest.mark.parametrize('contrast', ['mean', 'any'])
def test_the_table_is_that_of_an_analysis_without_the_map(
    results, simulated, build, tmp_path, contrast
):
    table = pd.read_csv(results / f'contrast-{contrast}_influence.tsv', sep='\t')
    sidecar = json.loads((results / f'contrast-{contrast}_influence.json').read_text())
    assert table['file'].tolist() == simulated.effect_files
    index = int(table['stat_at_peak'].abs().idxmin())
    assert sidecar['WeakestAtPeak']['file'] == simulated.effect_files[index]
    # Oracle: the whole analysis of the others, in the mask of all.
    kept = [path for i, path in enumerate(simulated.effect_files) if i != index]
    definition = {'mean': 'intercept', 'any': ['group[T.patient]', 'age']}[contrast]
    rows = pd.read_csv(simulated.participants_file, sep='\t').drop(index=index)
    rows.to_csv(tmp_path / 'participants.tsv', sep='\t', index=False)
    workflow = build(
        tmp_path / 'work',
        simulated,
        in_files=kept,
        formula='group + age',
        contrasts={'x': definition},
        table_file=str(tmp_path / 'participants.tsv'),
        mask_file=str(results / 'mask.nii.gz'),
        n_perm=0,
        out_dir=tmp_path / 'others',
    )
    workflow.run('Linear')
    kind = 't' if contrast == 'mean' else 'F'
    image = nib.load(tmp_path / 'others' / f'contrast-x_stat-{kind}_statmap.nii.gz')
    voxel = np.rint(np.linalg.inv(image.affine) @ [*sidecar['Peak'], 1])[:3].astype(int)
    after = float(image.dataobj[tuple(voxel)])
    assert table['stat_at_peak'][index] == pytest.approx(after, rel=1e-4)
    stat = nib.load(results / f'contrast-{contrast}_stat-{kind}_statmap.nii.gz')
    assert sidecar['PeakStatistic'] == pytest.approx(float(stat.dataobj[tuple(voxel)]), rel=1e-5)


def test_figure_and_report(results):
    for contrast in ('mean', 'any'):
        for figure in ('influence', 'peaks', 'effectsize', 'desc-uncorrectedThreshold_surface'):
            assert (results / 'figures' / f'contrast-{contrast}_{figure}.png').exists()
        peaks = json.loads((results / f'contrast-{contrast}_peaks.json').read_text())
        assert peaks['Kind'] in ('mean', 'groups', 'covariate', 'fit')
        assert (results / f'contrast-{contrast}_peaks.tsv').exists()
    assert (results / 'figures' / 'outliers.png').exists()
    source = (results / 'report.html').read_text()
    text = ' '.join(html.unescape(re.sub('<[^>]+>', ' ', source)).split())
    assert 't at the peak without each of the maps' in text
    sidecar = json.loads((results / 'contrast-mean_influence.json').read_text())
    lowest = sidecar['WeakestAtPeak']
    assert f'without one map {lowest["stat"]:.2f} ({lowest["file"]})' in text


@pytest.mark.parametrize(
    ('inputs', 'word'),
    [({'model': 'robust'}, 'robust'), ({'auto_variance_groups': True}, 'variance groups')],
)
def test_influence_on_other_models_is_refused(inputs, word):
    with pytest.raises(InputError, match='t and F of least squares') as error:
        init_second_level_wf(influence=True, n_perm=0, **inputs)
    assert word in error.value.found
