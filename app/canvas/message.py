"""The message to the canvas: tiles of features, boxes of tracks, bases and codons, in one binary blob."""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, NamedTuple

import streamlit as st

from app.canvas.track_lanes import SEQUENCE_SIGNALS, lane, own_lane, sequence_lane, signal_lane, variant_lane
from app.data.annotation import codons_in, signals, tracks
from app.data.own_files import LaneTrack
from app.data.study import Opened, key_of, scale
from app.links import BrowseView, browse, join_query
from app.verdict_text import label_sentences, short_label
from workbench import InputError
from workbench.browse.codons import ACIDS
from workbench.browse.tiles import Tile, TileReader, bin_size
from workbench.genome.interval import Interval
from workbench.study.bookmarks import Bookmark, read_bookmarks
from workbench.tracks.track import Track
from workbench.wording import percent, spoken

COARSE_BINS = 1200
SIDES = {"both": "+-", "+": "+", "-": "-"}
# Pixels a base from which letters are drawn; they are sent a step before.
READABLE = 2.0
# Bases of a view up to which stops of all six frames are drawn.
FRAMED = 30_000
# Values and letters of a view that moves without a server.
MOST_CODES, MOST_LETTERS = 4_000_000, 300_000
# How much finer and wider than the view the tiles for the next move are.
STEP = 4
_AHEAD = ThreadPoolExecutor(1, "tiles-ahead")


class View(NamedTuple):
    """A view that has been checked against the study.

    locus : Interval
    features : list of int
    tracks : list of Track
    request : BrowseView
        Threshold, strands and drawing of the address.
    brush : Interval or None
    variants : tuple of Track
        Variants of samples, where the address asks for them.
    own : tuple of LaneTrack
        The reader's own files.
    """

    locus: Interval
    features: list[int]
    tracks: list[Track]
    request: BrowseView
    brush: Interval | None
    variants: tuple[Track, ...] = ()
    own: tuple[LaneTrack, ...] = ()

    @property
    def query(self) -> dict[str, str]:
        """Its query in an address, the study's name left out."""
        request = self.request
        return browse(
            "", str(self.locus), self.features, [track.name for track in self.tracks], request.threshold,
            request.strands, request.draw, request.brush, request.variants, request.lanes, request.rows,
            request.mode, request.ask,
        ).query  # fmt: skip


class Client(NamedTuple):
    """State of the canvas in the browser.

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
    return TileReader(_opened.study, scale(_opened).top)


def reader(opened: Opened) -> TileReader:
    """The tile reader of a study, shared by all sessions."""
    return _reader(opened, key_of(opened))


class FeatureText(NamedTuple):
    """A feature's short label, and lines of its tooltip."""

    label: str
    facts: list[str]


def feature_text(opened: Opened, feature: int) -> FeatureText:
    """Label and tooltip of a feature."""
    density = percent(opened.evidence.catalog.loc[feature, "density"])
    sentences = label_sentences(opened.evidence, feature)[:2]
    label = short_label(opened.evidence, feature)
    return FeatureText(label, [*sentences, f"active at {density} of readings"])


