"""Scoring the records of a sequence file."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from genomic_models import load
from genomic_models.files import remove_leftovers
from genomic_models.scoring import Score, batches, score, score_both_strands
from genomic_models.token_scoring import TokenModel, passes_needed
from workbench.errors import InputError
from workbench.files.atomic import write_atomic
from workbench.genome.reference import Genome
from workbench.progress import Progress

# Rows of the per-base table that are written at once.
_ROWS = 1 << 18


class RecordScore(NamedTuple):
    """Likelihood of one record: nats in all, bits a scored base, mean predictive entropy in bits."""

    name: str
    bases: int
    scored: int
    nats: float
    bits_per_base: float
    entropy_bits: float


def _summary(name: str, result: Score) -> RecordScore:
    scored = int(np.isfinite(result.nats).sum())
    entropy = float(np.nanmean(result.entropy, dtype=np.float64)) if scored else math.nan
    return RecordScore(
        name, len(result.nats), scored, result.total, result.bits_per_base, entropy / math.log(2)
    )


def _per_base(name: str, sequence: str, result: Score) -> Iterator[pd.DataFrame]:
    """A row a base, ``_ROWS`` at a time."""
    for start in range(0, len(sequence), _ROWS):
        piece = slice(start, start + _ROWS)
        letters = list(sequence[piece])
        yield pd.DataFrame(
            {
                "chrom": name,
                "position": np.arange(start, start + len(letters)),
                "base": letters,
                "nats": result.nats[piece],
                "bits": result.bits[piece],
                "entropy_nats": result.entropy[piece],
            }
        )


def score_file(
    path: Path,
    model_name: str,
    device: str,
    dtype: str,
    both_strands: bool,
    bos: bool,
    context: int | None,
    out: Path | None,
    progress: Progress,
    trust_remote_code: bool = False,
) -> list[RecordScore]:
    """Score every record of a file; ``out`` receives a row a base (0-based positions).

    Memory grows with the longest record by its letters and 8 bytes a base and strand. Raises ``InputError``
    for an unreadable file or an unknown output suffix, ``ModelError`` for a context that the model has not.
    """
    if out is not None and out.suffix not in (".tsv", ".parquet"):
        raise InputError(f"{out}: unknown suffix {out.suffix!r}; expected .tsv or .parquet")
    genome = Genome(path)
    model = load(model_name, device=device, dtype=dtype, trust_remote_code=trust_remote_code)
    score_batch = score_both_strands if both_strands else score
    names = list(genome.lengths)
    lengths = [genome.lengths[name] for name in names]
    if not model.predicts_bases and isinstance(model, TokenModel) and not model.causal:
        passes = sum(passes_needed(model, [genome.fetch(name, 0, genome.lengths[name])]) for name in names)
        progress.say(
            f"pseudo-likelihood: each token is masked in turn, {passes * (1 + both_strands):,} passes over a"
            " whole sequence"
        )
    progress.begin("scoring", sum(lengths) * (2 if both_strands else 1), "bases")
    rows: dict[str, RecordScore] = {}
    with ExitStack() as stack:
        write = _writer(stack, out) if out is not None else None
        for group in batches(lengths):
            sequences = [genome.fetch(names[i], 0, lengths[i]) for i in group]
            results = score_batch(model, sequences, bos, context, told=progress.advance)
            for i, sequence, result in zip(group, sequences, results, strict=True):
                rows[names[i]] = _summary(names[i], result)
                if write is not None:
                    for piece in _per_base(names[i], sequence, result):
                        write(piece)
    progress.end()
    return [rows[name] for name in names]


def _writer(stack: ExitStack, out: Path) -> Callable[[pd.DataFrame], None]:
    remove_leftovers(out.parent, out.name)
    temporary = stack.enter_context(write_atomic(out))
    if out.suffix == ".tsv":
        handle = stack.enter_context(temporary.open("w"))
        header = [True]

        def write_tsv(rows: pd.DataFrame) -> None:
            rows.to_csv(handle, sep="\t", index=False, header=header[0], na_rep="nan")
            header[0] = False

        return write_tsv

    sink: list[pq.ParquetWriter] = []

    def write_parquet(rows: pd.DataFrame) -> None:
        table = pa.Table.from_pandas(rows, preserve_index=False)
        if not sink:
            sink.append(stack.enter_context(pq.ParquetWriter(temporary, table.schema)))
        sink[0].write_table(table)

    return write_parquet
