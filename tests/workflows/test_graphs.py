"""Graphs: built without a trace, drawn in every form, named and joined as they should be."""

import builtins
import os
import pickle
import re
import shutil
import socket
from pathlib import Path
from xml.etree import ElementTree

import pytest
from nipype import config
from nipype.interfaces import utility as niu
from nipype.pipeline import engine as pe

from nistats_nipype import workflows
from nistats_nipype.exceptions import ContrastError, InputError
from nistats_nipype.workflows import (
    drawing,
    init_contrast_wf,
    init_permutation_wf,
    init_prepare_wf,
    init_second_level_wf,
    init_spatial_wf,
)

FACTORIES = {
    'prepare': lambda: init_prepare_wf(mask_method='coverage', min_observations=9),
    'prepare, with variances': lambda: init_prepare_wf(variances=True, fwhm_mm=0),
    'permutation': lambda: init_permutation_wf(n_chunks=4, omp_nthreads=2),
    'contrast': lambda: init_contrast_wf(
        contrast_name='any', definition=['a', 'b'], out_dir='/nowhere/results'
    ),
    'contrast without permutations': lambda: init_contrast_wf(
        contrast_name='mean', definition='intercept', n_perm=0
    ),
    'second level': lambda: init_second_level_wf(
        formula='group + age',
        contrasts={'age': 'age', 'patients > controls': 'group[T.patient]'},
        out_dir='/nowhere/results',
        n_chunks=3,
    ),
    'second level, over contrasts': lambda: init_second_level_wf(
        formula='age',
        contrasts={'age': 'age', 'mean': 'intercept'},
        correct_contrasts=True,
        cluster_forming_z=3.1,
        tfce=True,
        out_dir='/nowhere/results',
    ),
    'second level, defaults': init_second_level_wf,
    'second level, mixed effects': lambda: init_second_level_wf(
        model='reml', formula='age', contrasts={'age': 'age'}, fwhm_mm=0, n_perm=0, out_dir='out'
    ),
    'second level, fixed effects': lambda: init_second_level_wf(
        model='fixed', fwhm_mm=0, n_perm=0
    ),
    'second level, least squares of matched maps': lambda: init_second_level_wf(
        unmatched='drop', formula='age', contrasts={'age': 'age'}
    ),
    'second level, voxelwise covariates': lambda: init_second_level_wf(
        formula='age + center(grey) + thick',
        covariates=['grey', 'thick'],
        covariate_fwhm_mm=4.0,
        contrasts={'age': 'age', 'grey': 'center(grey)'},
        correct_contrasts=True,
        cluster_forming_z=3.1,
        tfce=True,
        tail='gpd',
        out_dir='/nowhere/results',
    ),
    'spatial': lambda: init_spatial_wf(cluster_forming_z=3.1, tfce=True, n_chunks=2),
    'contrast with clusters and TFCE': lambda: init_contrast_wf(
        contrast_name='any',
        definition=['a', 'b'],
        cluster_forming_z=3.1,
        tfce=True,
        out_dir='/nowhere/results',
    ),
}


def all_nodes(workflow):
    return [workflow.get_node(name) for name in workflow.list_node_names()]


def test_every_factory_is_tested_here():
    made = {FACTORIES[name]().name for name in FACTORIES}
    names = {name.removeprefix('init_') for name in workflows.__all__}
    assert {re.sub('contrast_.*_wf', 'contrast_wf', name) for name in made} == names


@pytest.mark.parametrize('name', FACTORIES)
def test_building_leaves_no_trace(name, tmp_path, monkeypatch):
    """No file is opened or made, no socket, no change of environment or of nipype's settings."""
    FACTORIES[name]()  # what is imported lazily is imported now
    monkeypatch.chdir(tmp_path)
    before = dict(os.environ), {key: dict(config._sections[key]) for key in config._sections}

    def forbid(*args, **kwargs):
        raise AssertionError(f'The factory touched the outside: {args} {kwargs}')

    with monkeypatch.context() as patch:
        for module, names in (
            (builtins, ['open']),
            (os, ['open', 'mkdir', 'makedirs', 'stat', 'listdir', 'scandir', 'remove', 'rename',
                  'putenv', 'chdir']),
            (socket, ['socket', 'getaddrinfo', 'create_connection']),
        ):  # fmt: skip
            for each in names:
                patch.setattr(module, each, forbid)
        workflow = FACTORIES[name]()
    assert workflow.list_node_names()
    assert dict(os.environ) == before[0]
    assert {key: dict(config._sections[key]) for key in config._sections} == before[1]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize('graph2use', ['orig', 'flat', 'hierarchical', 'colored', 'exec'])
