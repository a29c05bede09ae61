"""Genomes by accession, from a server on this machine that answers in the archives' own forms, and badly."""

from __future__ import annotations

import gzip
import hashlib
import io
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest
from Bio import SeqIO

from tests.workbench.archive_server import serving
from workbench.errors import InputError
from workbench.files import download as downloading
from workbench.genome.reference import Genome
from workbench.progress import Silent
from workbench.setup.fetch import bsd_sum, fetch
from workbench.tracks import read_tracks

LENGTH = 9609
SEQUENCE, ASSEMBLY, SPECIES = "NC_005816.1", "GCF_000222975.1", "yersinia_pestis"


@pytest.fixture
def archive(monkeypatch, tmp_path):
    """A server to which the archives' addresses point."""
    with serving() as held:
        for name in ("EUTILS", "DATASETS", "ENSEMBL"):
            monkeypatch.setenv(f"WORKBENCH_{name}", f"{held.address}/{name.lower()}")
        monkeypatch.setattr(downloading, "BACK_OFF", 0.0)
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
        yield held


@pytest.fixture
def genbank(samples) -> bytes:
    record = SeqIO.read(samples / "yersinia_pPCP1.fa", "fasta")
    record.id, record.name, record.annotations = SEQUENCE, "NC_005816", {"molecule_type": "DNA"}
    text = io.StringIO()
    SeqIO.write([record], text, "genbank")
    return text.getvalue().encode()


def at_eutils(accession: str) -> str:
    return f"/eutils/efetch.fcgi?db=nuccore&id={accession}&rettype=gbwithparts&retmode=text"


def package(samples: Path, spoilt: bool = False) -> bytes:
    """A package of NCBI Datasets: the folders, the names and the sums that it comes with."""
    data = f"ncbi_dataset/data/{ASSEMBLY}"
    members = {
        f"{data}/{ASSEMBLY}_ASM22297v1_genomic.fna": (samples / "yersinia_pPCP1.fa").read_bytes(),
        f"{data}/genomic.gff": (samples / "yersinia_pPCP1.gff3").read_bytes(),
    }
    sums = "".join(f"{hashlib.md5(content).hexdigest()}  {name}\n" for name, content in members.items())
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as held:
        held.writestr("README.md", "x")
        for name, content in members.items():
            held.writestr(name, content[:-3] + b"AAA" if spoilt else content)
        held.writestr("md5sum.txt", sums)
    return out.getvalue()


def at_datasets(accession: str) -> str:
    return (
        f"/datasets/genome/accession/{accession}/download?include_annotation_type=GENOME_FASTA"
        "&include_annotation_type=GENOME_GFF"
    )


def test_a_sequence_is_read_as_genome_and_annotation(cli, archive, genbank):
    archive.files[at_eutils(SEQUENCE)] = genbank
    code, said, err = cli("fetch", SEQUENCE)
    assert code == 0, err
    path = Path(said.splitlines()[0].removeprefix("genome: "))
    assert path.read_bytes() == genbank and f"--tracks {path}" in said
    assert dict(Genome(path).lengths) == {SEQUENCE: LENGTH}
    # Found again without a server.
    archive.files.clear()
    assert cli("fetch", SEQUENCE)[1] == said
    # Not if a byte of it is another.
    path.write_bytes(genbank[:-5])
    assert "404" in cli("fetch", SEQUENCE)[2]


@pytest.mark.parametrize("accession", ["U00096.3", "NZ_CP012345.1", "AAAA01000001.1", "NZ_JABCDE010000001.1"])
def test_accessions_of_every_form_are_asked_for(archive, genbank, tmp_path, accession):
    archive.files[at_eutils(accession)] = genbank
    assert fetch(accession, tmp_path / "out", Silent()).genome.name == f"{accession}.gbk"


def test_an_assembly_is_unpacked_and_checked(archive, samples, tmp_path):
    archive.files[at_datasets(ASSEMBLY)] = package(samples)
    found = fetch(ASSEMBLY, tmp_path / "out", Silent())
    assert found.genome.read_bytes() == (samples / "yersinia_pPCP1.fa").read_bytes()
    assert any(t.name == "CDS" for t in read_tracks(found.tracks, Genome(found.genome)))
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        f"{ASSEMBLY}.fna", f"{ASSEMBLY}.gff", "fetched.json"
    ]  # fmt: skip
    archive.files[at_datasets(ASSEMBLY)] = package(samples, spoilt=True)
    with pytest.raises(InputError, match="MD5"):
        fetch(ASSEMBLY, tmp_path / "spoilt", Silent())
    assert not list((tmp_path / "spoilt").glob("*.fna"))


