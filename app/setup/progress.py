"""Progress of a run: its stages and the time left, from the ledger's files; stop and resume."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pandas as pd
import streamlit as st

from app import links
from app.navigation import link
from app.verdict_text import plain
from workbench import InputError, Study
from workbench.engines import background
from workbench.engines.survey import Standing, survey
from workbench.setup.uploads import is_study
from workbench.stages.registry import STAGES

_LEFT = re.compile(r"([\d,]+) s left")
# Seconds between reads of the ledger.
EVERY = 2.0


def watch(folder: Path) -> None:
    """Draw the state of a study's run; refreshed while it runs."""
    with st.container(border=True):
        going = background.state(folder).running or background.held(folder)
        st.fragment(_draw, run_every=EVERY if going else None)(folder, going)


def _draw(folder: Path, going: bool) -> None:
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
    _status(standings, running, whole, run)
    if standings:
        st.progress(_share(standings), text=f"{done} of {len(standings)} stages")
    go, halt, see = st.columns(3)
    if go.button("Resume", key="resume", disabled=running or whole, width="stretch"):
        try:
            background.start(folder)
        except InputError as error:
            st.error(plain(str(error)))
        st.rerun()
    if halt.button("Stop", key="stop", disabled=not run.running, width="stretch"):
        background.stop(folder)
        st.toast("Asked to stop; finished shards are kept.")
    ready = (folder / "tables" / "catalog.parquet").exists()
    if ready:
        link(
            see, links.Address("overview", {"study": folder.name}), "Open the study", "folder_open", "stretch"
        )
    with st.expander("Stages"):
        st.dataframe(_table(standings), hide_index=True)
        st.code(f"workbench status {shlex.quote(str(folder))}", language="bash")
    if run.output:
        with st.expander("Output of the run"):
            st.code(run.output, language=None)


def _status(standings: list[Standing], running: bool, whole: bool, run: background.Run) -> None:
    now = next((s for s in standings if s.state != "done"), None)
    if whole:
        st.success("Finished.")
    elif running and now is not None:
        left = now.seconds_left or _printed_seconds_left(run.output)
        time_left = f"; about {time_in_words(left)} left in it" if left else ""
        shards = f", {now.done} of {now.shards} shards" if now.shards > 1 else ""
        st.info(
            f"Running: {STAGES[now.stage].title}{shards}{time_left}."
            " It continues if you leave or reload the page."
        )
        last = run.output.strip().splitlines()[-1:]
        if last:
            st.caption(plain(last[0]))
    elif running:
        st.info("Starting.")
    else:
        failed = [f"{s.stage}: {cause}" for s in standings for cause in s.failures]
        last = run.output.strip().splitlines()[-1:] if run.pid else []
        words = failed or last
        st.warning(plain("Not running. " + ("; ".join(words) if words else "Resume it when you like.")))


def _printed_seconds_left(output: str) -> float:
    """Seconds left as the run's last line says, for stages of one shard; 0 where it does not."""
    last = output.strip().splitlines()[-1:]
    found = _LEFT.search(last[0]) if last else None
    return float(found[1].replace(",", "")) if found else 0.0


def _share(standings: list[Standing]) -> float:
    parts = [1.0 if s.state == "done" else s.done / max(1, s.shards + 1) for s in standings]
    return min(1.0, sum(parts) / len(parts))


def time_in_words(seconds: float) -> str:
    """Seconds, or minutes where there are many."""
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
