"""Simulated activations and real tracks for the benchmarks of associations: no trained feature."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pandas as pd

TYPES = (
    "gene",
    "CDS",
    "tRNA",
    "rRNA",
    "ncRNA",
    "mobile_genetic_element",
    "repeat_region",
    "pseudogene",
    "exon",
    "sequence_feature",
)


def mg1655_tracks(gff: Path, count: int, seed: int = 0) -> tuple[dict[str, pd.DataFrame], int]:
    """Tracks of the annotation, filled up to `count` with random shares of its genes; the genome's length."""
    rows, length = [], 0
    with gzip.open(gff, "rt") as handle:
        for line in handle:
            fields = line.rstrip("\n").split("\t")
            if len(fields) != 9:
                continue
            if fields[2] == "region":
                length = max(length, int(fields[4]))
                continue
            rows.append((fields[2], int(fields[3]) - 1, int(fields[4]), fields[6]))
    table = pd.DataFrame(rows, columns=["type", "start", "end", "strand"])
    table["end"] = table["end"].clip(upper=length)
    tracks = {t: table[table["type"] == t].drop(columns="type") for t in TYPES}
    tracks = {t: rows.reset_index(drop=True) for t, rows in tracks.items() if len(rows) > 4}
    random = np.random.default_rng(seed)
    gene = tracks["gene"]
    while len(tracks) < count:
        share = random.uniform(0.02, 0.3)
        chosen = gene[random.random(len(gene)) < share].copy()
        moved = random.integers(-60, 60)
        tracks[f"set{len(tracks)}"] = chosen.assign(
            start=(chosen["start"] + moved).clip(0, length - 1), end=(chosen["end"] + moved).clip(1, length)
        ).reset_index(drop=True)
    return tracks, length


def top_k(n: int, width: int, k: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sparse rows of `k` distinct features a base: indptr int64, indices int32, values float32."""
    random = np.random.default_rng(seed)
    # One feature from each of k equal strata: distinct without sampling without replacement.
    stratum = width // k
    indices = (random.integers(0, stratum, (n, k)) + stratum * np.arange(k)).astype(np.int32)
    values = random.standard_exponential((n, k), dtype=np.float32) + np.float32(1e-3)
    return np.arange(n + 1, dtype=np.int64) * k, indices.ravel(), values.ravel()
