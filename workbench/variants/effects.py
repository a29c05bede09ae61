"""Both alleles of a variant through the model: likelihood and features, on both strands."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch

from feature_mining.sae.model import SparseAutoencoder
from genomic_models import DNAModel
from genomic_models.activations import read_activations
from genomic_models.dna import BASES, UNKNOWN, base_codes, refuse_string
from genomic_models.token_scoring import TokenModel, allele_chances
from workbench.cohort.edits import Edit, Variant
from workbench.cohort.readings import Reading, Window, make_reading
from workbench.genome.windows import Cell, Grid
from workbench.variants.subject import Subject

STRANDS = ("+", "-")


class SequenceReading(NamedTuple):
    """What a model says about one sequence.

    nats : float32 (L), log-likelihood of each base after those before it, NaN at the first and where the
        letter is not A, C, G or T
    activations : float32 (L, d) at the layer, or None
    """

    nats: np.ndarray
    activations: np.ndarray | None


class FeatureChange(NamedTuple):
    """A feature that a variant changes on one strand's reading.

    feature : int; strand : str
    position : 0-based reference base of its largest change; reference, alternative : values there
    gained, lost : sums of what rises and falls over the bases that both alleles have
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


# What was read of the reference allele, and of the alternative one.
Pair = tuple[tuple[Reading, SequenceReading], tuple[Reading, SequenceReading]]


class Change(NamedTuple):
    """Log-likelihood of two alleles, nats, base against base.

    Bases that both have are compared: all where the alleles are of one length, else those on either side of
    what differs, since a longer sequence costs more whatever it says.

    change : alternative less reference, summed over the bases that are compared
    compared : how many these are
    reference, alternative : of each allele's own bases, summed; 0 where it has none
    """

    change: float
    compared: int
    reference: float
    alternative: float

    @property
    def score(self) -> float:
        """Change a base that is compared."""
        return self.change / self.compared if self.compared else math.nan


def compare_alleles(reference: np.ndarray, alternative: np.ndarray, before: int, after: int) -> Change:
    """Change of a value a base, float (L), between two alleles that share ``before`` and ``after`` bases."""
    own = [side[before : side.size - after] for side in (reference, alternative)]
    if reference.size == alternative.size:
        difference = alternative - reference
    else:
        left = alternative[:before] - reference[:before]
        right = alternative[alternative.size - after :] - reference[reference.size - after :]
        difference = np.concatenate([left, right])
    sums = [float(np.nansum(x, dtype=np.float64)) for x in (difference, *own)]
    return Change(sums[0], int(np.isfinite(difference).sum()), *sums[1:])


class Effect(NamedTuple):
    """What a variant does.

    plus, minus : the log-likelihood on each strand's reading
    changes : features, the strongest change first, both strands together
    readings : (reference, alternative) for each strand: the sequence given and what came back
    """

    variant: Variant
    plus: Change
    minus: Change
    changes: list[FeatureChange]
    readings: dict[str, Pair]

    @property
    def score(self) -> float:
        """Change of the log-likelihood, nats a base that both alleles have, mean of both strands.

        Below 0, the model finds the sequence less likely with the variant.
        """
        return (self.plus.score + self.minus.score) / 2


def read_sequences(
    model: DNAModel, layer: str, sequences: Sequence[str], batch: int
) -> dict[str, SequenceReading]:
    """Likelihood and activations of unique sequences; those of one length run together.

    Raises ``ModelError`` for a model that does not predict base after base, ``TypeError`` for one string in
    place of a list of sequences.
    """
    refuse_string(sequences)
    model.require_bases("it cannot score variants")
    found: dict[str, SequenceReading] = {}
    taps = [layer] if layer else []
    for size in sorted({len(s) for s in sequences}):
        same = sorted({s for s in sequences if len(s) == size})
        for start in range(0, len(same), batch):
            group = same[start : start + batch]
            with torch.no_grad():
                forward = model.forward(group, taps=taps)
            assert forward.logits is not None
            logp = forward.logits[:, :-1].float().log_softmax(-1)
            targets = forward.tokens.ids[:, 1:].to(logp.device)
            nats = logp.gather(-1, targets[..., None])[..., 0].cpu().numpy()
            for row, sequence in enumerate(group):
                values = np.concatenate([[np.nan], nats[row, : size - 1]]).astype(np.float32)
                values[base_codes(sequence) == UNKNOWN] = np.nan
                tapped = forward.taps[layer][row, :size].float().cpu().numpy() if layer else None
                found[sequence] = SequenceReading(values, tapped)
    return found


