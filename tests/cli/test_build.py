"""From arguments to workflows, without running any."""

import numpy as np
import pytest

from nistats_nipype.cli import build
from nistats_nipype.cli.parser import get_parser
from nistats_nipype.exceptions import (
    ContrastError,
    DesignError,
    GridError,
    InputError,
    ScheduleError,
)

from .conftest import SHAPE, save_map


def parse(*arguments):
    return get_parser().parse_args([str(argument) for argument in arguments])


def run_arguments(group, *extra):
    return parse('run', 'out', '--table', group.table, '--map-column', 'effect_file', *extra)


@pytest.mark.parametrize(
    ('text', 'expected'),
    [
        ('age=age', 'age'),
        (' a > b = a - b ', 'a - b'),
        ('F=a, b', 'a, b'),
        ('x=a=b', 'a=b'),
        ('w=[0, 1, -1]', [0, 1, -1]),
        ('W=[[0, 1], [1, 0]]', [[0, 1], [1, 0]]),
        ('names=["a", "b"]', ['a', 'b']),
    ],
)
def test_definitions_of_contrasts(text, expected):
    name = text.partition('=')[0].strip()
    assert build.parse_contrasts([text]) == {name: expected}


def test_contrasts_keep_their_order():
    assert list(build.parse_contrasts(['z=a', 'a=z', 'm=m'])) == ['z', 'a', 'm']


@pytest.mark.parametrize('nothing', [None, []])
def test_no_contrasts_are_none(nothing):
    assert build.parse_contrasts(nothing) == {}


@pytest.mark.parametrize('text', ['age', '=age', 'age=', ' = '])
def test_a_contrast_needs_name_and_definition(text):
    with pytest.raises(ContrastError, match='cannot be read') as error:
        build.parse_contrasts([text])
    assert error.value.found == text
    assert 'NAME=DEFINITION' in error.value.expected


def test_broken_weights_and_repeated_names_are_refused():
    with pytest.raises(ContrastError, match="'w'") as error:
        build.parse_contrasts(['w=[0, 1'])
    assert error.value.found == '[0, 1'
    with pytest.raises(ContrastError, match="'w'"):
        build.parse_contrasts(['w=a', 'w=b'])


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['--maps', 'a.nii', '--formula', 'age'], '--formula needs --table'),
        ([], 'not clear which maps'),
        (['--map-column', 'effect_file'], 'not clear which maps'),
        (['--maps', 'a', '--table', 't', '--map-column', 'm'], 'not clear which maps'),
        (['--maps', 'a.nii', '--table', 't.tsv'], 'Nothing of --table'),
        (['--maps', 'a.nii', '--min-coverage', '0.9'], 'needs --mask coverage'),
        (['--maps', 'a.nii', '--min-subjects', '9'], 'needs --mask coverage'),
        (['--maps', 'a.nii', '--mask', 'coverage'], 'needs either --min-coverage or --min-sub'),
        (
            ['--maps', 'a', '--mask', 'coverage', '--min-coverage', '1', '--min-subjects', '9'],
            'needs either --min-coverage or --min-sub',
        ),
        (['--maps', 'a.nii', '--n-perm', '0', '--tfce', '--tail', 'gpd'], 'only: --tfce, --tail'),
        (['--maps', 'a.nii', '--n-perm', '0', '--correct-contrasts'], 'only: --correct-contrasts'),
        (['--maps', 'a.nii', '--n-perm', '0', '--fdr-method', 'BKY'], 'only: --fdr-method'),
        (['--maps', 'a.nii', '--n-perm', '0', '--method', 'manly'], 'only: --method'),
        (['--maps', 'a.nii', '--variance-groups', 'auto'], 'needs --blocks'),
        (
            ['--maps', 'a.nii', '--variance-groups', 'g.csv', '--variance-fwhm', '8'],
            'both be smoothed',
        ),
    ],
)
def test_arguments_that_contradict_each_other(arguments, message):
    with pytest.raises(InputError, match=message):
        build.build_run(parse('run', 'out', *arguments), 'out')


def test_a_formula_without_contrast_lists_the_columns(group):
    with pytest.raises(ContrastError, match='--formula needs --contrast') as error:
        build.build_run(run_arguments(group, '--formula', 'age + site'), 'out')
    assert error.value.found == 'columns intercept, age, site[T.b], site[T.c]'
    assert error.value.advice == "For instance --contrast 'effect=age'."


