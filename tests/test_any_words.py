"""Words instead of classes: texts as labels, in `parse`, `label` and training."""

import csv
import json

import numpy as np
import pytest

from mmpyramid.cli import main
from mmpyramid.core import Modality
from mmpyramid.core.errors import UserError
from mmpyramid.core.labels import LLP_LABELS
from mmpyramid.datasets.llp import read_llp
from mmpyramid.datasets.segment_labels import SegmentLabels, SegmentTargets
from mmpyramid.problems import decode
from mmpyramid.store.store import FeatureStore
from mmpyramid.teachers.text import (
    NOTHING,
    Prompt,
    TextTeacher,
    load_prompts,
    prompts_for,
)
from training import tiny_corpus

AUDIO, VISUAL = Modality.AUDIO, Modality.VISUAL


class Words:
    """Puts every text that it meets on an axis of its own."""

    scale = 10.0

    def __init__(self, name, modality, dim=8):
        self.name, self.modality, self.dim = name, modality, dim

    def encode(self, texts):
        return np.eye(self.dim, dtype=np.float32)[: len(texts)]


def teacher_of(prompts):
    return TextTeacher(prompts, (Words("clap", AUDIO), Words("clip", VISUAL)))


def softmax(logits):
    weights = np.exp(logits)
    return weights / weights.sum()


def test_a_text_competes_with_nothing_and_not_with_other_texts():
    teacher = teacher_of(prompts_for(["rain", "a red bus"]))
    picture_D = np.zeros(8, np.float32)
    picture_D[[0, 1, 2]] = 0.6, 0.6, 0.5  # as near to both texts, and nearly to one of `NOTHING`
    scores = teacher.predict({"clip": np.stack([picture_D] * 4)})
    cosine = picture_D / np.linalg.norm(picture_D)
    against = 10 * cosine[2 : 2 + len(NOTHING[VISUAL])]
    expected = softmax(np.array([10 * cosine[0], *against]))[0]
    np.testing.assert_allclose(scores.visual, expected, rtol=1e-5)
    assert not scores.audio.any(), "nothing was heard of a video without sound"
    np.testing.assert_allclose(scores.video, expected, rtol=1e-5)


def test_a_known_threshold_is_where_the_score_is_a_half():
    prompts = {"Dog": Prompt(heard="dog", seen="dog", heard_above=6.0, seen_above=8.0)}
    teacher = teacher_of(prompts)
    unit_TD = np.zeros((3, 8), np.float32)
    unit_TD[:, 0] = 0.6, 0.8, 1.0
    unit_TD[:, 7] = np.sqrt(1 - unit_TD[:, 0] ** 2)
    features = {"clap": unit_TD, "clip": 3 * unit_TD}  # imported features may have any length
    logits = teacher.logits(features)
    np.testing.assert_allclose(logits[AUDIO][:, 0], [6, 8, 10], rtol=1e-5)
    np.testing.assert_allclose(logits[VISUAL][:, 0], [6, 8, 10], rtol=1e-5)
    scores = teacher.predict(features)
    np.testing.assert_allclose(scores.audio[:, 0], 1 / (1 + np.exp([0, -2, -4])), rtol=1e-5)
    np.testing.assert_allclose(scores.visual[:, 0], 1 / (1 + np.exp([2, 0, -2])), rtol=1e-5)


def test_the_surroundings_gate_a_long_video():
    teacher = teacher_of(prompts_for(["rain"]))
    seconds_TD = np.zeros((60, 8), np.float32)
    seconds_TD[:, 1] = 1
    seconds_TD[20:30] = np.eye(8)[0]
    timeline = decode(teacher.predict({"clap": seconds_TD}), teacher.decoder)
    assert [(e.start, e.end, e.label) for e in timeline.events] == [(20, 30, "rain")]
    whole = teacher.predict({"clap": seconds_TD})
    part = teacher.predict({"clap": seconds_TD[10:40]})
    reach = slice(teacher.reach, -teacher.reach)
    np.testing.assert_allclose(whole.local_video[10:40][reach], part.local_video[reach])


