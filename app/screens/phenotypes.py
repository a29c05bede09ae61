"""Features against phenotypes of the study's samples."""

from __future__ import annotations

import altair as alt
import numpy as np
import pandas as pd
import streamlit as st

from app import links
from app.charts import themed
from app.data.study import Opened, current, table
from app.exports import commands
from app.exports.export_buttons import CANDIDATES, export_buttons
from app.figures import picture, table_file
from app.navigation import link, put
from app.tables import CANDIDATE, COLUMNS, TESTS
from app.verdict_text import plain
from workbench import InputError
from workbench.analysis.biomarkers.tiers import LEVEL, RULES
from workbench.report.scan_charts import NO_CANDIDATE, drawn_tests, manhattan, quantile_plot, volcano
from workbench.wording import fixed, percent, plural, probability

# Points of a picture.
MOST_DRAWN = 4500
# Bases shown on each side of a candidate's region.
AROUND = 200


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
    if tests.empty:
        st.info("No feature varied enough between samples to be tested.")
        st.stop()
    if "replicated" in tests and "replication_p" in tests:
        # What could not be tested in the replication is not shown as not replicated.
        asked = tests["replication_p"].notna()
        tests = tests.assign(replicated=tests["replicated"].astype("boolean").where(asked))
    return drawn_tests(tests, regions, table(opened, "biomarkers"), opened.evidence.manifest.contigs)


def choose(tests: pd.DataFrame) -> tuple[str, pd.DataFrame]:
    """Rows of one phenotype; the address holds it."""
    names = sorted(tests["phenotype"].unique())
    requested = st.query_params.get("phenotype", names[0])
    st.session_state["phenotype"] = requested if requested in names else names[0]
    if len(names) > 1 or requested != names[0]:
        st.selectbox("Phenotype", names, key="phenotype", on_change=_write_phenotype, width=420)
    else:
        st.markdown(f"**{plain(names[0])}**")
    name = str(st.session_state["phenotype"])
    return name, tests[tests["phenotype"] == name]


def _write_phenotype() -> None:
    put(phenotype=st.session_state["phenotype"])


def pictures(opened: Opened, name: str, rows: pd.DataFrame) -> None:
    """Draw Manhattan, volcano and QQ plots of the strongest tests."""
    tested = rows[rows["minus_log10_p"].notna()]
    drawn = tested.nlargest(MOST_DRAWN, "minus_log10_p")
    caption = f"{plural(len(tested), 'test')} of {plural(rows['region'].nunique(), 'region')}"
    if len(tested) < len(rows):
        caption += f"; {len(rows) - len(tested):,} more were too rare to test"
    if len(drawn) < len(tested):
        caption += f"; drawn are the {len(drawn):,} strongest"
    st.caption(f"{caption}. Line: the weakest test with q at most 0.05.")
    if drawn.empty:
        st.info("No test could be made of this phenotype.")
        return
    passed = tested.loc[tested["q"] <= LEVEL, "minus_log10_p"]
    level = float(passed.min()) if len(passed) else np.nan
    along, by_effect, quantile = st.tabs(["Manhattan", "Volcano", "QQ"])
    with along:
        spec = manhattan(drawn, level, opened.evidence.manifest.contigs)
        picture(themed(spec), "manhattan", width="stretch")
    with by_effect:
        picture(themed(volcano(drawn, level)), "volcano", width="stretch")
    with quantile:
        _quantiles(opened, name)


def _quantiles(opened: Opened, name: str) -> None:
    qq, calibration = table(opened, "phenotype_quantiles"), table(opened, "phenotype_calibration")
    if qq is None:
        st.info("This study has no table of quantiles: it is made by a newer run.")
        return
    drawn = themed(quantile_plot(qq[qq["phenotype"] == name]))
    picture(drawn, "qq", width="stretch")
    if calibration is not None:
        own = calibration[calibration["phenotype"] == name]
        st.caption("Band: 95 % of what chance gives. Calibration by set of tests:")
        st.dataframe(own.drop(columns="phenotype"), hide_index=True, column_config=COLUMNS)


def candidates(opened: Opened, name: str, rows: pd.DataFrame) -> list[int]:
    """Draw the candidates where there are some, else the tests; returns the features of the selected rows."""
    st.subheader("Candidates")
    every = table(opened, "biomarkers")
    if every is None:
        found = rows.sort_values("minus_log10_p", ascending=False, na_position="last")
        st.caption("Tests, strongest first: this study has no table of candidates.")
        columns = TESTS
    else:
        found = every[every["phenotype"] == name].sort_values(["evidence_tier", "q"], kind="stable")
        counted = found["evidence_tier"].value_counts().to_dict()
        tiers = ", ".join(f"{counted[t]} with evidence {t}" for t in RULES if t in counted) or "none"
        count = plural(len(found), "candidate")
        st.caption(f"{count}: {tiers}. Not for clinical use. Select rows for details.")
        found = found.assign(drivers=[_drivers(row) for row in found.to_dict("records")])
        columns = CANDIDATE
    if found.empty:
        st.info("No candidate passed for this phenotype: the tests are in the pictures above.")
        return []
    event = st.dataframe(
        found, hide_index=True, height=320, key=f"candidates_{name}", on_select="rerun",
        selection_mode="multi-row", column_order=[c for c in columns if c in found],
        column_config=COLUMNS,
    )  # fmt: skip
    picked = [i for i in event["selection"]["rows"] if i < len(found)]
    chosen = found.iloc[picked]
    with st.expander("What the grades of evidence (tiers) mean"):
        st.markdown("\n".join(f"- **{tier}**: {plain(rule)}" for tier, rule in RULES.items()))
    for row in chosen.head(4).itertuples():
        candidate(opened, row._asdict())
    taken = chosen if len(chosen) else found
    what = f"the {len(chosen)} chosen rows" if len(chosen) else f"all {len(found):,} rows"
    st.caption(f"Files of {what}:")
    table_file(taken, f"candidates_{''.join(c if c.isalnum() else '_' for c in name)}")
    return sorted({int(f) for f in chosen["feature"]})


