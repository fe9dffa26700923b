"""Links of the documents, without a network: well-formed outside, existing inside."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MADE = {'_build', 'gallery', 'api', 'interfaces', 'workflows'}
PAGES = [
    path
    for pattern in ('*.rst', 'docs/**/*.rst', '*/README.rst', 'tests/*/README.rst')
    for path in sorted(ROOT.glob(pattern))
    # What the build of the documentation makes.
    if not path.is_relative_to(ROOT / 'docs')
    or not MADE & set(path.relative_to(ROOT / 'docs').parts[:-1])
]
SOURCES = sorted(ROOT.glob('nistats_nipype/**/*.py'))
_URL = re.compile(r"""[a-z]+://[^\s<>`'"\\]+""")
_DOI = re.compile(r'https://doi\.org/10\.\d{4,9}/[\w.()/:;<>-]*[\w)]')
_FILE = re.compile(r'``((?:benchmarks|docs|nistats_nipype|tests|tools|workflows)/[\w./-]*)``')


def urls_of(path):
    """External links of a file, without the marks that end a sentence after them."""
    # A brace is a place that a program fills in.
    return [url.rstrip('.,;:') for url in _URL.findall(path.read_text()) if '{' not in url]


def is_well_formed(url):
    """Whether a link is one that readers can follow; those of local programs are left alone."""
    # A parenthesis belongs to the link if it was opened in it.
    link = url if url.count('(') == url.count(')') else url.rstrip(')')
    schemes = ('https://', 'file://', 'tcp://', 'http://127.', 'http://www.w3.org/')
    return link.startswith(schemes) and ('doi.org' not in link or bool(_DOI.fullmatch(link)))


def test_external_links_are_well_formed():
    links = [(path, url) for path in (*PAGES, *SOURCES) for url in urls_of(path)]
    assert len(links) > 80
    assert [link for link in links if not is_well_formed(link[1])] == []


@pytest.mark.parametrize(
    'url', ['http://example.org', 'https://doi.org/1016/j', 'https://dx.doi.org/10.1002/sim.1186']
)
def test_a_bad_link_is_noticed(url):
    assert not is_well_formed(url)


@pytest.mark.parametrize('path', PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_files_of_the_checkout_exist(path):
    text = path.read_text()
    pictures = re.findall(r'^ *\.\. (?:image|figure):: (\S+)', text, re.MULTILINE)
    assert [each for each in pictures if not (path.parent / each).is_file()] == []
    names = [name for name in _FILE.findall(text) if not name.startswith('docs/_build')]
    assert [name for name in names if not (ROOT / name).exists()] == []
