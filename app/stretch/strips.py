"""The message to the canvas for a sequence that was read: all of it, so that it moves without the server."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from app.canvas.message import feature_row, pack
from app.canvas.track_lanes import box_lane, lane, value_lane
from app.data.annotation import codons_in, tracks
from app.data.study import Opened, key_of, scale
from app.stretch.reading import Source, found_genes
from workbench.browse.alleles import Allele
from workbench.browse.codons import ACIDS, Codon, codons
from workbench.browse.pasted_sequence import Pasted
from workbench.browse.signal_bins import Bins
from workbench.browse.stretch_tiles import difference_tile, stretch_tile
from workbench.browse.tiles import Tile
from workbench.cohort.edits import apply_edits
from workbench.tracks.track import Row, Track, frame
from workbench.wording import plural

MOST_STRIPS = 8
# Bases up to which codons are sent, bins of the likelihood, the worst of it that is drawn, bits a base, and
# the least that the scale of its change reaches to.
MOST_CODONS, BINS, WORST, LEAST_CHANGE = 60_000, 10_000, 4.0, 0.5
GENES = ("gene", "CDS")


class Reading(NamedTuple):
    """A sequence as the model read it, and an allele of it where there is one."""

    source: Source
    pasted: Pasted
    allele: Allele | None = None
    changed: Pasted | None = None


def strips_message(
    opened: Opened, reading: Reading, features: Sequence[int], token: int, linked: str
) -> bytes:
    """Bytes of everything to draw a sequence.

    ``token`` changes with what is read; ``linked`` is what addresses of other pages begin their query with.
    """
    source, top = reading.source, scale(opened).top
    chrom, start, end = source.locus
    letters = reading.pasted.sequence
    tile = stretch_tile(chrom, reading.pasted, features, top)
    described = [feature_row(opened, f) for f in features]
    ids: list[Any] = list(features)
    head: dict[str, Any] = {}
    if reading.allele is not None and reading.changed is not None:
        other = stretch_tile(chrom, reading.changed, features, top, reading.allele.edits)
        tile = _stacked(tile, other, difference_tile(tile, other))
        described = [each for one in described for each in _alleles(one)]
        ids = [each["id"] for each in described]
        head["allele"] = {"start": start, "text": _aligned(reading)}
    drawn = ", ".join(map(str, features)) or "none"
    head |= {
        "alone": True, "bounds": [start, end], "token": token, "chrom": chrom,
        "length": end if source.letters else opened.evidence.manifest.contigs[chrom],
        "view": [start, end], "span": [start, end], "scale": f"{key_of(opened)}{token}", "strands": "+-",
        "draw": "signal", "threshold": 0.0, "brush": None, "features": described, "rows": {}, "acids": ACIDS,
        "lanes": _lanes(opened, reading), "letters": {"start": start, "text": letters},
        "codons": _codons(opened, source), "sequence": ["letters", "codons"], "study": opened.evidence.name,
        # An address does not hold what was pasted.
        "linked": linked, "unlinked": bool(source.letters),
        "words": f"{source}, features {drawn}; the tables below hold the same",
    }  # fmt: skip
    key = f"{token}/{','.join(map(str, ids))}/{len(reading.allele.edits) if reading.allele else 0}"
    return pack(head, [(key, tile, False)], ids, "+-")


def _alleles(feature: dict[str, Any]) -> list[dict[str, Any]]:
    """The three rows of a feature: the sequence, the allele, the difference."""
    number = feature["id"]
    changed = {
        "id": f"{number} changed",
        "name": f"feature {number} with the changes",
        "title": "with the changes",
    }
    less = {
        "id": f"{number} difference", "name": f"difference of feature {number}", "title": "difference",
        "label": "up: more with the changes",
        "sides": {"+": "more with the changes", "-": "less with the changes"},
    }  # fmt: skip
    return [feature, feature | changed, feature | less]


def _stacked(*tiles: Tile) -> Tile:
    """Tiles of the same features as one, feature by feature."""
    codes = np.stack([tile.codes for tile in tiles], axis=1)
    return tiles[0]._replace(codes=codes.reshape(-1, *codes.shape[2:]))


def _aligned(reading: Reading) -> str:
    """Letters of the allele under those of the sequence: ``-`` where it has none; inserted ones left out."""
    assert reading.allele is not None
    start = reading.pasted.start
    letters, positions = apply_edits(reading.pasted.sequence, start, reading.allele.edits)
    out = ["-"] * len(reading.pasted.sequence)
    for letter, position in zip(reversed(letters), reversed(positions.tolist()), strict=True):
        out[position - start] = letter
    return "".join(out)


def _codons(opened: Opened, source: Source) -> list[Codon]:
    if source.locus.size > MOST_CODONS:
        return []
    if source.letters:
        return codons(source.genome(opened), found_genes(source).table, source.locus)
    return codons_in(opened, source.locus)


def _lanes(opened: Opened, reading: Reading) -> list[dict[str, Any]]:
    source = reading.source
    if source.letters:
        found = Track("genes found", found_genes(source).table, "pyrodigal")
        drawn = [box_lane(found, source.locus)] if len(found.intervals) else []
    else:
        known = [track.name for track in tracks(opened).result() if track.type in GENES]
        drawn = [lane(opened, name, source.locus) for name in known[:2]]
    if reading.allele is not None:
        rows = [
            Row(v.chrom, v.start, v.start + len(v.reference), f"{v.reference}{v.start + 1}{v.alternative}")
            for v in reading.allele.variants
        ]
        drawn.append(box_lane(Track("changes", frame(rows), "changes"), source.locus, "variant"))
    warm = _little_context(opened, reading)
    if len(warm):
        drawn.append(box_lane(Track("little context", warm, ""), source.locus))
    nats = reading.pasted.nats
    drawn += [_bits(f"bits a base ({s})", -nats[s] / np.log(2), source, (0.0, WORST)) for s in "+-"]
    if reading.allele is not None and reading.changed is not None:
        change = _change(reading)
        most = float(np.clip(np.abs(change).max(), LEAST_CHANGE, WORST))
        drawn.append(_bits("change of bits", change, source, (-most, most)))
    return drawn


def _little_context(opened: Opened, reading: Reading) -> pd.DataFrame:
    """Bases whose readings have fewer letters before them than the study's warm-up, by strand."""
    (chrom, start, end), pasted = reading.source.locus, reading.pasted
    warmup = opened.study.grid.warmup
    left, right = min(end, start + warmup - pasted.before), max(start, end - warmup + pasted.after)
    rows = [Row(chrom, start, left, strand="+"), Row(chrom, right, end, strand="-")]
    return frame([row for row in rows if row.start < row.end])