def fine_tile(opened: Opened, view: View, width: int) -> Tile:
    """Twice the view (half a view more on each side), in bins no wider than a pixel."""
    start, end = view.locus.start, view.locus.end
    wide = around(opened, view.locus, (end - start) // 2)
    size = bin_size(end - start, width)
    return reader(opened).tile(view.features, wide, size, SIDES[view.request.strands])


def around(opened: Opened, locus: Interval, more: int) -> Interval:
    """A stretch with ``more`` bases on each side, where its contig has them."""
    length = opened.evidence.manifest.contigs[locus.chrom]
    return Interval(locus.chrom, max(0, locus.start - more), min(length, locus.end + more))


def _next_tiles(opened: Opened, view: View, size: int) -> list[Tile]:
    """Tiles for the next move: the view four times finer, and eight views in bins four times wider.

    Those that need files read are read in the background, for the message after this one.
    """
    start, end = view.locus.start, view.locus.end
    wanted = [(view.locus, max(1, size // STEP))] if size > 1 else []
    wide = around(opened, view.locus, (end - start) * 7 // 2)
    if wide.end - wide.start > 2 * (end - start):
        wanted.append((wide, size * STEP))
    source, strands = reader(opened), SIDES[view.request.strands]
    tiles = []
    for locus, fine in wanted:
        if source.holds(view.features, locus, fine, strands):
            tiles.append(source.tile(view.features, locus, fine, strands))
        else:
            _AHEAD.submit(source.tile, view.features, locus, fine, strands)
    return tiles


def message(opened: Opened, view: View, client: Client, more: dict[str, Any] | None = None) -> bytes:
    """Bytes of everything to draw a view at the canvas' resolution, and a coarse whole contig.

    ``more`` is added to the header, such as the answer to what the canvas asked.
    """
    chrom, start, end = view.locus
    length = opened.evidence.manifest.contigs[chrom]
    strands = SIDES[view.request.strands]
    size = bin_size(end - start, client.width)
    near = [] if client.sharp else [fine_tile(opened, view, client.width)]
    near += _next_tiles(opened, view, size)
    tiles = [(_name(view, tile, strands), tile, False) for tile in near]
    whole_size = bin_size(length, COARSE_BINS // 2)
    coarse = f"whole/{chrom}/{strands}/{','.join(map(str, view.features))}"
    if whole_size > size and coarse not in client.coarse:
        whole = reader(opened).tile(view.features, Interval(chrom, 0, length), whole_size, strands)
        tiles.append((coarse, whole, True))
    head = _head(opened, view, client.token)
    wide = around(opened, view.locus, (end - start) * 3 // 2)
    near_letters = around(opened, view.locus, (end - start) // 2)
    readable = client.width / (end - start) >= READABLE / STEP
    framed = "frames" in view.request.lanes and end - start <= FRAMED
    head |= beside(opened, view, wide, size) | lettered(opened, view, near_letters, readable, framed)
    return pack(head | _offered(opened, view) | (more or {}), tiles, view.features, strands)


def whole_message(opened: Opened, view: View, held: Interval, more: dict[str, Any] | None = None) -> bytes:
    """Bytes of a view that is moved without a server, within a stretch around it: all of that is there.

    ``more`` is added to the header.
    In bins so wide that there are ``MOST_CODES`` values at most; letters of ``MOST_LETTERS`` bases at most.
    """
    _, start, end = held
    most = max(1, MOST_CODES // (2 * max(1, len(view.features))))
    size = 1 << (max(0, -(-(end - start) // most) - 1)).bit_length()
    tile = reader(opened).tile(view.features, held, size, SIDES["both"])
    head = _head(opened, view, 0) | {
        "alone": True,
        "bounds": [start, end],
        "study": opened.evidence.name,
        "words": f"{spoken(*view.locus)}, features {', '.join(map(str, view.features)) or 'none'}",
    }
    short = end - start <= MOST_LETTERS
    head |= beside(opened, view, held, max(1, (end - start) // COARSE_BINS // STEP))
    head |= lettered(opened, view, held, short and end - start <= MOST_LETTERS // STEP, short)
    return pack(head | (more or {}), [("held", tile, False)], view.features, SIDES["both"])


def _head(opened: Opened, view: View, token: int) -> dict[str, Any]:
    """What is said of every view."""
    chrom, start, end = view.locus
    return {
        "token": token,
        "chrom": chrom,
        "length": opened.evidence.manifest.contigs[chrom],
        "view": [start, end],
        "scale": str(key_of(opened)),
        "strands": SIDES[view.request.strands],
        "draw": view.request.draw,
        "threshold": view.request.threshold,
        "brush": [view.brush.start, view.brush.end] if view.brush else None,
        "features": [feature_row(opened, f) for f in view.features],
        "words": f"{spoken(*view.locus)}, features {', '.join(map(str, view.features)) or 'none'}; the tables"
        " below hold the same",
        "acids": ACIDS,
        "rows": {f"{row.kind}/{row.name}": [row.height, row.colour] for row in view.request.rows},
        "query": join_query(view.query),
        "mode": view.request.mode,
        "ask": view.request.ask,
    }


def beside(opened: Opened, view: View, wide: Interval, size: int) -> dict[str, Any]:
    """The lanes of a view over a stretch around it; ``size``: bases a pixel."""
    values = signals(opened)
    drawn = [
        signal_lane(opened, values[track.name], wide, size)
        if track.kind == "signal"
        else lane(opened, track.name, wide)
        for track in view.tracks
    ]
    drawn += [own_lane(opened, own, wide, size) for own in view.own]
    drawn += [variant_lane(track, wide) for track in view.variants]
    asked = [which for which in SEQUENCE_SIGNALS if which in view.request.lanes]
    drawn += [sequence_lane(opened, which, wide, size) for which in asked]
    return {"lanes": drawn, "span": [wide.start, wide.end]}


def lettered(opened: Opened, view: View, wide: Interval, readable: bool, framed: bool) -> dict[str, Any]:
    """Bases and codons of a stretch around a view where they can be read, or frames are drawn."""
    letters = {"start": wide.start, "text": opened.study.genome.fetch(*wide)} if readable or framed else None
    return {
        "letters": letters,
        "codons": codons_in(opened, wide) if readable and "codons" in view.request.lanes else [],
        "sequence": list(view.request.lanes),
    }


def _offered(opened: Opened, view: View) -> dict[str, Any]:
    """What the toolbar offers: tracks that can be chosen, whether samples have variants, bookmarks here."""
    ready = tracks(opened)
    known = [track.name for track in ready.result()] if ready.done() else []
    marks: list[Bookmark] = []
    with suppress(InputError):  # a damaged file is named where one is written
        marks = [mark for mark in read_bookmarks(opened.study.folder) if mark.chrom == view.locus.chrom]
    return {
        "study": opened.evidence.name,
        "tracks": list(dict.fromkeys([*known, *signals(opened)])) if known else [],
        "sampled": (opened.study.folder / "tables" / "haplotypes.parquet").exists(),
        "variants": view.request.variants,
        "marks": [[mark.start, mark.end, mark.note] for mark in marks],
    }


def pack(
    head: dict[str, Any], tiles: Sequence[tuple[str, Tile, bool]], features: Sequence[int], strands: str
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


def _name(view: View, tile: Tile, strands: str) -> str:
    place = f"{tile.chrom}:{tile.edges[0]}-{tile.edges[-1]}"
    return f"{place}/{tile.size}/{strands}/{','.join(map(str, view.features))}"


def feature_row(opened: Opened, feature: int) -> dict[str, Any]:
    """The row of a feature, in the format of the canvas."""
    words = feature_text(opened, feature)
    return {
        "id": feature,
        "label": words.label,
        "max": float(scale(opened).top[feature]),
        "facts": words.facts,
    }
