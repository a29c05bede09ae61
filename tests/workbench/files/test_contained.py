"""Foreign bytes that end, hang or overfill the libraries that read them: a sentence, and life goes on."""

from __future__ import annotations

import gzip
import struct
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pybigtools
import pysam
import pytest

from tests.conftest import ROOT
from workbench.cohort.vcf import VariantFile
from workbench.errors import InputError
from workbench.files import contained, foreign
from workbench.files.contained import ReadFailure, read_foreign
from workbench.tracks import Contigs
from workbench.tracks.signal import BigWig
from workbench.variants.sites import read_sites

READINGS = """
import ctypes, importlib.util, os, sys, time
spec = importlib.util.spec_from_file_location("foreign", {path!r})
foreign = importlib.util.module_from_spec(spec)
spec.loader.exec_module(foreign)
foreign.SECONDS = 1

def crash(path):
    yield b"first"
    ctypes.string_at(0)

def spin(path):
    while True:
        pass

def overfill(path):
    yield bytes(foreign.MEMORY)

def raising(path):
    raise KeyError("what stopped it")
    yield b""

def process(path):
    yield str(os.getpid()).encode()

def count(path, stop):
    for i in range(stop):
        yield str(i).encode()

foreign.READINGS |= dict(crash=crash, spin=spin, overfill=overfill, raising=raising)
foreign.READINGS |= dict(process=process, count=count)
foreign.main()
"""


@pytest.fixture
def readings(tmp_path, monkeypatch):
    """A child that knows readings that do harm; gives a file to read."""
    script = tmp_path / "readings.py"
    script.write_text(READINGS.format(path=foreign.__file__))
    monkeypatch.setattr(contained, "_SCRIPT", script)
    monkeypatch.setattr(contained, "_idle", [])
    yield script
    for child in contained._idle:
        child.close()


@pytest.mark.parametrize(
    ("reading", "said"),
    [
        ("crash", "its bytes made the reader crash, SIGSEGV"),
        ("spin", "took its reader more than"),
        ("overfill", "^MemoryError$"),
        ("raising", "^'what stopped it'$"),
    ],
)
def test_harm_ends_in_words_and_the_next_reading_works(readings, reading, said):
    with pytest.raises(ReadFailure, match=said):
        list(read_foreign(reading, readings))
    assert list(read_foreign("count", readings, 3)) == [b"0", b"1", b"2"]


def test_one_child_serves_many_readings_and_a_closed_one_leaves_nothing_behind(readings):
    first = list(read_foreign("process", readings))
    with closing(read_foreign("count", readings, 1000)) as items:
        assert [next(items), next(items)] == [b"0", b"1"]
    assert list(read_foreign("process", readings)) == first
    assert list(read_foreign("count", readings, 2)) == [b"0", b"1"]


def test_threads_get_their_own_answers(readings):
    def joined(stop: int) -> int:
        return sum(int(i) for i in read_foreign("count", readings, stop))

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(joined, range(40))) == [n * (n - 1) // 2 for n in range(40)]
    assert len(contained._idle) <= 2


def test_a_child_ends_with_its_parent(tmp_path):
    code = f"""
import os, sys
from pathlib import Path
from workbench.files import contained
path = Path({str(tmp_path / "a.bw")!r}); path.write_bytes(b"x")
try:
    list(contained.read_foreign("signal_contigs", path))
except contained.ReadFailure:
    print(contained._idle[0].process.pid, flush=True)
os.kill(os.getpid(), 9)
"""
    root = Path(foreign.__file__).parents[2]
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, cwd=root)
    child = Path("/proc") / run.stdout.strip()
    for _ in range(100):
        if not child.exists() or "Z" in (child / "stat").read_text().rsplit(")", 1)[1][:3]:
            return
        subprocess.run(["sleep", "0.1"], check=True)
    pytest.fail("the child outlived its parent")


