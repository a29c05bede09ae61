"""Every command and snippet of README and the guides is run, in order a page, on a small study.

What cannot run here carries its reason in the source, as ``<!-- not run: REASON -->`` on the line above the
block. Such blocks are still read: commands and options by ``test_readme.py``, Python by its compiler.
"""

from __future__ import annotations

import ast
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from inspect import signature
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from feature_mining.association import composition
from feature_mining.association.margin import LEVEL, draw_blocks
from feature_mining.association.verdict import FEWEST, MAX_Q, MIN_LIFT, Control, Verdict
from feature_mining.sae.formats.registry import FORMATS, WRITABLE
from tests.conftest import ROOT, made_once
from tests.workbench.analysis.biomarkers.conftest import make_study
from tests.workbench.conftest import cli as cli
from tests.workbench.small_study import finished_study
from workbench.analysis import overlaps
from workbench.analysis.audit.flags import FLAGS
from workbench.analysis.biomarkers.tiers import RULES as TIERS
from workbench.analysis.overlaps import SHORTLIST
from workbench.export import WRITERS
from workbench.judges.registry import JUDGES
from workbench.stages.associate import DRAWS, SHARDS, SHIFTS
from workbench.stages.registry import STAGES
from workbench.study.config import SAE_ARCHITECTURES, SplitConfig, StatisticsConfig
from workbench.tracks import READERS
from workbench.tracks.derive import DERIVED
from workbench.tracks.spliced import PROMOTER
from workbench.tracks.transcripts import LEAST_INTRON

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(r"^(?:<!-- not run: (.+?) -->\n+)?```(\S*)\n(.*?)^```$", flags=re.DOTALL | re.MULTILINE)
# What a block may say of itself where it is not run, and how many blocks do.
REASONS = {
    "a fresh machine, as .ci/run has": 3,
    "a cluster of yours": 4,
    "a download": 2,
    "a network of yours": 1,
    "a server that stays": 2,
    "another test runs it": 1,
    "minutes": 3,
}
SHOWN_ONLY = {"text", "toml", "json", "tsv"}


class Snippet(NamedTuple):
    """A block of a page: its language, its text, its first line, and why it is not run, if it is not."""

    language: str
    text: str
    line: int
    reason: str


def snippets(page: Path) -> list[Snippet]:
    text = page.read_text()
    return [
        Snippet(found[2], found[3], text.count("\n", 0, found.start(3)) + 1, found[1] or "")
        for found in FENCE.finditer(text)
    ]


def run_of(page: Path) -> list[Snippet]:
    """The blocks of a page that are run."""
    return [s for s in snippets(page) if s.language in ("bash", "python") and not s.reason]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_block_says_what_it_is(page):
    for snippet in snippets(page):
        assert snippet.language in SHOWN_ONLY | {"bash", "python"}, f"{page.name}:{snippet.line}"
        if snippet.language == "python":
            ast.parse(snippet.text)
    # No block that the expression above does not see.
    assert page.read_text().count("\n```") == 2 * len(snippets(page))


def test_blocks_that_are_not_run_are_counted_by_reason():
    found = Counter(s.reason for page in PAGES for s in snippets(page) if s.reason)
    assert found == REASONS


