"""Damage of every kind, done to bytes by a seeded generator: one mutator for all fuzz tests.

Bytes are flipped, overwritten, lost, doubled, and replaced by extreme numbers where a format keeps
its sizes. Texts besides get huge numbers, other encodings, quotes and lines that are too long; JSON
gets values of other types at any place; archives of NumPy are damaged inside, under a right sum.
"""

import io
import json
import os
import re
import zipfile
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

Rng = np.random.Generator
Mutation = Callable[[bytearray, Rng], None]

EXTREMES = (b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\x80\0\0\0", b"\0\0\0\1")
TAGS = (
    *(b"moov", b"mvhd", b"tkhd", b"mdhd", b"stsd", b"stts", b"stsc", b"stsz", b"stco", b"elst"),
    *(b"RIFF", b"fmt ", b"data", b"OggS", b"OpusHead", b"\x01vorbis", b"FLV\x01", b"onMetaData"),
    *(b"\x15\x49\xa9\x66", b"\x16\x54\xae\x6b", b"\x1f\x43\xb6\x75", b"\x06\x0e\x2b\x34"),
    *(b"Xing", b"ID3", b"\x47\x40\x00", b"\xff\xf1", b"SNOD", b"TREE", b"HEAP", b"\x89HDF"),
    *(b"PK\3\4", b"PK\1\2", b"PK\5\6", b"\x93NUMPY"),
)
"""What stands before sizes, counts, rates and times in the formats that are read."""
NUMBER = re.compile(rb"\d+(\.\d+)?")
NUMBERS = (b"1e308", b"-1", b"nan", b"inf", b"9" * 40, b"9" * 5000, b"0.1e-400", "²٣".encode())
ODD_VALUES: tuple[Any, ...] = (
    *(None, True, -1, 0, 2**31, 2**63, 10**400, 1e308, -1e308, 5e-324, "", "x", "\0", "../../x"),
    *("x" * 100_000, "\udcff", "=1+1", [], {}, [[]], [None], {"": {}}, [0] * 1000),
)
DEEP = 100_000


def number_of_cases(usual: int, *, of: int) -> int:
    """How many cases a test tries: all of them if `MMPYRAMID_FUZZ` is `full`."""
    return of if os.environ.get("MMPYRAMID_FUZZ") == "full" else usual


def flip_bits(data: bytearray, rng: Rng) -> None:
    for place in rng.integers(0, len(data), rng.integers(1, 20)):
        data[place] ^= 1 << int(rng.integers(8))


def overwrite(data: bytearray, rng: Rng) -> None:
    begin, length = int(rng.integers(len(data))), int(rng.integers(1, 200))
    data[begin : begin + length] = rng.bytes(length)


def cut(data: bytearray, rng: Rng) -> None:
    del data[int(rng.integers(len(data))) :]


def remove(data: bytearray, rng: Rng) -> None:
    begin = int(rng.integers(len(data)))
    del data[begin : begin + int(rng.integers(1, 200))]


def repeat(data: bytearray, rng: Rng) -> None:
    begin = int(rng.integers(len(data)))
    data[begin:begin] = data[begin : begin + int(rng.integers(1, 200))]


def insert_nul(data: bytearray, rng: Rng) -> None:
    place = int(rng.integers(len(data) + 1))
    data[place:place] = bytes(int(rng.integers(1, 9)))


def exaggerate(data: bytearray, rng: Rng) -> None:
    """Put an extreme number near a tag, where sizes, counts, rates and times are."""
    tags = [tag for tag in TAGS if tag in data]
    begin = data.index(tags[int(rng.integers(len(tags)))]) if tags else 0
    place = begin + int(rng.integers(-4, 60))
    data[max(0, place) : max(0, place) + 4] = choice(EXTREMES, rng)


def exchange_number(data: bytearray, rng: Rng) -> None:
    found = list(NUMBER.finditer(data))
    if found:
        start, stop = found[int(rng.integers(len(found)))].span()
        data[start:stop] = choice(NUMBERS, rng)


def encode_otherwise(data: bytearray, rng: Rng) -> None:
    text = data.decode("utf-8", "replace")
    encoding = choice(("utf-16", "utf-16-le", "utf-8-sig", "utf-32", "latin-1", "cp037"), rng)
    data[:] = f"é{text}".encode(encoding, "replace")


def insert_text(data: bytearray, rng: Rng) -> None:
    place = int(rng.integers(len(data) + 1))
    data[place:place] = choice(
        (b'"', b'""', b"\n", b"\r", b"\t", b",", b"\0", b"\x1b[31m", b"<!DOCTYPE a>", b"&a;"), rng
    )


def lengthen(data: bytearray, rng: Rng) -> None:
    place = int(rng.integers(len(data) + 1))
    data[place:place] = b"x" * choice((2_000, 200_000), rng)


def rearrange_lines(data: bytearray, rng: Rng) -> None:
    """Drop a line, double it, or move it to the front."""
    lines = bytes(data).splitlines(keepends=True)
    line = lines.pop(int(rng.integers(len(lines)))) if lines else b""
    kind = int(rng.integers(3))
    data[:] = b"".join(([], [line, line], [line])[kind] + lines)


def exchange_value(data: bytearray, rng: Rng) -> None:
    """Put an odd value at any place of a JSON document, or take the place away."""
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):  # An earlier mutation left no JSON.
        return
    places = list(places_of(document))
    if not places:
        return
    parent, key = places[int(rng.integers(len(places)))]
    if rng.integers(4) == 0:
        del parent[key]
    elif rng.integers(12) == 0:
        parent[key] = "DEEP"
    else:
        parent[key] = choice(ODD_VALUES, rng)
    data[:] = json.dumps(document).encode().replace(b'"DEEP"', b"[" * DEEP + b"]" * DEEP)


