"""Zero-shot teachers: how classes become scores, and the contract of a scorer."""

import numpy as np
import pytest

from mmpyramid.backbones.efficientnet import EfficientNetLite0Extractor
from mmpyramid.backbones.yamnet import YAMNetExtractor
from mmpyramid.core import Modality
from mmpyramid.core.errors import UserError
from mmpyramid.core.labels import AVE_LABELS, LLP_LABELS
from mmpyramid.media import SegmentReader, View
from mmpyramid.pipeline import Pipeline
from mmpyramid.problems import Decoder, decode
from mmpyramid.stream import EventStream
from mmpyramid.teachers import (
    VOCABULARIES,
    Entry,
    Teacher,
    Vocabulary,
    load_teacher,
    load_vocabulary,
)
from mmpyramid.teachers.pooling import best, calibrate, highest, surroundings
from mmpyramid.teachers.vocabulary import audioset, background
from mmpyramid.teachers.zero_shot import HIGHEST, RULES, Counterparts

BOTH = (Modality.AUDIO, Modality.VISUAL)
SOUNDS = ("Speech", "Bark", "Yip", "Meow", "Rain")
PICTURES = ("tree", "beagle", "collie", "pug", "tabby")
PETS = Vocabulary(
    "Pets",
    {
        "Dog": Entry(heard=("Bark", "Yip"), seen=("beagle .. pug",)),
        "Cat": Entry(heard=("Meow",), seen=("tabby",)),
        "Speech": Entry(heard=("Speech",)),
    },
)
CLASS_NAMES = {Modality.AUDIO: SOUNDS, Modality.VISUAL: PICTURES}


class FakeClassifier:
    """Its embeddings are the probabilities."""

    def __init__(self, name, modality, class_names):
        self.name, self.modality, self.class_names = name, modality, class_names
        self.dim = len(class_names)

    def classify(self, embedding):
        return embedding


@pytest.fixture
def teacher():
    return teacher_of(PETS)


def teacher_of(vocabulary, sounds=SOUNDS, pictures=PICTURES):
    return Teacher(
        vocabulary,
        (
            FakeClassifier("sound", Modality.AUDIO, sounds),
            FakeClassifier("picture", Modality.VISUAL, pictures),
        ),
    )


def limits(modality, vocabulary=PETS):
    """The raw scores from which labels are found: in the video, and in a segment of it."""
    thresholds = Counterparts(vocabulary, modality, CLASS_NAMES[modality]).thresholds_C
    return thresholds, RULES[modality].weaker * thresholds


def raw(*rows):
    return np.array(rows, np.float32)


def test_audio_takes_the_maximum_and_visual_the_sum(teacher):
    _, heard = limits(Modality.AUDIO)
    _, seen = limits(Modality.VISUAL)
    sound = raw([0.0, heard[0], 0.1, 0.0, 0.0])
    third = seen[0] / 3
    picture = raw([0.0, third, third, third, seen[1]])
    scores = teacher.predict({"sound": sound, "picture": picture})
    assert scores.labels == PETS.labels
    assert scores.audio[0] == pytest.approx([0.5, 0, 0])
    # The three dogs share what the one cat has, so the cat keeps up with each, and they with it.
    assert scores.visual[0] == pytest.approx([0.5, 0.5, 0], abs=1e-6)


def test_a_label_without_counterpart_scores_zero_and_is_named(teacher):
    scores = teacher.predict({"picture": np.full((3, 5), 0.2, np.float32)})
    assert not scores.visual[:, 2].any()
    assert teacher.unmapped == {Modality.AUDIO: (), Modality.VISUAL: ("Speech",)}
    (note,) = teacher.notes
    gist, details = note.split("\n")
    assert gist == f"Of the 3 {PETS.title} labels, 1 can only be heard"
    assert details.endswith(": Speech")


def test_the_video_needs_three_sure_segments(teacher):
    weak, sure = [0.0, 0.3, 0, 0, 0], [0.0, 0.41, 0, 0, 0]
    assert decode(teacher.predict({"sound": raw(weak, weak)})).events == ()
    assert decode(teacher.predict({"sound": raw(weak, sure, sure)})).events == ()
    scores = teacher.predict({"sound": raw(weak, sure, sure, sure, weak)})
    assert scores.video_audio[0] == scores.video[0] >= 0.5
    assert [(e.label, e.start, e.end) for e in decode(scores)] == [("Dog", 0.0, 5.0)]


