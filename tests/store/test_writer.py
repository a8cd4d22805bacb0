"""Writing a store loses and doubles nothing, whatever happens in between."""

import errno
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tiny_store import (
    PROVENANCE,
    STREAMS,
    add_all,
    add_and_stop,
    assert_same,
    pending,
    shards,
    video,
)

from mmpyramid.core.errors import UserError
from mmpyramid.core.scores import Extracted
from mmpyramid.store.source import FaultKind, FeatureError
from mmpyramid.store.store import FeatureStore, Provenance
from mmpyramid.store.writer import StoreWriter, pending_name


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


def test_a_stream_has_one_shape_in_all_videos(tmp_path):
    with StoreWriter(tmp_path, PROVENANCE) as writer:
        writer.add("a", video(0))
        other = Extracted(features={"picture": np.zeros((5, 3), np.float32)}, duration=5.0)
        with pytest.raises(FeatureError, match=r"picture of b: \(3,\) per segment, but \(7, 3\)"):
            writer.add("b", other)
    assert_same(FeatureStore(tmp_path), {"a": video(0)})
    with StoreWriter(tmp_path, PROVENANCE) as writer, pytest.raises(FeatureError):
        writer.add("b", other)


def test_a_store_with_pending_videos_that_cannot_be_packed_recovers(tmp_path):
    other = Extracted(features={"picture": np.zeros((5, 3), np.float32)}, duration=5.0)
    for folder, videos in ((tmp_path, {"a": video(0)}), (tmp_path / "other", {"b": other})):
        with pytest.raises(KeyboardInterrupt):
            add_and_stop(folder, videos)
    (stray,) = pending(tmp_path / "other")
    stray.rename(tmp_path / "pending" / stray.name)
    with StoreWriter(tmp_path, PROVENANCE) as writer:
        (kept,) = writer.done
    assert FeatureStore(tmp_path).ids == (kept,)
    assert pending(tmp_path) == []


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


@pytest.mark.parametrize("call", ["pathlib.Path.open", "pathlib.Path.replace"])
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


def test_a_disk_that_is_full_when_a_shard_is_flushed(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with StoreWriter(tmp_path, PROVENANCE) as writer:
        writer.add("a", video(0))
        monkeypatch.setattr("os.fsync", full)
        with pytest.raises(UserError, match="the disk is full"):
            writer.pack()
        monkeypatch.undo()
        assert_same(FeatureStore(tmp_path), {"a": video(0)})
    assert shards(tmp_path) == ["shard-00000.h5"]


def test_pending_files_that_a_power_cut_damaged_are_done_again(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        add_and_stop(tmp_path, {"a": video(0), "b": video(1)})
    (tmp_path / "pending" / pending_name("a")).write_bytes(b"")
    with StoreWriter(tmp_path, PROVENANCE) as writer:
        assert writer.done == {"b"}
        writer.add("a", video(0))
    assert_same(FeatureStore(tmp_path), {"a": video(0), "b": video(1)})


FILL = """
import sys
from pathlib import Path
from mmpyramid.core.errors import UserError
from mmpyramid.store.store import FeatureStore
from mmpyramid.store.writer import StoreWriter

sys.path.insert(0, sys.argv[2])
from tiny_store import PROVENANCE, assert_same, video

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
