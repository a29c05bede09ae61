"""The site of the guides: built strictly, whole without the internet, and every page of it reached."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT, made_once

LINK = re.compile(r"""(?:src|href)=["']?([^"'\s>]+)""")
# What a browser fetches by itself, by tag.
FETCHED = re.compile(r"<(?:script|link|img|iframe|source)\b[^>]*>")


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    def build(folder: Path) -> None:
        command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
        run = subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, env=os.environ | {"NO_MKDOCS_2_WARNING": "1"}
        )
        assert run.returncode == 0, run.stdout + run.stderr

    return made_once(tmp_path_factory, "site", build)


def test_nothing_is_fetched_from_elsewhere(site):
    pages = list(site.rglob("*.html"))
    assert len(pages) > 20
    for page in pages:
        for tag in FETCHED.findall(page.read_text()):
            if 'rel="canonical"' in tag:
                continue
            for address in LINK.findall(tag):
                assert not address.startswith(("http:", "https:", "//")), f"{page.name}: {address}"
                # The page of errors alone counts from the root.
                file = address.split("?")[0].split("#")[0]
                base = site if file.startswith("/") else page.parent
                assert (base / file.lstrip("/")).exists(), f"{page.name}: {address}"
    for style in site.rglob("*.css"):
        assert not re.search(r"@import|url\(\s*[\"']?(?:https?:)?//", style.read_text()), style.name


def test_formulas_are_drawn_without_a_script(site):
    page = (site / "statistics.html").read_text()
    assert page.count('<math xmlns="http://www.w3.org/1998/Math/MathML"') > 10
    assert "$$" not in page and "$<code>" not in page


def test_guides_lead_to_what_was_measured_and_to_the_code(site):
    measured = (site / "results.html").read_text()
    assert "Five features steered" in measured
    assert 'href="results.html#five-features-steered"' in (site / "reaching-in.html").read_text()
    # Signatures and docstrings come from the code.
    api = (site / "api" / "feature_mining.html").read_text()
    assert "train_sae" in api and "Rows of a step" in api
