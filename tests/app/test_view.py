"""The command ``workbench view``: one page, or one sentence."""

from __future__ import annotations

import html
import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from app.exports import standalone
from app.view import write_view
from tests.workbench.study_factory import Synthetic, make_study
from workbench import InputError


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Synthetic:
    return make_study(tmp_path_factory.mktemp("view"))


def test_a_view_as_a_page(made: Synthetic, tmp_path: Path, cli: Any) -> None:
    out = tmp_path / "view.html"
    words = ["--at", "chrA:201-800", "--features", "3,7", "--tracks", "CDS"]
    assert cli("view", made.study.folder, *words, "--out", out)[:2] == (0, f"{out}\n")
    text = out.read_text()
    assert "chrA:201-800" in text and made.study.manifest.hash in text and len(text) < 10_000_000
    assert "workbench view study --at chrA:201-800 --features 3,7 --tracks CDS --out view.html" in text
    # Nothing of a page elsewhere, nor where the study lies.
    assert "http" not in text.replace("http-equiv", "").replace("http://www.w3.org/2000/svg", "").replace(
        'startsWith("http")', ""
    )
    assert str(tmp_path.parent) not in text
    # The same view by its address: the same page.
    again = tmp_path / "again.html"
    address = "browse?at=chrA:200-800&features=3,7&tracks=CDS"
    assert cli("view", made.study.folder, "--address", address, "--out", again)[0] == 0
    assert again.read_text() == text


@pytest.mark.parametrize(
    "query",
    [
        "at=chrA:200-800&features=3,7&tracks=none",
        "at=chrA:200-800&features=none&tracks=CDS",
        "at=chrA:200-800&features=3&tracks=CDS&threshold=0.5&strands=-&draw=heat&brush=300-400&lanes=gc,frames"
        "&rows=feature/3:90:a0b1c2",
    ],
)
def test_the_command_of_a_page_makes_it_again(made: Synthetic, tmp_path: Path, cli: Any, query: str) -> None:
    first, again = tmp_path / "first.html", tmp_path / "again.html"
    write_view(str(made.study.folder), "", query, first)
    said = re.search(r"workbench view study .* --out view\.html", html.unescape(first.read_text()))
    assert said is not None
    words = shlex.split(said[0])[3:-2]
    assert cli("view", made.study.folder, *words, "--out", again)[0] == 0
    assert again.read_text() == first.read_text()


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--features", "99"], "feature 99: expected a number from 0 to 19"),
        (["--address", "nothing"], "expected an address"),
        (["--address", "browse?at=chrA", "--at", "chrA"], "expected an address"),
    ],
)
def test_what_is_not_there_is_refused_in_a_sentence(
    made: Synthetic, tmp_path: Path, cli: Any, more: list[str], said: str
) -> None:
    out = tmp_path / "view.html"
    code, _, error = cli("view", made.study.folder, *more, "--out", out)
    assert code == 2 and said in error and "Traceback" not in error and not out.exists()


def test_a_file_that_cannot_be_written_is_one_sentence(made: Synthetic, tmp_path: Path, cli: Any) -> None:
    out = tmp_path / "nowhere" / "view.html"
    code, _, error = cli("view", made.study.folder, "--out", out)
    assert code == 2 and error == f"workbench: {out}: No such file or directory\n"


def test_a_page_of_more_than_10_mb_is_refused(
    made: Synthetic, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert standalone.MOST_BYTES == 10_000_000
    out = tmp_path / "view.html"
    write_view(str(made.study.folder), "chrA:1-900", "", out)
    monkeypatch.setattr(standalone, "MOST_BYTES", out.stat().st_size - 1)
    with pytest.raises(InputError, match="draw fewer features, a shorter view"):
        write_view(str(made.study.folder), "chrA:1-900", "", tmp_path / "again.html")
    assert not (tmp_path / "again.html").exists()


@pytest.mark.parametrize(
    ("place", "query", "said"),
    [
        ("nowhere", "", "neither a place nor"),
        ("chrA:9,000-9,999", "", "ends at 3,000"),
        ("", "features=x", "expected a number"),
        ("", "tracks=%3Cb%3E", "no track '<b>'"),
        ("", "at=chrZ:0-9", "no contig chrZ"),
        ("", "lanes=x", "expected some of"),
    ],
)
def test_what_an_address_cannot_say(
    made: Synthetic, tmp_path: Path, place: str, query: str, said: str
) -> None:
    out = tmp_path / "view.html"
    with pytest.raises((InputError, ValueError), match=said):
        write_view(str(made.study.folder), place, query, out)
    assert not out.exists()
