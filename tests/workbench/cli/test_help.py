"""What ``workbench --help`` lists, and what it does without."""

from __future__ import annotations

import re
import subprocess
import sys

from typer.main import get_command

from tests.conftest import ROOT
from workbench.cli import GROUPS, PANELS, app
from workbench.study.config import DERIVED
from workbench.tracks import derive

# What takes longer to import than help may take to appear.
HEAVY = ("torch", "pandas", "numba", "scipy", "sklearn", "Bio.SeqIO", "h5py", "pyarrow", "streamlit")
HEAVY += ("altair", "transformers")


def test_commands_are_listed_in_groups_and_nothing_heavy_is_loaded() -> None:
    program = (
        "import sys; sys.argv = ['workbench', '--help']\n"
        "from workbench.cli import main\n"
        "try: main()\n"
        "except SystemExit as end: assert not end.code\n"
        f"print('loaded', [m for m in {HEAVY} if m in sys.modules], file=sys.stderr)"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert run.stderr.strip() == "loaded []"
    panels = re.split(r"^╭─ ", run.stdout, flags=re.M)[2:]
    found = {panel.split(" ─")[0]: re.findall(r"^│ ([a-z][a-z-]*) ", panel, flags=re.M) for panel in panels}
    expected = {title: list(commands) for title, commands in PANELS.items()}
    expected["Ask a finished study"] += list(GROUPS)
    assert found == expected


def test_tracks_that_can_be_derived_are_those_of_the_settings() -> None:
    assert DERIVED == derive.DERIVED


def test_paragraphs_of_help_are_broken_by_the_terminal_and_examples_begin_a_line() -> None:
    text = get_command(app).commands["features"].help  # type: ignore[attr-defined]
    first, examples, *others = text.split("\n\n")
    assert [line.split()[:2] for line in examples.splitlines()] == [["workbench", "features"]] * 3
    assert "--format bigwig --features 12,40 --out tracks" in examples
    assert others and not any("\n" in paragraph for paragraph in (first, *others))
