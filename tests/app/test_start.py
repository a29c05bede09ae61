"""The start page driven in Chromium: upload, run, reload, stop, resume, open; what is refused."""

from __future__ import annotations

import gzip
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.app.chromium import QUIET, serving
from workbench.setup.demo_archive import shipped

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")


@pytest.fixture(scope="module")
def studies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("studies")


@pytest.fixture(scope="module")
def address(studies: Path) -> Iterator[str]:
    with serving(None, {"WORKBENCH_STUDIES": str(studies)}) as (where, _):
        yield where


@pytest.fixture(scope="module")
def tab(chromium: Any, address: str) -> Iterator[Any]:
    page = chromium.new_page(viewport={"width": 1300, "height": 1100})
    page.set_default_timeout(60_000)
    yield page
    page.close()


@pytest.fixture
def page(tab: Any, address: str) -> Any:
    """The start page, where nothing was chosen yet."""
    tab.goto(address)
    tab.get_by_role("heading", name="A study of your own").wait_for()
    tab.wait_for_selector(QUIET)
    return tab


def drop(page: Any, box: str, *files: Any) -> None:
    """Put files into the upload box whose label begins so; done when they are listed there."""
    places = page.get_by_test_id("stFileUploader").filter(has_text=re.compile(f"^{box}"))
    # Streamlit loses a file that comes in the moment in which it draws the box again.
    page.wait_for_selector(QUIET)
    places.first.locator("input[type=file]").first.set_input_files(list(files))
    places.first.get_by_test_id("stFileChip").first.wait_for()


def remove(page: Any, name: str, sentence: str) -> None:
    """Take a file out of its box; done when what was said of it is gone, and the page stands still."""
    page.get_by_role("button", name=f"Remove {name}").click()
    playwright.expect(page.get_by_text(sentence)).to_have_count(0, timeout=60_000)
    page.wait_for_selector(QUIET)


def named(name: str, data: bytes) -> dict[str, Any]:
    return {"name": name, "mimeType": "application/octet-stream", "buffer": data}


def setting(page: Any, label: str, value: int) -> None:
    box = page.get_by_role("spinbutton", name=label)
    box.fill(str(value))
    box.press("Enter")


def test_broken_uploads_get_a_sentence(page: Any, studies: Path) -> None:
    drop(page, "Genome", named("prot.fa", b">p\nMKLVEFQWERTYMKLV\n"))
    page.get_by_text("prot.fa: ").get_by_text("this looks like protein").wait_for()
    remove(page, "prot.fa", "this looks like protein")
    drop(page, "Genome", named("a.zip", b"PK\x03\x04" + b"\0" * 40))
    page.get_by_text("expected a name that ends in one of .fa, .fasta").wait_for()
    remove(page, "a.zip", "expected a name that ends in one of .fa, .fasta")
    bomb = gzip.compress(b">c1\n" + b"A" * (1 << 20), 9)
    drop(page, "Genome", named("bomb.fa.gz", bomb * 2200))
    page.get_by_text("more than 2,048 MiB when unpacked, the limit for an upload").wait_for()
    assert page.get_by_role("button", name="Check the files and run").is_disabled()
    assert [p for p in studies.iterdir() if not p.name.startswith(".")] == []


def test_a_gigabyte_is_refused(page: Any, tmp_path: Path) -> None:
    big = tmp_path / "big.fa"
    with big.open("wb") as handle:
        os.truncate(handle.fileno(), 1 << 30)
    drop(page, "Genome", big)
    page.get_by_text("File must be 400").wait_for()


