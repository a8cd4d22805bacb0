"""`mmpyramid score` and `evaluate --tune`: intervals, two systems, thresholds, the page."""

import json

import numpy as np
import pytest

from mmpyramid.datasets.llp import read_llp


def save(path, corpus, split, noise, seed=0):
    """Predictions that are near the truth of a split."""
    known, random = read_llp(corpus, split), np.random.default_rng(seed)
    values = [
        np.clip(0.3 + 0.4 * truth + noise * random.normal(size=truth.shape), 0, 1)
        for truth in known.truth
    ]
    names = dict(zip(("audio", "visual"), values, strict=True))
    np.savez(path, ids=np.array(known.ids), video=0.2 + 0.6 * known.weak, **names)
    return path


@pytest.fixture
def good(corpus, tmp_path):
    return save(tmp_path / "good.npz", corpus, "test", 0.2)


@pytest.fixture
def bad(corpus, tmp_path):
    return save(tmp_path / "bad.npz", corpus, "test", 0.5, seed=1)


def test_two_systems_are_compared_on_the_same_videos(good, bad, corpus, run, tmp_path, capsys):
    written = tmp_path / "numbers.json"
    words = ("--against", bad, "--tables", "--json", written, "--resamples", 200)
    assert run("score", good, "--labels", corpus, *words) == 0
    shown = capsys.readouterr().out
    assert "with 95 % intervals (200 draws of the videos)" in shown
    assert f"{good} minus {bad}" in shown
    assert "as detections, pooled over the corpus" in shown
    numbers = json.loads(written.read_text())
    type_av = numbers["difference"]["segment"]["type_av"]
    expected = numbers["segment"]["type_av"] - numbers["other"]["segment"]["type_av"]
    assert type_av["difference"] == pytest.approx(expected)
    assert expected > 0
    low, high = numbers["intervals"]["segment"]["type_av"]
    assert low < numbers["segment"]["type_av"] < high
    assert set(numbers["classes"]) <= set(read_llp(corpus, "test").labels)
    assert numbers["detection"]["audio"]["PSDS1"] is None, (
        "a minute of videos has no alarms per hour"
    )
    assert "PSDS counts alarms per hour" in shown


def test_the_same_seed_gives_the_same_intervals(good, corpus, run, tmp_path):
    written = [tmp_path / f"{name}.json" for name in "abc"]
    for path, seed in zip(written, (0, 0, 1), strict=True):
        words = ("--json", path, "--resamples", 50, "--seed", seed)
        assert run("score", good, "--labels", corpus, *words) == 0
    first, second, other = (json.loads(path.read_text())["intervals"] for path in written)
    assert first == second != other


def test_thresholds_of_val_stand_beside_a_half(good, corpus, run, tmp_path, capsys):
    val, written = save(tmp_path / "val.npz", corpus, "val", 0.5), tmp_path / "numbers.json"
    words = ("--tune", val, "--json", written, "--resamples", 0)
    assert run("score", good, "--labels", corpus, *words) == 0
    shown = capsys.readouterr().out
    assert "thresholds tuned on val" in shown
    assert "95 %" not in shown
    tuned = json.loads(written.read_text())["tuned"]
    assert list(tuned) == ["one threshold", "one per stream", "one per class and stream"]
    per_class = np.array(tuned["one per class and stream"]["threshold"])
    assert per_class.shape == (2, len(read_llp(corpus, "test").labels))


def test_a_network_is_tuned_on_val(model, events, corpus, run, tmp_path, capsys):
    written = tmp_path / "numbers.json"
    words = ("--data", corpus, "--tune", "val", "--json", written, "--device", "cpu")
    assert run("evaluate", model, *words) == 0
    shown = capsys.readouterr().out
    assert "tuned: each class" in shown
    assert "nothing" in shown
    assert len(json.loads(written.read_text())["tuned"]) == 3
    folder, localizing = events
    (folder / "val_order.h5").write_bytes((folder / "test_order.h5").read_bytes())
    assert run("evaluate", localizing, "--data", folder, "--tune", "val") == 2
    assert "whose numbers need none; leave --tune out" in capsys.readouterr().err


def test_the_page_has_everything_and_no_script(good, bad, corpus, run, tmp_path, capsys):
    page = tmp_path / "new" / "report.html"
    words = ("--against", bad, "--report", page, "--resamples", 50)
    assert run("score", good, "--labels", corpus, *words) == 0
    assert str(page) in capsys.readouterr().out
    text = page.read_text()
    assert "script-src 'none'" in text
    assert "<script" not in text
    assert " style=" not in text
    for heading in ("Official numbers", "Thresholds", "By length", "By class", "Modalities"):
        assert heading in text
    assert text.count("<svg") == 2 + 2 + 3 + 3, "a legend, curves, lengths, classes"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--against", "GOOD"), "--against to name another file"),
        (("--against", "gone.npz"), "gone.npz: expected an .npz file"),
        (("--tune", "GOOD"), "ids are not among the labels"),
        (("--resamples", "-1"), "--resamples of 0 or more, got -1"),
        (("--seed", "-1"), "--seed of 0 or more, got -1"),
        (("--threshold", "2"), "a threshold within 0..1"),
        (("--gate", "per_modality"), "needs the video-level probabilities"),
    ],
)
def test_mistakes(words, message, good, corpus, run, capsys):
    filled = [good if word == "GOOD" else word for word in words]
    assert run("score", good, "--labels", corpus, *filled) == 2
    assert message in capsys.readouterr().err


def test_events_beyond_the_end_of_a_mask_are_told(good, corpus, run, capsys):
    known = read_llp(corpus, "test")
    annotated = np.logical_or(*known.truth).any(axis=2)
    with np.load(good) as archive:
        arrays = dict(archive)
    mask = np.ones(annotated.shape, bool)
    for ends, told in ((10, ""), (1, f"{annotated[0, 1:].sum()} seconds with events do not count")):
        mask[0, ends:] = False
        np.savez(good, **arrays, mask=mask)
        assert run("score", good, "--labels", corpus, "--resamples", 0) == 0
        shown = capsys.readouterr().err
        assert told in shown
        assert ("ends 1 videos before their last annotated event" in shown) == bool(told)


def test_videos_of_a_folder_may_last_longer_than_their_events(run, tmp_path):
    """Only the features know that, which are not asked for."""
    lines = [
        f"{name}.mp4,Dog,audio_visual,0,2,{split}"
        for split in ("train", "val", "test")
        for name in (f"{split} a", f"{split} b")
    ]
    table = "\n".join(("video,label,modality,onset,offset,split", *lines))
    (tmp_path / "annotations.csv").write_text(table)
    files = {}
    for split, num_segments in (("val", 3), ("test", 4)):
        audio = np.full((2, num_segments, 1), 0.9)
        arrays = {"ids": [f"{split} a", f"{split} b"], "audio": audio, "visual": audio}
        files[split] = tmp_path / f"{split}.npz"
        np.savez(files[split], **arrays, video=np.ones((2, 1)))
    written = tmp_path / "numbers.json"
    words = ("--labels", tmp_path, "--tune", files["val"], "--json", written)
    assert run("score", files["test"], *words) == 0
    # Two seconds of four are right: precision 1/2, recall 1.
    assert json.loads(written.read_text())["segment"]["audio"] == pytest.approx(200 / 3)
    for wrong in (audio[:, :1], audio[:, :, 0], audio[:, 0, 0]):
        np.savez(files["test"], **{**arrays, "audio": wrong}, video=np.ones((2, 1)))
        assert run("score", files["test"], *words) == 2