@pytest.mark.parametrize('name', ['prepare', 'permutation', 'contrast', 'second level'])
def test_graphs_are_drawn(name, graph2use, tmp_path):
    workflow = FACTORIES[name]()
    formats = ['dot', 'svg'] if shutil.which('dot') else ['dot']
    for file_format in formats:
        out = workflow.write_graph(str(tmp_path / 'graph.dot'), graph2use, file_format)
        assert out.endswith(f'.{file_format}')
        text = Path(out).read_text()
        assert 'digraph' in text or '<svg' in text
        # Identity nodes are no part of a flat graph; what computes is part of every one.
        if graph2use != 'orig':
            last = [each for each in workflow.list_node_names() if 'put' not in each]
            for node in last:
                assert node.rsplit('.', 1)[-1] in text


def read_dot(text):
    """Names of nodes and pairs of names, from what nipype writes for Graphviz."""
    name = r'("[^"]*"|\w+)'
    nodes = re.findall(rf'^\s*{name}(?:\[label=.*\])?;$', text, re.MULTILINE)
    return set(nodes), set(re.findall(rf'^\s*{name} -> {name};$', text, re.MULTILINE))


@pytest.mark.parametrize('graph2use', drawing.LEVELS)
@pytest.mark.parametrize('name', FACTORIES)
def test_our_pictures_show_what_nipype_draws(name, graph2use, tmp_path):
    workflow = FACTORIES[name]()
    before = workflow.list_node_names()
    graph = drawing.describe_workflow(workflow, graph2use)
    assert workflow.list_node_names() == before
    dot_file = workflow.write_graph(str(tmp_path / 'graph.dot'), graph2use, 'dot')
    nodes, edges = read_dot(Path(dot_file).read_text())
    keys = [node.key for node in graph.nodes]
    assert len(set(keys)) == len(keys)
    assert len(set(graph.edges)) == len(graph.edges)
    if graph2use in ('hierarchical', 'colored'):
        names = {f'{workflow.name}_{key.replace(".", "_")}': key for key in keys}
    else:
        # "a (b (module)" is the node b of the workflow a; a workflow has its name alone.
        words = {node: re.findall(r'\w+', node) for node in nodes}
        names = {node: '.'.join(each[:-1] or each) for node, each in words.items()}
    assert {names[node] for node in nodes} == set(keys)
    assert {(names[source], names[target]) for source, target in edges} == set(graph.edges)
    order = {key: index for index, key in enumerate(keys)}
    assert all(order[source] < order[target] for source, target in graph.edges)
    path = drawing.draw_workflow(workflow, tmp_path / 'graph.svg', graph2use=graph2use)
    root = ElementTree.parse(path).getroot()
    assert [each.get('data-node') for each in root.iter() if 'data-node' in each.attrib] == keys


def test_iterables_and_parts_of_workflows():
    """Each value of an iterable is a node that is executed; names begin at what is drawn."""
    part, whole = pe.Workflow('part_wf'), pe.Workflow('whole_wf')
    source = pe.Node(niu.IdentityInterface(['value']), name='source')
    source.iterables = ('value', ['a', 'b'])
    first, second = (pe.MapNode(niu.Rename(), ['in_file'], name) for name in ('first', 'second'))
    part.connect(first, 'out_file', second, 'in_file')
    whole.connect(source, 'value', part, 'first.in_file')
    executed = drawing.describe_workflow(whole, 'exec')
    assert len(executed.nodes) == 4
    assert len(executed.edges) == 2
    assert {node.label for node in executed.nodes} == {'first', 'second'}
    assert {node.note for node in executed.nodes} == {'part_wf, value_a', 'part_wf, value_b'}
    assert {node.kind for node in executed.nodes} == {'map'}
    orig = drawing.describe_workflow(whole, 'orig')
    assert [(node.key, node.kind, node.detail) for node in orig.nodes] == [
        ('source', 'identity', 'IdentityInterface'),
        ('part_wf', 'workflow', '2 nodes'),
    ]
    for level in drawing.LEVELS:
        assert [node.key for node in drawing.describe_workflow(part, level).nodes] == [
            'first',
            'second',
        ]
    assert drawing.describe_workflow(whole).nodes[-1].groups == ('part_wf',)


