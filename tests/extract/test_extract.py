"""Extraction of one file and of a corpus: real files, tiny extractors."""

import os
import shutil
import sys
from functools import partial

import numpy as np
import pytest
from tiny_extraction import (
    Bands,
    Corner,
    MeanColor,
    make,
    make_in_parent_only,
    make_otherwise_elsewhere,
)

from media_files import gray, steady, tone, write_media
from mmpyramid.core import Modality
from mmpyramid.core.errors import UserError
from mmpyramid.extract.corpus import ExtractionProgress, extract_corpus
from mmpyramid.extract.embedding import extract_features
from mmpyramid.extract.engines import LocalEngine
from mmpyramid.extract.search import FoundVideos, find_videos
from mmpyramid.media import SegmentReader, View, sampling
from mmpyramid.media.sampling import Sampling
from mmpyramid.store.store import FeatureStore

NAMES = ("mean_color", "bands")


def black(seconds):
    return [(at, gray(0)) for at, _ in steady(10 * seconds)]


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """A clip of three seconds, one without sound, one without picture, a dark and a bad one."""
    folder = tmp_path_factory.mktemp("clips")
    write_media(folder / "both.mp4", steady(30), tone(3_500, 3))
    write_media(folder / "mute.mp4", steady(20))
    (folder / "inner").mkdir()
    write_media(folder / "inner" / "blind.m4a", sound=tone(500, 2))
    write_media(folder / "inner" / "dark.mkv", black(2), tone(500, 2))
    (folder / "bad.mp4").write_bytes(b"not a video")
    (folder / "notes.txt").write_text("no video either")
    return folder


@pytest.fixture
def run(clips, tmp_path):
    """Extract all clips with options and give the summary and the store."""

    def run_it(videos=clips, workers=1, **options):
        options = {"factory": make, "engine": LocalEngine(workers=workers), **options}
        summary = extract_corpus(videos, tmp_path / "store", NAMES, **options)
        return summary, FeatureStore(tmp_path / "store")

    return run_it


def test_features_of_one_file(clips):
    extracted = extract_features(clips / "both.mp4", make(NAMES))
    assert {name: array.shape for name, array in extracted.features.items()} == {
        "mean_color": (3, 3),
        "bands": (3, 8),
    }
    # Frame n is gray n * 8; second k shows frames 10k + 2 and 10k + 7 at its quarters.
    expected = np.array([[(10 * k + 4.5) * 8 / 255] * 3 for k in range(3)])
    np.testing.assert_allclose(extracted.features["mean_color"], expected, atol=0.03)
    assert extracted.features["bands"].argmax(1).tolist() == [3, 3, 3]
    assert extracted.duration == pytest.approx(3, abs=0.1)
    assert (extracted.missing, extracted.notes) == ((), ())


def test_the_batch_does_not_matter(clips):
    by_batch = [extract_features(clips / "both.mp4", make(NAMES), batch=b) for b in (1, 2, 32)]
    for name in NAMES:
        for other in by_batch[1:]:
            np.testing.assert_array_equal(other.features[name], by_batch[0].features[name])


def test_no_more_segments_than_a_batch_are_held(clips):
    sizes = []

    class Sizes(MeanColor):
        def embed(self, segments):
            sizes.append(len(segments))
            return super().embed(segments)

    extract_features(clips / "both.mp4", [Sizes()], batch=2)
    assert sizes == [2, 1]


def test_missing_modalities_are_facts(clips):
    mute = extract_features(clips / "mute.mp4", make(NAMES))
    assert (list(mute.features), mute.missing) == (["mean_color"], (Modality.AUDIO,))
    blind = extract_features(clips / "inner" / "blind.m4a", make(NAMES))
    assert (list(blind.features), blind.missing) == (["bands"], (Modality.VISUAL,))


def test_extractors_share_one_pass(clips, monkeypatch):
    opened = []

    def reader(path, views, **options):
        opened.append(views)
        return SegmentReader(path, views, **options)

    class Twin(MeanColor):
        name = "twin"

    monkeypatch.setattr(sampling, "SegmentReader", reader)
    extractors = [Bands(), MeanColor(), Corner(), Twin()]
    extracted = extract_features(clips / "both.mp4", extractors)
    assert opened == [(View(2, (16, 12)), View(4, (20, 20)))]
    assert {len(array) for array in extracted.features.values()} == {3}
    np.testing.assert_array_equal(extracted.features["twin"], extracted.features["mean_color"])
    for extractor in extractors[1:]:
        alone = extract_features(clips / "both.mp4", [Bands(), extractor])
        np.testing.assert_array_equal(
            alone.features[extractor.name], extracted.features[extractor.name]
        )