def test_one_sure_second_needs_more_sensitivity(teacher):
    """Such as a smoke alarm that is heard for one second of birdsong."""
    sound = np.zeros((8, 5), np.float32)
    sound[4, 1] = 0.8
    scores = teacher.predict({"sound": sound})
    assert decode(scores).events == ()
    (event,) = decode(scores, Decoder().with_sensitivity(0.75)).events
    assert (event.label, event.start, event.end) == ("Dog", 4.0, 5.0)


def test_one_very_sure_second_is_enough(teacher):
    """Such as a single bark in a minute."""
    sound = np.zeros((60, 5), np.float32)
    sound[48, 1] = 0.95
    (event,) = decode(teacher.predict({"sound": sound})).events
    assert (event.label, event.start, event.end) == ("Dog", 48.0, 49.0)


FARM = ("Animal", "Dog", "Bark", "Cattle, bovinae", "Speech", "Music", "Trumpet", "Howl")


def farm_scores(vocabulary, **prob):
    sound = np.zeros((4, len(FARM)), np.float32)
    for name, value in prob.items():
        sound[:, FARM.index(name.replace("Cattle", "Cattle, bovinae"))] = value
    return teacher_of(vocabulary, FARM).predict({"sound": sound})


def labels_of(scores):
    return [event.label for event in decode(scores)]


DOGS = Vocabulary("dogs", {"Dog": Entry(heard=("Dog",)), "Speech": Entry(heard=("Speech",))})


def test_a_cow_does_not_become_a_dog_for_want_of_cows():
    """Classes outside the vocabulary compete: those that share a parent more than others."""
    assert labels_of(farm_scores(DOGS, Animal=0.9, Dog=0.7)) == ["Dog"]
    assert labels_of(farm_scores(DOGS, Animal=0.9, Dog=0.7, Cattle=0.95)) == []
    assert labels_of(farm_scores(DOGS, Animal=0.9, Dog=0.7, Cattle=0.8)) == ["Dog"]
    assert labels_of(farm_scores(DOGS, Dog=0.7, Speech=0.95)) == ["Dog", "Speech"]
    assert labels_of(farm_scores(DOGS, Dog=0.42, Music=1.0)) == ["Dog"]
    assert labels_of(farm_scores(DOGS, Dog=0.3, Bark=0.5)) == ["Dog"], "a kind implies its parent"
    assert labels_of(farm_scores(DOGS, Howl=0.9)) == [], "a howl may be a wolf's"


def test_what_is_seen_has_to_beat_every_other_class(teacher):
    seen = {"picture": np.tile(raw([0.45, 0.0, 0.0, 0.0, 0.42]), (4, 1))}
    assert labels_of(teacher.predict(seen)) == []
    seen["picture"][:, 0] = 0.4
    assert labels_of(teacher.predict(seen)) == ["Cat"]


def test_the_most_specific_label_is_shown():
    kinds = Vocabulary(
        "kinds", {name: Entry(heard=(name,)) for name in ("Music", "Animal", "Trumpet", "Dog")}
    )
    assert labels_of(farm_scores(kinds, Music=0.9)) == ["Music"]
    assert labels_of(farm_scores(kinds, Music=0.9, Trumpet=0.3)) == ["Music"]
    assert labels_of(farm_scores(kinds, Music=0.9, Trumpet=0.6)) == ["Trumpet"]
    both = farm_scores(kinds, Music=0.9, Trumpet=0.6, Animal=0.8)
    assert labels_of(both) == ["Animal", "Trumpet"]


