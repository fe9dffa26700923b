"""Interfaces wherever they are started: spaces in names, relative paths, a full disk."""

import importlib
import os
import resource
import shutil
import signal
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import pytest

from nistats_nipype.exceptions import OutputError
from nistats_nipype.images.files import load_arrays
from nistats_nipype.interfaces import (
    ApplyMask,
    BuildDesign,
    ComputeContrast,
    ComputeMask,
    DefineContrast,
    DrawSchedule,
    FitGLM,
    MergePermutations,
    Permute,
    PlotNull,
    SimulateGroup,
    SinkContrast,
    Smooth,
    TableClusters,
    Threshold,
)


def analyse(prepare):
    """Run every step in the current folder, on what ``prepare`` makes of the path of a file."""

    def run(interface):
        outputs = interface.run().outputs.get()
        return {
            name: list(map(prepare, value)) if isinstance(value, list) else prepare(value)
            for name, value in outputs.items()
            if isinstance(value, str | list)
        }

    in_files = sorted(map(prepare, map(str, Path('maps').glob('sub-*/*.nii.gz'))))
    mask_file = run(ComputeMask(in_files=in_files))['mask_file']
    smooth = run(Smooth(in_files=in_files, mask_file=mask_file, fwhm_mm=16.0))['out_files']
    packed = run(ApplyMask(in_files=smooth, mask_file=mask_file))['observations_file']
    table_file = prepare('maps/participants.tsv')
    design_file = run(
        BuildDesign(in_files=in_files, table_file=table_file, formula='group + age')
    )['design_file']
    contrast = DefineContrast(design_file=design_file, name='x', definition='intercept')
    about = {'design_file': design_file, 'contrast_file': run(contrast)['contrast_file']}
    model = run(FitGLM(in_files=packed, mask_file=mask_file, design_file=design_file))
    found = run(ComputeContrast(model_file=model['model_file'], mask_file=mask_file, **about))
    schedule_file = run(DrawSchedule(n_perm=20, **about))['schedule_file']
    data = {'in_files': packed, 'mask_file': mask_file, 'schedule_file': schedule_file}
    chunk_file = run(Permute(**data, **about))['chunk_file']
    merged = run(MergePermutations(chunk_files=[chunk_file], mask_file=mask_file, **about))
    threshold = Threshold(in_file=found['z_file'], mask_file=mask_file, alpha=0.01)
    labels_file = run(threshold)['labels_file']
    run(TableClusters(in_file=found['z_file'], labels_file=labels_file))
    run(PlotNull(null_file=merged['null_file']))
    contrast_file = about['contrast_file']
    run(SinkContrast(out_dir='my results', contrast_file=contrast_file, z_file=found['z_file']))


@pytest.mark.parametrize('style', ['absolute', 'relative'])
def test_spaces_and_relative_paths(group, tmp_path, monkeypatch, style):
    """The same files from a folder with a space in its name, with either kind of path."""
    plain, spaced = tmp_path / 'plain', tmp_path / 'my study' / 'with a space'
    for folder in (plain, spaced):
        shutil.copytree(Path(group.table_file).parent, folder / 'maps')
    monkeypatch.chdir(plain)
    analyse(os.path.abspath)
    monkeypatch.chdir(spaced)
    analyse(os.path.abspath if style == 'absolute' else os.path.relpath)
    made = [
        {
            path.relative_to(folder): path.read_bytes()
            for path in folder.rglob('*')
            if path.is_file() and path.name != 'losses.tsv'  # it names the maps
        }
        for folder in (plain, spaced)
    ]
    assert Path('my results/contrast-x_stat-z_statmap.nii.gz') in made[1]
    assert len(made[1]) > 50
    assert made[0] == made[1]
    losses = pd.read_csv(spaced / 'losses.tsv', sep='\t')
    assert losses['file'].map(os.path.isabs).all() == (style == 'absolute')


