"""Addresses of the app: what their parts say, and what pages make of them."""

from __future__ import annotations

import functools
import hashlib
import json
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch
from urllib.parse import parse_qsl

import pandas as pd
from streamlit.testing.v1 import AppTest

import app
from app import links
from app.canvas.attribute_mode import read_ask
from app.canvas.rule_form import read_rule
from app.data.study import VARIABLE, Opened, allowed, open_study
from tests.fuzz.limits import PATIENCE
from tests.fuzz.target import Target
from tests.workbench.study_factory import make_study
from workbench import Study
from workbench.browse.alleles import read_allele
from workbench.browse.atlas import find_motif, find_words
from workbench.browse.motif_search import find_matrix, parse_matrix
from workbench.browse.pasted_sequence import Letters, clean
from workbench.browse.places import name_index, read_place, suggest
from workbench.browse.variant_tracks import driving_variants
from workbench.cohort.edits import parse_variant
from workbench.errors import InputError
from workbench.genome.interval import Interval
from workbench.study.bookmarks import Bookmark
from workbench.study.locus import find_locus
from workbench.study.notes import Note
from workbench.study.session_file import Session, parse_session, session_text
from workbench.variants.consequence import Annotation
from workbench.variants.hgvs import VariantNames

ADDRESSES = """browse?study=study&at=chrA:100-2,900&features=3,7,5&tracks=CDS&threshold=0.25&strands=-
browse?at=gene2&features=none&tracks=none&draw=heat&brush=300-900&variants=cohort
browse?at=feature%207&variants=cb_0123456789abcdef
browse?at=chrA:0-900&lanes=letters,gc,frames&rows=feature/7:60:d55e00,lane/CDS::009e73&features=7
browse?at=chrA:0-900&pane=study%3Dstudy%26at%3DchrB%3A0-90%26features%3D3%26rows%3Dfeature%252F3%253A50%253A
browse?at=chrA:0-900&mode=attribute&ask=chrA:500:-:3,7
browse?mode=rules&ask=when%203%20%3E%200.2,%20within%2030%20bases%20of%20the%20end%20of%20CDS:%20apply%20clamp_7_0.5%20for%209%20bases
feature?study=study&feature=7
atlas?q=CDS&track=CDS&verdict=learnt&flag=kmer&list=pinned&pinned=1,2
atlas?q=7&motif=TATAWR
atlas?matrix=1%202%203%0A4%205%206%0A7%208%209%0A1%201%201
atlas?place=chrA:200-800
sequence?at=chrA:10-60&features=3
phenotypes?phenotype=mic&candidate=cb_1
overview?study=study
notebook?study=study&at=chrA:0-90&features=3
provenance?study=..%2Fstudy
audit?study=%2Fetc
"""
ALLELES = """120:A:G, 131:CT:;3::ACG
chr1:1,042:A:G
ACGTRYN
>x
ACGU 12
chr1:g.120A>G;g.12_14del g.20_21insAC g.30dup g.41_42delinsT
rpoB:p.Tyr2Leu
katG:p.(V3*)
"""
# Not the page of a sequence: the autoencoder of the synthetic study fits no model that reads one.
OPENED = ("browse", "feature", "atlas", "phenotypes", "overview", "provenance", "audit", "notebook")
MAIN = Path(app.__file__).with_name("main.py")


@functools.cache
def _study() -> Study:
    return make_study(Path(tempfile.mkdtemp(prefix="fuzz-app-"))).study


def _opened() -> Opened:
    return open_study(str(_study().folder))


def _queries(folder: Path) -> list[tuple[str, dict[str, str]]]:
    """Page and query of each address, as a browser sends them."""
    text = (folder / "addresses").read_bytes().decode("utf-8", "replace")
    cut = [line.partition("?") for line in text.splitlines()]
    return [(page, dict(parse_qsl(query, keep_blank_values=True))) for page, _, query in cut]


