"""The store: what is written is read, whatever happens in between."""

import errno
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mmpyramid.errors import UserError
from mmpyramid.features.provenance import Provenance, StreamProvenance
from mmpyramid.features.shard import Extracted
from mmpyramid.features.source import FaultKind, FeatureError, load_many
from mmpyramid.features.store import FeatureStore
from mmpyramid.features.writer import StoreWriter
from mmpyramid.types import Modality

STREAMS = {
    "sound": StreamProvenance(
        modality=Modality.AUDIO,
        dim=4,
        frames_per_segment=0,
        frame_size=(0, 0),
        weights_sha256="a" * 64,
    ),
    "picture": StreamProvenance(
        modality=Modality.VISUAL,
        dim=3,
        frames_per_segment=2,
        frame_size=(224, 224),
        weights_sha256="b" * 64,
    ),
}
PROVENANCE = Provenance(streams=STREAMS)
STRANGE_IDS = [
    "-_aaaaaaaa1",
    "with space & 'quotes'",
    "a/b\\c:d*?",
    "..",
    "x" * 300,
    "日本語",
    "Case",
    "case",
    "bad\udcff",
]


def video(seed, num_segments=5, streams=("sound", "picture"), **info):
    rng = np.random.default_rng(seed)
    shapes = {"sound": (num_segments, 4), "picture": (num_segments, 7, 3)}
    features = {name: rng.standard_normal(shapes[name], np.float32) for name in streams}
    return Extracted(features=features, **{"duration": float(num_segments), **info})


def add_all(folder, videos, **options):
    with StoreWriter(folder, PROVENANCE, **options) as writer:
        for video_id, extracted in videos.items():
            writer.add(video_id, extracted)


def add_and_stop(folder, videos):
    with StoreWriter(folder, PROVENANCE) as writer:
        for video_id, extracted in videos.items():
            writer.add(video_id, extracted)
        raise KeyboardInterrupt


def assert_same(store, videos):
    assert sorted(store.ids) == sorted(videos)
    for video_id, expected in videos.items():
        found = store.read(video_id)
        assert found.features.keys() == expected.features.keys()
        for name, array in expected.features.items():
            assert found.features[name].tobytes() == array.tobytes()
            assert found.features[name].dtype == np.float32
        assert (found.duration, found.missing, found.notes) == (
            expected.duration,
            expected.missing,
            expected.notes,
        )


def shards(folder):
    return sorted(path.name for path in folder.glob("shard-*.h5"))


def pending(folder):
    return list((folder / "pending").iterdir())


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
    loaded = load_many(store, ["full", "mute", "bare"])
    assert loaded.present["sound"].tolist() == [True, False, False]
    assert loaded.lengths.tolist() == [5, 5, 0]


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
        load_many(FeatureStore(tmp_path), ["a", "b", "c", "d", "e"])


def test_more_shards_than_may_be_open(tmp_path, monkeypatch):
    monkeypatch.setattr("mmpyramid.features.store.NUM_OPEN_SHARDS", 2)
    videos = {str(n): video(n) for n in range(7)}
    add_all(tmp_path, videos, videos_per_shard=1)
    store = FeatureStore(tmp_path)
    loaded = load_many(store, list(videos) * 3)
    expected = np.stack([extracted.features["sound"] for extracted in videos.values()] * 3)
    assert loaded.arrays["sound"].tobytes() == expected.tobytes()
    store.close()
    assert_same(store, videos)


def test_provenance_and_description(tmp_path):
    add_all(tmp_path, {"a": video(0)})
    store = FeatureStore(tmp_path)
    assert store.provenance == PROVENANCE
    assert "1 videos" in store.describe()
    assert "sound (4-d, weights aaaaaaaa)" in store.describe()
    assert FeatureStore.is_store(tmp_path)
    assert not FeatureStore.is_store(tmp_path / "pending")


def test_other_backbones_are_refused_and_the_difference_told(tmp_path):
    add_all(tmp_path, {"a": video(0)})
    text = json.loads(PROVENANCE.to_json())
    text["streams"]["sound"]["weights_sha256"] = "c" * 64
    text["streams"]["third"] = text["streams"].pop("picture")
    with pytest.raises(UserError) as caught:
        StoreWriter(tmp_path, Provenance.from_json(json.dumps(text)))
    assert "picture is not asked for; " in str(caught.value)
    assert f"weights_sha256 of sound is {'a' * 64} and not {'c' * 64}; " in str(caught.value)
    assert "third is new" in str(caught.value)
    with StoreWriter(tmp_path, Provenance(streams=STREAMS, package_version="9")) as writer:
        assert writer.done == {"a"}


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
    with pytest.raises(UserError, match="cannot make the store"):
        StoreWriter(tmp_path / "file", PROVENANCE)


@pytest.mark.parametrize(
    ("features", "kind"),
    [
        ({"sound": np.full((5, 4), np.nan, np.float32)}, FaultKind.NOT_FINITE),
        ({"sound": np.zeros((5, 3), np.float32)}, FaultKind.SHAPE),
        ({"sound": np.zeros(4, np.float32)}, FaultKind.SHAPE),
        (
            {"sound": np.zeros((5, 4), np.float32), "picture": np.zeros((6, 3), np.float32)},
            FaultKind.SHAPE,
        ),
    ],
)
def test_unusable_features_are_not_stored(tmp_path, features, kind):
    with StoreWriter(tmp_path, PROVENANCE) as writer, pytest.raises(FeatureError) as caught:
        writer.add("a", Extracted(features=features, duration=5.0))
    assert [fault.kind for fault in caught.value.faults] == [kind]
    assert FeatureStore(tmp_path).ids == ()


