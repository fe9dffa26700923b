"""Maps selected by the names of files, from folders as other pipelines leave them."""

import json
from pathlib import Path

import pytest

from nistats_nipype.datasets import parse_entities, select_maps
from nistats_nipype.exceptions import InputError


@pytest.fixture
def make(tmp_path):
    """Make empty files; give their folder."""

    def make(*names):
        for name in names:
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        return tmp_path

    return make


def relative(paths, folder):
    return [str(Path(path).relative_to(folder)) for path in paths]


def fitlins(*subjects, level='node-subjectLevel', contrast='faces', run=''):
    """Files of FitLins: run level and subject level, each with all its statistics."""
    return [
        f'{level}/sub-{sub}/sub-{sub}{run}_contrast-{contrast}_stat-{stat}_statmap.nii.gz'
        for sub in subjects
        for stat in ('effect', 'variance', 't', 'z', 'p')
    ]


def test_entities_of_names_and_folders():
    found = parse_entities('node-run/sub-01/ses-a/sub-01_ses-b_task-x+y_stat-effect_statmap.nii')
    assert found == {
        'node': 'run', 'sub': '01', 'ses': 'b', 'task': 'x+y', 'stat': 'effect',
        'suffix': 'statmap', 'extension': '.nii',
    }  # fmt: skip


def test_effects_and_variances_of_fitlins(make):
    folder = make(
        *fitlins('10', '02'),
        *fitlins('10', '02', contrast='houses'),
        *fitlins('10', '02', level='node-runLevel', run='_run-1'),
        # No subject, and no volume.
        'node-dataset/contrast-faces_stat-effect_statmap.nii.gz',
        'node-subjectLevel/sub-02/sub-02_contrast-faces_stat-effect_statmap.dscalar.nii',
    )
    found = select_maps(folder, {'contrast': 'faces', 'node': 'subjectLevel'}, variances=True)
    name = 'node-subjectLevel/sub-{0}/sub-{0}_contrast-faces_stat-{1}_statmap.nii.gz'
    assert found.subjects == ['sub-02', 'sub-10']
    assert relative(found.effect_files, folder) == [
        name.format('02', 'effect'), name.format('10', 'effect')
    ]  # fmt: skip
    assert relative(found.variance_files, folder) == [
        name.format('02', 'variance'), name.format('10', 'variance')
    ]  # fmt: skip
    assert found.dropped == []
    # Maps without an entity are asked for by an empty value.
    without = select_maps(folder, {'contrast': 'faces', 'run': ''})
    assert without.effect_files == found.effect_files
    assert without.variance_files is None
    with_run = select_maps(folder, {'contrast': 'faces', 'run': '1', 'subject': '10'})
    assert relative(with_run.effect_files, folder) == [
        'node-runLevel/sub-10/sub-10_run-1_contrast-faces_stat-effect_statmap.nii.gz'
    ]


def test_several_maps_of_a_subject_are_all_listed(make):
    files = fitlins('01', '02') + fitlins('02', level='node-runLevel', run='_run-1')
    folder = make(*files, *fitlins('03'), *fitlins('03', contrast='houses'))
    with pytest.raises(InputError, match='more than one map for a subject') as error:
        select_maps(folder)
    several = [each for each in files[5:] if 'stat-effect' in each]
    assert len(several) == 2
    assert all(str(folder / each) in error.value.found for each in several)
    assert 'sub-01' not in error.value.found
    assert 'contrast: faces, houses' in error.value.advice
    assert 'node: runLevel, subjectLevel; run: (none), 1' in error.value.advice


def test_nothing_selected_says_what_there_is(make):
    folder = make(*fitlins('01', '02'), *fitlins('01', contrast='houses'))
    with pytest.raises(InputError, match='No map in') as error:
        select_maps(folder, {'contrast': 'cars', 'task': 'x'})
    assert 'contrast: faces, houses' in error.value.found
    assert 'contrast=cars' in error.value.expected
    with pytest.raises(InputError, match='No map in') as error:
        select_maps(make('empty/notes.txt') / 'empty')
    assert 'no NIfTI file' in error.value.found
    with pytest.raises(InputError, match='does not exist'):
        select_maps(folder / 'none')


def test_subjects_without_a_map_or_its_variances(make):
    folder = make(*fitlins('01', '02', '03'), 'sub-04/figures/design.svg')
    gone = folder / fitlins('02')[1]
    gone.unlink()
    with pytest.raises(InputError, match='do not have what was asked for') as error:
        select_maps(folder, variances=True)
    assert 'sub-04: no such map' in error.value.found
    assert 'sub-02_contrast-faces_stat-effect_statmap.nii.gz: no map of' in error.value.found
    found = select_maps(folder, variances=True, unmatched='drop')
    assert found.subjects == ['sub-01', 'sub-03']
    assert [each['reason'] for each in found.dropped] == ['no such map', 'no map of variances']
    # Without variances only one is incomplete.
    assert len(select_maps(folder, unmatched='drop').subjects) == 3
    with pytest.raises(InputError, match='do not have what was asked for') as error:
        select_maps(folder)
    assert error.value.found == 'sub-04: no such map'


def test_other_maps_than_effects(make):
    folder = make(
        *(f'sub-{sub}/anat/sub-{sub}_space-MNI_label-{tissue}_probseg.nii.gz'
          for sub in ('01', '02') for tissue in ('GM', 'WM'))
    )  # fmt: skip
    found = select_maps(folder, {'suffix': 'probseg', 'label': 'GM'})
    assert [Path(path).name for path in found.effect_files] == [
        'sub-01_space-MNI_label-GM_probseg.nii.gz', 'sub-02_space-MNI_label-GM_probseg.nii.gz'
    ]  # fmt: skip
    with pytest.raises(InputError, match='Only effects'):
        select_maps(folder, {'suffix': 'probseg', 'label': 'GM'}, variances=True)


