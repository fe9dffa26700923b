"""FSL's and PALM's files, against files of others and by a round trip."""

import numpy as np
import pandas as pd
import pytest
from nipype.interfaces.fsl import L2Model

from nistats_nipype.designs.blocks import load_blocks, load_groups
from nistats_nipype.designs.fsl import load_any_design, load_fsl_contrasts, load_vest, save_fsl
from nistats_nipype.designs.group import define_contrast
from nistats_nipype.designs.matrices import design_from_formula
from nistats_nipype.exceptions import ContrastError, DesignError, InputError

GLM = """\
/NumWaves\t2
/NumPoints\t4
/PPheights\t\t1.000000e+00\t1.000000e+00

/Matrix
1.000000e+00\t0.000000e+00\t
1.000000e+00\t0.000000e+00\t
0.000000e+00\t1.000000e+00\t
0.000000e+00\t1.000000e+00\t
"""
CON = """\
/ContrastName1\tpatient > control
/ContrastName2\tcontrol > patient
/ContrastName3\tmean of both
/NumWaves\t2
/NumContrasts\t3
/PPheights\t\t1.000000e+00\t1.000000e+00\t1.0
/RequiredEffect\t\t1.2\t1.2\t2.0

/Matrix
1.000000e+00 -1.000000e+00
-1.000000e+00 1.000000e+00
5.000000e-01 5.000000e-01
"""
FTS = """\
/NumWaves\t3
/NumContrasts\t2

/Matrix
1 0 1
0 1 0
"""


@pytest.fixture
def write(tmp_path):
    def write(text, name='design.mat'):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


TABLE = pd.DataFrame(
    {
        'group': list('aabbcc'),
        'age': [31.25, 0.1 + 0.2, 1 / 3, 45.0, 1e-17, 39.0],
        'score': [3, 1, 4, 1, 5, 9],
    }
)


def test_files_of_fsl(write):
    design = load_any_design(write(GLM))
    assert design.columns.tolist() == ['EV1', 'EV2']
    np.testing.assert_array_equal(design, [[1, 0], [1, 0], [0, 1], [0, 1]])
    contrasts = load_fsl_contrasts(write(CON, 'design.con'), write(FTS, 'design.fts'))
    assert contrasts == {
        'patient > control': [1, -1],
        'control > patient': [-1, 1],
        'mean of both': [0.5, 0.5],
        'F1': [[1, -1], [0.5, 0.5]],
        # F of one t contrast is its t.
        'F2': [-1, 1],
    }
    kinds = [define_contrast(*item, design).kind for item in contrasts.items()]
    assert kinds == ['t', 't', 't', 'F', 't']


def test_files_that_nipype_writes(tmp_path, monkeypatch):
    """Files of nipype's L2Model, which FSL's flameo is run on."""
    monkeypatch.chdir(tmp_path)
    written = L2Model(num_copes=5).run().outputs
    design = load_any_design(written.design_mat)
    pd.testing.assert_frame_equal(design, pd.DataFrame({'EV1': np.ones(5)}))
    assert load_fsl_contrasts(written.design_con) == {'group mean': [1.0]}
    assert load_groups(written.design_grp).tolist() == [1] * 5


@pytest.mark.parametrize(
    'text',
    [
        '1 0\n1 2.5\n',
        '1,0\n1,2.5\n',
        '1, 0\r\n1, 2.5\r\n',
        '\ufeff1\t0\n\n1\t2.5',
        '/Matrix\n1 0\n1 2.5',
    ],
)
def test_plain_numbers(write, text):
    np.testing.assert_array_equal(load_vest(write(text)).matrix, [[1, 0], [1, 2.5]])
    np.testing.assert_array_equal(load_any_design(write(text, 'd.csv')), [[1, 0], [1, 2.5]])
    assert load_fsl_contrasts(write(text)) == {'contrast 1': [1, 0], 'contrast 2': [1, 2.5]}


def test_a_file_with_another_first_line(write):
    text = '! VEST-Waveform File\n' + GLM
    np.testing.assert_array_equal(load_any_design(write(text)), load_any_design(write(GLM)))


@pytest.mark.filterwarnings('ignore:Attention. Design matrix is singular')
@pytest.mark.parametrize('index', [False, True])
@pytest.mark.parametrize(('name', 'sep'), [('d.csv', ','), ('d.tsv', '\t')])
def test_frames_of_nilearn(tmp_path, index, name, sep):
    from nilearn.glm.second_level import make_second_level_design_matrix

    labels = [f'{number:02d}' for number in range(6)]
    confounds = TABLE[['age', 'score']].assign(subject_label=labels, age=[31, 40, 28, 45, 52, 39])
    frame = make_second_level_design_matrix(labels, confounds)
    frame.to_csv(tmp_path / name, sep=sep, index=index)
    design = load_any_design(tmp_path / name)
    assert design.columns.tolist() == ['age', 'score', 'intercept']
    np.testing.assert_array_equal(design, frame)
    contrast = define_contrast('older', 'age', design)
    np.testing.assert_array_equal(contrast.weights, [[1, 0, 0]])


@pytest.fixture
def designed():
    design = design_from_formula('group + age', TABLE)
    definitions = {
        'older': 'age / 3',
        'c - b': 'group[T.c] - group[T.b]',
        'any  group': 'F(group)',
        # The rows of F come back in the order of the t contrasts.
        'both': ['age / 3', 'group[T.c] - group[T.b]'],
    }
    return design, [define_contrast(*item, design) for item in definitions.items()]


