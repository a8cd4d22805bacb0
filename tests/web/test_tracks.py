"""Which tracks of an upload are read, and lengths that nobody knows."""

import httpx
import numpy as np
import pytest

import media_files
from mmpyramid.core import Timeline
from mmpyramid.media import probe

pytestmark = [pytest.mark.slow, pytest.mark.network]


def post(server, path, **options):
    with path.open("rb") as file:
        address = f"{server.url}/api/parse"
        return httpx.post(address, files={"video": file}, params=options, timeout=60)


def test_tracks_are_chosen(server, brief):
    assert post(server, brief, audio_track="1", video_track=1).status_code == 200
    assert post(server, brief, audio_track="all").status_code == 200
    for options in ({"audio_track": "7"}, {"audio_track": "x"}, {"video_track": 2}):
        response = post(server, brief, **options)
        assert response.status_code == 422
        assert "-track of" in response.json()["detail"]


def test_a_length_that_is_only_guessed_refuses_nothing(server, tmp_path):
    sound = np.random.default_rng(0).uniform(-0.9, 0.9, (1, 20 * 44100)).astype(np.float32)
    sound[:, : 10 * 44100] = 0
    path = media_files.write_media(tmp_path / "a.aac", (), sound, rate=44100)
    assert probe(path).duration > 5 * 20, "FFmpeg was meant to take the silence for the rule"
    response = post(server, path)
    assert response.status_code == 200
    assert Timeline.from_json(response.text).duration == pytest.approx(20, abs=0.2)
