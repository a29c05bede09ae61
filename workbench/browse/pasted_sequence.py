"""A stretch of sequence through a study's model: likelihood, features, and every substitution in a part.

A sequence of any length is read by windows on the study's grid, as its genome is, so that a base has the
value that it has in the study wherever the letters before it are the same.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from genomic_models.dna import BASES, UNKNOWN, base_codes, reverse_complement
from workbench.browse.strongest import Strongest
from workbench.browse.value_scale import ValueScale
from workbench.cohort.edits import Edit
from workbench.errors import InputError
from workbench.genome.fasta import check_letters
from workbench.genome.interval import Interval
from workbench.genome.windows import Sequences, check_fetch
from workbench.study.locus import check_features

if TYPE_CHECKING:
    from workbench.cohort.readings import Reading
    from workbench.study.study import Study
    from workbench.variants.effects import SequenceReading

# Bases of a sequence: somebody waits while both strands of it are read.
LONGEST = 100_000
# Bases of which every substitution is read.
MOST_MUTATED = 60
# Bases kept on each side of a mutated stretch.
CONTEXT = 256


class Letters:
    """A sequence by itself as a genome of one linear contig."""

    def __init__(self, name: str, letters: str) -> None:
        self.name, self.letters = name, letters
        self.lengths: Mapping[str, int] = {name: len(letters)}
        self.circular: frozenset[str] = frozenset()

    def fetch(self, chrom: str, start: int, end: int, strand: str = "+") -> str:
        """As `workbench.genome.reference.Genome.fetch`."""
        check_fetch(self, chrom, start, end, strand)
        letters = self.letters[start:end]
        return letters if strand == "+" else reverse_complement(letters)


class Pasted(NamedTuple):
    """What a model says of a sequence, or of an allele of it.

    sequence : upper-case letters, without the allele's changes
    nats : by strand, float32, log-likelihood of each letter that was read, in the order of the plus strand;
        NaN at the letter that a reading starts with
    fires : ``feature, strand, position`` (0-based, plus strand; inserted letters have that of the base before
        them), ``value``: each letter at which one fires
    start : position of the first letter
    before, after : letters of context that were read beyond either end, at most the study's warm-up
    """

    sequence: str
    nats: dict[str, np.ndarray]
    fires: pd.DataFrame
    start: int = 0
    before: int = 0
    after: int = 0

    def context(self, strand: np.ndarray, position: np.ndarray) -> np.ndarray:
        """Letters that a reading has before a base, int64 (n), of strands and positions (n)."""
        last = self.start + len(self.sequence) - 1
        return np.where(strand == "+", position - self.start + self.before, last - position + self.after)


def clean(text: str, longest: int = LONGEST) -> str:
    """Letters of a pasted sequence; a FASTA header, blanks and numbers are left out.

    Raises ``InputError`` for letters that are not DNA, and for too few or too many.
    """
    lines = text.strip().splitlines()
    headers = sum(line.startswith(">") for line in lines)
    if headers > 1:
        raise InputError(f"{headers} records pasted; expected one sequence")
    joined = re.sub(r"[\s\d]", "", "".join(x for x in lines if not x.startswith(">")))
    sequence = check_letters("pasted sequence", joined)
    if not 2 <= len(sequence) <= longest:
        raise InputError(f"pasted sequence of {len(sequence):,} bases: expected 2 to {longest:,}")
    return sequence


def read_pasted(study: Study, sequence: str) -> Pasted:
    """Likelihood and features of a sequence on both strands, without anything round it."""
    return read_stretch(study, Letters("sequence", sequence), Interval("sequence", 0, len(sequence)))


def read_stretch(
    study: Study,
    genome: Sequences,
    locus: Interval,
    edits: Sequence[Edit] = (),
    told: Callable[[int, int], None] | None = None,
) -> Pasted:
    """Likelihood and features of a stretch on both strands, with what lies before it as context.

    Parameters
    ----------
    study : Study
        Of whose model, autoencoder and grid.
    genome : Sequences
        The study's genome, or `Letters`.
    locus : Interval
    edits : sequence of Edit
        Changes of an allele, sorted, not conflicting; windows stay where they are on the sequence without
        them, so that two alleles differ by the changes alone.
    told : callable, optional
        Given the windows that are done and all of them, after each batch.
    """
    from workbench.cohort.readings import cell_window, make_reading  # PyTorch
    from workbench.variants.effects import read_sequences  # PyTorch

    grid, length = study.grid, genome.lengths[locus.chrom]
    cells = grid.cells_between(locus.chrom, length, locus.start, locus.end)
    needed = [(max(cell.start, locus.start), min(cell.end, locus.end)) for cell in cells]
    windows = [
        cell_window(genome, grid, cell, strand, part)
        for strand in "+-"
        for cell, part in zip(cells, needed, strict=True)
    ]
    parts: list[pd.DataFrame] = []
    nats: dict[str, list[np.ndarray]] = {"+": [], "-": []}
    for first in range(0, len(windows), study.batch):
        group = windows[first : first + study.batch]
        readings = [make_reading(genome, grid, window, edits) for window in group]
        found = read_sequences(study.model, study.layer, [r.sequence for r in readings], study.batch)
        for window, reading in zip(group, readings, strict=True):
            table, own = _inside(study, reading, found[reading.sequence], locus)
            parts.append(table.assign(strand=window.strand))
            nats[window.strand].append(own if window.strand == "+" else own[::-1])
        if told is not None:
            told(min(first + study.batch, len(windows)), len(windows))
    fires = pd.concat(parts, ignore_index=True)
    fires["strand"] = pd.Categorical(fires["strand"], ["+", "-"])
    wraps = locus.chrom in genome.circular
    return Pasted(
        genome.fetch(*locus),
        {strand: np.concatenate(own) for strand, own in nats.items()},
        fires[["feature", "strand", "position", "value"]],
        locus.start,
        grid.warmup if wraps else min(grid.warmup, locus.start),
        grid.warmup if wraps else min(grid.warmup, length - locus.end),
    )


def _inside(
    study: Study, reading: Reading, found: SequenceReading, locus: Interval
) -> tuple[pd.DataFrame, np.ndarray]:
    """Where features fire in a stretch, and the log-likelihood of its letters, in the reading's order."""
    assert found.activations is not None
    inside = (reading.positions >= locus.start) & (reading.positions < locus.end)
    known = inside & (base_codes(reading.sequence[reading.skip :]) != UNKNOWN)
    csr = study.sae.encode_sparse(np.ascontiguousarray(found.activations[reading.skip :][known]))
    place = np.repeat(reading.positions[known], np.diff(csr.indptr)).astype(np.int32)
    columns = {"feature": csr.indices.astype(np.int32), "position": place, "value": csr.values}
    return pd.DataFrame(columns), found.nats[reading.skip :][inside]