class Desk:
    """A folder with small files under the names that guides use, and what runs a block in it."""

    def __init__(self, folder: Path, factory: pytest.TempPathFactory, cli: Any, capsys: Any) -> None:
        self.folder, self.factory, self.cli, self.capsys = folder, factory, cli, capsys
        self.finished = finished_study(factory)
        self.names: dict[str, Any] = {"__name__": "__main__"}
        for name in ("fa", "gff3"):
            shutil.copy(ROOT / "data_samples" / f"yersinia_pPCP1.{name}", folder)
        shutil.copy(ROOT / "data_samples" / "yersinia_pPCP1.fa", folder / "genome.fa")
        shutil.copy(ROOT / "data_samples" / "yersinia_pPCP1.gff3", folder / "genes.gff3")
        peaks = "".join(f"NC_005816.1\t{at}\t{at + 40}\n" for at in range(500, 9_000, 500))
        (folder / "peaks.bed").write_text(peaks)
        (folder / "data_samples").symlink_to(ROOT / "data_samples")
        bin_ = folder / ".bin"
        bin_.mkdir()
        opener = bin_ / "open"
        opener.write_text('#!/bin/sh\n[ -s "$1" ]\n')
        opener.chmod(0o755)

    def bash(self, text: str, where: str) -> None:
        """Lines one after the other; ``workbench`` in this process, for Python takes seconds to start."""
        for line in text.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            if words[:1] == ["workbench"]:
                assert not {"|", ">", "&&"} & set(words), f"{where}: {line}"
                self.workbench(words, where)
            elif words:
                path = f"{self.folder / '.bin'}:{Path(sys.executable).parent}:{os.environ['PATH']}"
                command = ["bash", "-euo", "pipefail", "-c", line]
                run = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"PATH": path})
                assert run.returncode == 0, f"{where}: {line}\n{run.stdout}{run.stderr}"

    def workbench(self, words: list[str], where: str) -> None:
        """One command; a study that it makes of the plasmid alone is found run already, in small."""
        code, out, err = self.cli(*words[1:])
        assert code == 0, f"{where}: {shlex.join(words)}\n{out[-3000:]}{err[-3000:]}"
        if words[1] == "new" and words[2] == "study":
            shutil.rmtree("study")
            shutil.copytree(self.finished, "study")

    def python(self, text: str, where: str) -> None:
        exec(compile(text, where, "exec"), self.names)
        self.capsys.readouterr()


def with_study(desk: Desk) -> None:
    """The session's finished study, as ``study``."""
    shutil.copytree(desk.finished, "study")


def with_candidates(desk: Desk) -> None:
    """A finished study of the plasmid with simulated samples, as ``finished``."""
    shutil.copytree(
        made_once(desk.factory, "biomarkers", lambda f: make_study(f, ROOT / "data_samples")) / "study",
        "finished",
    )


# What a page finds in its folder besides the sample's files, and the study where it makes none itself.
PREPARED: dict[str, Callable[[Desk], None]] = {"docs/cohorts.md": with_candidates}


def prepare(desk: Desk, page: Path) -> None:
    if not any("\nworkbench new study " in f"\n{snippet.text}" for snippet in run_of(page)):
        with_study(desk)
    PREPARED.get(page.relative_to(ROOT).as_posix(), lambda desk: None)(desk)


RUN = [page for page in PAGES if run_of(page)]


