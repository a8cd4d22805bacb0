"""`mmpyramid label`: a teacher's margins, and a network that learns from them."""

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from mmpyramid.cli import main
from mmpyramid.cli.label import margins
from mmpyramid.core import Modality
from mmpyramid.core.labels import LLP_LABELS
from mmpyramid.datasets.llp import read_llp
from mmpyramid.models import MMPyramid, MMPyramidConfig, load_pretrained, save_pretrained
from mmpyramid.teachers import load_teacher
from training import tiny_corpus

FLAGS = ("--model.width", "16", "--epochs", "1", "--batch-size", "8", "--precision", "32-true")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return tiny_corpus.make(tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="module")
def run(corpus, tmp_path_factory):
    out = tmp_path_factory.mktemp("run") / "han"
    assert main(["train", "han", "--data", str(corpus), "--out", str(out), *FLAGS]) == 0
    return out


@pytest.mark.slow
def test_a_network_labels_what_another_learns(corpus, run, tmp_path, capsys):
    out = tmp_path / "labels"
    places = f"--data {corpus} --features {corpus / 'feats'}"
    words = ["label", str(run / "model"), *places.split(), "--out", str(out)]
    assert main(words) == 0
    shown = capsys.readouterr().out
    assert f"24 videos of 3 classes in {out}\n" in shown
    assert f"train RECIPE --strategy valor {places} " in shown
    train = read_llp(corpus, "train")
    network = load_pretrained(run / "model")
    kept = out / "audio" / f"{train.ids[0]}.npy"
    features = {
        stream: np.load(corpus / "feats" / folder / f"{train.ids[0]}.npy")
        for stream, folder in (
            ("vggish", "vggish"), ("resnet152", "res152"), ("r2plus1d_18", "r2plus1d_18"),
        )
    }  # fmt: skip
    scores = network.predict(features)
    for side, score_TC in (("audio", scores.audio), ("visual", scores.visual)):
        margin_TC = np.load(out / side / f"{train.ids[0]}.npy")
        assert margin_TC.dtype == np.float16
        np.testing.assert_allclose(1 / (1 + np.exp(-margin_TC)), score_TC, atol=2e-3)
    before = kept.stat().st_mtime_ns
    (out / "visual" / f"{train.ids[1]}.npy").unlink()
    assert main(words) == 0, "what is missing is made, what is there stays"
    assert kept.stat().st_mtime_ns == before
    assert len([*out.rglob("*.npy")]) == 48
    student = ["train", "han", "--data", str(corpus), *FLAGS, "--out", str(tmp_path / "student")]
    assert main([*student, "--strategy", "uwav", "--segment-labels", str(out)]) == 0
    assert load_file(tmp_path / "student" / "model" / "model.safetensors")


@pytest.mark.slow
def test_the_teachers_have_no_say_about_what_they_never_perceive(corpus, tmp_path, capsys):
    teacher = load_teacher("llp")
    rng = np.random.default_rng(1)
    folder = tmp_path / "corpus"
    tiny_corpus.make(folder, num_train=3)
    never_seen = set(teacher.unmapped[Modality.VISUAL]) - set(teacher.unmapped[Modality.AUDIO])
    chosen = (min(never_seen), "Dog", "Car")
    (folder / "labels.txt").write_text("\n".join(chosen) + "\n")
    for path in folder.glob("*.csv"):
        path.write_text(path.read_text().replace("Cat", chosen[0]))
    assert set(chosen) <= set(LLP_LABELS)
    ids = read_llp(folder, "train").ids
    for name, width in teacher.streams.items():
        (folder / "open" / name).mkdir(parents=True)
        for video_id in ids:
            values = rng.random((10, width)).astype(np.float32)
            np.save(folder / "open" / name / f"{video_id}.npy", values)
    store = tmp_path / "store"
    imported = ["store", "import", str(folder / "open"), "--out", str(store)]
    assert main(imported) == 0, capsys.readouterr().err
    out = tmp_path / "labels"
    words = ["label", "teachers", "--data", str(folder), "--features", str(store)]
    assert main([*words, "--out", str(out)]) == 0, capsys.readouterr().err
    seen_TC, heard_TC = (np.load(out / side / f"{ids[0]}.npy") for side in ("visual", "audio"))
    assert np.isnan(seen_TC[:, 0]).all()
    assert not np.isnan(seen_TC[:, 1:]).any()
    assert not np.isnan(heard_TC).any()


def test_margins_stay_finite():
    assert margins(np.array([[0.0, 0.5, 1.0]]), [0, 1, 2]).tolist() == [[-12.0, 0.0, 12.0]]


def test_labels_of_two_teachers_are_not_mixed(corpus, tmp_path, capsys):
    words = [
        "label",
        str(tmp_path / "model"),
        "--data",
        str(corpus),
        "--out",
        str(tmp_path / "out"),
    ]
    for seed, code in ((0, 0), (0, 0), (1, 2)):
        torch.manual_seed(seed)
        config = MMPyramidConfig(labels=read_llp(corpus, "train").labels, width=8 + 8 * seed)
        if seed or not (tmp_path / "model").exists():
            save_pretrained(MMPyramid(config), tmp_path / "model")
        assert main(words) == code
    assert "labels of another teacher" in capsys.readouterr().err


def test_a_teacher_of_other_classes_is_refused(corpus, run, tmp_path, capsys):
    words = ["label", str(run / "model"), "--data", str(corpus), "--out", str(tmp_path / "out")]
    assert main([*words, "--vocabulary", "llp"]) == 2
    assert "leave it out" in capsys.readouterr().err
    other = tiny_corpus.make(tmp_path / "other", num_train=3)
    names = {"Dog": "Ant", "Cat": "Bee", "Car": "Fly"}
    for path in (*other.glob("*.csv"), other / "labels.txt"):
        text = path.read_text()
        for old, new in names.items():
            text = text.replace(old, new)
        path.write_text(text)
    words[3] = str(other)
    assert main(words) == 2
    assert "knows none of the 3 classes" in capsys.readouterr().err
