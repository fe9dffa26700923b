"""The reference has everything that is public."""

import pkgutil
import re
from pathlib import Path

import pytest

import nistats_nipype
from nistats_nipype import interfaces, workflows

REFERENCE = Path(__file__).parents[2] / 'docs' / 'reference'


def listed(page):
    """Entries of the lists of a page."""
    return re.findall(r'^   ([\w.]+)$', (REFERENCE / page).read_text(), re.MULTILINE)


@pytest.mark.parametrize(
    ('page', 'names'),
    [('interfaces.rst', interfaces.__all__), ('workflows.rst', workflows.__all__)],
)
def test_every_interface_and_factory_has_a_page(page, names):
    assert sorted(set(listed(page)) & set(names)) == sorted(names)


def test_every_module_of_functions_has_a_page():
    prefix = f'{nistats_nipype.__name__}.'
    modules = pkgutil.walk_packages(nistats_nipype.__path__, prefix)
    names = {module.name.removeprefix(prefix) for module in modules if not module.ispkg}
    # Numba's kernels are called by one module each; interfaces and factories have their own pages.
    rooms = ('stats.', 'designs.', 'images.', 'datasets.', 'viz.')
    expected = {name for name in names if name.startswith(rooms) and not name.endswith('_kernels')}
    assert expected - set(listed('api.rst')) == set()
