"""Judging the records of a sequence file, or sequences at hand, by several judges at once."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from genomic_models.files import remove_leftovers
from workbench.files.atomic import write_atomic
from workbench.genome.reference import Genome
from workbench.judges.judge import WHY_NOT
from workbench.judges.registry import Panel
from workbench.progress import Progress


def hear(panel: Panel, sequences: Mapping[str, str], progress: Progress) -> pd.DataFrame:
    """A row a sequence: ``sequence``, ``bases``, each judge's columns as ``judge.column``, and `WHY_NOT`.

    `WHY_NOT` names, for each row, every judge that did not judge it, with the reason: not installed, without
    a reference, or the sequence is not for it. Raises ``InputError`` for letters that are not DNA.
    """
    letters = list(sequences.values())
    parts = [pd.DataFrame({"sequence": list(sequences), "bases": [len(text) for text in letters]})]
    reasons = [[f"{name}: {reason}" for name, reason in panel.absent.items()] for _ in letters]
    for name, judge in panel.ready.items():
        progress.begin(name, sum(map(len, letters)), "bases")
        found = judge.judge(letters, progress.advance)
        for own, reason in zip(reasons, found.pop(WHY_NOT), strict=True):
            own.extend([f"{name}: {reason}"] * bool(reason))
        parts.append(found.add_prefix(f"{name}."))
        progress.end()
    why = ["; ".join(own) for own in reasons]
    return pd.concat([*parts, pd.DataFrame({WHY_NOT: why})], axis=1)


def read_sequences(path: Path) -> dict[str, str]:
    """Letters of every record of a sequence file, upper case. Raises ``InputError``."""
    genome = Genome(path)
    return {name: genome.fetch(name, 0, length) for name, length in genome.lengths.items()}


def write_verdicts(table: pd.DataFrame, out: Path) -> None:
    """Write the table of `hear` as TSV, whole or not at all; what is missing is an empty field."""
    remove_leftovers(out.parent, out.name)
    with write_atomic(out) as temporary:
        table.to_csv(temporary, sep="\t", index=False)
