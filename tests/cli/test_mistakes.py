"""A mistake gets one paragraph and exit code 2, never a traceback."""

import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from mmpyramid.cli._options import check_output_files
from mmpyramid.core import Timeline
from mmpyramid.core.errors import UserError

BLOCKED = """
import sys
sys.modules[{package!r}] = None
from mmpyramid.cli import main
sys.exit(main(sys.argv[1:]))
"""
WRONG_PATHS = {
    "parse": ["gone.mp4", "--model", "gone"],
    "extract": ["gone", "--out", "OUT"],
    "train": ["llp", "--data", "gone", "--out", "OUT"],
    "evaluate": ["gone", "--data", "CORPUS"],
    "score": ["gone.npz", "--labels", "CORPUS"],
    "agree": ["gone", "TIMELINE"],
    "simulate": ["--annotations", "gone", "--out", "OUT"],
    "convert": ["gone.pt", "--out", "OUT"],
    "render": ["gone.json", "--to", "vtt"],
    "info": ["gone"],
}
UNWRITABLE = {
    "simulate": ["--train", "1", "--val", "1", "--test", "1", "--out", "FILE"],
    "train": ["llp", "--data", "CORPUS", "--out", "FILE", "--epochs", "1"],
    "evaluate": ["MODEL", "--data", "CORPUS", "--json", "FILE/a.json"],
    "render": ["TIMELINE", "--to", "vtt", "--out", "FILE/a.vtt"],
    "parse": ["CLIP", "--out", "FILE"],
    "demo": ["--out", "FILE"],
}
WRONG_VALUES = {
    "device": ["evaluate", "MODEL", "--data", "CORPUS", "--device", "warp"],
    "accelerator": ["train", "llp", "--data", "CORPUS", "--out", "OUT", "--accelerator", "warp"],
    "epochs": ["train", "llp", "--data", "CORPUS", "--out", "OUT", "--epochs", "0"],
    "labels": ["train", "llp", "--data", "CORPUS", "--out", "OUT", "--model.labels", "Dog"],
    "context": ["train", "llp", "--data", "CORPUS", "--out", "OUT", "--model.context", "5"],
    "streams": ["train", "llp-open", "--data", "CORPUS", "--out", "OUT"],
    "recipe": ["train", "lllp", "--data", "CORPUS", "--out", "OUT"],
    "workers": ["extract", "CLIP", "--out", "OUT", "--workers", "0"],
    "endless timeout": ["extract", "CLIP", "--out", "OUT", "--timeout", "inf"],
    "timeout": ["extract", "CLIP", "--out", "OUT", "--timeout", "nan"],
    "device of backbones": ["extract", "CLIP", "--out", "OUT", "--device", "warp"],
    "formats": ["parse", "CLIP", "--formats", "json,zip"],
    "threshold": ["parse", "CLIP", "--threshold", "1.5"],
    "set": ["extract", "CLIP", "--out", "OUT", "--set", "closed"],
    "weights": ["extract", "CLIP", "--out", "OUT", "--streams", "vggish", "--weights", "vggish"],
    "set and streams": ["extract", "CLIP", "--out", "OUT", "--set", "llp", "--streams", "yamnet"],
    "sampling": ["extract", "CLIP", "--out", "OUT", "--sampling", "published"],
    "difficulty": ["simulate", "--out", "OUT", "--difficulty", "2"],
    "no videos": ["parse"],
    "workers of the server": ["serve", "--workers", "0"],
    "limit of the server": ["serve", "--max-minutes", "-1"],
    "endless limit of the server": ["serve", "--max-megabytes", "inf"],
    "page that is not written": ["parse", "CLIP", "--formats", "csv", "--embed"],
    "random weights of open backbones": ["extract", "CLIP", "--out", "OUT", "--random-weights"],
    "precision of open backbones": ["extract", "CLIP", "--out", "OUT", "--precision", "bfloat16"],
    "no streams": ["extract", "CLIP", "--out", "OUT", "--streams", ""],
    "no vocabulary": ["listen", "CLIP", "--out", "OUT", "--vocabulary", ""],
    "no program": ["parse", "CLIP", "--out", "OUT", "--markers-for", ""],
    "long track": ["parse", "CLIP", "--out", "OUT", "--audio-track", "1234567890"],
    "model of a library": ["library", "add", "CLIP", "--out", "OUT", "--model", "gone"],
    "devices": ["train", "llp", "--data", "CORPUS", "--out", "OUT", "--devices", "-3"],
    "a word of no letters": ["info", "--classes", " "],
    "host of the server": ["serve", "--host", "300.0.0.1"],
}


