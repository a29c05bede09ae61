"""Tables of text, as people, spreadsheets and R write them: one reader for all of them."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from workbench.errors import InputError
from workbench.files.parquet import read_parquet
from workbench.files.text import read_lines, suffix_of
from workbench.wording import visible_name

# What Excel writes, and reads, before the header of a table.
_DECLARED = re.compile(r'"?sep=([^\w\s"]|\t)"?', re.IGNORECASE)
_CUTS = {",": "commas", "\t": "tabs", ";": "semicolons"}


def read_table(path: Path) -> pd.DataFrame:
    """A table of text: commas between columns in ``.csv``, tabs in others, or Parquet.

    A first line ``sep=;`` says what is between columns instead, as it does to Excel. Fields may be quoted,
    as R and spreadsheets do; what is not seen in them stands as its escape.

    Returns
    -------
    DataFrame of str, blanks around fields taken off. The index, named ``line``, is the line of the file,
    from 1 (Parquet: the row, from 1).

    Raises
    ------
    InputError
        For an empty file, a row of the wrong length or a quote without its end, naming file and line.
    """
    if suffix_of(path) == ".parquet":
        return _read_parquet(path)
    _, first = next(read_lines(path), (0, ""))
    declared = _DECLARED.fullmatch(first)
    cut = declared[1] if declared else "," if suffix_of(path) == ".csv" else "\t"
    between = _CUTS.get(cut, repr(cut))
    rows = list(_records(path, cut, between, bool(declared)))
    if not rows:
        raise InputError(f"{path}: empty; expected a table with names of its columns")
    (_, header), *body = rows
    for number, fields in body:
        if len(fields) != len(header):
            raise InputError(
                f"{path}: line {number:,}: {len(fields)} columns, the header has {len(header)};"
                f" expected {between} between columns{_hint(cut, header, fields)}"
            )
    index = pd.Index([number for number, _ in body], name="line")
    return pd.DataFrame([fields for _, fields in body], columns=header, index=index, dtype=str)


def _records(path: Path, cut: str, between: str, declared: bool) -> Iterator[tuple[int, list[str]]]:
    """``(line, fields)`` of every row that is not blank; a quoted field may run over several lines.

    ``between`` is ``cut`` in words; ``declared``: the first line says it.
    """
    at = 0

    def lines() -> Iterator[str]:
        nonlocal at
        for at, line in read_lines(path):
            yield "\n" if declared and at == 1 else line + "\n"

    first = 1
    try:
        for fields in csv.reader(lines(), delimiter=cut, strict=True):
            if any(field.strip() for field in fields):
                yield first, [visible_name(field.strip()) for field in fields]
            first = at + 1
    except csv.Error as error:
        raise InputError(
            f"{path}: line {first:,}: cannot be cut into columns ({error}); expected"
            f" {between} between columns, and a quoted field quoted at both ends"
        ) from None


def _hint(cut: str, header: list[str], fields: list[str]) -> str:
    """What may have happened to a row that is longer or shorter than the header; empty for no idea."""
    if len(header) == 1:
        for other, name in (("\t", "tabs"), (";", "semicolons"), (",", "commas"), (" ", "spaces")):
            if other != cut and other in header[0]:
                return f"; the header seems to have {name}"
    if len(fields) == len(header) + 1:
        return "; R's row names have no header: write the table with row.names = FALSE"
    return ""


def _read_parquet(path: Path) -> pd.DataFrame:
    table = read_parquet(path)
    table = table.astype(object).where(table.notna(), "").astype(str).map(visible_name)
    table.columns = pd.Index([visible_name(str(c)) for c in table.columns])
    return table.set_axis(pd.RangeIndex(1, len(table) + 1, name="line"))
