"""What the canvas is sent: one binary message with tiles of features, boxes of tracks, letters and codons."""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import streamlit as st

from app.data import Opened, key_of
from app.lanes import codons_in, lane, variant_lane
from app.links import BrowseView
from app.words import label_sentences, short_label
from workbench.report.formats import percent
from workbench.tiles import Tile, TileReader, bin_size
from workbench.tracks.track import Track
from workbench.views import Locus

COARSE_BINS = 1200
SIDES = {"both": "+-", "+": "+", "-": "-"}
READABLE = 2.0
"""Pixels a base from which letters are drawn; they are sent a step before."""
STEP = 4
"""How much finer and wider than the view the tiles for the next move are."""
_AHEAD = ThreadPoolExecutor(1, "tiles-ahead")


class Shown(NamedTuple):
    """A view that has been checked against the study.

    locus : Locus
    features : list of int
    tracks : list of Track
    view : BrowseView
        Threshold, strands and drawing of the address.
    brush : Locus or None
    variants : tuple of Track
        Variants of samples, where the address asks for them.
    """

    locus: Locus
    features: list[int]
    tracks: list[Track]
    view: BrowseView
    brush: Locus | None
    variants: tuple[Track, ...] = ()


class Client(NamedTuple):
    """What the canvas has said.

    width : pixels
    coarse : keys of the tiles of whole contigs that it holds
    token : which jump it is at
    sharp : whether it has drawn the view already, so that only what the next move needs is missing
    """

    width: int
    coarse: tuple[str, ...]
    token: int
    sharp: bool = False


@st.cache_resource(max_entries=4, show_spinner=False)
def _reader(_opened: Opened, key: tuple[str, ...]) -> TileReader:
    return TileReader(_opened.study, _opened.evidence.catalog["max"].to_numpy())


def reader(opened: Opened) -> TileReader:
    """The tiles of a study, shared by all sessions."""
    return _reader(opened, key_of(opened))


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


def fine_tile(opened: Opened, shown: Shown, width: int) -> Tile:
    """Twice the view (half a view more on each side), in bins no wider than a pixel."""
    start, end = shown.locus.start, shown.locus.end
    wide = _around(opened, shown.locus, (end - start) // 2)
    size = bin_size(end - start, width)
    return reader(opened).tile(shown.features, wide, size, SIDES[shown.view.strands])


def _around(opened: Opened, locus: Locus, more: int) -> Locus:
    length = opened.evidence.manifest.contigs[locus.chrom]
    return Locus(locus.chrom, max(0, locus.start - more), min(length, locus.end + more))


def _next_tiles(opened: Opened, shown: Shown, size: int) -> list[Tile]:
    """Tiles for the next move: the view four times finer, and eight views in bins four times wider.

    Those that need files read are read in the background, for the message after this one.
    """
    start, end = shown.locus.start, shown.locus.end
    wanted = [(shown.locus, max(1, size // STEP))] if size > 1 else []
    wide = _around(opened, shown.locus, (end - start) * 7 // 2)
    if wide.end - wide.start > 2 * (end - start):
        wanted.append((wide, size * STEP))
    source, strands = reader(opened), SIDES[shown.view.strands]
    tiles = []
    for locus, fine in wanted:
        if source.holds(shown.features, locus, fine, strands):
            tiles.append(source.tile(shown.features, locus, fine, strands))
        else:
            _AHEAD.submit(source.tile, shown.features, locus, fine, strands)
    return tiles


def message(opened: Opened, shown: Shown, client: Client) -> bytes:
    """Everything to draw a view, at the resolution of the client's pixels, and a coarse whole contig."""
    chrom, start, end = shown.locus
    length = opened.evidence.manifest.contigs[chrom]
    strands = SIDES[shown.view.strands]
    size = bin_size(end - start, client.width)
    near = [] if client.sharp else [fine_tile(opened, shown, client.width)]
    near += _next_tiles(opened, shown, size)
    tiles = [(_name(shown, tile, strands), tile, False) for tile in near]
    whole_size = bin_size(length, COARSE_BINS // 2)
    coarse = f"whole/{chrom}/{strands}/{','.join(map(str, shown.features))}"
    if whole_size > size and coarse not in client.coarse:
        whole = reader(opened).tile(shown.features, Locus(chrom, 0, length), whole_size, strands)
        tiles.append((coarse, whole, True))
    wide = _around(opened, shown.locus, (end - start) // 2)
    lanes = _around(opened, shown.locus, (end - start) * 3 // 2)
    readable = client.width / (end - start) >= READABLE / STEP
    letters = opened.study.genome.fetch(*wide) if readable else ""
    head: dict[str, Any] = {
        "token": client.token,
        "chrom": chrom,
        "length": length,
        "view": [start, end],
        "span": [lanes.start, lanes.end],
        "scale": str(key_of(opened)),
        "strands": strands,
        "draw": shown.view.draw,
        "threshold": shown.view.threshold,
        "brush": [shown.brush.start, shown.brush.end] if shown.brush else None,
        "features": [_feature(opened, f) for f in shown.features],
        "lanes": [lane(opened, track.name, lanes) for track in shown.tracks]
        + [variant_lane(track, lanes) for track in shown.variants],
        "letters": {"start": wide.start, "text": letters} if readable else None,
        "codons": codons_in(opened, wide) if readable else [],
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
