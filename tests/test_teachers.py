"""Zero-shot teachers: the maps, the calibration, and the contract of a scorer."""

import numpy as np
import pytest

from mmpyramid.backbones.efficientnet import EfficientNetLite0Extractor
from mmpyramid.backbones.yamnet import YAMNetExtractor
from mmpyramid.core import Modality
from mmpyramid.core.errors import UserError
from mmpyramid.media import SegmentReader, View
from mmpyramid.problems import decode
from mmpyramid.teachers import LABEL_SETS, LabelSet, Teacher, load_teacher
from mmpyramid.teachers.maps import Span, class_indices
from mmpyramid.teachers.zero_shot import calibrate, surroundings, thresholds

BOTH = (Modality.AUDIO, Modality.VISUAL)
PETS = LabelSet(
    "Pets",
    ("Dog", "Cat", "Speech"),
    {
        Modality.AUDIO: {"Dog": ("bark", "howl"), "Cat": ("meow",), "Speech": ("speech",)},
        Modality.VISUAL: {"Dog": (Span("beagle", "pug"),), "Cat": ("tabby",)},
    },
)


class FakeClassifier:
    """Its embeddings are the probabilities."""

    def __init__(self, name, modality, class_names):
        self.name, self.modality, self.class_names = name, modality, class_names
        self.dim = len(class_names)

    def classify(self, embedding):
        return embedding


@pytest.fixture
def teacher():
    sound = FakeClassifier("sound", Modality.AUDIO, ("speech", "bark", "howl", "meow", "rain"))
    picture = FakeClassifier(
        "picture", Modality.VISUAL, ("tree", "beagle", "collie", "pug", "tabby")
    )
    return Teacher(PETS, (sound, picture))


def raw(*rows):
    return np.array(rows, np.float32)


def test_audio_takes_the_maximum_and_visual_the_sum(teacher):
    sound = raw([0.0, 0.25, 0.1, 0.0, 1.0])
    picture = raw([0.0, 0.1, 0.1, 0.2, 0.15])
    scores = teacher.predict({"sound": sound, "picture": picture})
    assert scores.labels == PETS.labels
    # 0.25 and 0.15 are the common thresholds of a segment, 0.4 that of dogs in pictures.
    assert scores.audio[0] == pytest.approx([0.5, 0, 0])
    assert scores.visual[0] == pytest.approx([0.5, 0.5, 0])


def test_a_label_without_counterpart_scores_zero_and_is_named(teacher):
    scores = teacher.predict({"picture": np.full((3, 5), 0.2, np.float32)})
    assert not scores.visual[:, 2].any()
    assert teacher.unmapped == {Modality.AUDIO: (), Modality.VISUAL: ("Speech",)}
    (note,) = teacher.notes
    gist, details = note.split("\n")
    assert gist == f"The teachers never see 1 of the 3 {PETS.name} labels"
    assert details.endswith(": Speech")


def test_the_video_needs_one_sure_segment(teacher):
    weak, sure = [0.0, 0.3, 0, 0, 0], [0.0, 0.4, 0, 0, 0]
    unsure = teacher.predict({"sound": raw(weak, weak)})
    assert decode(unsure).events == ()
    scores = teacher.predict({"sound": raw(weak, sure, weak)})
    assert scores.video_audio[0] == scores.video[0] == 0.5
    assert [(e.label, e.start, e.end) for e in decode(scores)] == [("Dog", 0.0, 3.0)]


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


def test_an_unknown_label_set_is_refused():
    with pytest.raises(UserError, match="llp, ave"):
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
def test_the_threshold_of_a_video_is_above_that_of_a_segment(modality):
    for label_set in LABEL_SETS.values():
        video, segment = thresholds(label_set.labels, modality)
        assert (video > segment).all()


def test_surroundings_equal_the_definition():
    value = np.random.default_rng(0).random((17, 2)).astype(np.float32)
    expected = [value[max(0, t - 5) : t + 6].max(axis=0) for t in range(17)]
    assert np.array_equal(surroundings(value), expected)


def test_what_has_no_counterpart_is_said():
    said = {
        (name, modality): label_set.unmapped(modality)
        for name, label_set in LABEL_SETS.items()
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


@pytest.mark.parametrize("name", LABEL_SETS)
@pytest.mark.parametrize("modality", BOTH)
def test_the_maps_know_no_other_labels(name, modality):
    label_set = LABEL_SETS[name]
    assert set(label_set.classes[modality]) <= set(label_set.labels)


def check_names(extractor):
    names = list(extractor.class_names)
    for label_set in LABEL_SETS.values():
        for label, members in label_set.classes[extractor.modality].items():
            spelled = [name for m in members for name in (m if isinstance(m, Span) else (m,))]
            assert not set(spelled) - set(names), label
            columns = class_indices(members, names)
            assert len(set(columns)) == len(columns) >= len(members), label
    return names


@pytest.mark.network
def test_yamnet_has_every_class_of_the_maps():
    assert len(check_names(YAMNetExtractor())) == 521


@pytest.mark.network
def test_imagenet_has_every_class_of_the_maps():
    names = check_names(EfficientNetLite0Extractor())
    dogs = [names[i] for i in class_indices(LABEL_SETS["llp"].classes["visual"]["Dog"], names)]
    assert len(dogs) == 118
    assert {"beagle", "pug", "Siberian husky"} <= set(dogs)
    assert not {"timber wolf", "African hunting dog", "tabby"} & set(dogs)


@pytest.mark.network
def test_a_chainsaw_is_heard_and_at_times_seen(shared):
    """A real clip of the LLP test split: heard 0-10, seen 0-1, 3-6 and 9-10."""
    teacher = load_teacher("llp")
    assert teacher.streams == {"yamnet": 1024, "efficientnet_lite0": 1280}
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
