"""How often a feature fires round the starts and ends of a track's intervals, from a sample of them.

The stage *associate* writes the table ``metagene`` from all intervals; this is for studies of before it and
for features that the table leaves out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from workbench.browse.feature_profile import read_loci
from workbench.errors import InputError
from workbench.genome.interval import Interval
from workbench.study.locus import check_features

if TYPE_CHECKING:
    from workbench.study.study import Study
    from workbench.tracks.track import Track

# Bases on each side of an end.
REACH = 100
# Intervals sampled at most, evenly along the genome.
INTERVALS = 60


def metagene_profile(study: Study, feature: int, track: Track, mode: str) -> pd.DataFrame:
    """Share of sampled intervals at which a feature fires, by distance from their ends.

    Parameters
    ----------
    study : Study
    feature : int
    track : Track
        Intervals of the report split are taken, wholly inside it; those of no strand count as plus.
    mode : {"same", "opposite", "any"}
        Strand of the reading relative to the interval's; ``any``: either reading fires.

    Returns
    -------
    DataFrame
        ``end`` (``5'`` or ``3'``), ``offset`` in bases along the interval's direction (0 is its first or
        last base), ``share_active`` float64 (NaN where no base has a value) and ``n_ends``; no rows where
        the split has no interval. The columns of the table ``metagene`` besides: ``feature, track, mode``.
    """
    if mode not in ("same", "opposite", "any"):
        raise InputError(f"mode {mode!r}: expected same, opposite or any")
    check_features(study, [feature])
    rows = _sample(study, track)
    ends: list[tuple[str, str, Interval]] = []
    for row in rows.itertuples():
        chrom, length = str(row.chrom), study.manifest.contigs[str(row.chrom)]
        forward = row.strand != "-"
        first, last = int(row.start), int(row.end) - 1
        for name, at in (("5'", first if forward else last), ("3'", last if forward else first)):
            if at - REACH >= 0 and at + REACH + 1 <= length:
                strand = "+" if forward else "-"
                ends.append((name, strand, Interval(chrom, at - REACH, at + REACH + 1)))
    fires = {name: np.zeros(2 * REACH + 1) for name in ("5'", "3'")}
    known = {name: np.zeros(2 * REACH + 1) for name in ("5'", "3'")}
    active: dict[int, tuple[np.ndarray, np.ndarray]] = {}
    for i, strand, reading in read_loci(study, [at for *_, at in ends]):
        interval = ends[i][1]
        wanted = {"same": strand == interval, "opposite": strand != interval, "any": True}
        if not wanted[mode]:
            continue
        base = np.repeat(np.arange(2 * REACH + 1), np.diff(reading.features.indptr))
        on = np.zeros(2 * REACH + 1, bool)
        on[base[reading.features.indices == feature]] = True
        before = active.get(i)
        usable = reading.callable
        active[i] = (on & usable, usable) if before is None else (before[0] | on, before[1] | usable)
    counted = {"5'": 0, "3'": 0}
    for i, (on, usable) in active.items():
        name, strand, _ = ends[i]
        step = 1 if strand == "+" else -1
        fires[name] += (on & usable)[::step]
        known[name] += usable[::step]
        counted[name] += 1
    parts = [
        pd.DataFrame(
            {
                "feature": feature, "track": track.name, "mode": mode, "end": name,
                "offset": np.arange(-REACH, REACH + 1),
                "share_active": fires[name] / np.where(known[name] > 0, known[name], np.nan),
                "n_ends": counted[name],
            }
        )
        for name in ("5'", "3'") if counted[name]
    ]  # fmt: skip
    columns = ["feature", "track", "mode", "end", "offset", "share_active", "n_ends"]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)


def _sample(study: Study, track: Track) -> pd.DataFrame:
    rows = track.intervals
    inside = np.zeros(len(rows), bool)
    for chrom, start, end, _ in study.manifest.blocks("report"):
        own = (rows["chrom"] == chrom) & (rows["start"] >= start) & (rows["end"] <= end)
        inside |= own.to_numpy()
    rows = rows[inside].sort_values(["chrom", "start"], kind="stable")
    at = np.unique(np.linspace(0, len(rows) - 1, min(INTERVALS, len(rows))).astype(int))
    return rows.iloc[at]
