"""Plain variants of a cohort as a matrix: what features have to beat."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
from scipy import sparse

from workbench.cohort.calls import Call, Calls, merged
from workbench.cohort.plan import calls_of

if TYPE_CHECKING:
    from workbench.study import Study


class Genotypes(NamedTuple):
    """Variants of the cohort's regions.

    variants : DataFrame, ``variant`` (chrom:pos:ref:alt), ``chrom, start, end`` (0-based, of the bases
        changed), ``letters``, ``carriers`` (samples), ``missing`` (samples), ``regions`` (names)
    dosage : sparse float32 (n, V), share of a sample's haplotypes that carry it, 0 to 1
    missing : sparse bool (n, V), not called; never to be read as reference
    """

    variants: pd.DataFrame
    dosage: sparse.csc_array
    missing: sparse.csc_array

    def dense(self) -> np.ndarray:
        """``(n, V)`` float32, NaN where missing."""
        out = self.dosage.toarray().astype(np.float32)
        out[self.missing.toarray()] = np.nan
        return out


def read_genotypes(study: Study) -> Genotypes:
    """All variants that any sample carries in the regions of a study's cohort, in genome order."""
    names = list(study.table("samples")["sample"])
    regions = study.table("regions")
    rows: list[dict[str, object]] = []
    dosages: list[tuple[np.ndarray, np.ndarray]] = []
    gaps: list[np.ndarray] = []
    for chrom, lo, hi in _union(regions):
        calls = calls_of(study, names, chrom, lo, hi)
        for call in merged(calls.calls):
            if not call.edit.inside(lo, hi):
                continue
            samples, dose = _dosage(call, calls)
            gap = _missing(call, calls)
            met = regions[
                (regions["chrom"] == chrom)
                & (regions["start"] < max(call.edit.end, call.edit.start + 1))
                & (regions["end"] > call.edit.start)
            ]
            rows.append(
                {
                    "variant": call.edit.name,
                    "chrom": chrom,
                    "start": call.edit.start,
                    "end": call.edit.end,
                    "letters": call.edit.letters,
                    "carriers": samples.size,
                    "missing": gap.size,
                    "regions": ",".join(met["region"]),
                }
            )
            dosages.append((samples, dose))
            gaps.append(gap)
    columns = ["variant", "chrom", "start", "end", "letters", "carriers", "missing", "regions"]
    shape = (len(names), len(rows))
    return Genotypes(
        pd.DataFrame(rows, columns=columns),
        _columns([d[0] for d in dosages], [d[1] for d in dosages], shape, np.float32),
        _columns(gaps, [np.ones(g.size, bool) for g in gaps], shape, np.bool_),
    )


def _union(regions: pd.DataFrame) -> list[tuple[str, int, int]]:
    """Regions with overlaps joined, so that each variant comes once."""
    found: list[tuple[str, int, int]] = []
    for chrom, rows in regions.groupby("chrom", sort=False):
        spans = sorted(zip(rows["start"], rows["end"], strict=True))
        for start, end in spans:
            if found and found[-1][0] == chrom and start <= found[-1][2]:
                found[-1] = (str(chrom), found[-1][1], max(int(end), found[-1][2]))
            else:
                found.append((str(chrom), int(start), int(end)))
    return found


def _dosage(call: Call, calls: Calls) -> tuple[np.ndarray, np.ndarray]:
    present = (~calls.absent).reshape(calls.n_samples, -1).sum(axis=1)
    copies = np.bincount(call.carriers // calls.ploidy, minlength=calls.n_samples)
    samples = np.flatnonzero(copies)
    return samples, (copies[samples] / np.maximum(present[samples], 1)).astype(np.float32)


def _missing(call: Call, calls: Calls) -> np.ndarray:
    edit = call.edit
    met = [
        gap.haplotypes // calls.ploidy
        for gap in calls.gaps
        if gap.start <= max(edit.end - 1, edit.start) and gap.end > edit.start - 1
    ]
    return np.unique(np.concatenate(met)) if met else np.zeros(0, np.int64)


def _columns(
    rows: list[np.ndarray], values: list[np.ndarray], shape: tuple[int, int], kind: type
) -> sparse.csc_array:
    indptr = np.concatenate([[0], np.cumsum([r.size for r in rows])]).astype(np.int64)
    indices = np.concatenate(rows) if rows else np.zeros(0, np.int64)
    data = np.concatenate(values) if values else np.zeros(0)
    return sparse.csc_array((data.astype(kind), indices, indptr), shape=shape)