def test_published_sampling_gives_ten_segments(clips):
    class Stretched(Corner):
        frames_per_segment = 8
        sampling = Sampling.PUBLISHED

    extracted = extract_features(clips / "both.mp4", [Stretched()])
    assert extracted.features["corner"].shape == (10, 3)
    with pytest.raises(UserError, match="all of one sampling; got published and seconds"):
        extract_features(clips / "both.mp4", [Stretched(), Bands()])


def test_progress_counts_segments(clips):
    seen = []
    extractors = [Bands(), MeanColor(), Corner()]
    extract_features(
        clips / "both.mp4", extractors, batch=2, on_progress=lambda *told: seen.append(told)
    )
    assert seen == [(2, 3), (3, 3)]


def test_progress_does_not_promise_what_the_header_does_not(clips, tmp_path):
    seen = []
    unending = tmp_path / "live.mkv"
    write_media(unending, steady(30), options={"live": "1"})
    extract_features(unending, [MeanColor()], batch=2, on_progress=lambda *told: seen.append(told))
    assert seen == [(2, None), (3, None)]


@pytest.mark.parametrize(("name", "options"), [("told.mp4", {}), ("live.mkv", {"live": "1"})])
def test_longer_files_than_asked_for_are_refused(name, options, tmp_path):
    seen = []
    path = write_media(tmp_path / name, steady(50), options=options)

    def extract_at_most(seconds):
        extract_features(
            path,
            [MeanColor()],
            batch=1,
            max_seconds=seconds,
            on_progress=lambda *told: seen.append(told),
        )

    with pytest.raises(UserError, match=r"at most 3\.5 s .* has [345]\.\d s or more"):
        extract_at_most(3.5)
    assert len(seen) == 3, "what is read counts, and not what the header tells"
    extract_at_most(5)


def test_what_progress_raises_ends_the_extraction(clips):
    seen = []

    def stop(done, total):
        seen.append(done)
        raise UserError("too long")

    with pytest.raises(UserError, match="too long"):
        extract_features(clips / "both.mp4", [MeanColor()], batch=1, on_progress=stop)
    assert seen == [1]


def test_errors_of_one_file(clips):
    with pytest.raises(UserError, match="at least one extractor"):
        extract_features(clips / "both.mp4", [])
    with pytest.raises(UserError, match="mute"):
        extract_features(clips / "mute.mp4", [Bands()])
    with pytest.raises(UserError, match="absent"):
        extract_features(clips / "absent.mp4", make(NAMES))


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.slow
def test_a_corpus_is_extracted_and_the_bad_file_reported(clips, run, workers):
    seen = []
    summary, store = run(workers=workers, on_progress=seen.append)
    assert (summary.done, summary.skipped, list(summary.failed)) == (4, 0, ["bad"])
    assert "bad.mp4" in summary.failed["bad"]
    assert store.failures == summary.failed
    assert sorted(store.ids) == ["blind", "both", "dark", "mute"]
    assert store.info("mute").missing == (Modality.AUDIO,)
    for video_id, path in find_videos(clips).items():
        if video_id != "bad":
            expected = extract_features(path, make(NAMES))
            found = store.read(video_id)
            assert found.features.keys() == expected.features.keys()
            for name, array in expected.features.items():
                assert found.features[name].tobytes() == array.tobytes()
            assert found.duration == expected.duration
    assert [(p.completed, p.total) for p in seen] == [(n, 5) for n in range(1, 6)]
    assert [p.video_id for p in seen if p.error] == ["bad"]


def test_a_second_run_has_nothing_to_do(run):
    run()
    seen = []
    summary, _ = run(on_progress=seen.append)
    assert (summary.done, summary.skipped, list(summary.failed), seen) == (0, 4, ["bad"], [])