def _change(reading: Reading) -> np.ndarray:
    """Bits that each base costs more with the changes, mean of both strands; of what is inserted the sum."""
    assert reading.allele is not None and reading.changed is not None
    start, size = reading.pasted.start, len(reading.pasted.sequence)
    _, positions = apply_edits(reading.pasted.sequence, start, reading.allele.edits)
    change = np.zeros(size)
    for strand, nats in reading.pasted.nats.items():
        own = np.bincount(positions - start, np.nan_to_num(reading.changed.nats[strand]), minlength=size)
        change += (np.nan_to_num(nats) - own) / np.log(2) / 2
    return change


def _bits(name: str, values: np.ndarray, source: Source, ends: tuple[float, float]) -> dict[str, Any]:
    """A lane of means between two ends."""
    size = -(-len(values) // BINS)
    bins = np.arange(len(values)) // size
    known = np.isfinite(values)
    with np.errstate(invalid="ignore"):
        means = np.bincount(bins, np.where(known, values, 0.0)) / np.bincount(bins, known)
    return value_lane(name, Bins(source.locus.start, size, means), *ends)


def genes_words(source: Source) -> str:
    """That genes of a pasted sequence were not looked for, and why; empty where they were."""
    reason = found_genes(source).why_not if source.letters else ""
    return f"Genes were not looked for: {reason}." if reason else ""


def context_words(opened: Opened, reading: Reading) -> str:
    """What is to be said of bases with little context; empty where there are none."""
    warm = _little_context(opened, reading)
    if warm.empty:
        return ""
    warmup, covered = opened.study.grid.warmup, int((warm["end"] - warm["start"]).max())
    if covered >= reading.source.locus.size:
        return (
            f"All of it has little context (fewer than {warmup:,} letters before a base), which the study"
            " discards: take these values with care."
        )
    return (
        f"Bases with fewer than {plural(warmup, 'letter')} before them have little context and do not count."
    )
