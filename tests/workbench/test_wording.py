r"""Names with what cannot be seen (control characters, overrides of direction): every door, every way out.

What they must be is written out by hand: ``a\x1b[31m`` holds no ESC, but a backslash, an x and two digits.
"""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
import unicodedata
from dataclasses import replace

import pandas as pd
import pybigtools
import pysam
import pytest
from rich.console import Console

from app.verdict_text import plain
from workbench.cli.tables import show
from workbench.cohort.newick import read_newick
from workbench.cohort.samples import read_cohort
from workbench.cohort.sequences import sequence_files
from workbench.cohort.vcf import VariantFile
from workbench.errors import InputError
from workbench.files.pictures import draw_file, draw_svg
from workbench.genome.reference import Genome
from workbench.progress import Bar, Lines
from workbench.study.config import InputConfig, StatisticsConfig, StudyConfig
from workbench.study.feature_lists import read_lists, write_list
from workbench.study.ledger import Ledger
from workbench.study.notes import Note, read_notes, write_note
from workbench.study.study import Study
from workbench.tracks import read_tracks
from workbench.tracks.loci import read_locus_tags
from workbench.tracks.track import Contigs
from workbench.wording import visible, visible_name

PAIRS = {
    "\x1b[31m": r"\x1b[31m",
    "\x07": r"\x07",
    "\x0b": r"\x0b",
    "\x0c": r"\x0c",
    "\x1c": r"\x1c",
    "\x7f": r"\x7f",
    "\x85": r"\x85",
    "\x9b": r"\x9b",
    "\u202e": r"\u202e",
    "\u2028": r"\u2028",
    "\u2066": r"\u2066",
    "\ufdd0": r"\ufdd0",
    "\ufffe": r"\ufffe",
    "\U0010ffff": r"\U0010ffff",
}
BAD, GOOD = "".join(PAIRS), "".join(PAIRS.values())
# A name as files have it, and as it is shown.
CONTIG, SEEN = f"c{BAD}1", f"c{GOOD}1"
LENGTH = 600


@pytest.fixture
def genome(tmp_path):
    path = tmp_path / "g.fa"
    path.write_text(f">{CONTIG} more\n{'ACGTA' * (LENGTH // 5)}\n", newline="")
    return Genome(path, cache=tmp_path / "cache")


def test_every_character() -> None:
    """By Unicode's own categories: none that is unseen passes, letters of no language are touched."""
    for code in range(sys.maxunicode + 1):
        letter, kind = chr(code), unicodedata.category(chr(code))
        shown = visible_name(letter)
        none = kind == "Cn" and (code & 0xFFFE == 0xFFFE or 0xFDD0 <= code <= 0xFDEF)
        turns = unicodedata.bidirectional(letter) in ("LRE", "RLE", "LRO", "RLO", "PDF") or (
            unicodedata.bidirectional(letter) in ("LRI", "RLI", "FSI", "PDI")
        )
        if kind in ("Cc", "Cs", "Zl", "Zp") or none or turns:
            assert shown.isascii() and shown.isprintable() and eval(f"'{shown}'") == letter
        elif code not in (0x061C, 0x200E, 0x200F):
            assert shown == letter
    assert visible("a\tb\nc\r") == "a\tb\nc\\r" and visible_name("a\tb\n") == r"a\tb\n"


@pytest.mark.parametrize("packed", [False, True])
def test_the_genome(tmp_path, packed):
    text = f">{CONTIG} x\nACGT\n>d\x0be\nAC\n".encode()
    path = tmp_path / ("h.fa.gz" if packed else "h.fa")
    path.write_bytes(gzip.compress(text) if packed else text)
    found = Genome(path, circular=[SEEN], cache=tmp_path / "cache")
    assert found.lengths == {SEEN: 4, r"d\x0be": 2} and found.circular == {SEEN}
    assert found.fetch(SEEN, 1, 3) == "CG"
    path.write_bytes(b">a\x1b\nAC\n>a\\x1b\nAC\n")
    with pytest.raises(InputError, match="is there twice"):
        Genome(path, cache=tmp_path / "cache")


