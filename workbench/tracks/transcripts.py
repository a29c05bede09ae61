"""Exons of transcripts, as their annotation joins them: which follows which, and what lies between."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import pandas as pd

from workbench.tracks.track import CUT_RNA, PSEUDOGENE, SLIPPAGE, TRANS, Contigs, Track

# Gaps of fewer bases are shifts of the frame or errors mended in the sequence, and no introns.
LEAST_INTRON = 10
RNA = frozenset(
    {"mRNA", "transcript", "primary_transcript", "lnc_RNA", "ncRNA", "tRNA", "rRNA", "tmRNA", "snRNA"}
    | {"snoRNA", "miRNA", "antisense_RNA", "RNase_P_RNA", "RNase_MRP_RNA", "SRP_RNA", "telomerase_RNA"}
)
_PLACE = ["chrom", "start", "end", "strand"]
# Those whose gaps are not introns that a cell cuts out of what it reads.
_NO_INTRONS = (SLIPPAGE, TRANS, PSEUDOGENE)


def exon_chains(tracks: Sequence[Track], contigs: Contigs) -> pd.DataFrame:
    """Exons of each transcript, from rows of exons, of CDS, and of RNA that no exon is part of.

    Pseudogenes, trans-spliced features and those read with a slip of the ribosome are left out.

    Returns
    -------
    DataFrame
        A row an exon, those of one ``transcript`` (int) in the order of the contig: ``chrom, start, end,
        strand, name``; ``rank`` and ``of``: its place in the reading, from 1, and how many there are;
        ``complete``: both ends of the transcript are known; ``cut``: RNA whose introns have no splice sites;
        ``kind``: ``exon``, ``CDS`` or ``RNA``; ``source``, ``parent``: what CDS are found by.
        Of a transcript over the origin of a circular contig, places go on past its length.
    """
    exons = [_rows(t, "exon") for t in tracks if t.type == "exon"]
    coding = [_rows(t, "CDS") for t in tracks if t.type == "CDS"]
    parts = [_by_parent(t) for t in exons]
    # Rows of CDS without an ID are of each of their parents, others of one feature.
    for table in coding:
        nameless = table["group"] == table["parent"]
        parts += [_by_parent(table[nameless]), table.assign(key=table["group"])[~nameless]]
    named = [_by_parent(t)[["source", "key"]] for t in (*exons, *coding)]
    within = pd.MultiIndex.from_frame(pd.concat(named)) if named else []
    for table in (_rows(t, "RNA") for t in tracks if t.type in RNA):
        own = pd.MultiIndex.from_frame(table[["source", "group"]])
        parts.append(table.assign(key=table["group"])[~own.isin(within)])
    parts = [t for t in parts if len(t)]
    if not parts:
        return pd.DataFrame(columns=[*_PLACE, "name", "transcript", "rank", "of"])
    rows = pd.concat(parts, ignore_index=True)
    rows = rows[~rows["joined"].isin(_NO_INTRONS) & (rows["strand"] != ".") & (rows["key"] != "")]
    return _chained(_past_origins(rows, contigs))


def introns_of(chains: pd.DataFrame) -> pd.DataFrame:
    """Between exons of one transcript: `exon_chains`' columns, ``rank`` and ``of`` those of introns."""
    before, after = chains.shift(1), chains
    follows = (before["transcript"] == after["transcript"]).to_numpy()
    found = after[follows].copy()
    found["end"] = found["start"]
    found["start"] = before.loc[follows, "end"].astype("int64")
    found["of"] -= 1
    # Read from the right, the exon after an intron has the smaller rank.
    found["rank"] -= found["strand"] == "+"
    return found.reset_index(drop=True)


def coding_spans(chains: pd.DataFrame, tracks: Sequence[Track]) -> pd.DataFrame:
    """Coding bases of transcripts, from first to last, stop codon included: ``transcript, first, last``.

    Of a GenBank file, where a CDS names its gene and no transcript: the CDS of the gene that an RNA holds,
    spliced alike; the longest of several.
    """
    parts = [_rows(t, "CDS") for t in tracks if t.type in ("CDS", "stop_codon")]
    if not parts or not len(chains):
        return pd.DataFrame(columns=["transcript", "first", "last"])
    coding = pd.concat([_by_parent(t) for t in parts], ignore_index=True)
    by = ["source", "chrom", "strand", "key"]
    whole = coding.groupby(by, sort=False).agg(first=("start", "min"), last=("end", "max")).reset_index()
    exons = chains[chains["kind"] == "exon"].drop_duplicates("transcript")
    told = exons.merge(whole, on=by)[["transcript", "first", "last"]]
    return pd.concat([told, _held(chains)], ignore_index=True)


