"""Mistakes in files that people typed are told with their line and what was expected."""

import pytest

from mmpyramid.core.errors import UserError
from mmpyramid.render import READERS, encode, read_timeline

HEAD = "label,modality,start,end,score\n"
CSV = {
    "semicolons": ("label;modality;start;end\nDog;audio;1;2\n", "line 1: expected the columns"),
    "no header": ("Dog,audio,1,2\n", "separated by commas; label, modality, start, end not found"),
    "empty": ("", "not found in: an empty file"),
    "decimal comma": (f'{HEAD}Dog,audio,"1,5",2,1\n', "line 2: expected a number as start"),
    "cell too few": (f"{HEAD}Dog,audio,1,2,1\nDog,audio,1,2\n", "line 3: expected 5 cells"),
    "cell too many": (f"{HEAD}Dog,audio,1,5,2,1\n", "line 2: expected 5 cells"),
    "backwards": (f"{HEAD}Dog,audio,2,1,1\n", "line 2: an event needs 0 <= start < end"),
    "before": (f"{HEAD}Dog,audio,-2,1,1\n", "line 2: an event needs 0 <= start < end"),
    "underscore": (f"{HEAD}Dog,audio,1_0,20,1\n", "line 2: expected a number as start, such as"),
    "digits of another script": (f"{HEAD}Dog,audio,１,2,1\n", "line 2: expected a number as start"),
    "endless": (f"{HEAD}Dog,audio,2,inf,1\n", "line 2: an event needs 0 <= start < end"),
    "score": (f"{HEAD}Dog,audio,1,2,81\n", "line 2: an event's score lies within 0..1, got 81"),
    "modality": (f"{HEAD}Dog,sound,1,2,1\n", "line 2: expected a modality out of audio, visual"),
    "label": (f"{HEAD},audio,1,2,1\n", "line 2: expected the label of an event, got none"),
    "endless cell": (
        f'{HEAD}"{"x" * 200_000}',
        "line 2: expected cells, but reading failed (field larger",
    ),
    "after a long label": (
        f'{HEAD}"A\nB",audio,1,2,1\nA,audio,1,x,1\n',
        "line 4: expected a number as end",
    ),
}
TSV = {
    "spaces": ("onset offset event_label\n", "separated by tabs; onset, offset, event_label not"),
    "two files": (
        "filename\tonset\toffset\tevent_label\na.wav\t1\t2\tDog\nb.wav\t1\t2\tDog\n",
        "expected the events of one file, got those of 2: a.wav, b.wav",
    ),
}
LABELS = {
    "terminal view": ("clip.mp4  0:10\n", "line 1: expected the label of an Audacity track"),
    "point": ("1.0\t2.0\tDog\n3.0\t3.0\tDog\n", "line 2: expected a label over a region"),
    "modality": ("1.0\t2.0\tDog [audo]\n", "line 1: expected a modality out of audio, visual"),
    "no text": ("1.0\t2.0\t\n", "line 1: expected the label of an event, got none"),
}
CASES = [
    pytest.param(f"clip.{suffix}", text, told, id=f"{suffix}: {name}")
    for suffix, cases in {"csv": CSV, "tsv": TSV, "labels.txt": LABELS}.items()
    for name, (text, told) in cases.items()
]


@pytest.mark.parametrize(("name", "text", "told"), CASES)
def test_a_mistake_is_told_with_its_line(name, text, told, tmp_path):
    (tmp_path / name).write_text(text)
    with pytest.raises(UserError) as error:
        read_timeline(tmp_path / name)
    assert str(error.value).startswith(f"cannot read {tmp_path / name}: ")
    assert told in str(error.value)


ELAN = {
    "xml": ("<TIER", "<TIER <", "got text that is not XML"),
    "root": ("ANNOTATION_DOCUMENT", "ANNOTATIONS", "XML whose root is <ANNOTATIONS>"),
    "tier": ('"audio"', '"sound"', "annotations in the tier 'sound'; rename or delete it"),
    "label": ("VALUE>Dog<", "VALUE>Dgo<", "did you mean 'Dog'?"),
    "score": ("VALUE>0.81<", "VALUE>high<", "tier 'audio' at 0:02: expected a number as score"),
    "reference": (
        'ANNOTATION_REF="a2"',
        'ANNOTATION_REF="a9999"',
        "missing or is no number ('a9999')",
    ),
    "time slot": ('TIME_SLOT_ID="ts2"', 'TIME_SLOT_ID="ts999"', "missing or is no number ('ts2')"),
    "no time": ('TIME_VALUE="9000"', "", "missing or is no number"),
    "no number": ('TIME_VALUE="9000"', 'TIME_VALUE="nine"', "missing or is no number"),
    "attribute": (' TIER_ID="audio"', "", "missing or is no number ('TIER_ID')"),
    "times": ('"9000"', '"100"', "tier 'audio' at 0:02: an event needs 0 <= start < end"),
}


@pytest.mark.parametrize(("old", "new", "told"), ELAN.values(), ids=ELAN)
def test_a_mistake_in_a_document_is_told_with_its_place(old, new, told, short, tmp_path):
    text = encode(short, "eaf").decode()
    assert old in text
    (tmp_path / "clip.eaf").write_text(text.replace(old, new))
    with pytest.raises(UserError, match=r"clip\.eaf: ") as error:
        read_timeline(tmp_path / "clip.eaf")
    assert told in str(error.value)


@pytest.mark.parametrize("suffix", READERS)
def test_a_file_that_cannot_be_read(suffix, tmp_path):
    path = tmp_path / f"clip.{suffix}"
    with pytest.raises(UserError, match=r"cannot read .*: No such file"):
        read_timeline(path)
    path.write_bytes("\xe9".encode("latin-1"))
    with pytest.raises(UserError, match=r"line 1: expected text in UTF-8.* save it as UTF-8"):
        read_timeline(path)
