"""A place on the genome as a reader types it: one-based, last base included, or a name of the annotation."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd

from workbench.errors import InputError
from workbench.genome.interval import Interval
from workbench.tracks.loci import read_gene_words

if TYPE_CHECKING:
    from workbench.study.study import Study
    from workbench.tracks import Track

# Bases shown on each side of a single position, and of an annotated interval.
AROUND_BASE, AROUND_NAME = 50, 500
_NUMBER = r"\d{1,3}(?:,\d{3}){1,4}|\d{1,15}"
_SPAN = re.compile(rf"({_NUMBER})(?:\s*(?:-|\.\.|\N{{EN DASH}})\s*({_NUMBER}))?")


def name_index(study: Study, tracks: Sequence[Track]) -> pd.DataFrame:
    """Names of annotated intervals: ``name``, ``word`` (the same in lower case), ``chrom, start, end``
    (0-based half-open).

    Those of the tracks first, then locus tags, synonyms, protein identifiers and products of the files.
    """
    columns = ["chrom", "start", "end", "name"]
    parts = [track.intervals[columns] for track in tracks]
    parts += [
        read_gene_words(study.resolve(path), study.contigs).rename(columns={"word": "name"})[columns]
        for path in study.config.input.tracks
    ]
    table = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)
    table["name"] = table["name"].astype(str)
    table["word"] = table["name"].str.casefold()
    return table[~table["word"].isin(["", "."])].drop_duplicates()


def read_place(study: Study, text: str, names: pd.DataFrame, here: str = "") -> Interval:
    """The place that a reader typed, cut to its contig.

    Parameters
    ----------
    study : Study
    text : str
        ``contig:1,001-2,000`` or ``contig:1001..2000`` (one-based, last base included), ``contig:1500``
        (shown with ``AROUND_BASE`` bases on each side), the numbers alone on the contig ``here``, a contig,
        or a name, the beginning of one or a word of a product (shown with ``AROUND_NAME`` bases on each
        side). Contigs are known without ``chr`` or their version too.
    names : DataFrame
        Of `name_index`.
    here : str
        Contig of the view.

    Raises
    ------
    InputError
        For a contig that the genome does not have, a place past its end and a name that nothing has.
    """
    text = text.strip()
    lengths = study.manifest.contigs
    if text in lengths:
        return Interval(text, 0, lengths[text])
    chrom, colon, span = text.rpartition(":")
    numbers = _SPAN.fullmatch(span.strip())
    if numbers and (colon or here):
        contig = study.contigs.named(chrom.strip()) if colon else here
        first, last = (int((n or numbers[1]).replace(",", "")) for n in numbers.groups())
        return _cut(contig, min(first, last), max(first, last), lengths[contig], text)
    word, contig = text.casefold(), study.contigs.target(text) or ""
    found = None
    # The beginning of a name never goes before a contig's own.
    if text and (contig not in lengths or (names["word"] == word).any()):
        found = _named(names, word)
    if found is not None:
        start, end = max(0, int(found["start"]) - AROUND_NAME), int(found["end"]) + AROUND_NAME
        return Interval(str(found["chrom"]), start, min(end, lengths[str(found["chrom"])]))
    if contig in lengths:
        return Interval(contig, 0, lengths[contig])
    if colon and numbers is None and re.search(r"\d", span):
        raise InputError(
            f"{span.strip()!r}: expected a place such as 1,001-2,000 or 1001..2000 after the contig"
        )
    raise InputError(
        f"{text!r} is neither a place nor a name of the annotation; expected something like"
        f" {next(iter(lengths))}:1,001-5,000, or a gene, locus tag or product"
    )


def suggest(names: pd.DataFrame, text: str, most: int = 8) -> pd.DataFrame:
    """Names that a reader may mean: those that begin with what was typed, the shortest first, then those that
    hold it.

    Rows of `name_index`, one a name and place (its parts, such as the stop of a gene, are left out); none for
    fewer than two letters.
    """
    word = text.strip().casefold()
    if len(word) < 2:
        return names.iloc[:0]
    begins = names["word"].str.startswith(word)
    near = [names[begins]]
    if begins.sum() < most:
        near.append(names[~begins & names["word"].str.contains(word, regex=False)])
    order = [part.iloc[part["word"].str.len().argsort(kind="stable")] for part in near]
    # More than are shown: a name is there for a gene, its CDS, their starts and stops.
    found = pd.concat(order).head(16 * most)
    kept: list[int] = []
    for at, row in enumerate(found.itertuples()):
        before = (found.iloc[k] for k in kept)
        if not any(b["word"] == row.word and b["start"] < row.end and b["end"] > row.start for b in before):
            kept.append(at)
        if len(kept) == most:
            break
    return found.iloc[kept]


def _cut(chrom: str, first: int, last: int, length: int, text: str) -> Interval:
    if first > length:
        raise InputError(f"{text}: {chrom} ends at {length:,}; expected a place on it")
    if first == last:
        first, last = first - AROUND_BASE, last + AROUND_BASE
    return Interval(chrom, max(0, first - 1), max(1, min(last, length)))


def _named(names: pd.DataFrame, word: str) -> pd.Series | None:
    """The first interval of a name, else of the shortest name that begins so, else of one that holds it."""
    whole = names[names["word"] == word]
    if len(whole):
        return whole.iloc[0]
    for near in (names["word"].str.startswith(word), names["word"].str.contains(word, regex=False)):
        if near.any():
            rows = names[near]
            return rows.loc[rows["word"].str.len().idxmin()]
    return None
