"""Web pages: of one timeline, of several timelines of one video, of a corpus.

Every page is one file that needs no network. Templates, style sheets and the modules of the scripts
lie beside this file; `document.py` puts them together as they are, without a build step.
"""

from mmpyramid.render.page.comparison import comparison_html
from mmpyramid.render.page.corpus import LEVELS, MEASURES, Entry, corpus_html
from mmpyramid.render.page.document import Site, from_page, is_url
from mmpyramid.render.page.timeline import page_assets, to_html

__all__ = [
    "LEVELS",
    "MEASURES",
    "Entry",
    "Site",
    "comparison_html",
    "corpus_html",
    "from_page",
    "is_url",
    "page_assets",
    "to_html",
]
