"""One real run of every command, on tiny data."""

import json
import shutil

import numpy as np
import psutil
import pytest
import torch

import media_files
from kept_by_formats import is_refused
from mmpyramid.cli import demo as demo_command
from mmpyramid.cli.parse import output_names
from mmpyramid.core import Timeline
from mmpyramid.core.errors import UserError
from mmpyramid.datasets.llp import read_llp
from mmpyramid.media import probe
from mmpyramid.models import load_pretrained
from mmpyramid.render import FORMATS, read_timeline
from mmpyramid.render.page import document
from mmpyramid.store.store import FeatureStore
from mmpyramid.training.recipes import RECIPES
from reference import released

SMALL = [
    *("--model.width", "16", "--model.pyramid.num-heads", "4", "--epochs", "1"),
    *("--precision", "32-true", "--accelerator", "cpu"),
]


def test_train_says_where_things_are(corpus, run, tmp_path, capsys):
    out = tmp_path / "new" / "run"
    assert run("train", "llp", "--data", corpus, "--out", out, *SMALL) == 0
    shown = capsys.readouterr().out
    for place in ("model", "config.yaml", "tensorboard"):
        assert str(out / place) in shown
        assert (out / place).exists()
    assert "simulated" not in shown


def test_evaluate_then_score_gives_the_same_numbers(model, corpus, run, tmp_path, capsys):
    names = ("a.json", "b.json", "p.npz", "q.npz")
    first, second, saved, in_bytes = (tmp_path / "new" / name for name in names)
    words = ["--data", corpus, "--json", first, "--predictions", tmp_path / "other" / "p.npz"]
    assert run("evaluate", model, *words, "--device", "cpu") == 0
    assert "nothing" in capsys.readouterr().out
    names = dict(zip(*((s := read_llp(corpus, "test")).ids, s.names), strict=True))
    with np.load(tmp_path / "other" / "p.npz") as arrays:
        in_full = {**arrays, "ids": np.array([names[video] for video in arrays["ids"]])}
    np.savez(saved, **in_full)
    np.savez(in_bytes, **{**in_full, "ids": in_full["ids"].astype(np.bytes_)})
    for predictions in (tmp_path / "other" / "p.npz", saved, in_bytes):
        assert run("score", predictions, "--labels", corpus, "--json", second) == 0
        assert "simulated" not in capsys.readouterr().out
        numbers, expected = (json.loads(path.read_text()) for path in (second, first))
        assert {level: numbers[level] for level in expected} == expected


def test_evaluate_reports_progress_beside_its_numbers(model, corpus, run, tmp_path, capsys):
    words = ("--data", corpus, "--json", tmp_path / "numbers.json", "--device", "cpu")
    assert run("evaluate", model, *words, "--progress-json") == 0
    *_, scored, end = map(json.loads, capsys.readouterr().err.splitlines())
    num_videos = len(read_llp(corpus, "test"))
    assert (scored["step"], scored["completed"]) == ("evaluate", num_videos)
    assert scored["total"] == num_videos
    assert end == {"event": "end", "exit_code": 0}
    (tmp_path / "numbers.json").unlink()
    assert run("evaluate", model, *words, "--quiet") == 0
    assert capsys.readouterr() == ("", "")
    assert (tmp_path / "numbers.json").is_file()
    assert run("evaluate", model, *words, "--quiet", "--progress-json") == 2
    assert "--quiet or --progress-json" in capsys.readouterr().err


def test_bfloat16_moves_probabilities_a_little(model, corpus, run, tmp_path):
    saved = {name: tmp_path / f"{name}.npz" for name in ("float32", "bfloat16")}
    for name, path in saved.items():
        words = ["--data", corpus, "--predictions", path, "--precision", name, "--device", "cpu"]
        assert run("evaluate", model, *words) == 0
    with np.load(saved["float32"]) as exact, np.load(saved["bfloat16"]) as rounded:
        differences = [abs(exact[name] - rounded[name]).max() for name in ("audio", "visual")]
    assert 0 < max(differences) < 0.02


def test_a_model_called_as_a_reference_has_its_own_numbers(model, corpus, run, tmp_path, capsys):
    shutil.copytree(model, tmp_path / "nothing")
    assert run("evaluate", tmp_path / "nothing", "--data", corpus) == 0
    assert "\nnothing (network) " in capsys.readouterr().out


@pytest.mark.parametrize("option", [("--gate", "global"), ("--predictions", "p.npz")])
def test_localization_refuses_what_parsing_takes(option, events, run, capsys):
    folder, model = events
    assert run("evaluate", model, "--data", folder, *option) == 2
    message = capsys.readouterr().err
    assert f"this one is for localization; leave {option[0]} out" in message


