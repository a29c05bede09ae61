"""What long work says of itself."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from workbench import progress as module
from workbench.progress import Bar, Lines


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, to be set."""
    now = [0.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    return now


def test_lines(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    lines = Lines()
    lines.begin("reading", 2048, "bases")
    clock[0] = 32
    lines.advance(1024, "a note")
    assert capsys.readouterr().err == "reading: 1,024 of 2,048 bases, 32/s, 32 s left; a note\n"
    clock[0] = 64
    lines.advance(1024)
    assert capsys.readouterr().err == "reading: 2,048 of 2,048 bases, 32/s, 0 s left\n"
    # More than was expected: neither a share nor a time below zero.
    clock[0] = 96
    lines.advance(1024)
    assert capsys.readouterr().err == "reading: 3,072 bases, 32/s\n"
    # An attempt that came to nothing is taken back.
    clock[0] = 128
    lines.advance(-3072)
    assert capsys.readouterr().err == ""


def test_the_bar_keeps_brackets_and_never_passes_its_end() -> None:
    out = io.StringIO()
    bar = Bar(Console(file=out, force_terminal=True, width=200, color_system=None))
    with bar.bar:
        bar.begin("reading [cohort]", 2048, "bases")
        bar.advance(4096, "note [x]")
        bar.bar.refresh()
        bar.say("study.toml [phenotype]: odd")
        bar.end("done [y]")
    said = out.getvalue()
    for text in ("reading [cohort]", "note [x]", "study.toml [phenotype]: odd", "done [y]"):
        assert text in said
    assert "4096/4096" in said and "/2048" not in said.replace("0/2048", "")