def test_other_features_are_refused():
    teacher = teacher_of(prompts_for(["rain"]))
    for features in ({}, {"clip": np.zeros((3, 7))}, {"clap": np.zeros((3, 8)),
                                                     "clip": np.zeros((2, 8))}):  # fmt: skip
        with pytest.raises(UserError, match=r"clap \(T, 8\), clip \(T, 8\), with the same T"):
            teacher.predict(features)


def test_valor_s_prompts_have_a_threshold_each():
    prompts = load_prompts("llp", LLP_LABELS)
    assert [int(p.seen_above) for p in prompts.values()] == [
        *(20, 15, 18, 14, 15, 18, 18, 15, 15, 15, 15, 18, 15, 15, 15, 15, 15, 15, 15, 16),
        *(14, 15, 15, 15, 18),
    ]
    assert [int(p.heard_above) for p in prompts.values()] == [
        *(0, 0, 1, 4, 6, -2, 4, 4, 2, 2, 2, 1, 2, 3, 0, 2, 2, 2, 0, 2, -1, 2, 3, 3, 0),
    ]
    assert prompts["Acoustic_guitar"].seen == "A photo of a acoustic guiter."
    assert all(p.seen.startswith("A photo of ") and p.seen.endswith(".") for p in prompts.values())
    assert all(p.heard.startswith("This is a sound of ") for p in prompts.values())


@pytest.mark.parametrize(
    ("content", "match"),
    [
        ("[prompts\n", "in TOML"),
        ("[prompts]\nDog = { heard = 3, seen = 'x' }\n", "heard"),
        ("[prompts]\nCat = { heard = 'x', seen = 'x' }\n", "1 are not there"),
        ("[prompts]\nDog = { heard = 'x', seen = 'x', above = 1 }\n", "above"),
    ],
)
def test_wrong_prompts_are_told(tmp_path, content, match):
    path = tmp_path / "prompts.toml"
    path.write_text(content)
    with pytest.raises(UserError, match=match):
        load_prompts(path, ["Dog"])


def test_words_are_told_apart():
    with pytest.raises(UserError, match="'a dog' twice"):
        prompts_for(["a dog", " a  dog "])
    for nothing in ((), ("",), ("a dog", " ")):
        with pytest.raises(UserError, match="got nothing"):
            prompts_for(nothing)


def test_words_beside_something_else_are_refused(tmp_path, capsys):
    video = tmp_path / "a.mp4"
    video.write_bytes(b"a video")
    words = ["parse", str(video), "--text", "rain", "--out", str(tmp_path / "out")]
    for more, said in (
        (["--vocabulary", "llp"], "--text alone"),
        (["--model", "runs/model"], "--text alone"),
        (["--infer-seen"], "leave out `--infer-seen`"),
        (["--checkpoints", "clip"], "STREAM=PATH"),
    ):
        assert main([*words, *more]) == 2
        assert said in capsys.readouterr().err
    assert main(["parse", str(video), "--checkpoints", "clip=x"]) == 2
    assert "applies to --text only" in capsys.readouterr().err


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory):
    from tiny_hub import make_clap, make_clip

    folder = tmp_path_factory.mktemp("hub")
    return {"clap": make_clap(folder / "clap"), "clip": make_clip(folder / "clip")}


@pytest.mark.slow
def test_parse_looks_and_listens_for_words(checkpoints, tmp_path, capsys):
    from media_files import steady, tone, write_media

    video = write_media(tmp_path / "a.mp4", steady(30), tone(9000, 3, 48_000), rate=48_000)
    words = ["parse", str(video), "--text", "a kettle whistling", "--text", "a red bus"]
    words += ["--checkpoints", *(f"{name}={path}" for name, path in checkpoints.items())]
    words += ["--sensitivity", "0.9", "--out", str(tmp_path), "--formats", "json,html,csv"]
    assert main(words) == 0, capsys.readouterr().err
    assert "looking for 2 texts" in capsys.readouterr().out
    timeline = json.loads((tmp_path / "a.json").read_text())
    assert timeline["model"] == "text"
    assert {event["label"] for event in timeline["events"]} <= {"a kettle whistling", "a red bus"}
    assert timeline["events"], "at this sensitivity random weights find something"
    assert "a red bus" in (tmp_path / "a.html").read_text()