def test_what_cannot_be_drawn(tmp_path):
    with pytest.raises(InputError, match='orig, flat'):
        drawing.to_mermaid(init_prepare_wf(), graph2use='all')
    with pytest.raises(InputError, match=r'\.svg, \.mmd, \.md'):
        drawing.draw_workflow(init_prepare_wf(), tmp_path / 'graph.png')
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize('name', FACTORIES)
def test_workflows_are_pickled(name):
    workflow = FACTORIES[name]()
    copy = pickle.loads(pickle.dumps(workflow))
    assert copy.list_node_names() == workflow.list_node_names()
    for one, other in zip(all_nodes(copy), all_nodes(workflow), strict=True):
        assert one.inputs.get_traitsfree() == other.inputs.get_traitsfree()


@pytest.mark.parametrize('name', FACTORIES)
def test_names(name):
    workflow = FACTORIES[name]()
    for path in workflow.list_node_names():
        *parents, node = path.split('.')
        assert re.fullmatch('[a-z][a-z0-9]*(_[a-z0-9]+)*', node)
        assert all(parent.endswith('_wf') for parent in parents)
        sinks = workflow.get_node(path).interface.__class__.__name__.startswith('Sink')
        assert node.startswith('ds_') == sinks


def test_no_sink_without_a_folder():
    names = init_second_level_wf().list_node_names()
    assert not [name for name in names if 'ds_' in name or 'figures' in name]
    sunk = init_second_level_wf(out_dir='results').list_node_names()
    sinks = sorted(name for name in sunk if 'ds_' in name)
    assert sinks == ['contrast_mean_wf.ds_contrast', 'ds_group']
    joint = {name: init_second_level_wf(correct_contrasts=True, **inputs).list_node_names()
             for name, inputs in (('sunk', {'out_dir': 'results'}), ('kept', {}),
                                  ('no permutations', {'n_perm': 0}))}  # fmt: skip
    assert {name for name in joint if 'ds_joint' in joint[name]} == {'sunk'}
    assert {name for name in joint if 'correct_contrasts' in joint[name]} == {'sunk', 'kept'}
    assert not [name for name in FACTORIES['contrast without permutations']().list_node_names()
                if 'permut' in name or 'fwe' in name]  # fmt: skip


def test_a_relative_folder_becomes_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    workflow = init_second_level_wf(out_dir='results')
    for name in ('ds_group', 'contrast_mean_wf.ds_contrast'):
        assert workflow.get_node(name).inputs.out_dir == str(tmp_path / 'results')


@pytest.mark.parametrize('name', FACTORIES)
def test_every_connection_and_output_is_served(name):
    """Each field of an outputnode has a source, and no mandatory input is left open."""
    workflow = FACTORIES[name]()
    flat = pe.Workflow('parent')
    flat.add_nodes([workflow])
    for path in workflow.list_node_names():
        node = workflow.get_node(path)
        *parents, _ = path.split('.')
        parent = workflow.get_node('.'.join(parents)) if parents else workflow
        connected = {
            target
            for _, _, data in parent._graph.in_edges(node, data=True)
            for _, target in data['connect']
        }
        if path.endswith('outputnode'):
            assert connected == set(node.inputs.copyable_trait_names())
        for trait_name, trait in node.inputs.traits(mandatory=True).items():
            given = trait_name in connected or trait_name in node.inputs.get_traitsfree()
            assert given or path == 'inputnode', (path, trait_name, trait)


