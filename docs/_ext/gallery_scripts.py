"""How sphinx-gallery runs the scripts of ``workflows/`` and finds the pictures that they make.

A script gets a folder of its own, by ``--out``, and says ``picture: PATH`` for each picture.
"""

import shutil
import tempfile
from pathlib import Path

from sphinx_gallery.scrapers import figure_rst

# What a script needs beside folder and plugin, so as to run without a network.
_ARGUMENTS = {'01_one_sample_localizer': ['--simulated']}
_SAYS = 'picture: '


def arguments(gallery_conf, script_vars):
    """Give the arguments of a script, and listen to what it prints."""
    script = Path(script_vars['src_file'])
    folder = tempfile.TemporaryDirectory(prefix='gallery-')
    script_vars['folder'] = folder  # removed with the variables of the script
    said = script_vars['said'] = []

    def listening_print(*values, **options):
        said.append(' '.join(map(str, values)))
        # As on a reader's machine, where there is no folder that is removed.
        print(said[-1].replace(f'{folder.name}/', ''), **options)

    script_vars['example_globals']['print'] = listening_print
    own = _ARGUMENTS.get(script.stem, [])
    return ['--out', str(Path(folder.name, script.stem[3:])), '--plugin', 'Linear', *own]


def scrape(block, block_vars, gallery_conf):
    """Copy the pictures that a block has named; give their figures as reStructuredText."""
    said = block_vars['said']
    pictures = [line.removeprefix(_SAYS) for line in said if line.startswith(_SAYS)]
    said.clear()
    names = block_vars['image_path_iterator']
    copies = [shutil.copyfile(picture, next(names)) for picture in pictures]
    # One below the other: side by side they are too small.
    return ''.join(figure_rst([copy], gallery_conf['src_dir']) for copy in copies)
