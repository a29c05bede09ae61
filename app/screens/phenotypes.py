"""Features against phenotypes of the study's samples."""

from __future__ import annotations

import altair as alt
import numpy as np
import pandas as pd
import streamlit as st

from app import commands, links
from app.data import Opened, current
from app.figures import TIER_COLORS, picture, table_file
from app.portrait import table
from app.tables import CANDIDATE, COLUMNS, TESTS
from app.takeout import CANDIDATES, takeout
from app.words import plain
from workbench import InputError
from workbench.biomarkers.tiers import RULES
from workbench.report.formats import fixed, plural, probability

MOST_DRAWN = 4500
# Points of a picture.
AROUND = 200
# Bases shown on each side of a candidate's region.
OTHER = "no candidate"
QUANTILES = ("expected", "observed", "low", "high")


def read(opened: Opened) -> pd.DataFrame:
    """Tests of features with places and tiers; ends the page where the study has none."""
    tests, regions = table(opened, "phenotype_associations"), table(opened, "regions")
    if tests is None or regions is None:
        st.info(
            "This study has no tested phenotypes. Give variants (VCF) and a table of phenotypes when a study"
            " is made, and run it.",
            icon=":material/info:",
        )
        st.page_link("screens/start.py", label="Make a study", icon=":material/add:")
        st.stop()
    simulated = opened.study.facts("cohort").get("simulated")
    if simulated:
        st.warning(plain(f"SIMULATED samples: {simulated}"), icon=":material/science:")
    rows = tests.merge(regions[["region", "chrom", "start", "end"]], on="region", how="left")
    found = table(opened, "biomarkers")
    if found is None:
        return rows.assign(evidence_tier=OTHER)
    key = ["phenotype", "burden", "region", "feature"]
    rows = rows.merge(found[[*key, "evidence_tier"]].drop_duplicates(key), on=key, how="left")
    return rows.assign(evidence_tier=rows["evidence_tier"].fillna(OTHER))


def choose(tests: pd.DataFrame) -> tuple[str, pd.DataFrame]:
    """Rows of one phenotype; the address holds it."""
    names = sorted(tests["phenotype"].unique())
    asked = st.query_params.get("phenotype", names[0])
    st.session_state["phenotype"] = asked if asked in names else names[0]
    if len(names) > 1 or asked != names[0]:
        st.selectbox("Phenotype", names, key="phenotype", on_change=_asked, width=420)
    else:
        st.markdown(f"**{plain(names[0])}**")
    name = str(st.session_state["phenotype"])
    return name, tests[tests["phenotype"] == name]


def _asked() -> None:
    st.query_params["phenotype"] = st.session_state["phenotype"]


def _tiers() -> alt.Color:
    scale = alt.Scale(domain=list(TIER_COLORS), range=list(TIER_COLORS.values()))
    return alt.Color("evidence_tier:N", scale=scale, title="tier")


def _points(rows: pd.DataFrame) -> alt.Chart:
    columns = ["region", "feature", "burden", "minus_log10_p", "chrom", "start", "end"]
    columns += ["q", "beta", "effect", "evidence_tier", "at"]
    return alt.Chart(rows[columns]).mark_point(filled=True, size=42, opacity=0.75)


TIPS: list[str | alt.Tooltip] = [
    "region:N", "feature:N", "burden:N", "evidence_tier:N",
    alt.Tooltip("minus_log10_p:Q", title="−log10 p", format=".2f"),
    alt.Tooltip("q:Q", format=".1e"), alt.Tooltip("beta:Q", title="effect a unit", format=".3~g"),
    alt.Tooltip("effect:Q", title="effect of one sd", format=".3~g"),
]  # fmt: skip


def _decades(values: pd.Series, least: float) -> list[float]:
    """Powers of ten on both sides of 0, from ``least`` to the largest."""
    first, last = (np.log10(v) for v in (least, max(least, float(values.abs().max()))))
    powers = [10.0**p for p in range(int(np.ceil(first)), int(np.floor(last)) + 1)]
    return [-p for p in reversed(powers)] + [0.0, *powers]


