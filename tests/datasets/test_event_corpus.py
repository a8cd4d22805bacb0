"""Event localization features: mapped or read through HDF5, published or by id."""

import logging
import pickle

import h5py
import numpy as np
import psutil
import pytest
import torch

from mmpyramid.core.batch import Streams
from mmpyramid.core.errors import UserError
from mmpyramid.datasets.ave import AVEDataset, EventAnnotations, open_events, read_ave
from mmpyramid.datasets.ave_files import AveFolder
from mmpyramid.store.hdf5 import RowFile

AUDIO, GRID = (10, 128), (10, 7, 7, 512)
STREAMS = Streams(audio={"vggish": 128}, visual={"vgg19": 512})


def annotations(rows, noisy_rows=(), num_classes=3):
    """Made-up clips at these rows of the files."""
    N = len(rows) + len(noisy_rows)
    rng = np.random.default_rng(0)
    return EventAnnotations(
        ids=tuple(f"clip{n}" for n in range(N)),
        rows=np.array([*rows, *noisy_rows], np.int64),
        labels=tuple("abc"),
        num_segments=10,
        category=rng.integers(0, num_classes, N),
        segment=rng.integers(0, num_classes + 1, (N, 10)),
        weak=rng.random((N, num_classes + 1), np.float32),
        noisy=np.arange(N) >= len(rows),
    )


def write_features(folder, num_rows, suffix="", seed=0, dtype=np.float64, **options):
    rng = np.random.default_rng(seed)
    stored = {}
    for name, shape in (("audio_feature", AUDIO), ("visual_feature", GRID)):
        values = rng.random((num_rows, *shape)).astype(dtype)
        with h5py.File(folder / f"{name}{suffix}.h5", "w") as file:
            file.create_dataset("avadataset", data=values, **options)
        stored[name] = values.astype(np.float32)
    return stored


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    folder = tmp_path_factory.mktemp("published")
    return folder, write_features(folder, 6), write_features(folder, 3, suffix="_noisy", seed=1)


def test_a_batch_has_the_rows_asked_for_in_the_order_asked_for(published):
    folder, stored, _ = published
    known = annotations([5, 0, 3, 1])
    corpus = AVEDataset(known, AveFolder(folder), STREAMS)
    assert len(corpus) == 4
    batch = corpus.__getitems__([2, 0, 3, 0])
    rows = [3, 5, 1, 5]
    np.testing.assert_array_equal(batch.streams["vggish"].numpy(), stored["audio_feature"][rows])
    np.testing.assert_array_equal(batch.streams["vgg19"].numpy(), stored["visual_feature"][rows])
    assert batch.streams["vgg19"].dtype == torch.float32
    assert batch.mask_BT.shape == (4, 10)
    assert batch.mask_BT.all()
    assert batch.present_BM.tolist() == [[True, True]] * 4
    np.testing.assert_array_equal(batch.segment_BT.numpy(), known.segment[[2, 0, 3, 0]])
    assert batch.segment_BT.dtype == torch.int64
    np.testing.assert_array_equal(batch.weak_BC.numpy(), known.weak[[2, 0, 3, 0]])
    assert corpus[1].streams["vggish"].shape == (1, *AUDIO)


def test_background_clips_come_from_the_noisy_files(published):
    folder, stored, noisy = published
    corpus = AVEDataset(annotations([4, 2], noisy_rows=[0, 2]), AveFolder(folder), STREAMS)
    batch = corpus.__getitems__([3, 0, 2, 1])
    for stream, name in (("vggish", "audio_feature"), ("vgg19", "visual_feature")):
        expected = [noisy[name][2], stored[name][4], noisy[name][0], stored[name][2]]
        np.testing.assert_array_equal(batch.streams[stream].numpy(), np.stack(expected))
    only_clips = corpus.__getitems__([1])
    np.testing.assert_array_equal(only_clips.streams["vggish"][0], stored["audio_feature"][2])


