"""Small valid files made wrong, as transfers, editors, scripts and spite make them wrong."""

from __future__ import annotations

import gzip
import re
import struct
from collections.abc import Callable
from random import Random

Mutation = Callable[[bytes, Random], bytes]

WORDS = (
    *(b"", b"0", b"-1", b"1", b"2", b".", b"NA", b"nan", b"inf", b"-inf", b"1e308", b"1e-400", b"true"),
    *(b"2147483648", b"-9223372036854775809", b"18446744073709551616", b"9" * 400, b"9" * 5000),
    *(b"1_0", b"+1", b"1.5", b"0x10", b"1e3", b"[]", b"{}", b"null", b'"', b"'", b"\\", b"%00", b"%"),
    *(letter.encode() for letter in "²٣é\u202e\ufeff\U0001f9ec\u2028"),
    *(b"\0", b"\x1b[31m", b"\x0b", b"\x0c", b"\x7f", b"\xff\xfe", b"\xed\xa0\x80", b"\r", b"\n", b"\t"),
    *(b"..", b"/", b"/dev/zero", b"*", b"<DEL>", b"chr1", b"1..5", b"complement(", b")", b"[" * 3000),
)  # fmt: skip
"""What takes the place of a word."""
NUMBERS = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
NUMBERS += (1 << 40, (1 << 63) - 1, 1 << 63, (1 << 64) - 1)
_CUT = re.compile(rb"([\t ,;:=/|()\[\]{}\"'\n\r]+)")
_ENCODINGS = ("utf-16", "utf-16-le", "utf-8-sig", "latin-1", "utf-32", "utf-7")


def _spot(data: bytes, random: Random) -> int:
    return random.randint(0, len(data))


def _stretch(data: bytes, random: Random) -> tuple[int, int]:
    start = _spot(data, random)
    return start, min(len(data), start + random.choice((1, 2, 4, 16, 200)))


def _flip(data: bytes, random: Random) -> bytes:
    if not data:
        return data
    at = random.randrange(len(data))
    return data[:at] + bytes([data[at] ^ 1 << random.randrange(8)]) + data[at + 1 :]


def _put_byte(data: bytes, random: Random) -> bytes:
    at = _spot(data, random)
    return data[:at] + bytes([random.randrange(256)]) + data[at + 1 :]


def _put_number(data: bytes, random: Random) -> bytes:
    size, number = random.choice(((2, "H"), (4, "I"), (8, "Q"))), random.choice(NUMBERS)
    packed = struct.pack(random.choice("<>") + size[1], number & ((1 << 8 * size[0]) - 1))
    at = _spot(data, random)
    at -= at % random.choice((1, size[0]))
    return data[:at] + packed + data[at + size[0] :]


def _truncate(data: bytes, random: Random) -> bytes:
    return data[: _spot(data, random)]


def _remove(data: bytes, random: Random) -> bytes:
    start, end = _stretch(data, random)
    return data[:start] + data[end:]


def _repeat(data: bytes, random: Random) -> bytes:
    start, end = _stretch(data, random)
    return data[:end] + data[start:end] * random.choice((1, 2, 50)) + data[end:]


def _insert(data: bytes, random: Random) -> bytes:
    at = _spot(data, random)
    return data[:at] + random.choice(WORDS) + data[at:]


def _lines(data: bytes, random: Random) -> bytes:
    """Lines left out, doubled, joined, cut, moved."""
    lines = data.split(b"\n")
    i, j = random.randrange(len(lines)), random.randrange(len(lines))
    match random.randrange(5):
        case 0:
            del lines[i]
        case 1:
            lines.insert(j, lines[i])
        case 2:
            lines[i : i + 2] = [b"".join(lines[i : i + 2])]
        case 3:
            lines[i : i + 1] = [lines[i][: j + 1], lines[i][j + 1 :]]
        case _:
            lines[i], lines[j] = lines[j], lines[i]
    return b"\n".join(lines)


def _words(data: bytes, random: Random) -> bytes:
    """Words swapped, replaced or left out; what stands between them too."""
    parts = _CUT.split(data)
    i, j = random.randrange(len(parts)), random.randrange(len(parts))
    match random.randrange(4):
        case 0:
            parts[i], parts[j] = parts[j], parts[i]
        case 1:
            parts[i] = parts[j]
        case _:
            parts[i] = random.choice(WORDS)
    return b"".join(parts)


def _recode(data: bytes, random: Random) -> bytes:
    """Another encoding, other ends of lines, packed."""
    match random.randrange(4):
        case 0:
            text = data.decode("utf-8", "replace")
            return text.encode(random.choice(_ENCODINGS), "replace")
        case 1:
            return data.replace(b"\n", random.choice((b"\r\n", b"\r", b"", b"\n\n")))
        case 2:
            return data.replace(b"\t", random.choice((b" ", b",", b"\t\t", b";")))
        case _:
            return gzip.compress(data, mtime=0)


def _invent(data: bytes, random: Random) -> bytes:
    """Nothing of what was there, but words and marks of its kind."""
    parts = [p for p in _CUT.split(data) if p]
    return b"".join(random.choice((*parts, *WORDS)) for _ in range(random.choice((0, 1, 5, 20))))


_OFTEN = (_flip, _put_byte, _put_number, _remove, _insert, _lines, _words, _words)
MUTATIONS: tuple[Mutation, ...] = (*_OFTEN, *_OFTEN, _truncate, _repeat, _recode, _invent)


def mutate(data: bytes, random: Random) -> bytes:
    """The data with a few things wrong with it."""
    for _ in range(random.choice((1, 1, 1, 2, 3, 6))):
        data = random.choice(MUTATIONS)(data, random)
    return data