GFF = f"{CONTIG}\tx\tgene\t11\t40\t.\t+\t.\tID=1;Name=%0A%09%1B{BAD};locus_tag=t{BAD}\n"
GTF = f'{CONTIG}\tx\tgene\t11\t40\t.\t+\t.\tgene_id "n{BAD}"; gene_name "n{BAD}";\n'
GENBANK = (
    f"LOCUS       AB1{LENGTH:>25} bp    DNA     linear   BCT 01-JAN-2000\nDEFINITION  x.\n"
    f"ACCESSION   AB1\nVERSION     {CONTIG}\nFEATURES             Location/Qualifiers\n"
    f'     gene            11..40\n                     /gene="n\t{BAD}"\n'
    "ORIGIN\n" + "".join(f"{at + 1:9} {'acgta' * 12}\n" for at in range(0, LENGTH, 60)) + "//\n"
)


@pytest.mark.parametrize(
    ("suffix", "text", "name"),
    [
        ("gff3", GFF, rf"\n\t\x1b{GOOD}"),
        ("gtf", GTF, f"n{GOOD}"),
        ("bed", f"{CONTIG}\t10\t40\tn{BAD}\n", f"n{GOOD}"),
        ("gb", GENBANK, rf"n\t{GOOD}"),
    ],
)
def test_intervals(tmp_path, genome, suffix, text, name):
    path = tmp_path / f"t\x1b{BAD}.{suffix}"
    path.write_text(text, encoding="utf-8", newline="")
    (track,) = read_tracks(path, genome)
    assert track.name == (rf"t\x1b{GOOD}" if suffix == "bed" else "gene")
    row = track.intervals.iloc[0]
    assert (row["chrom"], row["start"], row["end"], row["name"]) == (SEEN, 10, 40, name)
    tags = read_locus_tags(path, Contigs(genome.lengths, frozenset()))
    assert list(tags["locus_tag"]) == ([f"t{GOOD}"] if suffix == "gff3" else [])


def test_signals(tmp_path, genome):
    pybigtools.open(str(tmp_path / "s.bw"), "w").write({CONTIG: LENGTH}, iter([(CONTIG, 10, 20, 2.0)]))
    (tmp_path / "s.bedgraph").write_text(f"{CONTIG}\t10\t20\t2\n", encoding="utf-8", newline="")
    for path in (tmp_path / "s.bw", tmp_path / "s.bedgraph"):
        (track,) = read_tracks(path, genome)
        assert list(track.signal.values(SEEN, 18, 20)) == [2, 2]


def test_variants(tmp_path):
    """A name that its index writes as the file does is found all the same."""
    path = tmp_path / "v.vcf"
    header = f"##fileformat=VCFv4.2\n##simulated=a{BAD}\n##contig=<ID={CONTIG},length=600>\n"
    header += '##FORMAT=<ID=GT,Number=1,Type=String,Description="g">\n'
    rows = f"#CHROM POS ID REF ALT QUAL FILTER INFO FORMAT s{BAD} t\n{CONTIG} 12 . C T . . . GT 1 0\n"
    text = header + rows.replace(" ", "\t")
    path.write_text(text, encoding="utf-8", newline="")
    pysam.tabix_compress(str(path), str(tmp_path / "w.vcf.gz"))
    pysam.tabix_index(str(tmp_path / "w.vcf.gz"), preset="vcf")
    subprocess.run(["bcftools", "view", "-Ob", "-o", tmp_path / "b.bcf", path], check=True)
    subprocess.run(["bcftools", "view", "-Ob", "-o", tmp_path / "i.bcf", path], check=True)
    subprocess.run(["bcftools", "index", tmp_path / "i.bcf"], check=True)
    for file in (path, *(tmp_path / name for name in ("w.vcf.gz", "b.bcf", "i.bcf"))):
        found = VariantFile(file, contigs={SEEN: LENGTH})
        assert found.samples == [f"s{GOOD}", "t"] and found.simulated == f"a{GOOD}"
        (record,) = found.read(SEEN, 0, 20)
        assert (record.chrom, record.start, record.genotypes.tolist()) == (SEEN, 11, [[1], [0]])