def firing(pasted: Pasted, catalog: pd.DataFrame, scale: ValueScale, warmup: int = 0) -> pd.DataFrame:
    """A row a feature that is active, as `Strongest.table`; the study's ``warmup`` counts only where the
    sequence is longer.
    """
    fires, most = pasted.fires, len(pasted.sequence) + max(pasted.before, pasted.after)
    found = Strongest(len(scale.top), warmup if most > warmup else 0)
    strand, position = fires["strand"].to_numpy(), fires["position"].to_numpy()
    found.add(
        fires["feature"].to_numpy(),
        fires["value"].to_numpy(np.float32),
        position,
        np.asarray(strand == "-"),
        pasted.context(strand, position),
    )
    return found.table(catalog, scale)


def mutate(study: Study, sequence: str, start: int, end: int, feature: int) -> pd.DataFrame:
    """Every substitution of a stretch: effect on the likelihood, and on a feature's largest value.

    ``CONTEXT`` bases on each side are read with it.

    Parameters
    ----------
    study : Study
    sequence : str
    start, end : int
        0-based half-open; at most ``MOST_MUTATED`` bases.
    feature : int

    Returns
    -------
    DataFrame
        ``position, reference, letter``; ``log_likelihood``: change in nats, mean of both strands, below 0
        where the substitution is less likely; ``feature``: change of the largest value on either strand.
        Rows of the reference letter are 0.
    """
    from workbench.variants.effects import read_sequences  # PyTorch

    if not 0 <= start < end <= len(sequence) or end - start > MOST_MUTATED:
        raise InputError(
            f"stretch {start}-{end}: expected 0 <= start < end <= {len(sequence)}, at most {MOST_MUTATED}"
            " bases"
        )
    check_features(study, [feature])
    left = max(0, start - CONTEXT)
    around = sequence[left : end + CONTEXT]
    rows = [
        (at, around[at - left], letter, around[: at - left] + letter + around[at - left + 1 :])
        for at in range(start, end)
        for letter in BASES
    ]
    given = list(dict.fromkeys([around, *(text for *_, text in rows)]))
    scores: dict[str, tuple[np.ndarray, float]] = {}
    # In small groups: activations of all sequences at once would not stay small.
    size = max(1, study.batch * 4)
    for first in range(0, len(given), size):
        group = given[first : first + size]
        turned = [reverse_complement(text) for text in group]
        found = read_sequences(study.model, study.layer, [*group, *turned], size)
        for text, other in zip(group, turned, strict=True):
            sides = found[text], found[other]
            both = np.stack([s.nats for s in sides])
            scores[text] = both, max(_largest(study, side, feature) for side in sides)
    nats, value = scores[around]
    return pd.DataFrame(
        [
            (a, r, x, np.nansum(scores[t][0] - nats, dtype=float) / 2, scores[t][1] - value)
            for a, r, x, t in rows
        ],
        columns=["position", "reference", "letter", "log_likelihood", "feature"],
    )


def _largest(study: Study, reading: SequenceReading, feature: int) -> float:
    assert reading.activations is not None
    csr = study.sae.encode_sparse(np.ascontiguousarray(reading.activations))
    return float(csr.values[csr.indices == feature].max(initial=0.0))
