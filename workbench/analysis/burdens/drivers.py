"""Which variants drive a burden: each taken out of the haplotypes that carry it, and put in by itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from workbench.analysis.burdens.plan import SIDES, cell_spans
from workbench.cohort.combine import Part, count_bases, feature_blocks
from workbench.cohort.edits import Edit, parse_variant
from workbench.cohort.readings import Reading, SpanSums, cell_window, encode_readings, make_reading, sum_spans
from workbench.cohort.store import BOTH, STATISTICS, STRANDS
from workbench.errors import InputError
from workbench.genome.windows import Cell
from workbench.study.locus import check_features

if TYPE_CHECKING:
    from workbench.study.study import Study


class RegionValues(NamedTuple):
    """Statistics of H haplotypes over a region.

    values float32 (5, 2, m, H), in the order of `STATISTICS`; bases int64 (2, H)
    """

    values: np.ndarray
    bases: np.ndarray

    def of(self, statistic: str, strand: str = "both") -> np.ndarray:
        """``(m, H)`` float32 of ``max, sum, mean, active, gained`` or ``lost``."""
        known = ("mean", *STATISTICS)
        if statistic not in known or strand not in STRANDS:
            raise InputError(
                f"no statistic {statistic} of strand {strand}; expected {', '.join(known)}, of"
                f" {', '.join(STRANDS)}"
            )
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
    study: Study, chrom: str, start: int, end: int, sets: Sequence[Sequence[Edit]], features: np.ndarray
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


@dataclass(frozen=True)
class DriverReadings:
    """A region's commonest haplotypes, each also without one of its variants, and each variant by itself.

    Attributes
    ----------
    features : int32 (m), ascending
    variants : list of str
        All that any of the haplotypes carries, sorted.
    carriers : int64 (h)
        Samples' haplotypes of each.
    without : list of (str, int, int)
        Variant, haplotype, and the column of that haplotype without it.
    alone : dict of str to int
        Column of each variant on the reference; the last column is the reference.
    values : RegionValues
        Columns: the h haplotypes, then those that `without` and `alone` point to.
    """

    features: np.ndarray
    variants: list[str]
    carriers: np.ndarray
    without: list[tuple[str, int, int]]
    alone: dict[str, int]
    values: RegionValues

    def effects(self, statistic: str = "sum", strand: str = "both") -> pd.DataFrame:
        """What each variant does to a burden, in the haplotypes that carry it and by itself.

        Parameters
        ----------
        statistic, strand : str
            As `RegionBurdens.values`; not the ``delta`` ones, whose effects are the same.

        Returns
        -------
        DataFrame
            A row a (feature, variant), the strongest first within a feature: ``feature, variant, haplotypes,
            carriers`` (haplotypes of the cohort among those read), ``effect`` (burden less that of the same
            haplotype without the variant, mean over carriers), ``effect_low, effect_high`` (its range over
            haplotypes), ``alone`` (the variant on the reference, less the reference), ``share`` (of the sum
            over variants of carriers x |effect|).
        """
        values = self.values.of(statistic, strand)
        rows = [
            (variant, i, self.carriers[i], f, values[f, i] - values[f, without])
            for variant, i, without in self.without
            for f in range(self.features.size)
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
        found.insert(0, "feature", self.features[found["f"]])
        found["alone"] = [
            values[f, self.alone[v]] - values[f, -1]
            for f, v in zip(found["f"], found["variant"], strict=True)
        ]
        weight = found["carriers"] * found["effect"].abs()
        total = weight.groupby(found["feature"]).transform("sum")
        found["share"] = np.where(total > 0, weight / total.where(total > 0, 1), 0.0)
        order = np.lexsort((found["variant"], -found["share"], found["feature"]))
        return found.drop(columns="f").iloc[order].reset_index(drop=True)


def read_drivers(study: Study, region: str, features: Sequence[int], most: int = 40) -> DriverReadings:
    """Read a region's haplotypes with and without their variants, once for all statistics.

    Parameters
    ----------
    region : str
    features : sequence of int
        Features of the autoencoder.
    most : int
        How many haplotypes, the most common first.

    Raises
    ------
    InputError
        Unknown region or feature, or a region without variants.
    """
    place = study.burdens.regions.iloc[study.burdens.index(region)]
    check_features(study, features)
    table = study.table("haplotypes")
    table = table[(table["region"] == region) & (table["haplotype"] > 0)].head(most)
    if table.empty:
        raise InputError(f"{study.folder}: region {region} has no haplotype besides the reference")
    sets = [tuple(parse_variant(v).edit for v in names) for names in table["variants"]]
    without: list[tuple[str, int, int]] = []
    variants = sorted({e.name for s in sets for e in s})
    asked = list(sets)
    for i, own in enumerate(sets):
        for edit in own:
            without.append((edit.name, i, len(asked)))
            asked.append(tuple(e for e in own if e != edit))
    alone = {name: len(asked) + i for i, name in enumerate(variants)}
    asked += [(parse_variant(name).edit,) for name in variants]
    wanted = np.unique(np.array(features, np.int32))
    span = (place["chrom"], int(place["start"]), int(place["end"]))
    values = read_region(study, *span, [*asked, ()], wanted)
    return DriverReadings(wanted, variants, table["carriers"].to_numpy(), without, alone, values)
