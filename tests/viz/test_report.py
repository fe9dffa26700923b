"""The report, read back as a browser would."""

import base64
import io
import itertools
import json
import re
import struct
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from nistats_nipype.exceptions import InputError
from nistats_nipype.viz import (
    ContrastSection,
    DesignSection,
    Figure,
    GroupSection,
    render_report,
)
from nistats_nipype.viz.answer import KeyFigure

NASTY = '<script>alert("x")</script> & \'quotes\''
VOID = {'img', 'meta', 'link', 'br', 'hr', 'input'}


class Page(HTMLParser):
    """Elements of a page in order, each with its attributes and its text."""

    def __init__(self, path):
        super().__init__()
        self.elements, self.open = [], []
        with open(path, encoding='utf-8') as stream:
            self.source = stream.read()
        self.feed(self.source)
        self.close()

    def handle_starttag(self, tag, attrs):
        element = {'tag': tag, 'text': '', **dict(attrs)}
        self.elements.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_endtag(self, tag):
        assert self.open.pop()['tag'] == tag

    def handle_data(self, data):
        for element in self.open:
            element['text'] += data

    def find(self, *tags):
        return [element for element in self.elements if element['tag'] in tags]


@pytest.fixture
def figure(tmp_path):
    path = tmp_path / 'figure.png'
    noise = np.random.default_rng(0).integers(0, 256, (150, 300, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path)
    return Figure(path, 'Caption of the map.', 'A map with one region.')


@pytest.fixture
def clusters():
    return pd.DataFrame(
        {
            'cluster_id': [1, 1, 2],
            'peak': [1, 2, 1],
            'x_mm': [-42.0, 12.5, 3.0],
            'peak_stat': [7.123456789, 5.5, -6.25],
            'p_fwe': [0.00021, 0.049951, 1.0],
            'n_voxels': pd.array([1234, pd.NA, 7], dtype='Int64'),
            'volume_mm3': [33318.0, np.nan, 189.0],
            'sign': ['positive', 'positive', 'negative'],
        }
    )


@pytest.fixture
def content(figure, clusters):
    main = ContrastSection(
        'patients > controls', 't', 'Weights [-1, 1].', 'Two clusters.', [figure], clusters,
        {'Relabellings': 1000}, figure,
    )  # fmt: skip
    empty = ContrastSection('age', 'F', 'Any age.', 'Nothing.', [], clusters.iloc[:0], {})
    no_table = ContrastSection('mean', 't', 'Mean.', 'Something.', [figure], None, {})
    losses = pd.DataFrame({'file': ['sub-01'], 'n_lost': [5], 'percent_lost': [0.5]})
    return {
        'title': 'Group analysis',
        'summary': 'First paragraph.\n\nSecond paragraph.',
        'contrasts': [main, empty, no_table],
        'design': DesignSection(figure, pd.DataFrame({'age': [1.5]}), ['A note.']),
        'group': GroupSection([figure], losses),
        'methods': 'One.\n\nTwo.',
        'provenance': {'Seed': 0, 'Sources': ['/a/b.nii.gz', '/a/c.nii.gz']},
    }


@pytest.fixture
def render(tmp_path, content):
    def write(**changes):
        return Page(render_report(tmp_path / 'report.html', **(content | changes)))

    return write


def test_page_is_well_formed_and_complete(render, tmp_path):
    page = render()
    assert page.open == []
    assert page.source.startswith('<!doctype html>')
    assert page.find('html')[0]['lang'] == 'en'
    assert page.find('title')[0]['text'] == 'Group analysis'
    assert not list(tmp_path.glob('.*partial*'))


def test_findings_are_listed_in_their_order(render):
    assert 'What the checks found' not in render().source
    findings = [
        {'severity': 'warning', 'code': 'outlier', 'where': 'age', 'problem': NASTY,
         'advice': 'Correct it.'},
        {'severity': 'note', 'code': 'few-maps', 'where': 'design', 'problem': 'Few.',
         'advice': ''},
    ]  # fmt: skip
    page = render(findings=findings)
    (section,) = [each for each in page.find('section') if each.get('id') == 'checks']
    for words in ('What the checks found', 'age', 'outlier', NASTY, 'Correct it.', 'few-maps'):
        assert words in section['text']
    severities = [each['text'] for each in page.find('span') if 'severity' in each['class']]
    assert severities == ['warning', 'note']
    assert len([each for each in page.find('p') if each.get('class') == 'advice']) == 1
    assert '#checks' in [each['href'] for each in page.find('a')]
    assert page.open == []
    (section,) = [each for each in render(findings=[]).find('section') if each['id'] == 'checks']
    assert 'Nothing' in section['text']


def test_nothing_is_loaded_from_elsewhere(render):
    page = render()
    for element in page.elements:
        for name in ('src', 'href', 'srcset', 'action', 'data', 'poster'):
            if name in element:
                assert element[name].startswith(('data:', '#'))
    assert page.find('link', 'iframe', 'object', 'base') == []
    css = page.find('style')[0]['text']
    assert 'url(' not in css
    assert '@import' not in css
    assert 'http' not in page.source.replace('http-equiv', '')
    policy = next(each for each in page.find('meta') if 'http-equiv' in each)['content']
    assert "default-src 'none'" in policy


def test_headings_are_in_order(render):
    levels = [int(each['tag'][1]) for each in render().find('h1', 'h2', 'h3', 'h4', 'h5')]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))


