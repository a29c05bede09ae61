"""Both alleles of a variant through the model: likelihood and features, on both strands."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch

from feature_mining.sae.model import SparseAutoencoder
from genomic_models import DNAModel
from genomic_models.contract import ModelError
from workbench.cohort.edits import Edit, Variant
from workbench.cohort.readings import Reading, Window, common_prefix, make_reading
from workbench.variants.subject import Subject
from workbench.windows import Cell, Grid

STRANDS = ("+", "-")


class SequenceReading(NamedTuple):
    """What a model says about one sequence.

    nats : float32 (L), log-likelihood of each base after those before it, NaN at the first
    activations : float32 (L, d) at the layer, or None
    """

    nats: np.ndarray
    activations: np.ndarray | None


class FeatureChange(NamedTuple):
    """A feature that a variant changes on one strand's reading.

    feature : int; strand : str
    position : 0-based reference base of its largest change; reference, alternative : values there
    gained, lost : sums over bases of what rises and falls
    """

    feature: int
    strand: str
    position: int
    reference: float
    alternative: float
    gained: float
    lost: float

    @property
    def change(self) -> float:
        """The largest change."""
        return self.alternative - self.reference


Pair = tuple[tuple[Reading, SequenceReading], tuple[Reading, SequenceReading]]
"""What was read of the reference allele, and of the alternative one."""


class Effect(NamedTuple):
    """What a variant does.

    plus, minus : change of the log-likelihood of the window, nats, on each strand's reading
    changes : features, the strongest change first, both strands together
    readings : (reference, alternative) for each strand: the sequence given and what came back
    """

    variant: Variant
    plus: float
    minus: float
    changes: list[FeatureChange]
    readings: dict[str, Pair]

    @property
    def log_likelihood(self) -> float:
        """Mean of both strands, nats: below 0, the model finds the variant less likely."""
        return (self.plus + self.minus) / 2


def read_sequences(
    model: DNAModel, layer: str, sequences: Sequence[str], batch: int
) -> dict[str, SequenceReading]:
    """Likelihood and activations of unique sequences; those of one length run together.

    Raises ``ModelError`` for a model that does not predict base after base.
    """
    found: dict[str, SequenceReading] = {}
    taps = [layer] if layer else []
    for size in sorted({len(s) for s in sequences}):
        same = sorted({s for s in sequences if len(s) == size})
        for start in range(0, len(same), batch):
            group = same[start : start + batch]
            with torch.no_grad():
                forward = model.forward(group, taps=taps)
            if forward.logits is None or forward.tokens.spans is not None or not model.causal:
                raise ModelError(
                    f"model {model.name} does not predict base after base: it cannot score variants"
                )
            logp = forward.logits[:, :-1].float().log_softmax(-1)
            targets = forward.tokens.ids[:, 1:].to(logp.device)
            nats = logp.gather(-1, targets[..., None])[..., 0].cpu().numpy()
            for row, sequence in enumerate(group):
                values = np.concatenate([[np.nan], nats[row, : size - 1]]).astype(np.float32)
                tapped = forward.taps[layer][row, :size].float().cpu().numpy() if layer else None
                found[sequence] = SequenceReading(values, tapped)
    return found


def _window(subject: Subject, variant: Variant, strand: str) -> Window:
    """A window with the variant in its middle; it stops at the ends of a linear contig."""
    half = subject.window // 2
    left, right = variant.start - half, variant.start + len(variant.reference) + half
    if variant.chrom not in subject.genome.circular:
        left, right = max(0, left), min(subject.genome.lengths[variant.chrom], right)
    return Window(Cell(variant.chrom, left, right, 0), strand, left, right)


def _entries(
    sae: SparseAutoencoder, reading: Reading, rows: np.ndarray, first: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Positions, features and values of the letters from ``first`` on that have a value."""
    csr = sae.encode_sparse(np.ascontiguousarray(rows[first:]))
    counts = np.diff(csr.indptr)
    use = np.repeat(reading.callable[first:], counts)
    return (
        np.repeat(reading.positions[first:], counts)[use],
        csr.indices[use].astype(np.int64),
        csr.values[use],
    )


def feature_changes(
    sae: SparseAutoencoder,
    strand: str,
    reference: tuple[Reading, SequenceReading],
    alternative: tuple[Reading, SequenceReading],
) -> list[FeatureChange]:
    """Features that differ between two alleles, base against base; inserted letters count for their anchor.

    Before the first letter that differs a causal model reads the same; nothing is compared there.
    """
    first = common_prefix(reference[0].sequence, alternative[0].sequence)
    sides = []
    for reading, values in (reference, alternative):
        assert values.activations is not None
        sides.append(_entries(sae, reading, values.activations, min(first, len(reading.sequence))))
    width = sae.config.d_sae
    keys = [p * width + f for p, f, _ in sides]
    unique, inverse = np.unique(np.concatenate(keys), return_inverse=True)
    peak = np.zeros((2, unique.size), np.float32)
    np.maximum.at(peak[0], inverse[: keys[0].size], sides[0][2])
    np.maximum.at(peak[1], inverse[keys[0].size :], sides[1][2])
    feature, position = unique % width, unique // width
    change = peak[1] - peak[0]
    order = np.lexsort((-np.abs(change), feature))
    starts = np.flatnonzero(np.diff(feature[order], prepend=-1))
    gained = np.bincount(feature, np.maximum(change, 0), minlength=width)
    lost = np.bincount(feature, np.maximum(-change, 0), minlength=width)
    return [
        FeatureChange(
            int(feature[i]),
            strand,
            int(position[i]),
            float(peak[0, i]),
            float(peak[1, i]),
            float(gained[feature[i]]),
            float(lost[feature[i]]),
        )
        for i in order[starts]
        if change[i] != 0
    ]


def measure(subject: Subject, variants: Sequence[Variant]) -> Iterator[Effect]:
    """Effects of variants, in their order; ``subject.batch`` variants are read together.

    Each unique sequence of such a group is read once.
    """
    grid = Grid(subject.window, subject.warmup)
    for start in range(0, len(variants), subject.batch):
        group = variants[start : start + subject.batch]
        readings: dict[tuple[int, str, int], Reading] = {}
        for i, variant in enumerate(group):
            for strand in STRANDS:
                window = _window(subject, variant, strand)
                for allele, edits in enumerate(((), (variant.edit,))):
                    own: Sequence[Edit] = edits
                    readings[i, strand, allele] = make_reading(subject.genome, grid, window, own)
        sequences = list({r.sequence for r in readings.values()})
        found = read_sequences(subject.model, subject.layer, sequences, subject.batch)
        for i, variant in enumerate(group):
            pairs: dict[str, Pair] = {}
            for strand in STRANDS:
                a, b = (readings[i, strand, allele] for allele in (0, 1))
                pairs[strand] = (a, found[a.sequence]), (b, found[b.sequence])
            yield _effect(subject, variant, pairs)


def _effect(subject: Subject, variant: Variant, pairs: dict[str, Pair]) -> Effect:
    totals = {
        strand: float(np.nansum(b.nats, dtype=np.float64) - np.nansum(a.nats, dtype=np.float64))
        for strand, ((_, a), (_, b)) in pairs.items()
    }
    changes: list[FeatureChange] = []
    if subject.sae is not None:
        for strand, (reference, alternative) in pairs.items():
            changes += feature_changes(subject.sae, strand, reference, alternative)
    changes.sort(key=lambda c: (-abs(c.change), c.feature, c.strand))
    return Effect(variant, totals["+"], totals["-"], changes, pairs)
