"""Entry of the browser: ``streamlit run app/main.py -- STUDY`` (or ``workbench app STUDY``)."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from app import links
from app.navigation import link
from app.verdict_text import plain
from workbench import InputError

# Section to pages: file, title, icon. No docstring here: Streamlit writes an entry's loose texts on the page.
PAGES = {
    "": [("start", "Start", "home")],
    "Study": [
        ("overview", "Overview", "summarize"),
        ("audit", "Audit", "policy"),
        ("provenance", "Runs and origin", "history"),
    ],
    "Features": [
        ("browse", "Browse", "view_timeline"),
        ("feature", "Feature", "category"),
        ("atlas", "Atlas", "scatter_plot"),
        ("track", "Track", "format_list_numbered"),
    ],
    "Analysis": [("sequence", "Sequence", "edit_note"), ("phenotypes", "Phenotypes", "groups")],
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
        st.Page(f"screens/{name}.py", title=title, icon=f":material/{icon}:") for name, title, icon in listed
    ]
    for section, listed in PAGES.items()
}
pages[""].insert(0, home)
page = st.navigation(pages, position="hidden")
# Streamlit's own links drop the study from the address, so that each page would put it there again.
for section, listed in PAGES.items():
    if section:
        st.sidebar.caption(section)
    for name, title, icon in listed:
        whole = {"study": ""} if name == "start" else {}
        link(st.sidebar, links.Address(name, whole), title, icon, "stretch")
st.sidebar.divider()
try:
    page.run()
except InputError as error:
    st.error(plain(str(error)))