@pytest.mark.parametrize(
    ("options", "dtype", "mapped"),
    [
        ({}, np.float64, True),
        ({}, np.float32, True),
        ({}, ">f8", True),
        ({"chunks": True}, np.float64, False),
        ({"compression": "gzip"}, np.float32, False),
    ],
)
def test_every_way_of_storing_gives_equal_arrays(tmp_path, caplog, options, dtype, mapped):
    stored = write_features(tmp_path, 4, dtype=dtype, **options)
    with caplog.at_level(logging.WARNING):
        corpus = AVEDataset(annotations([3, 1]), AveFolder(tmp_path), STREAMS)
    assert ("h5repack" in caplog.text) is not mapped
    assert (RowFile.open(tmp_path / "visual_feature.h5").offset is not None) is mapped
    batch = corpus.__getitems__([1, 0])
    for stream, name in (("vggish", "audio_feature"), ("vgg19", "visual_feature")):
        np.testing.assert_array_equal(batch.streams[stream].numpy(), stored[name][[1, 3]])


def test_a_file_with_a_header_of_its_own_is_mapped_at_the_right_place(tmp_path):
    values = np.random.default_rng(0).random((4, 6))
    with h5py.File(tmp_path / "block.h5", "w", userblock_size=512) as file:
        file["x"] = values
    stored, found = RowFile.open(tmp_path / "block.h5"), np.zeros((2, 6), np.float32)
    stored.fill(found, np.array([0, 1]), np.array([3, 0]))
    assert stored.offset is not None
    np.testing.assert_array_equal(found, values[[3, 0]].astype(np.float32))


def test_the_corpus_travels_to_workers_without_its_features(published):
    folder, stored, _ = published
    corpus = AVEDataset(annotations([5, 0]), AveFolder(folder), STREAMS)
    corpus.__getitems__([0])
    sent = pickle.dumps(corpus)
    assert len(sent) < 20_000
    batch = pickle.loads(sent).__getitems__([1])
    np.testing.assert_array_equal(batch.streams["vggish"][0], stored["audio_feature"][0])


def test_a_network_may_read_one_stream(tmp_path):
    write_features(tmp_path, 2)
    (tmp_path / "visual_feature.h5").unlink()
    deaf = Streams(audio={"vggish": 128}, visual={})
    batch = AVEDataset(annotations([1]), AveFolder(tmp_path), deaf)[0]
    assert batch.streams.keys() == {"vggish"}
    assert batch.present_BM.tolist() == [[True, False]]


def test_the_files_may_be_in_data(tmp_path):
    (tmp_path / "data").mkdir()
    stored = write_features(tmp_path / "data", 2)
    batch = AVEDataset(annotations([1]), open_events(tmp_path), STREAMS)[0]
    np.testing.assert_array_equal(batch.streams["vggish"][0], stored["audio_feature"][1])


def test_missing_files_are_told_together(tmp_path, published):
    with pytest.raises(UserError, match=r"files: 2 \(audio_feature.h5, visual_feature.h5\)"):
        AVEDataset(annotations([0]), AveFolder(tmp_path), STREAMS)
    write_features(tmp_path, 2)
    with pytest.raises(UserError) as caught:
        AVEDataset(annotations([0], noisy_rows=[0]), AveFolder(tmp_path), STREAMS)
    message = str(caught.value)
    assert "files: 2 (audio_feature_noisy.h5, visual_feature_noisy.h5)" in message
    assert "background_clips=False" in message


def test_wrong_shapes_are_told_with_the_right_ones(tmp_path):
    write_features(tmp_path, 2)
    with h5py.File(tmp_path / "visual_feature.h5", "w") as file:
        file["avadataset"] = np.zeros((5, 10, 7, 512))
    with pytest.raises(UserError) as caught:
        AVEDataset(annotations([4]), AveFolder(tmp_path), STREAMS)
    message = str(caught.value)
    assert "(2, 10, 128) in audio_feature.h5, not (at least 5, 10, 128)" in message
    assert "(5, 10, 7, 512) in visual_feature.h5, not (at least 5, 10, 7, 7, 512)" in message


