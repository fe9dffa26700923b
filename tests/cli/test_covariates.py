"""Voxelwise covariates from the command line: tables, 4D files, patterns, and what is refused."""

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from nistats_nipype.cli import build
from nistats_nipype.cli.parser import get_parser
from nistats_nipype.exceptions import DesignError, GridError, InputError

from .conftest import AFFINE, SHAPE, save_map


def parse(*arguments, command='run'):
    return get_parser().parse_args([command, 'out', *map(str, arguments)])


@pytest.fixture(scope='module')
def study(group, tmp_path_factory):
    """The group with a map of grey matter for each, in a table: table, maps, values."""
    folder = tmp_path_factory.mktemp('study')
    rng = np.random.default_rng(8)
    data = rng.uniform(0.2, 0.8, (12, *SHAPE)).astype(np.float32)
    names = group.frame['participant_id']
    files = [
        save_map(each, folder / f'{name}_gm.nii.gz')
        for name, each in zip(names, data, strict=True)
    ]
    frame = group.frame.assign(effect_file=group.maps, gm_file=[Path(f).name for f in files])
    table = folder / 'participants.tsv'
    frame.iloc[::-1].to_csv(table, sep='\t', index=False)
    return table, files, data


@pytest.fixture
def asked(study):
    """Arguments that everything below has in common."""
    model = ('--table', study[0], '--formula', 'age + grey', '--contrast', 'grey=grey')
    return (*model, '--fwhm', 0, '--n-perm', 0)


def covariates_of(analysis):
    return analysis.workflow.get_node('inputnode').inputs.covariate_files


def test_maps_are_those_of_the_rows(group, study, asked):
    """The order is that of the maps, wherever these are from."""
    source = ('--covariate-maps', 'grey=gm_file')
    of_table = build.build_run(parse(*asked, '--map-column', 'effect_file', *source), 'out')
    assert covariates_of(of_table) == [study[1][::-1]]
    listed = build.build_run(parse(*asked, '--maps', *group.maps, *source), 'out')
    assert covariates_of(listed) == [study[1]]
    fit = listed.workflow.get_node('fit_voxelwise')
    assert fit.inputs.covariate_names == ['grey']
    assert listed.workflow.get_node('check_design').inputs.formula == 'age + grey'


def test_patterns_go_by_subject_and_4d_files_by_position(group, study, asked, tmp_path):
    maps = ('--maps', *group.maps[::-1])
    pattern = f'grey={study[0].parent}/*_gm.nii.gz'
    found = build.build_run(parse(*asked, *maps, '--covariate-maps', pattern), 'out')
    assert covariates_of(found) == [study[1][::-1]]
    stacked = save_map(np.moveaxis(study[2], 0, -1), tmp_path / 'all.nii.gz')
    found = build.build_run(parse(*asked, *maps, '--covariate-maps', f'grey={stacked}'), 'out')
    assert covariates_of(found) == [[stacked]]
    (note,) = [note for note in found.notes if 'by their position alone' in note]
    assert note.startswith(f'The volumes of {stacked}')


def test_names_of_files_that_tell_no_subject_are_refused(group, study, asked, tmp_path):
    for number, each in enumerate(study[2]):
        save_map(each, tmp_path / f'gm{number}.nii')
    source = f'grey={tmp_path}/gm*.nii'
    with pytest.raises(InputError, match='It cannot be told which map'):
        build.build_run(parse(*asked, '--maps', *group.maps, '--covariate-maps', source), 'out')


@pytest.mark.parametrize(
    ('more', 'error', 'words'),
    [
        (['grey=no_file'], InputError, 'columns participant_id, site, age'),
        (['grey=site'], InputError, 'name no map'),
        (['thick=gm_file'], DesignError, 'does not have the voxelwise covariate thick'),
        (['grey=gm_file', 'grey=gm_file'], InputError, 'have one name: grey'),
        (['grey=gm_file', '--model', 'robust'], InputError, "model='ols'"),
        (['grey=gm_file', '--influence'], InputError, 'no influence'),
        (['grey=gm_file', '--missing', 'per_voxel'], InputError, '--missing drop_voxel'),
        (['grey=gm_file', '--unmatched', 'drop'], InputError, '--unmatched error'),
    ],
)
def test_what_cannot_be_used_is_refused(group, asked, more, error, words):
    with pytest.raises(error) as info:
        build.build_run(parse(*asked, '--maps', *group.maps, '--covariate-maps', *more), 'out')
    assert words in str(info.value)