def test_links_lead_somewhere(render):
    page = render()
    ids = [element['id'] for element in page.elements if 'id' in element]
    assert len(ids) == len(set(ids))
    targets = {each['href'][1:] for each in page.find('a') if each['href'].startswith('#')}
    assert targets <= set(ids)
    assert {'contrast-1', 'contrast-2', 'contrast-3'} <= targets


def test_answers_come_first(render):
    page = render()
    answers = next(each for each in page.find('ul') if each.get('class') == 'answers')['text']
    assert [answers.index(text) for text in ('Two clusters.', 'Nothing.', 'Something.')]
    assert page.source.index('class="answers"') < page.source.index('<img')
    assert 't contrast' in answers
    assert 'F contrast' in answers


def test_images_are_embedded_with_alt_text_and_size(render, figure):
    with Image.open(figure.path) as drawn:
        pixels = np.asarray(drawn.convert('RGBA'))
    images = render().find('img')
    assert len(images) == 5
    for image in images:
        assert image['alt'] == 'A map with one region.'
        assert (image['width'], image['height']) == ('192', '96')  # 300 x 150 at 150 dpi
        kind, content = image['src'].split(',')
        assert kind == 'data:image/webp;base64'
        with Image.open(io.BytesIO(base64.b64decode(content))) as shown:
            difference = np.asarray(shown.convert('RGBA')).astype(int) - pixels
        assert np.abs(difference).max() == 2
        assert not difference[np.isin(pixels, (0, 255))].any()


def test_svg_is_embedded(render, tmp_path):
    path = tmp_path / 'figure.svg'
    path.write_text('<svg xmlns="http://www.w3.org/2000/svg"/>')
    page = render(design=DesignSection(Figure(path, '', 'A design.')))
    image = next(each for each in page.find('img') if each['alt'] == 'A design.')
    assert base64.b64decode(image['src'].split(',')[1]) == path.read_bytes()
    assert 'width' not in image


def test_table_holds_the_frame(render, clusters):
    page = render()
    start = next(i for i, each in enumerate(page.elements) if each['tag'] == 'table')
    end = next(i for i, each in enumerate(page.elements) if i > start and each['tag'] == 'a')
    cells = [each for each in page.elements[start:end] if 'data-value' in each]
    assert len(cells) == clusters.size
    for cell, value in zip(cells, clusters.to_numpy().ravel(), strict=True):
        if pd.isna(value):
            assert cell['data-value'] == cell['text'] == ''
        elif isinstance(value, str):
            assert cell['data-value'] == cell['text'] == value
        else:
            assert float(cell['data-value']) == value
    texts = [cell['text'] for cell in cells]
    assert texts[:8] == [
        '1',
        '1',
        '−42',
        '7.12',
        '< 0.001',
        '1\u202f234',
        '33\u202f318',
        'positive',
    ]
    assert texts[12] == '0.050'
    assert texts[19] == '−6.25'


