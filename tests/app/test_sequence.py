"""A sequence on the canvas, two alleles, links, pages by themselves, sessions: driven as a person would."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from Bio.Seq import Seq

from genomic_models.dna import reverse_complement
from tests.app.chromium import QUIET, faultless, serving
from workbench import Study
from workbench.setup.demo_archive import shipped, unpack
from workbench.study.notes import Note, read_notes, write_note

pytestmark = pytest.mark.skipif(shipped() is None, reason="this copy ships no ready demo study")
SHARP = ".browser[data-sharp='1'][data-pending='0']"
MARKUP = "<img src=x onerror=alert(1)>"
# Counts what a person clicks.
CLICKS = "window.clicks = 0; addEventListener('click', (e) => { window.clicks += e.isTrusted; }, true)"
# What a view has to hold wherever it is opened.
SAME = ("chrom", "start", "end", "features")


class Gene(NamedTuple):
    """A coding sequence of the demo: its contig, start, end, strand, name."""

    chrom: str
    start: int
    end: int
    strand: str
    name: str


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    folder = tmp_path_factory.mktemp("studies")
    made = unpack(folder / "demo")
    best = int(made.table("tracks")["feature"].iloc[0])
    write_note(made.folder, best, Note(f"note {MARKUP}", 3, name=MARKUP))
    shutil.copytree(made.folder, folder / "copy")
    (folder / "copy" / "notes.json").unlink()
    return made


@pytest.fixture(scope="module")
def gene(study: Study) -> Gene:
    """A gene in one part with room around it."""
    coding = next(track.intervals for track in study.tracks if track.type == "CDS")
    alone = coding[(coding["end"] - coding["start"]).between(600, 1500) & coding["complete"]]
    names = coding["name"].value_counts()
    alone = alone[(alone["start"] > 3000) & (alone["name"].map(names) == 1)]
    row = alone.iloc[0]
    return Gene(row["chrom"], int(row["start"]), int(row["end"]), row["strand"], row["name"])


@pytest.fixture(scope="module")
def address(study: Study) -> Iterator[str]:
    with serving(None, {"WORKBENCH_STUDIES": str(study.folder.parent)}) as (where, _):
        yield where


@pytest.fixture(scope="module")
def page(chromium: Any, address: str) -> Iterator[Any]:
    """Whatever fails in its scripts fails the last test."""
    context = chromium.new_context(base_url=address, viewport={"width": 1440, "height": 900})
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    with faultless(context, 90) as (found, faults):
        found.add_init_script(CLICKS)
        found.on("dialog", lambda dialog: faults.append(f"dialog: {dialog.message}"))
        yield found


def state(page: Any) -> dict[str, str]:
    page.wait_for_selector(SHARP)
    return dict(page.locator(".browser").first.evaluate("e => ({...e.dataset})"))


def seen(page: Any) -> dict[str, str]:
    """What the canvas shows."""
    found = state(page)
    return {name: found[name] for name in SAME}


def moved(page: Any, end: str) -> dict[str, str]:
    """What the canvas says once its view ends elsewhere; no text is run in the page, which forbids it."""
    page.wait_for_selector(f".browser:not([data-end='{end}'])")
    return state(page)


def quiet(page: Any) -> None:
    page.wait_for_selector(f"{QUIET} [data-testid=stMain]")
    assert page.locator("[data-testid=stException]").count() == 0


def enter(page: Any, name: str, text: str) -> None:
    """Fill a box and say that it is done: one click, one key."""
    box = page.get_by_role("textbox", name=name)
    box.click()
    box.fill(text)
    box.press("Control+Enter")


def opened(page: Any, where: str) -> None:
    page.goto(where)
    page.wait_for_selector(".browser[data-ready='1']")
    quiet(page)


def around(gene: Gene) -> str:
    return f"{gene.chrom}:{gene.start - 200}-{gene.end + 200}"


def test_two_alleles_by_a_protein_change(page: Any, study: Study, gene: Gene) -> None:
    """One box is filled; the link of it shows the same in a fresh profile."""
    letters = study.genome.fetch(gene.chrom, gene.start, gene.end)
    letters = letters if gene.strand == "+" else reverse_complement(letters)
    acid = str(Seq(letters[27:30]).translate(table=11))
    other = "W" if acid != "W" else "R"
    opened(page, f"/sequence?study=demo&at={around(gene)}")
    enter(page, "Changes of a second allele", f"{gene.name}:p.{acid}10{other}")
    page.get_by_text("The two alleles").wait_for()
    quiet(page)
    assert page.evaluate("window.clicks") == 1
    assert page.get_by_text(f"{gene.name} {acid}10{other}: codon {letters[27:30]} to TGG").count() == 1
    assert page.get_by_text("Log-likelihood with the changes less that without").count() == 1
    found = state(page)
    ids = found["features"].split(",")
    assert len(ids) % 3 == 0 and ids[:3] == [ids[0], f"{ids[0]} changed", f"{ids[0]} difference"]
    assert "changes" in found["lanes"].split(" | ") and "change of bits" in found["lanes"].split(" | ")
    # Down to the changed codon, without the server: the letter that differs stands below.
    place = gene.start + 28 if gene.strand == "+" else gene.end - 29
    box = page.get_by_role("combobox", name="Locus")
    box.fill(f"{place - 20}-{place + 20}")
    box.press("Enter")
    page.wait_for_selector(f".browser[data-letters='1'][data-start='{place - 21}']")
    assert "lane/allele" in state(page)["rows"]
    link = page.url
    assert "allele=" in link
    fresh = page.context.browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
    fresh.goto(link)
    fresh.get_by_text("The two alleles").wait_for(timeout=90_000)
    assert seen(fresh)["features"] == found["features"]
    fresh.context.close()


def test_what_is_wrong_with_an_allele_stands_beside_the_sequence(page: Any, gene: Gene) -> None:
    opened(page, f"/sequence?study=demo&at={around(gene)}")
    for text, words in (
        (f"{gene.name}:p.Trp1Leu", "is it numbered otherwise"),
        (f"{MARKUP}:p.Ser1Leu", "not read|no coding sequence"),
        ("5:A:T", "not A|lies outside|changes nothing"),
    ):
        enter(page, "Changes of a second allele", text)
        page.locator("[data-testid=stAlert]").get_by_text(re.compile(words)).wait_for()
        quiet(page)
        assert page.locator(".browser").count() == 1 and page.locator("main img").count() == 0


def test_a_gene_of_4_kb_is_pasted(page: Any, study: Study, gene: Gene, tmp_path: Path) -> None:
    """One box is filled. Genes are found in it, it is read down to its letters, and markup stays text."""
    start = gene.start - 1000
    letters = study.genome.fetch(gene.chrom, start, start + 4000)
    page.goto("/sequence?study=demo")
    page.get_by_text("Paste a sequence").wait_for()
    lines = "\n".join(letters[i : i + 60] for i in range(0, 4000, 60))
    enter(page, "Sequence or place", f">{MARKUP}\n{lines}")
    page.wait_for_selector(f"{SHARP}[data-end='4000']")
    quiet(page)
    found = state(page)
    assert page.evaluate("window.clicks") == 1
    assert found["start"] == "0" and found["features"]
    lanes = found["lanes"].split(" | ")
    assert {"genes found", "little context", "bits a base (+)", "bits a base (-)"} <= set(lanes)
    canvas = page.locator(".browser canvas")
    canvas.focus()
    page.keyboard.press("End")
    page.wait_for_selector(".browser[data-letters='1']")
    assert page.locator("main img").count() == 0
    assert page.get_by_text("active, the value that is rarest on the genome first").count() == 1
    # The same canvas as a page by itself, which holds what was pasted; its address would not.
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Standalone page").click()
    path = tmp_path / "pasted.html"
    waiting.value.save_as(path)
    alone = page.context.browser.new_context(offline=True).new_page()
    alone.goto(path.as_uri())
    assert seen(alone) == {name: found[name] for name in SAME} and state(alone)["lanes"] == found["lanes"]
    alone.get_by_role("button", name="Save", exact=True).click()
    assert alone.get_by_role("button", name="Copy link").count() == 0 and alone.locator("img").count() == 0
    alone.context.close()


def test_hostile_sequences_and_addresses_are_refused_in_a_sentence(page: Any) -> None:
    page.goto("/sequence?study=demo")
    page.get_by_text("Paste a sequence").wait_for()
    for text, words in (
        ("ACGT" * 25_001, "100,004 bases: expected 2 to 100,000"),
        ("nnnnnnnnnn", "no letter is A, C, G or T"),
        (f"{MARKUP}:1-2", "neither a place nor|no contig"),
    ):
        enter(page, "Sequence or place", text)
        page.locator("[data-testid=stAlert]").get_by_text(re.compile(words)).wait_for()
        quiet(page)
    assert page.locator("main img").count() == 0
    for query in (f"at={MARKUP}", "at=1e9", "features=x"):
        page.goto(f"/sequence?study=demo&{query}")
        page.locator("[data-testid=stAlert]").first.wait_for()
        quiet(page)
        assert page.locator("main img").count() == 0


def test_place_and_features_go_along_from_page_to_page(page: Any, study: Study, gene: Gene) -> None:
    best = study.table("tracks")["feature"].drop_duplicates().head(2).astype(int).tolist()
    drawn = ",".join(map(str, best))
    opened(page, f"/browse?study=demo&at={around(gene)}&features={drawn}")
    state(page)
    page.locator(".browser canvas").first.focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_function(f"!location.search.includes('{gene.start - 200}')")
    looked = seen(page)
    query = page.url.split("?")[1]

    def go(name: str, words: str) -> None:
        if page.get_by_test_id("stExpandSidebarButton").is_visible():
            page.get_by_test_id("stExpandSidebarButton").click()
        page.get_by_test_id("stSidebar").get_by_role("link", name=name, exact=True).click()
        page.get_by_text(words).first.wait_for()
        quiet(page)

    go("Atlas", "Features near each other")
    go("Feature", "Which feature?")
    assert page.get_by_role("link", name=re.compile(f"^{best[0]}: ")).count() == 1
    page.goto(f"/feature?{query}&feature={best[0]}")
    page.get_by_text("Loci by activation strength").wait_for()
    go("Sequence", "of the study's genome")
    there = seen(page)
    assert (there["chrom"], there["start"], there["end"]) == (looked["chrom"], looked["start"], looked["end"])
    assert there["features"] == drawn
    go("Browse", "In view")
    assert seen(page) == looked
    assert f"feature={best[0]}" in page.url


def test_a_link_and_a_page_by_itself_show_the_same_in_a_fresh_profile(
    page: Any, study: Study, gene: Gene, tmp_path: Path
) -> None:
    """Save, then the link, then the page: three clicks. The page has no network, and needs none."""
    best = study.table("tracks")["feature"].drop_duplicates().head(2).astype(int).tolist()
    opened(page, f"/browse?study=demo&at={around(gene)}&features={best[0]},{best[1]}")
    looked = seen(page)
    page.get_by_role("button", name="Save", exact=True).first.click()
    page.get_by_role("button", name="Copy link").click()
    page.get_by_text("copied").wait_for()
    link = page.evaluate("navigator.clipboard.readText()")
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Standalone page").first.click()
    path = tmp_path / "view.html"
    waiting.value.save_as(path)
    assert path.stat().st_size < 10_000_000
    assert page.evaluate("window.clicks") == 3
    browser = page.context.browser
    fresh = browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
    fresh.goto(link)
    assert seen(fresh) == looked
    fresh.context.close()

    context = browser.new_context(viewport={"width": 1440, "height": 900}, offline=True)
    alone = context.new_page()
    asked: list[str] = []
    said: list[str] = []
    alone.on("request", lambda request: asked.append(request.url))
    alone.on("console", lambda message: said.append(message.text))
    alone.on("pageerror", lambda error: said.append(str(error)))
    alone.on("dialog", lambda dialog: said.append(dialog.message))
    alone.goto(path.as_uri())
    assert seen(alone) == looked
    # The same picture, mark by mark; on the page of the study the names of own files and bookmarks are more.
    alone.locator(".browser canvas").focus()
    alone.keyboard.press("Home")
    whole = moved(alone, looked["end"])
    assert int(whole["end"]) - int(whole["start"]) > 2 * (int(looked["end"]) - int(looked["start"]))
    alone.keyboard.press("End")
    alone.wait_for_selector(".browser[data-letters='1']")
    bases = state(alone)
    box = alone.get_by_role("combobox", name="Locus")
    box.fill(gene.name)
    box.press("Enter")
    assert abs(int(moved(alone, bases["end"])["end"]) - gene.end) < 500
    box.fill("somewhere else")
    box.press("Enter")
    alone.get_by_text("neither a place on").wait_for()
    canvas = alone.locator(".browser canvas")
    where = canvas.bounding_box()
    alone.mouse.click(where["x"] + 700, where["y"] + where["height"] - 60)
    alone.locator(".sheet").get_by_text("active at").wait_for()
    text = alone.locator("body").inner_text()
    manifest = study.manifest
    for word in (
        manifest.hash,
        manifest.model.weights_hash,
        study.sae_hash,
        manifest.inputs["genome"].sha256,
    ):
        assert word in text
    assert "Best feature for" in text and "Rule: " in text
    assert MARKUP in text and alone.locator("img").count() == 0
    assert str(study.folder.parent) not in path.read_text()
    assert asked == [path.as_uri()] and said == []
    context.close()


def test_the_policy_of_a_page_forbids_what_is_not_its_own(
    chromium: Any, study: Study, tmp_path: Path
) -> None:
    """A script that somebody writes into the file does not run."""
    from app.canvas.browsing import requested_view
    from app.data.study import open_study
    from app.exports.standalone import view_page
    from app.links import BrowseView

    opened_study = open_study(str(study.folder))
    text = view_page(opened_study, requested_view(opened_study, BrowseView()))
    path = tmp_path / "changed.html"
    path.write_text(text.replace("</section>", "<script>document.title = 'ran'</script></section>"))
    page = chromium.new_context(offline=True).new_page()
    page.goto(path.as_uri())
    page.wait_for_selector(".browser[data-ready='1']")
    assert page.title() != "ran"
    page.context.close()


def test_a_session_is_saved_and_restored(page: Any, study: Study, tmp_path: Path) -> None:
    page.goto("/notebook?study=demo&at=" + next(iter(study.manifest.contigs)) + ":100-900")
    page.get_by_text("Names, ratings and notes").wait_for()
    quiet(page)
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Save session").click()
    path = tmp_path / "demo.session.json"
    waiting.value.save_as(path)
    page.goto("/notebook?study=copy")
    page.get_by_text("None yet: they are written on the page of a feature").wait_for()
    upload = page.locator("[data-testid=stFileUploader] input[type=file]")
    broken = tmp_path / "broken.json"
    broken.write_text(path.read_text().replace("note ", "nota "))
    upload.set_input_files(broken)
    page.locator("[data-testid=stAlert]").get_by_text(
        re.compile("has the hash [0-9a-f]{12}, it says")
    ).wait_for()
    quiet(page)
    copy = study.folder.parent / "copy"
    assert read_notes(copy) == {}
    page.goto("/notebook?study=copy")
    page.get_by_text("None yet: they are written on the page of a feature").wait_for()
    upload.set_input_files(path)
    page.get_by_text("Restored: 1 note").wait_for()
    quiet(page)
    assert read_notes(copy) == read_notes(study.folder)
    assert page.locator("main img").count() == 0
    page.get_by_role("link", name="Open the view that was saved").click()
    assert (seen(page)["start"], seen(page)["end"]) == ("100", "900")
