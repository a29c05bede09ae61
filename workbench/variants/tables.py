"""Effects of variants as tables: a row a variant, and a row a changed feature."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from genomic_models.files import remove_leftovers
from workbench.cohort.edits import Edit
from workbench.errors import InputError
from workbench.files.atomic import write_atomic
from workbench.variants.consequence import Annotation
from workbench.variants.effects import Effect, FeatureChange
from workbench.variants.null import tail
from workbench.variants.subject import Subject

WRITERS: dict[str, Callable[[pd.DataFrame, Path], object]] = {
    ".tsv": lambda table, path: table.to_csv(path, sep="\t", index=False, na_rep="nan"),
    ".parquet": lambda table, path: table.to_parquet(path, index=False),
    ".json": lambda table, path: table.to_json(path, orient="records", indent=1),
}


def state_of(change: FeatureChange) -> str:
    """``gained`` or ``lost`` where the feature is silent on one allele, else ``stronger`` or ``weaker``."""
    if change.reference == 0:
        return "gained"
    if change.alternative == 0:
        return "lost"
    return "stronger" if change.change > 0 else "weaker"


def kind_of(edit: Edit) -> str:
    """``SNV``, ``MNV``, ``deletion``, ``insertion``, or ``delins``: both, of different lengths."""
    gone, new = edit.end - edit.start, len(edit.letters)
    if gone == new:
        return "SNV" if gone == 1 else "MNV"
    return "delins" if gone and new else "deletion" if gone else "insertion"


def length_class(size: int) -> str:
    """Class of a length in bases, doubling: 1, 2, 3-4, 5-8, 9-16, ..."""
    high = 1 << (size - 1).bit_length()
    return f"{high // 2 + 1}-{high}" if high > 2 else str(high)


def variant_row(
    subject: Subject, annotation: Annotation, effect: Effect, null: np.ndarray
) -> dict[str, object]:
    """One variant: ``position`` is 0-based, the first base that REF covers; ``null`` from `Null.scores`."""
    variant, changes, edit = effect.variant, effect.changes, effect.variant.edit
    row: dict[str, object] = {
        "variant": variant.name,
        "chrom": variant.chrom,
        "position": variant.start,
        "reference": variant.reference,
        "alternative": variant.alternative,
        "type": kind_of(edit),
        "length": length_class(edit.longest),
        "score": effect.score,
        "score_plus": effect.plus.score,
        "score_minus": effect.minus.score,
        "compared": effect.plus.compared,
        "own_reference": (effect.plus.reference + effect.minus.reference) / 2,
        "own_alternative": (effect.plus.alternative + effect.minus.alternative) / 2,
        "null_n": null.size,
        "null_mean": float(null.mean()) if null.size else math.nan,
        "null_sd": float(null.std(ddof=1)) if null.size > 1 else math.nan,
        "null_p": tail(effect.score, null),
    }
    if annotation.known:
        found = annotation.consequence(variant)
        row |= {"consequence": found.kind, "gene": found.gene, "protein": found.protein}
    if subject.sae is not None:
        top = changes[0] if changes else None
        row |= {
            "features_gained": sum(state_of(c) == "gained" for c in changes),
            "features_lost": sum(state_of(c) == "lost" for c in changes),
            "feature_change": sum(c.gained + c.lost for c in changes),
            "top_feature": top.feature if top else -1,
            "top_change": top.change if top else 0.0,
            "top_label": subject.labels.get(top.feature, "") if top else "",
        }
    return row


def feature_rows(subject: Subject, effect: Effect, most: int) -> list[dict[str, object]]:
    """The ``most`` strongest changes of a variant, a row each; ``position`` is 0-based."""
    variant = effect.variant
    length = subject.genome.lengths[variant.chrom]
    return [
        {
            "variant": variant.name,
            "rank": rank,
            "feature": c.feature,
            "state": state_of(c),
            "strand": c.strand,
            "chrom": variant.chrom,
            "position": c.position % length,
            "distance": c.position - variant.start,
            "reference_value": c.reference,
            "alternative_value": c.alternative,
            "change": c.change,
            "gained": c.gained,
            "lost": c.lost,
            "label": subject.labels.get(c.feature, ""),
        }
        for rank, c in enumerate(effect.changes[:most], 1)
    ]


def ranked(rows: Iterable[dict[str, object]]) -> pd.DataFrame:
    """Variants with their ``rank`` among those of their type and length class, the least likely first."""
    table = pd.DataFrame(list(rows)).sort_values(["score", "variant"], kind="stable")
    table.insert(0, "rank", table.groupby(["type", "length"]).cumcount() + 1)
    return table.sort_values(["rank", "type", "length"], ignore_index=True, kind="stable")


def check_format(path: Path) -> None:
    """Refuse a suffix that no writer knows."""
    if path.suffix not in WRITERS:
        raise InputError(f"{path}: unknown suffix; expected one of {', '.join(WRITERS)}")


def beside(path: Path, what: str) -> Path:
    """``x.features.tsv`` beside ``x.tsv``."""
    return path.with_name(f"{path.stem}.{what}{path.suffix}")


def write_table(table: pd.DataFrame, path: Path) -> None:
    """Write a table by its suffix, atomically."""
    check_format(path)
    remove_leftovers(path.parent, path.name)
    with write_atomic(path) as temporary:
        WRITERS[path.suffix](table, temporary)


def summary_columns(table: pd.DataFrame) -> Sequence[str]:
    """Columns for a terminal."""
    wanted = (
        "rank",
        "variant",
        "type",
        "length",
        "score",
        "null_p",
        "consequence",
        "gene",
        "protein",
        "top_feature",
        "top_change",
        "top_label",
    )
    return [c for c in wanted if c in table.columns]
