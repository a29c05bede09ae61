"""Lanes of the browser, in the format of the canvas: boxes of tracks and of variants in rows, and signals."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from app.data.annotation import boxes
from app.data.own_files import LaneTrack
from app.data.study import Opened, key_of
from workbench import InputError
from workbench.browse.signal_bins import Bins, SignalBins, gc_content, gc_skew
from workbench.browse.tiles import bin_size
from workbench.genome.interval import Interval
from workbench.report.strips import spread
from workbench.study.locus import annotation
from workbench.tracks.track import Track

# Boxes of one track in the stretch that is sent, four views: more are drawn as one.
MOST_BOXES = 600
# Bases that a mean of GC content or skew is of, at least, and pixels.
LEAST_BASES, PIXELS = 32, 4
SEQUENCE_SIGNALS = {"gc": ("GC", gc_content), "skew": ("GC skew", gc_skew)}


def lane(opened: Opened, track: str, locus: Interval) -> dict[str, Any]:
    """The lane of a track in a region, in the format of the canvas."""
    return {"name": track, "kind": "interval", **_drawn(boxes(opened, track, locus, MOST_BOXES))}


def box_lane(track: Track, locus: Interval, kind: str = "interval") -> dict[str, Any]:
    """The lane of a track that is at hand in a region, in the format of the canvas."""
    return {"name": track.name, "kind": kind, **_drawn(annotation(track, locus, MOST_BOXES))}


def variant_lane(track: Track, locus: Interval) -> dict[str, Any]:
    """The lane of variants in a region, in the format of the canvas.

    Those that drive a candidate lie in one lane, as high as their shares.
    """
    shares = track.intervals.drop_duplicates("name").set_index("name")["score"]
    if shares.notna().any():
        rows = annotation(track, locus, MOST_BOXES)
        own = shares.reindex(rows["name"]).fillna(0)
        columns = (rows[name].tolist() for name in ("start", "end", "strand", "name", "intervals"))
        drawn = [(a, b, s, name, 0, n, share) for a, b, s, name, n, share in zip(*columns, own, strict=True)]
        return {"name": track.name, "kind": "driver", "rows": 2, "boxes": drawn}
    return box_lane(track, locus, "variant")


def signal_lane(opened: Opened, found: LaneTrack, locus: Interval, perceived: int) -> dict[str, Any]:
    """The lane of a signal; ``perceived``: bases a pixel."""
    assert found.bins is not None
    try:
        return _signal_lane(opened, found.track.name, found.bins, locus, perceived)
    except InputError as error:  # damaged where it has not been read before
        return {"name": f"{found.track.name}: {error}", "kind": "interval", **_drawn(_NONE)}


def own_lane(opened: Opened, own: LaneTrack, locus: Interval, perceived: int) -> dict[str, Any]:
    """The lane of a reader's own file; ``perceived``: bases a pixel."""
    if own.bins is not None:
        return signal_lane(opened, own, locus, perceived) | {"own": True}
    kind = "variant" if own.track.type == "variant" else "interval"
    return box_lane(own.track, locus, kind) | {"own": True}


@st.cache_resource(max_entries=8, show_spinner=False)
def _bins(_opened: Opened, key: tuple[str, ...], which: str) -> SignalBins:
    return SEQUENCE_SIGNALS[which][1](_opened.study.genome)


def sequence_lane(opened: Opened, which: str, locus: Interval, perceived: int) -> dict[str, Any]:
    """The lane of GC content (``gc``) or GC skew (``skew``); ``perceived``: bases a pixel."""
    bins = _bins(opened, key_of(opened), which)
    size = max(LEAST_BASES, PIXELS * perceived)
    return _signal_lane(opened, SEQUENCE_SIGNALS[which][0], bins, locus, size) | {"sequence": which}


def _signal_lane(opened: Opened, name: str, bins: SignalBins, locus: Interval, size: int) -> dict[str, Any]:
    """A lane of means between ends that hold 0 or all that is drawn."""
    size = bin_size(size, 1)
    found = bins.means(locus, size, opened.evidence.manifest.contigs[locus.chrom])
    known = found.means[np.isfinite(found.means)]
    low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 1.0)
    if name == SEQUENCE_SIGNALS["skew"][0]:
        high = max(high, -low, 0.01)
        low = -high
    elif name != SEQUENCE_SIGNALS["gc"][0]:
        low, high = min(low, 0.0), max(high, 0.0)
    if not math.isfinite(high - low) or high - low <= 0:
        low, high = low - 0.5, low + 0.5
    return value_lane(name, found, low, high)


def value_lane(name: str, bins: Bins, low: float, high: float) -> dict[str, Any]:
    """A lane of means as codes: 0 no value, 1 to 255 from ``low`` to ``high``, beyond which it is cut."""
    means = np.clip(bins.means.astype(np.float64), low, high)
    codes = 1 + np.rint(254 * ((means - low) / (high - low)))
    return {
        "name": name, "kind": "signal", "rows": 2, "boxes": [], "start": bins.start, "size": bins.size,
        "low": low, "high": high, "codes": np.nan_to_num(codes, nan=0).astype(int).tolist(),
    }  # fmt: skip


_NONE = pd.DataFrame({name: [] for name in ("start", "end", "strand", "name", "intervals")})


def _drawn(table: pd.DataFrame) -> dict[str, Any]:
    """Boxes and the rows they need so that none lies on another."""
    levels = np.asarray(spread(table["start"].to_numpy(), table["end"].to_numpy()), int)
    drawn = zip(
        table["start"].tolist(), table["end"].tolist(), table["strand"].tolist(),
        table["name"].tolist(), levels.tolist(), table["intervals"].tolist(), strict=True,
    )  # fmt: skip
    return {"rows": int(levels.max()) + 1 if levels.size else 1, "boxes": list(drawn)}
