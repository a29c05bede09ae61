"""Files handed over: names, limits, checks; runs in the background; notes."""

from __future__ import annotations

import gzip
import io
import struct
import sys
from dataclasses import replace
from pathlib import Path

import pybigtools
import pytest

from workbench.engines import background
from workbench.errors import InputError
from workbench.setup import uploads
from workbench.setup.uploads import Handed, columns_of, inspect, own_name, proposed_names, store, take
from workbench.study.config import CohortConfig, StudyConfig
from workbench.study.notes import Note, read_notes, write_note

FASTA = b">c1 <b>x</b>\n" + b"ACGT" * 5000 + b"\n"
BED = b"".join(b"c1\t%d\t%d\ta\n" % (p, p + 20) for p in range(0, 240, 40))


def handed(kind: str, name: str, data: bytes) -> Handed:
    return Handed(kind, name, io.BytesIO(data))


@pytest.mark.parametrize(
    ("kind", "name", "own"),
    [
        ("genome", "../../etc/passwd.fa", "genome.fa"),
        ("genome", "C:\\x\\Y.FASTA.gz", "genome.fasta.gz"),
        ("track", "<b>.gff3", "track3.gff3"),
    ],
)
def test_names_are_our_own(kind: str, name: str, own: str) -> None:
    assert own_name(kind, name, 3) == own


def test_a_wrong_suffix_is_refused() -> None:
    with pytest.raises(InputError, match="expected a name that ends in one of"):
        own_name("genome", "genome.exe", 0)


def test_a_large_file_and_a_bomb_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="more than 1 MiB, the limit"):
        store(handed("genome", "big.fa", b"A" * (3 << 20)), tmp_path / "a", most=1 << 20)
    bomb = gzip.compress(b"A" * (8 << 20))
    assert len(bomb) < 20_000
    with pytest.raises(InputError, match="more than 4 MiB when unpacked"):
        store(handed("genome", "bomb.fa.gz", bomb), tmp_path / "b", unpacked=4 << 20)
    two = gzip.compress(b"A" * 10) + gzip.compress(b"C" * 5)
    assert store(handed("genome", "x.fa.gz", two), tmp_path / "c") == 15
    with pytest.raises(InputError, match="damaged gzip"):
        store(handed("genome", "x.fa.gz", b"\x1f\x8b" + b"x" * 50), tmp_path / "d")
    with pytest.raises(InputError, match="cut short"):
        store(handed("genome", "x.fa.gz", gzip.compress(FASTA)[:-12]), tmp_path / "e")
    assert [p.name for p in tmp_path.iterdir()] == ["c"]


def test_a_study_from_files(tmp_path: Path) -> None:
    files = [handed("genome", "../g.fa", FASTA), handed("track", "my <b>.bed", BED)]
    study, found = take(tmp_path / "s", files, StudyConfig())
    assert found.contigs == {"c1": 20_000} and list(found.tracks.values()) == [6]
    assert study.config.input.genome == str(tmp_path / "s" / "inputs" / "genome.fa")
    assert "my <b>.bed" in (tmp_path / "s" / "inputs" / uploads.ORIGINAL).read_text()


def test_names_that_differ_are_proposed_where_they_are_clear() -> None:
    rows = "".join(f"chrI\t.\tgene\t{p}\t{p + 20}\t.\t+\t.\tID=g{p}\n" for p in range(1, 600, 100))
    annotation = handed(
        "track", "g.gff3", f"##gff-version 3\n##sequence-region chrI 1 20000\n{rows}".encode()
    )
    files, config = [handed("genome", "g.fa", FASTA), annotation], StudyConfig()
    with pytest.raises(InputError, match=r"chrI=c1 \(by its length, 20,000\)"):
        inspect(files, config)
    names = proposed_names(files, config)
    assert names == {"chrI": "c1"}
    found = inspect(files, replace(config, input=replace(config.input, rename=names)))
    assert found.tracks["gene"] == 6
    twins = handed("genome", "g.fa", FASTA + FASTA.replace(b"c1", b"c2"))
    assert proposed_names([twins, annotation], config) == {}


def test_files_that_crash_their_readers_are_refused_by_name(tmp_path: Path) -> None:
    """A bigWig that made its library abort, and genotypes of letters, over which htslib crashed."""
    whole = tmp_path / "s.bw"
    pybigtools.open(str(whole), "w").write({"c1": 20_000}, iter([("c1", 0, 50, 1.0)]))
    content = bytearray(whole.read_bytes())
    (tree,) = struct.unpack_from("<Q", content, 8)
    content[tree + 8 : tree + 12] = b"\xff" * 4  # the size of a contig's name
    genome, genes = handed("genome", "g.fa", FASTA), handed("track", "t.bed", BED)
    with pytest.raises(InputError, match=r"^<b>\.bw: not readable as bigWig"):
        inspect([genome, genes, handed("track", "<b>.bw", bytes(content))], StudyConfig())
    vcf = (
        b"##fileformat=VCFv4.2\n##contig=<ID=c1>\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT"
        b"\ts1\ts2\nc1\t10\t.\tC\tT\t.\t.\t.\tGT\tA/T\t0/1\n"
    )
    given = [genome, genes, handed("variants", "v.vcf", vcf)]
    given.append(handed("phenotypes", "p.tsv", b"sample\ty\ns1\t0\ns2\t1\n"))
    with pytest.raises(InputError, match=r"^v\.vcf: line 4: genotype 'A/T'"):
        inspect(given, StudyConfig())


