"""`evaluate --pages`: a page for each video of a split, and a table."""

import json
import re
import shutil

import numpy as np
import pytest

from mmpyramid.datasets.llp import read_llp


def means(index: str) -> list[float]:
    foot = index.partition("<tfoot>")[2].partition("</tfoot>")[0]
    return [float(mean) for mean in re.findall(r'"number"[^>]*>([\d.]+)', foot)]


@pytest.fixture
def ids(corpus) -> tuple[str, ...]:
    return read_llp(corpus, "test").ids


@pytest.mark.slow
def test_every_video_has_a_page_and_the_means_are_the_official_numbers(
    model, corpus, ids, run, tmp_path, capsys
):
    words = ("--data", corpus, "--pages", tmp_path, "--json", tmp_path / "test.json")
    assert run("evaluate", model, *words, "--device", "cpu") == 0
    assert f"pages  {tmp_path / 'index.html'}" in capsys.readouterr().out
    assert {path.stem for path in (tmp_path / "videos").iterdir()} == set(ids)
    index = (tmp_path / "index.html").read_text()
    levels = json.loads((tmp_path / "test.json").read_text())
    numbers = [value for measures in levels.values() for value in measures.values()]
    np.testing.assert_allclose(means(index), numbers, atol=0.051)
    assert all(f'href="videos/{item_id}.html"' in index for item_id in ids)
    page = (tmp_path / "videos" / f"{ids[0]}.html").read_text()
    assert '"name":"truth"' in page
    assert '"kind":"parsing"' in page
    assert 'src="../assets/timeline.js"' in page
    assert (tmp_path / "assets" / "timeline.js").stat().st_size > 10_000


@pytest.mark.slow
def test_videos_are_played_in_place_and_pictured(model, corpus, ids, clip, run, tmp_path):
    (tmp_path / "videos").mkdir()
    shutil.copy(clip, tmp_path / "videos" / f"{ids[1]}.mp4")
    words = ("--data", corpus, "--pages", tmp_path / "out", "--videos", tmp_path / "videos")
    assert run("evaluate", model, *words, "--device", "cpu") == 0
    page = (tmp_path / "out" / "videos" / f"{ids[1]}.html").read_text()
    assert f'src="../../videos/{ids[1]}.mp4"' in page
    assert 'id="media"' not in (tmp_path / "out" / "videos" / f"{ids[0]}.html").read_text()
    index = (tmp_path / "out" / "index.html").read_text()
    assert re.findall('img src="(.*?)"', index) == [f"thumbnails/{ids[1]}.jpg"]
    picture = (tmp_path / "out" / "thumbnails" / f"{ids[1]}.jpg").read_bytes()
    assert picture.startswith(b"\xff\xd8\xff")


def test_event_localization_has_an_accuracy(events, run, tmp_path):
    folder, model = events
    assert run("evaluate", model, "--data", folder, "--pages", tmp_path, "--device", "cpu") == 0
    index = (tmp_path / "index.html").read_text()
    assert index.count('<tr><td class="picture">') == 2, "two clips are of one video"
    assert 'aria-label="Accuracy, segment level"' in index
    assert len(means(index)) == 1


def test_mistakes_about_videos(model, corpus, clip, run, tmp_path, capsys):
    words = ("evaluate", model, "--data", corpus, "--device", "cpu")
    assert run(*words, "--videos", clip.parent) == 2
    assert "give the folder to write them to, --pages" in capsys.readouterr().err
    assert run(*words, "--pages", tmp_path / "out", "--videos", clip.parent) == 2
    assert "expected videos called by the ids of this split" in capsys.readouterr().err
    assert run(*words, "--pages", tmp_path / "out", "--videos", tmp_path / "gone") == 2
    assert "places without video or sound files" in capsys.readouterr().err
