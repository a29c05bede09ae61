"""Candidates in folders for genome browsers, AnnData, RO-Crate and pages, opened by foreign readers."""

from __future__ import annotations

import hashlib
import json
import re
from html.parser import HTMLParser
from itertools import product
from pathlib import Path
from xml.etree import ElementTree

import h5py
import numpy as np
import pandas as pd
import pyBigWig
import pysam
import pytest
from Bio import SeqIO
from rocrate.rocrate import ROCrate

from tests.workbench.analysis.biomarkers.conftest import CAUSAL, CONTIG, QUANTITY, TRAIT, N, tool
from tests.workbench.export.test_bigbed import BigBed
from workbench.errors import InputError
from workbench.export import WRITERS, export
from workbench.export.biomarkers.rows import leading
from workbench.export.biomarkers.sequence import write_fasta, write_twobit
from workbench.genome.reference import Genome
from workbench.study.study import Study

WORDS = "not for clinical use; SIMULATED: made for a test"


def stanzas(path: Path) -> list[dict[str, str]]:
    """A hub's settings, as a browser reads them: blocks apart by blank lines, ``name value`` a line."""
    blocks = path.read_text().strip().split("\n\n")
    return [dict(line.split(" ", 1) for line in block.splitlines()) for block in blocks]


def test_every_format_hides_where_files_lie(study: Study, tmp_path: Path) -> None:
    formats = [f for what, f in WRITERS if what == "biomarkers" and f != "html"]
    assert len(formats) == 13
    secret = str(study.folder.parent).encode()
    for form in formats:
        out = tmp_path / ("c.vcf.gz" if form == "vcf" else f"c.{form}")
        for path in export(study, "biomarkers", form, out):
            assert path.exists() and secret not in path.read_bytes(), path


def test_signals_are_the_values_of_the_leading_features(study: Study, tmp_path: Path) -> None:
    rows = study.table("biomarkers").to_dict("records")
    expected = leading(rows)
    assert 1 <= len(expected) <= 2  # one region, two phenotypes
    written = export(study, "biomarkers", "bigwig", tmp_path / "bw")
    texts = export(study, "biomarkers", "bedgraph", tmp_path / "bg")
    names = [f"f{f}.{side}" for f in expected for side in ("plus", "minus")]
    assert [p.name for p in written[:-1]] == [f"{n}.bw" for n in names]
    assert [p.name for p in texts] == [f"{n}.bedgraph" for n in names]
    largest = []
    for file_path, (feature, strand) in zip(written[:-1], product(expected, "+-"), strict=True):
        reading = study.features.rows(CONTIG, 4300, 4800, strand)
        dense = reading.features.dense()[:, feature]
        with pyBigWig.open(str(file_path)) as file:
            values = np.array(file.values(CONTIG, 4300, 4800))
        assert (np.isnan(values) == ~reading.callable).all()
        np.testing.assert_allclose(values[reading.callable], dense[reading.callable], rtol=1e-6)
        largest.append(dense.max())
    assert max(largest) > 0
    merged = tool("bedtools", "merge", "-i", texts[0]).splitlines()
    assert merged and all(line.startswith(CONTIG) for line in merged)


def test_igv_session_names_files_that_are_there(study: Study, tmp_path: Path) -> None:
    written = export(study, "biomarkers", "igv", tmp_path / "igv")
    session = ElementTree.parse(written[0]).getroot()
    folder = tmp_path / "igv"
    assert session.tag == "Session" and session.get("version") == "8"
    assert session.get("locus") == f"{CONTIG}:3343-5780"
    paths = [r.get("path") for r in session.findall("Resources/Resource")]
    assert "candidates.bed" in paths and "drivers.vcf.gz" in paths and "genes.bed" in paths
    for name in [session.get("genome"), *paths]:
        assert name and not name.startswith("/") and (folder / name).exists()
    shown = {t.get("id") for t in session.findall("Panel/Track")}
    assert shown == set(paths)
    assert WORDS in written[0].read_text()
    with pysam.FastaFile(str(folder / "genome.fa")) as file:
        assert file.fetch(CONTIG, 4399, 4402) == study.genome.fetch(CONTIG, 4399, 4402)
        assert file.get_reference_length(CONTIG) == 9609
    hits = tool("bedtools", "intersect", "-u", "-a", folder / "genes.bed", "-b", folder / paths[0])
    assert [line.split("\t")[3] for line in hits.splitlines()] == ["pim"]