def test_weak_labels_are_no_truth(corpus):
    with pytest.raises(UserError, match="dense labels"):
        _ = read_llp(corpus, "train").truth


def test_predictions_of_other_videos_are_refused(corpus, run, tmp_path, capsys):
    shapes = {"audio": (1, 10, 3), "visual": (1, 10, 3), "video": (1, 3)}
    arrays = {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}
    np.savez(tmp_path / "p.npz", ids=np.array(["somebodyels"]), **arrays)
    assert run("score", tmp_path / "p.npz", "--labels", corpus) == 2
    assert "ids are not among the labels (somebodyels)" in capsys.readouterr().err


def test_a_network_for_other_labels_is_refused(model, corpus, run, tmp_path, capsys):
    for file in corpus.glob("AVVP_*.csv"):
        (tmp_path / file.name).write_text(file.read_text())
    (tmp_path / "labels.txt").write_text("Cat\nDog\nCar\n")
    words = ("--data", tmp_path, "--features", corpus / "feats")
    assert run("evaluate", model, *words) == 2
    assert "in their order" in capsys.readouterr().err


@pytest.mark.slow
def test_what_is_simulated_is_called_so(run, tmp_path, capsys):
    data = tmp_path / "new" / "data"
    assert run("simulate", "--out", data, "--train", 4, "--val", 2, "--test", 3) == 0
    assert "simulated features of 4 train, 2 val, 3 test videos" in capsys.readouterr().out
    assert run("train", "llp", "--data", data, "--out", tmp_path / "run", *SMALL) == 0
    assert "simulated features, validation" in capsys.readouterr().out
    saved = tmp_path / "p.npz"
    words = ("--data", data, "--predictions", saved)
    assert run("evaluate", tmp_path / "run" / "model", *words) == 0
    assert "simulated features, test, 3 videos" in capsys.readouterr().out
    assert run("score", saved, "--labels", data) == 0
    assert "simulated features, test, 3 videos" in capsys.readouterr().out


@pytest.mark.network
@pytest.mark.slow
def test_parse_writes_what_is_good_and_reports_what_is_bad(
    clip, open_model, corpus, run, tmp_path, capsys
):
    out, sound = tmp_path / "new" / "timelines", tmp_path / "clip.wav"
    processes = psutil.Process().children()
    media_files.write_media(sound, sound=media_files.tone(440, 2.0), audio_codec="pcm_s16le")
    written = [name for name in FORMATS if not is_refused(name, Timeline(duration=2.0))]
    words = ("--model", open_model, "--out", out, "--formats", ",".join(written), "--device", "cpu")
    assert run("parse", clip, corpus / "labels.txt", sound, *words) == 1
    assert psutil.Process().children() == processes, "decoders end with the command"
    shown, message = capsys.readouterr()
    assert "labels.txt" in message
    assert "1 of 3 files" in message
    expected = {f"clip.{kind}.{suffix}" for kind in ("mp4", "wav") for suffix in written}
    assert expected == {path.name for path in out.iterdir()}
    assert Timeline.load(out / "clip.wav.json").missing == ("visual",)
    assert f"\n\n{sound}" in shown, "a blank line between views"
    page = (out / "clip.wav.html").read_text()
    assert 'src="../../clip.wav"' in page
    assert str(tmp_path) not in page


@pytest.mark.network
def test_markers_are_written_for_programs_with_the_rate_of_the_video(
    clip, open_model, run, tmp_path, capsys
):
    words = ("--model", open_model, "--out", tmp_path, "--formats", "json", "--device", "cpu")
    assert run("parse", clip, *words, "--markers-for", "premiere, Resolve") == 0
    timeline = Timeline.load(tmp_path / "clip.json")
    assert timeline.frame_rate == probe(clip).nominal_rate != ""
    document = json.loads((tmp_path / "clip.otio").read_text())
    assert clip.resolve().as_uri() in json.dumps(document)
    assert read_timeline(tmp_path / "clip.otio").frame_rate == timeline.frame_rate
    assert (tmp_path / "clip.edl").read_text().startswith("TITLE: clip.mp4")
    capsys.readouterr()
    assert run("parse", clip, *words, "--markers-for", "premier") == 2
    assert "did you mean premiere? known are audacity" in capsys.readouterr().err


