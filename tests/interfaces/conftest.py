"""A small group on disk, and ways to run one interface by itself."""

import itertools
import json
from pathlib import Path
from typing import NamedTuple

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from nistats_nipype.interfaces import BuildDesign, ComputeContrast, DefineContrast, FitGLM

SHAPE = (12, 14, 10)
#: Large voxels, so that the few of them span a brain in MNI space.
AFFINE = np.array([[14.0, 0, 0, -77], [0, 14, 0, -116], [0, 0, 14, -60], [0, 0, 0, 1]])


class Group(NamedTuple):
    """Maps of a group, on disk and as they were before they were written."""

    in_files: list
    mask_file: str
    table_file: str
    data: np.ndarray  # (N, V) float64, of the single-precision numbers on disk
    mask: np.ndarray
    table: pd.DataFrame


def write(path, data, affine=AFFINE, dtype=np.float32):
    """Write an array with nibabel alone; give the path as str."""
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(np.asarray(data, dtype=dtype), affine), path)
    return str(path)


def make_group(folder, n_subjects=12, seed=0):
    """Write random maps with an effect in one corner, an ellipsoid mask and a table."""
    random = np.random.default_rng(seed)
    centred = (np.indices(SHAPE).reshape(3, -1).T + 0.5) / SHAPE - 0.5
    mask = (np.linalg.norm(centred, axis=1) < 0.45).reshape(SHAPE)
    maps = random.normal(size=(n_subjects, *SHAPE)).astype(np.float32)
    maps[:, :6, :7] += 1.5
    names = [f'sub-{number:02d}' for number in range(1, n_subjects + 1)]
    in_files = [
        write(folder / name / f'{name}_stat-effect_statmap.nii.gz', data)
        for name, data in zip(names, maps, strict=True)
    ]
    table = pd.DataFrame(
        {
            'participant_id': names,
            'group': np.resize(['control', 'patient'], n_subjects),
            'site': np.resize(['a', 'b', 'c'], n_subjects),
            'age': random.permutation(np.arange(20, 68, 4)[:n_subjects]),
        }
    )
    table_file = folder / 'participants.tsv'
    table.to_csv(table_file, sep='\t', index=False)
    return Group(
        in_files,
        write(folder / 'mask.nii.gz', mask, dtype=np.uint8),
        str(table_file),
        maps[:, mask].astype(np.float64),
        mask,
        table,
    )


@pytest.fixture
def group(tmp_path):
    return make_group(tmp_path / 'data')


@pytest.fixture(scope='session')
def read():
    """Read a map, or its values in a mask, with nibabel alone."""

    def read(path, mask=None):
        data = np.asarray(nib.load(path).dataobj)
        return data if mask is None else data[mask]

    return read


@pytest.fixture(scope='session')
def read_json():
    return lambda path: json.loads(Path(path).read_text())


@pytest.fixture
def new_folder(tmp_path):
    """Make a fresh folder with each call."""
    counter = itertools.count()

    def new_folder(name='run'):
        folder = tmp_path / f'{name}-{next(counter)}'
        folder.mkdir()
        return folder

    return new_folder


@pytest.fixture
def run(new_folder):
    """Run an interface in a folder of its own; give its outputs."""
    return lambda interface: interface.run(cwd=new_folder(type(interface).__name__)).outputs


@pytest.fixture
def refuse(new_folder):
    """Run an interface that must fail with these words, and leave nothing behind."""

    def refuse(interface, error, *words):
        cwd = new_folder(type(interface).__name__)
        with pytest.raises(error) as caught:
            interface.run(cwd=cwd)
        for word in words:
            assert word in str(caught.value)
        assert list(Path(cwd).iterdir()) == []
        return caught.value

    return refuse


@pytest.fixture
def fit_and_test(run):
    """Run design, fit, contrast and test of a group; give all outputs by name."""

    def fit_and_test(group, definition, formula=None, *, name='x', missing='error', **inputs):
        build = BuildDesign(in_files=group.in_files)
        if formula is not None:
            build.inputs.trait_set(table_file=group.table_file, formula=formula)
        found = run(build).get()
        define = DefineContrast(design_file=found['design_file'], name=name, definition=definition)
        found |= run(define).get()
        files = {'mask_file': group.mask_file, 'design_file': found['design_file']}
        fit = run(FitGLM(in_files=group.in_files, missing=missing, **files)).get()
        found |= {**fit, 'model_metadata_file': fit['metadata_file']}
        compute = ComputeContrast(
            model_file=found['model_file'],
            contrast_file=found['contrast_file'],
            **files,
            **inputs,
        )
        return found | run(compute).get()

    return fit_and_test