def test_igvjs_session_has_relative_urls(study: Study, tmp_path: Path) -> None:
    written = export(study, "biomarkers", "igvjs", tmp_path / "js")
    session = json.loads(written[0].read_text())
    assert WORDS in session["reference"]["name"]
    kinds = {"bed": "annotation", "vcf": "variant", "bigwig": "wig"}
    urls = [session["reference"]["fastaURL"], session["reference"]["indexURL"]]
    for track in session["tracks"]:
        assert track["type"] == kinds[track["format"]]
        urls += [track["url"], *([track["indexURL"]] if "indexURL" in track else [])]
    assert len(urls) >= 8 and all((tmp_path / "js" / url).exists() for url in urls)
    assert not any("://" in url or url.startswith("/") for url in urls)


def test_hub_has_what_a_browser_asks_for(study: Study, tmp_path: Path) -> None:
    folder = tmp_path / "hub"
    written = export(study, "biomarkers", "hub", folder)
    assert written[0].name == "hub.txt"
    hub, genome, *tracks = stanzas(written[0])
    assert {"hub", "shortLabel", "longLabel", "email"} <= set(hub) and hub["useOneFile"] == "on"
    assert hub["longLabel"].startswith("not for clinical use; SIMULATED")
    assert {"genome", "twoBitPath", "organism", "defaultPos", "scientificName"} <= set(genome)
    assert re.fullmatch(rf"{CONTIG}:\d+-\d+", genome["defaultPos"])
    types = {"bigBed 9", "bigBed 6", "bigWig", "vcfTabix"}
    for track in tracks:
        assert {"track", "type", "bigDataUrl", "shortLabel", "longLabel"} <= set(track)
        assert track["type"] in types and re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", track["track"])
        assert len(track["shortLabel"]) <= 17 and len(track["longLabel"]) <= 76
        assert (folder / track["bigDataUrl"]).exists()
        if track["type"] == "vcfTabix":
            assert (folder / f"{track['bigDataUrl']}.tbi").exists()
    assert len({t["track"] for t in tracks}) == len(tracks)
    assert {t["type"] for t in tracks} == types
    with pyBigWig.open(str(folder / "candidates.bb")) as file:
        entries = file.entries(CONTIG, 0, 9609)
        assert file.isBigBed() and len(entries) == len(study.table("biomarkers"))
    for name, columns in (("candidates", 9), ("genes", 6)):
        header = BigBed(folder / f"{name}.bb").header
        assert (header.fields, header.defined) == (columns, columns) and header.autosql
        (stanza,) = (t for t in tracks if t["bigDataUrl"] == f"{name}.bb")
        assert stanza["type"] == f"bigBed {columns}"
    start, end, rest = entries[0]
    fields = rest.split("\t")
    assert (start, end) == (4342, 4780) and len(fields) == 6 and 0 <= int(fields[1]) <= 1000
    with (folder / "genome.2bit").open("rb") as handle:
        record = next(SeqIO.parse(handle, "twobit"))
        assert record.id == CONTIG and str(record.seq).upper() == study.genome.fetch(CONTIG, 0, 9609)


def test_twobit_and_fasta_of_several_contigs_with_other_letters(tmp_path: Path) -> None:
    source = tmp_path / "in.fa"
    letters = {"one": "ACGTNNNNAC" * 7 + "RT", "two": "NN", "three": "TTTTTTTTG"}
    source.write_text("".join(f">{k}\n{v}\n" for k, v in letters.items()))

    class Reference:
        genome = Genome(source, circular=[], cache=tmp_path)

    written = write_twobit(Reference, tmp_path / "g.2bit")  # type: ignore[arg-type]
    with written.open("rb") as handle:
        found = {r.id: str(r.seq).upper() for r in SeqIO.parse(handle, "twobit")}
    assert found == {k: v.replace("R", "N") for k, v in letters.items()}
    fasta, _ = write_fasta(Reference, tmp_path / "g.fa")  # type: ignore[arg-type]
    with pysam.FastaFile(str(fasta)) as file:
        assert {n: file.fetch(n) for n in file.references} == letters
        assert file.fetch("one", 58, 63) == letters["one"][58:63]


