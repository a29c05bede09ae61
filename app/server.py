"""Streamlit, with the heavy libraries read in while the browser is still on its way.

``python -m app.server run main.py ...``: words are those of ``streamlit``. Streamlit itself would begin to
import them when the first page is asked for, which made that page wait.
"""

from __future__ import annotations

import threading


def read_in() -> None:
    """Import what the pages of a study need and is slow to load."""
    import app.panels  # noqa: F401


if __name__ == "__main__":
    threading.Thread(target=read_in, daemon=True).start()
    from streamlit.web.cli import main

    main(prog_name="streamlit")
