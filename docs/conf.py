import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / '_ext'))

import nistats_nipype

project = 'nistats_nipype'
author = 'The nistats_nipype developers'
copyright = f'2026, {author}'
release = nistats_nipype.__version__
version = '.'.join(release.split('.')[:2])

extensions = [
    'sphinx.ext.autodoc',
    'sphinx.ext.autosummary',
    'sphinx.ext.mathjax',
    'numpydoc',
    'sphinxarg.ext',
    'sphinx_gallery.gen_gallery',
    'interface_tables',
    'workflow_graphs',
]
exclude_patterns = ['_build', 'gallery/**/*.ipynb', 'gallery/**/*.py.md5']
templates_path = ['_templates']
# Links are checked without a network, so what other packages document is not linked.
nitpicky = True
nitpick_ignore_regex = [('py:.*', r'(nilearn|numpy|os|pandas)\..*')]

autosummary_generate = True
numpydoc_show_class_members = False

sphinx_gallery_conf = {
    'examples_dirs': '../workflows',
    'gallery_dirs': 'gallery',
    'filename_pattern': r'[/\\]\d\d_',
    'within_subsection_order': 'FileNameSortKey',
    'download_all_examples': False,
    'write_computation_times': False,
    'abort_on_example_error': True,
    'image_scrapers': 'gallery_scripts.scrape',
    'reset_argv': 'gallery_scripts.arguments',
}

html_theme = 'pydata_sphinx_theme'
html_title = 'nistats_nipype'
html_static_path = ['_static']
html_css_files = ['docs.css']
# These have no pages beside them.
html_sidebars = {name: [] for name in ('tutorial', 'changes', 'contributing')}
html_theme_options = {
    'navigation_with_keys': False,
    'show_toc_level': 2,
}
