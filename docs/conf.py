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
    'sphinx.ext.napoleon',
    'sphinx_gallery.gen_gallery',
]
exclude_patterns = ['_build', 'gallery/**/*.ipynb', 'gallery/**/*.py.md5']
templates_path = []

autosummary_generate = True
napoleon_google_docstring = False
# Sections of the factories of workflows, which numpydoc does not have.
napoleon_custom_sections = [
    'Workflow Graph',
    ('Inputs', 'params_style'),
    ('Outputs', 'params_style'),
]

sphinx_gallery_conf = {
    'examples_dirs': '../workflows',
    'gallery_dirs': 'gallery',
    'filename_pattern': r'[/\\]\d\d_',
    'within_subsection_order': 'FileNameSortKey',
    'download_all_examples': False,
    'abort_on_example_error': True,
}

html_theme = 'alabaster'
html_theme_options = {'description': 'Group analysis of brain maps in nipype'}