def test_a_video_is_stored_once(tmp_path):
    add_all(tmp_path, {"a": video(0)})
    with (
        StoreWriter(tmp_path, PROVENANCE) as writer,
        pytest.raises(UserError, match="a is in the store"),
    ):
        writer.add("a", video(1))


def test_one_writer_at_a_time(tmp_path):
    with (
        StoreWriter(tmp_path, PROVENANCE),
        pytest.raises(UserError, match="another process writes"),
    ):
        StoreWriter(tmp_path, PROVENANCE)
    StoreWriter(tmp_path, PROVENANCE).__exit__(None)


def test_failures_are_kept_until_success(tmp_path):
    with StoreWriter(tmp_path, PROVENANCE) as writer:
        writer.fail("a", "no such codec")
        writer.fail("b", "empty")
        writer.fail("b", "still empty")
    assert FeatureStore(tmp_path).failures == {"a": "no such codec", "b": "still empty"}
    add_all(tmp_path, {"a": video(0)})
    assert FeatureStore(tmp_path).failures == {"b": "still empty"}


def test_a_failure_cut_off_while_written_spoils_no_other(tmp_path):
    with StoreWriter(tmp_path, PROVENANCE) as writer:
        writer.fail("a", "first")
    with (tmp_path / "failures.jsonl").open("a") as file:
        file.write('{"id": "b", "rea')
    assert FeatureStore(tmp_path).failures == {"a": "first"}
    with StoreWriter(tmp_path, PROVENANCE) as writer:
        writer.fail("c", "third")
    assert FeatureStore(tmp_path).failures == {"a": "first", "c": "third"}


def test_reading_while_videos_are_pending(tmp_path):
    videos = {str(n): video(n) for n in range(5)}
    with StoreWriter(tmp_path, PROVENANCE, videos_per_shard=3) as writer:
        for video_id, extracted in videos.items():
            writer.add(video_id, extracted)
        assert len(pending(tmp_path)) == 2
        assert_same(FeatureStore(tmp_path), videos)


def test_an_exception_loses_and_doubles_nothing(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        add_and_stop(tmp_path, {"a": video(0)})
    assert_same(FeatureStore(tmp_path), {"a": video(0)})
    add_all(tmp_path, {"b": video(1)})
    assert_same(FeatureStore(tmp_path), {"a": video(0), "b": video(1)})
    assert shards(tmp_path) == ["shard-00000.h5"]


def test_death_between_packing_and_tidying_doubles_nothing(tmp_path):
    videos = {"a": video(0), "b": video(1)}
    with pytest.raises(KeyboardInterrupt):
        add_and_stop(tmp_path, videos)
    left = {path: path.read_bytes() for path in pending(tmp_path)}
    add_all(tmp_path, {})
    for path, content in left.items():
        path.write_bytes(content)
    (tmp_path / "shard-00001.h5.tmp").write_bytes(b"half")
    (tmp_path / "pending" / "x.h5.tmp").write_bytes(b"half")
    assert_same(FeatureStore(tmp_path), videos)
    with StoreWriter(tmp_path, PROVENANCE) as writer:
        assert writer.done == {"a", "b"}
        assert pending(tmp_path) == []
    assert shards(tmp_path) == ["shard-00000.h5"]
    assert list(tmp_path.glob("*.tmp")) == []
    assert_same(FeatureStore(tmp_path), videos)


@pytest.mark.parametrize("call", ["pathlib.Path.open", "os.fsync", "pathlib.Path.replace"])
def test_a_full_disk_is_told_and_the_store_stays_readable(tmp_path, monkeypatch, call):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    add_all(tmp_path, {"a": video(0)})
    with StoreWriter(tmp_path, PROVENANCE) as writer:
        monkeypatch.setattr(call, full)
        with pytest.raises(UserError, match="the disk is full"):
            writer.add("b", video(1))
        monkeypatch.undo()
    assert_same(FeatureStore(tmp_path), {"a": video(0)})
    assert list((tmp_path / "pending").glob("*.tmp")) == []
    add_all(tmp_path, {"b": video(1)})
    assert_same(FeatureStore(tmp_path), {"a": video(0), "b": video(1)})


FILL = """
import sys
from pathlib import Path
from mmpyramid.errors import UserError

sys.path.insert(0, sys.argv[2])
from test_store import PROVENANCE, FeatureStore, StoreWriter, assert_same, video

folder, given = Path(sys.argv[1]), {}
try:
    with StoreWriter(folder, PROVENANCE, videos_per_shard=8) as writer:
        for n in range(1000):
            given[str(n)] = video(n, 200)
            writer.add(str(n), given[str(n)])
except UserError as error:
    print(error)
store = FeatureStore(folder)
assert len(store) >= len(given) - 1
assert_same(store, {video_id: given[video_id] for video_id in store.ids})
print(len(store))
"""


@pytest.mark.slow
def test_a_disk_that_is_really_full(tmp_path):
    alone = ["unshare", "--map-root-user", "--mount"]
    if shutil.which("unshare") is None or subprocess.run([*alone, "true"], check=False).returncode:
        pytest.skip("needs the right to mount a small disk in a namespace of its own")
    mount = 'mount -t tmpfs -o size=2m none "$2" && exec "$0" -c "$1" "$2/store" "$3"'
    python = [sys.executable, FILL, str(tmp_path), str(Path(__file__).parent)]
    done = subprocess.run(
        [*alone, "sh", "-c", mount, *python],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    message, num_videos = done.stdout.splitlines()
    assert message.startswith("the disk is full (No space left on device while writing ")
    assert int(num_videos) > 10
