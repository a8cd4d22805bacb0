"""From corrected files to a model: what it finds, what it keeps, what it refuses."""

import json
import shutil
from pathlib import Path

import lesson_files
import numpy as np
import pytest
from lesson_files import BEEP, HISS, STRIPES

from mmpyramid import Pipeline, load_pretrained, teach
from mmpyramid.cli import main
from mmpyramid.core import Modality
from mmpyramid.core.errors import UserError
from mmpyramid.teachers import load_teacher

pytestmark = [pytest.mark.network, pytest.mark.slow]

NUM_VIDEOS = 15
AUDIO, VISUAL = Modality.AUDIO, Modality.VISUAL


@pytest.fixture(scope="module")
def videos(tmp_path_factory) -> Path:
    return lesson_files.write_videos(tmp_path_factory.mktemp("videos"), range(NUM_VIDEOS))


@pytest.fixture(scope="module")
def corrections(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("corrections")
    return lesson_files.write_corrections(folder, range(NUM_VIDEOS))


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> Path:
    """Features that all tests share."""
    return tmp_path_factory.mktemp("features")


@pytest.fixture(scope="module")
def taught(tmp_path_factory, videos, corrections, store):
    return teach(corrections, videos, tmp_path_factory.mktemp("mine"), features=store)


@pytest.fixture(scope="module")
def unseen(tmp_path_factory) -> dict[str, Path]:
    """Videos of each kind that no correction was of."""
    folder = tmp_path_factory.mktemp("unseen")
    return {
        lesson_files.KINDS[number % 3]: lesson_files.write_video(folder / f"{number}.mp4", number)
        for number in range(21, 24)
    }


def events(timeline) -> list[tuple[str, str, float, float]]:
    return [(e.label, e.modality.value, e.start, e.end) for e in timeline]


def test_what_was_taught_is_found_in_other_videos(taught, unseen):
    pipeline = Pipeline(taught.model)
    assert pipeline.scorer.labels == (BEEP, HISS, STRIPES)
    for number, kind in zip(range(21, 24), lesson_files.KINDS, strict=True):
        (expected,) = lesson_files.events_of(number)
        assert expected.label == kind
        found = events(pipeline(unseen[kind]))
        assert found == [(kind, expected.modality.value, expected.start, expected.end)]
        assert sorted(events(pipeline.stream(unseen[kind]))) == found


def test_it_says_what_it_took_and_how_well_it_does(taught):
    assert taught.method.startswith("linear classifiers of seconds: of 15 corrected videos")
    assert (taught.num_videos, taught.num_uncorrected, taught.failed) == (15, 0, {})
    told = {(result.label, result.modality): result for result in taught.results}
    assert list(told) == [(BEEP, AUDIO), (HISS, AUDIO), (STRIPES, VISUAL)]
    for result in taught.results:
        assert (result.num_clips, result.refused) == (5, "")
        assert result.measured.clips.value >= 0.85
        assert result.measured.seconds.value >= 0.85
        assert result.measured.clips.low <= result.measured.clips.value
    description = json.loads((taught.model / "config.json").read_text())
    assert description["metrics"][f"F of {BEEP}, heard"] >= 0.85
    assert description["metrics"]["taught"] == taught.method


def test_the_same_corrections_give_the_same_model(taught, tmp_path, videos, corrections, store):
    again = teach(corrections, videos, tmp_path, features=store)
    for name in ("model.safetensors", "config.json"):
        assert (again.model / name).read_bytes() == (taught.model / name).read_bytes()


def test_more_corrections_read_no_video_again(tmp_path, videos):
    some = tmp_path / "videos"
    some.mkdir()
    for number in range(6):
        shutil.copy2(videos / f"clip {number}.mp4", some)
    read: list[str] = []

    def note(done) -> None:
        read.append(done.video_id)

    few = lesson_files.write_corrections(tmp_path / "few", range(4))
    first = teach(few, some, tmp_path / "mine", on_progress=note)
    assert (len(read), first.num_uncorrected) == (6, 2)
    more = lesson_files.write_corrections(tmp_path / "few", range(6))
    assert (tmp_path / "mine" / "features" / "store.json").is_file()
    read.clear()
    assert teach(more, some, tmp_path / "mine", on_progress=note).num_uncorrected == 0
    assert read == []
    lesson_files.write_video(some / "clip 3.mp4", 9)
    teach(more, some, tmp_path / "mine", on_progress=note)
    assert len(read) == 1


def test_weak_labels_are_enough_and_what_is_not_said_is_told(tmp_path, videos, store):
    """Without times, and beep alone is said to be heard; all else may be heard or seen."""
    rows = ["file,label,modality"]
    for number in range(NUM_VIDEOS):
        kind = lesson_files.KINDS[number % 3]
        rows.append(f"clip {number}.mp4,{kind},{'audio' if kind == BEEP else ''}")
    table = tmp_path / "labels.csv"
    table.write_text("\n".join(rows))
    taught = teach(table, videos, tmp_path / "mine", features=store)
    learned = {(r.label, r.modality) for r in taught.results if not r.refused}
    assert {(BEEP, AUDIO), (HISS, AUDIO), (STRIPES, VISUAL)} <= learned
    refused = {(r.label, r.modality): r.refused for r in taught.results if r.refused}
    assert set(refused) == {(STRIPES, AUDIO), (HISS, VISUAL)}
    assert all("no better than by guessing" in reason for reason in refused.values())
    assert all(r.measured.seconds is None for r in taught.results)


def test_the_labels_of_a_vocabulary_stay_beside_the_new_ones(tmp_path, videos, store, unseen):
    corrections = lesson_files.write_corrections(tmp_path / "corrections", range(NUM_VIDEOS))
    taught = teach(
        corrections, videos, tmp_path / "mine", keep_vocabulary="everyday", features=store
    )
    pipeline = Pipeline(taught.model)
    teacher = load_teacher("everyday")
    assert pipeline.scorer.labels == (BEEP, HISS, STRIPES, *teacher.labels)
    assert [e.name for e in pipeline.extractors] == ["yamnet", "efficientnet_lite0", "faces"]
    parsed = pipeline.run(unseen[BEEP])
    assert (BEEP, "audio", 2.0, 4.0) in events(parsed.timeline)
    alone = teacher.predict(parsed.features)
    np.testing.assert_array_equal(parsed.scores.audio[:, 3:], alone.audio)
    np.testing.assert_array_equal(parsed.scores.video[3:], alone.video)


def test_a_vocabulary_of_ones_own_travels_with_the_model(tmp_path, videos, corrections, store):
    own = tmp_path / "own.toml"
    own.write_text(
        'title = "own"\n[a]\nHiss = { heard = ["Mantra"] }\nDog = { heard = ["Dog"] }\n'
        'Stripes = { heard = ["Dog"] }\n'
    )
    taught = teach(corrections, videos, tmp_path / "mine", keep_vocabulary=own, features=store)
    own.unlink()
    scorer = Pipeline(taught.model).scorer
    assert scorer.labels == (BEEP, HISS, STRIPES, "Dog")
    # What the vocabulary never finds is learned; stripes are heard as it says, and seen as taught.
    assert not any(result.refused for result in taught.results)


def test_what_cannot_be_learned_is_refused_and_the_rest_learned(tmp_path, videos, store, capfd):
    table = tmp_path / "labels.csv"
    rows = [f"clip {number}.mp4,{lesson_files.KINDS[number % 3]},audio" for number in range(6)]
    rows += ["clip 0.mp4,Rare,audio", "silent.mp4,Mute,audio", "clip 4.mp4,Mute,audio"]
    table.write_text("\n".join(["file,label,modality", *rows]))
    some = tmp_path / "videos"
    some.mkdir()
    for number in range(6):
        shutil.copy2(videos / f"clip {number}.mp4", some)
    lesson_files.media_files.write_media(some / "silent.mp4", lesson_files.media_files.steady(30))
    broken = some / "broken.mp4"
    broken.write_bytes((some / "clip 1.mp4").read_bytes()[:300])
    code = main(["teach", str(table), "--videos", str(some), "--out", str(tmp_path / "mine")])
    told = capfd.readouterr()
    assert code == 1
    assert "Rare, heard: not learned: 1 video is too few, it takes 2\n" in told.out
    assert "Mute, heard: not learned: 1 of its 2 videos have sound, it takes 2\n" in told.out
    assert "broken left out: " in told.err
    assert set(load_pretrained(tmp_path / "mine").labels) >= {BEEP, HISS}
    assert set(load_pretrained(tmp_path / "mine").labels) & {"Rare", "Mute"} == set()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("file,label\nclip 77.mp4,Beep\n", "corrections without a video: 1 .*did you mean clip"),
        ("file,label,start,end\nclip 1.mp4,Beep,9,11\n", "events beyond the end of their video"),
        ("file,label\nclip 1.mp4,Beep\n", "nothing can be learned .* 1 video is too few"),
        ("file,label\nclip 1.mp4,\n", "got none with a label"),
        (
            "file,label\n" + "".join(f"clip {n}.mp4,Beep\n" for n in range(14)),
            r"nothing can be learned .*videos, or parts of videos, without it: 1, it takes 2: 2",
        ),
        (
            "file,label,start,end\n" + "".join(f"clip {n}.mp4,Beep,1,3\n" for n in range(15)),
            r"nothing can be learned .*videos, or stretches of 10 s, without it: 0, it takes 1: 2",
        ),
    ],
)
def test_mistakes_leave_an_older_model_alone(tmp_path, videos, store, taught, content, message):
    mine = tmp_path / "mine"
    shutil.copytree(taught.model, mine)
    (tmp_path / "labels.csv").write_text(content)
    with pytest.raises(UserError, match=message):
        teach(tmp_path / "labels.csv", videos, mine, features=store)
    assert load_pretrained(mine).labels == (BEEP, HISS, STRIPES)


