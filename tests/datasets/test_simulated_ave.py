"""Simulated AVE: the published layout, marked, reproducible, written whole, and worth learning."""

import subprocess
import sys

import h5py
import numpy as np
import pytest
import torch

from mmpyramid.core.batch import Streams
from mmpyramid.core.errors import UserError
from mmpyramid.core.labels import AVE_LABELS
from mmpyramid.datasets import is_simulated
from mmpyramid.datasets.ave import AVEDataset, read_ave
from mmpyramid.datasets.ave_files import AveFolder, verify_ave
from mmpyramid.datasets.synthetic.simulated_ave import (
    draw_scene,
    given_events,
    random_events,
    simulate_ave,
)

SIZES = {"train": 20, "val": 3, "test": 4}
SPLITS = ("train", "val", "test")
FILES = ("audio_feature", "visual_feature", "audio_feature_noisy", "visual_feature_noisy")
STREAMS = Streams(audio={"vggish": 128}, visual={"vgg19": 512})
TINY = """
import {imports}
from mmpyramid.datasets.synthetic.simulated_ave import simulate_ave
{before}
simulate_ave(None, {out!r}, sizes=dict(train=8, val=2, test=2), progress={progress})
"""


def read(path):
    with h5py.File(path) as file:
        (values,) = file.values()
        return values[()]


def by_clip(folder):
    """Both features of each clip by line; of the noisy set by number."""
    lines = (folder / "Annotations.txt").read_text().splitlines()
    audio, visual, audio_noisy, visual_noisy = (read(folder / f"{name}.h5") for name in FILES)
    names = [*lines, *range(len(audio_noisy))]
    sounds, pictures = [*audio, *audio_noisy], [*visual, *visual_noisy]
    return {name: (s, p) for name, s, p in zip(names, sounds, pictures, strict=True)}


def assert_equal_clips(ours, theirs):
    for name, (sound, picture) in ours.items():
        np.testing.assert_array_equal(sound, theirs[name][0], err_msg=str(name))
        np.testing.assert_array_equal(picture, theirs[name][1], err_msg=str(name))


def run_python(**parts):
    parts = {"imports": "os", "before": "", "progress": "None"} | parts
    code = TINY.format(**parts)
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return simulate_ave(None, tmp_path_factory.mktemp("simulated"), sizes=SIZES)


def test_the_published_layout(corpus):
    shapes = {name: read(corpus / f"{name}.h5").shape for name in FILES}
    assert shapes == {
        "audio_feature": (27, 10, 128),
        "visual_feature": (27, 10, 7, 7, 512),
        "audio_feature_noisy": (2, 10, 128),
        "visual_feature_noisy": (2, 10, 7, 7, 512),
    }
    for name in FILES:
        values = read(corpus / f"{name}.h5")
        assert values.dtype == np.float32
        assert values.min() == 0
        assert 0.4 < (values == 0).mean() < 0.8, name
        with h5py.File(corpus / f"{name}.h5") as file:
            assert list(file) == ["avadataset"]
            assert file["avadataset"].id.get_offset() is not None


def test_annotations_and_labels_agree(corpus):
    assert verify_ave(corpus) == ("labels.h5", "mil_labels.h5", "prob_label.h5")
    assert [len(read_ave(corpus, split)) for split in SPLITS] == [20, 3, 4]
    rows = np.concatenate([read_ave(corpus, split).rows for split in SPLITS])
    np.testing.assert_array_equal(np.sort(rows), np.arange(27))
    assert (rows != np.arange(27)).any()
    assert read_ave(corpus, "train", "weak").noisy.sum() == 2


def test_it_is_read_as_the_published_files_are(corpus):
    weak = read_ave(corpus, "train", "weak")
    batch = AVEDataset(weak, AveFolder(corpus), STREAMS).__getitems__([21, 4])
    assert batch.streams["vgg19"].shape == (2, 10, 7, 7, 512)
    expected = read(corpus / "visual_feature.h5")[weak.rows[4]]
    np.testing.assert_array_equal(batch.streams["vgg19"][1].numpy(), expected)
    expected = read(corpus / "audio_feature_noisy.h5")[1]
    np.testing.assert_array_equal(batch.streams["vggish"][0].numpy(), expected)


def test_the_folder_says_that_it_is_simulated(corpus):
    assert is_simulated(corpus)
    assert "not extracted from videos" in (corpus / "SIMULATED.json").read_text()


def test_same_parameters_same_features(corpus, tmp_path):
    ours = by_clip(corpus)
    fewer = simulate_ave(None, tmp_path / "fewer", sizes={"train": 5, "val": 1, "test": 2})
    theirs = by_clip(fewer)
    assert len(theirs) == 8 + 1
    assert_equal_clips(theirs, ours)
    other = by_clip(simulate_ave(None, tmp_path / "other", sizes=SIZES, seed=1))
    assert len(other.keys() & ours.keys()) == 2
    assert not np.array_equal(other[0][0], ours[0][0])


