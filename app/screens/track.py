"""Every feature for one track, ranked; the address holds track and strand mode."""

from __future__ import annotations

import streamlit as st

from app.data.study import Opened, current
from app.exports import commands
from app.figures import table_file
from app.navigation import feature_links, put
from app.tables import COLUMNS, RANKED
from app.verdict_text import plain
from workbench.browse.atlas import rank_features
from workbench.wording import mode_words, plural


def _write() -> None:
    put(**{name: st.session_state.get(f"track_{name}") or "" for name in ("track", "mode")})


def choose(opened: Opened) -> tuple[str, str]:
    """Draw the boxes for track and strand mode; ends the page where no track was tested or none is named."""
    pairs = opened.evidence.associations[["track", "mode"]].drop_duplicates()
    names = sorted(pairs["track"].astype(str))
    names = list(dict.fromkeys(names))
    if not names:
        st.info("No track was tested. Add annotation to the study and run it again.")
        st.stop()
    requested = st.query_params.get("track")
    if requested is not None and requested not in names:
        st.error(plain(f"No track {requested!r}; this study has {', '.join(names)}."))
    st.session_state["track_track"] = requested if requested in names else None
    left, right = st.columns(2)
    track = left.selectbox(
        "Track", names, key="track_track", on_change=_write, placeholder="Choose a track", index=None
    )
    if track is None:
        st.info("Choose a track to see every feature for it, ranked.")
        st.stop()
    modes = pairs.loc[pairs["track"] == track, "mode"].astype(str).tolist()
    shown = opened.evidence.shown
    usual = shown.loc[shown["track"] == track, "mode"].astype(str).tolist()
    mode = st.query_params.get("mode")
    st.session_state["track_mode"] = mode if mode in modes else next(iter(usual), modes[0])
    mode = right.selectbox(
        "Strand", modes, key="track_mode", on_change=_write, format_func=mode_words,
        help="Strand of the interval relative to the strand that the model read.",
    )  # fmt: skip
    return str(track), str(mode)


opened = current()
st.title("Track")
track, mode = choose(opened)
rows = rank_features(opened.evidence.catalog, opened.evidence.associations, track, mode)
led = opened.evidence.tracks.query("track == @track and mode == @mode")
if len(led):
    verdict = led.iloc[0]
    st.write(plain(f"Verdict on the best feature of {track} ({mode_words(mode)}): {verdict['verdict']}."))
st.caption(
    f"{plural(len(rows), 'feature')}, ranked on the select split; every other score is of the report"
    f" split. Only the"
    " first was put beside the controls. Select rows to open or draw them."
)
event = st.dataframe(
    rows, hide_index=True, height=520, column_order=[c for c in RANKED if c in rows], column_config=COLUMNS,
    key="ranked", on_select="rerun", selection_mode="multi-row",
)  # fmt: skip
chosen = [int(rows["feature"].iloc[i]) for i in event["selection"]["rows"] if i < len(rows)]
feature_links(chosen)
table_file(rows, f"{''.join(c if c.isalnum() else '_' for c in track)}_{mode}")
commands.show(commands.export_table(opened.study.folder, "associations", "tsv", chosen))
