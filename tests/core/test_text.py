"""Text of other people's is read, or refused with the line and what to do."""

import codecs
import os
from typing import Any

import pytest

from mmpyramid.core.errors import UserError
from mmpyramid.core.text import (
    BYTE_ORDER_MARKS,
    LONGEST_CELL,
    LONGEST_LINE,
    decode,
    from_json,
    lines_of,
    read_list,
    read_table,
    read_text,
    table_of,
    whole_number,
)

TABLE = "name\tlabel\nété\tHündin\n"


@pytest.mark.parametrize("mark", [b"", *BYTE_ORDER_MARKS], ids=lambda mark: mark.hex() or "none")
def test_a_byte_order_mark_tells_the_encoding(mark):
    encoding = BYTE_ORDER_MARKS.get(mark, "utf-8")
    assert decode(mark + TABLE.encode(encoding)) == TABLE


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (TABLE.encode("latin-1"), "line 2: expected text in UTF-8, got the bytes e9"),
        (TABLE.encode("utf-16-le"), "line 2: expected text in UTF-8"),
        ("name\tlabel\n".encode("utf-16-be"), "line 1: expected text, got a NUL"),
        (codecs.BOM_UTF16_LE + b"a\0\n\0b\0\n\0\x00\xd8", "line 3: expected text in UTF-16-LE"),
        (b"name\n\0\0\n", "line 2: expected text, got a NUL"),
    ],
)
def test_what_is_no_text_is_told_with_its_line(tmp_path, content, told):
    (tmp_path / "table.tsv").write_bytes(content)
    with pytest.raises(UserError) as caught:
        read_text(tmp_path / "table.tsv")
    assert str(caught.value).startswith(f"cannot read {tmp_path / 'table.tsv'}: {told}")
    assert "save it as UTF-8" in str(caught.value)


def test_what_is_no_file_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "zeros").symlink_to("/dev/zero")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "large").write_bytes(b"x" * 11)
    for name, told in {
        "pipe": "expected a file, got a pipe or a device",
        "zeros": "expected a file, got a pipe or a device",
        ".": "expected a file, got a folder",
        "loop": "Too many levels of symbolic links",
        "absent": "No such file",
        "a\0b": "embedded null",
        "x" * 300: "File name too long",
        "large": "expected at most 0 MiB",
    }.items():
        with pytest.raises(UserError, match=told) as caught:
            read_text(tmp_path / name, largest=10)
        assert str(caught.value).count("cannot read") == 1


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a\tb\n1\t2\n1\n", "line 3: expected 2 cells, as in line 1, got 1"),
        ("a\tb\n1\t2\t3\n", "line 2: expected 2 cells, as in line 1, got 3"),
        ('a\tb\n1\t2\n"1\t2\n3\t4\n', "line 3: expected cells.*is a quote left open"),
        (f"a\tb\n1\t{'x' * (LONGEST_CELL + 1)}\n", "line 2: expected at most 65,536 characters"),
        (f"a\tb\n1\t{'x' * 200_000}\n", "line 2: expected cells.*field larger"),
        ("b\n1\n", "line 1: expected the columns a, separated by tabs; a not found in: b"),
        ("", "line 1: .* a not found in: an empty file"),
        ("a\ta\n1\t2\n", "line 1: expected every column once, got 'a' twice"),
    ],
)
def test_a_mistake_in_a_table_is_told_with_its_line(tmp_path, text, told):
    with pytest.raises(UserError, match=told):
        list(table_of(text, "\t", ["a"])[1])
    (tmp_path / "a.tsv").write_text(text)
    with pytest.raises(UserError, match=rf"^cannot read .*a\.tsv: {told}"):
        list(read_table(tmp_path / "a.tsv", "\t", ["a"])[1])


def test_ragged_tables_and_quotes():
    _, lines = table_of('a\tb\n1\n1\t2\t3\n\n"x\ny"\tz\n', "\t", ragged=True)
    assert [(line.number, *line.cells.values()) for line in lines] == [
        (2, "1", ""),
        (3, "1", "2"),
        (6, "x\ny", "z"),
    ]
    _, lines = table_of('a\n"x\n', "\t", quoted=False)
    assert [line.cells for line in lines] == [{"a": '"x'}]


def test_lists(tmp_path):
    (tmp_path / "list.txt").write_bytes(
        codecs.BOM_UTF16_LE + "Dog\r\n\r\n Cat ".encode("utf-16-le")
    )
    assert read_list(tmp_path / "list.txt") == [(1, "Dog"), (3, "Cat")]
    with pytest.raises(UserError, match="line 2: expected at most"):
        list(lines_of("a\n" + "x" * (LONGEST_LINE + 1)))


@pytest.mark.parametrize("text", ["", "-1", "1.5", "²", "١", "1_0", " 1", "9" * 19, "9" * 5000])
def test_what_is_no_whole_number(text):
    assert whole_number(text) is None


def test_a_number_of_any_length_is_refused_in_our_own_words():
    for digits, told in (("9" * 5000, "a whole number of more digits"), ("1e999", "1e999, which")):
        with pytest.raises(UserError, match=f"expected a log, got JSON with .*{told}") as caught:
            from_json(f"[{digits}]", list[float], "a log")
        assert "set_int_max_str_digits" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"epochs": 1, "epochs": 2}', "the key 'epochs' 2 times in one object"),
        ('{"a": [{"b": 1, "c": 2, "b": 1}]}', "the key 'b' 2 times in one object"),
        ('{"' + "x" * 10**5 + '": 1, "' + "x" * 10**5 + '": 1}', r"x… \(100000 characters\)"),
    ],
)
def test_a_key_that_is_there_twice_is_refused(text, told):
    """JSON leaves open which of the values counts, and Python takes the last one."""
    with pytest.raises(UserError, match=f"expected a log, got JSON with .*{told}") as caught:
        from_json(text, dict[str, Any], "a log")
    assert len(str(caught.value)) < 300
