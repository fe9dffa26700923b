"""Small groups on disk: maps whose values mean nothing, and a table of them."""

from pathlib import Path
from typing import NamedTuple

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from nistats_nipype.designs.lint import lint_design


class Study(NamedTuple):
    """What a person has on disk, with a check of it."""

    folder: Path
    maps: list

    def lint(self, table=None, formula=None, contrasts=None, **options):
        """Write what is a table or a list of numbers, and check all of it."""
        options = dict(options)
        if table is not None:
            table.to_csv(self.folder / 'participants.tsv', sep='\t', index=False, na_rep='n/a')
            options['table_file'] = self.folder / 'participants.tsv'
        for name in ('blocks', 'variance_groups'):
            if name in options:
                path = self.folder / f'{name}.csv'
                np.savetxt(path, np.asarray(options.pop(name)), fmt='%d', delimiter=',')
                options[f'{name}_file'] = path
        maps = options.pop('maps', self.maps)
        return lint_design(maps, formula, contrasts=contrasts, **options)


@pytest.fixture
def study(tmp_path):
    """Make a study of maps with these names, by default of one map a subject."""

    def study(names):
        if isinstance(names, int):
            names = [f'sub-{number:02d}' for number in range(1, names + 1)]
        rng = np.random.default_rng(0)
        maps = []
        for name in names:
            path = tmp_path / f'{name}_effect.nii'
            values = rng.standard_normal((2, 2, 2)).astype(np.float32)
            nib.save(nib.Nifti1Image(values, np.eye(4)), path)
            maps.append(str(path))
        return Study(tmp_path, maps)

    return study


@pytest.fixture
def participants():
    """Make a table of subjects: two groups, an age, a score."""

    def participants(n):
        rng = np.random.default_rng(5)
        return pd.DataFrame(
            {
                'participant_id': [f'sub-{number:02d}' for number in range(1, n + 1)],
                'group': ['control', 'patient'] * (n // 2) + ['control'] * (n % 2),
                'age': rng.uniform(20, 70, n).round(1),
                'score': rng.normal(0, 1, n).round(3),
            }
        )

    return participants
