"""The same files whatever ran them, and nothing computed twice."""

import os
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

CONTRASTS = {'age': 'age', 'any': ['group[T.patient]', 'age']}
ONE = {'any': CONTRASTS['any']}
MULTIPROC = {'plugin': 'MultiProc', 'plugin_args': {'n_procs': 2}}


@pytest.fixture(scope='module')
def analyse(build, simulated):
    """Run an analysis in a folder; results go to its own subfolder."""

    def analyse(folder, plugin='Linear', plugin_args=None, contrasts=None, **inputs):
        workflow = build(
            folder / 'work',
            simulated,
            formula='group + age',
            contrasts=contrasts or CONTRASTS,
            out_dir=folder / 'results',
            fwhm_mm=10.0,
            **inputs,
        )
        return workflow.run(plugin, plugin_args=plugin_args)

    return analyse


@pytest.fixture(scope='module')
def finished(analyse, tmp_path_factory):
    """Run once, with one chunk; not to be written to."""
    folder = tmp_path_factory.mktemp('finished')
    analyse(folder, contrasts=ONE)
    return folder


@pytest.fixture
def study(analyse, tmp_path):
    """Run once, with two contrasts, in a folder that can be written to."""
    analyse(tmp_path)
    return tmp_path


def timestamps(work):
    """When each node last computed: the time of its result, by the node's name.

    The chunks of a MapNode are nodes by themselves.
    """
    root = Path(work) / 'second_level_wf'
    return {
        str(path.parent.relative_to(root)).replace(os.sep, '.'): path.stat().st_mtime_ns
        for path in root.rglob('result_*.pklz')
    }


def hashfiles(work):
    """Names and times of the files in which nipype keeps the hash of a node's inputs."""
    return {
        str(path.relative_to(work)): path.stat().st_mtime_ns
        for path in Path(work).rglob('_0x*.json')
        if 'ds_' not in path.parent.name
    }


def result_times(results):
    return {
        str(path.relative_to(results)): path.stat().st_mtime_ns
        for path in Path(results).rglob('*')
        if path.is_file()
    }


def computed(before, after):
    """Nodes that ran between two looks at the work folder."""
    return {name for name, time in after.items() if before.get(name) != time}


SINKS = {'ds_group', 'contrast_age_wf.ds_contrast', 'contrast_any_wf.ds_contrast'}


def test_the_number_of_chunks_changes_no_file(finished, analyse, tmp_path, digests):
    """Bit for bit, the report and the figures included."""
    analyse(tmp_path, n_chunks=3, contrasts=ONE)
    chunks = timestamps(tmp_path / 'work')
    assert 'contrast_any_wf.permutation_wf.permute.mapflow._permute2' in chunks
    expected = digests(finished / 'results')
    assert len(expected) > 45
    assert 'report.html' in expected
    assert digests(tmp_path / 'results') == expected


@pytest.mark.slow
def test_the_plugin_changes_no_file(finished, analyse, tmp_path, digests):
    """Three chunks in two processes give the files of one chunk in one, bit for bit.

    A second run with the plugin computes nothing.
    """
    analyse(tmp_path, n_chunks=3, contrasts=ONE, **MULTIPROC)
    assert digests(tmp_path / 'results') == digests(finished / 'results')
    before, files = timestamps(tmp_path / 'work'), result_times(tmp_path / 'results')
    analyse(tmp_path, n_chunks=3, contrasts=ONE, **MULTIPROC)
    assert computed(before, timestamps(tmp_path / 'work')) <= SINKS
    assert result_times(tmp_path / 'results') == files


def test_reruns(study, analyse, digests):
    """One work folder through its life; the steps build on each other."""
    work, results = study / 'work', study / 'results'
    content, hashes = digests(results), hashfiles(work)
    nodes, files = timestamps(work), result_times(results)
    assert {'fit_glm', 'make_report', 'contrast_any_wf.permutation_wf.permute'} <= set(nodes)

    # Again: nothing is computed, and no result is written again.
    analyse(study)
    assert computed(nodes, timestamps(work)) == SINKS
    assert hashfiles(work) == hashes
    assert result_times(results) == files

    # Without the results folder: it is filled again from the work folder.
    shutil.rmtree(results)
    nodes = timestamps(work)
    analyse(study)
    assert computed(nodes, timestamps(work)) == SINKS
    assert hashfiles(work) == hashes
    assert digests(results) == content

    # Another definition of one contrast: its own workflow, and what shows all contrasts.
    nodes, files = timestamps(work), result_times(results)
    other = {'age': 'age - group[T.patient]'}
    analyse(study, contrasts={**CONTRASTS, **other})
    again = computed(nodes, timestamps(work))
    own = {name for name in nodes if name.startswith('contrast_age_wf.')}
    shared = {'list_contrasts', 'plot_design', 'list_sections', 'make_report', 'list_figures'}
    shared |= {'check_design', 'check_maps', 'plot_outliers'}  # the figure names what is found
    assert again <= own | shared | SINKS
    assert again >= {f'contrast_age_wf.{name}' for name in REDONE}
    assert again >= {'plot_design', 'make_report'}
    changed = computed(files, result_times(results))
    assert changed
    assert not [
        name for name in changed
        if 'contrast-age_' not in name and name not in ALL_CONTRASTS
    ]  # fmt: skip

    # One more contrast: its workflow, and what shows all contrasts.
    nodes, files = timestamps(work), result_times(results)
    analyse(study, contrasts={**CONTRASTS, **other, 'mean': 'intercept'})
    again = computed(nodes, timestamps(work))
    new = {name for name in again if name.startswith('contrast_mean_wf.')}
    assert {f'contrast_mean_wf.{name}' for name in REDONE} <= new
    assert again - new <= shared | SINKS
    changed = computed(files, result_times(results))
    assert 'contrast-mean_stat-t_statmap.nii.gz' in changed
    assert not [
        name for name in changed
        if 'contrast-mean_' not in name and name not in ALL_CONTRASTS
    ]  # fmt: skip


#: Files that are about all contrasts.
ALL_CONTRASTS = ('report.html', 'figures/design.png', 'findings.tsv')

#: What has to run again for a contrast that changed.
REDONE = [
    'define_contrast',
    'compute_contrast',
    'permutation_wf.draw_schedule',
    'permutation_wf.permute',
    'permutation_wf.permute.mapflow._permute0',
    'permutation_wf.merge_permutations',
    'threshold_uncorrected',
    'table_uncorrected',
    'threshold_fwe',
    'table_fwe',
    'summarize_contrast',
    'plot_slices',
]


@pytest.mark.slow
def test_a_map_that_changes_is_noticed(build, group, tmp_path, digests):
    """Whatever is made of the maps is computed again; the design is not."""

    def analyse():
        workflow = build(
            tmp_path / 'work',
            group,
            out_dir=tmp_path / 'results',
            contrasts={'mean': 'intercept'},
        )
        workflow.run('Linear')
        return timestamps(tmp_path / 'work'), digests(tmp_path / 'results')

    nodes, files = analyse()
    image = nib.load(group.effect_files[2])
    data = 2 * image.get_fdata(dtype=np.float32)
    nib.save(nib.Nifti1Image(data, image.affine), group.effect_files[2])
    after, changed = analyse()
    again = computed(nodes, after)
    assert {'prepare_wf.apply_mask', 'fit_glm', 'contrast_mean_wf.compute_contrast'} <= again
    for name in ('stat-t_statmap', 'stat-p_desc-voxelFWE_statmap'):
        name = f'contrast-mean_{name}.nii.gz'
        assert changed[name] != files[name]
    assert changed['design.tsv'] == files['design.tsv']
