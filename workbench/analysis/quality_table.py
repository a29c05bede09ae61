"""The quality of an autoencoder as rows of plain words, for the command line, the report and the app."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd

from workbench.files.parquet import read_parquet
from workbench.wording import NONE, count, fixed, mode_words, percent, signed

if TYPE_CHECKING:
    from workbench.study.study import Study


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
        rows = read_parquet(path) if path.exists() else pd.DataFrame()
        found[name] = shown(rows).to_dict("records") if len(rows) else []
    layers = study.folder / "tables" / "layers.parquet"
    found["layers"] = read_parquet(layers).to_dict("records") if layers.exists() else []
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


# Records to their table and what is shown of it.
_RECORDS: dict[str, tuple[str, Callable[[pd.DataFrame], pd.DataFrame]]] = {
    "probing": ("probing", probing_curve),
    "tracks_answered": ("units", polysemanticity),
    "absorption": ("absorption", lambda table: table.astype({"main": str})),
}


def quality_lines(found: dict[str, Any]) -> list[Line]:
    """Rows of the table, from `gather_quality`, in the order in which they should be read."""
    bits, after = found["bits"], found["shift"]["after_warmup"]
    strands, dictionary = found["strands"], found["dictionary"]
    return [
        Line(
            "explained variance",
            percent(found["explained_variance"]),
            "of the activations' variance round their mean; below 0 is worse than the mean",
        ),
        *_by_dimension(found.get("explained_by_dimension")),
        Line("cosine", fixed(found["cosine"]), "between an activation and its reconstruction"),
        Line("length ratio", fixed(found["l2_ratio"]), "reconstruction over activation; 1: no shrinkage"),
        Line("relative bias", fixed(found["relative_bias"]), "1: neither too long nor too short"),
        Line(
            "L0",
            f"{fixed(found['l0'], 2)} ({fixed(found['l0_training'], 2)} in training)",
            f"features active on a base, at inference; asked for: {found['k']}",
        ),
        Line("dead", percent(found["dead_fraction"]), "features silent on the whole sample"),
        Line("over-dense", percent(found["over_dense_fraction"]), "active on over 10 % of bases"),
        Line(
            "near copies",
            fixed(dictionary["decoder_cosine"]["p95"]),
            "95th percentile of a feature's largest decoder cosine with another (encoder:"
            f" {fixed(dictionary['encoder_cosine']['p95'])})",
        ),
        Line(
            "encoder with own decoder",
            fixed(dictionary["encoder_decoder_cosine"]["median"]),
            "median cosine; 1 reads what it writes",
        ),
        _stability(dictionary.get("stability")),
        *_likelihood(bits),
        *(_of_class(name, part) for name, part in found["bits_by_class"].items()),
        Line(
            "shift",
            percent(after["features"]),
            f"change of features when the window begins {count(found['shift']['offset'])} bases elsewhere"
            f" (activations {percent(after['activation'])})",
        ),
        Line(
            "strands",
            fixed(strands["bin"]["median"]),
            "median correlation of a feature with itself on the other strand, over 64 bases (base by"
            f" base {fixed(strands['base']['median'])})",
        ),
        *map(_answers, found["tracks_answered"]),
        *map(_probe, found["probing"]),
        *map(_absorbed, found["absorption"]),
        *map(_layer, found["layers"]),
    ]


def _by_dimension(found: dict[str, float] | None) -> list[Line]:
    if found is None:
        return []
    low, least = percent(found["p5"]), percent(found["least"])
    meaning = f"median; 5 % of dimensions are below {low}, the worst is {least}"
    return [Line("  by dimension", percent(found["median"]), meaning)]


def _stability(found: dict[str, Any] | None) -> Line:
    if found is None:
        return Line("seed stability", NONE, "not measured: one seed; set seeds = 2 under [sae]")
    how = "" if found["exact"] else ", pairs taken greedily"
    return Line(
        "seed stability",
        fixed(found["mean"]),
        f"mean matched decoder cosine over {found['seeds']} seeds (chance {fixed(found['chance'])}{how});"
        f" {percent(found['above_0.9'])} of features found again (0.9 or more)",
    )


def _likelihood(bits: dict[str, float]) -> list[Line]:
    """What the reconstruction costs the model; without bits of a next base, how far what it says moves."""
    if math.isnan(bits["clean"]):
        return [
            Line(
                "divergence (KL)",
                f"{bits['kl_sae']:.3g} bits",
                f"a base, from what the untouched model says; layer at its mean {bits['kl_mean']:.3g}, at"
                f" zero {bits['kl_zero']:.3g}; recovered {percent(bits['kl_recovered_mean'])} /"
                f" {percent(bits['kl_recovered_zero'])}",
            )
        ]
    return [
        Line(
            "bits a base",
            f"{fixed(bits['sae'])} (untouched {fixed(bits['clean'])})",
            f"with the reconstruction in place; layer at its mean {fixed(bits['mean'])}, at zero"
            f" {fixed(bits['zero'])}; knowing nothing costs 2",
        ),
        Line(
            "recovered",
            f"{percent(bits['recovered_mean'])} / {percent(bits['recovered_zero'])}",
            "of what the mean / zero in place of the layer destroys",
        ),
        Line("divergence (KL)", f"{fixed(bits['kl_sae'])} bits", "from the untouched predictions"),
    ]


def _of_class(name: str, part: dict[str, float]) -> Line:
    if math.isnan(part["clean"]):
        return Line(
            f"  {name}",
            f"{part['kl_sae']:.3g} bits",
            f"the same on {count(part['bases'])} bases; recovered {percent(part['kl_recovered_mean'])}",
        )
    return Line(
        f"  {name}",
        f"{signed(part['sae'] - part['clean'])} bits",
        f"cost of the reconstruction on {count(part['bases'])} bases (untouched {fixed(part['clean'])});"
        f" recovered {percent(part['recovered_mean'])}",
    )


def _answers(row: dict[str, Any]) -> Line:
    return Line(
        f"tracks a {row['kind']} answers to",
        fixed(row["mean"], 2),
        f"mean of those that answer to any: {row['one']:,} of {row['units']:,} to one, {row['several']:,} to"
        f" several, {row['none']:,} to none; fewer is more monosemantic",
    )


def _probe(row: dict[str, Any]) -> Line:
    return Line(
        f"probe of {row['size']} features" if row["size"] else "probe of the whole layer",
        fixed(row["ap_lift"]),
        f"mean average precision lift over {row['tracks']} tracks (F1 {fixed(row['f1'])})",
    )


def _absorbed(row: dict[str, Any]) -> Line:
    by = f"feature {row['absorber']}" if row["absorber"] >= 0 else "another"
    return Line(
        f"{row['parent']} in {row['child']}",
        percent(row["absorbed_child"]),
        f"absorbed, of {count(row['child_bases'])} held-out bases ({mode_words(row['mode'])}): the features"
        f" of {row['parent']} are silent ({percent(row['silent_child'])}) and {by} carries it; elsewhere on"
        f" {row['parent']} {percent(row['absorbed_rest'])}",
    )


def _layer(row: dict[str, Any]) -> Line:
    return Line(
        f"layer {row['layer']}",
        percent(row["explained_variance"]),
        f"of its variance, {count(row['d_sae'])} features, L0 {fixed(row['l0'], 2)}, dead"
        f" {percent(row['dead_fraction'])} (train cells not trained on; {row['folder']})",
    )
