"""Videos of random features, and what tests of the store do with them."""

import numpy as np

from mmpyramid.core import Modality
from mmpyramid.core.scores import Extracted
from mmpyramid.store.store import Provenance, StreamProvenance
from mmpyramid.store.writer import StoreWriter

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
