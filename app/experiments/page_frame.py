"""The page of an experiment within a page of the app: no script in it runs, and nothing is fetched for it."""

from __future__ import annotations

import streamlit as st

# The page comes from a file of the study, which others may have written. It has an origin of its own, no
# scripts, forms and pop-ups, and the policy of the document before it forbids all but its own styles.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'"
_BEFORE = f'<!DOCTYPE html><meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
_JS = """
export default ({ parentElement, data }) => {
  const frame = parentElement.querySelector("iframe")
  if (frame.srcdoc !== data) frame.srcdoc = data
}
"""
_CSS = """
iframe {box-sizing: border-box; width: 100%; height: 760px; border: 1px solid #8884; border-radius: 6px}
"""
_mount = st.components.v2.component(
    "workbench_experiment_page",
    html='<iframe title="The page of the experiment" sandbox="" referrerpolicy="no-referrer"></iframe>',
    css=_CSS,
    js=_JS,
)


def page_frame(text: str, key: str) -> None:
    """Draw a page."""
    _mount(data=_BEFORE + text, key=key, height=770)