def _held(chains: pd.DataFrame) -> pd.DataFrame:
    """Of each RNA that no exon is part of, the CDS of its gene that it holds, spliced alike."""
    gene = ["source", "chrom", "strand", "parent"]
    rna = chains[(chains["kind"] == "RNA") & (chains["parent"] != "")]
    coding = chains[(chains["kind"] == "CDS") & chains["parent"].isin(rna["parent"])]
    of_gene: dict[tuple[str, ...], list[pd.DataFrame]] = defaultdict(list)
    for _, rows in coding.groupby("transcript", sort=False):
        of_gene[tuple(rows[gene].iloc[0])].append(rows)
    found = []
    for transcript, rows in rna.groupby("transcript", sort=False):
        held = [own for own in of_gene[tuple(rows[gene].iloc[0])] if _holds(rows, own)]
        spans = [(int(own["start"].min()), int(own["end"].max())) for own in held]
        if spans:
            found.append((transcript, *max(spans, key=lambda s: s[1] - s[0])))
    return pd.DataFrame(found, columns=["transcript", "first", "last"])


def _gaps(rows: pd.DataFrame) -> list[tuple[int, int]]:
    return list(zip(rows["end"].tolist()[:-1], rows["start"].tolist()[1:], strict=True))


def _holds(rna: pd.DataFrame, cds: pd.DataFrame) -> bool:
    first, last = cds["start"].min(), cds["end"].max()
    inside = [gap for gap in _gaps(rna) if first < gap[1] and gap[0] < last]
    return bool(rna["start"].min() <= first and last <= rna["end"].max() and inside == _gaps(cds))


def _rows(track: Track, kind: str) -> pd.DataFrame:
    return track.intervals.assign(kind=kind, source=track.source)


def _by_parent(table: pd.DataFrame) -> pd.DataFrame:
    """A row for each parent of a row, its ``key``; a row without one is of its own group."""
    parents = table["parent"].where(table["parent"] != "", table["group"])
    return table.assign(key=parents.str.split(",")).explode("key")


def _past_origins(rows: pd.DataFrame, contigs: Contigs) -> pd.DataFrame:
    """Rows of features over the origin of a circular contig put after those before it."""
    length = rows["chrom"].map(dict(contigs.lengths))
    on_circle = rows["chrom"].isin(contigs.circular)
    by = ["source", "chrom", "strand", "kind", "key"]
    over = on_circle & rows.assign(s=rows["start"] == 0, e=rows["end"] == length).groupby(by)[
        ["s", "e"]
    ].transform("any").all(axis=1)
    if not over.any():
        return rows
    rows = rows.copy()
    for (_, chrom, *_), part in rows[over].groupby(by, sort=False):
        part = part.sort_values("start")
        gaps = part["start"].to_numpy()[1:] - part["end"].to_numpy()[:-1]
        moved = part.index[: 1 + int(gaps.argmax())] if len(gaps) else part.index[:0]
        rows.loc[moved, ["start", "end"]] += contigs.lengths[chrom]
    return rows


def _chained(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of each key joined where less than an intron lies between them, numbered in the reading."""
    by = ["source", "chrom", "strand", "kind", "key"]
    rows = rows.assign(transcript=rows.groupby(by, sort=False).ngroup())
    rows = rows.sort_values(["transcript", "start", "end"], kind="stable").reset_index(drop=True)
    own = rows.groupby("transcript", sort=False)
    reach = own["end"].cummax().shift(1, fill_value=0)
    first = rows["transcript"] != rows["transcript"].shift(1)
    rows["exon"] = (first | (rows["start"] - reach >= LEAST_INTRON)).cumsum()
    rows["cut"] = rows["joined"] == CUT_RNA
    kept = ("transcript", "chrom", "strand", "name", "cut", "kind", "source", "key", "parent")
    chains = rows.groupby("exon", sort=False).agg(
        start=("start", "min"),
        end=("end", "max"),
        complete=("complete", "all"),
        **{k: (k, "first") for k in kept},
    )
    own = chains.groupby("transcript", sort=False)
    place = own.cumcount() + 1
    chains["of"] = own["start"].transform("size")
    chains["rank"] = place.where(chains["strand"] == "+", chains["of"] + 1 - place)
    chains["complete"] = own["complete"].transform("min")
    return chains.reset_index(drop=True)
