"""Streamlit, for this machine alone, with the heavy libraries read in while the browser is still on its way.

``python -m app.server run main.py ...``: words are those of ``streamlit``. Streamlit itself would begin to
import them when the first page is asked for, which made that page wait. The server ends when its standard
input does: whoever started it holds the other end, and lets go of it however it ends.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time

from workbench.interruption import PATIENCE

# Names under which requests may ask for this server.
HOSTS = ("127.0.0.1", "localhost")


def read_in() -> None:
    """Import what the pages of a study need and is slow to load."""
    import app.canvas.panels  # noqa: F401


def read_no_settings() -> None:
    """Keep Streamlit from reading settings and secrets in files, of the current folder or of the user.

    Nothing is read when it is imported; all that the app needs is said on the command line.
    """
    from streamlit import config

    config.get_config_files = lambda file_name: []


def refuse_other_hosts() -> None:
    """Refuse requests that name another host: a page elsewhere may have its own name lead to this machine.

    Streamlit checks the host of its web socket alone.
    """
    from starlette.middleware import Middleware
    from starlette.middleware.trustedhost import TrustedHostMiddleware
    from streamlit.web.server.starlette import starlette_app

    inner = starlette_app.create_streamlit_middleware
    first = Middleware(TrustedHostMiddleware, allowed_hosts=list(HOSTS), www_redirect=False)
    starlette_app.create_streamlit_middleware = lambda: [first, *inner()]


def end_with_input() -> None:
    """Wait for the end of the standard input, then end this process, in the middle of work too."""
    while sys.stdin.buffer.read(4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(PATIENCE)
    os._exit(1)


if __name__ == "__main__":
    threading.Thread(target=end_with_input, daemon=True).start()
    # Before the thread: two that import Streamlit at once make it twice.
    read_no_settings()
    refuse_other_hosts()
    threading.Thread(target=read_in, daemon=True).start()
    from streamlit.web.cli import main

    main(prog_name="streamlit")