def test_outputs_are_absolute(group, tmp_path, monkeypatch):
    """So that they can be handed on to a step that runs in another folder."""
    monkeypatch.chdir(Path(group.mask_file).parent)
    found = ComputeMask(in_files=[os.path.relpath(path) for path in group.in_files]).run().outputs
    for path in found.get().values():
        assert os.path.isabs(path)
        assert os.path.exists(path)


# A full disk: writes beyond a limit fail (EFBIG, which stands in for ENOSPC).


@pytest.fixture
def full_disk():
    @contextmanager
    def full_disk(n_bytes):
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
            signal.signal(signal.SIGXFSZ, handler)

    return full_disk


@pytest.fixture
def steps(run, group):
    """One interface per kind of file that is written."""
    design_file = run(BuildDesign(in_files=group.in_files)).design_file
    contrast_file = run(
        DefineContrast(design_file=design_file, name='x', definition='intercept')
    ).contrast_file
    about = {'design_file': design_file, 'contrast_file': contrast_file}
    data = {'in_files': group.in_files, 'mask_file': group.mask_file}
    model_file = run(FitGLM(design_file=design_file, **data)).model_file
    schedule_file = run(DrawSchedule(n_perm=500, **about)).schedule_file
    chunk_file = run(Permute(schedule_file=schedule_file, **data, **about)).chunk_file
    mask_file = group.mask_file
    return {
        'mask': ComputeMask(in_files=group.in_files),
        'smoothed map': Smooth(in_files=group.in_files[:1]),
        'packed maps': ApplyMask(**data),
        'design': BuildDesign(in_files=group.in_files),
        'contrast': DefineContrast(design_file=design_file, name='x', definition='intercept'),
        'model': FitGLM(design_file=design_file, **data),
        'maps': ComputeContrast(model_file=model_file, mask_file=mask_file, **about),
        'schedule': DrawSchedule(n_perm=500, **about),
        'chunk': Permute(schedule_file=schedule_file, **data, **about),
        'merged': MergePermutations(chunk_files=[chunk_file], mask_file=mask_file, **about),
        'thresholded': Threshold(in_file=group.in_files[0], mask_file=mask_file),
        'sunk': SinkContrast(
            out_dir=str(Path(mask_file).parent / 'results'),
            contrast_file=contrast_file,
            effect_file=group.in_files[0],
        ),
        'simulated': SimulateGroup(n_subjects=2, resolution_mm=8),
    }


KINDS = [
    'mask', 'smoothed map', 'packed maps', 'design', 'contrast', 'model', 'maps', 'schedule',
    'chunk', 'merged', 'thresholded', 'sunk', 'simulated',
]  # fmt: skip


@pytest.mark.parametrize('kind', KINDS)
def test_no_space(steps, new_folder, full_disk, kind):
    # It tries the disk when it is first imported, and must not find it full.
    importlib.import_module('joblib')
    cwd = new_folder('full')
    with full_disk(16), pytest.raises(OutputError) as caught:
        steps[kind].run(cwd=cwd)
    for word in ('Could not write', 'File too large', 'room for the file', 'Free space'):
        assert word in str(caught.value)
    results = Path(getattr(steps[kind].inputs, 'out_dir', cwd))
    left = [path for folder in (cwd, results) for path in folder.rglob('*') if path.is_file()]
    assert left == []


def test_a_map_that_no_longer_fits(steps, new_folder, full_disk):
    """What was written before the disk was full is whole; of the rest there is nothing."""
    cwd = new_folder('full')
    whole = new_folder('whole')
    steps['model'].run(cwd=whole)
    sizes = {path.name: path.stat().st_size for path in whole.iterdir()}
    assert sizes['n.nii.gz'] < sizes['model.npz']
    with full_disk(sizes['model.npz'] - 1), pytest.raises(OutputError) as caught:
        steps['model'].run(cwd=cwd)
    assert str(cwd / 'model.npz') in str(caught.value)
    assert list(cwd.iterdir()) == []
    with full_disk(sizes['model.npz']):
        steps['model'].run(cwd=cwd)
    assert list(load_arrays(cwd / 'model.npz')) == list(load_arrays(whole / 'model.npz'))
