"""Variants that a study's samples carry, as tracks: all of them, and those that drive one candidate.

Read from the tables of the study, not from the VCF again: ``haplotypes`` says which unique haplotype of a
region carries which variants and how many samples' copies have it, ``biomarkers`` which variants drive a
candidate.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from workbench.cohort.edits import parse_variant
from workbench.errors import InputError
from workbench.tracks.track import Row, Track

if TYPE_CHECKING:
    from workbench.study.study import Study

# What asks for the variants of all samples.
COHORT = "cohort"


def carried_variants(study: Study) -> Track:
    """The variants of all samples, one interval each: the bases of its REF allele.

    A name reads ``A914G, 44 of 240``: REF, 1-based position, ALT, haplotypes that carry it, haplotypes in
    all (copies of the region, so twice the samples where those are diploid). Raises ``InputError`` for a
    study without samples' variants.
    """
    table = study.table("haplotypes")
    table = table.assign(all=table.groupby("region")["carriers"].transform("sum"))
    long = table[["region", "carriers", "all", "variants"]].explode("variants").dropna()
    counts = long.groupby(["region", "variants"], sort=False).agg({"carriers": "sum", "all": "max"})
    # A variant in two regions that overlap is one variant, counted in the first.
    counts = counts.reset_index().drop_duplicates("variants")
    rows = [_row(str(r.variants), f"{r.carriers:,} of {r.all:,}") for r in counts.itertuples(index=False)]
    return _track("variants", rows, "haplotypes")


def driving_variants(study: Study, candidate: str) -> Track:
    """The variants that drive a candidate of the table ``biomarkers``.

    A name reads ``A914G, change -12.3, 61% of the drive``: the change of the feature's burden that the
    variant makes on the haplotypes that carry it, and its share among the candidate's drivers, which is the
    interval's score too.
    Raises ``InputError`` for a candidate that the study does not have.
    """
    table = study.table("biomarkers")
    found = table[table["candidate_id"] == candidate]
    if found.empty:
        raise InputError(
            f"candidate {candidate!r}: the study has none of this name; open it from the page Phenotypes"
        )
    row = found.iloc[0]
    listed = zip(row["driving_variants"], row["driving_delta"], row["driving_share"], strict=True)
    rows = [_row(v, f"change {delta:.3g}, {share:.0%} of the drive", share) for v, delta, share in listed]
    return _track(f"drives {candidate}", rows, "biomarkers")


def _row(variant: str, said: str, score: float = float("nan")) -> Row:
    v = parse_variant(variant)
    name = f"{v.reference}{v.start + 1}{v.alternative}, {said}"
    return Row(v.chrom, v.start, v.start + len(v.reference), name, score)


def _track(name: str, rows: list[Row], source: str) -> Track:
    table = pd.DataFrame(rows, columns=list(Row._fields)).sort_values(["chrom", "start"])
    return Track(name, table.reset_index(drop=True), source, type="variant")