def test_tables_trees_and_folders(tmp_path):
    text = f'sample\tp{BAD}\tg\ns{BAD}\t0\t"l\n{BAD}"\nt\t1\tm\n'
    (tmp_path / "p.tsv").write_text(text, encoding="utf-8", newline="")
    pd.DataFrame({"sample": [f"s{BAD}", "t"], f"p{BAD}": [0, 1], "g": [f"l\n{BAD}", "m"]}).to_parquet(
        tmp_path / "p.parquet"
    )
    for name in ("p.tsv", "p.parquet"):
        cohort = read_cohort(tmp_path / name, groups=["g"])
        assert cohort.names == [f"s{GOOD}", "t"] and cohort.phenotypes[0].name == f"p{GOOD}"
        assert list(cohort.samples["g"]) == [rf"l\n{GOOD}", "m"]
    (tmp_path / "t.nwk").write_text(f"('s{BAD}':1,t:1);", encoding="utf-8", newline="")
    assert read_newick(tmp_path / "t.nwk").label == ["", f"s{GOOD}", "t"]
    folder = tmp_path / "samples"
    folder.mkdir()
    (folder / f"s{BAD}.fa").touch()
    assert list(sequence_files(folder)) == [f"s{GOOD}"]


@pytest.mark.parametrize(
    "changed",
    [
        {"input": InputConfig(genome="g", circular=["a\x1b"])},
        {"input": InputConfig(genome="g\0")},
        {"input": InputConfig(genome="g\udcff")},
        {"input": InputConfig(genome="g", rename={"a\x07": "b"})},
        {"statistics": StatisticsConfig(skip_tracks=["a\n"])},
    ],
)
def test_settings(changed):
    with pytest.raises(InputError, match="expected one line without control characters"):
        replace(StudyConfig(input=InputConfig(genome="g")), **changed).check()


def test_what_readers_write(tmp_path):
    write_note(tmp_path, 1, Note(f"a\n{BAD}"))
    write_list(tmp_path, f"a{BAD}", [1])
    assert read_notes(tmp_path)[1].text == f"a\n{GOOD}"
    # Of a list's name, what separates words becomes a blank.
    (name,) = read_lists(tmp_path)
    assert name == visible_name(" ".join(f"a{BAD}".split()))


def test_pictures():
    """Drawn even of a study whose tables hold them: the converter would end the process."""
    mark = {"data": {"values": [{"x": 1}]}, "mark": "point", "title": f"t\n{BAD}"}
    svg = draw_svg(mark)
    assert r"\x1b[31m" in svg and r"\ufffe" in svg
    assert draw_file(mark, "png").startswith(b"\x89PNG") and b"<svg" in draw_file(mark, "svg")


def test_terminals(capsys, monkeypatch):
    show(("a",), [(BAD,)])
    Lines().say(BAD)
    printed = "".join(capsys.readouterr())
    assert printed.count(GOOD) == 2 and not set(BAD) - set(GOOD) & set(printed)
    console = Console(force_terminal=True, width=200, color_system=None, record=True)
    Bar(console).say(BAD)
    assert GOOD in console.export_text()
    assert plain("a\x1b[0m") == r"a\\x1b\[0m"


def test_status_and_logs_of_a_received_study(tmp_path, cli):
    """Brackets of Rich's markup, and what a terminal would obey, are shown as they are."""
    (tmp_path / "g.fa").write_text(">c\nACGT\n")
    study = Study.create(tmp_path / "s", StudyConfig(input=InputConfig(str(tmp_path / "g.fa"))))
    Ledger(study.folder / "ledger").fail("plan", 0, "f", "error", f"[red]x[/] [/] {BAD}", "[/]\x1b")
    for options in (("status",), ("logs",), ("logs", "--failed")):
        status, out, err = cli(*options, study.folder)
        assert status == 0 and "Traceback" not in err and not set("\x1b\x07\u202e") & set(out)
    assert f"[red]x[/] [/] {GOOD}" in out and r"[/]\x1b" in out
    line = json.loads((study.folder / "logs" / "run.jsonl").read_text())
    assert line["cause"].endswith(BAD)
    assert r"\x1b" in cli("run", tmp_path / "no\x1b[2J")[2]