@pytest.mark.parametrize("page", RUN, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_a_page_runs_from_its_first_block_to_its_last(
    page, tmp_path, tmp_path_factory, monkeypatch, cli, capsys
):
    monkeypatch.chdir(tmp_path)
    desk = Desk(tmp_path, tmp_path_factory, cli, capsys)
    name = page.relative_to(ROOT).as_posix()
    prepare(desk, page)
    for snippet in run_of(page):
        run = desk.bash if snippet.language == "bash" else desk.python
        run(snippet.text, f"{name}:{snippet.line}")


# -- tables that the code's registries must agree with ----------------------------------------------


def rows(page: str, heading: str) -> list[list[str]]:
    """Cells of the tables below a heading of a guide, up to the next heading; header lines left out."""
    text = (ROOT / "docs" / page).read_text()
    part = re.split(r"^#", text.split(f"# {heading}\n", 1)[1], maxsplit=1, flags=re.M)[0]
    tables = re.findall(r"(?:^\|.*\n)+", part, flags=re.M)
    lines = [line for table in tables for line in table.splitlines()[2:]]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


def quoted(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def test_formats_read_are_those_of_the_readers():
    shown = [name for row in rows("formats.md", "In") for name in quoted(row[0]) if name.startswith(".")]
    assert sorted(shown) == sorted(READERS)


def test_exports_are_those_of_the_writers():
    table = [row for row in rows("formats.md", "Out") if len(row) == 3]
    what = {quoted(row[0])[0]: quoted(row[2]) for row in table if quoted(row[2])}
    assert {(name, form) for name, forms in what.items() for form in forms} == set(WRITERS)
    explained = [form for row in table if not quoted(row[2]) for form in quoted(row[0])]
    assert sorted(explained) == sorted({form for _, form in WRITERS})


def test_autoencoders_are_those_of_the_registries():
    shown = [quoted(row[0])[0] for row in rows("autoencoders.md", "Choose what is trained")]
    assert sorted(shown) == sorted(SAE_ARCHITECTURES)
    table = rows("autoencoders.md", "Bring one")
    assert sorted(name for row in table for name in quoted(row[0])) == sorted(FORMATS)
    written = [name for row in table for name in quoted(row[0]) if row[2] == "yes"]
    assert sorted(written) == sorted(WRITABLE)


def test_judges_and_pages_are_those_of_the_registries():
    shown = [name for row in rows("reaching-in.md", "Judges") for name in quoted(row[0])]
    assert sorted(shown) == sorted(JUDGES)
    pages = re.findall(r'Entry\("\w+", "([^"]+)", "\w+"\)', (ROOT / "app" / "main.py").read_text())
    assert len(pages) > 8
    assert sorted(row[0] for row in rows("browser.md", "Pages")) == sorted(pages)


def test_stages_are_those_of_the_registry():
    shown = [name for row in rows("first-study.md", "3. Run it") for name in row[0].split(", ")]
    assert sorted(shown) == sorted(STAGES)


def test_verdicts_are_asked_as_the_page_says():
    table = rows("statistics.md", "The verdict")
    assert list(dict.fromkeys(row[1] for row in table)) == [
        Verdict.NOT_TESTED, Verdict.CHANCE, *dict.fromkeys(c.verdict for c in Control), Verdict.LEARNT
    ]  # fmt: skip
    text = (ROOT / "docs" / "statistics.md").read_text()
    assert f"fewer than {FEWEST} blocks or {FEWEST} intervals" in text
    assert f"lift below {MIN_LIFT}" in text and f"q above {MAX_Q}" in text
    assert f"Below {FEWEST} blocks there is no interval" in text
    assert f"from {DRAWS} draws" in text and f"from {SHARDS * SHIFTS} shifts" in text
    assert SHORTLIST == 10 and "For the ten features of a track" in text
    assert f"where at least {overlaps.FEWEST} readings of *select* are active" in text
    assert f"from {signature(draw_blocks).parameters['draws'].default:,} draws of blocks" in text
    assert LEVEL == 0.95 and "Its 95 % interval" in text
    split, merge_gap = SplitConfig(), StatisticsConfig().merge_gap
    shares = [float(row[1]) for row in rows("statistics.md", "Three parts of the genome")]
    assert shares == [split.train, split.select, split.report]
    assert f"at most `merge_gap` ({merge_gap}) bases" in text
    assert f"k-mers to {composition.LONGEST}, GC and k-mers within {composition.WINDOW} bases" in text
    assert f"three-base periodicity within {composition.PHASE_WINDOW}" in text
    assert [row[0] for row in rows("statistics.md", "The controls")] == [c.word for c in Control]


def test_every_derived_track_is_explained():
    named = [name for row in rows("your-organism.md", "Annotation") for name in row[0].split(", ")]
    assert sorted(named) == sorted(DERIVED)
    text = (ROOT / "docs" / "your-organism.md").read_text()
    assert f"gaps of {LEAST_INTRON} bases or more" in text and f"{PROMOTER} bases before an mRNA" in text


def test_every_column_of_the_report_is_explained():
    templates = ROOT / "workbench" / "report"
    heads = [
        re.split(r"<small>|</small>|{{.*?}}", head)[0].strip()
        for path in templates.glob("*.j2")
        for head in re.findall(r"<th scope=\"col\"[^>]*>(.*?)</th>", path.read_text())
    ]
    text = (ROOT / "docs" / "report.md").read_text()
    # First cells of its tables, and what it sets off as a term.
    cells = re.findall(r"^\| (.*?) \|", text, flags=re.M)
    terms = "; ".join([*cells, *re.findall(r"\*(\w[^*\n]*)\*", text)])
    missing = {h for h in heads if not re.search(rf"(?<!\w){re.escape(h)}(?!\w)", terms, flags=re.I)}
    assert not missing
    flags = [row[0] for row in rows("report.md", "Learnt, or a shortcut?")]
    assert flags == list(FLAGS)
    verdicts = (ROOT / "docs" / "glossary.md").read_text()
    assert all(f"*{verdict}*" in verdicts for verdict in Verdict)
    assert [row[0] for row in rows("cohorts.md", "Tiers")] == list(TIERS)
