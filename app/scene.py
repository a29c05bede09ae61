"""What the canvas is sent: one binary message with tiles of features, boxes of tracks, letters and codons."""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import streamlit as st

from app.data import Opened
from app.links import BrowseView
from app.words import label_sentences, short_label
from workbench.frames import Codon, codons
from workbench.report.formats import percent
from workbench.report.strips import spread
from workbench.tiles import Tile, TileReader, bin_size
from workbench.track_cache import TrackIndex, interval_tracks
from workbench.tracks.track import Track
from workbench.views import Locus, annotation

MOST_BOXES = 300
"""Boxes of one track, in the stretch that is sent: more are drawn as one."""
COARSE_BINS = 1200
SIDES = {"both": "+-", "+": "+", "-": "-"}
READABLE = 2.0
"""Pixels a base from which letters are sent."""


class Shown(NamedTuple):
    """A view that has been checked against the study.

    locus : Locus
    features : list of int
    tracks : list of Track
    view : BrowseView
        Threshold, strands and drawing of the address.
    brush : Locus or None
    """

    locus: Locus
    features: list[int]
    tracks: list[Track]
    view: BrowseView
    brush: Locus | None


class Client(NamedTuple):
    """What the canvas has said: its width in pixels, the coarse tiles it holds, and which jump it is at."""

    width: int
    coarse: tuple[str, ...]
    token: int


@st.cache_resource(max_entries=4, show_spinner=False)
def _reader(_opened: Opened, key: tuple[str, ...]) -> TileReader:
    return TileReader(_opened.study, _opened.evidence.catalog["max"].to_numpy())


@st.cache_resource(max_entries=4, show_spinner=False)
def _tracks(_opened: Opened, key: tuple[str, ...]) -> Future[list[Track]]:
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(interval_tracks, _opened.study)
        pool.shutdown(wait=False)
    return future


def key_of(opened: Opened) -> tuple[str, ...]:
    """What caches of a study go by: another run of it is another key."""
    folder = opened.study.folder
    files = (folder / "manifest.json", folder / "tables" / "catalog.parquet")
    return str(folder), opened.evidence.sae["hash"], *(str(f.stat().st_mtime_ns) for f in files)


def reader(opened: Opened) -> TileReader:
    """The tiles of a study, shared by all sessions."""
    return _reader(opened, key_of(opened))


def tracks(opened: Opened) -> Future[list[Track]]:
    """The interval tracks of a study, being read in the background."""
    return _tracks(opened, key_of(opened))


class Words(NamedTuple):
    """What is said of a feature: a short label, and lines for the hover."""

    label: str
    facts: list[str]


@st.cache_resource(max_entries=20_000, show_spinner=False)
def _words(_opened: Opened, key: tuple[str, ...], feature: int) -> Words:
    density = percent(_opened.evidence.catalog.loc[feature, "density"])
    said = label_sentences(_opened.evidence, feature)[:2]
    label = short_label(_opened.evidence, feature)
    return Words(label, [*said, f"fires on {density} of readings"])


def words_of(opened: Opened, feature: int) -> Words:
    """Label and facts of a feature, put together once."""
    return _words(opened, key_of(opened), feature)


@st.cache_resource(max_entries=4, show_spinner=False)
def _index(_opened: Opened, key: tuple[str, ...]) -> TrackIndex:
    return TrackIndex(tracks(_opened).result())


@st.cache_data(max_entries=400, show_spinner=False)
def _boxes(_opened: Opened, key: tuple[str, ...], track: str, at: Locus, most: int) -> pd.DataFrame:
    return annotation(_index(_opened, key).near(track, at), at, most)


def boxes(opened: Opened, track: str, at: Locus, most: int) -> pd.DataFrame:
    """Intervals of a track that meet a stretch, as `workbench.views.annotation` gives them."""
    return _boxes(opened, key_of(opened), track, at, most)


def fine_tile(opened: Opened, shown: Shown, width: int) -> Tile:
    """Twice the view (half a view more on each side), in bins no wider than a pixel."""
    chrom, start, end = shown.locus
    length = opened.evidence.manifest.contigs[chrom]
    more = (end - start) // 2
    wide = Locus(chrom, max(0, start - more), min(length, end + more))
    size = bin_size(end - start, width)
    return reader(opened).tile(shown.features, wide, size, SIDES[shown.view.strands])


