"""Running the command line in tests."""

from __future__ import annotations

import sys

import pytest
import typer.main

import workbench.cli
from workbench.cli import main

# Built anew in every call otherwise, of some fifty commands.
COMMAND = typer.main.get_command(workbench.cli.app)


@pytest.fixture
def cli(monkeypatch, capsys):
    """Run a command; gives exit status, standard output and standard error."""
    monkeypatch.setattr(workbench.cli, "app", COMMAND)
    # A line every 5 s in the first minute would come or not, by the load of the machine.
    monkeypatch.setattr("workbench.progress.MINUTE", 0.0)

    def run(*args: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["workbench", *map(str, args)])
        try:
            main()
            code = 0
        except SystemExit as stop:
            code = int(stop.code or 0)
        out, err = capsys.readouterr()
        return code, out, err

    return run


@pytest.fixture
def refused(cli):
    """Run a command that must fail: status 2, one line, no traceback; gives the line."""

    def run(*args: object) -> str:
        code, _, err = cli(*args)
        lines = [line for line in err.splitlines() if line.startswith("workbench: ")]
        assert code == 2, err
        assert len(lines) == 1 and "Traceback" not in err, err
        return lines[0]

    return run