def test_what_is_seen_does_not_hide_what_is_heard(teacher):
    """A guitar in the picture does not tell what the music is played on."""
    pets = {
        "Pet": Entry(heard=("Bark", "Meow"), seen=("beagle .. tabby",)),
        "Cat": Entry(heard=("Meow",), seen=("tabby",)),
    }
    features = {
        "sound": np.tile(raw([0.0, 0.9, 0.0, 0.0, 0.0]), (4, 1)),
        "picture": np.tile(raw([0.0, 0.0, 0.0, 0.0, 0.9]), (4, 1)),
    }
    scores = teacher_of(Vocabulary("pets", pets)).predict(features)
    found = [(event.label, str(event.modality)) for event in decode(scores)]
    assert found == [("Cat", "visual"), ("Pet", "audio")]


def test_what_often_scores_high_needs_more():
    names = ("Speech", "Music", "Trumpet", "Bark")
    vocabulary = Vocabulary("all", {name: Entry(heard=(name,)) for name in names})
    thresholds = Counterparts(vocabulary, Modality.AUDIO, names).thresholds_C
    chance = background(Modality.AUDIO, names)
    assert thresholds == pytest.approx(0.4 + 0.2 * chance)
    assert min(thresholds[:2]) > 0.5 > 0.41 > max(thresholds[2:])
    breeds = Vocabulary("one", {"Dog": Entry(seen=("a0 .. a117",)), "Cat": Entry(seen=("b",))})
    many, few = Counterparts(
        breeds, Modality.VISUAL, (*(f"a{number}" for number in range(118)), "b")
    ).thresholds_C
    assert many > few + 0.1, "118 breeds add up to a good deal on anything furry"


def test_an_empty_timeline_tells_what_came_nearest(teacher):
    features = {
        "sound": np.tile(raw([0.1, 0.0, 0.0, 0.0, 0.9]), (4, 1)),
        "picture": np.tile(raw([0.8, 0.1, 0.0, 0.0, 0.05]), (4, 1)),
    }
    scores = teacher.predict(features)
    timeline = decode(scores, notes=("damaged",))
    assert timeline.notes == (
        "damaged",
        "What came closest: of 5 sounds, Rain 0.90, Speech 0.10; of 5 pictures, "
        "tree 0.80, beagle 0.10, tabby 0.05; looked for: 3 Pets labels",
    )
    all_of_it = Decoder().with_sensitivity(1.0)
    assert decode(scores, all_of_it, notes=timeline.notes).notes == ("damaged",)


def test_a_missing_stream_scores_zero(teacher):
    sound = np.full((4, 5), 0.9, np.float32)
    scores = teacher.predict({"sound": sound})
    assert not scores.visual.any()
    assert not scores.video_visual.any()
    assert scores.audio.min() > 0.5
    assert {e.modality for e in decode(scores)} == {Modality.AUDIO}


def test_a_long_video_is_gated_by_its_surroundings(teacher):
    sound = np.zeros((40, 5), np.float32)
    sound[:, 1] = 0.3
    sound[20, 1] = 0.9
    scores = teacher.predict({"sound": sound})
    (event,) = decode(scores).events
    assert (event.start, event.end) == (15.0, 26.0)
    assert teacher.predict({"sound": sound[:10]}).local_video is None


@pytest.mark.parametrize(("length", "piece"), [(8, 3), (11, 4), (70, 4)])
def test_a_stream_tells_what_the_whole_video_tells(length, piece):
    """Labels are sure, and hide others, by their surroundings alone."""
    kinds = Vocabulary("kinds", {name: Entry(heard=(name,)) for name in FARM})
    scorer = teacher_of(kinds, FARM)
    sound = np.random.default_rng(0).random((length, len(FARM)), np.float32) ** 2
    whole = decode(scorer.predict({"sound": sound})).events
    stream, told = EventStream(scorer, Decoder(), every=4), []
    for start in range(0, length, piece):
        told += stream.push({"sound": sound[start : start + piece]})
    assert length < 70 or len(told) > 20
    told += stream.finish()
    assert sorted((e.start, e.end, e.label) for e in told) == sorted(
        (e.start, e.end, e.label) for e in whole
    )


def test_several_videos_of_different_lengths(teacher):
    features = [{"sound": np.full((n, 5), 0.5, np.float32)} for n in (1, 7, 12)]
    together = teacher.predict(features)
    assert [scores.num_segments for scores in together] == [1, 7, 12]
    alone = teacher.predict(features[1])
    assert np.array_equal(together[1].audio, alone.audio)


