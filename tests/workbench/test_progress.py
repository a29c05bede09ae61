"""What long work says of itself."""

from __future__ import annotations

import builtins
import io
import itertools
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from workbench import progress as module
from workbench.cli import app
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
    assert capsys.readouterr().err == "reading: 128 s so far\n"
    lines.end("well")
    assert capsys.readouterr().err == "reading: done in 128.0 s; well\n"


def test_the_first_minute_is_never_silent_for_more_than_five_seconds(
    clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever is done: a model that loads and tells nothing, a step that ends, time before the next."""
    lines, spoke, said = Lines(), [0.0], ""
    for second in range(1, 300):
        clock[0] = float(second)
        if second == 23:
            lines.begin("reading", 100, "bases")
        if 23 <= second < 40 and second % 7 == 0:
            lines.advance(20)
        if second == 41:
            lines.end()
        lines.remind()
        if new := capsys.readouterr().err:
            spoke.append(second)
            said += new
    gaps = [b - a for a, b in itertools.pairwise(spoke)]
    early = [gap for gap, at in zip(gaps, spoke, strict=False) if at < 55]
    assert max(early) == 5 and max(gaps) == 30
    first = [
        "starting: 5 s so far",
        "starting: 10 s so far",
        "starting: 15 s so far",
        "starting: 20 s so far",
    ]
    assert said.splitlines()[:5] == [*first, "reading: 2 s so far"]


def test_lines_come_by_themselves(capsys: pytest.CaptureFixture[str]) -> None:
    with Lines(soon=0.05) as lines:
        lines.begin("loading", 1, "model")
        spoken = ""
        while "so far" not in spoken:
            spoken += capsys.readouterr().err
    assert spoken.startswith("loading: ")


def test_on_a_terminal_something_moves_before_the_first_step() -> None:
    out = io.StringIO()
    bar = Bar(Console(file=out, force_terminal=True, width=200, color_system=None))
    with bar.bar:
        bar.bar.refresh()
        assert "starting" in out.getvalue()
        bar.begin("reading", 5, "bases")
        bar.end()
        bar.bar.refresh()
        assert "going on" in out.getvalue()


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


@pytest.mark.parametrize(
    "line",
    [
        "new study --genome g.fa",
        "score g.fa",
        "embed g.fa",
        "write --out o.fa",
        "variants study --variants c:1:A:G",
        "layers study",
        "export study --what tracks --format tsv --out t.tsv",
        "concepts contrast study name --here CDS",
        "concepts test study 1",
        "rules scan study --rules r.json --out o.tsv",
        "detect scan study --detector d.json --out o.tsv",
    ],
)
def test_something_moves_while_a_command_loads(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    real = builtins.__import__

    def watched(name: str, where: Any = None, *rest: Any) -> Any:
        if where and str(where.get("__name__")).startswith("workbench.cli"):
            told.append(name)
            raise ImportError(name)
        return real(name, where, *rest)

    def enter(lines: Lines) -> Lines:
        told.append("watched")
        return lines

    monkeypatch.setattr(Lines, "__enter__", enter)
    monkeypatch.setattr(builtins, "__import__", watched)
    result = CliRunner().invoke(app, line.split())
    assert isinstance(result.exception, ImportError) and told[0] == "watched", told
