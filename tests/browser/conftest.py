"""A small analysis with its report, and a browser that opens it."""

import os
import shutil
from pathlib import Path
from typing import NamedTuple

import pytest

from nistats_nipype.datasets.simulation import simulate_group
from nistats_nipype.workflows import init_second_level_wf

_CHROMIUM = ('chromium', 'chromium-browser', 'google-chrome')


class Report(NamedTuple):
    path: Path
    results: Path

    @property
    def url(self):
        return self.path.as_uri()


@pytest.fixture(scope='session')
def report(tmp_path_factory):
    """Report of two contrasts on twelve subjects."""
    folder = tmp_path_factory.mktemp('browser')
    group = simulate_group(
        folder / 'maps', n_subjects=12, resolution_mm=5, seed=3, effect_size=2.0
    )
    workflow = init_second_level_wf(
        contrasts={'mean': 'intercept', 'age & more': 'center(age)'},
        formula='center(age)',
        fwhm_mm=0,
        n_perm=50,
        sidedness='two-sided',
        title='Mean & age',
        out_dir=folder / 'results',
    )
    workflow.base_dir = str(folder / 'work')
    workflow.inputs.inputnode.in_files = group.effect_files
    workflow.inputs.inputnode.table_file = group.participants_file
    workflow.run()
    return Report(folder / 'results' / 'report.html', folder / 'results')


# Not for the session: while Playwright is open, the thread has a running event loop, in which
# tests of other modules could not start one.
@pytest.fixture(scope='module')
def chromium():
    """The browser of the system; Playwright is to download none."""
    playwright = pytest.importorskip(
        'playwright.sync_api', reason="browser tests: pip install '.[browser]'"
    )
    path = next(filter(None, map(shutil.which, _CHROMIUM)), None)
    if path is None:
        pytest.skip('browser tests: no Chromium; on Debian, apt-get install chromium')
    # Chromium cannot build its sandbox as root.
    args = ['--no-sandbox'] if os.getuid() == 0 else []
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=args)
        yield browser
        browser.close()


@pytest.fixture
def open_report(chromium, report):
    """Open the report; when the test is over, nothing may have been fetched or complained of."""
    contexts, complaints, requests = [], [], []

    def open_report(*, scheme='light', width=1280, height=900):
        context = chromium.new_context(
            viewport={'width': width, 'height': height},
            color_scheme=scheme,
            reduced_motion='reduce',
        )
        context.set_default_timeout(10_000)
        contexts.append(context)
        page = context.new_page()
        page.on('console', lambda message: complaints.append(message.text))
        page.on('pageerror', lambda error: complaints.append(str(error)))
        page.on('request', lambda request: requests.append(request.url))
        page.goto(report.url)
        return page

    yield open_report
    for context in contexts:
        context.close()
    assert complaints == []
    assert {url for url in requests if not url.startswith('data:')} <= {report.url}


@pytest.fixture
def open_viewer():
    """Scroll to one of the viewers, wait until it has drawn, and give its frame."""

    def open_viewer(page, number=0):
        element = page.locator('iframe').nth(number)
        element.scroll_into_view_if_needed()
        frame = element.element_handle().content_frame()
        frame.wait_for_function("document.querySelector('output')?.textContent")
        return frame

    return open_viewer
