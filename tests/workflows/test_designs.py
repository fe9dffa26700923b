"""Where the design of the workflow is from makes no difference to the maps."""

import json

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from nistats_nipype.exceptions import InputError
from nistats_nipype.workflows import init_second_level_wf

NODE = {
    'Level': 'Dataset',
    'Name': 'dataset',
    'GroupBy': ['contrast'],
    'Transformations': {
        'Transformer': 'pybids-transforms-v1',
        'Instructions': [{'Name': 'Factor', 'Input': ['group'], 'Constraint': 'drop_one'}],
    },
    'Model': {'X': [1, 'group.patient', 'age'], 'Type': 'glm'},
    'DummyContrasts': {'Contrasts': ['age'], 'Test': 't'},
}


@pytest.fixture
def run(simulated, build, drop_nodes, outputs, tmp_path):
    """Run the workflow as far as the z map of age; give the outputs of design and test."""

    def run(name, contrasts, in_files=None, **inputs):
        files = {
            key: inputs.pop(key) for key in ('design_file', 'bids_model_file') if key in inputs
        }
        workflow = build(
            tmp_path / name, simulated, contrasts=contrasts, n_perm=0, in_files=in_files, **inputs
        )
        workflow.inputs.inputnode.trait_set(table_file=simulated.participants_file, **files)
        drop_nodes(workflow, 'plot_', 'list_', 'summarize_', 'make_report')
        graph = workflow.run('Linear')
        test = outputs(graph, 'contrast_age_wf.compute_contrast')
        return outputs(graph, 'build_design'), nib.load(test.z_file).get_fdata()

    return run


def test_formula_file_and_model(run, simulated, tmp_path):
    formula = 'group + age'
    built, expected = run('formula', {'age': 'F(age)'}, formula=formula)
    # A design of nilearn's names, in the order of the maps.
    table = pd.read_csv(simulated.participants_file, sep='\t')
    design = pd.DataFrame({'age': table['age'], 'patient': table['group'] == 'patient'})
    design_file = tmp_path / 'design.csv'
    design.assign(intercept=1).astype(float).to_csv(design_file, index=False)
    read, found = run('file', {'age': 'age'}, design_from='file', design_file=str(design_file))
    model_file = tmp_path / 'model-x_smdl.json'
    model_file.write_text(json.dumps({'Nodes': [NODE]}))
    modelled, same = run(
        'model',
        {'age': [0.0, 0.0, 1.0]},
        design_from='bids-model',
        bids_model_file=str(model_file),
    )
    np.testing.assert_array_equal(same, expected)
    # Columns in another order: the same up to rounding.
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert np.abs(expected).max() > 2
    designs = [pd.read_csv(each.design_file, sep='\t') for each in (built, read, modelled)]
    assert [list(each) for each in designs] == [
        ['intercept', 'group[T.patient]', 'age'],
        ['age', 'patient', 'intercept'],
        ['intercept', 'group.patient', 'age'],
    ]
    assert designs[0].to_numpy().tolist() == designs[2].to_numpy().tolist()
    assert designs[0].to_numpy()[:, [2, 1, 0]].tolist() == designs[1].to_numpy().tolist()


@pytest.mark.parametrize(
    'arguments', [{'design_from': 'spm'}, {'design_from': 'file', 'formula': 'age'}]
)
def test_sources_that_are_not_clear(arguments):
    with pytest.raises(InputError, match='not clear where the design is from'):
        init_second_level_wf(**arguments)
