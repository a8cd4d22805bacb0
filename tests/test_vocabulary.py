"""Vocabularies as files: what is read, and what is wrong with those that are not."""

import csv

import pytest

from mmpyramid.core import Modality
from mmpyramid.core.errors import UserError
from mmpyramid.teachers import VOCABULARIES, Entry, load_vocabulary, parse_vocabulary
from mmpyramid.teachers.vocabulary import FOLDER

POND = """\
title = "pond"

[birds]
Duck = { heard = ["Duck", "Quack"], seen = ["drake"] }
"Great owl".seen = ["owl"]

[others.Frog]
heard = ["Frog"]
seen = [
    "bullfrog .. tailed frog",
]
"""
PICTURES = ("drake", "owl", "bullfrog", "tree frog", "tailed frog")


def test_labels_stand_in_the_order_of_the_file_and_in_groups(tmp_path):
    path = tmp_path / "pond.toml"
    path.write_text(POND)
    pond = load_vocabulary(path)
    assert pond.title == "pond"
    assert pond.labels == ("Duck", "Great owl", "Frog")
    assert pond.groups == {"birds": ("Duck", "Great owl"), "others": ("Frog",)}
    assert pond.entries["Great owl"] == Entry(seen=("owl",))
    assert pond.unmapped(Modality.AUDIO) == ("Great owl",)
    assert pond.columns(Modality.VISUAL, PICTURES) == [[0], [1], [2, 3, 4]]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('title = "pond"', "", 'mine: expected a line `title = "..."`'),
        ("[birds]", "[birds", "mine to be a vocabulary in TOML: .*line 3"),
        ("[birds]", "", "mine, line 4: expected a table of labels .*'Great owl'|'Duck'"),
        ("seen =", "sene =", "mine, line 4: expected 'Duck' .* unknown field `sene`"),
        ('["drake"]', '"drake"', "mine, line 4: expected 'Duck' .* Expected `array`.*seen"),
        ('["Frog"]', "[7]", r"mine, line 7: expected 'Frog' .* Expected `str`.*heard\[0\]"),
        ('heard = ["Frog"]', "face = true", "line 7: 'Frog' is never heard, so `face`"),
        (
            '["Frog"]',
            '["Frog"]\nseen_if_heard = 0.9',
            "mine, line 7: 'Frog' has both `seen` and `seen_if_heard`",
        ),
        ('["Frog"]', '["Frog"]\nseen_if_heard = 9', "line 7: expected 'Frog' .*<= 1.0"),
        ("others.Frog", "others.Duck", "mine, line 4: the label 'Duck' is there twice"),
    ],
    ids=[
        *("title", "syntax", "group", "field", "kind", "item"),
        *("face", "both", "share", "twice"),
    ],
)
def test_a_file_that_is_none_is_told_with_its_line(old, new, said):
    with pytest.raises(UserError, match=said):
        parse_vocabulary(POND.replace(old, new, 1), "mine")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"owl"', '"owls"', "mine, line 5: the label 'Great owl' names 'owls'.* alike are 'owl'"),
        ("bullfrog ..", "toad ..", "mine, line 7: the label 'Frog' names 'toad'"),
        ("bullfrog .. tailed", "tailed frog .. tree", "line 7: .*`first .. last` in the order"),
    ],
    ids=["class", "end of a span", "order"],
)
def test_a_class_that_is_not_in_the_list_is_told_with_its_label_and_line(old, new, said):
    pond = parse_vocabulary(POND.replace(old, new), "mine")
    with pytest.raises(UserError, match=said):
        pond.columns(Modality.VISUAL, PICTURES)


def test_no_labels_no_file_no_text(tmp_path):
    with pytest.raises(UserError, match="found none"):
        parse_vocabulary('title = "empty"', "mine")
    with pytest.raises(UserError, match=r"everyday, llp, ave.*no file gone\.toml"):
        load_vocabulary("gone.toml")
    with pytest.raises(UserError, match="cannot read"):
        load_vocabulary(tmp_path)
    (tmp_path / "latin.toml").write_bytes(b'title = "\xe9t\xe9"')
    with pytest.raises(UserError, match="UTF-8"):
        load_vocabulary(tmp_path / "latin.toml")


def test_everyday_things_are_in_plain_english_and_in_groups():
    everyday = load_vocabulary("everyday")
    assert 120 <= len(everyday.labels) <= 180
    groups = "animals music vehicles home nature people sports alarms tools"
    assert list(everyday.groups) == groups.split()
    for label, entry in everyday.entries.items():
        assert label[0].isupper(), label
        assert not {*"_,;/"} & {*label}, label
        assert entry.heard or entry.seen, label
    both = [entry for entry in everyday.entries.values() if entry.heard and entry.seen]
    assert len(both) > 60


def test_people_and_what_is_nearly_always_seen_are_alike_in_all_vocabularies():
    """The shares are of seconds in which LLP's validation videos are annotated as audible."""
    shares, faces = {}, set()
    for name in VOCABULARIES:
        for label, entry in load_vocabulary(name).entries.items():
            if entry.seen_if_heard:
                assert shares.setdefault(entry.heard, entry.seen_if_heard) == entry.seen_if_heard
            faces |= {label} if entry.face else set()
    assert shares == {
        ("Blender",): 1.0,
        ("Helicopter",): 0.89,
        ("Baby laughter",): 0.84,
        ("Baby cry, infant cry",): 0.84,
    }
    assert faces == {"Speech", "Singing"}


def test_the_shares_are_those_of_the_annotations(shared):
    def seconds(name):
        with (shared / "data/llp" / name).open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file, delimiter="\t"):
                for second in range(int(row["onset"]), int(row["offset"])):
                    yield row["event_labels"], row["filename"], second

    with (shared / "data/llp/AVVP_val_pd.csv").open(encoding="utf-8", newline="") as file:
        videos = {row["filename"] for row in csv.DictReader(file, delimiter="\t")}
    heard, seen = (
        {each for each in seconds(name) if each[1] in videos}
        for name in ("AVVP_eval_audio.csv", "AVVP_eval_visual.csv")
    )
    for label, entry in load_vocabulary("llp").entries.items():
        if entry.seen_if_heard:
            audible = {each for each in heard if each[0] == label}
            assert entry.seen_if_heard == round(len(audible & seen) / len(audible), 2), label


def test_the_files_are_in_the_package():
    names = {path.name for path in FOLDER.glob("*.toml")}
    assert names == {
        *("everyday.toml", "llp.toml", "ave.toml"),
        *("audioset.toml", "background.toml", "llp_prompts.toml"),
    }
