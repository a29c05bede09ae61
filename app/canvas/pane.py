"""The views of the browse page: one, or two side by side, each with its part of address and session."""

from __future__ import annotations

from typing import Any, NamedTuple

import streamlit as st

from app import links
from app.data.study import Opened, allowed, open_study
from app.navigation import put


class Pane(NamedTuple):
    """A view; ``name`` is the parameter of the address that holds its query, empty for the first."""

    name: str

    @property
    def key(self) -> str:
        """Of its canvas, and the beginning of its keys in the session."""
        return f"genome_canvas{self.name}"

    def of(self, what: str) -> str:
        """A key of the session that is this view's own."""
        return f"{self.key}_{what}"

    def take(self, what: str) -> Any:
        """A value of the session, which is taken out of it; None where there is none."""
        return st.session_state.pop(self.of(what), None)

    def query(self) -> dict[str, str]:
        """Its query in the address; the place is the one that a hand is just dragging past, where it is."""
        whole = st.query_params.to_dict()
        second = whole.pop(SECOND.name, "")
        query = links.split_query(second) if self.name else whole
        passed = st.session_state.get(self.of("passed"))
        return query | {"at": passed} if passed else query

    def leave(self) -> None:
        """Have the canvas follow the next view, wherever it was."""
        self.take("at")
        self.take("passed")

    @property
    def study(self) -> str:
        """Its study as addresses name it; empty for the one that the command named."""
        return self.query().get("study", "") or st.query_params.get("study", "")

    def put(self, **changes: str) -> None:
        """Change parts of its query: one entry of the history; an empty text takes a part out."""
        if self.name:
            put(**{self.name: links.join_query(self.query() | changes)})
        else:
            put(**changes)

    def replace(self, query: dict[str, str]) -> None:
        """Make its query another one, but for the study."""
        gone = dict.fromkeys(set(self.query()) - {"study"}, "")
        self.put(
            **(gone | {name: text for name, text in query.items() if name not in ("study", SECOND.name)})
        )

    def opened(self, first: Opened) -> Opened:
        """The study that it shows: the first view's, or that of its own query."""
        own = self.query().get("study", "") if self.name else ""
        return open_study(str(allowed(own))) if own else first


FIRST, SECOND = Pane(""), Pane("pane")


def panes() -> list[Pane]:
    """The views of the address."""
    return [FIRST, SECOND] if st.query_params.get(SECOND.name) else [FIRST]
