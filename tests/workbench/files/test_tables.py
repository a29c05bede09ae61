"""Tables as people, spreadsheets and R write them; text in the encodings that editors save."""

from __future__ import annotations

import csv
import gzip
import re
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from workbench.errors import InputError
from workbench.files.tables import read_table
from workbench.files.text import read_lines

ROWS = [["sample", "x"], ["a", "1"], ["b, c", 'say "hi"']]


def put(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("suffix", [".csv", ".tsv"])
def test_what_the_csv_module_writes_is_read(
    tmp_path: Path, quoting: int, end: str, encoding: str, suffix: str
) -> None:
    path = tmp_path / f"t{suffix}"
    with path.open("w", newline="", encoding=encoding) as handle:
        cut = "," if suffix == ".csv" else "\t"
        csv.writer(handle, delimiter=cut, lineterminator=end, quoting=quoting).writerows(ROWS)
    table = read_table(path)
    assert [list(table.columns), *table.to_numpy().tolist()] == ROWS
    assert table.index.tolist() == [2, 3]


def test_what_r_writes(tmp_path: Path) -> None:
    # write.csv(data.frame(sample = c("S0", "S1"), x = c(0, 1)))
    path = put(tmp_path / "r.csv", b'"","sample","x"\n"1","S0",0\n"2","S1",1\n')
    assert read_table(path).to_numpy().tolist() == [["1", "S0", "0"], ["2", "S1", "1"]]
    # write.table(..., sep = "\t"): row names, and no header over them
    path = put(tmp_path / "r.tsv", b'"sample"\t"x"\n"1"\t"S0"\t0\n')
    with pytest.raises(InputError, match=r"line 2: 3 columns, the header has 2.*row.names = FALSE"):
        read_table(path)
    path = put(tmp_path / "r2.csv", b'"sample";"x"\n"S0";0,5\n')
    with pytest.raises(InputError, match=r"line 1: cannot be cut into columns.*expected commas"):
        read_table(path)
    path = put(tmp_path / "s.csv", b"sample;x\nS0;0,5\n")
    with pytest.raises(InputError, match=r"line 2: 2 columns.*seems to have semicolons"):
        read_table(path)


@pytest.mark.parametrize(
    ("first", "cut"), [("sep=,", ","), ("sep=;", ";"), ('"sep=;"', ";"), ("SEP=\t", "\t"), ("sep=|", "|")]
)
def test_what_excel_is_told_in_the_first_line(tmp_path: Path, first: str, cut: str) -> None:
    path = put(tmp_path / "e.csv", f"\ufeff{first}\r\nsample{cut}x\r\na{cut}0.5\r\n".encode())
    table = read_table(path)
    assert [list(table.columns), *table.to_numpy().tolist()] == [["sample", "x"], ["a", "0.5"]]
    assert table.index.tolist() == [3]
    path.write_text(f"{first}\nsample{cut}x\na\n")
    between = {",": "commas", ";": "semicolons", "\t": "tabs"}.get(cut, "'|'")
    with pytest.raises(InputError, match=rf"line 3: 1 columns.*expected {re.escape(between)} between"):
        read_table(path)


def test_lines_are_those_of_the_file(tmp_path: Path) -> None:
    path = put(tmp_path / "t.csv", b'sample,note\n\na,"two\nlines"\nb,one\nc,1,2\n')
    with pytest.raises(InputError, match="line 6: 3 columns"):
        read_table(path)
    path.write_bytes(path.read_bytes().replace(b"c,1,2\n", b""))
    assert read_table(path).index.tolist() == [3, 5]
    path.write_bytes(b'sample,note\na,1\nb,"open\n')
    with pytest.raises(InputError, match="line 3: cannot be cut into columns"):
        read_table(path)
    with pytest.raises(InputError, match="empty"):
        read_table(put(tmp_path / "e.csv", b""))


def test_parquet(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pd.DataFrame({"sample": ["a", "b"], "x": [1.5, None]}).to_parquet(path)
    assert read_table(path).to_numpy().tolist() == [["a", "1.5"], ["b", ""]]
    with pytest.raises(InputError, match="cannot be read as Parquet"):
        read_table(put(tmp_path / "d.parquet", path.read_bytes()[:-20]))


def test_parquet_with_types_that_are_not(tmp_path: Path) -> None:
    """What pandas notes of the types beside Arrow's own is read too."""
    table = pa.Table.from_pandas(pd.DataFrame({"x": [1, 2]}))
    notes = table.schema.metadata[b"pandas"].replace(b'"int64"', b'"ijt64"')
    path = tmp_path / "t.parquet"
    pq.write_table(table.replace_schema_metadata({b"pandas": notes}), path)
    with pytest.raises(InputError, match=r"t\.parquet: cannot be read as Parquet.*ijt64"):
        read_table(path)


def test_marks_and_zero_bytes(tmp_path: Path) -> None:
    marked = b"\xef\xbb\xbfchr1\t1\n" * 2
    for path in (put(tmp_path / "m.bed", marked), put(tmp_path / "m.bed.gz", gzip.compress(marked))):
        assert list(read_lines(path)) == [(1, "chr1\t1"), (2, "chr1\t1")]
    path = put(tmp_path / "u.bed", "chr1\t1\n".encode("utf-16-le"))
    with pytest.raises(InputError, match=r"line 1: holds a zero byte.*UTF-16 without its mark"):
        list(read_lines(path))
