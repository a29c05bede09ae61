"""Leading differences of two models in words, each with its place; and all of them along the genome."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from feature_mining.diff.findings import leading_stretches, leading_words
from genomic_models.dna import reverse_complement
from workbench.genome.windows import Sequences
from workbench.report.neighbours import Neighbours
from workbench.study.study import Study
from workbench.wording import fixed, signed

# Differences of each kind that are listed, and words that are looked for on the genome.
MOST = 8
# Points of the picture along the genome.
BINS = 600


def along(bases: pd.DataFrame) -> pd.DataFrame:
    """Means of the divergence in bins of contigs: ``chrom, start, end, kl`` and, with a null, ``null_kl``."""
    found = []
    for chrom, own in bases.groupby("chrom", sort=False):
        first, last = int(own["position"].min()), int(own["position"].max()) + 1
        size = max(1, -(-(last - first) // BINS))
        names = [name for name in ("kl", "null_kl") if name in own]
        means = own.groupby((own["position"] - first) // size)[names].mean()
        start = first + means.index.to_numpy() * size
        found.append(means.assign(chrom=chrom, start=start, end=np.minimum(start + size, last)))
    table = pd.concat(found, ignore_index=True)
    return table[["chrom", "start", "end", *[n for n in ("kl", "null_kl") if n in table]]]


def locate_words(words: pd.DataFrame, genome: Sequences, bases: pd.DataFrame) -> pd.DataFrame:
    """The table with ``chrom, position, strand`` of the base after a leading word where models diverge most.

    Others, and those that stand nowhere among the bases that were read, have an empty contig and -1.
    """
    words = words.assign(chrom="", position=-1, strand="")
    divergence = {key: own.set_index("position")["kl"] for key, own in bases.groupby(["chrom", "strand"])}
    contigs = list(dict.fromkeys(chrom for chrom, _ in divergence))
    texts = {chrom: genome.fetch(chrom, 0, genome.lengths[chrom]) for chrom in contigs}
    for row in leading_words(words, MOST).itertuples():
        best = -1.0
        for (chrom, strand), values in divergence.items():
            word = str(row.word) if strand == "+" else reverse_complement(str(row.word))
            starts = np.array([m.start() for m in re.finditer(f"(?={word})", texts[chrom])], np.int64)
            after = starts + len(word) if strand == "+" else starts - 1
            here = values.reindex(after[np.isin(after, values.index)])
            if len(here) and here.max() > best:
                best = float(here.max())
                words.loc[row.Index, ["chrom", "position", "strand"]] = [chrom, int(here.idxmax()), strand]
    return words


class Difference(NamedTuple):
    """One difference.

    kind : ``stretch``, ``word`` or ``feature``; what : in words; feature : its number, or -1
    chrom, start, end : 0-based half-open; an empty contig where it has no place; strand : ``.`` for both
    change, null : of its kind; z, p, q : against the null; NaN without one
    sure : p times the tests of its kind, by which kinds are put in one order
    """

    kind: str
    what: str
    feature: int
    chrom: str
    start: int
    end: int
    strand: str
    change: float
    z: float
    p: float
    q: float
    sure: float


def leading(study: Study, tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """The largest differences of every kind, the surest first: columns of `Difference`, and ``beside``.

    ``beside`` says in which gene each lies, or how far from the nearest.
    """
    genes = Neighbours(study.tracks)
    rows = [row for name, told in _TOLD.items() if name in tables for row in told(tables[name])]
    rows.sort(key=lambda row: (np.nan_to_num(row.sure, nan=np.inf), -np.nan_to_num(abs(row.z))))
    table = pd.DataFrame(rows, columns=Difference._fields)
    return table.assign(beside=[_beside(genes, row) for row in rows])


def _beside(genes: Neighbours, row: Difference) -> str:
    strand = "+" if row.strand == "." else row.strand
    return genes.of(row.chrom, (row.start + row.end) // 2, strand) if row.chrom else ""


def _tested(row: Any, tests: int) -> tuple[float, float, float, float]:
    return float(row.z), float(row.p), float(row.q), float(row.p) * tests


def _stretches(table: pd.DataFrame) -> Iterator[Difference]:
    for row in leading_stretches(table, MOST).itertuples():
        against = "" if np.isnan(row.null) else f" (null {signed(row.null)})"
        what = f"b gains {signed(row.b)} bits a base{against} over {row.size:,} bases"
        place = (str(row.chrom), int(row.start), int(row.end), ".")
        yield Difference("stretch", what, -1, *place, float(row.change), *_tested(row, len(table)))


def _words(table: pd.DataFrame) -> Iterator[Difference]:
    for row in leading_words(table, MOST).itertuples():
        first = row.a if np.isnan(row.null) else row.null
        how = "more" if row.change > 0 else "less"
        what = f"{how} {row.base} after {row.word}: {fixed(first)} to {fixed(row.b)}, {row.count:,} times"
        place = (str(row.chrom), int(row.position), int(row.position) + 1, str(row.strand) or ".")
        yield Difference("word", what, -1, *place, float(row.change), *_tested(row, len(table)))


def _features(table: pd.DataFrame) -> Iterator[Difference]:
    changed = table[~table["change"].isin(["silent", "kept"])]
    tests = int(table["p"].notna().sum())
    order = changed.assign(far=np.log(changed["ratio"]).abs() + 1 - changed["correlation"].fillna(0))
    order = order.sort_values(["p", "far"], ascending=[True, False], kind="stable")
    for row in order.head(MOST).itertuples():
        named = f" ({row.label})" if row.label else ""
        what = (
            f"feature {row.feature}{named} {_CHANGES[row.change]}: {row.active_a:,} to {row.active_b:,}"
            f" bases, correlation {fixed(row.correlation, 2)}"
        )
        place = (str(row.chrom), int(row.position), int(row.position) + 1, str(row.strand) or ".")
        z = np.nan  # of two tests the smaller p
        yield Difference(
            "feature", what, int(row.feature), *place, float(np.log2(row.ratio)), z, float(row.p),
            float(row.q), float(row.p) * tests,
        )  # fmt: skip


_CHANGES = {
    "vanished": "vanished",
    "appeared": "appeared",
    "rotated": "fires elsewhere",
    "less": "fires less",
    "more": "fires more",
}
_TOLD: Mapping[str, Callable[[pd.DataFrame], Iterator[Difference]]] = {
    "stretches": _stretches,
    "words": _words,
    "features": _features,
}