@pytest.mark.parametrize(
    ('extra', 'error', 'said'),
    [
        (['--formula', 'age', '--contrast', 'x=size'], ContrastError, 'size'),
        (['--formula', 'age', '--contrast', 'x=[1, 2, 3]'], ContrastError, '2 numbers'),
        (['--formula', 'age', '--contrast', 'x=0 * age'], ContrastError, 'row of zeros'),
        (['--formula', 'agee', '--contrast', 'x=age'], DesignError, 'agee'),
        (['--formula', 'participant_id', '--contrast', 'x=[1]'], DesignError, 'whose a map is'),
        (['--contrast', 'x=age'], ContrastError, 'columns intercept'),
        (['--contrast', '?=intercept'], ContrastError, 'letters or digits'),
        (['--contrast', 'a b=intercept', '--contrast', 'aB=intercept'], ContrastError, 'share'),
        (['--errors', 'exchangeable'], ScheduleError, 'no relabelling'),
        (
            [
                '--formula',
                'age',
                '--contrast',
                'm=intercept',
                '--contrast',
                'a=age',
                '--correct-contrasts',
            ],
            ContrastError,
            'm: errors symmetric, a: errors exchangeable',
        ),
        (['--mask', 'gone.nii'], InputError, 'gone.nii'),
        (['--variance-groups', 'gone.csv'], InputError, 'gone.csv'),
    ],
)
def test_models_that_cannot_be_are_refused_before_anything_runs(
    group, tmp_path, monkeypatch, extra, error, said
):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error) as raised:
        build.build_run(run_arguments(group, *extra), tmp_path / 'out')
    assert said in str(raised.value)
    assert list(tmp_path.iterdir()) == []


def test_exchangeable_errors_are_no_concern_without_permutations(group):
    arguments = run_arguments(group, '--errors', 'exchangeable', '--n-perm', '0')
    assert build.build_run(arguments, 'out').notes == []


def test_a_single_map_is_no_group(group):
    with pytest.raises(DesignError, match='no degrees of freedom'):
        build.build_run(parse('run', 'out', '--maps', group.maps[0]), 'out')


def test_a_map_listed_twice_is_refused(group):
    with pytest.raises(InputError, match='listed twice'):
        build.build_run(parse('run', 'out', '--maps', *group.maps, group.maps[3]), 'out')


def test_t_maps_are_counted(group):
    arguments = run_arguments(group, '--tmaps', *group.maps[:3])
    with pytest.raises(InputError, match='--tmaps') as error:
        build.build_run(arguments, 'out')
    assert error.value.found == '3 t maps, 12 maps'


def test_t_maps_may_be_one_4d_file(group, tmp_path):
    many = save_map(np.moveaxis(group.data, 0, -1), tmp_path / 'all.nii.gz')
    analysis = build.build_run(run_arguments(group, '--tmaps', many), 'out')
    assert analysis.workflow.get_node('inputnode').inputs.tmap_files == [many]


def test_a_mask_on_another_grid_is_refused(group, tmp_path):
    mask = save_map(np.ones((4, 4, 4)), tmp_path / 'mask.nii')
    with pytest.raises(GridError):
        build.build_run(run_arguments(group, '--mask', mask), 'out')


