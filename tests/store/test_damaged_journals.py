"""A description or a journal that was damaged is told with its place."""

import json
import os
import shutil
from pathlib import Path

import pytest

from mmpyramid.core.errors import UserError
from mmpyramid.store.store import FeatureStore, read_failures
from mmpyramid.store.writer import StoreWriter
from store.tiny_store import PROVENANCE, add_all, video

DESCRIPTION = json.loads(PROVENANCE.to_json())
STREAMS = DESCRIPTION["streams"]


@pytest.fixture
def store(tmp_path):
    add_all(tmp_path / "store", {"a": video(0)})
    return tmp_path / "store"


def streams(**changed):
    return {**DESCRIPTION, "streams": {**STREAMS, "sound": {**STREAMS["sound"], **changed}}}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "line 1"),
        (b"\xff\xfe\xff", "expected text in UTF-16-LE"),
        (b"\0" * 200, "got a NUL"),
        ([], r"expected the description of a store; expected `object`, got `array`"),
        (5, "expected `object`, got `int`"),
        (b"[" * 100_000, "too many levels"),
        ({**DESCRIPTION, "streams": []}, "`streams` should be `object`, got `array`"),
        ({**DESCRIPTION, "streams": None}, "`streams` should be `object`, got `null`"),
        ({**DESCRIPTION, "format": "x"}, "`format` is `mmpyramid-features-2`"),
        ({**DESCRIPTION, "evil": 1}, "unknown field `evil`"),
        ({**DESCRIPTION, "x" * 200_000: 1}, "unknown field `xxx.*characters"),
        (streams(dim="4"), "should be `int`, got `str`"),
        (streams(dim=-1), "should be `int` >= 1"),
        (streams(dim=10**12), "should be `int` <= 1048576"),
        (streams(modality="smell"), "invalid enum value 'smell'"),
        (json.dumps(streams(dim=4)).replace("4", "9" * 5000, 1).encode(), "more digits than"),
    ],
)
@pytest.mark.parametrize("open_it", [FeatureStore, lambda path: StoreWriter(path, PROVENANCE)])
def test_a_description_that_is_none(store, content, told, open_it):
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    (store / "store.json").write_bytes(raw)
    with pytest.raises(UserError, match=told) as caught:
        open_it(store)
    assert "store.json" in str(caught.value)
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize(
    "line",
    [b"garbage", b"\0\0", b"\xff", b"[1]", b'{"x": 1}', b"", b'{"id": 5, "reason": "x"}'],
)
def test_a_damaged_line_of_the_journal_of_failures(store, line):
    good = b'{"id": "b", "reason": "it is no video"}\n'
    (store / "failures.jsonl").write_bytes(good + b'{"id": "c", "rea')
    assert read_failures(store) == {"b": "it is no video"}
    (store / "failures.jsonl").write_bytes(good + line + b"\n")
    with pytest.raises(UserError, match=r"failures\.jsonl.* line 2"):
        _ = FeatureStore(store).failures


def test_files_that_are_none_of_ours(store):
    shutil.copy(store / "shard-00000.h5", store / "shard-abc.h5")
    add_all(store, {"b": video(1)})
    assert (store / "shard-00001.h5").is_file()
    (store / "store.lock").unlink()
    (store / "store.lock").mkdir()
    with pytest.raises(UserError, match=r"cannot write .*store\.lock: Is a directory"):
        add_all(store, {})


ENDLESS = {
    "device": lambda path: path.symlink_to("/dev/zero"),
    "pipe": os.mkfifo,
    "circle": lambda path: path.symlink_to(path.name),
    "folder": Path.mkdir,
}


@pytest.mark.parametrize("put", ENDLESS.values(), ids=ENDLESS)
@pytest.mark.parametrize("name", ["shard-00001.h5", "pending/x.h5", "store.json"])
def test_what_is_no_file_and_would_never_end(store, put, name):
    (store / name).unlink(missing_ok=True)
    put(store / name)
    with pytest.raises(UserError, match=r"expected a (file|store) of features in"):
        FeatureStore(store)
    if name.startswith("shard"):
        with pytest.raises(UserError, match="expected a file of features in"):
            StoreWriter(store, PROVENANCE)


def test_a_folder_in_place_of_a_pending_video(store):
    (store / "pending" / "x.h5").mkdir()
    with pytest.raises(UserError, match="cannot write to the store"):
        add_all(store, {})
