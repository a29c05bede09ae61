"""Tracks made from others: starts and stops of coding sequences, bases between genes."""

from __future__ import annotations

import numpy as np
import pandas as pd

from workbench.tracks.track import Contigs, Track, frame, order

CODON = 3


def _codon_ends(cds: pd.DataFrame, first: bool) -> pd.DataFrame:
    """The first (or last) codon of each group of CDS rows, in the direction of its strand."""
    rows = []
    groups = cds["group"].where(cds["group"] != "", cds.index.astype(str))
    for _, parts in cds.groupby([cds["chrom"], groups, cds["strand"]], sort=False):
        strand = parts["strand"].iloc[0]
        if strand == ".":
            continue
        left = (strand == "+") == first
        row = parts.loc[parts["start"].idxmin()] if left else parts.loc[parts["end"].idxmax()]
        if row["end"] - row["start"] < CODON:
            continue
        start = row["start"] if left else row["end"] - CODON
        rows.append(
            (row["chrom"], start, start + CODON, row["name"], np.nan, strand, -1, row["group"])
        )
    return frame(rows)


def _between(tables: list[pd.DataFrame], contigs: Contigs) -> pd.DataFrame:
    """Bases that no interval of any table covers, on either strand; unstranded."""
    joined = pd.concat(tables, ignore_index=True)
    rows = []
    for chrom, length in contigs.lengths.items():
        spans = joined[joined["chrom"] == chrom].sort_values("start")
        at = 0
        for start, end in zip(spans["start"], spans["end"], strict=True):
            if start > at:
                rows.append((chrom, at, int(start), "", np.nan, ".", -1, ""))
            at = max(at, int(end))
        if spans.size and at < length:
            rows.append((chrom, at, length, "", np.nan, ".", -1, ""))
    return frame(rows)


def derive_tracks(tracks: list[Track], contigs: Contigs) -> list[Track]:
    """``CDS_start``, ``CDS_stop`` (first and last codon) and ``intergenic``, where there is a CDS track."""
    by_name = {t.name: t for t in tracks}
    if "CDS" not in by_name:
        return []
    cds = by_name["CDS"]
    made = [
        Track("CDS_start", order(_codon_ends(cds.intervals, True), contigs), "CDS"),
        Track("CDS_stop", order(_codon_ends(cds.intervals, False), contigs), "CDS"),
    ]
    genes = [t.intervals for t in tracks if t.name in ("CDS", "gene", "tRNA", "rRNA", "ncRNA")]
    made.append(Track("intergenic", _between(genes, contigs), "CDS, gene, RNA genes"))
    taken = set(by_name)
    return [t for t in made if t.name not in taken and len(t.intervals)]
