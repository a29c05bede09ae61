"""DNA as text, bytes and codes: the alphabet, what is refused in its place, and the reverse complement.

Codes are uint8: A, C, G, T are 0 to 3 and any other letter is `UNKNOWN`.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
from Bio.Data.IUPACData import ambiguous_dna_complement, ambiguous_dna_values

BASES = "ACGT"
# Code of every letter but A, C, G, T.
UNKNOWN = 4
# The bases that each letter of the IUPAC alphabet stands for, A before C before G before T.
IUPAC = {k: "".join(sorted(v)) for k, v in ambiguous_dna_values.items() if k != "X"}
_NOT_DNA = frozenset("EFILPQZJXO*")

Codes = npt.NDArray[np.uint8]

_CODES = np.full(256, UNKNOWN, np.uint8)
_COMPLEMENT = str.maketrans(ambiguous_dna_complement | {"U": "A"})
_COMPLEMENT_BYTES = np.arange(256, dtype=np.uint8)
_COMPLEMENT_BYTES[list(_COMPLEMENT)] = [ord(letter) for letter in _COMPLEMENT.values()]
for _code, _base in enumerate(BASES):
    _CODES[[ord(_base), ord(_base.lower())]] = _code


def base_codes(sequence: str) -> Codes:
    """Codes of a sequence in either case, uint8 (n)."""
    return _CODES[np.frombuffer(sequence.encode("ascii", "replace"), np.uint8)]


def check_letters(letters: str) -> str:
    """Upper-case letters of DNA, U read as T.

    Raises ``ValueError`` that says what was found where a letter is not of IUPAC's.
    """
    upper = letters.upper()
    strange = set(upper) - set(IUPAC)
    if not strange:
        return upper
    if strange == {"U"}:
        return upper.replace("U", "T")
    count = sum(c in strange for c in upper)
    listed = ", ".join(repr(c) for c in sorted(strange)[:6])
    hint = "this looks like protein" if strange & _NOT_DNA else "expected the IUPAC letters of DNA"
    raise ValueError(f"{count:,} of {len(upper):,} letters are not DNA ({listed}); {hint}")


def refuse_string(sequences: Iterable[object]) -> None:
    """Raise ``TypeError`` where one string stands in place of a list of sequences.

    A string is a sequence of strings of one letter: it would be read as so many sequences of one base.
    """
    if isinstance(sequences, str | bytes):
        raise TypeError(
            f"found one string of {len(sequences):,} letters, expected a list of sequences: put it in a list"
        )


def base_letters(codes: Codes) -> str:
    """The sequence of codes, `UNKNOWN` as N."""
    return np.frombuffer(f"{BASES}N".encode(), np.uint8)[codes].tobytes().decode()


def reverse_complement(sequence: str) -> str:
    """Reverse complement of upper-case letters, IUPAC codes included, U read as T."""
    return sequence.translate(_COMPLEMENT)[::-1]


def reverse_complement_bytes(letters: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """`reverse_complement` of ASCII letters in an array of uint8, along the last axis."""
    return _COMPLEMENT_BYTES[letters[..., ::-1]]


def reverse_complement_codes(codes: Codes) -> Codes:
    """Reverse complement of codes, uint8 (n); `UNKNOWN` stays."""
    partner = np.array([3, 2, 1, 0, UNKNOWN], np.uint8)
    return partner[codes[::-1]]
