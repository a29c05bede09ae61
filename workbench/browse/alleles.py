"""An allele against its reference: changes as people write them, and the features gained and lost."""

from __future__ import annotations

import re
from typing import NamedTuple

import numpy as np
import pandas as pd

from workbench.browse.pasted_sequence import Pasted, clean
from workbench.browse.value_scale import ValueScale
from workbench.cohort.align import find_differences
from workbench.cohort.edits import Edit, Variant, conflicting, parse_variant
from workbench.errors import InputError
from workbench.genome.interval import Interval
from workbench.variants.hgvs import VariantNames
from workbench.wording import spoken

# Change of a feature's value at a base, as a share of full scale, from which it is told.
LEAST = 0.05
# Changes of one allele.
MOST = 200
_LETTERS_ALONE = re.compile(r"(?:>[^\n]*\n)?[A-Za-z\s]+")


class Allele(NamedTuple):
    """Changes of a stretch, sorted, as variants too, and how those were chosen whose names leave a choice."""

    edits: list[Edit]
    variants: list[Variant]
    said: list[str]


def read_allele(text: str, names: VariantNames, locus: Interval) -> Allele:
    """The changes that a reader typed.

    Parameters
    ----------
    text : str
        Names of variants (`VariantNames`) apart by commas, semicolons or blanks; or the whole other sequence,
        which is aligned with the stretch.
    names : VariantNames
    locus : Interval
        What is read; changes lie in it.

    Raises
    ------
    InputError
        For what cannot be read, does not match, lies elsewhere, overlaps or is no change.
    """
    text = text.strip()
    if _LETTERS_ALONE.fullmatch(text):
        variants = _aligned(clean(text), names, locus)
        return Allele([variant.edit for variant in variants], variants, [])
    parts = [part for part in re.split(r"[,;\s]+", text) if part]
    if len(parts) > MOST:
        raise InputError(f"{len(parts):,} changes: at most {MOST}; give the whole other sequence instead")
    named = [names.read(part) for part in parts]
    edits = sorted(one.variant.edit for one in named)
    for one in named:
        edit = one.variant.edit
        if one.variant.chrom != locus.chrom or not (locus.start <= edit.start and edit.end <= locus.end):
            raise InputError(f"{one.variant.name}: lies outside {spoken(*locus)}, which is read")
    if conflicting(edits):
        raise InputError("changes overlap: give those that touch as one")
    return Allele(edits, sorted(one.variant for one in named), [one.said for one in named if one.said])


def _aligned(other: str, names: VariantNames, locus: Interval) -> list[Variant]:
    sequence = names.genome.fetch(*locus)
    found = find_differences(locus.chrom, sequence, other)
    if found.gaps:
        start, end = (locus.start + at for at in found.gaps[0])
        raise InputError(
            f"the other sequence cannot be compared over {spoken(locus.chrom, start, end)}:"
            " it has other letters than A, C, G, T there, or nothing in common; name the changes instead"
        )
    if not found.edits:
        raise InputError("the allele is the same as the sequence: nothing to compare")
    relative = [parse_variant(edit.name) for edit in found.edits]
    return [variant._replace(start=variant.start + locus.start) for variant in relative]


def gained_and_lost(
    reference: Pasted, allele: Pasted, catalog: pd.DataFrame, scale: ValueScale
) -> pd.DataFrame:
    """Features whose value differs between two alleles, base against base.

    Returns
    -------
    DataFrame
        A row a feature, at the base and strand where it differs most: ``feature``, ``change`` (``gained``:
        fires there in the allele alone, ``lost``, ``stronger``, ``weaker``), ``reference`` and ``allele``
        (values there, 0 where it does not fire), ``difference``, ``of_largest``: the difference as a share of
        the feature's full scale or of the larger of the two values, whichever is larger, ``strand``,
        ``position`` and ``dead``; largest first, dead features last, those of at least ``LEAST`` alone.
    """
    key = ["feature", "strand", "position"]
    sides = [side.fires.groupby(key, observed=True)["value"].max() for side in (reference, allele)]
    table = pd.concat(sides, axis=1, keys=["reference", "allele"]).fillna(0.0).reset_index()
    table[["reference", "allele"]] = table[["reference", "allele"]].astype(float)
    table["difference"] = table["allele"] - table["reference"]
    table = table.iloc[np.argsort(-table["difference"].abs().to_numpy(), kind="stable")]
    table = table.drop_duplicates("feature").astype({"feature": int, "strand": str})
    top = scale.top[table["feature"].to_numpy()]
    # A feature may fire here and nowhere in the genome.
    table["of_largest"] = table["difference"] / np.fmax(top, table[["reference", "allele"]].max(axis=1))
    table = table[table["of_largest"].abs() >= LEAST]
    table = table.iloc[np.argsort(-table["of_largest"].abs().to_numpy(), kind="stable")].copy()
    table["change"] = np.where(table["difference"] < 0, "weaker", "stronger")
    table.loc[table["reference"] == 0, "change"] = "gained"
    table.loc[table["allele"] == 0, "change"] = "lost"
    table["dead"] = catalog["dead"].reindex(table["feature"]).to_numpy(bool)
    columns = ["feature", "change", "reference", "allele", "difference", "of_largest", "strand", "position"]
    table = table.sort_values("dead", kind="stable")
    return table[[*columns, "dead"]].reset_index(drop=True)
