"""The browser."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from workbench.errors import InputError
from workbench.interruption import PATIENCE
from workbench.study.study import Study


def app(
    folder: Annotated[Path | None, typer.Argument(help="Folder of the study.", metavar="DIR")] = None,
    port: Annotated[int, typer.Option(help="Port on this machine.", min=1, max=65535)] = 8501,
) -> None:
    """Look at a study in the web browser. Ends with Ctrl-C; only this machine can reach it."""
    from workbench.setup.uploads import MOST_BYTES  # pandas

    if find_spec("streamlit") is None:
        raise InputError("streamlit is not installed; install it with `pip install streamlit`")
    # Looked up, not imported: the browser stands above this package.
    package = find_spec("app")
    places = list(package.submodule_search_locations or []) if package else []
    main = next((p for p in (Path(place) / "main.py" for place in places) if p.exists()), None)
    if main is None:
        raise InputError("the package app is not installed beside workbench; install the project again")
    # The folder that the reader stands in may hold an app.py of theirs: it is kept off the path.
    command = [sys.executable, "-P", "-m", "app.server", "run", str(main)]
    command += ["--server.address", "127.0.0.1", "--server.port", str(port)]
    command += ["--server.headless", "true", "--server.fileWatcherType", "none"]
    command += ["--browser.gatherUsageStats", "false", "--client.toolbarMode", "minimal"]
    command += ["--server.maxUploadSize", str(MOST_BYTES >> 20)]
    # Said here and nowhere else: app.server lets Streamlit read no .streamlit/config.toml.
    command += ["--server.enableCORS", "true", "--server.enableXsrfProtection", "true"]
    command += ["--server.corsAllowedOrigins", f"http://127.0.0.1:{port}"]
    command += ["--server.enableStaticServing", "false", "--server.enableAgentApi", "false"]
    command += ["--server.runOnSave", "false", "--global.developmentMode", "false"]
    # It would search all objects, PyTorch's too, for garbage after every run of a page: half a second each.
    command += ["--runner.postScriptGC", "false"]
    # One colour each: a single one would make every page light, whatever the reader's system says.
    command += ["--theme.light.primaryColor", "#2f6fad", "--theme.dark.primaryColor", "#5b9bd5"]
    if folder is not None:
        command += ["--", str(Study.open(folder).folder)]
    print(f"http://127.0.0.1:{port} (Ctrl-C ends it)")
    # The server ends with its input: however this command ends, the system lets go of the pipe.
    server = subprocess.Popen(command, stdin=subprocess.PIPE)
    asked = threading.Event()

    def end(*_: object) -> None:
        asked.set()
        server.terminate()
        # A page in the middle of long work would keep it.
        killing = threading.Timer(PATIENCE, server.kill)
        killing.daemon = True
        killing.start()

    signal.signal(signal.SIGTERM, end)
    try:
        code = server.wait()
    except KeyboardInterrupt:
        end()
        server.wait()
    if not asked.is_set() and code:
        raise InputError(f"streamlit ended with status {code}; is port {port} taken? try another --port")