def test_broken_files_get_the_command_lines_sentence(tmp_path: Path) -> None:
    files = [handed("genome", "prot.fa", b">p\nMKLVEFQ\n")]
    with pytest.raises(InputError, match=r"^prot\.fa.*this looks like protein"):
        take(tmp_path / "s", files, StudyConfig())
    assert not (tmp_path / "s").exists()
    files = [handed("genome", "g.fa", FASTA), handed("track", "t.bed", b"c1\tx\t3\n")]
    with pytest.raises(InputError, match=r"^t\.bed"):
        take(tmp_path / "s", files, StudyConfig())
    with pytest.raises(InputError, match="no genome"):
        take(tmp_path / "s", [], StudyConfig())
    files = [handed("genome", "g.fa", FASTA), handed("track", "t.bed", b"c1\t1\t3\n")]
    with pytest.raises(InputError, match=r"^no interval track with at least 5 intervals"):
        take(tmp_path / "s", files, StudyConfig())
    short = FASTA[:9000]
    files = [handed("genome", "g.fa", short), handed("track", "t.bed", BED)]
    with pytest.raises(InputError, match=r"^the train split holds \d whole cells|too short"):
        inspect(files, StudyConfig())
    assert files[0].stream.read() == short


VCF = b"""##fileformat=VCFv4.2
##contig=<ID=c1,length=20000>
##FORMAT=<ID=GT,Number=1,Type=String,Description="x">
#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\ts1\ts2
c1\t1\t.\tA\tG\t.\t.\t.\tGT\t0\t1
"""


def test_samples_are_checked_with_the_genome() -> None:
    def files(vcf: bytes, table: bytes) -> list[Handed]:
        start = [handed("genome", "g.fa", FASTA), handed("track", "t.bed", BED)]
        return [*start, handed("variants", "v.vcf", vcf), handed("phenotypes", "p.tsv", table)]

    good = files(VCF, b"sample\tmic\tsite\ns1\t1.5\ta\ns2\t2\tb\n")
    assert columns_of(good[3]) == ["mic", "site"]
    config = StudyConfig(cohort=CohortConfig(phenotype=["mic"], groups=["site"]))
    assert inspect(good, config).samples == 2
    with pytest.raises(InputError, match=r"p\.tsv: line 2: phenotype site is 'a'; expected a number"):
        inspect(good, StudyConfig())
    with pytest.raises(InputError, match=r"^p\.tsv: 1 samples of .* are not in it: s2"):
        inspect(files(VCF, b"sample\tmic\ns1\t1.5\ns3\t2\n"), StudyConfig())
    elsewhere = VCF.replace(b"c1\t", b"chr9\t").replace(b"=c1", b"=chr9")
    with pytest.raises(InputError, match=r"^v\.vcf.*chr9"):
        inspect(files(elsewhere, b"sample\tmic\ns1\t1\ns2\t2\n"), StudyConfig())
    with pytest.raises(InputError, match="none of variants, sequences, matrix given"):
        inspect([f for f in good if f.kind != "variants"], config)


def test_a_run_is_begun_and_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = tmp_path / "python"
    fake.write_text(f'#!/bin/sh\nexec {sys.executable} -c "import time; time.sleep(60)" "$@"\n')
    fake.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(fake))
    folder = tmp_path / "s"
    pid = background.start(folder)
    assert background.state(folder).running and background.state(folder).pid == pid
    with pytest.raises(InputError, match="runs already"):
        background.start(folder)
    background.stop(folder)
    background._children[pid].wait(10)
    assert not background.state(folder).running
    (folder / "logs" / background.RECORD).write_text('{"pid": 1}')
    assert not background.state(folder).running


def test_notes_are_kept_as_text(tmp_path: Path) -> None:
    write_note(tmp_path, 3, Note("<script>é", 4, True))
    write_note(tmp_path, 1, Note("x"))
    found = read_notes(tmp_path)
    assert found[3][:3] == ("<script>é", 4, True) and found[1].text == "x"
    write_note(tmp_path, 3, Note())
    assert set(read_notes(tmp_path)) == {1}
    with pytest.raises(InputError, match="expected 0 to 5"):
        write_note(tmp_path, 3, Note("x", 6))
    (tmp_path / "notes.json").write_text("[1]")
    with pytest.raises(InputError, match="holds list"):
        read_notes(tmp_path)