def test_sidecars_are_inherited(make):
    folder = make(*fitlins('01', '02'))
    name = 'sub-01_contrast-faces_stat-effect_statmap'
    own = folder / 'node-subjectLevel' / 'sub-01'
    (folder / 'statmap.json').write_text('{"Units": "a", "Level": "all"}')
    (own / 'sub-01_statmap.json').write_text('{"Units": "b"}')
    (own / f'{name}.json').write_text('{"Scale": 2}')
    (own / 'sub-01_contrast-houses_statmap.json').write_text('{"Units": "wrong"}')
    first, second = select_maps(folder).metadata
    assert first['Sidecar'] == {'Units': 'b', 'Level': 'all', 'Scale': 2}
    assert second['Sidecar'] == {'Units': 'a', 'Level': 'all'}
    assert first['Entities']['node'] == 'subjectLevel'
    assert json.dumps(first)


FEAT = [
    *(f'S0{number}.feat/stats/{kind}{cope}.nii.gz'
      for number in (1, 2) for kind in ('cope', 'varcope', 'zstat') for cope in (1, 2)),
    'S03.feat/stats/cope1.nii.gz', 'S03.feat/stats/varcope1.nii.gz',
    'S03.feat/reg_standard/stats/cope1.nii.gz', 'S03.feat/reg_standard/stats/varcope1.nii.gz',
]  # fmt: skip


def test_first_levels_of_feat(make):
    folder = make(*FEAT)
    found = select_maps(folder, {'cope': 1}, variances=True)
    assert found.subjects == ['S01', 'S02', 'S03']
    assert relative(found.effect_files, folder) == [
        'S01.feat/stats/cope1.nii.gz', 'S02.feat/stats/cope1.nii.gz',
        'S03.feat/reg_standard/stats/cope1.nii.gz',
    ]  # fmt: skip
    assert relative(found.variance_files, folder) == [
        'S01.feat/stats/varcope1.nii.gz', 'S02.feat/stats/varcope1.nii.gz',
        'S03.feat/reg_standard/stats/varcope1.nii.gz',
    ]  # fmt: skip
    with pytest.raises(InputError, match='do not have') as error:
        select_maps(folder, {'cope': 2}, variances=True)
    assert error.value.found == 'S03.feat: no such map'
    found = select_maps(folder, {'cope': 2}, unmatched='drop')
    assert found.subjects == ['S01', 'S02']
    with pytest.raises(InputError, match='No map in') as error:
        select_maps(folder, {'cope': 3})
    assert 'S01.feat, S02.feat, S03.feat' in error.value.found


def test_higher_levels_of_feat(make):
    folder = make(
        *(f'sub-0{number}/both.gfeat/cope{cope}.feat/stats/{kind}1.nii.gz'
          for number in (1, 2) for cope in (1, 2) for kind in ('cope', 'varcope')),
        *(f'sub-0{number}/run{run}.feat/stats/cope2.nii.gz'
          for number in (1, 2) for run in (1, 2)),
    )  # fmt: skip
    with pytest.raises(InputError, match='more than one map for a subject') as error:
        select_maps(folder, {'cope': '2'})
    assert error.value.found.count('.nii.gz') == 6
    found = select_maps(folder, {'cope': '2', 'folder': '*.gfeat'}, variances=True)
    assert found.subjects == ['sub-01', 'sub-02']
    assert relative(found.effect_files, folder) == [
        f'sub-0{number}/both.gfeat/cope2.feat/stats/cope1.nii.gz' for number in (1, 2)
    ]
    assert relative(found.variance_files, folder) == [
        f'sub-0{number}/both.gfeat/cope2.feat/stats/varcope1.nii.gz' for number in (1, 2)
    ]


def test_contrasts_of_spm(make):
    folder = make(
        *(f'glm/{sub}/con_000{con}.{end}' for sub in ('anna', 'bert') for con in (1, 2)
          for end in ('img', 'hdr')),
        'glm/anna/spmT_0001.img', 'glm/cleo/con_0001.nii',
    )  # fmt: skip
    found = select_maps(folder, {'con': '1'})
    assert found.subjects == ['anna', 'bert', 'cleo']
    assert relative(found.effect_files, folder) == [
        'glm/anna/con_0001.img', 'glm/bert/con_0001.img', 'glm/cleo/con_0001.nii'
    ]  # fmt: skip
    with pytest.raises(InputError, match='do not have') as error:
        select_maps(folder, {'con': '2'})
    assert error.value.found == 'glm/cleo: no such map'
    with pytest.raises(InputError, match='SPM writes no maps of variances') as error:
        select_maps(folder, {'con': '1'}, variances=True)
    assert '(con / spmT) ** 2' in error.value.advice
    make('glm/anna/con_0001.nii')
    with pytest.raises(InputError, match='is there twice'):
        select_maps(folder, {'con': '1'})


@pytest.mark.parametrize('entities', [{'cope': 'x'}, {'con': '1', 'task': 'x'}, {'cope': ''}])
def test_entities_that_feat_and_spm_do_not_have(make, entities):
    with pytest.raises(InputError, match='not selected like that') as error:
        select_maps(make(*FEAT), entities)
    assert '=<number>' in error.value.expected