@pytest.mark.parametrize(
    "features",
    [
        {},
        {"vggish": np.zeros((10, 128), np.float32)},
        {"sound": np.zeros((10, 4), np.float32)},
        {"sound": np.zeros((10, 5), np.float32), "picture": np.zeros((9, 5), np.float32)},
    ],
    ids=["nothing", "other stream", "other width", "other length"],
)
def test_features_that_it_cannot_read_are_refused(teacher, features):
    with pytest.raises(UserError, match="sound \\(T, 5\\), picture \\(T, 5\\)"):
        teacher.predict(features)


def test_an_unknown_vocabulary_is_refused():
    with pytest.raises(UserError, match="everyday, llp, ave"):
        load_teacher("vggsound")


def test_calibration_is_monotone_and_moves_the_threshold_to_one_half():
    threshold = raw([0.05, 0.25, 0.5, 0.9])[0]
    grid = np.linspace(0, 1, 101, dtype=np.float32)[:, None]
    calibrated = calibrate(np.repeat(grid, 4, axis=1), threshold)
    assert (np.diff(calibrated, axis=0) > 0).all()
    assert (calibrated[0] == 0).all()
    assert (calibrated[-1] == 1).all()
    assert (calibrate(threshold, threshold) == 0.5).all()
    logit = np.log(grid[1:-1] / (1 - grid[1:-1])) - np.log(threshold / (1 - threshold))
    assert calibrated[1:-1] == pytest.approx(1 / (1 + np.exp(-logit)), abs=1e-5)


@pytest.mark.parametrize("modality", BOTH)
@pytest.mark.network
def test_the_threshold_of_a_video_is_above_that_of_a_segment(modality, class_lists):
    for name in VOCABULARIES:
        vocabulary = load_vocabulary(name)
        video = Counterparts(vocabulary, modality, class_lists[modality]).thresholds_C
        assert (video > RULES[modality].weaker * video).all()
        assert (video <= HIGHEST).all()


PEOPLE = Vocabulary(
    "People",
    {
        "Dog": Entry(heard=("Bark",), seen=("beagle",)),
        "Speech": Entry(heard=("Speech",), face=True),
        "Cat": Entry(heard=("Meow",), seen_if_heard=0.8),
        "Rain": Entry(heard=("Rain",)),
    },
)


class FakeFaces:
    """Its features are the probabilities of a face."""

    name, modality, dim = "faces", Modality.VISUAL, 1


def people(*, infer_seen=False, faces=True):
    sound = FakeClassifier("sound", Modality.AUDIO, SOUNDS)
    picture = FakeClassifier("picture", Modality.VISUAL, PICTURES)
    finder = FakeFaces() if faces else None
    return Teacher(PEOPLE, (sound, picture), finder, infer_seen=infer_seen)


def scene(face, speech=0.0, meow=0.0):
    sound = np.zeros((len(face), len(SOUNDS)), np.float32)
    sound[:, SOUNDS.index("Speech")], sound[:, SOUNDS.index("Meow")] = speech, meow
    picture = np.zeros((len(face), len(PICTURES)), np.float32)
    return {"sound": sound, "picture": picture, "faces": raw(face).T}


def seen_of(scores):
    events = decode(scores).of(Modality.VISUAL)
    return [(e.label, e.start, e.end, e.inferred) for e in events]


def test_speech_is_seen_where_it_is_heard_and_a_face_is_there():
    face = [0.0, 0.9, 0.9, 0.8, 0.7, 0.1, 0.9, 0.0]
    speech = [0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.0, 0.0]
    teacher = people()
    scores = teacher.predict(scene(face, speech))
    assert seen_of(scores) == [("Speech", 1.0, 5.0, False)]
    assert [(e.start, e.end) for e in decode(scores).of(Modality.AUDIO)] == [(0.0, 6.0)]
    assert teacher.streams == {"sound": 5, "picture": 5, "faces": 1}
    assert teacher.unmapped[Modality.VISUAL] == ("Cat", "Rain")
    assert seen_of(teacher.predict(scene(face))) == [], "nobody is heard"
    assert seen_of(teacher.predict(scene(np.zeros(8), speech))) == [], "nobody is there"


