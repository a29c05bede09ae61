"""Tracks that follow from how transcripts are spliced: introns and their ends, UTRs, promoters, exons."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from workbench.tracks.track import Contigs, Row, Track, frame, note_left_out, order, unwrap
from workbench.tracks.transcripts import coding_spans, exon_chains, introns_of

# Bases of a splice site: the two of the intron next to the exon (GT and AG), as the Sequence Ontology has it.
SITE = 2
# Bases before the first one of an mRNA.
PROMOTER = 200


class Transcripts(NamedTuple):
    """What tracks are made from: `exon_chains`, `coding_spans`, and the contigs."""

    chains: pd.DataFrame
    coding: pd.DataFrame
    contigs: Contigs


Make = Callable[[Transcripts], pd.DataFrame]


def _introns(of: Transcripts) -> pd.DataFrame:
    return _numbered(introns_of(of.chains), "intron")


def _site(at_start: bool) -> Make:
    """Splice sites at the first (or last) bases of introns, in the reading."""

    def sites(of: Transcripts) -> pd.DataFrame:
        introns = _numbered(introns_of(of.chains[~of.chains["cut"]]), "intron")
        left = (introns["strand"] == "+") == at_start
        return introns.assign(
            start=introns["start"].where(left, introns["end"] - SITE),
            end=introns["end"].where(~left, introns["start"] + SITE),
        )

    return sites


def _untranslated(at_start: bool) -> Make:
    """Parts of exons before the first (or after the last) coding base of their transcript, in the reading."""

    def parts(of: Transcripts) -> pd.DataFrame:
        exons = of.chains.merge(of.coding, on="transcript")
        left = (exons["strand"] == "+") == at_start
        exons["end"] = exons["end"].where(~left, exons[["end", "first"]].min(axis=1))
        exons["start"] = exons["start"].where(left, exons[["start", "last"]].max(axis=1))
        return exons[exons["start"] < exons["end"]]

    return parts


def _beginnings(of: Transcripts) -> pd.DataFrame:
    """First exons of mRNA; ``known`` where the file says that its ends are, and it begins before its CDS."""
    first = of.chains[of.chains["rank"] == 1].merge(of.coding, on="transcript")
    before = (first["start"] < first["first"]).where(first["strand"] == "+", first["last"] < first["end"])
    return first.assign(known=first["complete"] & before)


def _promoters(of: Transcripts) -> pd.DataFrame:
    found = _beginnings(of)
    found = found[found["known"]]
    spans = []
    for chrom, start, end, strand in found[["chrom", "start", "end", "strand"]].itertuples(index=False):
        length = of.contigs.lengths[chrom]
        first, last = (start - PROMOTER, start) if strand == "+" else (end, end + PROMOTER)
        if chrom in of.contigs.circular:
            spans.append((first % length, first % length + PROMOTER))
        else:
            spans.append((max(first, 0), min(last, length)))
    edges = np.array(spans, np.int64).reshape(-1, 2)
    return found.assign(start=edges[:, 0], end=edges[:, 1])[edges[:, 0] < edges[:, 1]]


def _exons(which: Callable[[pd.DataFrame], pd.Series]) -> Make:
    def exons(of: Transcripts) -> pd.DataFrame:
        spliced = of.chains[(of.chains["kind"] != "CDS") & (of.chains["of"] > 1)]
        return _numbered(spliced[which(spliced)], "exon")

    return exons


def _numbered(table: pd.DataFrame, what: str) -> pd.DataFrame:
    places = zip(table["name"], table["rank"], table["of"], strict=True)
    return table.assign(name=[f"{name} {what} {rank} of {of}".strip() for name, rank, of in places])


_MAKERS: dict[str, Make] = {
    "intron": _introns,
    "splice_donor": _site(at_start=True),
    "splice_acceptor": _site(at_start=False),
    "five_prime_UTR": _untranslated(at_start=True),
    "three_prime_UTR": _untranslated(at_start=False),
    "promoter": _promoters,
    "exon_first": _exons(lambda t: t["rank"] == 1),
    "exon_inner": _exons(lambda t: (t["rank"] > 1) & (t["rank"] < t["of"])),
    "exon_last": _exons(lambda t: t["rank"] == t["of"]),
}
SPLICED = tuple(_MAKERS)


def spliced_tracks(tracks: Sequence[Track], contigs: Contigs) -> Iterator[Track]:
    """Tracks of `SPLICED`, where any transcript is spliced; each interval once, however many have it.

    ``intron``: between exons. ``splice_donor``, ``splice_acceptor``: its first and last two bases in the
    reading; not of tRNA and rRNA. ``five_prime_UTR``, ``three_prime_UTR``: exons outside the coding bases of
    their transcript. ``promoter``: ``PROMOTER`` bases before an mRNA whose first base is known.
    ``exon_first``, ``exon_inner``, ``exon_last``: exons of spliced transcripts; one may be each of them in
    other transcripts.
    """
    chains = exon_chains(tracks, contigs)
    if not (chains["of"] > 1).any():
        return
    transcripts = Transcripts(chains, coding_spans(chains, tracks), contigs)
    unknown = int((~_beginnings(transcripts)["known"]).sum())
    left_out = {("mRNA", "whose first base is not known (partial, or without a 5' UTR)"): unknown}
    notes = {"promoter": note_left_out("promoter", left_out) if unknown else ()}
    for name, make in _MAKERS.items():
        made = make(transcripts)
        rows = [Row(*values) for values in made[["chrom", "start", "end", "name"]].itertuples(index=False)]
        table = frame(rows).assign(strand=made["strand"].to_numpy())
        table = unwrap(table.drop_duplicates(["chrom", "start", "end", "strand"]), contigs)
        yield Track(name, order(table, contigs), "spliced transcripts", notes=notes.get(name, ()))
