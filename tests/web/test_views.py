"""Pieces of HTML: names are escaped, progress only grows."""

import pytest

from mmpyramid.core import Timeline
from mmpyramid.core.errors import UserError
from mmpyramid.pipeline import Parsed
from mmpyramid.problems import Decoder
from mmpyramid.render import FORMATS
from mmpyramid.render.page.timeline import WRITTEN_HERE
from mmpyramid.web.access import Visitor
from mmpyramid.web.handlers import Entry, facts_of, problem, result, results
from mmpyramid.web.pages import page_of
from mmpyramid.web.pool import Stage
from mmpyramid.web.uploads import Uploads
from mmpyramid.web.visits import Visit

NAME = "<script>'\"&.mp4"


def test_names_of_visitors_are_escaped(tmp_path, store):
    held = store(Uploads(tmp_path), name=NAME)
    parsed = Parsed(timeline=Timeline(source=NAME), scores=None, features={}, decoder=Decoder())
    visit = Visit(Visitor("", ""))
    found = visit.show(parsed, held)
    error = UserError(f"no {NAME}")
    listed = results(visit, [Entry(held, error=error), Entry(held, found)])
    for shown in (facts_of([held]), problem(error), result(visit, found), listed):
        assert "&lt;script&gt;&#x27;&quot;&amp;.mp4" in shown
        assert "<script>" not in shown


def test_every_format_is_offered_by_its_programs():
    parsed = Parsed(timeline=Timeline(), scores=None, features={}, decoder=Decoder())
    files = {name: f"files/{name}?version=1" for name in FORMATS}
    shown = page_of(parsed, "media", files)
    assert all(f'"files/{name}?version=1"' in shown for name in FORMATS.keys() - WRITTEN_HERE)
    assert all(f'id="save-{name}"' in shown for name in WRITTEN_HERE)
    assert ">DaVinci Resolve <small>edl</small></a>" in shown


@pytest.mark.parametrize("total", [40, None])
def test_progress_grows_from_stage_to_stage(total):
    reading = [Stage("extract", done, total) for done in (0, 10, 40)]
    stages = [Stage("wait"), Stage("load"), *reading, Stage("score"), Stage("decode")]
    shares = [stage.share for stage in stages]
    assert shares == sorted(shares)
    assert 0 <= shares[0] <= shares[-1] < 1
    assert all(stage.words for stage in stages)
