"""A timeline in a notebook that is really run, and its output in Chromium."""

import base64
import subprocess
import sys
from pathlib import Path

import nbformat
import pandas as pd
import pytest
from nbclient import NotebookClient

from render.page_parts import CHROMIUM

BLOCKED = """
import sys
from pathlib import Path
sys.modules[{package!r}] = None
from mmpyramid import Timeline
Timeline(duration=1.0).{method}()
"""
PNG = b"\x89PNG\r\n\x1a\n"


def test_a_frame_holds_the_page_and_leaks_no_quote(timeline):
    frame = timeline._repr_html_()
    assert frame.startswith('<iframe srcdoc="&lt;!doctype html&gt;')
    assert frame.count('"') == 6
    assert len(frame) < 300_000


def test_a_table_has_the_events(short, empty):
    table = short.to_pandas()
    assert list(table.label) == [event.label for event in short]
    assert (table.end - table.start).sum() == sum(event.duration for event in short)
    assert table.attrs == {"source": "clips/dog.mp4", "model": "teachers", "duration": 10.0}
    assert list(empty.to_pandas().columns) == list(table.columns)


def test_pandas_reads_what_it_is_given_as_csv(short, tmp_path):
    (tmp_path / "clip.csv").write_text(short.to_pandas().to_csv(index=False))
    from mmpyramid.render import read_timeline, to_tsv

    assert read_timeline(tmp_path / "clip.csv", original=short) == short
    (tmp_path / "clip.tsv").write_text(to_tsv(short))
    table = pd.read_csv(tmp_path / "clip.tsv", sep="\t")
    assert table[["onset", "offset", "event_label"]].to_numpy().tolist() == [
        [event.start, event.end, event.label] for event in short
    ]


@pytest.mark.parametrize(
    ("package", "method", "extra"),
    [("pandas", "to_pandas", "pandas"), ("matplotlib", "plot", "plots")],
)
def test_a_missing_package_is_named_with_its_extra(package, method, extra):
    code = BLOCKED.format(package=package, method=method)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert f"needs the package `{package}`" in done.stderr
    assert f"pip install -e '.[{extra}]'" in done.stderr


@pytest.fixture(scope="module")
def outputs(tmp_path_factory, short) -> list[dict[str, str]]:
    """What three cells show: the timeline, its figure, its table."""
    folder = tmp_path_factory.mktemp("notebook")
    short.save(folder / "clip.json")
    cells = [
        "from mmpyramid import Timeline\ntimeline = Timeline.load('clip.json')\ntimeline",
        "timeline.plot()",
        "timeline.to_pandas()",
    ]
    notebook = nbformat.v4.new_notebook(cells=list(map(nbformat.v4.new_code_cell, cells)))
    client = NotebookClient(
        notebook, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
    )
    client.execute()
    return [cell.outputs[-1].data for cell in notebook.cells]


@pytest.mark.slow
def test_a_notebook_shows_page_figure_and_table(outputs):
    page, figure, table = outputs
    assert page["text/html"].startswith("<iframe")
    assert base64.b64decode(figure["image/png"]).startswith(PNG)
    assert "Frying_(food)" in table["text/html"]


@pytest.mark.slow
@pytest.mark.browser
@pytest.mark.skipif(not Path(CHROMIUM).exists(), reason=f"needs Chromium in {CHROMIUM}")
def test_the_frame_works_inside_another_page(outputs, context, tmp_path):
    host = tmp_path / "host.html"
    host.write_text(f"<!doctype html><p>Out[1]:</p>{outputs[0]['text/html']}", encoding="utf-8")
    complaints: list[str] = []
    page = context.new_page()
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(host.as_uri())
    frame = page.frame_locator("iframe")
    assert "dog.mp4" in frame.locator("h1").inner_text()
    frame.locator("#axis").press("ArrowRight")
    assert float(frame.locator("#axis").get_attribute("aria-valuenow")) > 0
    page.screenshot(path=tmp_path / "host.png")
    assert complaints == []
