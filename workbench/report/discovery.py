"""What the audit, the concepts and the search for unexplained features have to say, ready to be drawn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import altair as alt
import numpy as np
import pandas as pd

from workbench.analysis.verdict_rules import RULE, RULES, STRUCTURES
from workbench.report.charts import KINDS, WIDTH, Spec, styled
from workbench.wording import bases, listed, percent, plural

if TYPE_CHECKING:
    from workbench.study.study import Study

LISTED = 12
FLAGGED = 8
DETAILS = {
    "periodicity": lambda v: f"a period of {v:.0f} bases",
    "palindrome": lambda v: f"stems with loops of {v:.0f} bases",
    "conservation": lambda v: f"{percent(v)} of the strongest bases lie in near copies",
    "boundary": lambda v: f"runs of {v:.0f} bases begin at the same letters",
}


@dataclass(frozen=True)
class Discovery:
    """Tables and facts of the stages concepts, audit and unexplained.

    Attributes
    ----------
    concepts : DataFrame
        One row a track, in the mode that the report's table of tracks shows.
    unexplained : DataFrame
        Listed features, best first; ``total`` were without a track.
    homology : DataFrame
        A row a (track, mode): scores with and without near copies.
    flags : DataFrame
        Feature and its flags.
    audit : dict
        Facts ``audit``.
    """

    concepts: pd.DataFrame
    unexplained: pd.DataFrame
    total: int
    homology: pd.DataFrame
    flags: pd.DataFrame
    audit: dict[str, Any]
    rules: dict[str, str]
    rule: str


def gather_discovery(study: Study, shown: pd.DataFrame) -> Discovery:
    """Read the tables, of tracks those ``shown`` in the report. ``InputError`` if one is missing."""
    unexplained = study.table("unexplained")
    listed_rows = unexplained[unexplained["rank"] > 0].sort_values("rank")
    return Discovery(
        concepts=_shown(study.table("concepts"), shown),
        unexplained=listed_rows,
        total=len(unexplained),
        homology=_shown(study.table("homology"), shown),
        flags=study.table("audit")[["feature", "flags", "fired"]],
        audit=study.facts("audit"),
        rules=RULES,
        rule=RULE,
    )


def _shown(table: pd.DataFrame, shown: pd.DataFrame) -> pd.DataFrame:
    order = shown[["track", "mode"]].reset_index(drop=True)
    return order.merge(table, on=["track", "mode"], how="inner")


def structure_words(row: dict[str, Any]) -> str:
    """A listed feature's structures in words, with how far each is from its null."""
    parts = []
    for name in STRUCTURES:
        if name in str(row["structures"]).split(","):
            z = row[f"{name}_z"]
            parts.append(f"{DETAILS[name](row[f'{name}_detail'])} (z {z:.0f})")
    return "; ".join(parts)


def window_profile(audit: dict[str, Any]) -> Spec:
    """Active features a base by position in the window, the warm-up shaded."""
    profile = audit["profile"]
    size = audit["window"] / len(profile)
    table = pd.DataFrame({"position": (np.arange(len(profile)) + 0.5) * size, "features": profile})
    warm = alt.Chart(pd.DataFrame({"from": [0], "to": [audit["warmup"]]}))
    band = warm.mark_rect(color="#888888", opacity=0.25).encode(
        x=alt.X("from:Q", title="position in the window (bases); shaded: warm-up, discarded"), x2="to:Q"
    )
    line = (
        alt.Chart(table)
        .mark_line(point=True, color=KINDS["SAE feature"][0])
        .encode(x="position:Q", y=alt.Y("features:Q", title="active features a base"))
    )
    return styled((band + line).properties(width=WIDTH, height=180))


def flag_rows(discovery: Discovery) -> list[dict[str, Any]]:
    """A row a flag: rule, meaning, how many features carry it and those that fire most."""
    own_flags = discovery.flags["flags"].str.split(",")
    rows = []
    for name, flag in sorted(discovery.audit["flags"].items()):
        own = discovery.flags[own_flags.apply(lambda words, name=name: name in words)]
        top = own.sort_values(["fired", "feature"], ascending=[False, True], kind="stable")
        rows.append({"name": name, **flag, "top": top["feature"].head(FLAGGED).tolist()})
    return rows


def findings(discovery: Discovery) -> list[str]:
    """The audit in sentences, every one by a fixed rule."""
    audit, homology = discovery.audit, discovery.homology
    total = len(discovery.flags)
    flagged = int((discovery.flags["flags"] != "").sum())
    found = [f"{flagged:,} of {plural(total, 'feature')} carry at least one flag; what each means is below."]
    copies = audit["copies"]
    found.append(
        f"{percent(copies['share'])} of the report split lies in sequence that the train or the select split"
        f" holds a near copy of (about {percent(copies['identity'])} identity or more, k-mers of"
        f" {copies['k']} letters)."
    )
    if len(homology):
        gone = homology[(homology["bases_all"] > 0) & (homology["bases_without"] == 0)]
        if len(gone):
            found.append(
                "Every report interval has a near copy in train or select, so that nothing is left to"
                f" judge by: {listed(gone['track'].tolist())}."
            )
        lost = fallen(homology)
        if len(lost):
            found.append(
                "The best feature's lift falls by half or more once near copies are left out:"
                f" {listed(lost['track'].tolist())}."
            )
    corpus = audit["corpus"]
    if corpus["checked"]:
        found.append(
            f"Pretraining: {corpus['statement']}. {percent(corpus['shared'])} of the genome's sampled"
            f" 21-mers are in that corpus ({corpus['source']}); {corpus['report_seen']} of"
            f" {plural(corpus['report_blocks'], 'report block')} share half or more of theirs."
        )
    else:
        found.append(
            f"Pretraining: {corpus['statement']}. The sequence is not at hand, so that overlap with this"
            " genome could not be checked: give it under [audit] corpus in study.toml."
        )
    kept = audit["kept_profile"]
    if kept and min(kept) > 0:
        found.append(
            f"Within the kept bases of a window the number of active features a base goes from"
            f" {kept[0]:.1f} in the first eighth to {kept[-1]:.1f} in the last; the warm-up discarded is"
            f" {bases(audit['warmup'])}."
        )
    return found


def fallen(homology: pd.DataFrame) -> pd.DataFrame:
    """Rows whose lift was worth naming and falls by half or more without near copies."""
    before, after = homology["lift_all"], homology["lift_without"]
    return homology[(before >= 0.02) & after.notna() & (after <= 0.5 * before)]