def test_unknown_classes_and_vocabularies_are_told(tmp_path, videos, corrections, store):
    with pytest.raises(UserError, match="got 'Beeps'; did you mean 'Beep'"):
        teach(corrections, videos, tmp_path, classes=["Beeps"], features=store)
    with pytest.raises(UserError, match="there is no file everything"):
        teach(corrections, videos, tmp_path, keep_vocabulary="everything", features=store)
    only = teach(corrections, videos, tmp_path, classes=[HISS], features=store)
    assert load_pretrained(only.model).labels == (HISS,)


def test_the_command_prints_what_was_learned(tmp_path, videos, corrections, store, capsys):
    words = [corrections, "--videos", videos, "--out", tmp_path / "mine", "--features", store]
    assert main(["teach", *map(str, words)]) == 0
    told = capsys.readouterr().out
    assert "15 videos, 0 of them without corrections" in told
    assert "linear classifiers of seconds: of 15 corrected videos" in told
    assert [line.split()[:3] for line in told.splitlines() if line.startswith(BEEP)] == [
        [BEEP, "heard", "5"]
    ]
    assert main(["info", str(tmp_path / "mine")]) == 0
    told = capsys.readouterr().out
    assert "segment-classifier" in told
    assert f"F of {BEEP}, heard" in told
