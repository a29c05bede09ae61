"""Which variants drive a burden: each taken out of the haplotypes that carry it, and put in by itself."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from workbench.cohort.combine import Part, count_bases, feature_blocks
from workbench.cohort.edits import Edit, parse_variant
from workbench.cohort.plan import SIDES, cell_spans
from workbench.cohort.readings import (
    Reading,
    SpanSums,
    cell_window,
    encode_readings,
    make_reading,
    sum_spans,
)
from workbench.cohort.store import BOTH, STATISTICS, STRANDS
from workbench.errors import InputError
from workbench.windows import Cell

if TYPE_CHECKING:
    from workbench.study import Study


class RegionValues(NamedTuple):
    """Statistics of H haplotypes over a region.

    values float32 (5, 2, m, H), in the order of `STATISTICS`; bases int64 (2, H)
    """

    values: np.ndarray
    bases: np.ndarray

    def of(self, statistic: str, strand: str = "both") -> np.ndarray:
        """``(m, H)`` float32 of ``max, sum, mean, active, gained`` or ``lost``."""
        sides = list(STRANDS[strand])
        if statistic == "mean":
            total = self.of("sum", strand)
            return total / np.maximum(self.bases[sides].sum(axis=0), 1).astype(np.float32)
        pair = self.values[STATISTICS.index(statistic)][sides]
        return np.asarray(BOTH[statistic](pair), np.float32)


def _inside(study: Study, chrom: str, edits: Sequence[Edit], lo: int, hi: int) -> tuple[Edit, ...]:
    """Edits that a window sees, at its coordinates where it wraps around a circular contig, sorted."""
    length = study.genome.lengths[chrom]
    turns = (-1, 0, 1) if chrom in study.genome.circular else (0,)
    placed = (e.shifted(t * length) for e in edits for t in turns)
    return tuple(sorted(e for e in placed if e.inside(lo, hi)))


def _read_side(
    study: Study, cell: Cell, side: int, span: tuple[int, int], sets: Sequence[Sequence[Edit]]
) -> tuple[np.ndarray, SpanSums]:
    """Reading of each set of edits, and the sums of the unique readings, the reference first."""
    window = cell_window(study.genome, study.grid, cell, SIDES[side], span)
    unique: dict[str, int] = {}
    readings: list[Reading] = []
    places = []
    for edits in [(), *sets]:
        own = _inside(study, cell.chrom, edits, window.left, window.right)
        reading = make_reading(study.genome, study.grid, window, own)
        if reading.sequence not in unique:
            unique[reading.sequence] = len(readings)
            readings.append(reading)
        places.append(unique[reading.sequence])
    features = encode_readings(study.model, study.layer, study.sae, readings, study.batch)
    encoded = list(zip(readings, features, strict=True))
    return np.array(places[1:], np.int32), sum_spans(encoded, encoded[0], [span])


def read_region(
    study: Study,
    chrom: str,
    start: int,
    end: int,
    sets: Sequence[Sequence[Edit]],
    features: np.ndarray,
) -> RegionValues:
    """Statistics of any haplotypes over ``[start, end)``, each sequence read once.

    Parameters
    ----------
    sets : sequence of sequence of Edit
        H haplotypes.
    features : int32 (m), ascending
    """
    region = pd.DataFrame({"chrom": [chrom], "start": [start], "end": [end]})
    parts, columns = [], []
    for cell in study.grid.cells_of(region, study.manifest.contigs):
        for span in cell_spans(region, cell):
            for side in (0, 1):
                place, sums = _read_side(study, cell, side, (span.start, span.end), sets)
                parts.append(Part(side, place, partial(_same, sums)))
                columns.append(place)
    haplotypes = np.stack(columns, axis=1)
    blocks = [block for _, block in feature_blocks(parts, haplotypes, features)]
    return RegionValues(np.concatenate(blocks, axis=2), count_bases(parts, haplotypes))


def _same(sums: SpanSums) -> SpanSums:
    return sums


def find_drivers(
    study: Study,
    region: str,
    features: Sequence[int],
    statistic: str = "sum",
    strand: str = "both",
    most: int = 40,
) -> pd.DataFrame:
    """What each variant does to burdens of a region, in the haplotypes that carry it and by itself.

    Parameters
    ----------
    region : str
    features : sequence of int
        Features of the autoencoder.
    statistic, strand : str
        As `RegionBurdens.values`; not the ``delta`` ones, whose effects are the same.
    most : int
        How many haplotypes, the most common first.

    Returns
    -------
    DataFrame
        A row a (feature, variant), the strongest first within a feature: ``feature, variant, haplotypes,
        carriers`` (haplotypes of the cohort among those read), ``effect`` (burden less that of the same
        haplotype without the variant, mean over carriers), ``effect_low, effect_high`` (its range over
        haplotypes), ``alone`` (the variant on the reference, less the reference), ``share`` (of the sum over
        variants of carriers x |effect|).

    Raises
    ------
    InputError
        Unknown region or statistic, or a region without variants.
    """
    known = ("mean", *STATISTICS)
    if statistic not in known or strand not in STRANDS:
        raise InputError(
            f"no statistic {statistic} of strand {strand}; expected {', '.join(known)}"
        )
    table = study.table("haplotypes")
    table = table[(table["region"] == region) & (table["haplotype"] > 0)].head(most)
    if table.empty:
        raise InputError(f"{study.folder}: region {region} has no haplotype besides the reference")
    place = study.table("burdens").set_index("region").loc[region]
    sets = [tuple(parse_variant(v).edit for v in names) for names in table["variants"]]
    jobs: list[tuple[str, int, int]] = []
    variants = sorted({e.name for s in sets for e in s})
    asked = list(sets)
    for i, own in enumerate(sets):
        for edit in own:
            jobs.append((edit.name, i, len(asked)))
            asked.append(tuple(e for e in own if e != edit))
    alone = {name: len(asked) + i for i, name in enumerate(variants)}
    asked += [(parse_variant(name).edit,) for name in variants]
    wanted = np.unique(np.array(features, np.int32))
    values = read_region(
        study, place["chrom"], int(place["start"]), int(place["end"]), [*asked, ()], wanted
    ).of(statistic, strand)
    carriers = table["carriers"].to_numpy()
    rows = [
        (variant, i, carriers[i], f, values[f, i] - values[f, without])
        for variant, i, without in jobs
        for f in range(wanted.size)
    ]
    one = pd.DataFrame(rows, columns=["variant", "haplotype", "carriers", "f", "effect"])
    one["total"] = one["carriers"] * one["effect"]
    grouped = one.groupby(["f", "variant"], sort=True)
    found = pd.DataFrame(
        {
            "haplotypes": grouped.size(),
            "carriers": grouped["carriers"].sum(),
            "effect": grouped["total"].sum() / grouped["carriers"].sum().clip(lower=1),
            "effect_low": grouped["effect"].min(),
            "effect_high": grouped["effect"].max(),
        }
    ).reset_index()
    found.insert(0, "feature", wanted[found["f"]])
    found["alone"] = [
        values[f, alone[v]] - values[f, -1]
        for f, v in zip(found["f"], found["variant"], strict=True)
    ]
    weight = found["carriers"] * found["effect"].abs()
    total = weight.groupby(found["feature"]).transform("sum")
    found["share"] = np.where(total > 0, weight / total.where(total > 0, 1), 0.0)
    order = np.lexsort((found["variant"], -found["share"], found["feature"]))
    return found.drop(columns="f").iloc[order].reset_index(drop=True)