def test_table_headers_have_scope_and_words(render):
    page = render()
    assert page.find('caption')
    headers = page.find('th')
    assert all(each['scope'] in ('col', 'row') for each in headers)
    names = [each['text'] for each in headers if each['scope'] == 'col']
    assert names[:5] == ['Cluster', 'Peak', 'x (mm)', 'Statistic', 'p (FWE)']


def test_tables_can_be_downloaded_whole(render, clusters):
    links = {each['download']: each['href'] for each in render().find('a') if 'download' in each}
    assert set(links) == {'clusters_patients-controls.tsv', 'design.tsv', 'coverage.tsv'}
    text = base64.b64decode(links['clusters_patients-controls.tsv'].split(',')[1]).decode()
    back = pd.read_csv(io.StringIO(text), sep='\t', na_values=['n/a'])
    pd.testing.assert_frame_equal(back, clusters, check_dtype=False, check_exact=True)


def test_empty_and_absent_tables(render):
    page = render()
    assert page.source.count('No cluster was found.') == 1
    assert len(page.find('table')) == 3


def test_text_is_escaped_everywhere(render, content, figure, clusters):
    plain = len(render().find('script'))
    nasty_figure = Figure(figure.path, NASTY, NASTY)
    table = clusters.assign(sign=NASTY).rename(columns={'peak': NASTY})
    page = render(
        title=NASTY,
        summary=NASTY,
        contrasts=[
            ContrastSection(
                NASTY, 't', NASTY, NASTY, [nasty_figure], table, {NASTY: NASTY}, nasty_figure
            )
        ],
        design=DesignSection(nasty_figure, table, [NASTY]),
        group=GroupSection([nasty_figure], table),
        methods=NASTY,
        provenance={NASTY: [NASTY]},
    )
    assert len(page.find('script')) == plain
    assert page.find('h1')[0]['text'] == NASTY
    assert page.find('img')[0]['alt'] == NASTY
    assert page.find('dt')[0]['text'] == NASTY
    assert page.source.count('alert("x")') == 0


def test_paragraphs_and_lists(render):
    page = render()
    assert [each['text'] for each in page.find('p')][:2] == [
        'First paragraph.',
        'Second paragraph.',
    ]
    methods = next(each for each in page.find('div') if each.get('id') == 'methods-text')
    assert methods['text'].split() == ['One.', 'Two.']
    values = [each['text'] for each in page.find('dd')]
    assert values == ['1000', '0', '/a/b.nii.gz', '/a/c.nii.gz']


def test_least_content(render):
    page = render(
        contrasts=[], design=DesignSection(None), group=GroupSection([]), provenance={}, methods=''
    )
    assert page.open == []
    assert page.find('img', 'table') == []


def test_same_bytes(render):
    assert render().source == render().source


def test_unusable_figures(render, tmp_path):
    wrong = tmp_path / 'figure.pdf'
    wrong.write_bytes(b'%PDF')
    disguised = tmp_path / 'disguised.png'
    disguised.write_bytes(struct.pack('>30x'))
    for path in (tmp_path / 'missing.png', wrong, disguised):
        with pytest.raises(InputError, match=path.name):
            render(design=DesignSection(Figure(path, '', '')))
    assert not (tmp_path / 'report.html').exists()


def test_unknown_kind(render, content):
    with pytest.raises(InputError, match="'r'"):
        render(contrasts=[content['contrasts'][0]._replace(kind='r')])


def luminance(colour):
    """Relative luminance of WCAG 2."""
    channels = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return linear @ [0.2126, 0.7152, 0.0722]


def test_text_stands_out_in_both_schemes(render):
    css = render().find('style')[0]['text']
    (root,) = re.findall(r':root \{(.*?)\n\}', css.split('@media')[0], flags=re.DOTALL)
    pairs = re.findall(r'--(\w+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\)', root)
    for scheme in (1, 2):
        colours = {pair[0]: pair[scheme] for pair in pairs}
        for text in ('ink', 'muted', 'link', 'accent'):
            for ground in ('page', 'card', 'soft'):
                high, low = sorted(
                    (luminance(colours[name]) for name in (text, ground)), reverse=True
                )
                assert (high + 0.05) / (low + 0.05) >= 4.5, (scheme, text, ground)


