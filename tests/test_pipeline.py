"""The whole corridor: files in, timelines out, with the teachers and with a trained network."""

from pathlib import Path

import numpy as np
import psutil
import pytest
import torch

import media_files
from mmpyramid import parse
from mmpyramid.core import Modality, Timeline
from mmpyramid.core.errors import UserError
from mmpyramid.core.labels import LLP_LABELS
from mmpyramid.extract.decoding import Decoding, Limits
from mmpyramid.models import (
    MMPyramid,
    MMPyramidAVE,
    MMPyramidAVEConfig,
    MMPyramidConfig,
    save_pretrained,
)
from mmpyramid.pipeline import Pipeline
from mmpyramid.problems import Decoder
from mmpyramid.teachers import load_vocabulary

OPEN = {"audio_streams": {"yamnet": 1024}, "visual_streams": {"efficientnet_lite0": 1280}}
LABELS = ("Dog", "Cat")


def saved(folder: Path, **settings: object) -> Path:
    torch.manual_seed(0)
    network = MMPyramid(MMPyramidConfig(labels=LABELS, width=16, **settings))
    return save_pretrained(network, folder)


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory) -> Pipeline:
    return Pipeline(saved(tmp_path_factory.mktemp("model"), **OPEN))


@pytest.mark.network
def test_the_teachers_parse_a_video(tmp_path):
    sound = media_files.tone(440, 3.0)
    path = media_files.write_media(tmp_path / "clip.mp4", media_files.steady(30), sound)
    timeline = parse(path)
    assert timeline.duration == pytest.approx(3.0, abs=0.1)
    assert timeline.labels == load_vocabulary("everyday").labels
    assert timeline.model == "teachers"
    assert timeline.missing == ()
    assert timeline.notes, "what the teachers can never find is said"
    assert Timeline.from_json(timeline.to_json()) == timeline


@pytest.mark.network
def test_the_teachers_take_a_vocabulary(tmp_path):
    own = tmp_path / "pond.toml"
    own.write_text('title = "pond"\n[birds]\nDuck = { heard = ["Duck"], seen = ["drake"] }\n')
    benchmark, pond = Pipeline(vocabulary="llp"), Pipeline(vocabulary=own)
    assert (benchmark.name, benchmark.scorer.labels) == ("teachers-llp", LLP_LABELS)
    assert (pond.name, pond.scorer.labels) == ("teachers-pond", ("Duck",))
    assert Pipeline("teachers-llp").scorer.labels == LLP_LABELS
    assert (benchmark.sought, pond.sought) == ("25 LLP sounds and things", "1 pond sound or thing")
    with pytest.raises(UserError, match="`ave` for `teachers-llp`"):
        Pipeline("teachers-llp", vocabulary="ave")
    own.write_text(own.read_text().replace("drake", "drakes"))
    with pytest.raises(UserError, match=r"pond\.toml, line 3: the label 'Duck' names 'drakes'"):
        Pipeline(vocabulary=own)


def test_a_vocabulary_is_not_for_networks(tmp_path):
    with pytest.raises(UserError, match="got `llp` for"):
        Pipeline(saved(tmp_path / "model", **OPEN), vocabulary="llp")


def test_a_network_tells_only_what_it_was_trained_to_see(tmp_path):
    model = saved(tmp_path / "model", **OPEN)
    with pytest.raises(UserError, match=r"expected the model `teachers` to infer.*--infer-seen"):
        Pipeline(model, infer_seen=True)
    pipeline = Pipeline(model)
    assert pipeline.sought == f"the {len(pipeline.scorer.labels)} labels of {model}"


@pytest.mark.network
def test_sensitivity_moves_all_thresholds_together(pipeline):
    own = Pipeline(pipeline.name, sensitivity=0.8, decoder=Decoder(max_gap=1))
    assert own.decoder.threshold == own.decoder.video_threshold == pytest.approx(0.2)
    assert own.decoder.max_gap == 1
    with pytest.raises(UserError, match="got both"):
        Pipeline(pipeline.name, sensitivity=0.8, decoder=Decoder(threshold=0.3))
    with pytest.raises(UserError, match=r"`sensitivity` within 0\.\.1, got 50"):
        Pipeline(pipeline.name, sensitivity=50)


@pytest.mark.network
def test_steps_are_reported_in_order(pipeline, tmp_path):
    path = media_files.write_media(tmp_path / "clip.mp4", media_files.steady(10))
    steps = []
    own = Pipeline(pipeline.name, hook=steps.append)
    own(path)
    own(path)
    assert steps == ["load", *(["extract", "score", "decode"] * 2)]


@pytest.mark.network
def test_one_run_has_a_decoder_hook_and_progress_of_its_own(pipeline, tmp_path):
    sound = media_files.tone(440, 3.0)
    path = media_files.write_media(tmp_path / "clip.mp4", media_files.steady(30), sound)
    steps, seen = [], []
    parsed = pipeline.run(
        path,
        decoder=Decoder(threshold=0.0, video_threshold=0.0),
        hook=steps.append,
        on_progress=lambda *told: seen.append(told),
    )
    assert (steps, seen) == (["extract", "score", "decode"], [(3, 3)])
    assert sum(event.duration for event in parsed.timeline) == pytest.approx(18.0, abs=0.3)
    assert pipeline.decoder.threshold == 0.5


