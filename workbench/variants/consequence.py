"""What a variant does to a protein, from coding sequences and a codon table."""

from __future__ import annotations

import math
from functools import cached_property
from typing import NamedTuple

import numpy as np
import pandas as pd
from Bio.Data import CodonTable
from Bio.Seq import Seq

from genomic_models.dna import reverse_complement
from workbench.cohort.edits import Variant, apply_edits
from workbench.errors import InputError
from workbench.genome.windows import Sequences

# Classes, from what does least to what does most.
SEVERITY = (
    "intergenic",
    "upstream",
    "intron",
    "synonymous",
    "other_gene",
    "missense",
    "inframe_indel",
    "stop_lost",
    "start_lost",
    "frameshift",
    "stop_gained",
)
# Bases before a coding sequence that count as upstream.
UPSTREAM = 300


class Consequence(NamedTuple):
    """Class of ``SEVERITY``, gene, and the change of the protein (``S450L``) where there is one."""

    kind: str
    gene: str = ""
    protein: str = ""

    @property
    def severity(self) -> int:
        """Place in `SEVERITY`."""
        return SEVERITY.index(self.kind)


class Annotation:
    """Coding sequences and genes of a genome.

    Parameters
    ----------
    genome : Sequences
    coding : DataFrame or None
        Intervals of CDS, with ``group, part, phase, strand, name``.
    genes : DataFrame or None
        Intervals of genes, for those that are not coding.
    table : int
        NCBI codon table: 11 bacteria, archaea and plastids; 1 standard.
    """

    def __init__(
        self, genome: Sequences, coding: pd.DataFrame | None, genes: pd.DataFrame | None, table: int = 11
    ) -> None:
        if table not in CodonTable.unambiguous_dna_by_id:
            known = ", ".join(map(str, sorted(CodonTable.unambiguous_dna_by_id)))
            raise InputError(f"codon table {table} is unknown; expected one of {known}")
        self.genome, self.coding, self.genes, self.table = genome, coding, genes, table
        self.starts = frozenset(CodonTable.unambiguous_dna_by_id[table].start_codons)

    @property
    def known(self) -> bool:
        """Whether there are coding sequences at all."""
        return self.coding is not None and not self.coding.empty

    def consequence(self, variant: Variant) -> Consequence:
        """The most severe class over all coding sequences that a variant touches."""
        found = [self._in_coding(rows, variant) for rows in self._touched(variant)]
        found = [c for c in found if c is not None]
        if found:
            return max(found, key=lambda c: c.severity)  # type: ignore[union-attr,return-value]
        beside = self._beside(variant)
        edit = variant.edit
        others = _over(self.genes, variant.chrom, edit.start, max(edit.end, edit.start + 1))
        if beside.kind != "intron" and others:
            return Consequence("other_gene", others[0])
        return beside

    def distance_to_start(self, variant: Variant) -> float:
        """Bases to the nearest first base of a coding sequence; infinite where its contig has none."""
        genes = self._genes(variant.chrom)
        return float(np.abs(genes["first"] - variant.edit.start).min()) if len(genes) else math.inf

    @cached_property
    def _extents(self) -> pd.DataFrame:
        """Coding sequences from end to end: ``chrom, start, end, strand, name, first`` (its first base)."""
        rows = self.coding
        if rows is None or rows.empty:
            return pd.DataFrame(columns=["chrom", "start", "end", "strand", "name", "first"])
        # Parts that do not follow one strand (trans-splicing) have no common extent.
        alone = (rows["group"] == "") | (rows["part"] > 0)
        key = rows["group"].where(~alone, rows.index.astype(str) + " alone")
        found = (
            rows.assign(key=key)
            .groupby(["chrom", "key"], sort=False)
            .agg(
                start=("start", "min"), end=("end", "max"), strand=("strand", "first"), name=("name", "first")
            )
            .reset_index()
        )
        return found.assign(first=np.where(found["strand"] == "-", found["end"] - 1, found["start"]))

    def _genes(self, chrom: str) -> pd.DataFrame:
        return self._extents[self._extents["chrom"] == chrom]

    def _touched(self, variant: Variant) -> list[pd.DataFrame]:
        if self.coding is None:
            return []
        edit = variant.edit
        hi = max(edit.end, edit.start + 1)
        rows = self.coding
        met = rows[(rows["chrom"] == variant.chrom) & (rows["start"] < hi) & (rows["end"] > edit.start)]
        return self.whole(met)

    def _beside(self, variant: Variant) -> Consequence:
        """Class of a variant outside coding letters: in an intron, upstream, or neither."""
        genes, at = self._genes(variant.chrom), variant.edit.start
        inside = genes[(genes["start"] <= at) & (genes["end"] > at)]
        if len(inside):
            return Consequence("intron", str(inside["name"].iloc[0]))
        ahead = np.where(genes["strand"] == "-", at - genes["first"], genes["first"] - at)
        near = np.flatnonzero((ahead > 0) & (ahead <= UPSTREAM))
        if near.size:
            return Consequence("upstream", str(genes["name"].iloc[near[np.argmin(ahead[near])]]))
        return Consequence("intergenic")

    def whole(self, rows: pd.DataFrame) -> list[pd.DataFrame]:
        """The coding sequences that some rows are parts of, each with all its parts."""
        coding = self.coding
        assert coding is not None
        found = {}
        for index, group, chrom in zip(rows.index, rows["group"], rows["chrom"], strict=True):
            same = coding[(coding["group"] == group) & (coding["chrom"] == chrom)]
            parts = same if group else coding.loc[[index]]
            found[tuple(parts.index)] = parts
        return list(found.values())

    def acid_at(self, letters: str, number: int) -> str:
        """The amino acid of a codon, counted from 1, of a sequence as it is read; empty where it has none.

        A start codon begins with methionine, whatever it says elsewhere.
        """
        codon = letters[3 * (number - 1) : 3 * number]
        if number == 1 and codon in self.starts:
            return "M"
        return self._translate(codon)

    def spelled(self, rows: pd.DataFrame) -> tuple[str, np.ndarray]:
        """Letters of a coding sequence as it is read, from its first whole codon, and their places.

        ``rows`` are its parts; places are int64, 0-based, on the plus strand.
        """
        parts = _in_order(rows)
        places = [
            np.arange(start, end)[:: -1 if strand == "-" else 1]
            for start, end, strand in zip(parts["start"], parts["end"], parts["strand"], strict=True)
        ]
        return self._letters(rows, None), np.concatenate(places)[max(0, int(parts["phase"].iloc[0])) :]

    def _letters(self, rows: pd.DataFrame, variant: Variant | None) -> str:
        rows, pieces = _in_order(rows), []
        for row in rows.itertuples():
            reference = self.genome.fetch(str(row.chrom), int(row.start), int(row.end))
            edits = [] if variant is None else [variant.edit]
            letters = apply_edits(reference, int(row.start), edits).letters
            pieces.append(reverse_complement(letters) if row.strand == "-" else letters)
        phase = int(rows["phase"].iloc[0])
        return "".join(pieces)[max(0, phase) :]

    def _translate(self, letters: str) -> str:
        return str(Seq(letters[: len(letters) // 3 * 3]).translate(table=self.table))

    def _in_coding(self, rows: pd.DataFrame, variant: Variant) -> Consequence | None:
        before, after = self._letters(rows, None), self._letters(rows, variant)
        if before == after:
            return None
        gene = str(rows["name"].iloc[0])
        old, new = self._translate(before), self._translate(after)
        whole = bool(rows["complete"].all()) and before[:3] in self.starts
        if whole and after[:3] not in self.starts:
            return Consequence("start_lost", gene, "M1?")
        if whole:
            old, new = f"M{old[1:]}", f"M{new[1:]}"
        shift = len(after) - len(before)
        at = next((i for i, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), None)
        if shift % 3:
            place = min(len(old), len(new)) if at is None else at
            letter = old[place] if place < len(old) else ""
            return Consequence("frameshift", gene, f"{letter}{place + 1}fs")
        stop_old, stop_new = old.find("*"), new.find("*")
        if stop_new >= 0 and (stop_old < 0 or stop_new < stop_old + min(0, shift // 3)):
            return Consequence("stop_gained", gene, f"{old[stop_new]}{stop_new + 1}*")
        if stop_old == len(old) - 1 and stop_new < 0:
            return Consequence("stop_lost", gene, f"*{stop_old + 1}{new[min(stop_old, len(new) - 1)]}")
        if shift:
            place = at if at is not None else min(len(old), len(new)) - 1
            return Consequence(
                "inframe_indel", gene, f"{old[place]}{place + 1}{'ins' if shift > 0 else 'del'}"
            )
        if at is None:
            return Consequence("synonymous", gene)
        return Consequence("missense", gene, f"{old[at]}{at + 1}{new[at]}")


def _in_order(rows: pd.DataFrame) -> pd.DataFrame:
    """Parts of a coding sequence in the order in which they are read."""
    if (rows["part"] > 0).any():
        return rows.sort_values("part")
    return rows.sort_values("start", ascending=rows["strand"].iloc[0] != "-")


def _over(table: pd.DataFrame | None, chrom: str, start: int, end: int) -> list[str]:
    if table is None:
        return []
    met = table[(table["chrom"] == chrom) & (table["start"] < end) & (table["end"] > start)]
    return [str(n) for n in met["name"]]
