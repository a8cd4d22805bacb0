"""The store gives what was written, or says what is wrong."""

import json
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from msgspec.structs import replace
from tiny_store import PROVENANCE, STRANGE_IDS, add_all, assert_same, pending, shards, video

from mmpyramid.core import Modality
from mmpyramid.core.errors import UserError
from mmpyramid.media.streams import Tracks
from mmpyramid.store.source import FeatureError
from mmpyramid.store.store import FeatureStore, provenance_schema
from mmpyramid.store.writer import StoreWriter


@pytest.mark.parametrize("videos_per_shard", [1, 4, 100])
def test_what_is_written_is_read(tmp_path, videos_per_shard):
    videos = {video_id: video(n, n + 1) for n, video_id in enumerate(STRANGE_IDS)}
    add_all(tmp_path / "new" / "store", videos, videos_per_shard=videos_per_shard)
    assert_same(FeatureStore(tmp_path / "new" / "store"), videos)
    assert pending(tmp_path / "new" / "store") == []
    assert len(shards(tmp_path / "new" / "store")) == -(-len(videos) // videos_per_shard)


def test_big_videos_are_packed_before_they_are_many(tmp_path):
    add_all(tmp_path, {str(n): video(n, 5_000) for n in range(4)}, bytes_per_shard=1_000_000)
    assert len(shards(tmp_path)) == 2


def test_a_missing_modality_is_a_stated_fact(tmp_path):
    mute = video(0, streams=["picture"], missing=(Modality.AUDIO,), notes=("damaged after 3.2 s",))
    bare = video(1, streams=[], missing=(Modality.AUDIO, Modality.VISUAL))
    add_all(tmp_path, {"mute": mute, "full": video(2), "bare": bare})
    store = FeatureStore(tmp_path)
    assert_same(store, {"mute": mute, "full": video(2), "bare": bare})
    table = store.table(["full", "mute", "bare"], ["sound", "picture"])
    assert table.present["sound"].tolist() == [True, False, False]
    assert table.lengths.tolist() == [5, 5, 0]
    read = table.read([2, 0, 1], 5)
    assert not read["sound"][[0, 2]].any()
    assert read["sound"][1].tobytes() == video(2).features["sound"].tobytes()


def test_a_store_in_which_nothing_has_features_is_read(tmp_path):
    bare = video(0, streams=[])
    add_all(tmp_path, {"bare": bare})
    assert_same(FeatureStore(tmp_path), {"bare": bare})


def test_streams_are_chosen_on_loading(tmp_path):
    add_all(tmp_path, {"a": video(0)})
    store = FeatureStore(tmp_path)
    assert list(store.load("a", ["sound"])) == ["sound"]
    assert store.streams == {"sound": 4, "picture": 3}
    with pytest.raises(UserError, match="expected streams out of sound, picture, got yamnet"):
        store.load("a", ["yamnet"])


def test_absent_videos_are_told_together(tmp_path):
    add_all(tmp_path, {"a": video(0)})
    with pytest.raises(UserError, match=r"missing features: 4 \(b in .*, c in .*, d in .*, …\)"):
        FeatureStore(tmp_path).table(["a", "b", "c", "d", "e"], ["sound"])


def test_more_shards_than_are_known_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr("mmpyramid.store.store.NUM_KNOWN_SHARDS", 2)
    videos = {str(n): video(n) for n in range(7)}
    add_all(tmp_path, videos, videos_per_shard=1)
    store = FeatureStore(tmp_path)
    read = store.table(list(videos) * 3, ["sound"]).read(range(21), 5)
    expected = np.stack([extracted.features["sound"] for extracted in videos.values()] * 3)
    assert read["sound"].tobytes() == expected.tobytes()
    assert_same(store, videos)


def test_provenance_and_description(tmp_path):
    add_all(tmp_path, {"a": video(0)})
    store = FeatureStore(tmp_path)
    assert store.provenance == PROVENANCE
    assert "1 videos" in store.describe()
    assert "sound (4-d, weights aaaaaaaa)" in store.describe()
    assert FeatureStore.is_store(tmp_path)
    assert not FeatureStore.is_store(tmp_path / "pending")


def test_a_store_from_before_there_was_a_choice_is_read(tmp_path):
    add_all(tmp_path, {"a": video(0)})
    described = json.loads((tmp_path / "store.json").read_text())
    for stream in described["streams"].values():
        for name in ("resizing", "sampling", "precision"):
            stream.pop(name)
    (tmp_path / "store.json").write_text(json.dumps(described))
    assert FeatureStore(tmp_path).provenance.streams == PROVENANCE.streams


def test_no_store_and_damaged_stores_are_clear_errors(tmp_path):
    with pytest.raises(UserError, match=r"there is no store\.json; make one with"):
        FeatureStore(tmp_path)
    add_all(tmp_path / "s", {"a": video(0)})
    (tmp_path / "s" / "shard-00000.h5").write_bytes(b"damaged")
    with pytest.raises(UserError, match=r"shard-00000\.h5, but reading failed"):
        FeatureStore(tmp_path / "s")
    (tmp_path / "s" / "store.json").write_text("{}")
    with pytest.raises(UserError, match=r"store\.json cannot be used"):
        FeatureStore(tmp_path / "s")
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"cannot write .*file is not a folder"):
        StoreWriter(tmp_path / "file", PROVENANCE)