@pytest.mark.network
def test_a_path_may_be_relative(clip, run, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(clip.parent)
    words = ("--out", tmp_path, "--formats", "json", "--device", "cpu")
    assert run("parse", clip.name, *words) == 0, capsys.readouterr().err
    assert Timeline.load(tmp_path / f"{clip.stem}.json").source == clip.name


@pytest.mark.slow
@pytest.mark.network
def test_parse_takes_a_vocabulary_and_a_sensitivity(clip, run, tmp_path, capsys):
    own = tmp_path / "pond.toml"
    own.write_text('title = "pond"\n[birds]\nDuck = { heard = ["Duck"], seen = ["drake"] }\n')
    words = ("--vocabulary", own, "--out", tmp_path, "--formats", "json,html", "--device", "cpu")
    assert run("parse", clip, *words) == 0
    shown = capsys.readouterr().out
    assert "Nothing found" in shown
    assert shown.startswith("looking for 1 pond sound or thing\n")
    assert "looked for: 1 pond label" in shown
    (told,) = [n for n in Timeline.load(tmp_path / "clip.json").notes if "closest" in n]
    assert told in (tmp_path / "clip.html").read_text()
    assert run("parse", clip, *words, "--sensitivity", "1") == 0
    found = Timeline.load(tmp_path / "clip.json")
    assert {event.label for event in found} == {"Duck"}
    assert not [note for note in found.notes if "closest" in note]
    assert run("parse", clip, *words, "--sensitivity", "0.9", "--threshold", "0.3") == 2
    assert "either the sensitivity" in capsys.readouterr().err
    own.write_text(own.read_text().replace("drake", "drakes"))
    assert run("parse", clip, *words) == 2
    assert "pond.toml, line 3: the label 'Duck' names 'drakes'" in capsys.readouterr().err


@pytest.mark.network
def test_info_finds_classes(run, capsys):
    assert run("info", "--classes", "DRUM K") == 0
    assert capsys.readouterr().out == "heard  Drum kit  (with its kinds: Drum machine)\n"
    assert run("info", "--classes", "cornet") == 0
    assert capsys.readouterr().out == "seen   cornet\n"
    assert run("info", "--classes", "ukulelele") == 2
    assert "'ukulelele'" in capsys.readouterr().err
    assert run("info", "models", "--classes", "cornet") == 2
    assert "a path, --data or --classes alone" in capsys.readouterr().err


@pytest.mark.network
@pytest.mark.slow
def test_parse_goes_on_after_what_cannot_be_reached_embedded_or_written(
    clip, open_model, run, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(document, "LARGEST_EMBEDDED", 100)
    out, other = tmp_path / "out", tmp_path / "other.mp4"
    other.write_bytes(clip.read_bytes())
    (out / "clip.csv").mkdir(parents=True)
    words = ("--model", open_model, "--out", out, "--device", "cpu", "--formats", "html,csv,json")
    assert run("parse", tmp_path / ("x" * 300), clip, other, *words, "--embed") == 2
    message = capsys.readouterr().err
    assert {path.name for path in out.iterdir()} == {*("clip.csv", "other.csv", "other.json")}
    assert "x" * 300 in message
    assert f"cannot write {out / 'clip.csv'}: it is a folder" in message
    assert message.count("no `--embed`") == 1
    assert "3 of 3 files" in message


def test_a_video_that_is_not_there_is_reported_before_a_network_is_loaded(run, tmp_path, capsys):
    words = ("--model", tmp_path / "absent", "--out", tmp_path)
    assert run("parse", tmp_path / "gone.mp4", *words) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "gone.mp4 does not exist" in line


def test_the_files_of_two_videos_never_have_one_name(tmp_path):
    first, second = tmp_path / "a.mp4", tmp_path / "a.wav"
    assert output_names([first, first]) == {first: "a"}
    assert output_names([first, second]) == {first: "a.mp4", second: "a.wav"}
    with pytest.raises(UserError, match=r"called a\.mp4"):
        output_names([first, tmp_path / "other" / "a.mp4"])


def test_render_and_info_read_a_timeline(clip, run, tmp_path, capsys):
    Timeline(duration=2.0, source=str(clip), model="by hand").save(tmp_path / "[a].json")
    assert run("render", tmp_path / "[a].json", "--to", "csv") == 0
    assert "[a].csv" in capsys.readouterr().out
    assert (tmp_path / "[a].csv").read_text().startswith("label,")
    page = tmp_path / "new" / "a.html"
    assert run("render", tmp_path / "[a].json", "--to", "html", "--out", page) == 0
    assert "clip.mp4" in page.read_text()
    assert run("info", tmp_path / "[a].json") == 0
    assert "by hand" in capsys.readouterr().out


def test_a_page_without_player_is_said(run, tmp_path, capsys):
    Timeline(duration=2.0, source="gone.mp4").save(tmp_path / "a.json")
    assert run("render", tmp_path / "a.json", "--to", "html") == 0
    shown = capsys.readouterr()
    assert "no player" in shown.err
    assert shown.out == f"{tmp_path / 'a.html'}\n"
    words = ("--to", "html", "--video", tmp_path / "gone.mp4")
    assert run("render", tmp_path / "a.json", *words) == 2
    Timeline(duration=2.0).save(tmp_path / "b.json")
    assert run("render", tmp_path / "b.json", "--to", "html") == 0
    assert "the timeline names no video; give it by --video" in capsys.readouterr().err


def test_a_page_plays_from_a_url(run, tmp_path, capsys):
    Timeline(duration=2.0, source="gone.mp4").save(tmp_path / "a.json")
    words = ("--to", "html", "--video", "https://example.org/a.mp4")
    assert run("render", tmp_path / "a.json", *words) == 0
    assert 'src="https://example.org/a.mp4"' in (tmp_path / "a.html").read_text()
    assert run("render", tmp_path / "a.json", *words, "--embed") == 2
    assert "got the URL https://example.org/a.mp4" in capsys.readouterr().err


def test_info_describes_models_and_videos(model, clip, run, capsys):
    assert run("info", model) == 0
    assert "mm-pyramid" in capsys.readouterr().out
    assert run("info", clip) == 0
    assert "64x48" in capsys.readouterr().out


@pytest.mark.network
def test_extract_makes_a_store(clip, run, tmp_path, capsys):
    out = tmp_path / "new" / "store"
    assert run("extract", clip, "--out", out, "--workers", 1) == 0
    assert "1 extracted" in capsys.readouterr().out
    assert run("info", out) == 0
    assert "yamnet (1024)" in capsys.readouterr().out


@pytest.mark.slow
def test_extract_takes_backbones_by_name(clip, run, tmp_path, capsys):
    out = tmp_path / "store"
    words = ["--streams", "vggish,vggish_pca", "--random-weights", "--sampling", "published"]
    assert run("extract", clip, "--out", out, "--workers", 1, *words) == 0
    assert "RANDOM WEIGHTS, these features mean nothing" in capsys.readouterr().out
    features = FeatureStore(out).load("clip")
    assert {name: array.shape for name, array in features.items()} == {
        "vggish": (10, 128),
        "vggish_pca": (10, 128),
    }
    assert run("info", out) == 0
    assert "vggish (128-d, RANDOM WEIGHTS, published sampling" in capsys.readouterr().out
    assert run("extract", clip, "--out", out, *words[:-2]) == 2
    assert "sampling of vggish is published and not seconds" in capsys.readouterr().err


@pytest.mark.network
@pytest.mark.slow
def test_extract_mixes_open_and_published_backbones(clip, run, tmp_path):
    out = tmp_path / "store"
    words = ["--streams", "yamnet,efficientnet_lite0,r2plus1d_18", "--random-weights"]
    assert run("extract", clip, "--out", out, "--workers", 1, *words) == 0
    store = FeatureStore(out)
    assert {name: array.shape for name, array in store.load("clip").items()} == {
        "yamnet": (2, 1024),
        "efficientnet_lite0": (2, 1280),
        "r2plus1d_18": (2, 512),
    }
    assert store.describe().count("RANDOM WEIGHTS") == 1


@pytest.mark.slow
def test_extract_makes_the_features_of_both_data_sets(clip, run, tmp_path):
    for name, shapes in (
        ("llp", {"vggish": (128,), "resnet152": (2048,), "r2plus1d_18": (512,)}),
        ("ave", {"vggish": (128,), "vgg19": (7, 7, 512)}),
    ):
        out = tmp_path / name
        assert run("extract", clip, "--out", out, "--set", name, "--random-weights") == 0
        features = FeatureStore(out).load("clip")
        assert {stream: array.shape[1:] for stream, array in features.items()} == shapes
        assert {len(array) for array in features.values()} == {2}
        assert all(array.dtype == np.float32 for array in features.values())


@pytest.mark.slow
def test_convert_reads_an_official_checkpoint(run, tmp_path, capsys):
    torch.save(released.state_dict(), tmp_path / "MM_Pyramid.pt")
    out = tmp_path / "new" / "model"
    assert run("convert", tmp_path / "MM_Pyramid.pt", "--out", out, "--swap-streams") == 0
    assert "40,827,469 parameters" in capsys.readouterr().out
    assert load_pretrained(out).config.swap_streams


@pytest.mark.slow
@pytest.mark.network
def test_demo_goes_the_whole_way(run, tmp_path, capsys, monkeypatch):
    def brief():
        config = RECIPES["compact"]()
        config.epochs, config.model.width = 3, 32
        return config

    monkeypatch.setattr(demo_command, "SIZES", {"train": 12, "val": 4, "test": 4})
    monkeypatch.setattr(demo_command, "RECIPES", {"compact": brief})
    assert run("demo", "--out", tmp_path / "demo") == 0
    shown = capsys.readouterr().out
    assert "true video labels (oracle)" in shown
    assert "4 test clips" in shown
    assert "<video" in (tmp_path / "demo" / "timeline.html").read_text()
    assert Timeline.load(tmp_path / "demo" / "timeline.json").duration > 0