def test_threads_and_parameters_arrive():
    workflow = init_second_level_wf(
        n_chunks=3, omp_nthreads=4, seed=7, n_perm=111, sidedness='negative', alpha_fwe=0.01,
        alpha_uncorrected=0.02, tail='gpd', cluster_threshold=9, connectivity=6,
        missing='per_voxel', errors='symmetric', fwhm_mm=5.0, zero_is_missing=False,
        subject_threshold=2.5, fdr_method='BKY', correct_contrasts=True,
    )  # fmt: skip
    contrast = workflow.get_node('contrast_mean_wf')
    permute = contrast.get_node('permutation_wf.permute')
    assert permute.n_procs == 4
    assert permute.interface.inputs.num_threads == 4
    assert permute.inputs.chunk == [0, 1, 2]
    expected = {
        'permutation_wf.permute': {
            'n_chunks': 3,
            'sidedness': 'negative',
            'missing': 'per_voxel',
        },
        'permutation_wf.draw_schedule': {'seed': 7, 'n_perm': 111, 'errors': 'symmetric'},
        'permutation_wf.merge_permutations': {
            'sidedness': 'negative',
            'tail': 'gpd',
            'fdr_method': 'BKY',
        },
        'compute_contrast': {'sidedness': 'negative'},
        'threshold_uncorrected': {
            'method': 'fpr',
            'alpha': 0.02,
            'sidedness': 'negative',
            'cluster_threshold': 9,
            'connectivity': 6,
        },
        'threshold_fwe': {
            'method': 'fwe',
            'alpha': 0.01,
            'sidedness': 'negative',
            'cluster_threshold': 9,
            'connectivity': 6,
        },
        'plot_null': {'alpha': 0.01},
    }
    for name, values in expected.items():
        inputs = contrast.get_node(name).inputs.get_traitsfree()
        assert {key: inputs[key] for key in values} == values
    assert workflow.get_node('prepare_wf.smooth').inputs.fwhm_mm == 5.0
    for name in ('compute_mask', 'smooth', 'apply_mask'):
        assert workflow.get_node(f'prepare_wf.{name}').inputs.zero_is_missing is False
    assert workflow.get_node('correct_contrasts').inputs.tail == 'gpd'
    assert workflow.get_node('fit_glm').inputs.missing == 'per_voxel'
    assert workflow.get_node('plot_subjects').inputs.threshold == 2.5


def test_part_of_a_parent(tmp_path, simulated, outputs):
    """The maps come from another node, and the report goes on to another."""
    parent = pe.Workflow('study', base_dir=str(tmp_path / 'a space'))
    source = pe.Node(niu.IdentityInterface(['maps']), name='source')
    source.inputs.maps = simulated.effect_files
    listing = pe.Node(niu.Merge(2), name='listing')
    workflow = init_second_level_wf(fwhm_mm=0, n_perm=20, name='group_wf')
    parent.connect([
        (source, workflow, [('maps', 'inputnode.in_files')]),
        (workflow, listing, [('outputnode.report_file', 'in1'),
                             ('contrast_mean_wf.outputnode.p_fwe_file', 'in2')]),
    ])  # fmt: skip
    report, p_fwe = outputs(parent.run('Linear'), 'listing').out
    assert '8 maps' in Path(report).read_text()
    assert p_fwe.endswith('group_wf/contrast_mean_wf/permutation_wf/merge_permutations/'
                          'p_fwe.nii.gz')  # fmt: skip


@pytest.mark.parametrize(
    ('contrasts', 'words'),
    [
        ({}, ['No contrast was given', 'at least one']),
        (
            {'a b': 'x', 'a-B': 'y'},
            ['share their file names', "'a b' and 'a-B' become 'aB' and 'aB'"],
        ),
        ({'Age': 'x', 'age': 'y'}, ['share', "become 'Age' and 'age'", 'not in their case alone']),
        ({'+': 'x'}, ['no letters or digits', "'+'"]),
    ],
)
def test_contrasts_that_cannot_be_named(contrasts, words):
    with pytest.raises(ContrastError) as caught:
        init_second_level_wf(contrasts=contrasts)
    assert all(word in str(caught.value) for word in words)
