"""A look into a file happens in a process that the file may take down, and is checked."""

import io
import os
import shutil

import numpy as np
import pytest
from PIL import Image
from tiny_extraction import make

from media_files import steady, tone, write_media
from mmpyramid.core.errors import UserError
from mmpyramid.core.process import Answer
from mmpyramid.extract.decoding import Decoding, Limits
from mmpyramid.extract.embedding import extract_features
from mmpyramid.extract.search import NO_MEDIA, STILL, Inspector
from mmpyramid.media import probe, thumbnail


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    path = tmp_path_factory.mktemp("film") / "a.mkv"
    return write_media(path, steady(20), tone(440, 2))


@pytest.fixture
def inspector():
    with Inspector() as opened:
        yield opened


def test_it_tells_what_a_look_in_this_process_tells(inspector, film, tmp_path):
    assert inspector.probe(film) == probe(film)
    assert inspector.thumbnail(film) == thumbnail(film)
    assert inspector.why_not(film) is None
    sound = write_media(tmp_path / "a.wav", sound=tone(440, 1), audio_codec="pcm_s16le")
    assert inspector.thumbnail(sound) is None
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    assert inspector.why_not(tmp_path / "a.png") == STILL


@pytest.mark.parametrize("content", [b"nothing", b""])
def test_what_is_wrong_is_told_as_in_this_process(inspector, tmp_path, content):
    path = tmp_path / "a.mp4"
    path.write_bytes(content)
    for look, same in ((inspector.probe, probe), (inspector.thumbnail, thumbnail)):
        with pytest.raises(UserError) as expected:
            same(path)
        with pytest.raises(UserError) as told:
            look(path)
        assert str(told.value) == str(expected.value)


def crash(channel):
    channel.requests.get()
    os.abort()


def wait(channel):
    channel.requests.get()
    channel.requests.get()


def lie(channel):
    while True:
        channel.requests.get()
        channel.descriptors.get()
        channel.send(
            Answer({"format": 5, "reason": ["x"]}, {"picture": np.zeros((900, 900, 3), np.uint8)})
        )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("serve", "told"),
    [
        (crash, r"crashed the decoder \(signal 6\)"),
        (wait, "took more than"),
        (lie, "invalid answer"),
    ],
)
def test_a_file_that_takes_the_process_over_costs_itself(film, monkeypatch, serve, told):
    monkeypatch.setattr("mmpyramid.extract.search.SECONDS", 3.0)
    monkeypatch.setattr("mmpyramid.extract.search.answer_questions", serve)
    with Inspector() as inspector:
        for look in (inspector.probe, inspector.thumbnail)[: 1 if serve is wait else 2]:
            with pytest.raises(UserError, match=told):
                look(film)
        if serve is lie:
            assert inspector.why_not(film) == NO_MEDIA


def test_a_file_that_crashes_its_decoder_is_named(film, monkeypatch):
    monkeypatch.setattr("mmpyramid.extract.decoding.decode_requests", crash_at)
    told = r"a\.mkv: decoding it crashed the decoder"
    with Decoding(Limits()) as decoding, pytest.raises(UserError, match=told):
        extract_features(film, make(["bands"]), decoding=decoding)


def crash_at(limits, channel):
    crash(channel)


def test_a_file_that_is_gone_is_told_and_the_next_one_read(inspector, film, tmp_path):
    gone = shutil.copy(film, tmp_path / "b.mkv")
    gone.unlink()
    with pytest.raises(UserError, match="does not exist"):
        inspector.probe(gone)
    assert inspector.probe(film).has_audio


def test_a_small_picture_is_a_jpeg(inspector, film):
    assert Image.open(io.BytesIO(inspector.thumbnail(film))).size == (64, 48)