def test_anndata_holds_the_burdens_that_were_tested(study: Study, tmp_path: Path) -> None:
    (path,) = export(study, "biomarkers", "h5ad", tmp_path / "c.h5ad")
    table = study.table("biomarkers")
    with h5py.File(path) as file:
        assert file.attrs["encoding-type"] == "anndata" and file["X"].shape == (N, len(table))
        for name in ("obs", "var"):
            group = file[name]
            assert group.attrs["encoding-type"] == "dataframe"
            columns = [group.attrs["_index"], *group.attrs["column-order"]]
            assert set(columns) == set(group) and all("encoding-type" in group[c].attrs for c in columns)
        assert file["uns/notice"].asstr()[()] == WORDS
        x, y = file["X"][:], file[f"obs/{TRAIT}"][:]
        betas, where = file["var/beta"][:], file["var/phenotype"].asstr()[:] == TRAIT
    # the burden's mean among cases less that among controls has the sign of the effect
    difference = x[y == 1].mean(axis=0) - x[y == 0].mean(axis=0)
    assert (np.sign(difference[where]) == np.sign(betas[where])).all()


def test_anndata_opens_in_anndata(study: Study, tmp_path: Path) -> None:
    anndata = pytest.importorskip("anndata", reason="anndata is for Python 3.12 and later")
    (path,) = export(study, "biomarkers", "h5ad", tmp_path / "c.h5ad")
    data = anndata.read_h5ad(path)
    table = study.table("biomarkers")
    assert list(data.var_names) == table["candidate_id"].tolist()
    assert list(data.obs_names) == study.cohort.names and data.X.dtype == np.float32
    np.testing.assert_allclose(data.var["p"], table["p"])
    assert data.uns["sae"] == study.sae.hash


def test_rocrate_reads_the_crate(study: Study, tmp_path: Path) -> None:
    folder = tmp_path / "crate"
    export(study, "biomarkers", "rocrate", folder)
    crate = ROCrate(str(folder))
    assert "not for clinical use" in crate.root_dataset["description"] and crate.datePublished
    parts = {e.id: e for e in crate.data_entities}
    assert {"candidates.tsv", "candidates.parquet", "candidates.bed", "drivers.vcf.gz"} <= set(parts)
    listed = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
    assert set(parts) == listed - {"ro-crate-metadata.json"}
    for name, entity in parts.items():
        content = (folder / name).read_bytes()
        assert entity["sha256"] == hashlib.sha256(content).hexdigest()
        assert int(entity["contentSize"]) == len(content)
    run = crate.get("#run")
    assert run["instrument"].id == "#genomics-workbench" and len(run["result"]) == len(parts)
    named = {e["name"] for e in run["object"]}
    assert any(n.startswith("cohort variants") for n in named) and "genome" in named
    ids = {e["@id"] for e in json.loads((folder / "ro-crate-metadata.json").read_text())["@graph"]}
    assert {e.id for e in run["object"]} <= ids