@pytest.mark.slow
def test_given_annotations_are_kept_and_renumbered(corpus, tmp_path):
    whole = simulate_ave(corpus, tmp_path / "whole")
    for name in ("Annotations.txt", *(f"{split}_order.h5" for split in SPLITS)):
        if name.endswith("h5"):
            np.testing.assert_array_equal(read(whole / name), read(corpus / name))
        else:
            assert (whole / name).read_bytes() == (corpus / name).read_bytes()
    fewer = simulate_ave(corpus, tmp_path / "few", sizes={"train": 3, "val": 0, "test": 2})
    for split, size in {"train": 3, "val": 0, "test": 2}.items():
        kept, given = (read_ave(folder, split).ids for folder in (fewer, corpus))
        assert list(kept) == [name for name in given if name in kept]
        assert len(kept) == size
    assert_equal_clips(by_clip(fewer), by_clip(corpus))


def test_real_annotations_get_features(shared, tmp_path):
    source = shared / "data" / "ave"
    folder = simulate_ave(source, tmp_path / "ave", sizes={"train": 4, "val": 1, "test": 3})
    verify_ave(folder)
    kept, real = read_ave(folder, "test"), read_ave(source, "test")
    rows = [real.ids.index(name) for name in kept.ids]
    assert len(rows) == 3
    np.testing.assert_array_equal(kept.segment, real.segment[rows])


def test_some_of_the_real_clips_have_most_classes(shared):
    """The published lines are sorted by class."""
    plan = given_events(shared / "data" / "ave", {"train": 200, "val": 100, "test": 100}, seed=0)
    for order in plan.orders.values():
        assert len({plan.lines[row].split("&")[0] for row in order}) > 20


def test_classes_of_your_own(tmp_path):
    source = simulate_ave(None, tmp_path / "source", sizes={"train": 1, "val": 1, "test": 1})
    (source / "labels.txt").write_text("Yes\nNo\n")
    (source / "Annotations.txt").write_text("".join(f"No&{n:011}&good&2&7\n" for n in range(3)))
    folder = simulate_ave(source, tmp_path / "out")
    assert read_ave(folder, "train", "weak").labels == ("Yes", "No")
    assert read_ave(folder, "train", "weak").weak.tolist() == [[0, 1, 0], [0, 0, 1]]


@pytest.mark.parametrize("difficulty", [0.0, 0.5, 1.0])
def test_only_the_event_is_heard_and_seen_at_once(difficulty):
    went_on = np.zeros(2)
    for seed in range(200):
        rng = np.random.default_rng(seed)
        event, onset, offset = rng.integers(28), 2, 6
        segment = np.full(10, 28)
        segment[onset:offset] = event
        heard, seen = draw_scene(event, segment, 28, difficulty, rng)
        both = (heard > 0) & (seen.sum((1, 2)) > 0)
        np.testing.assert_array_equal(both.argmax(1)[onset:offset], event)
        assert both[:onset].sum() == both[offset:].sum() == 0
        assert both.sum() == offset - onset
        outside = np.r_[0:onset, offset:10]
        went_on += [heard[outside, event].any(), seen[outside, :, :, event].any()]
    assert went_on / 200 == pytest.approx([difficulty / 2] * 2, abs=0.08)


def test_clips_of_background_have_nothing_heard_and_seen_at_once():
    for seed in range(50):
        rng = np.random.default_rng(seed)
        heard, seen = draw_scene(28, np.full(10, 28), 28, 0.5, rng)
        assert heard.any()
        assert seen.any()
        assert not ((heard > 0) & (seen.sum((1, 2)) > 0)).any()


def test_the_event_is_in_one_place_of_the_picture():
    for seed in range(50):
        rng = np.random.default_rng(seed)
        _, seen = draw_scene(3, np.full(10, 3), 28, 0.5, rng)
        taken = seen > 0
        for places in taken[..., 3]:
            ys, xs = np.nonzero(places)
            assert len(ys) == (np.ptp(ys) + 1) * (np.ptp(xs) + 1)
            assert 4 <= len(ys) <= 9
        assert not (taken[..., 3] & taken[..., np.arange(28) != 3].any(-1)).any()


@pytest.mark.slow
def test_the_picture_is_brighter_where_the_event_is(tmp_path):
    """A class's pattern, learned from other clips' sums, is found at one place of a clip."""
    folder = simulate_ave(None, tmp_path / "easy", sizes={"train": 60, "val": 0, "test": 0})
    train = read_ave(folder, "train")
    pictures = read(folder / "visual_feature.h5")[train.rows]
    label = np.bincount(train.category).argmax()
    means = pictures.mean((1, 2, 3))
    direction = means[train.category == label].mean(0) - means[train.category != label].mean(0)
    clip = np.flatnonzero((train.category == label) & (train.segment == label).all(1))[0]
    scores = (pictures[clip] @ direction).reshape(10, 49)
    assert (scores.max(1) > scores.mean(1) + 3 * np.median(abs(scores - scores.mean()))).all()