@pytest.fixture
def fill(corpus, model, clip, tmp_path, monkeypatch):
    """Put real paths for the words in capitals; the working folder is empty but for a file."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("in the way")
    Timeline(duration=1.0).save(tmp_path / "timeline.json")
    places = {"CORPUS": corpus, "MODEL": model, "CLIP": clip, "OUT": tmp_path / "out"}
    places |= {"FILE": tmp_path / "file", "TIMELINE": tmp_path / "timeline.json"}

    def call(words):
        filled = []
        for word in words:
            first, _, rest = word.partition("/")
            place = str(places.get(first, first))
            filled.append(f"{place}/{rest}" if rest else place)
        return filled

    return call


def one_paragraph(message: str) -> None:
    assert message.startswith("mmpyramid ")
    assert "Traceback" not in message
    assert "\n\n" not in message.strip()


@pytest.mark.parametrize("name", WRONG_PATHS)
def test_a_wrong_path(name, run, fill, capsys, tmp_path):
    assert run(name, *fill(WRONG_PATHS[name])) == 2
    one_paragraph(capsys.readouterr().err)
    assert not (tmp_path / "out" / "config.yaml").exists()


@pytest.mark.parametrize("name", UNWRITABLE)
def test_an_output_that_cannot_be_written(name, run, fill, capsys):
    assert run(name, *fill(UNWRITABLE[name])) == 2
    message = capsys.readouterr().err
    one_paragraph(message)
    assert "file" in message


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("extract CLIP --out OUT --check --retry-failed", "--check or --retry-failed, got both"),
        ("store import . --out OUT --audio x y --visual z x", "got both for x"),
        ("parse CLIP --allow-references --workers 2", "leave --workers out"),
        ("parse CLIP --formats json --formats csv", "expected --formats once, got --formats and"),
        ("parse CLIP --embed --no-embed", "expected --embed once, got --embed and --no-embed"),
        ("train llp --data CORPUS --out OUT --epochs 1 --epochs=2", "expected --epochs once"),
        ("library search OUT --and Dog --and Cat", "with all of its values after it"),
        ("library add CLIP --out OUT --model MODEL --vocabulary llp", "leave one of the two out"),
        ("library add CLIP --out OUT --for-words --checkpoints yamnet=FILE", "of clap or clip"),
        ("serve --models teachers-ave --vocabulary llp", "--vocabulary is that of `teachers`"),
        ("evaluate MODEL --data CORPUS --split val --tune val", "another split than --tune"),
        ("evaluate MODEL --data CORPUS --json OUT --predictions OUT", "got OUT for both"),
        ("score FILE --labels CORPUS --json OUT --report OUT", "got OUT for both"),
        ("score FILE --labels CORPUS --split val --tune OUT", "another split than --tune"),
        ("store import CORPUS/feats --out OUT --visual vggish nosuch", "has no nosuch"),
        ("library search OUT --device cuda", "--device cuda applies to --like only"),
        ("library search OUT --min-score 2", "--min-score of at most 1"),
    ],
)
def test_flags_that_exclude_each_other(line, told, run, fill, capsys):
    assert run(*fill(line.split())) == 2
    assert told.replace("OUT", *fill(["OUT"])) in capsys.readouterr().err
    assert not Path(*fill(["OUT"])).exists(), "the next attempt must not find a claimed folder"


@pytest.mark.parametrize("what", WRONG_VALUES)
def test_a_wrong_value(what, run, fill, capsys, tmp_path):
    assert run(*fill(WRONG_VALUES[what])) == 2
    one_paragraph(capsys.readouterr().err)
    assert not (tmp_path / "out").exists(), "the next attempt must not find a claimed folder"


@pytest.mark.parametrize("words", [["info"], ["info", "a", "b"], ["score", "p.npz"]])
def test_wrong_words_are_reported_by_the_parser(words, run, capsys):
    assert run(*words) == 2
    assert "--help" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("package", ["pytorch_lightning", "tensorboard"])
def test_a_missing_extra_is_named(package, fill):
    words = fill(["train", "llp", "--data", "CORPUS", "--out", "OUT", "--epochs", "1"])
    code = BLOCKED.format(package=package)
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True)
    assert done.returncode == 2, done.stderr
    one_paragraph(done.stderr)
    assert "pip install -e '.[train]'" in done.stderr


@pytest.mark.parametrize(
    ("package", "extra"),
    [("ray.data", "scale"), ("onnxscript.rewriter", "export"), ("pandas", "pandas")],
)
def test_the_extra_is_that_of_the_package(package, extra, monkeypatch, run, capsys):
    def fail(name, rest):
        raise ModuleNotFoundError(f"No module named {package!r}", name=package)

    monkeypatch.setattr(sys.modules["mmpyramid.cli.main"], "_run", fail)
    assert run("info", "x") == 2
    assert f"pip install -e '.[{extra}]'" in capsys.readouterr().err


def test_a_system_without_posix_modules_is_told_by_name(monkeypatch, run, capsys):
    monkeypatch.setitem(sys.modules, "fcntl", None)
    monkeypatch.delitem(sys.modules, "mmpyramid.web.uploads", raising=False)
    monkeypatch.delitem(sys.modules, "mmpyramid.cli.serve", raising=False)
    assert run("serve") == 2
    assert "no `fcntl`; on Windows, run mmpyramid in WSL" in capsys.readouterr().err


@pytest.mark.parametrize("package", ["xarray", "arraykit", "onnxsim", "yaml_include"])
def test_an_unknown_package_is_not_taken_for_one_with_a_similar_name(package, monkeypatch, run):
    def fail(name, rest):
        raise ModuleNotFoundError(f"No module named {package!r}", name=package)

    monkeypatch.setattr(sys.modules["mmpyramid.cli.main"], "_run", fail)
    with pytest.raises(ModuleNotFoundError, match=package):
        run("info", "x")


@pytest.mark.slow
def test_ctrl_c_ends_a_run_that_can_go_on(fill, tmp_path):
    words = fill(["train", "llp", "--data", "CORPUS", "--out", "OUT", "--epochs", "1000"])
    words += ["--model.width", "16", "--model.pyramid.num-heads", "4", "--accelerator", "cpu"]
    command = [sys.executable, "-m", "mmpyramid", *words]
    # Whoever runs the tests in the background has them ignore Ctrl-C, and all that they start.
    restore_sigint = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, preexec_fn=restore_sigint
    ) as process:
        deadline = time.monotonic() + 120
        while not (tmp_path / "out" / "last.ckpt").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, message = process.communicate(timeout=120)
    assert process.returncode == 130, message
    assert "interrupted" in message
    assert "Traceback" not in message


def test_a_link_to_a_file_is_the_same_file(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "file")
    check_output_files(tmp_path / "file", None, tmp_path / "other")
    with pytest.raises(UserError, match="different files to write"):
        check_output_files(tmp_path / "file", None, tmp_path / "link")
