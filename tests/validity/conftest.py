"""The long version: more groups; and a table of the rates."""

from pathlib import Path

import pytest


class RatesTable:
    """Collects what the cases found, from all processes, and writes it in their order."""

    def __init__(self, path):
        self.path, self.rows = path, []

    def pytest_runtest_logreport(self, report):
        """Take the rates of a test that has just run."""
        if report.when == 'call':
            self.rows += [value for name, value in report.user_properties if name == 'rates']

    def pytest_sessionfinish(self):
        """Write the table (TSV)."""
        rows = sorted(self.rows, key=lambda row: row['number'])
        columns = [name for name in rows[0] if name != 'number'] if rows else []
        lines = [columns, *([str(row[name]) for name in columns] for row in rows)]
        self.path.write_text(''.join('\t'.join(line) + '\n' for line in lines))


def pytest_addoption(parser):
    parser.addoption('--long', action='store_true', help='measure error rates on 10,000 groups')
    parser.addoption('--rates', type=Path, help='write them to this table (TSV)')


def pytest_configure(config):
    path = config.getoption('--rates', default=None)
    if path is not None and not hasattr(config, 'workerinput'):
        config.pluginmanager.register(RatesTable(path))


@pytest.fixture(scope='session')
def n_groups(request):
    """Groups of one case."""
    # Known only where this folder is named on the command line.
    return 10000 if request.config.getoption('--long', default=False) else 400