@functools.cache
def _names() -> VariantNames:
    """Of a sequence with two genes."""
    rows = pd.DataFrame({"start": [10, 99], "end": [40, 160], "strand": ["+", "-"], "name": ["rpoB", "katG"]})
    rows = rows.assign(chrom="chr1", phase=0, part=0, group=["", "1"], complete=True)
    return VariantNames(Annotation(Letters("chr1", "ACGT" * 50), rows, None), "chr1")


def _read_allele(text: str) -> object:
    return read_allele(text, _names(), Interval("chr1", 0, 200))


def _told(read: Callable[[Any], object], text: Any) -> None:
    """Read; a refusal is one of many here."""
    try:
        read(text)
    except InputError:
        pass
    except ValueError as error:
        if ": expected " not in str(error):  # a sentence of `links`
            raise


def read_parts(folder: Path) -> None:
    """Everything that an address or a box of the app may say."""
    study = _study()
    tables = (study.table(name) for name in ("examples", "logos", "catalog", "associations"))
    examples, logos, catalog, associations = tables
    names = name_index(study, study.tracks)
    for _, query in _queries(folder):
        get = query.get
        for read, text in (
            (links.parse_browse, query),
            (links.parse_feature, query),
            (lambda text: links.parse_browse(links.split_query(text)), get("pane", "")),
            (lambda text: read_ask(_opened(), text), get("ask", "")),
            (lambda text: read_rule(_opened(), text), get("ask", "")),
            (lambda text: suggest(names, text), get("at", "")),
            (links.parse_numbers, get("pinned")),
            (allowed, get("study", "")),
            (lambda text: find_locus(study, text), get("at", "")),
            (lambda text: read_place(study, text, names, "chrA"), get("place", "")),
            (lambda text: driving_variants(study, text), get("variants", "")),
            (lambda text: find_words(catalog, associations, text, {}), get("q", "")),
            (lambda text: find_motif(examples, text), get("motif", "")),
            (lambda text: find_matrix(logos, parse_matrix(text)), get("matrix", "")),
        ):
            _told(read, text)
    text = (folder / "alleles").read_bytes().decode("utf-8", "replace")
    for part in (text, *text.splitlines()):
        _told(clean, part)
        _told(_read_allele, part)
        _told(parse_variant, part)


def read_session_file(folder: Path) -> None:
    """A session that somebody sent, also one whose hash is right for what it holds."""
    study = _study()
    text = (folder / "session.json").read_bytes().decode("utf-8", "replace")
    _told(partial(parse_session, study), text)
    try:
        values = json.loads(text)
    except (ValueError, RecursionError):
        return
    if isinstance(values, dict):
        values.pop("sha256", None)
        digest = hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()
        _told(partial(parse_session, study), json.dumps({**values, "sha256": digest}))


def _make_session(folder: Path) -> None:
    notes = {3: Note("a note", 4, True, name="a name"), 7: Note("another")}
    session = Session(notes, {"some": [1, 2]}, [Bookmark("chrA", 5, 90, "here")], {"browse": "at=chrA:0-9"})
    (folder / "session.json").write_text(session_text(_study(), session))


def open_pages(folder: Path) -> None:
    """The pages themselves, of addresses that are not as they were."""
    usual = set(ADDRESSES.splitlines())
    lines = (folder / "addresses").read_bytes().decode("utf-8", "replace").splitlines()
    changed = [i for i, line in enumerate(lines) if line not in usual] or [0]
    with patch.dict("os.environ", {VARIABLE: str(_study().folder)}):
        for page, query in [_queries(folder)[i] for i in changed[:2] if i < len(lines)]:
            at = AppTest.from_file(str(MAIN), default_timeout=PATIENCE)
            at.run()
            if page in OPENED:
                at.switch_page(f"screens/{page}.py")
            for key, value in query.items():
                at.query_params[key] = value
            at.run()
            if at.exception:
                raise AssertionError(f"{page} {query}: {at.exception[0].message}")


def _make(folder: Path) -> None:
    (folder / "addresses").write_text(ADDRESSES)
    (folder / "alleles").write_text(ALLELES)


TARGETS = {
    "session": Target(_make_session, read_session_file, ("*",)),
    "addresses": Target(_make, read_parts, ("*",)),
    "pages": Target(_make, open_pages, ("addresses",), 0.1),
}