def test_one_glimpse_of_a_face_in_a_long_speech_is_not_enough():
    glimpse = np.zeros(8)
    glimpse[4] = 0.7
    scores = people().predict(scene(glimpse, 0.9))
    assert seen_of(scores) == []
    assert [e.label for e in decode(scores)] == ["Speech"]


def test_without_a_finder_of_faces_speech_is_never_seen_and_that_is_said():
    teacher = people(faces=False)
    assert "faces" not in teacher.streams
    assert teacher.unmapped[Modality.VISUAL] == ("Speech", "Cat", "Rain")
    assert seen_of(teacher.predict(scene(np.ones(8), 0.9))) == []


def test_what_is_nearly_always_seen_is_inferred_for_those_who_ask():
    features = scene(np.zeros(8), meow=[0.9] * 5 + [0.0] * 3)
    assert seen_of(people().predict(features)) == []
    teacher = people(infer_seen=True)
    timeline = decode(teacher.predict(features), notes=teacher.notes)
    found = [(e.label, str(e.modality), e.start, e.end, e.inferred) for e in timeline]
    assert found == [
        ("Cat", "audio", 0.0, 5.0, False),
        ("Cat", "audio_visual", 0.0, 5.0, True),
        ("Cat", "visual", 0.0, 5.0, True),
    ]
    heard, seen = timeline.events[0], timeline.events[2]
    assert 0.5 < seen.score <= 0.8 * heard.score, "less sure than that it is heard"
    assert teacher.unmapped[Modality.VISUAL] == ("Rain",)
    assert [note.split("\n")[1] for note in teacher.notes][-1].endswith("inferred: Cat")
    assert seen_of(teacher.predict(scene(np.zeros(8), meow=0.45))) == [], "hardly heard"
    del features["picture"], features["faces"]
    assert seen_of(teacher.predict(features)) == [], "nothing is seen without pictures"


def test_where_nothing_can_be_inferred_it_is_refused():
    with pytest.raises(UserError, match=r"`seen_if_heard`.*got Pets.*--infer-seen"):
        Teacher(PETS, (), infer_seen=True)


def test_a_stream_tells_who_is_seen_as_the_whole_video_does():
    random = np.random.default_rng(2)
    length, piece = 60, 4
    features = scene(random.random(length) ** 0.5, random.random(length), random.random(length))
    scorer = people(infer_seen=True)
    whole = decode(scorer.predict(features)).events
    stream, told = EventStream(scorer, Decoder(), every=4), []
    for start in range(0, length, piece):
        told += stream.push({name: rows[start : start + piece] for name, rows in features.items()})
    told += stream.finish()
    assert {(e.label, e.inferred) for e in whole if e.modality == "visual"} == {
        ("Speech", False),
        ("Cat", True),
    }
    assert sorted((e.start, e.end, e.label, e.modality, e.inferred) for e in told) == sorted(
        (e.start, e.end, e.label, e.modality, e.inferred) for e in whole
    )


@pytest.mark.network
@pytest.mark.slow
def test_people_are_seen_with_every_vocabulary_that_has_them():
    assert load_teacher("llp").streams["faces"] == 1
    assert load_teacher("everyday").streams["faces"] == 1
    without = load_teacher("llp", faces=False)
    assert "faces" not in without.streams
    assert {"Speech", "Singing"} <= set(without.unmapped[Modality.VISUAL])
    assert "faces" not in load_teacher("ave").streams, "its speakers have no class of sound"


@pytest.mark.slow
@pytest.mark.network
@pytest.mark.parametrize(
    ("clip", "expected"),
    [("0lFf-HP86Q0", [(0.0, 10.0)]), ("4egukLBpAcQ", [])],
    ids=["a speaker", "a voice"],
)
def test_a_speaker_is_seen_and_a_voice_is_not(shared, clip, expected):
    timeline = Pipeline("teachers-llp")(shared / "clips/dev" / f"{clip}.mp4")
    heard, seen = (
        [(e.start, e.end) for e in timeline.of(modality) if e.label == "Speech"]
        for modality in BOTH
    )
    assert heard
    assert seen == expected