def places_of(document: Any) -> Iterator[tuple[Any, Any]]:
    """Every place in a document, as container and key."""
    if isinstance(document, dict | list):
        keys = document if isinstance(document, dict) else range(len(document))
        for key in list(keys):
            yield document, key
            yield from places_of(document[key])


def damage_member(data: bytearray, rng: Rng) -> None:
    """Damage one file of a zip archive, most often its first bytes, and pack it again."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = {name: bytearray(archive.read(name)) for name in archive.namelist()}
    except Exception:  # noqa: BLE001 - an earlier mutation left no archive.
        return
    name = choice(sorted(members), rng)
    if rng.integers(2):
        head = members[name][:128]
        choice(BYTE_MUTATIONS, rng)(head, rng)
        members[name][:128] = head
    elif rng.integers(2):
        members[name][:] = odd_array(rng)
    else:
        exchange_number(members[name], rng)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED), rng)) as z:
        for member, content in members.items():
            z.writestr(member, bytes(content))
    data[:] = packed.getvalue()


def odd_array(rng: Rng) -> bytes:
    """An array of another type or shape, as an NPY file."""
    array = choice(
        (
            *(np.zeros(()), np.zeros(0), np.zeros((1, 1, 1, 1)), np.full((6, 10, 3), np.nan)),
            *(np.array(["x", "\0"]), np.zeros(3, complex), np.zeros(2, "V5"), np.zeros(2, "M8[s]")),
            *(np.full((6, 10, 3), 1e300), np.full((6, 10, 3), -1), np.zeros(2, [("x", "f4")])),
        ),
        rng,
    )
    file = io.BytesIO()
    np.save(file, array, allow_pickle=False)
    return file.getvalue()


BYTE_MUTATIONS: tuple[Mutation, ...] = (
    *(flip_bits, overwrite, cut, remove, repeat, insert_nul, exaggerate, exaggerate, exaggerate),
)
TEXT_MUTATIONS: tuple[Mutation, ...] = (
    *(flip_bits, cut, remove, repeat, exchange_number, exchange_number, encode_otherwise),
    *(insert_text, insert_text, lengthen, rearrange_lines),
)
JSON_MUTATIONS: tuple[Mutation, ...] = (*TEXT_MUTATIONS, *[exchange_value] * len(TEXT_MUTATIONS))
ZIP_MUTATIONS: tuple[Mutation, ...] = (*BYTE_MUTATIONS, *[damage_member] * len(BYTE_MUTATIONS))


def mutations_for(original: bytes) -> tuple[Mutation, ...]:
    """What suits these bytes: a zip archive, JSON (also by lines), other text, or anything."""
    if original.startswith(b"PK"):
        return ZIP_MUTATIONS
    try:
        text = original.decode()
    except UnicodeDecodeError:
        return BYTE_MUTATIONS
    return JSON_MUTATIONS if text.lstrip()[:1] in ("{", "[") else TEXT_MUTATIONS


def mutants(original: bytes, number: int, seed: int = 2022) -> Iterator[bytes]:
    """So many damaged copies, each one to three times."""
    rng = np.random.default_rng(seed)
    mutations = mutations_for(original)
    for _ in range(number):
        data = bytearray(original)
        for _ in range(rng.integers(1, 4)):
            choice(mutations, rng)(data, rng)
            data = data or bytearray(b"\0")
        yield bytes(data)


def choice(options: Any, rng: Rng) -> Any:
    return options[int(rng.integers(len(options)))]
