"""What the pages in docs/ show is run: files, commands, what they print, links."""

import io
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import redirect_stdout
from fnmatch import filter as fnmatch_filter
from fnmatch import fnmatch
from functools import cache
from importlib.util import module_from_spec, spec_from_file_location
from itertools import islice
from pathlib import Path
from types import ModuleType, SimpleNamespace

import av
import numpy as np
import pytest
from markdown.extensions.toc import slugify

import fork_server
import media_files
import tiny_folder
import tiny_unav
from mmpyramid.cli import main
from mmpyramid.cli.main import COMMANDS
from mmpyramid.core import Event, Modality, Timeline
from mmpyramid.core.runs import annotated
from mmpyramid.datasets.llp import read_llp
from mmpyramid.datasets.refined import read_refined
from mmpyramid.datasets.synthetic.rendered import render_corpus
from mmpyramid.render import FORMATS
from mmpyramid.teachers.text import load_prompts
from mmpyramid.training.recipes import RECIPES
from mmpyramid.training.strategies import STRATEGIES

DOCS = Path(__file__).parents[1] / "docs"
PAGES = sorted(DOCS.glob("*.md"))
OTHER_PAGES = [
    DOCS.parent / f"{name}.md" for name in ("README", "CONTRIBUTING", "SECURITY", "CHANGELOG")
]
COMMAND = re.compile(r"^\$ (.*)", re.MULTILINE)


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(), re.DOTALL)