def test_viewers_are_embedded_and_share_their_parts(render, content, tmp_path):
    common = '<p>data:image/png;base64,' + 'QUJD' * 1000 + '</p><script>let x = "<&>";</script>'
    pages = [f'<!doctype html><h1>{name}</h1>{common}' for name in ('one', 'two')]
    sections = []
    for number, (section, text) in enumerate(zip(content['contrasts'], pages, strict=False)):
        path = tmp_path / f'{number}.html'
        path.write_text(text)
        sections.append(section._replace(viewer=path))
    page = render(contrasts=[*sections, content['contrasts'][2]])
    frames = page.find('iframe')
    assert [(each['title'], each['data-viewer']) for each in frames] == [
        ('Viewer of patients > controls', '0'),
        ('Viewer of age', '1'),
    ]
    assert not any('src' in each or 'srcdoc' in each for each in frames)
    (holder,) = [each for each in page.find('script') if each.get('id') == 'viewers']
    found = json.loads(holder['text'])
    assert [''.join(found['parts'][i] for i in order) for order in found['pages']] == pages
    assert page.source.count('QUJD' * 1000) == 1
    with pytest.raises(InputError, match=r'missing\.html'):
        render(contrasts=[sections[0]._replace(viewer=tmp_path / 'missing.html')])


def test_peaks_lead_to_the_viewer(render, content, clusters, tmp_path):
    path = tmp_path / 'viewer.html'
    path.write_text('<p>Viewer</p>')
    places = clusters.assign(y_mm=[1.0, -2.5, 4.0], z_mm=[0.0, 8.0, 9.0])
    main = content['contrasts'][0]._replace(clusters=places, viewer=path)

    def points(section):
        buttons = [
            each
            for each in render(contrasts=[section]).find('button')
            if each.get('class') == 'point'
        ]
        return [json.loads(each['data-point']) for each in buttons]

    assert points(main) == places[['x_mm', 'y_mm', 'z_mm']].to_numpy().tolist()
    assert points(main._replace(viewer=None)) == []
    assert points(main._replace(clusters=clusters)) == []


def test_long_tables_are_shown_in_part_and_downloaded_whole(render, content):
    table = pd.DataFrame({'age': np.arange(1000)})
    page = render(design=DesignSection(None, table))
    assert 'Design matrix, the first 200 of 1\u202f000 rows' in page.source
    cells = [each for each in page.find('th') if each['scope'] == 'row' and 'data-value' in each]
    assert sum(each['text'] == '199' for each in cells) == 1
    assert not any(each['text'] == '200' for each in cells)
    (link,) = [each for each in page.find('a') if each.get('download') == 'design.tsv']
    text = base64.b64decode(link['href'].split(',')[1]).decode()
    assert text.split() == ['age', *map(str, range(1000))]


def test_figures_of_a_topic_share_its_heading(render, content, figure):
    headings = ['', 'Values', 'Maps', 'Maps']
    figures = [figure._replace(heading=heading) for heading in headings]
    page = render(contrasts=[content['contrasts'][0]._replace(figures=figures)])
    seen = [each.get('text') or each['tag'] for each in page.find('h4', 'img')]
    start = seen.index('Values')
    assert seen[start : start + 5] == ['Values', 'img', 'Maps', 'img', 'img']


def test_numbers_of_the_answer(render, content):
    numbers = [KeyFigure('Clusters', '6', 'p < .05'), KeyFigure('Voxels', '1,458')]
    page = render(contrasts=[content['contrasts'][0]._replace(answer=numbers)])
    (answers,) = [each for each in page.find('ul') if each.get('class') == 'answers']
    words = answers['text'].split()
    assert words.index('Clusters') + 1 == words.index('6') < words.index('1,458')
    assert 'p < .05' in answers['text']
