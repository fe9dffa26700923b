"""Second-level (group) analysis of brain maps as nipype interfaces and workflows."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version('nistats_nipype')
except PackageNotFoundError:  # run from a source tree that was never installed
    __version__ = '0+unknown'