def test_every_argument_reaches_its_node(group, tmp_path):
    mask = save_map(np.ones(SHAPE), tmp_path / 'mask.nii')
    groups = tmp_path / 'groups.csv'
    groups.write_text('1\n2\n' * (len(group.maps) // 2))
    arguments = run_arguments(
        group,
        *(
            '--formula',
            'age + site',
            '--contrast',
            'age=age',
            '--contrast',
            'F=[[0,1,0,0],[0,0,1,0]]',
        ),
        *('--tmaps', *group.maps[::-1], '--subject-threshold', 1.5, '--mask', mask),
        *('--zero-is-data', '--missing', 'drop_voxel', '--sidedness', 'negative', '--fwhm', 5),
        *('--n-perm', 123, '--n-chunks', 3, '--seed', 9, '--errors', 'both', '--n-threads', 2),
        *('--alpha-uncorrected', 0.01, '--alpha-fwe', 0.1, '--cluster-threshold', 4),
        *('--connectivity', 6, '--title', 'My title', '--tail', 'gamma', '--fdr-method', 'BKY'),
        '--correct-contrasts',
        *('--method', 'ter-braak', '--variance-groups', groups),
    )
    analysis = build.build_run(arguments, tmp_path / 'out')
    workflow = analysis.workflow
    assert analysis.labels == ['age', 'F']

    def inputs(node):
        return workflow.get_node(node).inputs

    assert inputs('inputnode').in_files == group.maps[::-1]
    assert inputs('inputnode').tmap_files == group.maps[::-1]
    assert inputs('inputnode').mask_file == mask
    assert inputs('inputnode').table_file == str(group.table)
    assert inputs('build_design').formula == 'age + site'
    assert inputs('prepare_wf.compute_mask').method == 'given'
    assert inputs('prepare_wf.compute_mask').zero_is_missing is False
    assert inputs('prepare_wf.smooth').fwhm_mm == 5
    assert inputs('fit_glm').missing == 'drop_voxel'
    assert inputs('plot_subjects').threshold == 1.5
    assert inputs('make_report').title == 'My title'
    assert inputs('contrast_age_wf.define_contrast').definition == 'age'
    assert inputs('contrast_F_wf.define_contrast').definition == [[0, 1, 0, 0], [0, 0, 1, 0]]
    assert inputs('contrast_age_wf.compute_contrast').sidedness == 'negative'
    schedule = inputs('contrast_age_wf.permutation_wf.draw_schedule')
    assert (schedule.n_perm, schedule.seed, schedule.errors) == (123, 9, 'both')
    assert schedule.method == 'ter-braak'
    assert inputs('inputnode').variance_groups_file == str(groups)
    merge = inputs('contrast_F_wf.permutation_wf.merge_permutations')
    assert (merge.tail, merge.fdr_method) == ('gamma', 'BKY')
    assert inputs('correct_contrasts').tail == 'gamma'
    permute = workflow.get_node('contrast_F_wf.permutation_wf.permute')
    assert permute.inputs.n_chunks == 3
    assert permute.inputs.chunk == [0, 1, 2]
    assert permute.n_procs == 2
    threshold = inputs('contrast_age_wf.threshold_uncorrected')
    assert (threshold.alpha, threshold.cluster_threshold) == (0.01, 4)
    assert threshold.connectivity == 6
    assert inputs('contrast_age_wf.threshold_fwe').alpha == 0.1
    assert inputs('contrast_age_wf.ds_contrast').out_dir == str(tmp_path / 'out')


def test_a_smoothed_variance_reaches_its_nodes(group, tmp_path):
    arguments = run_arguments(
        group, '--formula', 'age', '--contrast', 'a=age', '--tfce', '--variance-fwhm', 12
    )
    workflow = build.build_run(arguments, tmp_path / 'out').workflow
    for node in ('permutation_wf.permute', 'spatial_wf.permute_spatial'):
        assert workflow.get_node(f'contrast_a_wf.{node}').inputs.variance_fwhm_mm == 12


def test_variance_groups_by_blocks(group, tmp_path):
    blocks = tmp_path / 'blocks.csv'
    # Two halves, exchangeable within.
    np.savetxt(blocks, np.repeat([1, 2], len(group.maps) // 2), fmt='%d')
    arguments = run_arguments(group, '--blocks', blocks, '--variance-groups', 'auto')
    workflow = build.build_run(arguments, tmp_path / 'out').workflow
    assert 'define_variance_groups' in workflow.list_node_names()


def test_defaults_are_those_of_the_factory(group):
    from nistats_nipype.workflows import init_second_level_wf

    built = build.build_run(parse('run', 'out', '--maps', *group.maps), 'out').workflow
    made = init_second_level_wf(out_dir='out', n_chunks=2)
    assert built.list_node_names() == made.list_node_names()
    for name in made.list_node_names():
        if name != 'inputnode':
            ours, theirs = built.get_node(name).inputs, made.get_node(name).inputs
            assert str(ours) == str(theirs), name


@pytest.mark.parametrize(
    ('n_maps', 'n_perm', 'smallest', 'limit'),
    [
        # Of all sign flips, each has its opposite with the same absolute t.
        (4, 10000, 2 / 16, 'the design allows'),
        (5, 31, 2 / 32, 'the design allows'),
        (12, 10, 1 / 11, '--n-perm gives'),
    ],
)
def test_a_level_that_no_relabelling_reaches_is_noted(group, n_maps, n_perm, smallest, limit):
    arguments = parse('run', 'out', '--maps', *group.maps[:n_maps], '--n-perm', n_perm)
    (note,) = build.build_run(arguments, 'out').notes
    assert f'smallest p is {smallest:.2g}' in note
    assert limit in note
    assert 'p < 0.05' in note


def test_a_level_that_can_be_reached_is_no_news(group):
    # 12 subjects have 4096 sign flips.
    assert build.build_run(parse('run', 'out', '--maps', *group.maps), 'out').notes == []
    # 5 have 32, enough for one side.
    five = ['run', 'out', '--maps', *group.maps[:5], '--sidedness', 'positive']
    assert build.build_run(parse(*five), 'out').notes == []
    # A tail goes beyond what 10 of the 4096 can count, but not beyond all there are.
    few = ['--n-perm', 10, '--tail', 'gpd']
    assert build.build_run(parse('run', 'out', '--maps', *group.maps, *few), 'out').notes == []
    four = parse('run', 'out', '--maps', *group.maps[:4], '--tail', 'gpd')
    assert len(build.build_run(four, 'out').notes) == 1


def test_demo_connects_the_simulation():
    analysis = build.build_demo(parse('demo', 'out', '--n-subjects', 6, '--seed', 3), 'out')
    simulate = analysis.workflow.get_node('simulate_group')
    assert (simulate.inputs.n_subjects, simulate.inputs.seed) == (6, 3)
    assert analysis.labels == ['leftVsRight']
    assert analysis.notes == []
    few = build.build_demo(parse('demo', 'out', '--n-subjects', 3), 'out')
    assert f'smallest p is {2 / 8:.2g}' in few.notes[0]