def candidate(opened: Opened, row: dict[str, object]) -> None:
    """Draw one candidate: its link to the browser, and its effect by lineage."""
    feature, region = int(str(row["feature"])), str(row["region"])
    with st.container(border=True):
        label = row.get("label")
        named = f" ({label})" if isinstance(label, str) and label else ""
        head = f"feature {feature}{named} in {region}, summed as {row['burden']}"
        tier = str(row.get("evidence_tier", NO_CANDIDATE))
        st.markdown(f"**{plain(head)}**" + (f" · evidence {tier}" if tier != NO_CANDIDATE else ""))
        words = [f"p {_p(row['minus_log10_p'])}, q {probability(float(str(row['q'])))}"]
        if isinstance(row.get("best_variant"), str):
            words.append(
                f"best plain variant of the region: {row['best_variant']}, p"
                f" {_p(row['best_variant_minus_log10_p'])}"
            )
        lost = row.get("ablation_bits")
        if isinstance(lost, float) and np.isfinite(lost):
            words.append(f"ablated over the region, the model loses {lost:.2g} bits a base")
        st.caption(plain("; ".join(words)))
        line = st.container(horizontal=True)
        if pd.notna(row.get("start")):
            chrom = str(row["chrom"])
            start = max(0, int(float(str(row["start"]))) - AROUND)
            end = min(opened.evidence.manifest.contigs[chrom], int(float(str(row["end"]))) + AROUND)
            go = links.browse(
                "", f"{chrom}:{start}-{end}", [feature], variants=str(row.get("candidate_id", ""))
            )
            link(line, go, "Browser, with its variants", "view_timeline")
        link(line, links.feature("", feature), f"Feature {feature}", "category")
        drivers(row)
        by_lineage(opened, row)


def _p(minus_log10: object) -> str:
    """A p value of its negative logarithm."""
    return probability(10.0 ** -float(str(minus_log10)))


def _drivers(row: dict[str, object]) -> list[str]:
    """Names of the driving variants with their shares, the largest first."""
    names, shares = row.get("driving_hgvs"), row.get("driving_share")
    if not isinstance(names, np.ndarray) or not isinstance(shares, np.ndarray):
        return []
    return [
        f"{name} {percent(share)}" for share, name in sorted(zip(shares, names, strict=True), reverse=True)
    ]


def drivers(row: dict[str, object]) -> None:
    """Draw the variants that drive a candidate: a bar each, as long as its share, the largest first."""
    if not isinstance(row.get("driving_share"), np.ndarray):
        return
    columns = {
        "variant": "driving_hgvs",
        "share": "driving_share",
        "change": "driving_delta",
        "alone": "driving_alone",
    }
    drawn = pd.DataFrame({name: row.get(column) for name, column in columns.items()})
    if drawn.empty:
        return
    drawn = drawn.sort_values("share", ascending=False, kind="stable")
    bars = alt.Chart(drawn).encode(
        y=alt.Y("variant:N", sort=drawn["variant"].tolist(), title=None, axis=alt.Axis(labelLimit=260)),
        x=alt.X(
            "share:Q", title="share of the drive (carriers × change of the burden)",
            scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(format=".0%", tickCount=5),
        ),
    )  # fmt: skip
    tips = [
        "variant", alt.Tooltip("share", format=".1%"),
        alt.Tooltip("change", title="change of the burden in carriers", format=".3g"),
        alt.Tooltip("alone", title="alone on the reference", format=".3g"),
    ]  # fmt: skip
    marks = bars.mark_bar(color="#a0307c", height=12).encode(tooltip=tips)
    text = bars.mark_text(align="left", dx=4).encode(text=alt.Text("share", format=".0%"))
    chart = alt.layer(marks, text).properties(height=34 + 22 * len(drawn))
    picture(chart, f"drivers_{row['candidate_id']}", width="stretch")


def by_lineage(opened: Opened, row: dict[str, object]) -> None:
    """Draw the effect of a candidate in each lineage, with 95 % intervals."""
    rows = table(opened, "biomarker_lineages")
    own = pd.DataFrame() if rows is None else rows[rows["candidate_id"] == row.get("candidate_id")]
    if own.empty:
        return
    whole = {"group": "all", "beta": row["beta"], "ci_low": row["ci_low"], "ci_high": row["ci_high"]}
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
        st.caption(f"Files for other programs: candidates of {whose}, every phenotype.")
        export_buttons(opened, "biomarkers", CANDIDATES, "candidates_all", features or None)
except InputError as error:
    st.error(plain(str(error)))
    st.stop()
folder = opened.study.folder
commands.show(
    commands.export_table(folder, "biomarkers", "tsv", features),
    commands.export_table(folder, "biomarkers", "bed", features),
    note="Made by the stages phenotype and biomarkers of workbench run.",
)
