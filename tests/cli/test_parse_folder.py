"""`mmpyramid parse FOLDER`: all that is in it, once, with a page that lists it."""

import re

import pytest

import media_files
from mmpyramid.cli.parse import output_names


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Three clips of one second, two of one name; a text and a broken file beside them."""
    made = tmp_path_factory.mktemp("videos")
    (made / "sub").mkdir()
    for name in ("b.mp4", "sub/b.mp4", "a clip.mkv"):
        media_files.write_media(made / name, media_files.steady(10), media_files.tone(440.0, 1.0))
    (made / "list.txt").write_text("b.mp4\n")
    (made / "bad.mp4").write_bytes(b"no video" * 100)
    return made


def test_names_keep_the_folders(tmp_path):
    inside = {
        tmp_path / "x" / "a.mp4": "a.mp4",
        tmp_path / "x" / "s" / "a.mp4": "s/a.mp4",
        tmp_path / "x" / "s" / "a.wav": "s/a.wav",
    }
    inside = {video: type(tmp_path)(path) for video, path in inside.items()}
    assert [*output_names([*inside], inside).values()] == ["a", "s/a.mp4", "s/a.wav"]


@pytest.mark.network
@pytest.mark.slow
def test_a_folder_is_parsed_once(folder, open_model, run, tmp_path, capsys):
    out = tmp_path / "out"
    words = ("parse", folder, "--model", open_model, "--out", out, "--device", "cpu")
    assert run(*words) == 1
    shown = capsys.readouterr()
    assert "3 parsed, 1 failed\nleft out: text: 1 (list.txt)\n" in shown.out
    assert re.search(r"^sub/b  0:01  ", shown.out, re.MULTILINE)
    assert "bad.mp4" in shown.err
    pages = {str(path.relative_to(out)) for path in out.rglob("*.html")}
    assert pages == {"index.html", "a clip.html", "b.html", "sub/b.html"}
    index = (out / "index.html").read_text()
    assert 'href="sub/b.html"' in index
    assert 'href="a%20clip.html"' in index
    assert 'src="thumbnails/sub/b.jpg"' in index
    assert "truth" not in index.partition("<body>")[2].partition("<script>")[0]

    written = (out / "b.json").stat().st_mtime_ns
    (out / "sub" / "b.json").unlink()
    with (out / "parsed.jsonl").open("ab") as journal:
        journal.write(b'{"video": "cut o')
    assert run(*words) == 1
    assert "1 parsed, 2 were parsed already, 1 failed" in capsys.readouterr().out
    assert (out / "b.json").stat().st_mtime_ns == written

    (out / "b.json").write_bytes(b"\xff\xfe")
    assert run(*words) == 2
    message = capsys.readouterr().err
    assert str(out / "b.json") in message
    assert "Traceback" not in message

    assert run(*words, "--threshold", "0.4") == 1, "other settings give other timelines"
    assert "3 parsed, 1 failed" in capsys.readouterr().out


def test_an_empty_folder_is_a_mistake(run, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    assert run("parse", tmp_path / "empty", "--out", tmp_path / "out") == 2
    assert "places without video or sound files" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"\x80 = 1"])
def test_a_vocabulary_of_any_bytes_is_a_mistake_of_one_paragraph(
    folder, run, tmp_path, capsys, content
):
    vocabulary = tmp_path / "mine.toml"
    vocabulary.write_bytes(content)
    assert run("parse", folder, "--vocabulary", vocabulary, "--out", tmp_path / "out") == 2
    message = capsys.readouterr().err
    assert "mine.toml" in message
    assert "Traceback" not in message
