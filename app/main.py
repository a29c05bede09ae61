"""Entry of the browser: ``streamlit run app/main.py -- STUDY`` (or ``workbench app STUDY``)."""

from __future__ import annotations

import streamlit as st

from app.words import plain
from workbench import InputError

st.set_page_config(page_title="Genomics workbench", layout="wide")
page = st.navigation(
    [
        st.Page("pages/overview.py", title="Overview", icon=":material/summarize:", default=True),
        st.Page("pages/features.py", title="Features", icon=":material/category:"),
        st.Page("pages/browse.py", title="Browse", icon=":material/genetics:"),
    ]
)
try:
    page.run()
except InputError as error:
    st.error(plain(str(error)))
