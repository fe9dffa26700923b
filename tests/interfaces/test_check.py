"""The checks as interfaces: what they write, and when they fail."""

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from nistats_nipype.exceptions import DesignError
from nistats_nipype.interfaces import CheckDesign, CheckMaps, PlotOutliers


@pytest.fixture
def study(tmp_path):
    rng = np.random.default_rng(3)
    maps, base = [], rng.standard_normal((8, 8, 8))
    for number in range(1, 13):
        data = base + rng.standard_normal(base.shape)
        path = tmp_path / f'sub-{number:02d}_effect.nii'
        nib.save(nib.Nifti1Image(data.astype(np.float32), np.eye(4)), path)
        maps.append(str(path))
    table = pd.DataFrame(
        {
            'participant_id': [Path(path).name[:6] for path in maps],
            'group': ['a', 'b'] * 6,
            'age': rng.uniform(20, 70, 12).round(1),
        }
    )
    table.to_csv(tmp_path / 'participants.tsv', sep='\t', index=False)
    return maps, table, tmp_path / 'participants.tsv'


def run(interface, folder):
    folder.mkdir()
    return interface.run(cwd=str(folder)).outputs


def check(study, folder, **inputs):
    maps, _, table_file = study
    return run(
        CheckDesign(in_files=maps, table_file=table_file, formula='group + age', **inputs), folder
    )


def test_a_sound_design(study, tmp_path):
    outputs = check(study, tmp_path / 'work', contrasts={'group': 'group[T.b]'}, n_perm=100)
    assert outputs.in_files == study[0]
    table = pd.read_csv(outputs.findings_file, sep='\t')
    assert table.columns.tolist() == ['severity', 'code', 'where', 'problem', 'advice']
    assert table['severity'].tolist() == ['note']
    metadata = json.loads(Path(outputs.metadata_file).read_text())
    assert metadata['NumberOfErrors'] == 0
    assert metadata['NumberOfNotes'] == 1
    assert metadata['Findings'] == table.to_dict('records')


def test_errors_leave_nothing_unless_they_are_only_to_be_listed(study, tmp_path):
    _, table, table_file = study
    table.assign(age=2.0).to_csv(table_file, sep='\t', index=False)
    contrasts = {'group': 'group[T.b]', 'x': 'nothing'}
    with pytest.raises(DesignError, match='found 2 errors') as raised:
        check(study, tmp_path / 'fails', contrasts=contrasts)
    assert 'age is 2 for every map' in str(raised.value)
    assert 'names a column that the design does not have: nothing' in str(raised.value)
    assert list((tmp_path / 'fails').iterdir()) == []
    outputs = check(study, tmp_path / 'lists', contrasts=contrasts, on_error='report')
    listed = pd.read_csv(outputs.findings_file, sep='\t')
    errors = listed[listed['severity'] == 'error']
    assert set(errors['where']) == {'age', 'x'}


def test_maps_are_added_to_what_the_design_has(study, tmp_path):
    maps, _, _ = study
    image = nib.load(maps[4])
    nib.save(nib.Nifti1Image(image.get_fdata(dtype=np.float32) * 50, image.affine), maps[4])
    design = check(study, tmp_path / 'design', contrasts={'group': 'group[T.b]'}, n_perm=100)
    losses = tmp_path / 'maps.tsv'
    n_observed = np.full(12, 512)
    n_observed[7] = 200
    pd.DataFrame({'n_observed': n_observed, 'n_lost': 512 - n_observed}).to_csv(
        losses, sep='\t', index=False
    )
    inputs = {'in_files': maps, 'design_findings_file': design.findings_file}
    outputs = run(CheckMaps(**inputs, losses_file=losses), tmp_path / 'maps')
    table = pd.read_csv(outputs.findings_file, sep='\t')
    assert table['code'].tolist() == ['map-sd', 'map-coverage', 'few-maps']
    assert table['where'].tolist() == ['sub-05', 'sub-08', 'design']
    summary = pd.read_csv(outputs.summary_file, sep='\t')
    assert summary['map'].tolist() == [f'sub-{number:02d}' for number in range(1, 13)]
    values = [nib.load(path).get_fdata() for path in maps]
    np.testing.assert_allclose(summary['mean'], [each.mean() for each in values], atol=1e-5)
    np.testing.assert_allclose(summary['sd'], [each.std() for each in values], rtol=1e-5)
    np.testing.assert_allclose(summary['coverage'], n_observed / 512)
    figures = [
        run(plot, tmp_path / f'figure-{index}').figure_file
        for index, plot in enumerate([
            PlotOutliers(summary_file=outputs.summary_file),
            PlotOutliers(
                summary_file=outputs.summary_file, findings_file=outputs.findings_file
            ),
        ])
    ]  # fmt: skip
    contents = []
    for path in figures:
        with open(path, 'rb') as stream:
            contents.append(stream.read())
    assert contents[0] != contents[1]
    alone = run(CheckMaps(in_files=maps), tmp_path / 'alone')
    assert pd.read_csv(alone.findings_file, sep='\t')['where'].tolist() == ['sub-05']


def test_a_map_without_values_is_an_error(study, tmp_path):
    maps, _, _ = study
    nib.save(nib.Nifti1Image(np.full((8, 8, 8), 3, np.float32), np.eye(4)), maps[2])
    with pytest.raises(DesignError, match='sub-03: The map has one value everywhere'):
        run(CheckMaps(in_files=maps), tmp_path / 'fails')
    outputs = run(CheckMaps(in_files=maps, on_error='report'), tmp_path / 'lists')
    assert pd.read_csv(outputs.findings_file, sep='\t')['code'].tolist() == ['flat-map']