def test_reading_while_pending_videos_are_packed(tmp_path):
    videos = {str(n): video(n) for n in range(3)}
    with StoreWriter(tmp_path, PROVENANCE) as writer:
        for video_id, extracted in videos.items():
            writer.add(video_id, extracted)
        opened, lost = FeatureStore(tmp_path), FeatureStore(tmp_path)
        writer.add("later", video(3))
        writer.pack()
    assert_same(opened, videos)
    (tmp_path / "shard-00000.h5").unlink()
    for read in (lost.load, lost.info):
        with pytest.raises(FeatureError, match="unreadable files: 1"):
            read("0")


def test_reading_while_videos_are_pending(tmp_path):
    videos = {str(n): video(n) for n in range(5)}
    with StoreWriter(tmp_path, PROVENANCE, videos_per_shard=3) as writer:
        for video_id, extracted in videos.items():
            writer.add(video_id, extracted)
        assert len(pending(tmp_path)) == 2
        assert_same(FeatureStore(tmp_path), videos)


def test_a_store_is_of_the_tracks_that_were_chosen(tmp_path):
    second = replace(PROVENANCE, tracks=Tracks(audio=2))
    with StoreWriter(tmp_path, second) as writer:
        writer.add("a", video(0))
    store = FeatureStore(tmp_path)
    assert store.provenance.tracks == Tracks(audio=2)
    assert "of audio track 2, by mmpyramid" in store.describe()
    with StoreWriter(tmp_path, second) as writer:
        writer.add("b", video(1))
    told = "there audio track 2 was read, and not what a player plays"
    with pytest.raises(UserError, match=told):
        StoreWriter(tmp_path, PROVENANCE)


@pytest.mark.parametrize("tracks", [{"audio": 0}, {"audio": "some"}, {"video": 1.5}, [], 5])
def test_tracks_that_are_none_are_told(tmp_path, tracks):
    add_all(tmp_path, {"a": video(0)})
    description = json.loads((tmp_path / "store.json").read_text())
    (tmp_path / "store.json").write_text(json.dumps({**description, "tracks": tracks}))
    with pytest.raises(UserError, match=r"store\.json cannot be used"):
        FeatureStore(tmp_path)


PUBLISHED = Path(__file__).parents[2] / "docs" / "provenance.schema.json"


def test_the_published_schema_is_that_of_the_code():
    """Write it anew by `json.dumps(provenance_schema(), indent=2)` and a line break."""
    assert json.loads(PUBLISHED.read_text()) == json.loads(json.dumps(provenance_schema()))


def test_what_made_the_features_keeps_to_the_published_schema(tmp_path):
    add_all(tmp_path, {"a": video(0)})
    described = json.loads((tmp_path / "store.json").read_text())
    schema = jsonschema.Draft202012Validator(json.loads(PUBLISHED.read_text()))
    schema.validate(described)
    picture = {**described["streams"]["picture"], "dim": 0}
    for wrong in (
        {"format": "mmpyramid-features-1"},
        {"more": 1},
        {"streams": {"picture": picture}},
        {"streams": None},
    ):
        assert list(schema.iter_errors(described | wrong)), wrong