def test_variance_groups_and_a_kernel_for_nothing_are_refused(group, asked, tmp_path):
    groups = tmp_path / 'groups.csv'
    groups.write_text('1\n2\n' * 6)
    maps = (*asked, '--maps', *group.maps)
    source = ('--covariate-maps', 'grey=gm_file')
    with pytest.raises(InputError, match='does not go with --variance-groups'):
        build.build_run(parse(*maps, *source, '--variance-groups', groups), 'out')
    with pytest.raises(InputError, match='--covariate-fwhm needs --covariate-maps'):
        build.build_run(parse(*maps, '--covariate-fwhm', 4), 'out')


def test_numbers_and_grids_are_looked_at_first(group, study, asked, tmp_path):
    maps = (*asked, '--maps', *group.maps)
    few = save_map(np.moveaxis(study[2][:11], 0, -1), tmp_path / 'few.nii.gz')
    with pytest.raises(DesignError, match='11 maps of grey for 12 maps'):
        build.build_run(parse(*maps, '--covariate-maps', f'grey={few}'), 'out')
    wide = AFFINE * [1.5, 1, 1, 1]
    other = save_map(np.moveaxis(study[2], 0, -1), tmp_path / 'other.nii.gz', affine=wide)
    with pytest.raises(GridError):
        build.build_run(parse(*maps, '--covariate-maps', f'grey={other}'), 'out')


def test_a_design_matrix_has_a_last_column_for_it(group, study, tmp_path):
    matrix = np.column_stack([np.ones(12), group.frame['age'], np.zeros(12)])
    np.savetxt(tmp_path / 'design.csv', matrix, delimiter=',')
    np.savetxt(tmp_path / 'contrasts.csv', [[0, 0, 1]], delimiter=',')
    stacked = save_map(np.moveaxis(study[2], 0, -1), tmp_path / 'all.nii.gz')
    given = ('--design-mat', tmp_path / 'design.csv', '--design-con', tmp_path / 'contrasts.csv')
    given = (*given, '--maps', *group.maps, '--fwhm', 0, '--n-perm', 0)
    found = build.build_run(parse(*given, '--covariate-maps', f'EV3={stacked}'), 'out')
    assert covariates_of(found) == [[stacked]]
    with pytest.raises(DesignError, match='The last columns of the design'):
        build.build_run(parse(*given, '--covariate-maps', f'EV2={stacked}'), 'out')


@pytest.mark.slow
def test_check_and_graph_take_the_same_options(group, study, asked, command, tmp_path):
    source = ('--maps', *group.maps, '--covariate-maps', 'grey=gm_file')
    code, output = command('check', '--json', *asked, *source)
    assert code == 0
    findings = {each['code']: each for each in json.loads(output)}
    assert findings['voxelwise-covariate']['where'] == 'grey'
    assert 'not known' in findings['voxelwise-covariate']['problem']
    code, output = command('graph', 'graph.dot', *asked, *source)
    assert code == 0
    assert 'fit_voxelwise' in (tmp_path / 'graph.dot').read_text()


@pytest.mark.slow
def test_from_arguments_to_maps(group, study, command, tmp_path):
    """The whole command, against statsmodels at some voxels."""
    code, output = command(
        'run', 'results', '--table', study[0], '--map-column', 'effect_file',
        '--formula', 'site + center(grey)', '--covariate-maps', 'grey=gm_file',
        '--contrast', 'grey=center(grey)', '--contrast', 'mean=intercept',
        '--fwhm', 0, '--n-perm', 30, '--plugin', 'Linear',
    )  # fmt: skip
    assert code == 0, output
    results = tmp_path / 'results'
    mask = np.asarray(nib.load(results / 'mask.nii.gz').dataobj) > 0
    maps, grey = group.data[:, mask].astype(float), study[2][:, mask].astype(float)
    site = pd.get_dummies(group.frame['site'], drop_first=True).to_numpy(dtype=float)
    for name, tested in (('grey', 3), ('mean', 0)):
        path = results / f'contrast-{name}_stat-t_statmap.nii.gz'
        t = np.asarray(nib.load(path).dataobj)[mask]
        for v in range(0, mask.sum(), 97):
            centred = grey[:, v] - grey[:, v].mean()
            design = np.column_stack([np.ones(12), site, centred])
            expected = sm.OLS(maps[:, v], design).fit().tvalues[tested]
            assert t[v] == pytest.approx(expected, rel=1e-4, abs=1e-5)
    sidecar = json.loads((results / 'contrast-grey_stat-p_desc-voxelFWE_statmap.json').read_text())
    assert sidecar['VoxelwiseCovariates'] == ['center(grey)[voxelwise]']
