"""The methods text: what COBIDAS asks for, and the works it cites."""

import ast
import re
from pathlib import Path

import pytest

from nistats_nipype.viz import methods
from nistats_nipype.viz.methods import methods_text
from nistats_nipype.viz.references import _REFERENCES, list_references

ROOT = Path(__file__).parents[2]
MODEL = {
    'MissingData': 'error',
    'NumberOfMaps': 20,
    'NumberOfVoxelsFitted': 54321,
    'NumberOfIncompleteVoxelsFitted': 0,
    'Formula': 'group + age',
}
TEST = {
    'Contrast': 'patients > controls',
    'ContrastFormula': 'patient - control',
    'Statistic': 't',
    'Sidedness': 'positive',
    'DegreesOfFreedom': [17.0, 17.0],
    'DesignColumns': ['patient', 'control', 'age'],
}
THRESHOLD = {
    'Alpha': 0.001,
    'Threshold': 3.0902,
    'Sidedness': 'positive',
    'Connectivity': 18,
    'ClusterThreshold': 10,
}
PERMUTATION = {
    'NumberOfRelabellings': 5001,
    'Errors': 'exchangeable',
    'Seed': 7,
    'PermutationMethod': 'freedman-lane',
    'ExchangeabilityBlocks': [1, 1, 2, 2],
    'NumberOfVoxelsNotTested': 0,
    'FDRMethod': 'BKY',
    'Tail': None,
}
SPATIAL = {
    'Connectivity': 18,
    'ClusterFormingThreshold': {'Given': 2.3, 'GivenAs': 'z', 'Statistic': 2.4},
    'TFCE': {'H': 2.0, 'E': 0.5},
}
ENTRY = {
    'test': TEST,
    'uncorrected': THRESHOLD,
    'permutation': PERMUTATION,
    'fwe': {'Alpha': 0.025},
    'spatial': SPATIAL,
    'extent': {},
    'mass': {},
    'tfce': {},
}
PREPARATION = {
    'fwhm_mm': 6.0,
    'mask_method': 'intersection',
    'voxel_mm': [3.0, 3.0, 3.5],
    'n_left_out': 2,
}
VERSIONS = {'nistats_nipype': '0.1', 'nilearn': '0.14.1', 'other': '3'}


@pytest.mark.parametrize(
    'item',
    [
        '20 maps, one for each observation',
        'kernel of 6 mm FWHM',
        '54,321 voxels of 3 × 3 × 3.5 mm (those observed in all maps)',
        'fitted by ordinary least squares',
        '2 further maps were left out',
        '3 regressors (formula: group + age): patient, control, age',
        'Contrast "patients > controls" (patient - control) was tested positive side with t(17)',
        '5,000 permutations of the observations drawn without repeats (seed 7)',
        'kept to exchangeability blocks (Winkler et al. 2015)',
        'nuisance model relabelled (Freedman and Lane 1983)',
        'Voxels at FWE-corrected p < .025 are reported',
        'clusters were formed at z > 2.3, neighbours being those of 18-connectivity',
        'H = 2, E = 0.5',
        'false discovery rate (Benjamini et al. 2006)',
        'uncorrected p < .001 (z > 3.09), in clusters of at least 10 voxels',
        'connected by 18 neighbours',
        'MNI152 template (Fonov et al. 2011)',
        'nistats_nipype 0.1, nilearn 0.14.1 (Abraham et al. 2014), other 3',
    ],
)
def test_items_are_there(item):
    assert item in methods_text(MODEL, PREPARATION, [ENTRY], VERSIONS)


def test_text_speaks_only_of_what_was_done():
    plain = {'fwhm_mm': 0, 'mask_method': 'given'}
    text = methods_text(MODEL, plain, [{'test': TEST}], {'nilearn': '0.14.1'})
    for word in ('permut', 'cluster', 'TFCE', 'left out', 'seed', 'discovery', 'Winkler', ' of  '):
        assert word not in text
    assert 'were not smoothed' in text
    negative = {**THRESHOLD, 'Sidedness': 'negative', 'ClusterThreshold': 0}
    text = methods_text(MODEL, plain, [{'test': TEST, 'uncorrected': negative}], {})
    assert 'p < .001 (z < −3.09). Clusters' in text


def test_works_are_listed_once_with_their_address():
    text, works = methods_text(MODEL, PREPARATION, [ENTRY, ENTRY], VERSIONS).split(
        '\n\nReferences\n\n'
    )
    assert 'https' not in text
    works = works.split('\n\n')
    assert works == sorted(works, key=str.casefold)
    assert len(set(works)) == len(works)
    assert all(re.search(r'\(\d{4}\)\. .+\. https://doi\.org/10\.\S+$', work) for work in works)
    cited = set(re.findall(r'\b([A-Z]\w+)(?: et al\.| and [A-Z]\w+)? (\d{4})', text))
    listed = {(work.split()[0], re.search(r'\((\d{4})\)', work)[1]) for work in works}
    assert cited == listed


def test_addresses_with_brackets_and_works_that_are_not_known():
    text, works = list_references(
        'a (DerSimonian and Laird 1986, https://doi.org/10.1016/0197-2456(86)90046-2). b (Who '
        'et al. 1999, https://doi.org/10.1/x.2; Welch 1951, https://doi.org/10.1093/biomet/'
        '38.3-4.330), c.'
    )
    assert text == 'a (DerSimonian and Laird 1986). b (Who et al. 1999; Welch 1951), c.'
    assert [work.split()[0] for work in works] == ['DerSimonian', 'Welch', 'Who']
    assert works[0].endswith('https://doi.org/10.1016/0197-2456(86)90046-2')
    assert works[2] == 'Who et al. 1999. https://doi.org/10.1/x.2'


def test_every_work_that_is_cited_is_known():
    """All sentences of the package's prose, whatever analysis they belong to."""
    literals = []
    for path in Path(methods.__file__).parent.glob('*.py'):
        if path.name != 'references.py':
            tree = ast.parse(path.read_text('utf-8'))
            literals += [
                node.value
                for node in ast.walk(tree)
                if isinstance(node, ast.Constant) and isinstance(node.value, str)
            ]
    cited = {
        match.rstrip('.')
        for text in literals
        for match in re.findall(r' \d{4},\s+https://doi\.org/((?:\([^()]*\)|[^\s();])+)', text)
    }
    assert len(cited) > 15
    assert cited - set(_REFERENCES) == set()


def test_works_read_as_in_the_documentation():
    text = ' '.join((ROOT / 'docs' / 'references.rst').read_text('utf-8').split())
    documented = dict(re.findall(r'\[\w+\] ((?:(?!\.\. \[).)*?) https://doi\.org/(\S+)', text))
    documented = {doi: words for words, doi in documented.items()}
    common = set(documented) & set(_REFERENCES)
    assert len(common) > 8
    for doi in common:
        assert _REFERENCES[doi] == documented[doi]
