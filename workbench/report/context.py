"""What a report is made from: the tables of a study, and the rows of them that are shown."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from feature_mining.association.verdict import Verdict
from workbench.analysis.quality_table import gather_quality
from workbench.study.config import COHORT_FILES, InputConfig
from workbench.study.feature_labels import Label
from workbench.study.manifest import Manifest
from workbench.study.passports import with_causal

if TYPE_CHECKING:
    from workbench.study.study import Study

ASSOCIATION_COLUMNS = ("feature", "track", "mode", "base_rate", "ap_select")
TRACK_COLUMNS = (*ASSOCIATION_COLUMNS[:-1], "n_intervals", "ap_lift", "margin", "verdict", "rule")
CARDS = 12
CARD_EXAMPLES = 6
CARD_TRACKS = 3


@dataclass(frozen=True)
class Evidence:
    """Everything a report says, before it is put in words.

    Attributes
    ----------
    name : str
        Name of the study's folder.
    manifest : Manifest
    settings : str
        ``study.toml``, paths cut down to file names.
    sae : dict
        Configuration of the autoencoder and its ``hash``.
    tracks : DataFrame
        All (track, mode) rows, with ``ap_select`` of the best feature.
    shown : DataFrame
        One row a track, in the mode that did best on the select split; best verdicts first.
    associations, catalog, examples, logos : DataFrame
    labels : dict of int to Label
        What each feature is called.
    quality : dict
        Of ``quality_table.gather_quality``.
    training : dict
    notes : list of str
        What of the annotation was left out, and why.
    """

    name: str
    manifest: Manifest
    settings: str
    sae: dict[str, Any]
    tracks: pd.DataFrame
    shown: pd.DataFrame
    associations: pd.DataFrame
    catalog: pd.DataFrame
    examples: pd.DataFrame
    logos: pd.DataFrame
    labels: dict[int, Label]
    quality: dict[str, Any]
    training: dict[str, Any]
    notes: list[str]


def gather(study: Study) -> Evidence:
    """Read what the report needs. Raises ``InputError`` where a table is missing."""
    associations = _with_columns(study.table("associations"), ASSOCIATION_COLUMNS)
    tracks = with_select(_with_columns(study.table("tracks"), TRACK_COLUMNS), associations)
    catalog = with_causal(study.table("catalog"), study.folder, study.sae_hash)
    catalog, labels = catalog.set_index("feature", drop=False), study.feature_labels()
    logos = study.table("logos")
    catalog["information"] = logos.groupby("feature")["information"].sum()
    return Evidence(
        name=study.folder.name,
        manifest=study.manifest,
        settings=_settings(study),
        sae={**asdict(study.sae_config), "hash": study.sae_hash},
        tracks=tracks,
        shown=one_mode_a_track(tracks),
        associations=associations,
        catalog=catalog.assign(label=[labels[int(f)].text for f in catalog["feature"]]),
        examples=study.table("examples"),
        logos=logos,
        labels=labels,
        quality=gather_quality(study),
        training=study.facts("training"),
        notes=study.left_out,
    )


def _with_columns(table: pd.DataFrame, columns: tuple[str, ...]) -> pd.DataFrame:
    """A table without rows (no annotation was given) has the columns all the same."""
    return table if len(table) else table.reindex(columns=list(dict.fromkeys([*table, *columns])))


def _settings(study: Study) -> str:
    text = (study.folder / "study.toml").read_text()
    given: InputConfig = study.config.input
    cohort = (getattr(study.config.cohort, key) for key in (*COHORT_FILES, "regions"))
    others = (study.config.phenotype.catalogue, study.config.sae.source, study.config.model.folder)
    model = study.config.model.name
    named = (given.genome, given.regions, *given.tracks, *cohort, *others)
    # Longest first: one path may begin another.
    for path in sorted({p for p in (*named, model) if "/" in p}, key=len, reverse=True):
        shown = study.manifest.model.shown_name if path == model else Path(path).name
        text = text.replace(path, shown)
    return text.strip()


def select_lift(table: pd.DataFrame) -> pd.Series:
    """Average precision on the select split, from 0 at the base rate to 1."""
    rate = table["base_rate"]
    return (table["ap_select"] - rate) / (1 - rate).clip(lower=1e-9)


def with_select(tracks: pd.DataFrame, associations: pd.DataFrame) -> pd.DataFrame:
    """Tracks with the select score that their best feature was picked by (``ap_select``)."""
    if "ap_select" in tracks:
        return tracks
    key = ["track", "mode", "feature"]
    return tracks.merge(associations[[*key, "ap_select"]], on=key, how="left")


def one_mode_a_track(tracks: pd.DataFrame) -> pd.DataFrame:
    """One row a track: the mode with the best select score, so that no printed score chose it.

    Ordered by verdict, then by average precision lift.
    """
    rank = {verdict: i for i, verdict in enumerate(Verdict)}
    rows = tracks.assign(_select=select_lift(tracks)).sort_values(
        "_select", ascending=False, kind="stable", na_position="last"
    )
    rows = rows.drop_duplicates("track")
    rows = rows.assign(_rank=rows["verdict"].map(rank).fillna(len(rank)))
    rows = rows.sort_values(["_rank", "ap_lift"], ascending=[True, False], kind="stable")
    return rows.drop(columns=["_select", "_rank"]).reset_index(drop=True)


def judged(tracks: pd.DataFrame) -> pd.DataFrame:
    """Rows of tracks that have a best feature that could be tested."""
    return tracks[(tracks["feature"] >= 0) & (tracks["verdict"] != Verdict.NOT_TESTED)]


def card_features(shown: pd.DataFrame, catalog: pd.DataFrame, most: int = CARDS) -> list[int]:
    """Features worth a card: the best of each track that was tested, then those with the highest lift.

    Without annotation, those whose logos hold most (``information`` in bits).
    """
    tested = judged(shown)["feature"].astype(int).tolist()
    order = "best_ap_lift" if catalog["best_ap_lift"].notna().any() else "information"
    alive = catalog[~catalog["dead"]].sort_values(order, ascending=False, kind="stable")
    fill = [f for f in alive["feature"].astype(int).tolist() if f not in set(tested)]
    unique = list(dict.fromkeys(tested))
    return (unique + fill[: max(0, 6 - len(unique))])[:most]


def best_associations(associations: pd.DataFrame, feature: int, most: int = CARD_TRACKS) -> pd.DataFrame:
    """A feature's rows of the table, its best mode on each track, by select score."""
    rows = associations[associations["feature"] == feature]
    rows = rows.assign(_select=select_lift(rows))
    rows = rows.sort_values("_select", ascending=False, kind="stable")
    return rows.drop_duplicates("track").head(most).drop(columns="_select")


def split_sizes(manifest: Manifest) -> dict[str, tuple[int, int]]:
    """Split name to (blocks, bases)."""
    parts = {name: manifest.blocks(name) for name in ("train", "select", "report")}
    return {name: (len(own), sum(b.interval.size for b in own)) for name, own in parts.items()}


def shares_contigs(manifest: Manifest) -> bool:
    """Whether training and report blocks lie on the same contigs."""
    train, report = ({b.chrom for b in manifest.blocks(name)} for name in ("train", "report"))
    return bool(train & report)
