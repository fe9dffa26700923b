"""A small group on disk, and the command line in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import nibabel as nib
import numpy as np
import pandas as pd
import pytest


class Group(NamedTuple):
    """Twelve small maps in three groups, with a table of them."""

    folder: Path
    maps: list
    table: Path
    frame: pd.DataFrame
    data: np.ndarray


SHAPE = (12, 14, 12)
AFFINE = np.diag([12.0, 12.0, 12.0, 1.0])
AFFINE[:3, 3] = -66, -96, -60


def save_map(data, path, affine=AFFINE):
    nib.save(nib.Nifti1Image(np.asarray(data, dtype=np.float32), affine), path)
    return str(path)


@pytest.fixture(scope='session')
def group(tmp_path_factory):
    folder = tmp_path_factory.mktemp('group with a space')
    rng = np.random.default_rng(7)
    data = rng.standard_normal((12, *SHAPE)).astype(np.float32) + 0.5
    data[:, :2] = 0  # not covered
    names = [f'sub-{number:02d}' for number in range(1, 13)]
    files = [f'{name}_effect.nii.gz' for name in names]
    maps = [save_map(each, folder / name) for each, name in zip(data, files, strict=True)]
    frame = pd.DataFrame(
        {
            'participant_id': names,
            'site': list('abcabcabcabc'),
            'age': rng.uniform(20, 70, 12).round(1),
            'effect_file': files,
        }
    )
    # The order of the table is not that of the maps.
    table = folder / 'participants.tsv'
    frame.iloc[::-1].to_csv(table, sep='\t', index=False)
    return Group(folder, maps, table, frame, data)


def spawn(*arguments, cwd, **kwargs):
    """Start the command line; what it writes anywhere is in ``stdout``."""
    return subprocess.Popen(
        [sys.executable, '-m', 'nistats_nipype.cli.main', *map(str, arguments)],
        cwd=cwd,
        **{
            'stdin': subprocess.DEVNULL,
            'stdout': subprocess.PIPE,
            'stderr': subprocess.STDOUT,
            'text': True,
            'env': {**os.environ, 'OMP_NUM_THREADS': '1'},
            **kwargs,
        },
    )


@pytest.fixture
def command(tmp_path):
    """Run the command line in an empty folder; give the exit code and what it wrote."""

    def run(*arguments, timeout=150):
        process = spawn(*arguments, cwd=tmp_path)
        try:
            output, _ = process.communicate(timeout=timeout)
        finally:
            process.kill()
        return process.returncode, output

    return run