def test_failed_videos_are_tried_again_when_asked(clips, run, tmp_path):
    shutil.copytree(clips, tmp_path / "copy")
    run(tmp_path / "copy")
    shutil.copy(clips / "both.mp4", tmp_path / "copy" / "bad.mp4")
    assert run(tmp_path / "copy")[0].done == 0
    seen = []
    summary, store = run(tmp_path / "copy", retry_failed=True, on_progress=seen.append)
    assert seen == [ExtractionProgress(1, 1, "bad", None)]
    assert (summary.done, summary.skipped, dict(summary.failed)) == (1, 4, {})
    assert store.failures == {}


def test_unusable_features_fail_one_video_only(run):
    summary, store = run(factory=partial(make, on_black="nan"))
    assert sorted(summary.failed) == ["bad", "dark"]
    assert "NaN or infinite values: 1 (mean_color of dark)" in summary.failed["dark"]
    assert "dark" not in store


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.slow
def test_an_unforeseen_error_fails_one_video_only(run, workers):
    summary, _ = run(factory=partial(make, on_black="surprise"), workers=workers)
    assert summary.failed["dark"] == "IndexError: surprise"
    assert summary.done == 3


def test_workers_must_compute_as_the_program_says(run):
    factory = partial(make_otherwise_elsewhere, here=os.getpid())
    with pytest.raises(UserError, match="precision of mean_color is float32 and not bfloat16"):
        run(factory=factory, workers=2)


@pytest.mark.slow
def test_a_crashing_process_fails_one_video_only(run):
    summary, store = run(factory=partial(make, on_black="die"), workers=2)
    assert "died (signal 9)" in summary.failed["dark"]
    assert sorted(store.ids) == ["blind", "both", "mute"]


@pytest.mark.slow
def test_workers_that_cannot_start_stop_the_run(run):
    with pytest.raises(RuntimeError, match=r"a worker could not start \(exit code 1\)"):
        run(factory=partial(make_in_parent_only, parent=os.getpid()), workers=2)


def test_a_file_of_several_ids_is_refused_before_any_work(clips, tmp_path):
    path = next(iter(find_videos(clips).values()))
    with pytest.raises(UserError, match=r"expected each file once, got .* as a and as b"):
        extract_corpus(FoundVideos(paths={"a": path, "b": path}), tmp_path / "store")
    assert not (tmp_path / "store").exists()


def test_other_backbones_are_refused_before_any_work(clips, run, tmp_path):
    run()
    log = tmp_path / "log"
    with pytest.raises(UserError, match="corner is new"):
        extract_corpus(
            clips, tmp_path / "store", ("corner", "bands"), factory=partial(make, log=log)
        )
    assert not log.exists()


def test_videos_are_found_by_file_folder_pattern_or_list(clips):
    everything = {"bad", "blind", "both", "dark", "mute"}
    assert find_videos(clips).keys() == everything
    assert find_videos(str(clips / "**" / "*.m*")).keys() == everything
    assert find_videos([clips / "both.mp4", clips / "m*.mp4"]).keys() == {"both", "mute"}
    assert find_videos([clips, clips / "both.mp4"]).keys() == everything
    assert find_videos(clips / "notes.txt").keys() == {"notes"}


def test_folders_named_like_videos_and_links_in_a_circle(clips, tmp_path):
    (tmp_path / "folder.mp4").mkdir()
    (tmp_path / "circle.mp4").symlink_to("circle.mp4")
    (tmp_path / "link.mp4").symlink_to(clips / "both.mp4")
    assert find_videos(tmp_path).keys() == {"circle", "link"}
    assert find_videos(tmp_path / "*").keys() == {"circle", "link"}
    assert find_videos([tmp_path, tmp_path / "link.mp4"]).keys() == {"circle", "link"}


@pytest.mark.skipif(sys.version_info >= (3, 13), reason="from there on every pattern is one")
def test_what_is_no_pattern_is_told():
    with pytest.raises(UserError, match=r"got .*\*\*\.mp4: Invalid pattern"):
        find_videos("clips/**.mp4")


def test_what_is_not_found_and_what_clashes_is_told_together(clips, tmp_path):
    shutil.copy(clips / "mute.mp4", tmp_path / "both.mov")
    with pytest.raises(UserError) as caught:
        find_videos([clips, tmp_path, "nowhere/*.mp4", "absent.mp4"])
    assert "video or sound files: 2 (nowhere/*.mp4, absent.mp4)" in str(caught.value)
    assert f"suffix only: 1 ({clips / 'both.mp4'}, {tmp_path / 'both.mov'})" in str(caught.value)
    with pytest.raises(UserError, match="none given"):
        find_videos([])
