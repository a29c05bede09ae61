"""BigBed read back by its published layout, as UCSC's programs do, without a library.

Kent and others, "BigWig and BigBed: enabling browsing of large distributed datasets", Bioinformatics 26
(2010), tables 1, 5, 7 to 16 of the supplement.
"""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import NamedTuple

import pyBigWig
import pytest

from workbench.errors import InputError
from workbench.export.biomarkers.bigbed import write_bigbed


class Header(NamedTuple):
    magic: int
    version: int
    zooms: int
    chrom_tree: int
    data: int
    index: int
    fields: int
    defined: int
    autosql: int
    summary: int
    buffer: int
    extension: int


class BigBed:
    """Entries of a stretch, found through the tree of contigs and the R tree."""

    def __init__(self, path: Path) -> None:
        self.content = path.read_bytes()
        self.header = Header(*self.at("<IHHQQQHHQQIQ", 0))
        assert self.header.magic == 0x8789F2EB and self.content[-4:] == self.content[:4]
        (self.count,) = self.at("<Q", self.header.data)

    def at(self, form: str, place: int) -> tuple[int, ...]:
        return struct.unpack_from(form, self.content, place)

    @property
    def autosql(self) -> str:
        start = self.header.autosql
        return self.content[start : self.content.index(b"\0", start)].decode()

    def contig(self, name: str) -> tuple[int, int]:
        """Number and length, by search from the root: keys must be in order."""
        tree = self.header.chrom_tree
        magic, _, size, value, *_ = self.at("<IIIIQQ", tree)
        assert (magic, value) == (0x78CA8C91, 8)
        wanted, place = name.encode().ljust(size, b"\0"), tree + 32
        while True:
            leaf, _, many = self.at("<BBH", place)
            items = [
                (self.content[at : at + size], at + size)
                for at in range(place + 4, place + 4 + many * (size + 8), size + 8)
            ]
            assert items == sorted(items)
            if leaf:
                return self.at("<II", dict(items)[wanted])
            place = self.at("<Q", [at for key, at in items if key <= wanted][-1])[0]

    def entries(self, name: str, start: int, end: int) -> list[list[str]]:
        number, _ = self.contig(name)
        magic, *_ = self.at("<I", self.header.index)
        assert magic == 0x2468ACE0
        found, places = [], [self.header.index + 48]
        while places:
            place = places.pop()
            leaf, _, many = self.at("<BBH", place)
            for i in range(many):
                at = place + 4 + i * (32 if leaf else 24)
                first, low, last, high, child = self.at("<IIIIQ", at)
                if not ((first, low) < (number, end) and (last, high) > (number, start)):
                    continue
                if not leaf:
                    places.append(child)
                    continue
                block = self.content[child : child + self.at("<Q", at + 24)[0]]
                found += self.block(zlib.decompress(block) if self.header.buffer else block)
        return [
            [name, str(a), str(b), *rest.split("\t")]
            for n, a, b, rest in sorted(found)
            if n == number and a < end and b > start
        ]

    @staticmethod
    def block(data: bytes) -> list[tuple[int, int, int, str]]:
        found, at = [], 0
        while at < len(data):
            stop = data.index(b"\0", at + 12)
            found.append((*struct.unpack_from("<III", data, at), data[at + 12 : stop].decode()))
            at = stop + 1
        return found


# In the order of a genome's file, which is not that of their names.
CONTIGS = {"chr2": 5000, "chr10": 900, "a_contig_of_a_long_name": 700}


def bed(columns: int) -> list[list[str]]:
    rows = []
    for contig, length in CONTIGS.items():
        for i, start in enumerate(range(0, length - 200, 7)):
            end = str(start + 30 + i % 9)
            row = [contig, str(start), end, f"n{i}", str(i % 1000), "+-."[i % 3], str(start), end]
            rows.append([*row, f"{i % 256},0,9"][:columns])
    return rows


@pytest.mark.parametrize("columns", [6, 9])
def test_as_the_format_says(tmp_path, columns):
    rows = bed(columns)
    entries = ((r[0], int(r[1]), int(r[2]), "\t".join(r[3:])) for r in rows)
    path = write_bigbed(CONTIGS, tmp_path / "x.bb", reversed([*entries]), columns)
    file = BigBed(path)
    assert (file.header.fields, file.header.defined) == (columns, columns)
    assert (file.header.version, file.count) == (4, len(rows))
    head, _, table = file.autosql.partition("(\n")
    assert head.startswith(f"table bed{columns}\n") and table.endswith(")\n")
    names = [line.split()[1].rstrip(";") for line in table.splitlines()[:-1]]
    standard = "chrom chromStart chromEnd name score strand thickStart thickEnd reserved"
    assert names == standard.split(" ")[:columns]
    for contig, length in CONTIGS.items():
        assert file.contig(contig)[1] == length
        assert file.entries(contig, 0, length) == [r for r in rows if r[0] == contig]
        inside = [r for r in rows if r[0] == contig and int(r[1]) < 260 and int(r[2]) > 250]
        assert inside and file.entries(contig, 250, 260) == inside
    with pyBigWig.open(str(path)) as other:
        assert other.SQL().decode() == file.autosql


def test_a_full_disk(tmp_path, monkeypatch):
    import pybigtools

    real = pybigtools.open

    class Short:
        def write(self, contigs, entries, autosql):
            real(str(draft), "w").write(contigs, iter(list(entries)[:-1]), autosql)

    def opened(path: str, mode: str = "r") -> object:
        nonlocal draft
        draft = path
        return Short() if mode == "w" else real(path)

    draft = ""
    monkeypatch.setattr("workbench.export.biomarkers.bigbed.pybigtools.open", opened)
    with pytest.raises(InputError, match="1 of 2 entries were written"):
        write_bigbed({"c": 9}, tmp_path / "x.bb", [("c", 0, 1, "a"), ("c", 2, 3, "b")], 4)
    assert list(tmp_path.iterdir()) == []
