"""Libraries that we do not write with read our files back."""

import csv
import io
import itertools
from datetime import timedelta
from xml.etree import ElementTree as ET

import av
import pysubs2
import pytest
import srt
import webvtt
from hypothesis import given
from markdown_it import MarkdownIt
from pympi.Elan import Eaf

from mmpyramid.core import Event, Modality, Timeline
from mmpyramid.core.wording import title_of
from mmpyramid.formats.elan import VOCABULARY
from mmpyramid.formats.rows import to_ticks
from mmpyramid.render import encode, read_timeline, to_elan, to_markdown, to_srt, to_tsv, to_vtt
from render.drawn_timelines import PRINTABLE, timelines


def texts(timeline: Timeline) -> list[str]:
    words = {"audio": "audible", "visual": "visible", "audio_visual": "audible and visible"}
    return [f"[{words[event.modality]}] {title_of(event.label)}" for event in timeline]


@given(timelines(1_000))
def test_pysubs2_finds_every_caption_at_its_time(timeline):
    for suffix, text in {"vtt": to_vtt(timeline), "srt": to_srt(timeline)}.items():
        found = pysubs2.SSAFile.from_string(text or "\n", format_=suffix)
        times = [(line.start, line.end) for line in found]
        assert times == [to_ticks(event, 1_000) for event in timeline]


@given(timelines(1_000))
def test_srt_reads_the_texts_as_they_are(timeline):
    found = list(srt.parse(to_srt(timeline)))
    assert [subtitle.content for subtitle in found] == [text.strip() for text in texts(timeline)]
    assert [subtitle.start for subtitle in found] == [timedelta(seconds=e.start) for e in timeline]


@given(timelines(1_000))
def test_webvtt_reads_strictly_and_unescapes(timeline):
    found = webvtt.from_string(to_vtt(timeline), strict=True)
    assert [caption.raw_text.count("<") for caption in found] == [0] * len(timeline)
    assert len(found) == len(timeline)


def test_pympi_finds_tiers_labels_and_the_video(short, tmp_path):
    (tmp_path / "clip.eaf").write_bytes(encode(short, "eaf"))
    eaf = Eaf(tmp_path / "clip.eaf")
    assert eaf.get_annotation_data_for_tier("audio") == [(2000, 9000, "Dog")]
    assert eaf.get_annotation_data_for_tier("visual") == [
        (0, 2000, "Frying_(food)"),
        (4000, 10_000, "Dog"),
    ]
    assert eaf.get_ref_annotation_data_for_tier("audio score") == [(2000, 9000, "0.81", "Dog")]
    assert eaf.get_linked_files()[0]["MEDIA_URL"] == "./clips/dog.mp4"
    entries = eaf.get_cv_entries(VOCABULARY).values()
    assert tuple(values[0][0] for values, _ in entries) == short.labels


@given(timelines(1_000, PRINTABLE))
def test_annotations_of_one_tier_never_overlap(timeline):
    root = ET.fromstring(to_elan(timeline))
    times = {
        slot.get("TIME_SLOT_ID"): int(slot.get("TIME_VALUE")) for slot in root.iter("TIME_SLOT")
    }
    for tier in root.iter("TIER"):
        spans = [
            (times[a.get("TIME_SLOT_REF1")], times[a.get("TIME_SLOT_REF2")])
            for a in tier.iter("ALIGNABLE_ANNOTATION")
        ]
        assert all(end <= start for (_, end), (start, _) in itertools.pairwise(spans))


@given(timelines(1_000))
def test_a_markdown_table_has_the_cells_as_text(timeline):
    tokens = MarkdownIt("gfm-like", {"linkify": False}).parse(to_markdown(timeline))
    cells = [
        "".join(child.content for child in token.children)
        for token, opened in zip(tokens[1:], tokens, strict=False)
        if opened.type == "td_open"
    ]
    assert len(cells) == 5 * len(timeline)
    assert cells[3::5] == [title_of(event.label).strip() for event in timeline]


def test_a_table_of_sound_events_has_the_columns_of_dcase(short):
    rows = list(csv.DictReader(io.StringIO(to_tsv(short.of(Modality.AUDIO))), delimiter="\t"))
    assert {(row["filename"], row["event_label"]) for row in rows} == {("dog.mp4", "Dog")}
    assert [(float(row["onset"]), float(row["offset"])) for row in rows] == [(2.0, 9.0)]


def test_what_another_program_changes_in_a_document_comes_back(short, tmp_path):
    path = tmp_path / "clip.eaf"
    path.write_bytes(encode(short, "eaf"))
    eaf = Eaf(path)
    eaf.remove_ref_annotation("visual score", 1000)
    eaf.remove_annotation("visual", 1000)
    eaf.add_cv_entry(VOCABULARY, "added", [("Rooster", "und", None)])
    eaf.add_annotation("audio", 9000, 9500, "Rooster")
    eaf.add_tier("comments")
    eaf.to_file(path)
    corrected = read_timeline(path)
    rooster = Event(9.0, 9.5, "Rooster", Modality.AUDIO, 1.0)
    kept = [event for event in short if event.label == "Dog"]
    assert corrected.events == tuple(sorted([*kept, rooster]))
    assert corrected.labels == (*short.labels, "Rooster")
    assert (corrected.source, corrected.model) == (short.source, short.model)


def test_what_an_editor_of_subtitles_saves_is_what_we_wrote(short):
    subtitles = pysubs2.SSAFile.from_string(to_srt(short), format_="srt")
    assert subtitles.to_string("srt").split() == to_srt(short).split()


@pytest.mark.parametrize("suffix", ["vtt", "srt"])
def test_ffmpeg_reads_captions_as_players_do(suffix, short, tmp_path):
    path = tmp_path / f"clip.{suffix}"
    path.write_bytes(encode(short, suffix))
    with av.open(str(path)) as container:
        cues = [
            (cue.pts * cue.time_base, (cue.pts + cue.duration) * cue.time_base, bytes(cue).decode())
            for cue in container.demux()
            if cue.size
        ]
    spans = [(event.start, event.end) for event in short]
    assert cues == [(*span, text) for span, text in zip(spans, texts(short), strict=True)]
