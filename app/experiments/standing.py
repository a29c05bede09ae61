"""Where an experiment stands; a run that is watched, stopped, continued; an experiment removed."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import NamedTuple

import streamlit as st

from app import links
from app.data.study import Opened
from app.setup.progress import time_in_words
from app.verdict_text import plain
from workbench import InputError, Study
from workbench.engines import background
from workbench.experiments.kind import Kind
from workbench.experiments.question import FOLDER, QUESTION, folder_of
from workbench.stages.stage import Shard, Stage
from workbench.wording import count

# Seconds between looks at the ledger.
EVERY = 2.0


class State(NamedTuple):
    """How far an experiment is.

    Attributes
    ----------
    kind : Kind or None
        None where its question cannot be read.
    word : str
        done, running, stopped, failed, not begun, or refused.
    said : str
        Why it failed or is refused; how far it is.
    share : float
        Of its pieces of work, those that are done.
    """

    kind: Kind | None
    word: str
    said: str = ""
    share: float = 0.0


@st.cache_resource(max_entries=16, show_spinner=False)
def _pieces(_study: Study, _stage: Stage, question: str, stamp: int) -> list[Shard]:
    """Pieces of work, found once: it may mean to look for places all over a genome."""
    return _stage.shards(_study)


def state_of(study: Study, name: str) -> State:
    """The state of an experiment, from its question and the ledger's files."""
    from workbench.engines.survey import stand  # PyTorch
    from workbench.experiments.registry import KINDS, as_stage, open_experiment  # PyTorch

    try:
        kind = KINDS[open_experiment(study, name).question.kind]
        stage, asked = as_stage(study, name), folder_of(study, name) / QUESTION
        pieces = partial(_pieces, _stage=stage, question=str(asked), stamp=asked.stat().st_mtime_ns)
        found = stand(study, replace(stage, shards=pieces))
    except (InputError, OSError) as error:
        return State(None, "refused", str(error))
    run = background.state(study.folder)
    own = run.running and run.step == f"{FOLDER}/{name}"
    # A command line, or a job of a cluster, may have begun it.
    elsewhere = bool(found.begun) and background.held(study.folder)
    share = found.done / found.shards if found.shards else 0.0
    said = f"{found.done} of {found.shards} pieces of work"
    if found.rate:
        said += f", {count(found.rate)} bases a second"
    if found.seconds_left and (own or elsewhere):
        said += f", about {time_in_words(found.seconds_left)} left"
    if found.state == "done":
        return State(kind, "done", "", 1.0)
    if own or elsewhere:
        return State(kind, "running", said, share)
    if found.failures:
        return State(kind, "failed", "; ".join(found.failures), share)
    if found.begun or found.done:
        return State(kind, "stopped", said, share)
    return State(kind, "not begun", said)


def watch(opened: Opened, name: str, going: bool) -> None:
    """Draw how far an experiment is, with what can be done about it; refreshed while it is ``going``."""
    with st.container(border=True):
        st.fragment(_draw, run_every=EVERY if going else None)(opened, name, going)


def _draw(opened: Opened, name: str, going: bool) -> None:
    study = opened.study
    state, run = state_of(study, name), background.state(study.folder)
    if going and state.word != "running":
        st.rerun()
    own = run.step == f"{FOLDER}/{name}"
    lines = run.output.strip().splitlines() if own else []
    _say(state, lines)
    line = st.container(horizontal=True)
    if state.word == "running":
        if line.button("Stop", key="stop", icon=":material/stop:", disabled=not (own and run.running)):
            background.stop(study.folder)
            st.toast("Asked to stop; finished pieces are kept.")
    elif state.word not in ("done", "refused"):
        label = "Start" if state.word == "not begun" else "Go on"
        if line.button(label, key="go_on", type="primary", icon=":material/play_arrow:"):
            try:
                background.start_experiment(study, name)
                st.rerun()
            except InputError as error:
                st.error(plain(str(error)))
    if lines and state.word != "done":
        with st.expander("Output of the run"):
            st.code("\n".join(lines), language=None)


def _say(state: State, lines: list[str]) -> None:
    said = plain(state.said)
    if state.word == "running":
        st.info(f"Running: {said}. It continues if you leave or close the page.")
        st.progress(state.share)
        if lines:
            st.caption(plain(lines[-1]))
    elif state.word in ("failed", "refused"):
        st.error(said)
    else:
        # What ended it before anything was begun stands in its output alone.
        last = f" {plain(lines[-1])}" if lines else ""
        st.warning(f"{state.word.capitalize()}: {said}.{last}")


def offer_removal(opened: Opened, name: str) -> None:
    """Draw the button that removes an experiment, and the one that asks again."""
    key = f"remove/{name}"
    if not st.session_state.get(key):
        if st.button("Remove", key="remove", type="tertiary", icon=":material/delete:"):
            st.session_state[key] = True
            st.rerun()
        return
    st.warning(plain(f"Remove {name} with its question, tables and page? There is no way back."))
    line = st.container(horizontal=True)
    if line.button("Keep it", key="keep"):
        del st.session_state[key]
        st.rerun()
    if line.button("Remove it", key="really_remove", type="primary", icon=":material/delete_forever:"):
        from workbench.experiments.registry import remove_experiment  # PyTorch

        del st.session_state[key]
        try:
            remove_experiment(opened.study, name)
        except (InputError, OSError) as error:
            st.error(plain(str(error)))
            return
        address = links.experiments()
        st.switch_page(address.file, query_params=address.query)
