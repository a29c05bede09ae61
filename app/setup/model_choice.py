"""What each model needs on this machine: file, memory, speed, licence and code."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from app.verdict_text import plain

if TYPE_CHECKING:
    from workbench.models.needs import Needs

_RATE = "mini_rate"
GB = 1e9


@st.cache_data(ttl=60, show_spinner=False)
def _needs() -> list[Needs]:
    from workbench.models.needs import needs  # PyTorch

    return needs()


def model_choice() -> None:
    """Draw the table, and the button that measures how fast this machine reads."""
    from workbench.models.needs import machine_memory, mini_rate  # PyTorch

    with st.expander("What each model needs on this machine"):
        if st.button("Measure this machine", key="measure_models", icon=":material/speed:"):
            with st.spinner("Reading 2,048 bases with mini, three times"):
                st.session_state[_RATE] = mini_rate()
        rate, memory, listed = st.session_state.get(_RATE), machine_memory(), _needs()
        rows = [
            {
                "model": each.name,
                "file": "here" if each.here else "not here",
                "weights, float32": f"{each.memory(4) / GB:.2f} GB",
                "bfloat16": f"{each.memory(2) / GB:.2f} GB",
                "fits here": each.fits(memory),
                "bases a second": rate * listed[0].parameters / each.parameters if rate else None,
                "also needs": each.precision or "nothing",
                "from": each.source,
                "looked for": "; ".join(map(str, each.places)),
            }
            for each in listed
        ]
        st.dataframe(
            pd.DataFrame(rows), hide_index=True, height="content",
            column_config={"bases a second": st.column_config.NumberColumn(format="%.3g")},
        )  # fmt: skip
        st.caption(
            plain(
                f"This machine has {memory / GB:.1f} GB of memory; weights are compared with that, and a run"
                " needs more beside them."
            )
            + (
                " Bases a second, one strand, without a GPU: mini as measured here, the others scaled from it"
                " by the number of parameters, and run by nobody here."
                if rate
                else " Bases a second are not measured yet."
            )
            + " The weights are read as data, and no code of their authors is run. Other families (hf:) and"
            " networks of your own (file:) are given to the command, which says what code would run:"
        )
        st.code("workbench models\nworkbench models NAME\nworkbench models get NAME", language="bash")