def test_round_trip(designed, tmp_path):
    design, contrasts = designed
    paths = save_fsl(design, contrasts, tmp_path, name='model', groups=[1, 1, 2, 2, 3, 3])
    assert {path.rpartition('/')[2] for path in paths.values()} == {
        f'model.{end}' for end in ('mat', 'con', 'fts', 'grp')
    }
    again = load_any_design(paths['mat'])
    # The same bits, although FSL writes seven digits.
    assert again.to_numpy().tobytes() == design.to_numpy().tobytes()
    found = load_fsl_contrasts(paths['con'], paths['fts'])
    for contrast in contrasts:
        name = ' '.join(contrast.name.split())
        np.testing.assert_array_equal(np.atleast_2d(found.pop(name)), contrast.weights)
    # Rows of F that are no t contrasts of their own; those of 'both' are.
    assert list(found) == ['any group, row 1', 'any group, row 2']
    np.testing.assert_array_equal(load_blocks(paths['grp'])[:, 0], [1, 1, 2, 2, 3, 3])


def test_header_of_what_is_written(designed, tmp_path):
    """Keys and layout that FSL's own files have."""
    design, contrasts = designed
    paths = save_fsl(design, contrasts, tmp_path)
    lines = {end: (tmp_path / f'design.{end}').read_text().splitlines() for end in paths}
    assert set(paths) == {'mat', 'con', 'fts'}
    assert lines['mat'][:2] == ['/NumWaves\t4', '/NumPoints\t6']
    heights = [float(text) for text in lines['mat'][2].split()[1:]]
    np.testing.assert_allclose(heights, [1, 1, 1, 45], rtol=1e-6)
    assert lines['con'][:6] == [
        '/ContrastName1\tolder',
        '/ContrastName2\tc - b',
        '/ContrastName3\tany group, row 1',
        '/ContrastName4\tany group, row 2',
        '/NumWaves\t4',
        '/NumContrasts\t4',
    ]
    assert lines['fts'][-2:] == ['0\t0\t1\t1', '1\t1\t0\t0']


def test_a_design_without_contrasts(designed, tmp_path):
    assert set(save_fsl(designed[0], [], tmp_path)) == {'mat'}


def test_what_does_not_fit_is_not_written(designed, tmp_path):
    design, contrasts = designed
    with pytest.raises(DesignError, match='groups do not fit'):
        save_fsl(design, contrasts, tmp_path, groups=[[1, 2]] * 6)
    with pytest.raises(ContrastError, match='another design'):
        save_fsl(design[['age', 'intercept']], contrasts, tmp_path)
    assert list(tmp_path.iterdir()) == []


BAD = {
    'rows of different lengths': ('1 2\n3\n', 'rows of different lengths'),
    'empty': ('', 'no numbers'),
    'header only': ('/NumWaves 2\n/Matrix\n', 'no numbers'),
    'words': ('/Matrix\n1 a\n', "'a'"),
    'not finite': ('1 nan\n2 3\n', 'not finite'),
    'MATLAB': (b'MATLAB 5.0 MAT-file\x00\x81\xff\xfe', 'a binary file'),
    'header without matrix': ('/NumWaves 2\n1 2\n', "'/NumWaves'"),
}


@pytest.mark.parametrize('name', BAD)
def test_files_that_are_no_matrix(write, name):
    content, said = BAD[name]
    with pytest.raises(InputError, match='could not be read as a matrix') as error:
        load_any_design(write(content))
    assert said in error.value.found


@pytest.mark.parametrize(
    ('text', 'found'),
    [
        (GLM.replace('NumPoints\t4', 'NumPoints\t5'), '/numpoints 5, but 4 rows of 2'),
        (GLM.replace('NumWaves\t2', 'NumWaves\t3'), '/numwaves 3'),
    ],
)
def test_headers_that_lie(write, text, found):
    with pytest.raises(InputError, match=r'header of .* does not fit') as error:
        load_any_design(write(text))
    assert found in error.value.found


@pytest.mark.parametrize(
    ('con', 'fts', 'message'),
    [
        (CON.replace('control > patient', 'mean of both'), None, "the name 'mean of both'"),
        (CON, FTS.replace('0 1 0', '0 0 0'), 'not made of the contrasts'),
        (CON, FTS.replace('0 1 0', '0 2 0'), 'not made of the contrasts'),
        (CON, '1 1\n', 'not made of the contrasts'),
    ],
)
def test_contrasts_that_cannot_be(write, con, fts, message):
    fts_file = None if fts is None else write(fts, 'd.fts')
    with pytest.raises(ContrastError, match=message):
        load_fsl_contrasts(write(con, 'd.con'), fts_file)


def test_empty_names_are_numbered(write):
    con = CON.replace('patient > control', '').replace('mean of both', '""')
    assert list(load_fsl_contrasts(write(con))) == [
        'contrast 1',
        'control > patient',
        'contrast 3',
    ]


@pytest.mark.parametrize(
    ('text', 'said'),
    [
        ('a,b\n1,x\n', 'do not hold numbers: b'),
        ('a,b\n', 'no rows'),
        ('a,b\n1,n/a\n', 'not finite'),
    ],
)
def test_tables_that_are_no_design(write, text, said):
    with pytest.raises(DesignError) as error:
        load_any_design(write(text, 'd.csv'))
    assert said in str(error.value)