def message(opened: Opened, shown: Shown, client: Client) -> bytes:
    """Everything to draw a view, at the resolution of the client's pixels, and a coarse whole contig."""
    chrom, start, end = shown.locus
    length = opened.evidence.manifest.contigs[chrom]
    strands = SIDES[shown.view.strands]
    fine = fine_tile(opened, shown, client.width)
    tiles = [(_name(shown, fine, strands), fine, False)]
    size = bin_size(length, COARSE_BINS // 2)
    if size > fine.size:
        coarse = f"whole/{chrom}/{strands}/{','.join(map(str, shown.features))}"
        if coarse not in client.coarse:
            whole = reader(opened).tile(shown.features, Locus(chrom, 0, length), size, strands)
            tiles.append((coarse, whole, True))
    wide = Locus(chrom, max(0, int(fine.edges[0])), min(length, int(fine.edges[-1])))
    readable = client.width / (end - start) >= READABLE * 0.95
    letters = opened.study.genome.fetch(*wide) if readable else ""
    head: dict[str, Any] = {
        "token": client.token,
        "chrom": chrom,
        "length": length,
        "view": [start, end],
        "scale": str(key_of(opened)),
        "strands": strands,
        "draw": shown.view.draw,
        "threshold": shown.view.threshold,
        "brush": [shown.brush.start, shown.brush.end] if shown.brush else None,
        "features": [_feature(opened, f) for f in shown.features],
        "lanes": [_lane(opened, track.name, wide) for track in shown.tracks],
        "letters": {"start": wide.start, "text": letters} if readable else None,
        "codons": _codons(opened, wide) if readable else [],
        "words": f"{shown.locus}, features {', '.join(map(str, shown.features)) or 'none'}; the tables"
        " below say the same",
    }
    return pack(head, tiles, shown.features, strands)


def pack(
    head: dict[str, Any],
    tiles: Sequence[tuple[str, Tile, bool]],
    features: Sequence[int],
    strands: str,
) -> bytes:
    """Header and arrays: uint32 length, JSON, then for each tile edges uint32 (n + 1) and codes uint8.

    All arrays are little-endian and begin at multiples of 4, at the offsets that the header names; the
    codes of a tile are in the order feature, strand, bin.
    """
    described = [
        {
            "key": key,
            "whole": whole,
            "chrom": tile.chrom,
            "size": tile.size,
            "n": tile.codes.shape[2],
            "features": list(features),
            "strands": strands,
            "at": 0,
        }
        for key, tile, whole in tiles
    ]
    bodies = [tile.edges.astype("<u4").tobytes() + tile.codes.tobytes() for _, tile, _ in tiles]
    # Offsets stand in the header and depend on its length: numbers of fixed width settle that.
    room = len(json.dumps({**head, "tiles": described}).encode()) + 24 * len(tiles) + 8
    at = -(-(4 + room) // 4) * 4
    start = at
    for entry, body in zip(described, bodies, strict=True):
        entry["at"] = at
        at += -(-len(body) // 4) * 4
    text = json.dumps({**head, "tiles": described}).encode()
    out = bytearray(at)
    out[4 : 4 + len(text)] = text
    out[:4] = struct.pack("<I", len(text))
    assert 4 + len(text) <= start
    for entry, body in zip(described, bodies, strict=True):
        out[entry["at"] : entry["at"] + len(body)] = body
    return bytes(out)


def _name(shown: Shown, tile: Tile, strands: str) -> str:
    place = f"{tile.chrom}:{tile.edges[0]}-{tile.edges[-1]}"
    return f"{place}/{tile.size}/{strands}/{','.join(map(str, shown.features))}"


def _feature(opened: Opened, feature: int) -> dict[str, Any]:
    words = words_of(opened, feature)
    top = float(opened.evidence.catalog.at[feature, "max"])
    return {
        "id": feature,
        "label": words.label,
        "max": top,
        "top": f"{top:.3g}" if top < 1000 else f"{top:,.0f}",
        "facts": words.facts,
    }


def _lane(opened: Opened, track: str, locus: Locus) -> dict[str, Any]:
    table = boxes(opened, track, locus, MOST_BOXES)
    levels = np.asarray(spread(table["start"].to_numpy(), table["end"].to_numpy()), int)
    names = table["name"].tolist()
    drawn = zip(
        table["start"].tolist(), table["end"].tolist(), table["strand"].tolist(), names,
        levels.tolist(), table["intervals"].tolist(), strict=True,
    )  # fmt: skip
    rows = int(levels.max()) + 1 if levels.size else 1
    return {"name": track, "rows": rows, "boxes": list(drawn)}


def _codons(opened: Opened, locus: Locus) -> list[Codon]:
    ready = tracks(opened)
    if not ready.done():
        return []
    found: list[Codon] = []
    index = _index(opened, key_of(opened))
    for track in ready.result():
        if track.type == "CDS":
            near = index.near(track.name, locus).intervals
            found += codons(opened.study.genome, near, locus)
    return found
