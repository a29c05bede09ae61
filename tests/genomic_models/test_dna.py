"""Codes and reverse complements, against Biopython; what is refused."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from Bio.Seq import reverse_complement as biopython

from genomic_models.dna import (
    IUPAC,
    base_codes,
    base_letters,
    check_letters,
    reverse_complement,
    reverse_complement_bytes,
    reverse_complement_codes,
)

SEQUENCE = "ACGTRYSWKMBDHVNGATTACANNRGU"


def test_codes():
    assert base_codes("ACGTacgtNRé-").tolist() == [0, 1, 2, 3, 0, 1, 2, 3, 4, 4, 4, 4]
    assert base_letters(base_codes("ACGTacgtNRé-")) == "ACGTACGTNNNN"


def test_iupac_letters():
    assert len(IUPAC) == 15
    assert IUPAC["R"] == "AG" and IUPAC["B"] == "CGT" and IUPAC["N"] == "ACGT"


def test_reverse_complement_is_biopythons():
    expected = biopython(SEQUENCE.replace("U", "T"))
    assert reverse_complement(SEQUENCE) == expected
    assert reverse_complement("ACGTRYSWKMBDHVN") == "NBDHVKMWSRYACGT"
    letters = np.frombuffer(SEQUENCE.encode(), np.uint8)
    both = reverse_complement_bytes(np.stack([letters, letters[::-1]]))
    assert both[0].tobytes().decode() == expected
    assert both[1].tobytes().decode() == biopython(SEQUENCE[::-1].replace("U", "T"))


def test_codes_turn_as_their_letters_do():
    sequence = SEQUENCE.replace("U", "T")
    turned = reverse_complement_codes(base_codes(sequence))
    assert turned.dtype == np.uint8
    assert np.array_equal(turned, base_codes(biopython(sequence)))


def test_letters():
    assert check_letters("acgun") == "ACGTN"
    with pytest.raises(ValueError, match=r"^3 of 4 letters are not DNA \('E', 'F', 'L'\); this looks"):
        check_letters("MELF")
    with pytest.raises(ValueError, match=r"^1 of 3 letters are not DNA \('\?'\); expected the IUPAC"):
        check_letters("A?C")


def test_letters_are_checked_without_pytorch():
    code = "import sys, genomic_models.dna, workbench.genome.fasta; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
