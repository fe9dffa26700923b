"""Designs from other tools on the command line."""

import json
import re

import numpy as np
import pandas as pd
import pytest

from nistats_nipype.cli import build
from nistats_nipype.cli.parser import get_parser
from nistats_nipype.designs.fsl import save_fsl
from nistats_nipype.designs.group import define_contrast
from nistats_nipype.designs.matrices import design_from_formula
from nistats_nipype.exceptions import ContrastError, DesignError, InputError

MODEL = {
    'Level': 'Dataset',
    'Name': 'group',
    'GroupBy': ['contrast'],
    'Model': {'X': [1, 'age'], 'Type': 'glm'},
    'DummyContrasts': {'Contrasts': ['age'], 'Test': 't'},
    'Contrasts': [
        {'Name': 'F all', 'ConditionList': [1, 'age'], 'Weights': [[1, 0], [0, 1]], 'Test': 'F'}
    ],
}


def parse(*arguments):
    return get_parser().parse_args([str(argument) for argument in arguments])


@pytest.fixture
def fsl(group, tmp_path):
    """FSL's files of ``site + age``, in the order of the maps."""
    design = design_from_formula('site + age', group.frame)
    definitions = {'age': 'age', 'site': 'F(site)'}
    contrasts = [define_contrast(*item, design) for item in definitions.items()]
    return save_fsl(design, contrasts, tmp_path)


@pytest.fixture
def smdl(tmp_path):
    def smdl(*nodes):
        path = tmp_path / 'model-x_smdl.json'
        path.write_text(json.dumps({'Nodes': nodes or [MODEL]}))
        return path

    return smdl


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['--design-mat', 'd.mat', '--formula', 'age', '--table', 't'], 'more than one design'),
        (['--bids-model', 'm.json', '--formula', 'age', '--table', 't'], 'more than one design'),
        (['--bids-model', 'm.json', '--design-mat', 'd.mat'], 'more than one design'),
        (['--design-con', 'd.con'], '--design-con needs --design-mat'),
        (['--design-mat', 'd.mat', '--design-fts', 'd.fts'], '--design-fts needs --design-con'),
        (['--bids-model-node', 'n'], '--bids-model-node needs --bids-model'),
        (['--design-mat', 'd.mat', '--unmatched', 'drop'], 'a row for every map'),
        (['--design-mat', 'd.mat', '--table', 't.tsv'], 'Nothing of --table'),
    ],
)
def test_designs_that_contradict_each_other(arguments, message):
    with pytest.raises(InputError, match=message):
        build.build_run(parse('run', 'out', '--maps', 'a.nii', *arguments), 'out')
    if 'table' not in message:
        with pytest.raises(InputError, match=message):
            build.build_graph_workflow(parse('graph', 'g.dot', *arguments))


def test_fsl_files(group, fsl, tmp_path):
    args = parse(
        *('run', 'out', '--maps', *group.maps, '--design-mat', fsl['mat']),
        *('--design-con', fsl['con'], '--design-fts', fsl['fts'], '--n-perm', 0),
        *('--contrast', 'mean=EV1'),
    )
    analysis = build.build_run(args, tmp_path / 'out')
    assert analysis.labels == ['age', 'siteRow1', 'siteRow2', 'site', 'mean']
    inputs = analysis.workflow.inputs.inputnode
    assert inputs.design_file == fsl['mat']
    definition = analysis.workflow.get_node('contrast_site_wf.define_contrast').inputs.definition
    assert definition == [[0, 1, 0, 0], [0, 0, 1, 0]]
    note, *warnings = analysis.notes
    # The mean is that at age 0.
    assert all('EV1' in warning for warning in warnings)
    assert 'by their position alone: 12 rows' in note
    assert group.maps[0] in note
    assert group.maps[-1] in note


def test_a_design_in_a_table(group, tmp_path):
    design_file = tmp_path / 'design.csv'
    pd.DataFrame({'age': group.frame['age'], 'intercept': 1.0}).to_csv(design_file)
    args = parse(
        *('run', 'out', '--maps', *group.maps, '--design-mat', design_file),
        *('--contrast', 'older=age', '--n-perm', 0),
    )
    assert build.build_run(args, 'out').labels == ['older']


@pytest.mark.parametrize(
    ('extra', 'error', 'said'),
    [
        ([], ContrastError, '--design-mat needs --contrast or --design-con'),
        (['--contrast', 'x=age'], ContrastError, 'columns EV1, EV2, EV3, EV4'),
        (['--design-con', 'gone.con'], InputError, 'The file of --design-con does not exist'),
    ],
)
def test_designs_without_what_is_tested(group, fsl, extra, error, said):
    args = parse('run', 'out', '--maps', *group.maps, '--design-mat', fsl['mat'], *extra)
    with pytest.raises(error) as raised:
        build.build_run(args, 'out')
    assert said in str(raised.value)


