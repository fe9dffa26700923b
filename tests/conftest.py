"""Settings of the test run, and the fixtures that all rooms share."""

import os
import socket
import tempfile
from pathlib import Path

import pytest

# Before anything imports nipype or matplotlib, here or in a worker process: no version check
# over the network, no display, and no font cache in a home folder that may be read-only.
os.environ['NIPYPE_NO_ET'] = '1'
os.environ['MPLBACKEND'] = 'Agg'
os.environ.setdefault(
    'MPLCONFIGDIR', str(Path(tempfile.gettempdir()) / f'nistats_nipype-mpl-{os.getuid()}')
)

_DATA_VARIABLE = 'NISTATS_NIPYPE_DATA'
_LOOPBACK = {'127.0.0.1', '::1', 'localhost'}


def pytest_collection_modifyitems(config, items):
    """Leave out what takes very long, unless it is asked for."""
    if 'large' not in config.option.markexpr:
        for item in items:
            if item.get_closest_marker('large'):
                item.add_marker(pytest.mark.skip(reason='a large group: ask for it with -m large'))


@pytest.fixture(scope='session')
def data_dir():
    """Folder of the real group data; a test that asks for it skips where there is none."""
    value = os.environ.get(_DATA_VARIABLE)
    if not value:
        pytest.skip(f'real data: {_DATA_VARIABLE} is not set')
    folder = Path(value).expanduser().resolve()
    if not folder.is_dir():
        pytest.fail(f'{_DATA_VARIABLE}={value} is not a folder')
    return folder


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    """Let no test reach beyond this machine; sockets between local processes stay usable."""
    connect = socket.socket.connect

    def connect_locally(self, address):
        if self.family != socket.AF_UNIX and address[0] not in _LOOPBACK:
            raise RuntimeError(f'A test tried to reach {address[0]} over the network.')
        return connect(self, address)

    monkeypatch.setattr(socket.socket, 'connect', connect_locally)