@pytest.mark.network
def test_deciding_again_equals_deciding_so_at_first(tmp_path):
    own = Pipeline(saved(tmp_path / "model", gate="per_modality", **OPEN))
    path = media_files.write_media(
        tmp_path / "clip.mp4", media_files.steady(30), media_files.tone(440, 3.0)
    )
    parsed = own.run(path)
    for decoder in (Decoder(threshold=0.4, video_threshold=0.4), Decoder(gate="none")):
        again = parsed.decode_again(decoder)
        at_first = own.run(path, decoder=decoder)
        assert (again.timeline, again.decoder) == (at_first.timeline, at_first.decoder)
        assert again.scores is parsed.scores
    assert len({parsed.decode_again(Decoder(threshold=x)).timeline for x in (0.0, 1.0)}) == 2


@pytest.mark.slow
@pytest.mark.network
def test_a_trained_network_reads_a_long_video(pipeline, tmp_path):
    sound = media_files.tone(440, 25.0)
    path = media_files.write_media(tmp_path / "long.mp4", media_files.steady(250), sound)
    parsed = pipeline.run(path)
    assert parsed.features["yamnet"].shape == (25, 1024)
    assert parsed.features["efficientnet_lite0"].shape == (25, 1280)
    assert parsed.scores.local_video.shape == (25, len(LABELS))
    assert parsed.scores.local_video.max(0) == pytest.approx(parsed.scores.video)
    assert parsed.timeline.labels == LABELS
    assert parsed.timeline.source == str(path)
    assert all(0 <= event.start < event.end <= 25.1 for event in parsed.timeline)


@pytest.mark.network
@pytest.mark.parametrize("missing", [Modality.VISUAL, Modality.AUDIO])
def test_a_missing_modality_is_a_stated_fact(missing, pipeline, tmp_path):
    frames = [] if missing == Modality.VISUAL else media_files.steady(30)
    sound = None if missing == Modality.AUDIO else media_files.tone(440, 3.0)
    parsed = pipeline.run(media_files.write_media(tmp_path / "clip.mp4", frames, sound))
    assert parsed.timeline.missing == (missing,)
    assert not getattr(parsed.scores, missing).any()
    heard_or_seen = {event.modality for event in parsed.timeline}
    assert not heard_or_seen & {missing, Modality.AUDIO_VISUAL}
    assert np.isfinite(parsed.scores.video).all()


@pytest.mark.network
def test_a_file_that_is_no_video_is_refused(pipeline, tmp_path):
    (tmp_path / "noise.mp4").write_bytes(np.random.default_rng(0).bytes(4096))
    with pytest.raises(UserError, match=r"noise\.mp4"):
        pipeline(tmp_path / "noise.mp4")


def test_a_network_on_streams_that_cannot_be_extracted_is_refused(tmp_path):
    folder = saved(tmp_path, audio_streams={"wav2vec": 512})
    with pytest.raises(UserError, match="wav2vec, which this version cannot extract"):
        Pipeline(folder)


def test_a_pipeline_that_cannot_be_made_leaves_no_process_behind(tmp_path):
    before = psutil.Process().children()
    with pytest.raises(UserError) as caught:
        Pipeline(tmp_path, limits=Limits())
    assert psutil.Process().children() == before
    assert str(tmp_path) in str(caught.value)


class TakenMeanwhile(list):
    """Another thread takes what there is as soon as this one has looked."""

    def __bool__(self) -> bool:
        is_there = len(self) > 0
        self.clear()
        return is_there


def test_two_threads_never_wait_for_the_same_decoder(pipeline, tmp_path, monkeypatch):
    path = media_files.write_media(tmp_path / "clip.mp4", media_files.steady(20), None)
    monkeypatch.setattr(pipeline, "limits", Limits())
    monkeypatch.setattr(pipeline, "_idle", TakenMeanwhile([Decoding(Limits())]))
    assert pipeline(path).duration == pytest.approx(2.0, abs=0.1)
    pipeline.close()


def test_weights_that_cannot_be_had_are_named(tmp_path, monkeypatch):
    monkeypatch.setenv("MMPYRAMID_CACHE", str(tmp_path))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    with pytest.raises(UserError, match=r"fetch https://.*/vggish-10086976\.pth"):
        Pipeline(saved(tmp_path / "model"))


@pytest.mark.slow
@pytest.mark.network
def test_a_localization_network_gives_events_that_are_heard_and_seen(tmp_path):
    torch.manual_seed(1)
    network = MMPyramidAVE(MMPyramidAVEConfig(labels=LABELS, width=16, map_size=None, **OPEN))
    with torch.no_grad():
        network.relevance.bias.fill_(9)  # Untrained, it would find nothing worth a timeline.
    pipeline = Pipeline(save_pretrained(network, tmp_path / "model"))
    sound = media_files.tone(440, 12.0)
    both = media_files.write_media(tmp_path / "both.mp4", media_files.steady(120), sound)
    timeline = pipeline(both)
    assert timeline.labels == LABELS
    assert {event.modality for event in timeline} == {Modality.AUDIO_VISUAL}
    assert sum(event.duration for event in timeline) == pytest.approx(12.0, abs=0.1)
    assert len(timeline.unit_weights[0]) == 4
    silent = media_files.write_media(tmp_path / "silent.mp4", media_files.steady(30))
    assert len(pipeline(silent)) == 0
    assert list(pipeline.stream(silent)) == []


@pytest.mark.slow
def test_a_stream_gives_the_events_of_the_whole_video(pipeline, tmp_path):
    sound = media_files.tone(440, 20.0)  # silence follows
    video = media_files.write_media(tmp_path / "long.mp4", media_files.steady(500), sound)
    decoder = Decoder(threshold=0.4)
    whole = pipeline.run(video, decoder=decoder).timeline.events
    streamed = list(pipeline.stream(video, decoder=decoder))
    assert len(streamed) == len(whole) > 0
    assert {(e.start, e.end, e.label, e.modality) for e in streamed} == {
        (e.start, e.end, e.label, e.modality) for e in whole
    }
