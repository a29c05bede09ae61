"""A run, watched: its stages and the time left, from the ledger's files; stop and go on."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pandas as pd
import streamlit as st

from app.data import choose_study
from app.words import plain
from workbench import InputError, Study, background
from workbench.engines.survey import Standing, survey
from workbench.intake import is_study
from workbench.stages.registry import STAGES

_LEFT = re.compile(r"([\d,]+) s left")
EVERY = 2.0
"""Seconds between looks at the ledger."""


def watch(folder: Path) -> None:
    """The state of a study's run; looked at again by itself while it goes on."""
    with st.container(border=True):
        going = background.state(folder).running or background.held(folder)
        st.fragment(_look, run_every=EVERY if going else None)(folder, going)


def _look(folder: Path, going: bool) -> None:
    run = background.state(folder)
    running = run.running or background.held(folder)
    if going and not running:
        st.rerun()
    st.subheader(plain(folder.name))
    standings: list[Standing] = []
    if is_study(folder):
        try:
            standings = survey(Study.open(folder))
        except InputError as error:
            st.error(plain(str(error)))
    done = sum(s.state == "done" for s in standings)
    whole = bool(standings) and done == len(standings)
    _line(standings, running, whole, run)
    if standings:
        st.progress(_share(standings), text=f"{done} of {len(standings)} stages")
    go, halt, see = st.columns(3)
    if go.button("Go on", key="go_on", disabled=running or whole, width="stretch"):
        try:
            background.start(folder)
        except InputError as error:
            st.error(plain(str(error)))
        st.rerun()
    if halt.button("Stop", key="stop", disabled=not run.running, width="stretch"):
        background.stop(folder)
        st.toast("Asked to stop; finished shards are kept.")
    ready = (folder / "tables" / "catalog.parquet").exists()
    if see.button("Look at it", key="look", disabled=not ready, type="primary", width="stretch"):
        choose_study(folder)
        st.switch_page("screens/overview.py", query_params={"study": folder.name})
    with st.expander("Stages"):
        st.dataframe(_table(standings), hide_index=True)
        st.code(f"workbench status {shlex.quote(str(folder))}", language="bash")
    if run.output:
        with st.expander("What the run printed"):
            st.code(run.output, language=None)


def _line(standings: list[Standing], running: bool, whole: bool, run: background.Run) -> None:
    now = next((s for s in standings if s.state != "done"), None)
    if whole:
        st.success("Finished.")
    elif running and now is not None:
        left = now.seconds_left or _said_left(run.output)
        time_left = f"; about {_time(left)} left in it" if left else ""
        shards = f", {now.done} of {now.shards} shards" if now.shards > 1 else ""
        st.info(
            f"Running: {STAGES[now.stage].title}{shards}{time_left}. It goes on if you leave or reload."
        )
        said = run.output.strip().splitlines()[-1:]
        if said:
            st.caption(plain(said[0]))
    elif running:
        st.info("Starting.")
    else:
        failed = [f"{s.stage}: {cause}" for s in standings for cause in s.failures]
        last = run.output.strip().splitlines()[-1:] if run.pid else []
        words = failed or last
        st.warning(plain("Not running. " + ("; ".join(words) if words else "Go on when you like.")))


def _said_left(output: str) -> float:
    """Seconds left as the run's last line says, for stages of one shard; 0 where it does not."""
    last = output.strip().splitlines()[-1:]
    found = _LEFT.search(last[0]) if last else None
    return float(found[1].replace(",", "")) if found else 0.0


def _share(standings: list[Standing]) -> float:
    parts = [1.0 if s.state == "done" else s.done / max(1, s.shards + 1) for s in standings]
    return min(1.0, sum(parts) / len(parts))


def _time(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"


def _table(standings: list[Standing]) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "stage": s.stage,
                "what": STAGES[s.stage].title,
                "state": s.state,
                "shards": f"{s.done} / {s.shards}" if s.shards else "",
                "seconds": round(s.seconds, 1),
                "seconds left": round(s.seconds_left),
            }
            for s in standings
        ]
    )