def test_one_row_for_every_map(group, fsl):
    args = parse(
        'run', 'out', '--maps', *group.maps[:11], '--design-mat', fsl['mat'], '--contrast', 'x=EV1'
    )
    with pytest.raises(DesignError, match='same number of rows') as error:
        build.build_run(args, 'out')
    assert error.value.found.startswith('12 rows in')
    assert error.value.found.endswith('11 maps')


def test_a_bids_model(group, smdl):
    args = parse(
        *('run', 'out', '--table', group.table, '--map-column', 'effect_file'),
        *('--bids-model', smdl(), '--n-perm', 0),
    )
    analysis = build.build_run(args, 'out')
    assert analysis.labels == ['FAll', 'age']
    assert analysis.notes == []
    node = analysis.workflow.get_node('contrast_FAll_wf.define_contrast')
    assert node.inputs.definition == [[1, 0], [0, 1]]
    inputs = analysis.workflow.inputs.inputnode
    assert (inputs.bids_model_file, inputs.table_file) == (str(smdl()), str(group.table))


def test_the_node_of_a_bids_model(group, smdl):
    other = {**MODEL, 'Name': 'mean', 'Model': {'X': [1]}, 'DummyContrasts': {'Test': 't'}}
    other.pop('Contrasts')
    common = [
        'run',
        'out',
        '--maps',
        *group.maps,
        '--bids-model',
        smdl(MODEL, other),
        '--n-perm',
        0,
    ]
    with pytest.raises(InputError, match='not clear which node'):
        build.build_run(parse(*common), 'out')
    analysis = build.build_run(parse(*common, '--bids-model-node', 'mean'), 'out')
    assert analysis.labels == ['intercept']
    assert analysis.workflow.get_node('build_design').inputs.node == 'mean'


def test_graphs_of_designs_from_files(fsl, smdl):
    arguments = ['--design-mat', 'not-read.mat', '--design-con', fsl['con'], '--n-perm', 0]
    names = build.build_graph_workflow(parse('graph', 'g.dot', *arguments)).list_node_names()
    assert 'contrast_siteRow2_wf.define_contrast' in names
    names = build.build_graph_workflow(
        parse('graph', 'g.dot', '--bids-model', smdl(), '--n-perm', 0)
    ).list_node_names()
    assert {'contrast_FAll_wf.define_contrast', 'contrast_age_wf.define_contrast'} <= set(names)


@pytest.mark.slow
def test_a_design_of_fsl_gives_the_maps_of_the_formula(group, fsl, tmp_path, command):
    """The same statistics from both, bit for bit; only the names of the columns differ."""
    common = ('--maps', f'{group.folder}/*.nii.gz', '--fwhm', 0, '--n-perm', 20, '--n-chunks', 1)
    common = (*common, '--plugin', 'Linear', '--work-dir')
    code, output = command(
        *('run', 'theirs', *common, tmp_path / 'w1', '--design-mat', fsl['mat']),
        *('--contrast', 'age=EV4', '--contrast', 'site=EV2, EV3'),
        timeout=280,
    )
    assert code == 0, output
    assert re.search(r'Note: Rows of .*design.mat belong to the maps by their position', output)
    code, output = command(
        *('run', 'ours', *common, tmp_path / 'w2', '--table', group.table),
        *('--formula', 'site + age', '--contrast', 'age=age', '--contrast', 'site=F(site)'),
        timeout=280,
    )
    assert code == 0, output
    for name in ('age_stat-t', 'site_stat-F', 'age_stat-logp_desc-voxelFWE'):
        one, other = (
            (tmp_path / out / f'contrast-{name}_statmap.nii.gz').read_bytes()
            for out in ('theirs', 'ours')
        )
        assert one == other
    theirs, ours = (
        json.loads((tmp_path / out / 'design.json').read_text()) for out in ('theirs', 'ours')
    )
    assert (theirs['DesignSource'], theirs['RowsMatchedBy']) == ('design.mat', 'position')
    assert ours['Formula'] == 'site + age'
    assert ours['Terms']['site'] == {
        'Columns': ['site[T.b]', 'site[T.c]'],
        'Coding': {'site': 'treatment, against a'},
    }
    matrices = [pd.read_csv(tmp_path / out / 'design.tsv', sep='\t') for out in ('theirs', 'ours')]
    np.testing.assert_array_equal(*matrices)
