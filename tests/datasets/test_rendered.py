"""The rendered corpus: real files, planted events, reproducible content."""

import csv
import hashlib
import json

import av
import numpy as np
import pytest

from mmpyramid.core import Event, Modality
from mmpyramid.core.errors import UserError
from mmpyramid.datasets.llp import read_llp
from mmpyramid.datasets.synthetic.planting import BALANCED, ClipPlan, draw_events, plan_corpus
from mmpyramid.datasets.synthetic.rendered import RENDERED_LABELS, ClipFormat, render_corpus
from mmpyramid.datasets.synthetic.rendered.corpus import render_clip
from mmpyramid.datasets.synthetic.rendered.scene import SPRITES, draw_sprite, render_frames
from mmpyramid.datasets.synthetic.rendered.sounds import SOUNDS

SMALL = ClipFormat(width=64, height=48, frames_per_second=4, num_segments=4)
SIZES = {"num_train": 3, "num_val": 2, "num_test": 2}


def decode(path):
    with av.open(str(path)) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    with av.open(str(path)) as container:
        wave = [frame.to_ndarray()[0] for frame in container.decode(audio=0)]
    return np.stack(frames), np.concatenate(wave)


def content(folder):
    """Hash of every file by name; equal bytes decode to equal pixels and samples."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
    }


def table(path):
    with path.open(newline="") as lines:
        return list(csv.DictReader(lines, delimiter="\t"))


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return render_corpus(tmp_path_factory.mktemp("corpus"), **SIZES, clip=SMALL, workers=1)


@pytest.fixture(scope="module")
def plans():
    return plan_corpus({"train": 400}, RENDERED_LABELS, BALANCED)["train"]


def test_a_file_is_h264_and_aac_of_ten_seconds(tmp_path):
    (plan,) = plan_corpus({"test": 1}, RENDERED_LABELS, BALANCED)["test"]
    path = render_clip(plan, folder=tmp_path, clip=ClipFormat(), seed=0)
    assert path.name == f"{plan.filename[:11]}.mp4"
    with av.open(str(path)) as container:
        video, audio = container.streams.video[0], container.streams.audio[0]
        assert (video.codec_context.name, audio.codec_context.name) == ("h264", "aac")
        assert (video.width, video.height, video.average_rate) == (192, 144, 8)
        assert audio.rate == 16000
        assert container.duration == 10_000_000
    frames, wave = decode(path)
    assert frames.shape == (80, 144, 192, 3)
    assert len(wave) >= 160_000


@pytest.mark.slow
def test_same_seed_gives_the_same_bytes_whatever_the_number_of_workers(corpus, tmp_path):
    again = render_corpus(tmp_path / "again", **SIZES, clip=SMALL, workers=2)
    assert content(again) == content(corpus)
    other = render_corpus(tmp_path / "other", **SIZES, clip=SMALL, workers=1, seed=1)
    shared = content(other).items() & content(corpus).items()
    assert {name for name, _ in shared} == {"labels.txt"}


def test_a_smaller_corpus_is_a_subset(corpus, tmp_path):
    fewer = render_corpus(
        tmp_path / "fewer", num_train=1, num_val=1, num_test=1, clip=SMALL, workers=1
    )
    videos = {name: hash_ for name, hash_ in content(fewer).items() if name.endswith(".mp4")}
    assert len(videos) == 3
    assert videos.items() <= content(corpus).items()


def test_rendering_goes_on_where_it_stopped(corpus, tmp_path):
    folder = tmp_path / "corpus"
    render_corpus(folder, **SIZES, clip=SMALL, workers=1)
    kept, lost = sorted((folder / "videos").iterdir())[:2]
    kept_at = kept.stat().st_mtime_ns
    lost.unlink()
    seen = []
    render_corpus(folder, **SIZES, clip=SMALL, workers=1, progress=lambda *p: seen.append(p))
    assert content(folder) == content(corpus)
    assert kept.stat().st_mtime_ns == kept_at
    assert seen == [(done, 7) for done in range(1, 8)]


def test_another_corpus_is_not_overwritten(corpus, tmp_path):
    with pytest.raises(UserError, match="other parameters"):
        render_corpus(corpus, **SIZES, clip=SMALL, workers=1, seed=1)
    (tmp_path / "thesis.txt").touch()
    with pytest.raises(UserError, match="other files"):
        render_corpus(tmp_path, **SIZES, clip=SMALL, workers=1)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"num_train": -1}, "at least 0"),
        ({"num_val": 10**9}, "at most"),
        ({"workers": 0}, "at least 1 worker"),
    ],
)
def test_wrong_numbers_are_told(tmp_path, wrong, message):
    with pytest.raises(UserError, match=message):
        render_corpus(tmp_path / "corpus", **wrong)
    assert not (tmp_path / "corpus").exists()


def test_odd_sides_are_told():
    with pytest.raises(UserError, match="even sides"):
        ClipFormat(width=101)


def test_annotations_have_the_llp_layout(corpus):
    splits = {split: read_llp(corpus, split) for split in ("train", "val", "test")}
    assert {name: len(split) for name, split in splits.items()} == {"train": 3, "val": 2, "test": 2}
    assert all(split.labels == RENDERED_LABELS for split in splits.values())
    videos = {path.stem for path in (corpus / "videos").glob("*.mp4")}
    assert videos == {video_id for split in splits.values() for video_id in split.ids}
    assert splits["train"].audio is None
    for split in (splits["val"], splits["test"]):
        union = (split.audio | split.visual).any(axis=1)
        np.testing.assert_array_equal(split.weak, union)
    everyone = [row["filename"] for row in table(corpus / "AVVP_dataset_full.csv")]
    assert everyone == [name for split in splits.values() for name in split.names]


def test_no_dense_truth_of_training_videos_is_written(corpus):
    train = {row["filename"] for row in table(corpus / "AVVP_train.csv")}
    for name in ("AVVP_eval_audio.csv", "AVVP_eval_visual.csv"):
        assert not train & {row["filename"] for row in table(corpus / name)}
    assert json.loads((corpus / "rendered.json").read_text())["seed"] == 0


def test_ids_are_distinct_and_of_eleven_characters(plans):
    ids = [plan.video_id for plan in plans]
    assert len(set(ids)) == len(ids) == 400
    assert {len(video_id) for video_id in ids} == {11}
    assert all(plan.filename == f"{plan.video_id}_0_10" for plan in plans)


def test_all_kinds_of_events_are_frequent(plans):
    kinds = dict.fromkeys(["heard", "seen", "equal", "overlapping"], 0)
    for plan in plans:
        for label in {event.label for event in plan.events}:
            seconds = {
                modality: {
                    second
                    for event in plan.events
                    if (event.label, event.modality) == (label, modality)
                    for second in range(int(event.start), int(event.end))
                }
                for modality in (Modality.AUDIO, Modality.VISUAL)
            }
            heard, seen = seconds.values()
            kinds["heard"] += not seen
            kinds["seen"] += not heard
            kinds["equal"] += heard == seen
            kinds["overlapping"] += bool(heard & seen) and heard != seen
    total = sum(len({event.label for event in plan.events}) for plan in plans)
    assert min(kinds.values()) > 0.1 * total, kinds


def test_planted_lengths_and_numbers_of_labels(plans):
    events = [event for plan in plans for event in plan.events]
    assert {event.duration for event in events} == set(range(1, 11))
    assert 3 < np.mean([event.duration for event in events]) < 5
    assert {len({event.label for event in plan.events}) for plan in plans} == {1, 2, 3}
    assert {event.label for event in events} == set(RENDERED_LABELS)


def test_a_one_second_video_can_be_planned():
    events = draw_events(["Bell"], BALANCED, 1, np.random.default_rng(0))
    assert {(event.start, event.end) for event in events} == {(0, 1)}


@pytest.mark.parametrize("label", RENDERED_LABELS)
def test_an_event_is_heard_where_it_says_and_nowhere_else(label, tmp_path):
    plan = ClipPlan("abcdefghijk_0_4", (Event(1, 3, label, Modality.AUDIO),))
    path = render_clip(plan, folder=tmp_path, clip=SMALL, seed=0)
    _, wave = decode(path)
    rms = np.sqrt(np.mean(wave[:64_000].reshape(4, 16_000) ** 2, axis=1))
    assert rms[1:3].min() > 5 * rms[[0, 3]].max()


@pytest.mark.parametrize("label", RENDERED_LABELS)
def test_an_event_is_seen_where_it_says_and_nowhere_else(label):
    event = Event(1, 3, label, Modality.VISUAL)
    with_event, without = (
        render_frames(events, SMALL, np.random.default_rng(0)).astype(int)
        for events in ((event,), ())
    )
    changed = (abs(with_event - without) > 20).any(axis=-1).mean(axis=(1, 2))
    assert changed[4:12].min() > 0.05
    assert changed[:4].max() == changed[12:].max() == 0


def test_classes_have_a_look_and_a_sound_of_their_own():
    assert tuple(SOUNDS) == tuple(SPRITES) == RENDERED_LABELS
    assert len(RENDERED_LABELS) >= 8
    looks = [draw_sprite(label, 32, 2, np.ones(3, np.float32)) for label in RENDERED_LABELS]
    sounds = [SOUNDS[label](16_000, 16_000, np.random.default_rng(0)) for label in RENDERED_LABELS]
    spectra = [np.abs(np.fft.rfft(sound)) for sound in sounds]
    spectra = [spectrum / np.linalg.norm(spectrum) for spectrum in spectra]
    for first in range(len(RENDERED_LABELS)):
        for second in range(first):
            assert abs(looks[first] - looks[second]).mean() > 5
            assert spectra[first] @ spectra[second] < 0.9


def test_sprites_move():
    for label in RENDERED_LABELS:
        loop = draw_sprite(label, 32, 4, np.ones(3, np.float32))
        assert np.ptp(loop, axis=0).max() > 20, label