def pictures(opened: Opened, name: str, rows: pd.DataFrame) -> None:
    """Manhattan, volcano and QQ, of the strongest tests."""
    tested = rows[rows["minus_log10_p"].notna()]
    drawn = tested.nlargest(MOST_DRAWN, "minus_log10_p")
    said = f"{plural(len(tested), 'test')} of {plural(rows['region'].nunique(), 'region')}"
    if len(tested) < len(rows):
        said += f"; {len(rows) - len(tested):,} more were too rare to test"
    if len(drawn) < len(tested):
        said += f"; drawn are the {len(drawn):,} strongest"
    st.caption(f"{said}. Line: the weakest test with q at most 0.05.")
    if drawn.empty:
        st.info("No test could be made of this phenotype.")
        return
    contigs = opened.evidence.manifest.contigs
    before = dict(zip(contigs, np.cumsum([0, *list(contigs.values())[:-1]]), strict=True))
    middle = (drawn["start"] + drawn["end"]) / 2
    drawn = drawn.assign(
        at=middle + drawn["chrom"].map(before).astype(float), effect=drawn["beta"] * drawn["sd"]
    )
    passed = tested.loc[tested["q"] <= 0.05, "minus_log10_p"]
    level = pd.DataFrame({"level": [float(passed.min())] if len(passed) else []})
    line = alt.Chart(level).mark_rule(strokeDash=[4, 3], color="#888888").encode(y="level:Q")
    # Grey is legible on white and on black; the legend would draw these black.
    grey = alt.Legend(symbolFillColor="gray", symbolStrokeColor="gray")
    shape = alt.Shape("burden:N", title="burden", legend=grey)
    y = alt.Y("minus_log10_p:Q", title="−log10 p")
    manhattan, volcano, quantile = st.tabs(["Manhattan", "Volcano", "QQ"])
    with manhattan:
        whole = sum(contigs.values())
        title = "middle of the region, 0-based" + (
            ", contigs end to end" if len(contigs) > 1 else ""
        )
        x = alt.X(
            "at:Q", title=title, scale=alt.Scale(domain=[0, whole], nice=False),
            axis=alt.Axis(format="~s", grid=False),
        )  # fmt: skip
        points = _points(drawn).encode(x=x, y=y, color=_tiers(), shape=shape, tooltip=TIPS)
        picture(alt.layer(points, line).properties(height=300), "manhattan", width="stretch")
    with volcano:
        # Burdens that lineages explain have effects out of all proportion, so the axis is bent.
        middle_effect = float(drawn["effect"].abs().median())
        typical = middle_effect if middle_effect > 0 else 1.0  # also where none is known
        x = alt.X(
            "effect:Q",
            title="effect of one standard deviation of the burden",
            scale=alt.Scale(type="symlog", constant=typical),
            axis=alt.Axis(grid=False, format="~r", values=_decades(drawn["effect"], typical)),
        )
        points = _points(drawn).encode(x=x, y=y, color=_tiers(), shape=shape, tooltip=TIPS)
        picture(alt.layer(points, line).properties(height=300), "volcano", width="stretch")
    with quantile:
        _quantiles(opened, name)


def _quantiles(opened: Opened, name: str) -> None:
    qq, calibration = table(opened, "phenotype_quantiles"), table(opened, "phenotype_calibration")
    if qq is None:
        st.info("This study has no table of quantiles: it is made by a newer run.")
        return
    qq = qq[qq["phenotype"] == name]
    base = alt.Chart(qq[[*QUANTILES, "burden"]])
    x = alt.X("expected:Q", title="expected −log10 p")
    band = base.mark_area(opacity=0.15, color="#888888").encode(x=x, y="low:Q", y2="high:Q")
    same = base.mark_line(color="#888888", strokeDash=[4, 3]).encode(x=x, y="expected:Q")
    palette = alt.Scale(range=["#0072B2", "#D55E00", "#009E73", "#CC79A7"])
    points = base.mark_point(filled=True, size=26).encode(
        x=x,
        y=alt.Y("observed:Q", title="observed −log10 p"),
        color=alt.Color("burden:N", scale=palette),
        shape="burden:N",
    )
    picture(alt.layer(band, same, points).properties(height=300), "qq", width="stretch")
    if calibration is not None:
        own = calibration[calibration["phenotype"] == name]
        st.caption("Band: 95 % of what chance gives. Calibration by set of tests:")
        st.dataframe(own.drop(columns="phenotype"), hide_index=True, column_config=COLUMNS)


def candidates(opened: Opened, name: str, rows: pd.DataFrame) -> list[int]:
    """The candidate table where there is one, else the tests; gives the features of what is selected."""
    st.subheader("Candidates")
    every = table(opened, "biomarkers")
    if every is None:
        found = rows.sort_values("minus_log10_p", ascending=False, na_position="last")
        st.caption("Tests, strongest first: this study has no table of candidates.")
        columns = TESTS
    else:
        found = every[every["phenotype"] == name].sort_values(["evidence_tier", "q"], kind="stable")
        counted = found["evidence_tier"].value_counts().to_dict()
        tiers = ", ".join(f"{counted[t]} of tier {t}" for t in RULES if t in counted) or "none"
        st.caption(
            f"{len(found):,} candidates: {tiers}. Not for clinical use. Choose rows to look closer."
        )
        columns = CANDIDATE
    if found.empty:
        st.info("No candidate passed for this phenotype: the tests are in the pictures above.")
        return []
    said = st.dataframe(
        found, hide_index=True, height=320, key=f"candidates_{name}", on_select="rerun",
        selection_mode="multi-row", column_order=[c for c in columns if c in found],
        column_config=COLUMNS,
    )  # fmt: skip
    picked = [i for i in said["selection"]["rows"] if i < len(found)]
    chosen = found.iloc[picked]
    with st.expander("What the tiers mean"):
        st.markdown("\n".join(f"- **{tier}**: {plain(rule)}" for tier, rule in RULES.items()))
    for row in chosen.head(4).itertuples():
        closer(opened, row._asdict())
    taken = chosen if len(chosen) else found
    what = f"the {len(chosen)} chosen rows" if len(chosen) else f"all {len(found):,} rows"
    st.caption(f"Files of {what}:")
    table_file(taken, f"candidates_{''.join(c if c.isalnum() else '_' for c in name)}")
    return sorted({int(f) for f in chosen["feature"]})