class _Links(HTMLParser):
    """Addresses that a page fetches or points to, its words and its pictures."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.words: list[str] = []
        self.pictures: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.links += [str(given[k]) for k in ("href", "src") if k in given]
        if tag == "svg" and given.get("role") == "img":
            self.pictures.append(str(given["aria-label"]))

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def read_page(path: Path) -> _Links:
    page = _Links()
    page.feed(path.read_text())
    return page


def test_cards_say_everything_and_fetch_nothing(study: Study, tmp_path: Path) -> None:
    table = study.table("biomarkers")
    first = table[table["phenotype"] == TRAIT].iloc[0]
    chosen = [int(first["feature"])]
    written = export(study, "biomarkers", "html", tmp_path / "cards", chosen)
    own = table[table["feature"].isin(chosen)]
    assert {p.name for p in written} == {"index.html", *(f"{c}.html" for c in own["candidate_id"])}
    index = read_page(written[0])
    assert {*index.links} == {f"{c}.html" for c in own["candidate_id"]}
    card = read_page(tmp_path / "cards" / f"{first['candidate_id']}.html")
    text = " ".join(" ".join(card.words).split())
    assert card.links == ["index.html"]
    assert "Not for clinical use." in text and "SIMULATED: made for a test" in text
    assert TRAIT in text and f"{CONTIG}:4,343–4,780" in text and "YP_pPCP05" in text
    assert "tier A: replicated as B, and causal" in text and f"{CONTIG}:{CAUSAL}:" in text
    assert "known" in text and study.manifest.model.weights_hash in text
    kinds = [p.split(" ")[0] for p in card.pictures]
    assert kinds == ["Locus", "Feature", "Feature", "Effect"]
    assert f"with and without {first['driving_variants'][0]}, plus strand" in card.pictures[1]
    effects = study.table("biomarker_lineages").query("candidate_id == @first.candidate_id")
    assert len(effects) == 2 and all(name in text for name in effects["group"])
    assert str(study.folder.parent) not in written[1].read_text()


def test_nothing_to_show_is_said(study: Study, tmp_path: Path) -> None:
    quiet = sorted(set(range(64)) - set(study.table("biomarkers")["feature"]))[:1]
    for form in ("igv", "igvjs", "hub", "bigwig"):
        with pytest.raises(InputError, match="no candidate, so"):
            export(study, "biomarkers", form, tmp_path / form, quiet)
    written = export(study, "biomarkers", "html", tmp_path / "cards", quiet)
    assert "there is no candidate" in written[0].read_text() and len(written) == 1
    (path,) = export(study, "biomarkers", "h5ad", tmp_path / "c.h5ad", quiet)
    with h5py.File(path) as file:
        assert file["X"].shape == (N, 0)
    with pytest.raises(InputError, match="biomarkers have no strand"):
        export(study, "biomarkers", "h5ad", tmp_path / "d.h5ad", strand="+")


def test_provenance_says_that_samples_are_simulated(study: Study, tmp_path: Path) -> None:
    for form in ("parquet", "bigwig", "hub"):
        written = export(study, "biomarkers", form, tmp_path / form)
        (beside,) = [p for p in written if p.name == f"{form}.provenance.json"]
        words = json.loads(beside.read_text())
        assert words["cohort"] == "SIMULATED: made for a test" and words["sae"] == study.sae.hash
    (text, *_) = export(study, "biomarkers", "bedgraph", tmp_path / "bg")
    assert "cohort=SIMULATED:_made_for_a_test" in text.read_text().splitlines()[0]


def test_schema_beside_the_table(study: Study, tmp_path: Path) -> None:
    written = export(study, "biomarkers", "tsv", tmp_path / "c.tsv")
    schema = json.loads(written[-1].read_text())
    tsv = pd.read_csv(written[0], sep="\t")
    assert [f["name"] for f in schema["fields"]] == list(tsv)
    assert schema["primaryKey"] == ["candidate_id"] and all(f["description"] for f in schema["fields"])
    numbers = [f["name"] for f in schema["fields"] if f["type"] in ("number", "integer")]
    assert all(pd.api.types.is_numeric_dtype(tsv[name]) for name in numbers)


def test_the_report_has_a_section_of_candidates(study: Study) -> None:
    text = (study.folder / "report.html").read_text()
    section = text.split('<section aria-labelledby="candidates">')[1].split("</section>")[0]
    page = _Links()
    page.feed(section)
    words = " ".join(" ".join(page.words).split())
    assert "SIMULATED: made for a test" in words and "Not for clinical use." in words
    assert words.startswith("Samples, phenotypes and candidates (SIMULATED)")
    table = study.table("biomarkers")
    for trait in (TRAIT, QUANTITY):
        own = table[table["phenotype"] == trait]
        assert trait in words and own["candidate_id"].iloc[0] in words
        tiers = ", ".join(f"{t} {(own['evidence_tier'] == t).sum()}" for t in "ABCD")
        assert f"candidates by evidence: {tiers}." in words
    assert len(page.pictures) == 4 and all("SIMULATED" in p for p in page.pictures)
    assert sum("along the genome" in p for p in page.pictures) == 2
    assert "lineages held out" in words and "random" in words and "catalogue" in words
    assert "inflation is uninformative here" in words
    assert page.links == []
    assert str(study.folder.parent) not in text