@pytest.mark.slow
def test_from_files_to_features(page: Any, studies: Path, samples: Path) -> None:
    genome = (samples / "yersinia_pPCP1.fa").read_bytes()
    genes = (samples / "yersinia_pPCP1.gff3").read_bytes().replace(b"NC_005816.1", b"plasmid")
    drop(page, "Genome", named("../../etc/my plasmid.fa.gz", gzip.compress(genome)))
    playwright.expect(page.get_by_role("textbox", name="Name of the study")).to_have_value(
        "my-plasmid", timeout=60_000
    )
    drop(page, "Annotation", named("genes.gff3", genes))
    # Names of contigs differ, and their lengths say which is which.
    page.get_by_role("button", name="Take the genome's names").click()
    playwright.expect(page.get_by_text("no interval track")).to_have_count(0, timeout=60_000)
    page.get_by_text("Model, layer and settings").click()
    setting(page, "Features", 64)
    setting(page, "Active a base", 4)
    setting(page, "Warm-up", 32)
    page.get_by_text("use a smaller window or more sequence").wait_for()
    setting(page, "Window", 256)
    page.get_by_text("1 contig, 9,609 bases").wait_for()
    page.get_by_text("Names taken: plasmid is NC_005816.1.").wait_for()
    # This plasmid is far too short for the usual training.
    page.get_by_text("Short for this training: 4,000,000 training bases").wait_for()
    page.get_by_text("read the 5,824 readings of the train split 687 times over").wait_for()
    page.get_by_text("Set Training bases to 23,000 or so").wait_for()
    setting(page, "Training bases", 23_000)
    playwright.expect(page.get_by_text("Short for this training")).to_have_count(0, timeout=60_000)
    # What is above the buttons is gone: while they are drawn in their new place, the old ones are there too.
    page.wait_for_selector(QUIET)
    page.get_by_role("button", name="Estimate time and memory").click()
    page.get_by_text(re.compile(r"About \d+ min to \d+ min, and \d+\.\d GB of memory")).wait_for()
    button = page.get_by_role("button", name="Check the files and run")
    button.click()
    page.get_by_role("heading", name="my-plasmid").wait_for()
    page.get_by_text(re.compile("Starting|Running: ")).first.wait_for()
    # The run is watched where it was begun: below the button, on the screen.
    place, shown = button.bounding_box(), page.get_by_role("heading", name="my-plasmid").bounding_box()
    assert 0 < shown["y"] - place["y"] < 700
    page.wait_for_url(lambda url: "study=my-plasmid" in url)
    folder = studies / "my-plasmid"
    assert sorted(p.name for p in (folder / "inputs").glob("*.*")) == [
        "genome.fa.gz", "original_names.json", "track1.gff3",
    ]  # fmt: skip
    running = page.get_by_text("Running: ")
    running.first.wait_for()
    page.reload()
    running.first.wait_for()
    page.get_by_role("button", name="Stop").click()
    page.get_by_text("Not running.").wait_for(timeout=120_000)
    assert not (folder / "tables" / "catalog.parquet").exists()
    page.reload()
    page.get_by_role("button", name="Resume").click()
    page.get_by_text(re.compile("Starting|Running: ")).first.wait_for()
    end = time.monotonic() + 420
    while not (folder / "tables" / "catalog.parquet").exists() and time.monotonic() < end:
        time.sleep(1)
    page.get_by_role("link", name="Open the study").click()
    page.wait_for_url(re.compile("overview.*study=my-plasmid"))
    page.get_by_role("heading", name="my-plasmid").wait_for()
    page.get_by_role("link", name="Browse").click()
    page.wait_for_selector(".browser[data-sharp='1'][data-pending='0']")


@pytest.mark.skipif(shipped() is None, reason="this copy ships no ready demo study")
def test_the_demo_opens_at_once(page: Any, studies: Path) -> None:
    begun = time.monotonic()
    page.get_by_role("button", name="Open the demo", exact=False).first.click()
    page.wait_for_url(re.compile("overview.*study=demo"))
    page.get_by_role("heading", name="demo").first.wait_for()
    assert time.monotonic() - begun < 30
    assert (studies / "demo" / "features").is_dir()
    page.get_by_role("link", name="Browse").click()
    page.wait_for_selector(".browser[data-sharp='1'][data-pending='0']")
    assert page.locator(".browser").get_attribute("data-chrom") == "NC_000913.3"