def closer(opened: Opened, row: dict[str, object]) -> None:
    """One candidate: its link into the browser, and its effect by lineage."""
    feature, region = int(str(row["feature"])), str(row["region"])
    with st.container(border=True):
        head = f"feature {feature} in {region}, burden {row['burden']}"
        tier = str(row.get("evidence_tier", OTHER))
        st.markdown(f"**{plain(head)}**" + (f" · tier {tier}" if tier != OTHER else ""))
        drivers = row.get("driving_hgvs")
        said = (
            ", ".join(str(v) for v in list(drivers)[:6]) if isinstance(drivers, np.ndarray) else ""
        )
        words = [f"q {probability(float(str(row['q'])))}"]
        if said:
            words.append(f"driven by {said}")
        lost = row.get("ablation_bits")
        if isinstance(lost, float) and np.isfinite(lost):
            words.append(f"switched off over the region, the model loses {lost:.2g} bits a base")
        st.caption(plain("; ".join(words)))
        line = st.container(horizontal=True)
        if pd.notna(row.get("start")):
            chrom = str(row["chrom"])
            start = max(0, int(float(str(row["start"]))) - AROUND)
            end = min(opened.evidence.manifest.contigs[chrom], int(float(str(row["end"]))) + AROUND)
            go = links.browse(
                "", f"{chrom}:{start}-{end}", [feature], variants=str(row.get("candidate_id", ""))
            )
            line.page_link(
                go.file, label="Browser, with its variants", icon=":material/view_timeline:",
                query_params=go.query, width="content",
            )  # fmt: skip
        page = links.feature("", feature)
        line.page_link(
            page.file, label=f"Feature {feature}", icon=":material/category:",
            query_params=page.query, width="content",
        )  # fmt: skip
        by_lineage(opened, row)


def by_lineage(opened: Opened, row: dict[str, object]) -> None:
    """Effect of a candidate in each lineage, with 95 % intervals."""
    rows = table(opened, "biomarker_lineages")
    own = pd.DataFrame() if rows is None else rows[rows["candidate_id"] == row.get("candidate_id")]
    if own.empty:
        return
    whole = {
        "group": "all",
        "beta": row["beta"],
        "ci_low": row["ci_low"],
        "ci_high": row["ci_high"],
    }
    own = pd.concat([pd.DataFrame([whole | {"n": row["n"]}]), own], ignore_index=True)
    drawn = own[["group", "beta", "ci_low", "ci_high", "n"]]
    order = drawn["group"].astype(str).tolist()
    base = alt.Chart(drawn).encode(y=alt.Y("group:N", sort=order, title=None))
    axis = alt.Axis(grid=True, tickCount=5)
    ranges = base.mark_rule(color="#0072B2", strokeWidth=2).encode(
        x=alt.X("ci_low:Q", title="effect by lineage (beta, 95 %)", axis=axis), x2="ci_high:Q"
    )
    points = base.mark_point(filled=True, size=60, color="#0072B2").encode(
        x="beta:Q", tooltip=["group", "n", alt.Tooltip("beta", format=".3f")]
    )
    zero = alt.Chart(pd.DataFrame({"x": [0]})).mark_rule(strokeDash=[4, 3], color="#888888")
    # Streamlit counts the axis as part of the height.
    chart = alt.layer(zero.encode(x="x:Q"), ranges, points).properties(height=70 + 22 * len(own))
    picture(chart, f"lineages_{row['candidate_id']}", width="stretch")
    heterogeneity = row.get("heterogeneity_p")
    if isinstance(heterogeneity, float) and np.isfinite(heterogeneity):
        st.caption(
            f"Heterogeneity between lineages: p {probability(heterogeneity)},"
            f" I² {fixed(float(str(row['heterogeneity_i2'])), 2)}."
        )


opened = current()
st.title("Phenotypes")
tests = read(opened)
try:
    name, rows = choose(tests)
    pictures(opened, name, rows)
    features = candidates(opened, name, rows)
    if table(opened, "biomarkers") is not None:
        whose = f"features {', '.join(map(str, features))}" if features else "all features"
        st.caption(f"For other programs: candidates of {whose}, every phenotype.")
        takeout(opened, "biomarkers", CANDIDATES, "candidates_all", features or None)
except InputError as error:
    st.error(plain(str(error)))
    st.stop()
folder = opened.study.folder
commands.show(
    commands.export_table(folder, "biomarkers", "tsv", features),
    commands.export_table(folder, "biomarkers", "bed", features),
    note="Made by the stages phenotype and biomarkers of workbench run.",
)