@pytest.fixture(scope="module")
def programs(tmp_path_factory) -> Iterator[None]:
    """`mmpyramid` and `python` that start at once, first on the path."""
    with (
        fork_server.programs(tmp_path_factory.mktemp("programs")) as folder,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
        yield


runs_commands = pytest.mark.usefixtures("programs")


def run(folder: Path, *words: str) -> str:
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def section_of(page: Path, title: str) -> str:
    """What a page says under a heading."""
    _, _, rest = page.read_text().partition(f"## {title}\n")
    return rest.partition("\n## ")[0]


def run_commands(page: Path, folder: Path) -> str:
    """Run every line that a page shows after a prompt, in one shell."""
    lines = [line for block in blocks(page, "console") for line in COMMAND.findall(block)]
    return run(folder, "bash", "-e", "-c", "\n".join(lines))


@runs_commands
@pytest.mark.slow
def test_a_network_of_your_own(tmp_path):
    page = DOCS / "new-network.md"
    network, use = blocks(page, "python")
    assert len(network.splitlines()) <= 40
    (tmp_path / "toy.py").write_text(network)
    table = run_commands(page, tmp_path)
    ours, nothing = (
        float(next(line for line in table.splitlines() if line.startswith(row)).split()[-2])
        for row in ("model ", "nothing ")
    )
    assert ours > nothing + 5, f"the toy learned nothing:\n{table}"
    (printed,) = re.findall(r"```\n+```\n(.*?)```", page.read_text(), re.DOTALL)
    assert run(tmp_path, "python", "-c", use) == printed


@runs_commands
@pytest.mark.slow
@pytest.mark.network
def test_a_backbone_of_your_own(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(section_of(DOCS / "extend.md", "A backbone"))
    backbone, use = blocks(page, "python")
    (tmp_path / "loudness.py").write_text(backbone)
    (tmp_path / "videos").mkdir()
    for number in range(2):
        media_files.write_media(
            tmp_path / "videos" / f"{number}.mp4",
            media_files.steady(20),
            media_files.tone(440 * (1 + number), 2.0),
        )
    (printed,) = re.findall(r"```\n+```\n(.*?)```", page.read_text(), re.DOTALL)
    assert run(tmp_path, "python", "-c", use) == printed
    told = run_commands(page, tmp_path)
    assert "features: 2 extracted" in told
    assert "loudness (2)" in told
    assert len(list((tmp_path / "timelines").glob("*.json"))) == 2


@runs_commands
@pytest.mark.slow
def test_experiments(tmp_path):
    run_commands(DOCS / "experiments.md", tmp_path)
    page = (tmp_path / "sim" / "tables" / "table-4.md").read_text()
    assert page.startswith("# Table 4, simulated features")
    assert (tmp_path / "sim" / "han" / "figure6.png").read_bytes()[:4] == b"\x89PNG"
    assert "Disagreements" in (tmp_path / "sim" / "han" / "compared.html").read_text()
    assert "Mean of all" in (tmp_path / "sim" / "pages" / "index.html").read_text()


@runs_commands
@pytest.mark.slow
def test_the_pyramid_in_a_network_of_your_own(tmp_path):
    page = DOCS / "plugin.md"
    (code,) = blocks(page, "python")
    (printed,) = re.findall(r"```\n+```\n(.*?)```", page.read_text(), re.DOTALL)
    assert run(tmp_path, "python", "-c", code) == printed
    told = run_commands(page, tmp_path)
    assert "| CMRAN + pyramid | ours |" in told


@runs_commands
@pytest.mark.slow
def test_files_come_back(tmp_path):
    page = DOCS / "corrections.md"
    run(tmp_path, "python", "-c", *blocks(page, "python"))
    run_commands(page, tmp_path)
    assert Timeline.load(tmp_path / "from-elan.json") == Timeline.load(tmp_path / "clip.json")
    (event,) = json.loads((tmp_path / "corrected.json").read_text())["events"]
    assert (event["label"], event["end"]) == ("Cat", 10.0)
    assert (tmp_path / "clip.comparison.png").read_bytes()[:4] == b"\x89PNG"


@runs_commands
@pytest.mark.slow
@pytest.mark.network
def test_a_person_with_videos(tmp_path):
    media_files.write_media(
        tmp_path / "holiday.mp4", media_files.steady(20), media_files.tone(440, 2.0)
    )
    (tmp_path / "videos" / "2026").mkdir(parents=True)
    media_files.write_media(tmp_path / "videos" / "2026" / "b.mp4", media_files.steady(10))
    run_commands(DOCS / "person.md", tmp_path)
    assert 'href="2026/b.html"' in (tmp_path / "all" / "index.html").read_text()
    names = {path.name for path in (tmp_path / "timelines").iterdir()}
    assert names == {f"holiday.{suffix}" for suffix in ("json", "html", "vtt", "csv")}
    assert "data:video/mp4" in (tmp_path / "for-friends" / "holiday.html").read_text()


@runs_commands
@pytest.mark.slow
@pytest.mark.network
def test_markers_in_an_editor(tmp_path):
    media_files.write_media(tmp_path / "clip.mp4", media_files.steady(20))
    run_commands(DOCS / "markers.md", tmp_path)
    names = {path.name for path in (tmp_path / "markers").iterdir()}
    assert {"clip.otio", "clip.edl"} < names


@runs_commands
@pytest.mark.slow
@pytest.mark.network
def test_videos_and_classes_of_your_own(tmp_path):
    corpus = render_corpus(tmp_path / "corpus", num_train=0, num_val=12, num_test=0)
    (corpus / "videos").rename(tmp_path / "videos")
    known = read_llp(corpus, "val")
    rows = ["video,label,modality,onset,offset"]
    for name, audio_TC, visual_TC in zip(known.ids, *known.truth, strict=True):
        rows.append(f"{name}.mp4,,,,")
        masks_TC = {Modality.AUDIO: audio_TC, Modality.VISUAL: visual_TC}
        rows += [
            f"{name}.mp4,{event.label},{event.modality},{event.start},{event.end}"
            for event in annotated(masks_TC, known.labels)
        ]
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "annotations.csv").write_text("\n".join(rows) + "\n")
    run_commands(DOCS / "own-videos.md", tmp_path)
    (timeline,) = (tmp_path / "parsed").glob("*.json")
    assert set(Timeline.load(timeline).labels) <= set(known.labels)
    assert "Mean of all" in (tmp_path / "pages" / "index.html").read_text()


@runs_commands
@pytest.mark.slow
@pytest.mark.network
def test_classes_of_your_own(tmp_path):
    page = DOCS / "own-classes.md"
    (tmp_path / "videos").mkdir()
    for number in range(1, 5):
        sound = media_files.tone(1000, 4.0) * (number % 2)
        path = tmp_path / "videos" / f"clip-{number}.mp4"
        media_files.write_media(path, media_files.steady(40), sound)
    rows = ["clip-1.mp4,beep,0,4,audio", "clip-3.mp4,beep,,,audio", "clip-2.mp4,,,,"]
    (tmp_path / "labels.csv").write_text("\n".join(["file,label,start,end,modality", *rows]) + "\n")
    told = run_commands(page, tmp_path)
    assert (tmp_path / "corrections" / "clip-1.csv").is_file()
    assert "4 videos, 1 of them without corrections" in told
    timeline = Timeline.load(tmp_path / "parsed" / "clip-1.json")
    assert [(e.start, e.end) for e in timeline if e.label == "beep"] == [(0.0, 4.0)]
    (printed,) = re.findall(r"```\n+```\n(.*?)```", page.read_text(), re.DOTALL)
    assert run(tmp_path, "python", "-c", *blocks(page, "python")) == printed


@runs_commands
@pytest.mark.slow
@pytest.mark.network
def test_a_vocabulary_of_your_own(tmp_path):
    page = DOCS / "vocabularies.md"
    (tmp_path / "pond.toml").write_text(*blocks(page, "toml"))
    media_files.write_media(tmp_path / "holiday.mp4", media_files.steady(10))
    shown = run_commands(page, tmp_path)
    printed = page.read_text().partition("```\n\n```\n")[2].partition("```")[0]
    assert printed
    assert shown.startswith(printed)
    timeline = Timeline.load(tmp_path / "pond" / "holiday.json")
    assert timeline.labels == ("Duck", "Goose", "Heron or stork", "Frog", "Splashing")
    assert timeline.notes[-1].endswith("looked for: 5 pond labels")


@pytest.mark.slow
def test_any_words(tmp_path, monkeypatch, capsys):
    """With small checkpoints where the page takes those of the hub."""
    from tiny_hub import make_clap, make_clip

    page = DOCS / "text.md"
    monkeypatch.chdir(tmp_path)
    checkpoints = [f"clip={make_clip(tmp_path / 'clip')}", f"clap={make_clap(tmp_path / 'clap')}"]
    media_files.write_media(tmp_path / "holiday.mp4", media_files.steady(10))
    for command in (line for block in blocks(page, "console") for line in COMMAND.findall(block)):
        words = shlex.split(command)[1:]
        if "clip=clip" not in words:
            words += ["--checkpoints", *checkpoints]
        assert main(words) == 0, capsys.readouterr().err
    assert Timeline.load(tmp_path / "words" / "holiday.json").model == "text"
    (tmp_path / "prompts.toml").write_text(*blocks(page, "toml"))
    cat = load_prompts(tmp_path / "prompts.toml", ["Cat"])["Cat"]
    assert cat.of(Modality.VISUAL) == ("a photo of a cat", None)
    names: dict = {}
    exec(*blocks(page, "python"), names)
    # Two rows of frequencies, each 32 pieces of time: what rises in time does so afterwards.
    rising_UD = np.tile(np.arange(32, dtype=np.float32), 2)[:, None] + np.zeros(768, np.float32)
    pooled_TD = names["pooled"](rising_UD)
    np.testing.assert_allclose(pooled_TD[:, 0], 3.2 * np.arange(10) + 1.1, atol=0.05)


@runs_commands
@pytest.mark.slow
def test_a_researcher(tmp_path):
    page = tmp_path / "page.md"
    published = section_of(DOCS / "researcher.md", "With the published features")
    page.write_text((DOCS / "researcher.md").read_text().replace(published, ""))
    run_commands(page, tmp_path)  # tests/test_readme.py runs the others.
    ours, scored = (
        json.loads((tmp_path / name).read_text()) for name in ("ours.json", "scored.json")
    )
    assert all(ours[level] == pytest.approx(scored[level]) for level in ("segment", "event"))
    assert "HAN" in (tmp_path / "compared.html").read_text()


@runs_commands
@pytest.mark.slow
@pytest.mark.network
def test_a_team_with_a_corpus(tmp_path):
    page = DOCS / "team.md"
    (tmp_path / "corpus.py").write_text(*blocks(page, "python"))
    run(tmp_path, sys.executable, "corpus.py")
    run_commands(page, tmp_path)
    assert len(list((tmp_path / "timelines").glob("*.tsv"))) == 10


@runs_commands
@pytest.mark.slow
def test_a_notebook_runs(tmp_path):
    page = DOCS / "notebook.md"
    (printed,) = re.findall(r"```\n+```\n(.*?)```", page.read_text(), re.DOTALL)
    _, *code = blocks(page, "python")
    assert run(tmp_path, "python", "-c", "\n".join(code)) == printed
    assert (tmp_path / "page.html").read_text().startswith("<!doctype html>")


@pytest.mark.slow
@pytest.mark.network
def test_the_film_of_the_readme_and_the_app_has_the_events_that_are_shown(tmp_path):
    page = DOCS / "notebook.md"
    shutil.copy(hooks_of_the_site("film").FILM, tmp_path / "clip.mp4")
    code, *_ = blocks(page, "python")
    printed = page.read_text().partition("on the first page\n\n```\n")[2].partition("```")[0]
    assert printed.count("\n") > 4
    assert run(tmp_path, sys.executable, "-c", code) == printed


@pytest.mark.slow
def test_the_film_of_the_app_is_what_its_script_makes(tmp_path):
    """One picture of each second is drawn; their grain and the traces of coding differ."""
    script = hooks_of_the_site("film")
    script.write_film(tmp_path / "film.mp4", fps=1)
    shipped_THWC = decoded(script.FILM, every=script.FPS)
    drawn_THWC = decoded(tmp_path / "film.mp4")
    assert shipped_THWC.shape == drawn_THWC.shape == (12, 360, 640, 3)
    assert np.abs(shipped_THWC - drawn_THWC).mean(axis=(1, 2, 3)).max() < 6
    assert script.FILM.stat().st_size < 600_000


def decoded(path: Path, every: int = 1) -> np.ndarray:
    with av.open(str(path)) as container:
        frames = islice(container.decode(video=0), 0, None, every)
        return np.stack([frame.to_ndarray(format="rgb24") for frame in frames]).astype(np.float32)


@cache
def hooks_of_the_site(name: str) -> ModuleType:
    spec = spec_from_file_location(f"site_{name}", DOCS / "site" / f"{name}.py")
    hooks = module_from_spec(spec)
    spec.loader.exec_module(hooks)
    if name == "messages":
        hooks.messages = cache(hooks.messages)  # They are read from all sources.
    return hooks


def test_every_format_is_in_the_table_of_files():
    hooks = hooks_of_the_site("pages")
    page = SimpleNamespace(file=SimpleNamespace(src_uri="files.md"))
    table = hooks.on_page_markdown((DOCS / "files.md").read_text(), page)
    assert re.findall(r"^\| `(.*?)` \| \w.* \| \w", table, re.MULTILINE) == list(FORMATS)


@pytest.mark.slow
def test_every_message_is_under_one_heading_of_the_troubleshooting():
    hooks, page = hooks_of_the_site("messages"), (DOCS / "troubleshooting.md").read_text()
    places = [mark.split() for mark in hooks.MARK.findall(page)]
    found = hooks.messages()
    assert sum(map(len, found.values())) > 450
    for path in found:
        sections = [place for place in places if any(fnmatch(path, each) for each in place)]
        assert len(sections) == 1, f"{path}: name it in one `messages:` of troubleshooting.md"
    unused = [each for place in places for each in place if not fnmatch_filter(found, each)]
    assert unused == []
    shown = hooks.on_page_markdown(page)
    assert shown.count("<h4 ") >= sum(map(len, found.values()))
    assert "there is no recipe" in shown
    assert "either the folder annotations/ with a file" in shown, "other files have a FOLDER too"


def test_symptoms_are_the_words_of_messages():
    hooks, page = hooks_of_the_site("messages"), (DOCS / "troubleshooting.md").read_text()
    known = [text for texts in hooks.messages().values() for text in texts]
    headings = [h for h in re.findall(r"^### (.*)$", page, re.MULTILINE) if h[0].islower()]
    assert len(headings) > 30
    for heading in headings:
        words = ".*".join(map(re.escape, heading.strip("… ").split("…")))
        assert any(re.search(words, text) for text in known), heading


def test_figures_are_what_their_code_draws():
    for name, content in hooks_of_the_site("network").figures().items():
        assert (DOCS / name).read_text() == content, f"run docs/site/network.py: {name}"


@runs_commands
@pytest.mark.slow
def test_a_data_set_of_your_own(tmp_path):
    section = section_of(DOCS / "extend.md", "A data set")
    (code,) = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    (commands,) = re.findall(r"```console\n(.*?)```", section, re.DOTALL)
    (tmp_path / "clips.py").write_text(code)
    tiny_folder.write_features(tmp_path / "clips", 12)
    known = {"labels": tiny_folder.LABELS, "train": {}, "val": {}, "test": {}}
    for number in range(12):
        split = ("train", "val", "test")[number % 3]
        known[split][tiny_folder.name_of(number)] = [
            [event.start, event.end, event.label, event.modality]
            for event in tiny_folder.events_of(number)
        ]
    (tmp_path / "clips" / "clips.json").write_text(json.dumps(known))
    table = run(tmp_path, "bash", "-e", "-c", "\n".join(COMMAND.findall(commands)))
    assert "clips: test, 4 videos" in table
    assert json.loads((tmp_path / "numbers.json").read_text()).keys() >= {"segment", "event"}


@runs_commands
@pytest.mark.slow
def test_an_output_format_of_your_own(tmp_path):
    section = section_of(DOCS / "extend.md", "An output format")
    (code,) = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    (commands,) = re.findall(r"```console\n(.*?)```", section, re.DOTALL)
    (tmp_path / "htk.py").write_text(code)
    run(tmp_path, "bash", "-e", "-c", "\n".join(COMMAND.findall(commands)))
    assert (tmp_path / "clip.lab").read_text() == "20000000 90000000 Dog\n"
    timeline = Timeline.load(tmp_path / "clip.json")
    assert timeline.events == (Event(2.0, 9.0, "Dog", Modality.AUDIO),)
    (tmp_path / "clip.lab").write_text("20000000 nine Dog\n")
    command = ["mmpyramid", "--code", "htk.py", "render", "clip.lab", "--to", "tsv"]
    with pytest.raises(AssertionError, match=r"clip\.lab: line 1: expected a number as end"):
        run(tmp_path, *command)
    described = re.sub(r"[\s│]+", " ", run(tmp_path, *command[:4], "--help"))
    assert "lab: a label file of HTK" in described


@runs_commands
@pytest.mark.slow
def test_a_training_strategy_of_your_own(tmp_path):
    section = section_of(DOCS / "extend.md", "A training strategy")
    (code,) = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    (commands,) = re.findall(r"```console\n(.*?)```", section, re.DOTALL)
    (tmp_path / "confident.py").write_text(code)
    shown = run(tmp_path, "bash", "-e", "-c", "\n".join(COMMAND.findall(commands)))
    assert "network         run/again/model\n" in shown
    train = read_llp(tmp_path / "sim", "train")
    labels_NMC = read_refined(tmp_path / "run" / "labels.tsv", train)
    assert (labels_NMC <= train.weak[:, None]).all()


@runs_commands
@pytest.mark.slow
def test_training_strategies(tmp_path):
    """The page `strategies.md`."""
    page = DOCS / "strategies.md"
    labels, strategy = blocks(page, "python")
    (tmp_path / "quiet.py").write_text(strategy)
    first, *others = [line for block in blocks(page, "console") for line in COMMAND.findall(block)]
    run(tmp_path, "bash", "-e", "-c", first)
    run(tmp_path, "python", "-c", labels)
    shown = run(tmp_path, "bash", "-e", "-c", "\n".join(others))
    networks = re.findall(r"^network +(\S+)$", shown, re.MULTILINE)
    assert networks == ["runs/jomold/denoised/model", "runs/uwav/model", "runs/quiet/model"]
    assert len([*tmp_path.glob("chance/*/*.npy")]) == len([*tmp_path.glob("labels/*/*.npy")]) == 48


@runs_commands
@pytest.mark.slow
def test_where_the_data_is(tmp_path):
    page = DOCS / "data.md"
    tiny_unav.make(tmp_path / "UnAV")
    shown = run_commands(page, tmp_path)
    assert "4 videos of 25 classes in the layout of LLP" in shown
    run(tmp_path, "python", "-c", *blocks(page, "python"))


@runs_commands
@pytest.mark.slow
def test_a_library_of_videos(tmp_path):
    """The page `library.md`, over rendered clips."""
    render_corpus(tmp_path / "corpus", num_train=6, num_val=0, num_test=0)
    (tmp_path / "corpus" / "videos").rename(tmp_path / "videos")
    holiday = tmp_path / "videos" / "holiday.mp4"
    next((tmp_path / "videos").glob("*.mp4")).rename(holiday)
    (tmp_path / "clip.mp4").write_bytes(holiday.read_bytes())
    shown = run_commands(DOCS / "library.md", tmp_path)
    assert "clips: 3 clips cut, 0 failed" in shown
    assert len([*(tmp_path / "clips").iterdir()]) == 3
    assert "lib: 6 added, 0 were there already, 0 failed" in shown
    assert (tmp_path / "drums.html").exists()


@runs_commands
@pytest.mark.slow
@pytest.mark.network
def test_a_live_source(tmp_path):
    page, path = DOCS / "live.md", tmp_path / "recording.ts"
    media_files.write_media(path, media_files.steady(30), media_files.tone(440, 3.0))
    assert "listening for 178 everyday sounds" in run_commands(page, tmp_path)
    assert (tmp_path / "events.jsonl").exists()


@runs_commands
@pytest.mark.slow
def test_scripts_and_services(tmp_path):
    page = DOCS / "automation.md"
    shown = [json.loads(line) for line in "".join(blocks(page, "json")).splitlines()]
    (command,) = COMMAND.findall(*blocks(page, "console"))
    done = subprocess.run(command.split(), cwd=tmp_path, capture_output=True, check=True)
    *_, progress, end = map(json.loads, done.stderr.splitlines())
    measured = {"seconds": 0, "rate": 0}
    assert [progress | measured, end] == [shown[0] | measured, shown[1]]


def test_no_page_shows_what_is_not_run():
    shown = {page.name for page in PAGES if blocks(page, "python") or blocks(page, "console")}
    tests = "".join(path.read_text() for path in Path(__file__).parent.rglob("test_*.py"))
    assert {name for name in shown if f'/ "{name}"' not in tests} == set()


@pytest.mark.parametrize("page", [DOCS / "features.md", DOCS / "corpus.md"], ids=lambda p: p.stem)
def test_options_exist_where_commands_need_a_hub_or_a_cluster(page, capsys):
    for command in COMMAND.findall(*blocks(page, "console")):
        _, name, *words = command.partition("#")[0].split()
        with pytest.raises(SystemExit):
            main([name, "--help"])
        told = capsys.readouterr().out
        assert all(word in told for word in words if word.startswith("--"))


def mentioned(text: str) -> Iterator[list[str]]:
    """The words of every command with options, in a sentence or on a line of its own."""
    prose = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    lines = re.findall(r"^(?:\$ | {4})?(mmpyramid .*)$", text, re.MULTILINE)
    for span in [*re.findall(r"`([^`]+)`", prose), *lines]:
        words = re.sub(r"^mmpyramid |^mmpyramid --code \S+ ", "", " ".join(span.split())).split()
        if words and words[0] in COMMANDS and any(word.startswith("--") for word in words):
            yield words


@cache
def options_of(*words: str) -> set[str]:
    shown = io.StringIO()
    with redirect_stdout(shown), pytest.raises(SystemExit):
        main([*words, "--help"])
    return set(re.findall(r"--[a-z][\w.-]*", shown.getvalue()))


@pytest.mark.parametrize("page", [*PAGES, *OTHER_PAGES], ids=lambda page: page.name)
def test_options_that_are_mentioned_exist(page):
    for name, *words in mentioned(page.read_text()):
        recipe = []
        if name in ("train", "refine"):
            chosen = words[0] if words[0] in RECIPES else "llp"
            strategy = words[words.index("--strategy") + 1] if "--strategy" in words else "plain"
            recipe = [chosen, "--strategy", strategy if strategy in STRATEGIES else "plain"]
            if name == "refine":
                recipe = [chosen]
        own = {"--model.kernel"} if page.stem == "new-network" else set()
        options = {word.partition("=")[0] for word in words if re.match("--[a-z]", word)}
        assert options - own <= options_of(name, *recipe), " ".join([name, *words])


@cache
def anchors_of(page: Path) -> set[str]:
    """What links to the headings of a page end with."""
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    plain = [re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading) for heading in headings]
    return {slugify(heading, "-") for heading in plain}


@pytest.mark.parametrize("page", [*PAGES, *OTHER_PAGES], ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    # The build makes the gallery.
    links = re.findall(r"\]\((?!gallery/|\w+:)([^)]+)\)", page.read_text())
    for link in links:
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors_of(target), link