def test_a_species_of_ensembl(archive, samples, tmp_path):
    places = {"dna": f"/ensembl/current_fasta/{SPECIES}/dna", "gff3": f"/ensembl/current_gff3/{SPECIES}"}
    packed = {
        "dna": (
            "Y_pestis.CO92.dna.toplevel.fa.gz",
            gzip.compress((samples / "yersinia_pPCP1.fa").read_bytes()),
        ),
        "gff3": ("Y_pestis.CO92.110.gff3.gz", gzip.compress((samples / "yersinia_pPCP1.gff3").read_bytes())),
    }
    for kind, (name, content) in packed.items():
        path = tmp_path / name
        path.write_bytes(content)
        # GNU sum's default is the BSD checksum: an independent hand.
        if shutil.which("sum"):
            said = subprocess.run(["sum", path], capture_output=True, text=True, check=True).stdout.split()
            assert int(said[0]) == bsd_sum(path)
        others = "11111 3 Y_pestis.CO92.110.chr.gff3.gz\n22222 1 README\n"
        archive.files[f"{places[kind]}/CHECKSUMS"] = f"{others}{bsd_sum(path):05d} 4 {name}\n".encode()
        archive.files[f"{places[kind]}/{name}"] = content
    found = fetch(SPECIES, tmp_path / "out", Silent())
    assert dict(Genome(found.genome).lengths) == {SEQUENCE: LENGTH}
    assert found.tracks is not None and found.tracks.read_bytes() == packed["gff3"][1]
    archive.files[f"{places['dna']}/{packed['dna'][0]}"] = packed["dna"][1][:-1] + b"\x01"
    with pytest.raises(InputError, match="checksum"):
        fetch(SPECIES, tmp_path / "other", Silent())


def test_a_broken_connection_is_taken_up_where_it_broke(archive, genbank, tmp_path):
    archive.files[at_eutils(SEQUENCE)] = genbank
    archive.drop = 2
    found = fetch(SEQUENCE, tmp_path, Silent())
    assert found.genome.read_bytes() == genbank
    # Asked for the rest, from where it had come to.
    assert set(archive.ranges) == {"", "bytes=1000-", "bytes=2000-"}
    assert not list(tmp_path.glob("*.part*"))


def test_what_changed_meanwhile_is_begun_anew(archive, genbank, tmp_path):
    archive.files[at_eutils(SEQUENCE)] = b"x" * 50_000
    archive.drop = downloading.ATTEMPTS
    with pytest.raises(InputError, match="the connection broke"):
        fetch(SEQUENCE, tmp_path, Silent())
    archive.files[at_eutils(SEQUENCE)] = genbank
    assert fetch(SEQUENCE, tmp_path, Silent()).genome.read_bytes() == genbank


def test_a_busy_server_is_asked_again(archive, genbank, tmp_path):
    archive.files[at_eutils(SEQUENCE)] = genbank
    archive.refuse = [(429, "0"), (503, "0")]
    assert fetch(SEQUENCE, tmp_path, Silent()).genome.exists()
    archive.refuse = [(503, "0")] * downloading.ATTEMPTS
    with pytest.raises(InputError, match=r"503.*5 times.*put it at"):
        fetch(SEQUENCE, tmp_path / "b", Silent())


@pytest.mark.parametrize(("status", "word"), [(401, "log-in"), (403, "refuses"), (404, "no such thing")])
def test_refusals_are_said_at_once(archive, tmp_path, status, word):
    archive.refuse = [(status, "0")]
    with pytest.raises(InputError, match=word):
        fetch(SEQUENCE, tmp_path, Silent())
    assert not archive.refuse and not list(tmp_path.iterdir())


def test_what_is_no_genome_is_refused(refused, archive, tmp_path, monkeypatch):
    archive.files[at_eutils("NC_000000.1")] = b"Error: no such record"
    assert "expected a GenBank record" in refused("fetch", "NC_000000.1", "--out", tmp_path / "a")
    archive.files[at_datasets("GCF_000000000.1")] = b'{"error": "none"}'
    assert "no package" in refused("fetch", "GCF_000000000.1", "--out", tmp_path / "b")
    assert "expected NC_000913.3" in refused("fetch", "../../etc/passwd", "--out", tmp_path / "c")
    monkeypatch.setenv("WORKBENCH_EUTILS", "http://127.0.0.1:9")
    said = refused("fetch", "NC_000913.3", "--out", tmp_path / "d")
    assert "cannot be reached" in said and "fetch it elsewhere and put it at" in said