def bigwig(path: Path, at: int = 0, put: bytes = b"") -> bytes:
    """Write a bigWig of a contig of 100 bases, some of its bytes overwritten; gives what was written."""
    pybigtools.open(str(path), "w").write({"chr1": 100}, iter([("chr1", 0, 50, 1.0)]))
    content = bytearray(path.read_bytes())
    content[at : at + len(put)] = put
    path.write_bytes(content)
    return bytes(content)


def read_or_refuse(path: Path) -> str:
    """What was said of a bigWig; empty where it was read."""
    try:
        BigWig(path, Contigs({"chr1": 100}, frozenset())).values("chr1", 0, 100)
    except InputError as error:
        assert str(path) in str(error)
        return str(error)
    return ""


def test_a_bigwig_that_promises_too_much(tmp_path):
    """The library believes its header and its tree of contigs, asks for that much, and aborts."""
    path = tmp_path / "a.bw"
    (tree,) = struct.unpack_from("<Q", bigwig(path), 8)
    assert read_or_refuse(path) == ""
    for at in (52, tree + 8):  # the size of a block unpacked, and of a contig's name
        bigwig(path, at, b"\xff" * 4)
        assert "not readable as bigWig (its reader wanted more than 1 GiB" in read_or_refuse(path)
    for at in (*range(0, 64, 4), *range(tree, tree + 40, 4)):
        for value in (0, 1, 0x7FFF, 0x7FFFFFFF):
            bigwig(path, at, struct.pack("<I", value))
            read_or_refuse(path)


def test_damaged_indexes(tmp_path):
    """The reader of indexes : counts that the file cannot hold."""
    path = tmp_path / "a.vcf"
    path.write_text(
        "##fileformat=VCFv4.2\n##contig=<ID=c,length=100>\n"
        "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\ta\nc\t3\t.\tG\tC\t.\t.\t.\tGT\t1\n"
    )
    packed = Path(pysam.tabix_index(str(path), preset="vcf", force=True))
    index = packed.with_name(packed.name + ".tbi")
    whole = gzip.decompress(index.read_bytes())
    for at in range(4, len(whole) - 4, 4):
        for value in (0x7FFFFFFF, 0xFFFFFFFF, 0x10000000):
            content = bytearray(whole)
            struct.pack_into("<I", content, at, value)
            with pysam.BGZFile(str(index), "w") as out:
                out.write(bytes(content))
            try:
                found = list(VariantFile(packed, contigs={"c": 100}).read("c", 0, 100))
                assert [r.genotypes.tolist() for r in found] in ([], [[[1]]])
            except InputError as error:
                assert str(packed) in str(error)


def test_files_that_ended_the_process(shared):
    """Each is read, or refused in a sentence that names it."""
    folder = shared / "faults" / "hostile"
    variants = [*folder.glob("*.vcf"), *folder.glob("*.bcf")]
    assert len(variants) >= 5
    for path in variants:
        with pytest.raises(InputError, match=path.name):
            list(VariantFile(path).read("chrA", 0, 100))
        if not path.name.startswith(("upload_me", "nocontig")):  # genotypes alone are wrong there
            with pytest.raises(InputError, match=path.name):
                read_sites(path)
    with pytest.raises(InputError, match="not readable as bigWig"):
        BigWig(folder / "abort.bw", Contigs({"chr1": 100}, frozenset()))


def test_a_machine_that_allows_less_time_is_obeyed(tmp_path):
    """``ulimit -t``, usual on login nodes, cannot be raised: readings go on under it."""
    path = tmp_path / "v.vcf"
    path.write_text(
        "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\nc\t9\t.\tA\tC\t.\t.\t.\n"
    )
    packed = pysam.tabix_index(str(path), preset="vcf", force=True)
    program = (
        "import resource; resource.setrlimit(resource.RLIMIT_CPU, (300, 300));"
        "from workbench.files.contained import read_foreign;"
        f"print(list(read_foreign('indexed_contigs', __import__('pathlib').Path({packed!r}))))"
    )
    found = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert '["c"]' in found.stdout, found.stderr
