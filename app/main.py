"""Entry of the browser: ``streamlit run app/main.py -- STUDY`` (or ``workbench app STUDY``)."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from app.navigation import Entry, sidebar
from app.verdict_text import plain
from workbench import InputError

# Section to pages. No docstring here: Streamlit writes an entry's loose texts on the page.
PAGES = {
    "": [Entry("start", "Start", "home", alone=True)],
    "Study": [
        Entry("overview", "Overview", "summarize"),
        Entry("audit", "Audit", "policy"),
        Entry("provenance", "Runs and origin", "history"),
        Entry("notebook", "Notebook", "book_2"),
    ],
    "Features": [
        Entry("browse", "Browse", "view_timeline"),
        Entry("feature", "Feature", "category"),
        Entry("atlas", "Atlas", "scatter_plot"),
        Entry("track", "Track", "format_list_numbered"),
    ],
    "Analysis": [
        Entry("sequence", "Sequence", "edit_note"),
        Entry("experiments", "Experiments", "experiment"),
        Entry("phenotypes", "Phenotypes", "groups"),
    ],
}

# An icon of our own: that of a page would be fetched from the internet.
ICON = str(Path(__file__).with_name("icon.png"))
st.set_page_config(page_title="Genomics workbench", page_icon=ICON, layout="wide")
# The browser needs the height of the usual white above a page; a link that a key has reached must show.
STYLE = """
.block-container, [data-testid=stMainBlockContainer] {padding-top: 2.6rem}
[data-testid=stPageLink-NavLink]:focus-visible {outline: 2px solid currentColor; outline-offset: -2px}
"""
st.html(f"<style>{STYLE}</style>")
# The default page has no address but the root, so it is one that only goes on to another.
home = st.Page("screens/home.py", title="Home", default=True, visibility="hidden")
pages = {
    section: [
        st.Page(f"screens/{entry.page}.py", title=entry.title, icon=f":material/{entry.icon}:")
        for entry in listed
    ]
    for section, listed in PAGES.items()
}
pages[""].insert(0, home)
page = st.navigation(pages, position="hidden")
# Streamlit's own links drop the study from the address, so that each page would put it there again.
sidebar(PAGES.items())
st.sidebar.divider()
try:
    page.run()
except InputError as error:
    st.error(plain(str(error)))
