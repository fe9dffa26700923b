"""The report as a reader meets it: in a browser, without a network."""

import json
import re

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

LARGEST = 15e6
#: Of a viewer, what it does not have in common with the others: at most.
OWN_SHARE = 200e3
#: Colours of the viewer's map, from which it reads values back.
N_COLOURS = 256

pytestmark = pytest.mark.slow


def table_of(report, contrast='mean'):
    (path,) = report.results.glob(f'contrast-{contrast}_desc-voxelFWEThreshold_clusters.tsv')
    return pd.read_csv(path, sep='\t')


def place_in(frame):
    """Where the viewer is (mm), and the value it tells, 0 if none."""
    place = [float(each.input_value()) for each in frame.query_selector_all('.place input')]
    text = frame.query_selector('output').text_content().replace('\N{MINUS SIGN}', '-')
    found = re.fullmatch(r'z ≈ (-?\d+\.\d)', text)
    assert found or text == 'nothing above the threshold here'
    return np.array(place), float(found.group(1)) if found else 0.0


def value_at(report, place, contrast='mean'):
    """The same from the map, and what the viewer's colours and its one decimal may change."""
    name = f'contrast-{contrast}_stat-z_desc-uncorrectedThreshold_statmap.nii.gz'
    image = nib.load(report.results / name)
    data = image.get_fdata()
    index = np.rint(np.linalg.inv(image.affine) @ [*place, 1])[:3].astype(int)
    step = 2 * np.abs(data).max() / (N_COLOURS - 1)
    return data[tuple(index)], step + 0.05


def rows_of(page, column):
    """Values of a column of the first table, in the order of the page."""
    cells = page.locator('table').first.locator(f'tbody tr > :nth-child({column + 1})')
    return cells.evaluate_all('(cells) => cells.map((cell) => Number(cell.dataset.value))')


def test_whole_page_opens_without_a_network(open_report, open_viewer, report):
    page = open_report()
    assert page.title() == 'Mean & age'
    for number in range(2):
        open_viewer(page, number)
    page.keyboard.press('End')
    # Every picture was decoded.
    sizes = page.locator('img').evaluate_all('(all) => all.map((each) => each.naturalWidth)')
    assert len(sizes) >= 10
    assert min(sizes) > 100
    # Ten contrasts would fit, with a viewer's own share of what is embedded.
    text = report.path.read_text()
    contrasts = [len(each) for each in re.findall('<article.*?</article>', text, re.DOTALL)]
    assert len(contrasts) == 2
    assert len(text) + 8 * (max(contrasts) + OWN_SHARE) < LARGEST


def test_viewer_opens_at_the_strongest_value(open_report, open_viewer, report):
    """The value and the place, of the map itself."""
    place, value = place_in(open_viewer(open_report()))
    expected, tolerance = value_at(report, place)
    assert value == pytest.approx(expected, abs=tolerance)
    peaks = table_of(report)
    strongest = peaks.loc[peaks['peak_stat'].abs().idxmax()]
    assert value == pytest.approx(strongest['peak_stat'], abs=tolerance)


def test_viewer_follows_a_click(open_report, open_viewer, report):
    frame = open_viewer(open_report())
    before, _ = place_in(frame)
    canvas = frame.query_selector('canvas')
    box = canvas.bounding_box()
    picture = canvas.screenshot()
    seen = set()
    # Across the axial slice, the last of three: x and y move, z stays.
    for share in (0.75, 0.8, 0.85, 0.9):
        canvas.click(position={'x': share * box['width'], 'y': 0.45 * box['height']})
        place, value = place_in(frame)
        assert place[2] == before[2]
        expected, tolerance = value_at(report, place)
        assert value == pytest.approx(expected, abs=tolerance)
        seen.add(tuple(place))
    assert len(seen) == 4
    assert canvas.screenshot() != picture


def test_viewer_works_with_the_keyboard(open_report, open_viewer, report):
    page = open_report()
    frame = open_viewer(page)
    before, _ = place_in(frame)
    frame.focus('.place input')
    page.keyboard.press('ArrowUp')
    place, value = place_in(frame)
    np.testing.assert_array_equal(place - before, [2, 0, 0])
    expected, tolerance = value_at(report, place)
    assert value == pytest.approx(expected, abs=tolerance)
    # A place beyond the brain is the border.
    page.keyboard.press('Control+A')
    page.keyboard.type('500')
    page.keyboard.press('Enter')
    assert 50 < place_in(frame)[0][0] < 150


def test_peaks_of_the_table_lead_to_the_viewer(open_report, open_viewer, report):
    page = open_report()
    peaks = table_of(report)
    assert len(peaks) > 1
    buttons = page.locator('article').first.locator('button.point')
    assert buttons.count() == len(peaks)
    # The first before the viewer was ever opened.
    for number in (len(peaks) - 1, 0):
        peak = peaks.iloc[number]
        buttons.nth(number).press('Enter')
        frame = open_viewer(page)
        x = round(peak['x_mm'])
        frame.wait_for_function(f'Math.abs(document.querySelector("input").value - {x}) <= 1')
        place, value = place_in(frame)
        assert np.abs(place - peak[['x_mm', 'y_mm', 'z_mm']].to_numpy(float)).max() <= 1
        _, tolerance = value_at(report, place)
        assert value == pytest.approx(peak['peak_stat'], abs=tolerance)


