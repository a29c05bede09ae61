"""An allele against its reference: the sequence with changes made, and the features gained and lost."""

from __future__ import annotations

import re
from itertools import pairwise

import numpy as np
import pandas as pd

from workbench.browse.pasted_sequence import Pasted, firing
from workbench.browse.value_scale import ValueScale
from workbench.errors import InputError
from workbench.genome.fasta import check_letters

_CHANGE = re.compile(r"(\d{1,9}):([A-Za-z]*):([A-Za-z]*)")
# Change of a feature's largest value, as a share of its largest anywhere, from which it is told.
LEAST = 0.05


def apply_changes(sequence: str, text: str) -> str:
    """A sequence with changes ``position:REF:ALT`` made, apart by commas or lines.

    The first base of the sequence is number 1; an empty REF inserts before the position, an empty ALT
    deletes. Raises ``InputError`` for what cannot be read, does not match or overlaps.
    """
    changes = []
    for part in re.split(r"[,;\s]+", text.strip()):
        found = _CHANGE.fullmatch(part)
        if not found or found[2] == found[3] == "":
            raise InputError(
                f"change {part!r}: expected position:REF:ALT (the first base is number 1), as in 120:A:G"
            )
        at = int(found[1]) - 1
        old, new = (check_letters(f"change {part}", x.upper()) for x in found.groups()[1:])
        end = at + len(old)
        if at < 0 or end > len(sequence) or sequence[at:end] != old:
            there = (at >= 0 and sequence[at:end]) or "nothing"
            raise InputError(f"change {part}: the sequence has {there} at {at + 1}, not {old}")
        changes.append((at, end, new))
    changes.sort()
    for (_, end, _), (start, _, _) in pairwise(changes):
        if start < end:
            raise InputError(f"changes overlap at position {start + 1}: give them as one")
    for at, end, new in reversed(changes):
        sequence = sequence[:at] + new + sequence[end:]
    return sequence


def gained_and_lost(
    reference: Pasted, allele: Pasted, catalog: pd.DataFrame, scale: ValueScale
) -> pd.DataFrame:
    """Features whose largest value differs between two sequences.

    Returns
    -------
    DataFrame
        ``feature``, ``change`` (``gained``: fires in the allele alone, ``lost``, ``stronger``, ``weaker``),
        ``reference`` and ``allele`` (largest value, 0 where it does not fire), ``difference``,
        ``of_largest``: the difference as a share of the feature's full scale or of its largest value in the
        two sequences, whichever is larger, and ``dead``; largest first, dead features last, those of at least
        ``LEAST`` alone.
    """
    largest = {}
    for name, pasted in (("reference", reference), ("allele", allele)):
        table = firing(pasted, catalog, scale)
        largest[name] = table.set_index("feature")["largest"].astype(float)
    table = pd.DataFrame(largest).fillna(0.0).rename_axis("feature").reset_index()
    table["difference"] = table["allele"] - table["reference"]
    features = table["feature"].to_numpy(np.int64)
    top = scale.top[features]
    # A feature may fire here and nowhere in the genome.
    table["of_largest"] = table["difference"] / np.fmax(top, table[["reference", "allele"]].max(axis=1))
    table["change"] = "stronger"
    table.loc[table["difference"] < 0, "change"] = "weaker"
    table.loc[table["reference"] == 0, "change"] = "gained"
    table.loc[table["allele"] == 0, "change"] = "lost"
    table = table[table["of_largest"].abs() >= LEAST].astype({"feature": int})
    table["dead"] = catalog["dead"].reindex(table["feature"]).to_numpy(bool)
    order = table.assign(_size=-table["of_largest"].abs()).sort_values(["dead", "_size"], kind="stable").index
    columns = ["feature", "change", "reference", "allele", "difference", "of_largest", "dead"]
    return table.loc[order, columns].reset_index(drop=True)
