"""Near copies that straddle the split: sequence of the report split that train or select hold as well.

K-mers of both strands, long enough that chance hardly ever repeats one, tell near copies: an interval or a
tile of the report split counts as a near copy when at least `COPIED` of its k-mers occur in the train or
the select split. Intervals of a track are also clustered by shared k-mers; a cluster is of one fold when
its report members are left out of the scores "without copies".
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from feature_mining.kmers import below, clusters, contains, identity, kmer_hashes, long_enough
from genomic_models.dna import base_codes
from workbench.analysis.audit.training_overlap import PIECE
from workbench.analysis.labels import intervals_by_track
from workbench.files.arrays import read_arrays, write_arrays
from workbench.genome.splits import CODES
from workbench.study.study import Study

# Bases of a tile.
TILE = 256
# Share of k-mers that a near copy has in common with train or select.
COPIED = 0.25
# K-mers below which an interval is not judged.
FEWEST = 8
# K-mers of a split that are held; of a larger genome an even sample.
MOST_KMERS = 50_000_000
_TRACK_COUNTS = (
    "n_intervals", "n_report", "copies_train", "copies_select", "copies", "clusters", "straddling",
)  # fmt: skip


class Copies(NamedTuple):
    """Near copies along the report split.

    k : letters of a k-mer; identity : of sequence that keeps `COPIED` of its k-mers
    masks : by contig, bool (length), report bases in near-copied tiles or intervals
    tracks : DataFrame track, n_intervals, n_report, copies_train, copies_select, copies, clusters,
        straddling (clusters with intervals in report and elsewhere)
    share : of the report split's bases in near copies
    """

    k: int
    identity: float
    masks: dict[str, np.ndarray]
    tracks: pd.DataFrame
    share: float


class _Contig(NamedTuple):
    """Sampled k-mers of the report split: no more than `MOST_KMERS`, however long the genome.

    at : int64 (m), first bases, ascending
    train, select : int64 (m + 1), running counts of those in each split
    """

    at: np.ndarray
    train: np.ndarray
    select: np.ndarray


def _blocks(study: Study, split: str) -> Iterator[tuple[str, int, int]]:
    for chrom, first, end, _ in study.manifest.blocks(split):
        for start in range(first, end, PIECE):
            yield chrom, start, min(end, start + PIECE)


def _hashes(study: Study, chrom: str, start: int, end: int, k: int) -> np.ndarray:
    return kmer_hashes(base_codes(study.genome.fetch(chrom, start, end)), k)


def _collection(study: Study, split: str, k: int, fraction: float) -> np.ndarray:
    parts = [np.zeros(0, np.uint64)]
    for place in _blocks(study, split):
        hashes = _hashes(study, *place, k)
        parts.append(np.unique(hashes[below(hashes, fraction)]))
    return np.unique(np.concatenate(parts))


def find_copies(study: Study) -> Copies:
    """Look every tile and every interval of the report split up in train and select."""
    lengths = study.manifest.contigs
    total = sum(lengths.values())
    k, fraction = long_enough(total), min(1.0, MOST_KMERS / total)
    known = {split: _collection(study, split, k, fraction) for split in ("train", "select")}
    contigs = {name: _count(study, name, known, k, fraction) for name in lengths}
    masks = {}
    for name, length in lengths.items():
        lo = np.arange(0, length, TILE)
        shares = _shares(contigs[name], lo, np.minimum(lo + TILE, length), k)
        copied = np.maximum(shares["train"], shares["select"]) >= COPIED
        masks[name] = np.repeat(copied, TILE)[:length]
    rows = []
    for track, intervals in intervals_by_track(study).items():
        rows.append(_track(study, track, intervals, contigs, masks, (k, fraction)))
    held = 0
    for name, length in lengths.items():
        report = study.split.codes(name, 0, length) == CODES["report"]
        masks[name] &= report
        held += int(report.sum())
    share = sum(int(mask.sum()) for mask in masks.values()) / max(1, held)
    return Copies(k, identity(COPIED, k), masks, pd.DataFrame(rows), share)


def _count(study: Study, name: str, known: dict[str, np.ndarray], k: int, fraction: float) -> _Contig:
    at = [np.zeros(0, np.int64)]
    shared = {split: [np.zeros(1, bool)] for split in ("train", "select")}
    for chrom, start, end in _blocks(study, "report"):
        if chrom == name:
            hashes = _hashes(study, chrom, start, end, k)
            sampled = np.flatnonzero(below(hashes, fraction))
            at.append(start + sampled)
            for split, found in shared.items():
                found.append(contains(known[split], hashes[sampled]))
    train, select = (np.cumsum(np.concatenate(found), dtype=np.int64) for found in shared.values())
    return _Contig(np.concatenate(at), train, select)


def _shares(contig: _Contig, lo: np.ndarray, hi: np.ndarray, k: int) -> dict[str, np.ndarray]:
    """Share of k-mers within each stretch that a split has, NaN-free: 0 where too few were sampled."""
    first, last = (np.searchsorted(contig.at, place) for place in (lo, np.maximum(lo, hi - k + 1)))
    sampled = last - first
    out = {}
    for split in ("train", "select"):
        counts = getattr(contig, split)
        shared = (counts[last] - counts[first]) / np.maximum(sampled, 1)
        out[split] = np.where(sampled >= FEWEST, shared, 0.0)
    return out


def _track(
    study: Study,
    track: str,
    intervals: pd.DataFrame,
    contigs: dict[str, _Contig],
    masks: dict[str, np.ndarray],
    kmers: tuple[int, float],
) -> dict[str, Any]:
    """Counts of one track; its near-copied report intervals are added to ``masks``."""
    k, fraction = kmers
    # A long track is looked at through fewer k-mers.
    size = int((intervals["end"] - intervals["start"]).sum())
    fraction = min(fraction, MOST_KMERS / max(1, 2 * size))
    held = np.zeros(len(intervals), bool)
    near = {split: np.zeros(len(intervals), bool) for split in ("train", "select")}
    members: list[np.ndarray] = []
    places = zip(intervals["chrom"], intervals["start"], intervals["end"], strict=True)
    for i, (chrom, start, end) in enumerate(places):
        lo, hi = max(0, int(start)), min(int(end), study.manifest.contigs[chrom])
        hashes = np.unique(_hashes(study, chrom, lo, hi, k))
        members.append(hashes[below(hashes, fraction)])
        inside = study.split.codes(chrom, lo, hi) == CODES["report"]
        held[i] = 2 * int(inside.sum()) > hi - lo
        if held[i]:
            shares = _shares(contigs[chrom], np.array([lo]), np.array([hi]), k)
            for split, found in near.items():
                found[i] = shares[split][0] >= COPIED
            if near["train"][i] or near["select"][i]:
                masks[chrom][lo:hi] = True
    group = clusters(members, COPIED)
    table = pd.DataFrame({"group": group, "held": held}).groupby("group")["held"]
    straddling = (table.any() & ~table.all()).sum()
    return {
        "track": track,
        "n_intervals": len(intervals),
        "n_report": int(held.sum()),
        "copies_train": int(near["train"].sum()),
        "copies_select": int(near["select"].sum()),
        "copies": int((near["train"] | near["select"]).sum()),
        "clusters": int(np.unique(group).size),
        "straddling": int(straddling),
    }


def _path(study: Study) -> Path:
    return study.folder / "work" / "copies" / "copies.npz"


def write_copies(study: Study, found: Copies) -> None:
    """Keep what `find_copies` found in the study's folder."""
    arrays = {f"mask_{i}": np.packbits(found.masks[c]) for i, c in enumerate(study.manifest.contigs)}
    tracks = found.tracks.reindex(columns=["track", *_TRACK_COUNTS])
    arrays["track"] = tracks["track"].to_numpy(str)
    arrays["counts"] = tracks[list(_TRACK_COUNTS)].to_numpy(np.int64)
    facts = {"k": found.k, "identity": found.identity, "share": found.share}
    write_arrays(_path(study), arrays | {k: np.array(v) for k, v in facts.items()})


def read_copies(study: Study) -> Copies:
    """What `write_copies` kept."""
    arrays = read_arrays(_path(study))
    masks = {
        name: np.unpackbits(arrays[f"mask_{i}"], count=length).astype(bool)
        for i, (name, length) in enumerate(study.manifest.contigs.items())
    }
    tracks = pd.DataFrame(arrays["counts"], columns=list(_TRACK_COUNTS))
    tracks.insert(0, "track", arrays["track"].astype(object))
    return Copies(int(arrays["k"]), float(arrays["identity"]), masks, tracks, float(arrays["share"]))
