"""The checks within the workflow: errors end it before anything, all else is reported."""

import re
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

MODEL = {'formula': 'group + age', 'contrasts': {'patients': 'group[T.patient]'}, 'n_perm': 20}


def test_an_error_ends_it_before_anything_is_computed(build, group, tmp_path):
    table = pd.read_csv(group.participants_file, sep='\t').assign(age=30.0)
    table.to_csv(group.participants_file, sep='\t', index=False)
    work = tmp_path / 'work'
    workflow = build(work, group, out_dir=tmp_path / 'results', **MODEL)
    with pytest.raises(RuntimeError, match='age is 30 for every map'):
        workflow.run('Linear')
    ran = {path.parent.name for path in work.rglob('result_*.pklz')}
    # What only lists the names of figures has nothing to wait for.
    assert {name for name in ran if not name.startswith('list_')} == {'check_design'}
    assert not (tmp_path / 'results').exists()


def test_warnings_are_in_the_results_and_in_the_report(build, group, tmp_path, drop_nodes):
    table = pd.read_csv(group.participants_file, sep='\t')
    table['age'] = table['age'].where(table.index != 2, 4000.0)
    table.to_csv(group.participants_file, sep='\t', index=False)
    image = nib.load(group.effect_files[5])
    data = image.get_fdata(dtype=np.float32) * 500
    nib.save(nib.Nifti1Image(data, image.affine), group.effect_files[5])
    results = tmp_path / 'results'
    workflow = build(tmp_path / 'work', group, out_dir=results, **MODEL)
    drop_nodes(workflow, 'plot_', 'view_')
    workflow.run('Linear')
    findings = pd.read_csv(results / 'findings.tsv', sep='\t')
    warned = findings[findings['severity'] == 'warning']
    assert {*zip(warned['code'], warned['where'], strict=True)} >= {
        ('outlier', 'age'),
        ('map-sd', 'sub-06'),
    }
    assert (results / 'findings.json').is_file()
    text = (results / 'report.html').read_text()
    (section,) = re.findall('<section id="checks".*?</section>', text, re.DOTALL)
    assert f'The checks gave {len(warned)} warnings' in text
    for each in findings.itertuples():
        assert each.where in section
    assert Path(results / 'contrast-patients_stat-t_statmap.nii.gz').is_file()