def test_damaged_files_are_told(tmp_path):
    write_features(tmp_path, 3)
    path = tmp_path / "visual_feature.h5"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match="cut short, fetch it again"):
        AVEDataset(annotations([1]), AveFolder(tmp_path), STREAMS)
    path.write_bytes(whole)
    with h5py.File(path, "r+") as file:
        file["avadataset"][2, 3, 4, 5, 6] = np.nan
    corpus = AVEDataset(annotations([1, 2]), AveFolder(tmp_path), STREAMS)
    corpus.__getitems__([0])
    with pytest.raises(UserError, match=r"row 2 of .*visual_feature.h5 has NaN"):
        corpus.__getitems__([0, 1])
    with h5py.File(tmp_path / "audio_feature.h5", "w") as file:
        file["avadataset"] = np.zeros((3, *AUDIO), np.int64)
    with pytest.raises(UserError, match=r"as floats, but .*audio_feature.h5 holds int64"):
        AVEDataset(annotations([1]), AveFolder(tmp_path), STREAMS)


def test_streams_that_are_not_there_are_told(published):
    other = Streams(audio={"yamnet": 1024}, visual={"vgg19": 512})
    with pytest.raises(UserError, match=r"reads the streams yamnet \(1024\), .* vggish \(128\)"):
        AVEDataset(annotations([0]), AveFolder(published[0]), other)


def test_any_features_found_by_id(tmp_path):
    dims = {"vggish": 128, "res152": 2048, "r2plus1d_18": 512}
    sounds = {}
    for clip, length in enumerate([10, 8]):
        for folder, dim in dims.items():
            (tmp_path / "feats" / folder).mkdir(parents=True, exist_ok=True)
            values = np.random.default_rng(clip).random((length, dim), np.float32)
            np.save(tmp_path / "feats" / folder / f"clip{clip}.npy", values)
            sounds.setdefault(clip, values)
    streams = Streams(audio={"vggish": 128}, visual={"r2plus1d_18": 512})
    known = annotations([7, 9])
    corpus = AVEDataset(known, open_events(tmp_path), streams)
    batch = corpus.__getitems__([1, 0])
    np.testing.assert_array_equal(batch.streams["vggish"][0, :8], sounds[1])
    np.testing.assert_array_equal(batch.streams["vggish"][1], sounds[0])
    assert batch.mask_BT.sum(1).tolist() == [8, 10]
    np.testing.assert_array_equal(batch.segment_BT.numpy(), known.segment[[1, 0]])
    np.testing.assert_array_equal(batch.weak_BC.numpy(), known.weak[[1, 0]])
    with pytest.raises(UserError, match=r"but 1 are background clips .*background_clips=False"):
        AVEDataset(annotations([7], noisy_rows=[0]), open_events(tmp_path), streams)


def test_a_folder_without_features_is_told(tmp_path):
    with pytest.raises(UserError, match="expected features in"):
        open_events(tmp_path)


def test_the_real_noisy_audio(shared):
    folder = shared / "data" / "ave"
    weak = read_ave(folder, "train", "weak")
    stored, found = RowFile.open(folder / "audio_feature_noisy.h5"), np.zeros((178, *AUDIO))
    found = found.astype(np.float32)
    stored.fill(found, np.arange(178), weak.rows[weak.noisy])
    with h5py.File(folder / "audio_feature_noisy.h5") as file:
        np.testing.assert_array_equal(found, file["avadataset"][:].astype(np.float32))


@pytest.mark.slow
def test_an_epoch_over_a_large_file_takes_the_memory_of_a_batch(tmp_path):
    num_rows, batch_size = 300, 16
    for name, shape in (("audio_feature", AUDIO), ("visual_feature", GRID)):
        with h5py.File(tmp_path / f"{name}.h5", "w") as file:
            dataset = file.create_dataset("avadataset", (num_rows, *shape), np.float64)
            for row in range(num_rows):
                dataset[row] = row
    size = (tmp_path / "visual_feature.h5").stat().st_size
    corpus = AVEDataset(annotations(range(num_rows)), AveFolder(tmp_path), STREAMS)
    process = psutil.Process()
    before = process.memory_info().rss
    order = np.random.default_rng(0).permutation(num_rows)
    peak = 0
    for start in range(0, num_rows, batch_size):
        rows = order[start : start + batch_size]
        grid = corpus.__getitems__(rows.tolist()).streams["vgg19"]
        assert (grid[:, 0, 0, 0, 0].numpy() == rows).all()
        peak = max(peak, process.memory_info().rss - before)
    one_batch = batch_size * 4 * np.prod(GRID)
    assert size > 600e6
    assert peak < 4 * one_batch
