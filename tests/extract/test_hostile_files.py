"""Files with mutated bytes, by the thousand: a clear reason for each, and the run goes on."""

import re
from itertools import cycle
from pathlib import Path

import numpy as np
import pytest
from tiny_extraction import make

from media_files import steady, tone, write_media, write_wav
from mmpyramid.extract.corpus import extract_corpus
from mmpyramid.extract.decoding import Limits
from mmpyramid.extract.engines import LocalEngine
from mmpyramid.store.store import FeatureStore

SEED = 2022
TIMEOUT = 20.0
EXTREMES = (b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\x80\0\0\0", b"\0\0\0\1")
BOXES = (b"moov", b"mvhd", b"tkhd", b"mdhd", b"stsd", b"stts", b"stsc", b"stsz", b"stco", b"elst")
CHUNKS = (b"RIFF", b"fmt ", b"data")


def flip_bits(data, rng):
    for place in rng.integers(0, len(data), rng.integers(1, 20)):
        data[place] ^= 1 << int(rng.integers(8))


def overwrite(data, rng):
    begin, length = int(rng.integers(len(data))), int(rng.integers(1, 200))
    data[begin : begin + length] = rng.bytes(length)


def cut(data, rng):
    del data[int(rng.integers(len(data))) :]


def remove(data, rng):
    begin = int(rng.integers(len(data)))
    del data[begin : begin + int(rng.integers(1, 200))]


def repeat(data, rng):
    begin = int(rng.integers(len(data)))
    data[begin:begin] = data[begin : begin + int(rng.integers(1, 200))]


def exaggerate(data, rng):
    """Put an extreme number into a header field, where sizes, counts, rates and times are."""
    names = [name for name in BOXES + CHUNKS if name in data]
    begin = data.index(names[int(rng.integers(len(names)))]) if names else 0
    place = begin + int(rng.integers(-4, 60))
    data[max(0, place) : max(0, place) + 4] = EXTREMES[int(rng.integers(len(EXTREMES)))]


MUTATIONS = (flip_bits, overwrite, cut, remove, repeat, exaggerate, exaggerate, exaggerate)


def write_sound_files(folder):
    folder.mkdir()
    front = {"movflags": "faststart"}
    return [
        write_media(folder / "a.mp4", steady(12), tone(440, 1.2)),
        write_media(folder / "b.mp4", steady(20), tone(440, 2, channels=1), options=front),
        write_media(folder / "c.mp4", steady(10), video_codec="mpeg4"),
        write_media(folder / "d.mp4", sound=tone(440, 1), options=front),
        write_wav(folder / "e.wav", np.zeros((16000, 1)), 16000),
        write_wav(folder / "f.wav", np.ones((8000, 2)), 8000, title=b"two channels"),
    ]


def write_mutants(originals, folder, number) -> list[Path]:
    """Mutate the originals in turn, one to three times each."""
    folder.mkdir()
    rng = np.random.default_rng(SEED)
    mutants = []
    for n, original in zip(range(number), cycle(originals), strict=False):
        data = bytearray(original.read_bytes())
        for _ in range(rng.integers(1, 4)):
            MUTATIONS[int(rng.integers(len(MUTATIONS)))](data, rng)
            data = data or bytearray(b"\0")
        mutants.append(folder / f"{n:04d}{original.suffix}")
        mutants[-1].write_bytes(data)
    return mutants


def check_run(tmp_path, number, workers):
    mutants = write_mutants(write_sound_files(tmp_path / "sound"), tmp_path / "mutants", number)
    engine = LocalEngine(workers=workers, limits=Limits(timeout=TIMEOUT, memory=2**30))
    extract_corpus(
        tmp_path / "mutants",
        tmp_path / "store",
        ("mean_color", "bands"),
        factory=make,
        engine=engine,
    )
    store = FeatureStore(tmp_path / "store")
    assert {*store.ids, *store.failures} == {path.stem for path in mutants}
    assert 0 < len(store) < number
    unforeseen = {n: why for n, why in store.failures.items() if re.match(r"\w+Error: ", why)}
    assert unforeseen == {}
    assert all(len(store.read(video_id).features) > 0 for video_id in store.ids)


def test_a_hundred_mutated_files(tmp_path):
    check_run(tmp_path, 100, workers=1)


@pytest.mark.slow
def test_two_thousand_mutated_files(tmp_path):
    check_run(tmp_path, 2_000, workers=2)
