"""Features are read in place: nothing that is kept grows with them."""

import gc
import pickle
import tracemalloc

import numpy as np
import psutil
import pytest
from tiny_store import PROVENANCE, add_all, video

from mmpyramid.core import Modality
from mmpyramid.core.batch import Streams
from mmpyramid.core.scores import Extracted
from mmpyramid.datasets.features import ById, open_source
from mmpyramid.store.store import FeatureStore, Provenance, StreamProvenance
from mmpyramid.store.writer import StoreWriter
from mmpyramid.training.run import EpochShuffle, loader

MEGABYTE = 1_000_000
WIDTHS = {"vggish": 128, "resnet152": 2048, "r2plus1d_18": 512}
STREAMS = Streams(audio={"vggish": 128}, visual={"resnet152": 2048, "r2plus1d_18": 512})


def features(video: int) -> dict[str, np.ndarray]:
    return {name: np.full((10, width), video, np.float32) for name, width in WIDTHS.items()}


def write_npy(folder, num_videos):
    for number in range(num_videos):
        for name, values in features(number).items():
            path = folder / "feats" / name.replace("resnet", "res") / f"{number}.npy"
            path.parent.mkdir(parents=True, exist_ok=True)
            np.save(path, values)


def write_store(folder, num_videos):
    provenance = Provenance(
        streams={
            name: StreamProvenance(
                modality=Modality.AUDIO if name == "vggish" else Modality.VISUAL,
                dim=width,
                frames_per_segment=1,
                frame_size=(224, 224),
                weights_sha256="a" * 64,
            )
            for name, width in WIDTHS.items()
        }
    )
    with StoreWriter(folder / "features", provenance, videos_per_shard=100) as writer:
        for number in range(num_videos):
            writer.add(str(number), Extracted(features=features(number), duration=10.0))


class Rows(ById):
    """Rows without labels, as a data loader takes them."""

    def __len__(self):
        return len(self.ids)

    def __getitems__(self, rows):
        batch = self.batch(rows)
        assert (batch.streams["resnet152"][:, -1, -1].numpy() == rows).all()
        return batch


def memory_of_an_epoch(folder, num_videos):
    """Bytes allocated at most, and pages of this process, while opening and one epoch."""
    gc.collect()
    process = psutil.Process()
    before = process.memory_full_info().uss
    tracemalloc.start()
    rows = Rows(open_source(folder), [str(number) for number in range(num_videos)], STREAMS, 10)
    pages = [
        process.memory_full_info().uss - before for _ in loader(rows, 16, EpochShuffle(rows, 1))
    ]
    allocated = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return allocated, max(pages)


@pytest.mark.slow
@pytest.mark.parametrize("write", [write_npy, write_store])
def test_memory_does_not_grow_with_the_corpus(tmp_path, write):
    sizes = (100, 600)
    for size in sizes:
        write(tmp_path / str(size), size)
    bytes_per_video = 4 * 10 * sum(WIDTHS.values())
    more_features = (sizes[1] - sizes[0]) * bytes_per_video
    assert more_features > 50 * MEGABYTE
    memory_of_an_epoch(tmp_path / "100", 100)  # Libraries settle.
    few, many = (memory_of_an_epoch(tmp_path / str(size), size) for size in sizes)
    assert many[0] - few[0] < 5 * MEGABYTE
    assert many[1] - few[1] < 20 * MEGABYTE


def test_pending_videos_may_be_packed_meanwhile(tmp_path):
    videos = {str(number): video(number) for number in range(3)}
    with StoreWriter(tmp_path, PROVENANCE) as writer:
        for video_id, extracted in videos.items():
            writer.add(video_id, extracted)
        table = FeatureStore(tmp_path).table(list(videos), ["sound"])
    assert not list((tmp_path / "pending").iterdir())
    read = table.read([2, 0], 5)["sound"]
    np.testing.assert_array_equal(
        read, [videos["2"].features["sound"], videos["0"].features["sound"]]
    )


def test_a_table_of_a_store_travels_without_features(tmp_path):
    add_all(tmp_path, {str(number): video(number, 5_000) for number in range(3)})
    table = FeatureStore(tmp_path).table(["2", "1"], ["sound"])
    sent = pickle.dumps(table)
    assert len(sent) < 10_000
    np.testing.assert_array_equal(
        pickle.loads(sent).read([0], 5_000)["sound"][0], video(2, 5_000).features["sound"]
    )
