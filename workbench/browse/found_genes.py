"""Genes found in a sequence that has no annotation, as a coding track: what `pyrodigal` calls."""

from __future__ import annotations

import pandas as pd

from workbench.browse.pasted_sequence import Letters
from workbench.judges.genes import Genes
from workbench.judges.judge import References
from workbench.tracks.track import Row, frame


def find_genes(sequence: Letters) -> pd.DataFrame:
    """Genes of bacteria and archaea on both strands, named ``gene1``, ``gene2``, ...; a row of `Row` each.

    Those that an end cuts are ``complete`` False; their score is Prodigal's. Raises `NotJudged` where
    pyrodigal is not installed.
    """
    found = Genes(References()).find(sequence.letters)
    rows = [
        # What is read begins in frame; a gene that an end cuts may hold a part of a codon there.
        Row(
            sequence.name,
            r.start,
            r.end,
            f"gene{i}",
            r.score,
            r.strand,
            (r.end - r.start) % 3,
            "",
            0,
            r.whole,
        )
        for i, r in enumerate(found.itertuples(index=False), 1)
    ]
    return frame(rows)
