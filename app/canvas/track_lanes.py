"""Lanes of the browser: boxes of tracks and of variants, in rows, in the format of the canvas."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from app.data.annotation import boxes
from app.data.study import Opened
from workbench.genome.interval import Interval
from workbench.report.strips import spread
from workbench.study.locus import annotation
from workbench.tracks.track import Track

# Boxes of one track in the stretch that is sent, four views: more are drawn as one.
MOST_BOXES = 600


def lane(opened: Opened, track: str, locus: Interval) -> dict[str, Any]:
    """The lane of a track in a region, in the format of the canvas."""
    return {"name": track, "kind": "interval", **_drawn(boxes(opened, track, locus, MOST_BOXES))}


def variant_lane(track: Track, locus: Interval) -> dict[str, Any]:
    """The lane of variants in a region, in the format of the canvas.

    Those that drive a candidate lie in one lane, as high as their shares.
    """
    rows = annotation(track, locus, MOST_BOXES)
    shares = track.intervals.drop_duplicates("name").set_index("name")["score"]
    if shares.notna().any():
        own = shares.reindex(rows["name"]).fillna(0)
        columns = (rows[name].tolist() for name in ("start", "end", "strand", "name", "intervals"))
        drawn = [(a, b, s, name, 0, n, share) for a, b, s, name, n, share in zip(*columns, own, strict=True)]
        return {"name": track.name, "kind": "driver", "rows": 2, "boxes": drawn}
    return {"name": track.name, "kind": "variant", **_drawn(rows)}


def _drawn(table: pd.DataFrame) -> dict[str, Any]:
    """Boxes and the rows they need so that none lies on another."""
    levels = np.asarray(spread(table["start"].to_numpy(), table["end"].to_numpy()), int)
    drawn = zip(
        table["start"].tolist(), table["end"].tolist(), table["strand"].tolist(),
        table["name"].tolist(), levels.tolist(), table["intervals"].tolist(), strict=True,
    )  # fmt: skip
    return {"rows": int(levels.max()) + 1 if levels.size else 1, "boxes": list(drawn)}