@pytest.mark.parametrize("pool", [best, highest])
def test_surroundings_equal_the_definition(pool):
    value = np.random.default_rng(0).random((17, 2)).astype(np.float32)
    expected = [pool(value[max(0, t - 5) : t + 6]) for t in range(17)]
    assert surroundings(value, pool) == pytest.approx(np.array(expected))


def test_what_has_no_counterpart_is_said():
    said = {
        (name, modality): load_vocabulary(name).unmapped(modality)
        for name in ("llp", "ave")
        for modality in BOTH
    }
    speakers = ("Male speech, man speaking", "Female speech, woman speaking")
    assert said["llp", "audio"] == ()
    assert set(said["llp", "visual"]) == {
        *("Speech", "Cheering", "Fire_alarm", "Singing", "Baby_laughter", "Helicopter"),
        *("Baby_cry_infant_cry", "Blender", "Clapping"),
    }
    assert said["ave", "audio"] == speakers
    assert set(said["ave", "visual"]) == {
        *(*speakers, "Helicopter", "Ukulele", "Shofar", "Baby cry, infant cry", "Mandolin"),
    }


def test_the_benchmarks_labels_are_in_the_order_of_their_checkpoints():
    assert load_vocabulary("llp").labels == LLP_LABELS
    assert load_vocabulary("ave").labels == AVE_LABELS


@pytest.fixture(scope="module")
def class_lists():
    return {
        Modality.AUDIO: YAMNetExtractor().class_names,
        Modality.VISUAL: EfficientNetLite0Extractor().class_names,
    }


@pytest.mark.network
@pytest.mark.parametrize("name", VOCABULARIES)
@pytest.mark.parametrize("modality", BOTH)
def test_the_backbones_have_every_class_of_the_vocabularies(name, modality, class_lists):
    assert [len(names) for names in class_lists.values()] == [521, 1000]
    for columns in load_vocabulary(name).columns(modality, class_lists[modality]):
        assert len(set(columns)) == len(columns)


@pytest.mark.network
def test_what_is_told_of_classes_is_told_of_classes_that_exist(class_lists):
    heard = set(class_lists[Modality.AUDIO])
    assert audioset().kinds(audioset().classes) == set(audioset().classes) <= heard
    for modality, names in class_lists.items():
        known = np.flatnonzero(background(modality, names) > background(modality, ("",)))
        assert len(known) == {Modality.AUDIO: 36, Modality.VISUAL: 59}[modality]


@pytest.mark.network
def test_dogs_are_118_breeds(class_lists):
    names = class_lists[Modality.VISUAL]
    vocabulary = load_vocabulary("llp")
    columns = vocabulary.columns(Modality.VISUAL, names)[vocabulary.labels.index("Dog")]
    dogs = {names[column] for column in columns}
    assert len(dogs) == 118
    assert {"beagle", "pug", "Siberian husky"} <= dogs
    assert not {"timber wolf", "African hunting dog", "tabby"} & dogs


@pytest.mark.slow
@pytest.mark.network
def test_a_chainsaw_is_heard_and_at_times_seen(shared):
    """A real clip of the LLP test split: heard 0-10, seen 0-1, 3-6 and 9-10."""
    teacher = load_teacher("llp")
    assert teacher.streams == {"yamnet": 1024, "efficientnet_lite0": 1280, "faces": 1}
    segments = list(SegmentReader(shared / "clips/dev/6aV6c8mY0lg.mp4", [View(2, (224, 224))]))
    features = {
        "yamnet": YAMNetExtractor().embed(np.stack([s.waveform for s in segments])),
        "efficientnet_lite0": EfficientNetLite0Extractor().embed(
            np.stack([s.frames for s in segments])
        ),
    }
    timeline = decode(teacher.predict(features), notes=teacher.notes)
    heard = [(e.label, e.start, e.end) for e in timeline.of(Modality.AUDIO)]
    assert heard == [("Chainsaw", 0.0, 10.0)]
    seen = {e.label for e in timeline.of(Modality.VISUAL)}
    assert seen == {"Chainsaw"}