@pytest.mark.slow
@pytest.mark.parametrize("stop", ["os._exit(9)", "print(1 / 0)"])
def test_a_run_that_stops_leaves_no_file_that_looks_complete(tmp_path, stop):
    out = tmp_path / "out"
    stopped = run_python(out=str(out), progress=f"lambda n, N: {stop} if n == 5 else None")
    assert stopped.returncode != 0
    assert (out / "audio_feature.h5").is_file()
    assert not (out / "visual_feature.h5").exists()
    with pytest.raises(UserError, match=r"missing files: 1 \(visual_feature.h5\)"):
        AVEDataset(read_ave(out, "test"), AveFolder(out), STREAMS)
    sizes = {"train": 8, "val": 2, "test": 2}
    again = by_clip(simulate_ave(None, out, sizes=sizes))
    assert not list(out.glob("*.part"))
    assert_equal_clips(again, by_clip(simulate_ave(None, tmp_path / "new", sizes=sizes)))


@pytest.mark.slow
def test_a_full_disk_is_told(tmp_path):
    out = tmp_path / "out"
    limit = "resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, 2_000_000))"
    stopped = run_python(out=str(out), imports="resource", before=limit)
    assert "UserError: the disk is full" in stopped.stderr
    assert (out / "audio_feature.h5").is_file()
    assert not list(out.glob("visual*"))


def test_progress_counts_clips(tmp_path):
    calls = []
    sizes = {"train": 2, "val": 1, "test": 1}
    simulate_ave(None, tmp_path / "out", sizes=sizes, progress=lambda *done: calls.append(done))
    assert calls == [(n, 5) for n in range(1, 6)]


def test_wrong_input_is_told(corpus, tmp_path):
    with pytest.raises(UserError, match=r"difficulty within 0\.\.1"):
        simulate_ave(None, tmp_path / "hard", difficulty=2)
    with pytest.raises(UserError, match="other parameters"):
        simulate_ave(None, corpus, sizes=SIZES, seed=3)
    with pytest.raises(UserError, match="missing"):
        simulate_ave(tmp_path / "nowhere", tmp_path / "new")
    assert not (tmp_path / "new").exists()
    for sizes, message in (({"training": 3}, "got training"), ({"val": -1}, "val=-1")):
        with pytest.raises(UserError, match=message):
            simulate_ave(None, tmp_path / "new", sizes=sizes)


def test_random_events_last_as_long_as_those_of_ave(shared, tmp_path):
    real = read_ave(shared / "data" / "ave", "train")
    lines = random_events({"train": 3000, "val": 0, "test": 0}, seed=0).lines
    seconds = [int(end) - int(start) for *_, start, end in (line.split("&") for line in lines)]
    ours = np.bincount(seconds, minlength=11) / 3000
    theirs = np.bincount((real.segment < 28).sum(1), minlength=11) / len(real)
    np.testing.assert_allclose(ours, theirs, atol=0.03)
    assert {line.split("&")[0] for line in lines} == set(AVE_LABELS)


@pytest.mark.slow
def test_a_linear_probe_of_mean_maps_is_good_but_not_perfect(tmp_path):
    """On simulated features of difficulty 0.5: 84.4; all background would be 18."""
    folder = simulate_ave(None, tmp_path / "probe", sizes={"train": 400, "val": 0, "test": 100})
    splits = {split: read_ave(folder, split) for split in ("train", "test")}
    maps = np.stack([clip.mean((1, 2)) for clip in read(folder / "visual_feature.h5")])
    x = {split: torch.from_numpy(maps[known.rows]).flatten(0, 1) for split, known in splits.items()}
    y = {split: torch.from_numpy(known.segment).flatten() for split, known in splits.items()}
    mean, std = x["train"].mean(0), x["train"].std(0) + 1e-3
    torch.manual_seed(0)
    probe = torch.nn.Linear(512, 29)
    optimizer = torch.optim.Adam(probe.parameters(), lr=0.01)
    for _ in range(200):
        optimizer.zero_grad()
        scores = probe((x["train"] - mean) / std)
        penalty = 1e-3 * probe.weight.square().sum()
        (torch.nn.functional.cross_entropy(scores, y["train"]) + penalty).backward()
        optimizer.step()
    predicted = probe((x["test"] - mean) / std).argmax(-1)
    found = 100 * (predicted == y["test"]).float().mean()
    assert 70 < found < 95
