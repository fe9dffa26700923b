"""Files as parts of one page: images, texts to download, and pages within the page."""

import base64
import io
import re
from pathlib import Path
from typing import NamedTuple

from ..exceptions import InputError

_IMAGE_TYPES = ('.png', '.svg')
#: Our figures are drawn at 150 dots per inch; a CSS inch has 96 pixels.
_FIGURE_DPI, _CSS_DPI = 150, 96

#: Colours are rounded to multiples of this, which leaves 0 and 255 as they are. No eye sees the
#: difference of 2 at most, and it saves a third of the bytes.
_COLOUR_STEP = 5

#: What several viewers have in common: scripts and large images.
_COMMON = re.compile(r'((?<=base64,)[A-Za-z0-9+/=]{1000,}|(?<=<script>).*?(?=</script>))', re.S)


class _Image(NamedTuple):
    source: str
    size: tuple  # width and height in CSS pixels; empty for SVG


def embed_image(figure):
    """Read an image for the page; its size keeps the room free while the browser decodes it.

    Pixels are packed as lossless WebP with rounded colours, in a quarter of the bytes of PNG.
    """
    from PIL import Image

    path = Path(figure.path)
    try:
        if path.suffix.lower() not in _IMAGE_TYPES:
            raise OSError(f'{path.suffix or "no suffix"}')
        if path.suffix.lower() == '.svg':
            return _Image(_make_url(path.read_bytes(), 'image/svg+xml'), ())
        packed = io.BytesIO()
        with Image.open(path, formats=['PNG']) as image:
            size = tuple(round(n * _CSS_DPI / _FIGURE_DPI) for n in image.size)
            rounded = [_COLOUR_STEP * round(value / _COLOUR_STEP) for value in range(256)]
            image.convert('RGBA').point(rounded * 4).save(packed, 'WEBP', lossless=True)
    except OSError as error:
        raise InputError(
            f'The figure {path} cannot be put into the report.',
            found='no such file' if not path.is_file() else f'a file of another type ({error})',
            expected=f'a {" or ".join(_IMAGE_TYPES)} file',
        ) from error
    return _Image(_make_url(packed.getvalue(), 'image/webp'), size)


def embed_text(text, media_type):
    """Make a URL that holds a text.

    Examples
    --------
    >>> embed_text('x', 'text/plain')
    'data:text/plain;base64,eA=='
    """
    return _make_url(text.encode(), media_type)


def embed_pages(pages):
    """Take pages apart such that what they have in common is there once.

    Parameters
    ----------
    pages : list of str
        HTML.

    Returns
    -------
    dict
        ``parts``, the texts, and ``pages``, for each page the indices of its texts in order.

    Examples
    --------
    >>> embed_pages(['a<script>long</script>b', 'c<script>long</script>b'])['pages']
    [[0, 1, 2], [3, 1, 2]]
    """
    parts = {}
    orders = [
        [parts.setdefault(part, len(parts)) for part in _COMMON.split(page)] for page in pages
    ]
    return {'parts': list(parts), 'pages': orders}


def _make_url(content, media_type):
    return f'data:{media_type};base64,{base64.b64encode(content).decode("ascii")}'