class _Place(NamedTuple):
    """A variant in the middle of ``[left, right)``, which stops at the ends of a linear contig.

    before, after : bases on either side of what the variant changes: what the longer allele leaves of the
        window, and a quarter of the window at least
    """

    left: int
    right: int
    before: int
    after: int


def read_tokens(
    model: DNAModel, layer: str, sequences: Sequence[str], batch: int
) -> dict[str, SequenceReading]:
    """Activations of unique sequences on their bases, of a model of tokens; no likelihood: NaN throughout."""
    found = {}
    unique = sorted(set(sequences), key=len)
    for first in range(0, len(unique), batch):
        group = unique[first : first + batch]
        tapped = read_activations(model, layer, group) if layer else [None] * len(group)
        for sequence, rows in zip(group, tapped, strict=True):
            values = None if rows is None else rows.float().cpu().numpy()
            found[sequence] = SequenceReading(np.full(len(sequence), np.nan, np.float32), values)
    return found


def scored_by_words(model: DNAModel) -> TokenModel | None:
    """The model, where alleles are set against each other by the words that hold them, and not by likelihood.

    Such are models of masked tokens and of tokens of several bases; they judge single bases alone.
    """
    return model if isinstance(model, TokenModel) and not model.predicts_bases else None


def compare_words(model: TokenModel, reference: str, alternative: str, before: int) -> Change:
    """Log-odds of the allele at base ``before``, where the sequences differ; NaN for more than one base."""
    after = len(reference) - before - 1
    same = len(reference) == len(alternative) and reference[before + 1 :] == alternative[before + 1 :]
    if not same or after < 0 or alternative[before] not in BASES or reference[before] not in BASES:
        return Change(math.nan, 0, math.nan, math.nan)
    chances = allele_chances(model, reference, before)
    own = [float(chances[BASES.index(allele[before])]) for allele in (reference, alternative)]
    return Change(own[1] - own[0], int(math.isfinite(own[1] - own[0])), *own)


