"""Effects of variants as tables: a row a variant, and a row a changed feature."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import pandas as pd

from workbench.atomic import write_atomic
from workbench.errors import InputError
from workbench.variants.consequence import Annotation
from workbench.variants.effects import Effect, FeatureChange
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


def variant_row(subject: Subject, annotation: Annotation, effect: Effect) -> dict[str, object]:
    """One variant: ``position`` is 0-based, the first base that REF covers."""
    variant, changes = effect.variant, effect.changes
    row: dict[str, object] = {
        "variant": variant.name,
        "chrom": variant.chrom,
        "position": variant.start,
        "reference": variant.reference,
        "alternative": variant.alternative,
        "log_likelihood": effect.log_likelihood,
        "log_likelihood_plus": effect.plus,
        "log_likelihood_minus": effect.minus,
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
    """Variants, the least likely first, with their ``rank``."""
    table = pd.DataFrame(list(rows)).sort_values(
        ["log_likelihood", "variant"], ignore_index=True, kind="stable"
    )
    table.insert(0, "rank", range(1, len(table) + 1))
    return table


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
    with write_atomic(path) as temporary:
        WRITERS[path.suffix](table, temporary)


def summary_columns(table: pd.DataFrame) -> Sequence[str]:
    """Columns for a terminal."""
    wanted = (
        "rank",
        "variant",
        "log_likelihood",
        "consequence",
        "gene",
        "protein",
        "top_feature",
        "top_change",
        "top_label",
    )
    return [c for c in wanted if c in table.columns]
