"""Files of embeddings: parts, as they are made, and one file a layer of all of them, in four formats.

``parquet`` has a row a region and strand, or a base, with its numbers as one column of lists; ``h5ad`` the
same as observations; ``npy`` and ``hdf5`` the bare array, with the regions beside it: ``first_row`` says
where a region's rows begin.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from workbench.errors import InputError
from workbench.files.anndata import write_anndata
from workbench.files.atomic import write_atomic
from workbench.files.parquet import read_parquet, write_parquet
from workbench.files.text import check_file
from workbench.models.embedding import Asked, Embedded

REGIONS = "regions.tsv"


class Parts:
    """The parts of one set of embeddings, in a folder; they are read back once all are there."""

    def __init__(self, folder: Path, asked: Asked) -> None:
        self.folder, self.asked = folder, asked

    @property
    def count(self) -> int:
        """Parts that are there."""
        return len(list(self.folder.glob("*.parquet")))

    def _rows(self, index: int) -> Path:
        return self.folder / f"{index:05d}.parquet"

    def _values(self, index: int, layer: str) -> Path:
        return self.folder / f"{index:05d}.{layer}.npy"

    def has(self, index: int) -> bool:
        """Whether a part is there, whole: its rows are written last."""
        return self._rows(index).exists()

    def write(self, index: int, embedded: Embedded) -> None:
        """Write a part."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for layer, values in embedded.values.items():
            with write_atomic(self._values(index, layer)) as temporary, temporary.open("wb") as handle:
                np.save(handle, values)
        write_parquet(self._rows(index), embedded.rows)

    def values(self, layer: str) -> Iterator[np.ndarray]:
        """Embeddings of one layer, part by part."""
        for index in range(self.count):
            path = self._values(index, layer)
            check_file(path)
            try:
                yield np.load(path, mmap_mode="r", allow_pickle=False)
            except (ValueError, OSError, EOFError) as error:
                raise InputError(f"{path}: cannot be read as an array ({error}); remove it") from None

    def chosen(self, layer: str, rows: np.ndarray) -> np.ndarray:
        """Embeddings ``(len(rows), d)`` of some rows, ascending, of all parts."""
        found, first = [], 0
        for values in self.values(layer):
            found.append(values[rows[(rows >= first) & (rows < first + len(values))] - first])
            first += len(values)
        return np.concatenate(found)

    def rows(self) -> list[pd.DataFrame]:
        """Rows of every part."""
        return [read_parquet(self._rows(index)) for index in range(self.count)]

    def regions(self) -> pd.DataFrame:
        """All rows, with ``first_row``: where each one's embeddings begin."""
        table = pd.concat(self.rows(), ignore_index=True)
        sizes = table["end"] - table["start"] if self.asked.pool == "none" else pd.Series(1, table.index)
        return table.assign(first_row=sizes.cumsum() - sizes)

    def by_row(self, table: pd.DataFrame) -> pd.DataFrame:
        """A row an embedding of some rows: a region and strand, or a base (0-based position)."""
        if self.asked.pool != "none":
            return table
        sizes = (table["end"] - table["start"]).to_numpy()
        each = table.loc[table.index.repeat(sizes), ["chrom", "name", "strand"]].reset_index(drop=True)
        within = np.arange(sizes.sum()) - np.repeat(sizes.cumsum() - sizes, sizes)
        each.insert(1, "position", np.repeat(table["start"].to_numpy(), sizes) + within)
        return each


def write_embeddings(parts: Parts, kind: str, folder: Path, words: Mapping[str, str]) -> list[Path]:
    """Put all parts together, one file a layer, in a format of ``FORMATS``; returns the files.

    ``words`` say of what model and sequence they are, and go into every file that has room for them.
    """
    folder.mkdir(parents=True, exist_ok=True)
    return [path for layer in parts.asked.layers for path in FORMATS[kind](parts, layer, folder, words)]


def _parquet(parts: Parts, layer: str, folder: Path, words: Mapping[str, str]) -> list[Path]:
    path = folder / f"{layer}.parquet"
    with write_atomic(path) as temporary, ExitStack() as stack:
        sink: pq.ParquetWriter | None = None
        for rows, values in zip(parts.rows(), parts.values(layer), strict=True):
            own = pa.Table.from_pandas(parts.by_row(rows), preserve_index=False)
            flat = pa.array(np.ascontiguousarray(values).reshape(-1))
            own = own.append_column("embedding", pa.FixedSizeListArray.from_arrays(flat, values.shape[1]))
            own = own.replace_schema_metadata({**words, "layer": layer})
            sink = sink or stack.enter_context(pq.ParquetWriter(temporary, own.schema))
            sink.write_table(own)
    return [path]


def _npy(parts: Parts, layer: str, folder: Path, words: Mapping[str, str]) -> list[Path]:
    path, beside = folder / f"{layer}.npy", folder / REGIONS
    with write_atomic(path) as temporary, temporary.open("wb") as handle:
        header = {"descr": "<f4", "fortran_order": False, "shape": _shape(parts, layer)}
        np.lib.format.write_array_header_1_0(handle, header)
        for values in parts.values(layer):
            handle.write(np.ascontiguousarray(values, "<f4").tobytes())
    with write_atomic(beside) as temporary, temporary.open("w", encoding="utf-8") as lines:
        lines.writelines(f"# {key}: {text}\n" for key, text in words.items())
        parts.regions().to_csv(lines, sep="\t", index=False)
    return [path, beside]


def _hdf5(parts: Parts, layer: str, folder: Path, words: Mapping[str, str]) -> list[Path]:
    path = folder / f"{layer}.h5"
    with write_atomic(path) as temporary, h5py.File(temporary, "w") as file:
        file.attrs.update({**words, "layer": layer})
        embeddings = file.create_dataset("embeddings", _shape(parts, layer), np.float32)
        first = 0
        for values in parts.values(layer):
            embeddings[first : first + len(values)] = values
            first += len(values)
        for name, column in parts.regions().items():
            numbers = pd.api.types.is_numeric_dtype(column)
            data = column.to_numpy() if numbers else column.astype(str).to_numpy(object)
            kind = None if numbers else h5py.string_dtype()
            file.create_dataset(f"regions/{name}", data=data, dtype=kind)
    return [path]


def _h5ad(parts: Parts, layer: str, folder: Path, words: Mapping[str, str]) -> list[Path]:
    path = folder / f"{layer}.h5ad"
    obs = pd.concat([parts.by_row(rows) for rows in parts.rows()], ignore_index=True)
    obs.index = pd.Index([str(i) for i in range(len(obs))], name="row")
    width = _shape(parts, layer)[1]
    var = pd.DataFrame(index=pd.Index([str(i) for i in range(width)], name="dimension"))
    write_anndata(path, parts.values(layer), obs, var, {**words, "layer": layer})
    return [path]


def _shape(parts: Parts, layer: str) -> tuple[int, int]:
    shapes = [values.shape for values in parts.values(layer)]
    return sum(rows for rows, _ in shapes), shapes[0][1]


_Writer = Callable[[Parts, str, Path, Mapping[str, str]], list[Path]]
FORMATS: dict[str, _Writer] = {"parquet": _parquet, "hdf5": _hdf5, "npy": _npy, "h5ad": _h5ad}