def _place(subject: Subject, variant: Variant) -> _Place:
    edit = variant.edit
    half = max(subject.window - edit.longest, subject.window // 2) // 2
    left, right = edit.start - half, edit.end + half
    if variant.chrom not in subject.genome.circular:
        left, right = max(0, left), min(subject.genome.lengths[variant.chrom], right)
    return _Place(left, right, edit.start - left, right - edit.end)


class _Entries(NamedTuple):
    """Where features are active.

    keys : int64 (n), one a (position, feature); values : float32 (n)
    shared : bool (n), whether both alleles have the base
    """

    keys: np.ndarray
    values: np.ndarray
    shared: np.ndarray


def _entries(
    sae: SparseAutoencoder, reading: Reading, rows: np.ndarray, first: int, before: int, own: int
) -> _Entries:
    """Entries of letters from ``first`` on that have a value; ``own`` from ``before`` on are not shared."""
    csr = sae.encode_sparse(np.ascontiguousarray(rows[first:]))
    counts = np.diff(csr.indptr)
    letters = np.arange(first, first + counts.size)
    shared = (letters < before) | (letters >= before + own)
    use, positions, both = (
        np.repeat(values, counts) for values in (reading.callable[first:], reading.positions[first:], shared)
    )
    keys = positions * sae.config.d_sae + csr.indices
    return _Entries(keys[use], csr.values[use], both[use])


def _peaks(sides: Sequence[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    """Keys of two sides, each once, and the largest value of each on each side: (n), (2, n)."""
    unique, inverse = np.unique(np.concatenate([keys for keys, _ in sides]), return_inverse=True)
    peak = np.zeros((2, unique.size), np.float32)
    cut = sides[0][0].size
    np.maximum.at(peak[0], inverse[:cut], sides[0][1])
    np.maximum.at(peak[1], inverse[cut:], sides[1][1])
    return unique, peak


def feature_changes(
    sae: SparseAutoencoder,
    strand: str,
    reference: tuple[Reading, SequenceReading],
    alternative: tuple[Reading, SequenceReading],
    before: int,
    after: int,
    alike: int,
) -> list[FeatureChange]:
    """Features that differ between two alleles, base against base; inserted letters count for their anchor.

    ``before`` and ``after``: letters that the readings share at their two ends. Nothing is compared over the
    first ``alike``, which the model reads the same: those before, of a causal model of single bases.
    """
    unlike = len(reference[0].sequence) != len(alternative[0].sequence)
    sides = []
    for reading, values in (reference, alternative):
        assert values.activations is not None
        own = len(reading.sequence) - before - after if unlike else 0
        sides.append(_entries(sae, reading, values.activations, alike, before, own))
    width = sae.config.d_sae
    unique, peak = _peaks([(side.keys, side.values) for side in sides])
    feature, position = unique % width, unique // width
    change = peak[1] - peak[0]
    order = np.lexsort((-np.abs(change), feature))
    starts = np.flatnonzero(np.diff(feature[order], prepend=-1))
    shared, both = _peaks([(side.keys[side.shared], side.values[side.shared]) for side in sides])
    rise = both[1] - both[0]
    gained = np.bincount(shared % width, np.maximum(rise, 0), minlength=width)
    lost = np.bincount(shared % width, np.maximum(-rise, 0), minlength=width)
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

    Each unique sequence of such a group is read once. Of a model of masked tokens or of words, whose score is
    the log-odds of the allele, a variant of more than one base has features and no score (NaN).
    """
    grid = Grid(subject.window, subject.warmup)
    for start in range(0, len(variants), subject.batch):
        group = variants[start : start + subject.batch]
        places = [_place(subject, variant) for variant in group]
        readings: dict[tuple[int, str, int], Reading] = {}
        for i, (variant, place) in enumerate(zip(group, places, strict=True)):
            cell = Cell(variant.chrom, place.left, place.right, 0)
            for strand in STRANDS:
                window = Window(cell, strand, place.left, place.right)
                for allele, edits in enumerate(((), (variant.edit,))):
                    own: Sequence[Edit] = edits
                    readings[i, strand, allele] = make_reading(subject.genome, grid, window, own)
        sequences = list({r.sequence for r in readings.values()})
        read = read_tokens if scored_by_words(subject.model) else read_sequences
        found = read(subject.model, subject.layer, sequences, subject.batch)
        for i, (variant, place) in enumerate(zip(group, places, strict=True)):
            pairs: dict[str, Pair] = {}
            for strand in STRANDS:
                a, b = (readings[i, strand, allele] for allele in (0, 1))
                pairs[strand] = (a, found[a.sequence]), (b, found[b.sequence])
            yield _effect(subject, variant, place, pairs)


def _effect(subject: Subject, variant: Variant, place: _Place, pairs: dict[str, Pair]) -> Effect:
    ends = {"+": (place.before, place.after), "-": (place.after, place.before)}
    words = scored_by_words(subject.model)
    compared = {}
    for strand, ((a, of_a), (b, of_b)) in pairs.items():
        if words is None:
            compared[strand] = compare_alleles(of_a.nats, of_b.nats, *ends[strand])
        else:
            compared[strand] = compare_words(words, a.sequence, b.sequence, ends[strand][0])
    changes: list[FeatureChange] = []
    if subject.sae is not None:
        for strand, (reference, alternative) in pairs.items():
            alike = ends[strand][0] if words is None else 0
            changes += feature_changes(subject.sae, strand, reference, alternative, *ends[strand], alike)
    changes.sort(key=lambda c: (-abs(c.change), c.feature, c.strand))
    return Effect(variant, compared["+"], compared["-"], changes, pairs)