def test_table_sorts_by_mouse_and_keyboard(open_report, report):
    page = open_report()
    expected = table_of(report)['peak_stat'].sort_values().tolist()
    assert rows_of(page, 5) != expected
    heading = page.locator('table').first.locator('thead th').nth(5)
    heading.locator('button').click()
    assert rows_of(page, 5) == expected
    assert heading.get_attribute('aria-sort') == 'ascending'
    heading.locator('button').focus()
    page.keyboard.press('Space')
    assert rows_of(page, 5) == expected[::-1]
    assert heading.get_attribute('aria-sort') == 'descending'


def test_table_is_downloaded(open_report, report, tmp_path):
    page = open_report()
    with page.expect_download() as download:
        page.get_by_role('link', name='Download clusters_mean.tsv').click()
    assert download.value.suggested_filename == 'clusters_mean.tsv'
    download.value.save_as(tmp_path / 'clusters.tsv')
    found = pd.read_csv(tmp_path / 'clusters.tsv', sep='\t')
    pd.testing.assert_frame_equal(found, table_of(report), check_exact=True)


@pytest.mark.parametrize('scheme', ['light', 'dark'])
def test_no_barriers(open_report, open_viewer, scheme):
    """axe-core, on the page and in a viewer."""
    axe = pytest.importorskip(
        'axe_playwright_python.sync_playwright', reason="pip install '.[browser]'"
    ).Axe()
    page = open_report(scheme=scheme)
    page.locator('#run summary').click()
    frame = open_viewer(page)
    for each in (page, frame):
        violations = axe.run(each, options={'iframes': False}).response['violations']
        serious = [v for v in violations if v['impact'] in ('serious', 'critical')]
        assert not serious, json.dumps(serious, indent=1)


def luminance_of(page):
    """Mean lightness of the background, 0 to 255."""
    colour = page.evaluate('getComputedStyle(document.documentElement).backgroundColor')
    return np.mean([int(each) for each in re.findall(r'\d+', colour)[:3]])


@pytest.mark.parametrize('scheme', ['light', 'dark'])
def test_scheme_is_the_systems_and_can_be_changed(open_report, scheme):
    page = open_report(scheme=scheme)
    other = {'light': 'Dark', 'dark': 'Light'}[scheme]
    assert (luminance_of(page) > 128) == (scheme == 'light')
    page.get_by_role('button', name=f'{other} colours').press('Enter')
    assert (luminance_of(page) > 128) == (scheme == 'dark')
    page.get_by_role('button', name=f'{scheme.title()} colours').click()
    assert (luminance_of(page) > 128) == (scheme == 'light')


@pytest.mark.parametrize('scheme', ['light', 'dark'])
def test_graph_of_the_run(open_report, scheme):
    """Words fit into their boxes, and the colours are those of the page."""
    page = open_report(scheme=scheme)
    assert not page.locator('#run svg').is_visible()
    page.locator('#run summary').focus()
    page.keyboard.press('Enter')
    page.locator('#run svg').wait_for()
    spare = page.evaluate("""() => [...document.querySelectorAll('#run .node')].flatMap(node => {
        const box = [...node.querySelectorAll('rect')].at(-1).getBBox();
        return [...node.querySelectorAll('text')].map(text => {
            const words = text.getBBox();
            return Math.min(words.x - box.x, box.x + box.width - words.x - words.width,
                            words.y - box.y, box.y + box.height - words.y - words.height);
        });
    })""")
    assert len(spare) > 60
    assert min(spare) > 0
    paper, ink = page.evaluate("""() => ['.paper', 'text'].map(name => Math.max(
        ...getComputedStyle(document.querySelector(`#run ${name}`)).fill.match(/\\d+/g)))""")
    assert (paper > ink) == (scheme == 'light')


def test_contents_lead_to_the_sections(open_report):
    page = open_report()
    links = page.get_by_role('navigation').get_by_role('link')
    assert links.count() >= 7
    for link in links.all():
        link.click()
        target = page.locator(link.get_attribute('href'))
        assert target.locator('h2, h3').first.is_visible()
        page.wait_for_function(
            '(element) => element.getBoundingClientRect().top < innerHeight',
            arg=target.element_handle(),
        )


def test_fits_a_phone(open_report, open_viewer):
    page = open_report(width=360, height=740)
    for frame in (page.main_frame, open_viewer(page)):
        wide, seen = frame.evaluate(
            '[document.documentElement.scrollWidth, document.documentElement.clientWidth]'
        )
        assert wide <= seen


def test_prints(open_report):
    page = open_report(scheme='dark')
    pdf = page.pdf()
    assert pdf.startswith(b'%PDF-')
    assert len(re.findall(rb'/Type\s*/Page\b', pdf)) > 3
    page.emulate_media(media='print')
    assert luminance_of(page) == 255
    assert not page.get_by_role('navigation').is_visible()
    assert not page.locator('iframe').first.is_visible()
    # Nothing is hidden behind a scroll bar.
    for table in page.locator('.table').all():
        hidden = table.evaluate('(it) => it.scrollHeight - it.clientHeight')
        assert hidden <= 1
