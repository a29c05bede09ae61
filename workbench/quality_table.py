"""The quality of a study's autoencoder as rows of plain words: for the command line and for programs."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd

if TYPE_CHECKING:
    from workbench.study import Study


class Line(NamedTuple):
    """A number, how it is written, and what it says."""

    name: str
    value: str
    meaning: str


def gather_quality(study: Study) -> dict[str, Any]:
    """All that was measured: the facts ``quality``, with tables of probes, units and absorption as records.

    A study without annotation, or judged before these tables were, has none of their records. Raises
    ``InputError`` where the stage has not run.
    """
    found = study.facts("quality")
    for name, (table, shown) in _RECORDS.items():
        path = study.folder / "tables" / f"quality_{table}.parquet"
        rows = pd.read_parquet(path) if path.exists() else pd.DataFrame()
        found[name] = shown(rows).to_dict("records") if len(rows) else []
    layers = study.folder / "tables" / "layers.parquet"
    found["layers"] = pd.read_parquet(layers).to_dict("records") if layers.exists() else []
    return found


def probing_curve(table: pd.DataFrame) -> pd.DataFrame:
    """Mean lift, F1 and AUROC over tracks by size of the probe; size 0 is the dense probe."""
    shown = table.groupby("size", as_index=False)[["ap_lift", "f1", "auroc"]].mean()
    return shown.assign(tracks=table["track"].nunique())


def polysemanticity(units: pd.DataFrame) -> pd.DataFrame:
    """By kind of unit: how many answer to no track, one, several; mean over those that answer to any."""
    rows = []
    for kind, part in units.groupby("kind"):
        some = part.loc[part["tracks"] > 0, "tracks"]
        rows.append(
            {
                "kind": str(kind),
                "units": len(part),
                "none": int((part["tracks"] == 0).sum()),
                "one": int((some == 1).sum()),
                "several": int((some > 1).sum()),
                "mean": float(some.mean()) if len(some) else math.nan,
            }
        )
    return pd.DataFrame(rows)


_RECORDS: dict[str, tuple[str, Callable[[pd.DataFrame], pd.DataFrame]]] = {
    "probing": ("probing", probing_curve),
    "tracks_answered": ("units", polysemanticity),
    "absorption": ("absorption", lambda table: table.astype({"main": str})),
}
"""Records to their table and what is shown of it."""


def _number(value: float, digits: int = 3) -> str:
    return f"{value:.{digits}f}" if math.isfinite(value) else "–"


def _share(value: float) -> str:
    return f"{100 * value:.1f} %" if math.isfinite(value) else "–"


def lines(found: dict[str, Any]) -> list[Line]:
    """Rows for a table, from ``gather_quality``."""
    bits, shift, strands = found["bits"], found["shift"], found["strands"]
    dictionary = found["dictionary"]
    after = shift["after_warmup"]
    rows = [
        Line(
            "explained variance",
            _share(found["explained_variance"]),
            "of the activations' variance round their mean; below 0 is worse than the mean",
        ),
        *_by_dimension(found.get("explained_by_dimension")),
        Line("cosine", _number(found["cosine"]), "between an activation and its reconstruction"),
        Line("length ratio", _number(found["l2_ratio"]), "reconstruction over activation"),
        Line("relative bias", _number(found["relative_bias"]), "1: neither too long nor too short"),
        Line(
            "L0",
            f"{_number(found['l0'], 2)} ({_number(found['l0_training'], 2)} in training)",
            f"features active on a base, at inference; asked for: {found['k']}",
        ),
        Line("dead", _share(found["dead_fraction"]), "features silent on the whole sample"),
        Line("over-dense", _share(found["over_dense_fraction"]), "active on over 10 % of bases"),
        Line(
            "near copies",
            _number(dictionary["decoder_cosine"]["p95"]),
            "95th percentile of a feature's largest decoder cosine with another (encoder:"
            f" {_number(dictionary['encoder_cosine']['p95'])})",
        ),
        Line(
            "encoder with own decoder",
            _number(dictionary["encoder_decoder_cosine"]["median"]),
            "median cosine; 1 reads what it writes",
        ),
        _stability(dictionary.get("stability")),
        Line(
            "bits a base",
            f"{_number(bits['sae'])} (untouched {_number(bits['clean'])})",
            f"with the reconstruction in place; layer at its mean {_number(bits['mean'])}, at zero"
            f" {_number(bits['zero'])}",
        ),
        Line(
            "recovered",
            f"{_share(bits['recovered_mean'])} / {_share(bits['recovered_zero'])}",
            "of what the mean / zero in place of the layer destroys",
        ),
        Line(
            "divergence", f"{_number(bits['kl_sae'])} bits", "from the untouched predictions (KL)"
        ),
    ]
    rows += [
        Line(
            f"  {name}",
            f"+{_number(part['sae'] - part['clean'])} bits",
            f"cost of the reconstruction on {part['bases']:,} bases (untouched"
            f" {_number(part['clean'])}); recovered {_share(part['recovered_mean'])}",
        )
        for name, part in found["bits_by_class"].items()
    ]
    rows += [
        Line(
            "shift",
            _share(after["features"]),
            f"change of features when the window begins {shift['offset']} bases elsewhere"
            f" (activations {_share(after['activation'])})",
        ),
        Line(
            "strands",
            _number(strands["bin"]["median"]),
            "median correlation of a feature with itself on the other strand, over 64 bases (base by"
            f" base {_number(strands['base']['median'])})",
        ),
    ]
    for row in found["tracks_answered"]:
        rows.append(
            Line(
                f"tracks a {row['kind']}",
                _number(row["mean"], 2),
                f"mean of those that answer to any: {row['one']} to one, {row['several']} to several,"
                f" {row['none']} of {row['units']} to none",
            )
        )
    for row in found["probing"]:
        name = f"probe of {row['size']} features" if row["size"] else "probe of the whole layer"
        rows.append(
            Line(
                name,
                _number(row["ap_lift"]),
                f"mean average precision lift over {row['tracks']} tracks (F1 {_number(row['f1'])})",
            )
        )
    for row in found["absorption"]:
        rows.append(
            Line(
                f"{row['parent']} in {row['child']}",
                _share(row["absorbed_child"]),
                f"absorbed: the parent's features silent, another carries it ({_share(row['absorbed_rest'])}"
                f" elsewhere on the parent; {row['child_bases']:,} bases)",
            )
        )
    for row in found["layers"]:
        rows.append(
            Line(
                f"layer {row['layer']}",
                _share(row["explained_variance"]),
                f"of its variance, {row['d_sae']:,} features, L0 {_number(row['l0'], 2)}, dead"
                f" {_share(row['dead_fraction'])} (train cells not trained on; {row['folder']})",
            )
        )
    return rows


def _by_dimension(found: dict[str, float] | None) -> list[Line]:
    if found is None:
        return []
    low, least = _share(found["p5"]), _share(found["least"])
    meaning = f"median; 5 % of dimensions are below {low}, the worst is {least}"
    return [Line("  by dimension", _share(found["median"]), meaning)]


def _stability(found: dict[str, Any] | None) -> Line:
    if found is None:
        return Line("seed stability", "–", "not measured: one seed; set seeds = 2 under [sae]")
    how = "" if found["exact"] else ", pairs taken greedily"
    return Line(
        "seed stability",
        _number(found["mean"]),
        f"mean matched decoder cosine over {found['seeds']} seeds (chance {_number(found['chance'])}{how});"
        f" {_share(found['above_0.9'])} of features found again (0.9 or more)",
    )
