"""The long version: more groups."""

import pytest


def pytest_addoption(parser):
    parser.addoption('--long', action='store_true', help='measure error rates on 10,000 groups')


@pytest.fixture(scope='session')
def n_groups(request):
    """Groups of one case."""
    # Known only where this folder is named on the command line.
    return 10000 if request.config.getoption('--long', default=False) else 400
