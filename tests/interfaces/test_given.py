"""Designs from other tools, and for them, as interfaces."""

import json
import shutil

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from nistats_nipype.designs.blocks import load_groups
from nistats_nipype.exceptions import DesignError, InputError
from nistats_nipype.interfaces import (
    BuildDesign,
    ComputeContrast,
    ExportFSL,
    FitGLM,
    ReadDesign,
)


def load(path):
    return pd.read_csv(path, sep='\t')


@pytest.fixture
def built(run, group):
    return run(
        BuildDesign(
            in_files=group.in_files,
            table_file=group.table_file,
            formula='site + center(age)',
            contrasts={'older': 'center(age)', 'site': 'F(site)'},
        )
    )


def test_coding_is_in_the_metadata(built, read_json):
    assert read_json(built.metadata_file) == {
        'Formula': 'site + center(age)',
        'Terms': {
            'intercept': {'Columns': ['intercept']},
            'site': {
                'Columns': ['site[T.b]', 'site[T.c]'],
                'Coding': {'site': 'treatment, against a'},
            },
            'center(age)': {'Columns': ['center(age)']},
        },
    }


@pytest.mark.parametrize(
    ('formula', 'term', 'coding'),
    [
        ('0 + site', 'site', {'site': 'a column for every level'}),
        ('C(site, contr.sum)', 'C(site, contr.sum)', {'C(site, contr.sum)': 'sum'}),
        (
            "C(site, contr.treatment('b')) * group",
            "C(site, contr.treatment('b')):group",
            {
                "C(site, contr.treatment('b'))": 'treatment, against b',
                'group': 'treatment, against control',
            },
        ),
        ('age', 'age', None),
    ],
)
def test_codings(run, group, read_json, formula, term, coding):
    found = run(BuildDesign(in_files=group.in_files, table_file=group.table_file, formula=formula))
    metadata = read_json(found.metadata_file)['Terms'][term]
    assert metadata.get('Coding') == coding
    assert set(metadata['Columns']) <= set(load(found.design_file))


def test_there_and_back(run, group, built, read, new_folder):
    """The statistic of a design that was written for FSL and read again is the same."""
    groups_file = new_folder('groups') / 'groups.csv'
    groups_file.write_text('1\n2\n' * 6)
    exported = run(
        ExportFSL(
            design_file=built.design_file,
            contrast_files=built.contrast_files,
            groups_file=str(groups_file),
        )
    )
    again = run(
        ReadDesign(
            in_files=group.in_files,
            design_file=exported.mat_file,
            con_file=exported.con_file,
            fts_file=exported.fts_file,
        )
    )
    np.testing.assert_array_equal(load(again.design_file), load(built.design_file))
    names = [path.rpartition('contrast-')[2] for path in again.contrast_files]
    assert names == ['older.json', 'siteRow1.json', 'siteRow2.json', 'site.json']
    stats = []
    for each, index in ((built, 1), (again, 3)):
        maps = {'mask_file': group.mask_file, 'design_file': each.design_file}
        fit = run(FitGLM(in_files=group.in_files, **maps))
        tested = run(
            ComputeContrast(
                model_file=fit.model_file, contrast_file=each.contrast_files[index], **maps
            )
        )
        stats.append(read(tested.stat_file, group.mask))
    np.testing.assert_array_equal(*stats)
    assert load_groups(exported.grp_file).tolist() == [1, 2] * 6


def test_rows_of_a_4d_file(run, group, new_folder, read_json):
    folder = new_folder('4d')
    nib.save(nib.concat_images(group.in_files[:4]), folder / 'all.nii.gz')
    (folder / 'design.txt').write_text('1 3\n1 5\n1 2\n1 9\n')
    found = run(
        ReadDesign(in_files=str(folder / 'all.nii.gz'), design_file=str(folder / 'design.txt'))
    )
    assert load(found.design_file).to_dict('list') == {'EV1': [1.0] * 4, 'EV2': [3.0, 5, 2, 9]}
    assert found.contrast_files == []
    assert read_json(found.metadata_file)['RowsMatchedBy'] == 'position'


MODEL = {
    'Nodes': [
        {
            'Level': 'Dataset',
            'Name': 'x',
            'GroupBy': ['contrast'],
            'Transformations': {
                'Transformer': 'pybids-transforms-v1',
                'Instructions': [{'Name': 'Factor', 'Input': ['group']}],
            },
            'Model': {'X': ['group.patient', 'group.control', 'age'], 'Type': 'glm'},
            'DummyContrasts': {'Contrasts': ['age'], 'Test': 't'},
        }
    ]
}


def test_rows_of_a_model_follow_the_maps(run, group, new_folder, read_json):
    model_file = new_folder('model') / 'model-x_smdl.json'
    model_file.write_text(json.dumps(MODEL))
    table = group.table.sample(frac=1, random_state=1)
    table.to_csv(group.table_file, sep='\t', index=False)
    in_files = group.in_files[::-1]
    found = run(
        ReadDesign(in_files=in_files, bids_model_file=str(model_file), table_file=group.table_file)
    )
    rows = group.table[::-1]
    expected = {
        'group.patient': (rows['group'] == 'patient').astype(float).tolist(),
        'group.control': (rows['group'] == 'control').astype(float).tolist(),
        'age': rows['age'].astype(float).tolist(),
    }
    assert load(found.design_file).to_dict('list') == expected
    assert read_json(found.contrast_files[0])['ContrastWeights'] == [[0, 0, 1]]
    metadata = read_json(found.metadata_file)
    assert metadata == {
        'DesignSource': 'model-x_smdl.json',
        'ModelNode': 'x',
        'RowsMatchedBy': 'table',
    }


def test_designs_that_are_refused(refuse, group, built, new_folder):
    refuse(ReadDesign(in_files=group.in_files), InputError, 'not clear which design')
    short = ReadDesign(in_files=group.in_files[:5], design_file=built.design_file)
    refuse(short, DesignError, 'same number of rows', '12 rows', '5 maps')
    twice = new_folder('twice') / 'design.txt'
    twice.write_text('1 1\n' * 12)
    deficient = ReadDesign(in_files=group.in_files, design_file=str(twice))
    refuse(deficient, DesignError, 'rank-deficient', 'EV1, EV2')
    both = ReadDesign(in_files=group.in_files, design_file=built.design_file)
    both.inputs.bids_model_file = shutil.copy(group.table_file, new_folder('m') / 'm.json')
    refuse(both, InputError, 'not clear which design')


def test_contrasts_wait_for_voxelwise_covariates(group, refuse, run, read_json, tmp_path):
    design = pd.DataFrame({'mean': 1.0, 'grey': np.zeros(12)})
    design.to_csv(tmp_path / 'design.tsv', sep='\t', index=False)
    np.savetxt(tmp_path / 'design.con', [[0, 1]])
    asked = {
        'in_files': group.in_files,
        'design_file': str(tmp_path / 'design.tsv'),
        'covariate_names': ['grey'],
    }
    found = run(ReadDesign(**asked))
    assert list(pd.read_csv(found.design_file, sep='\t')) == ['mean']
    terms = read_json(found.metadata_file)['Terms']
    assert terms['grey']['Columns'] == ['grey[voxelwise]']
    con = ReadDesign(con_file=str(tmp_path / 'design.con'), **asked)
    refuse(con, InputError, 'before the voxelwise covariates')