def simulated(corpus, store, dims):
    """Features of a corpus that stand for nothing, as a store of both streams."""
    chance = np.random.default_rng(0)
    for name, dim in dims.items():
        (store.parent / "npy" / name).mkdir(parents=True)
        for split in ("train", "val", "test"):
            for video_id in read_llp(corpus, split).ids:
                values = chance.normal(size=(10, dim)).astype(np.float32)
                np.save(store.parent / "npy" / name / f"{video_id}.npy", values)
    assert main(["store", "import", str(store.parent / "npy"), "--out", str(store)]) == 0


@pytest.mark.slow
def test_words_label_what_a_network_learns(checkpoints, tmp_path, capsys):
    corpus = tiny_corpus.make(tmp_path / "corpus", num_train=3)
    store, out = tmp_path / "store", tmp_path / "labels"
    simulated(corpus, store, {"clap": 16, "clip": 24})
    words = ["label", "text", "--data", str(corpus), "--features", str(store), "--out", str(out)]
    words += ["--checkpoints", *(f"{name}={path}" for name, path in checkpoints.items())]
    assert main(words) == 0, capsys.readouterr().err
    train = read_llp(corpus, "train")
    logit_TC = np.load(out / "visual" / f"{train.ids[0]}.npy")
    assert (logit_TC.dtype, logit_TC.shape) == (np.float16, (10, 3))
    with (out / "thresholds.csv").open() as file:
        rows = list(csv.reader(file))
    assert rows == [
        ["label", "audio", "visual"],
        *([name, *above] for name, above in zip(
            train.labels, (["4.0", "14.0"], ["6.0", "15.0"], ["0.0", "15.0"]), strict=True
        )),
    ]  # fmt: skip

    (out / "thresholds.csv").rename(tmp_path / "away.csv")
    assert main(words) == 2
    assert "has margins, which cannot be mixed with logits of `text`" in capsys.readouterr().err
    (tmp_path / "away.csv").rename(out / "thresholds.csv")

    def heard():
        labels = SegmentLabels(folder=out)
        targets = SegmentTargets(labels, train.ids, np.ones_like(train.weak), train.labels)
        return np.stack([margin_TMC[:, 0] for margin_TMC in targets._margins])

    before_NTC = heard()
    table = (out / "thresholds.csv").read_text()
    (out / "thresholds.csv").write_text(table.replace("Dog,4.0", "Dog,3.0"))
    raised = np.array([1, 0, 0])
    np.testing.assert_allclose(heard() - before_NTC, np.broadcast_to(raised, before_NTC.shape),
                               atol=0.01)  # fmt: skip
    learn = ["train", "llp-clip", "--data", str(corpus), "--features", str(store), "--strategy"]
    learn += ["valor", "--segment-labels", str(out), "--epochs", "1", "--model.width", "16"]
    learn += ["--model.audio-streams.clap", "16", "--model.visual-streams.clip", "24"]
    assert main([*learn, "--out", str(tmp_path / "run")]) == 0, capsys.readouterr().err
    for wrong, said in (
        (table.replace("4.0", "high"), "finite numbers"),
        (table.replace("Dog", "Ant"), "a line for each of the 3 classes"),
    ):
        (out / "thresholds.csv").write_text(wrong)
        with pytest.raises(UserError, match=said):
            heard()


@pytest.mark.slow
def test_features_of_another_checkpoint_are_refused(checkpoints, tmp_path, capsys):
    from media_files import steady, write_media
    from tiny_hub import make_clip

    video = write_media(tmp_path / "a.mp4", steady(30))
    other = make_clip(tmp_path / "other", seed=1)
    extracted = ["extract", str(video), "--streams", "clip", "--out", str(tmp_path / "store")]
    extracted += ["--workers", "1", "--weights", f"clip={other}"]
    assert main(extracted) == 0, capsys.readouterr().err
    provenance = FeatureStore(tmp_path / "store").provenance
    from mmpyramid.backbones import BackboneOptions, create_extractors

    def clip(path):
        return create_extractors(["clip"], BackboneOptions(weights={"clip": path}))

    provenance.check_weights(clip(other))
    with pytest.raises(UserError, match="got those of another one"):
        provenance.check_weights(clip(checkpoints["clip"]))
