"""Annotations in any encoding are read; those that cannot be are told in one paragraph."""

import numpy as np
import pytest

from mmpyramid.core.errors import UserError
from mmpyramid.datasets.ave import read_ave
from mmpyramid.datasets.llp import AUDIO_FILE, VISUAL_FILE, WEAK_FILES, read_llp

TEST = WEAK_FILES["test"]
FILES = {
    TEST: "filename\tevent_labels\nab_cdefghij_0_10\tDog\n",
    AUDIO_FILE: "filename\tonset\toffset\tevent_labels\nab_cdefghij_0_10\t1\t4\tDog\n",
    VISUAL_FILE: "filename\tonset\toffset\tevent_labels\n",
    "labels.txt": "Dog\nCat\n",
}
ROW, EVENT = "\nab_cdefghij_0_10\t", "\nab_cdefghij_0_10\t1\t4\tDog"


@pytest.fixture
def llp(tmp_path):
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    return tmp_path


def test_unicode_text_of_a_spreadsheet_is_read(llp):
    expected = read_llp(llp, "test").audio
    for name, text in FILES.items():
        (llp / name).write_bytes(text.replace("\n", "\r\n").encode("utf-16"))
    assert np.array_equal(read_llp(llp, "test").audio, expected)


@pytest.mark.parametrize(
    ("file", "old", "new", "told"),
    [
        (TEST, "_0_10", "_0_99999999999", "clips of more than a day: 1"),
        (TEST, "_0_10", "_0_3000000", "clips of more than a day: 1"),
        (TEST, "_0_10", f"_0_{'9' * 250}", "names that cannot be|clips of more than a day: 1"),
        (TEST, "_0_10", f"_0_{'9' * 5000}", "names that cannot be those of files: 1"),
        (TEST, "ab_c", "ab\0c", r"AVVP_test_pd.csv: line 2: expected text, got a NUL"),
        (AUDIO_FILE, "\t4\t", f"\t{'9' * 30}\t", "times that are not whole seconds: 1"),
        (AUDIO_FILE, "\t4\t", f"\t{'9' * 5000}\t", "times that are not whole seconds: 1"),
        (AUDIO_FILE, "\t4\t", "\t100000\t", "times beyond a day: 1"),
        (AUDIO_FILE, "\t4\t", "\t²\t", "times that are not whole seconds: 1"),
        (AUDIO_FILE, "\t4\t", "\t١\t", "times that are not whole seconds: 1"),
        (AUDIO_FILE, EVENT, f'\n"{EVENT}', "line 2: expected cells.*is a quote left open"),
        (AUDIO_FILE, "ab_c", "A" * 200_000, "line 2: expected cells.*field larger"),
        (AUDIO_FILE, "ab_c", "A" * 100_000, "line 2: expected at most 65,536 characters"),
        ("labels.txt", "Cat", "Dog", "expected every class once .* got 'Dog' at lines 1 and 2"),
        ("labels.txt", "Cat", "A" * 1_000_000, "got 1,000,000 characters at line 2"),
        ("labels.txt", "Cat", "\n".join(map(str, range(20_000))), "at most 10,000 classes"),
        ("labels.txt", "Cat", "\0", "labels.txt: line 2: expected text, got a NUL"),
    ],
)
def test_what_no_table_should_hold_is_told(llp, file, old, new, told):
    (llp / file).write_text(FILES[file].replace(old, new))
    with pytest.raises(UserError, match=told) as caught:
        read_llp(llp, "test")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 1000


def test_labels_take_no_more_memory_than_a_corpus_should(llp):
    (llp / "labels.txt").write_text("\n".join(["Dog", *map(str, range(2000))]))
    rows = "".join(f"long{number}_0_86400\tDog\n" for number in range(60))
    (llp / TEST).write_text(f"filename\tevent_labels\n{rows}")
    with pytest.raises(UserError, match="expected labels of at most 8 GiB, but 60 videos"):
        read_llp(llp, "test")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("Bark&été&good&0&10\n".encode("latin-1"), r"Annotations.txt: line 1: .*save it as UTF-8"),
        (b"Bark&ab&good&0&" + b"9" * 5000 + b"\n", "times that are not whole seconds: 1"),
        (b"Bark&ab&good&0&\xc2\xb2\n", "times that are not whole seconds: 1"),
        (b"Bark&ab&good&0&10\n\0\n", "line 2: expected text, got a NUL"),
        (b"Bark&" * 300_000, "line 1: expected at most 1,048,576 characters"),
    ],
)
def test_annotations_of_ave(tmp_path, content, told):
    (tmp_path / "Annotations.txt").write_bytes(content)
    with pytest.raises(UserError, match=told):
        read_ave(tmp_path, "test")


def test_annotations_of_ave_in_utf_16(tmp_path):
    (tmp_path / "Annotations.txt").write_bytes("Bark&ab&good&0&10\r\n".encode("utf-16"))
    with pytest.raises(UserError, match="missing files: 1") as caught:
        read_ave(tmp_path, "test")
    assert "at line" not in str(caught.value)
