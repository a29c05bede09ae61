"""Which bases of a sequence an output hangs on: substitutions, shuffled stretches, the gradient by letters.

What a causal model has read before a place is the same for all substitutions there: it is read once, and its
state carried on, so that the last bases of a long sequence cost what a short one costs. A model that sees
both sides of a base reads the whole sequence for each substitution.
"""

from __future__ import annotations

import numpy as np
import torch

from feature_mining.attribution.target import Target, check_finite
from feature_mining.dinucleotide_shuffle import shuffle_dinucleotides
from genomic_models.contract import DNAModel, Forward, ModelError
from genomic_models.dna import BASES, base_codes

# Positions whose substitutions are read from one state.
BLOCK = 16


def saturate(
    model: DNAModel, sequence: str, start: int, end: int, target: Target, together: int = 64
) -> np.ndarray:
    """The change of an output under every substitution of a stretch.

    Parameters
    ----------
    model : DNAModel
    sequence : str
        In the direction of the reading; upper-case A, C, G, T in the stretch.
    start, end : int
        0-based half-open.
    target : Target
        Of positions from ``start`` on for a causal model: a substitution changes nothing before it.
    together : int
        Sequences that are read at once.

    Returns
    -------
    ndarray
        float32 ``(end - start, 4)``, A, C, G, T: the output with that base less the output as it is; 0 for
        the base that stands there.

    Raises
    ------
    ValueError
        For a stretch outside the sequence, and letters in it that are not A, C, G or T.
    """
    _check_stretch(sequence, start, end)
    if strange := set(sequence[start:end]) - set(BASES):
        raise ValueError(f"the stretch holds {', '.join(sorted(strange))}: expected A, C, G and T")
    tokens = model.base_tokens()
    if tokens is None or not model.predicts_bases:
        return _saturate_whole(model, sequence, start, end, target, together)
    ids = model.tokenize([sequence]).ids
    out = np.zeros((end - start, len(BASES)), np.float32)
    state: object | None = None
    read = 0
    for first in range(start, end, BLOCK):
        # The prediction of a base is given by the one before it, which is read again with the rest.
        begin = max(0, first - 1)
        if begin > read:
            _, state = model.read(ids[:, read:begin], state)
            read = begin
        places = [
            (at, base)
            for at in range(first, min(first + BLOCK, end))
            for base in range(len(BASES))
            if BASES[base] != sequence[at]
        ]
        for part in range(0, len(places), together - 1):
            group = places[part : part + together - 1]
            rows = ids[:, begin:].repeat(len(group) + 1, 1)
            for row, (at, base) in enumerate(group, 1):
                rows[row, at - begin] = tokens[base]
            carried = None if state is None else model.repeat(state, len(rows))
            forward, _ = model.read(rows, carried, taps=target.taps)
            values = check_finite(target.value(model, forward))
            for (at, base), value in zip(group, (values[1:] - values[0]).tolist(), strict=True):
                out[at - start, base] = value
    return out


def mean_loss(changes: np.ndarray) -> np.ndarray:
    """What the output loses, on the mean, with another base in the place of each.

    Parameters
    ----------
    changes : ndarray
        ``(n, 4)`` as of ``saturate``: 0 for the base that stands there.

    Returns
    -------
    ndarray
        ``(n,)``.
    """
    lost: np.ndarray = -changes.sum(axis=1) / (len(BASES) - 1)
    return lost


def _saturate_whole(
    model: DNAModel, sequence: str, start: int, end: int, target: Target, together: int
) -> np.ndarray:
    places = [
        (at, base) for at in range(start, end) for base in range(len(BASES)) if BASES[base] != sequence[at]
    ]
    changed = [sequence[:at] + BASES[base] + sequence[at + 1 :] for at, base in places]
    values = _outputs(model, [sequence, *changed], target, together)
    out = np.zeros((end - start, len(BASES)), np.float32)
    for (at, base), value in zip(places, values[1:] - values[0], strict=True):
        out[at - start, base] = value
    return out


def ablate(
    model: DNAModel,
    sequence: str,
    start: int,
    end: int,
    target: Target,
    shuffles: int = 20,
    seed: int = 0,
    together: int = 16,
) -> np.ndarray:
    """How much an output loses with a stretch shuffled, pairs of neighbouring letters kept.

    Parameters
    ----------
    model : DNAModel
    sequence : str
        In the direction of the reading.
    start, end : int
        0-based half-open.
    target : Target
    shuffles : int
        Random sequences that take the stretch's place.
    seed : int
    together : int
        Sequences that are read at once.

    Returns
    -------
    ndarray
        float32 ``(shuffles,)``: the output as it is less the output with each of them.
    """
    _check_stretch(sequence, start, end)
    changed = [
        sequence[:start] + text + sequence[end:]
        for text in _shuffled(sequence[start:end], shuffles, np.random.default_rng([seed, start, end]))
    ]
    values = _outputs(model, [sequence, *changed], target, together)
    return values[0] - values[1:]


def marginalize(
    model: DNAModel,
    sequence: str,
    start: int,
    end: int,
    target: Target,
    until: int,
    after: int | None = None,
    shuffles: int = 20,
    seed: int = 0,
    together: int = 16,
) -> np.ndarray:
    """How much an output gains when a stretch is put into surroundings that say nothing.

    The letters before ``until``, and those from ``after`` on, are shuffled, pairs of neighbouring letters
    kept; what the output is of lies between them and stays. Parameters as of `ablate`; the stretch lies in
    one of the two.

    Returns
    -------
    ndarray
        float32 ``(shuffles,)``: the output with the stretch in its place in each of the surroundings, less
        the output of the surroundings alone.
    """
    _check_stretch(sequence, start, end)
    after = len(sequence) if after is None else after
    if not 0 <= until <= after <= len(sequence) or not (end <= until or start >= after):
        raise ValueError(
            f"until {until}: expected {end} to {len(sequence)}, or a stretch that begins from {after} on"
        )
    random = np.random.default_rng([seed, start, end])
    left = _shuffled(sequence[:until], shuffles, random)
    right = _shuffled(sequence[after:], shuffles, random)
    without = [a + sequence[until:after] + b for a, b in zip(left, right, strict=True)]
    placed = [text[:start] + sequence[start:end] + text[end:] for text in without]
    values = _outputs(model, [*placed, *without], target, together)
    return values[:shuffles] - values[shuffles:]


def _check_stretch(sequence: str, start: int, end: int) -> None:
    if not 0 <= start < end <= len(sequence):
        raise ValueError(f"stretch {start}-{end}: expected 0 <= start < end <= {len(sequence)}")


def _shuffled(letters: str, count: int, random: np.random.Generator) -> list[str]:
    if not letters:
        return [""] * count
    codes, names = base_codes(letters), np.array(list(BASES + "N"))
    return ["".join(names[shuffle_dinucleotides(codes, random)]) for _ in range(count)]


def _outputs(model: DNAModel, sequences: list[str], target: Target, together: int) -> np.ndarray:
    found = []
    for first in range(0, len(sequences), together):
        forward = model.forward(sequences[first : first + together], taps=target.taps)
        found.append(check_finite(target.value(model, forward)).cpu().numpy())
    return np.concatenate(found).astype(np.float32)


def attribute_bases(model: DNAModel, sequence: str, target: Target) -> np.ndarray:
    """Gradient of an output by the letters, times the letters, in one pass: ``(L,)`` float32.

    The gradient by a base's embedding, times that embedding less the mean of the four bases': what the output
    would lose, were it linear, with a base of no kind in its place. Raises ``ModelError`` for a model without
    an embedding of single bases.
    """
    tokens = model.base_tokens()
    if tokens is None or model.layers[0] != "embedding_layer":
        raise ModelError(f"model {model.name} has no embedding of single bases")
    layer = model.layers[0]
    four = model.forward([BASES], taps=[layer], until=layer).taps[layer][0].float().clone()
    x = model.forward([sequence], taps=[layer], until=layer).taps[layer].float().clone()
    leaf = x.detach().requires_grad_(True)
    found: Forward = model.forward(
        [sequence], taps=target.taps, edits={layer: lambda own, context: leaf.to(own.dtype)}, gradients=True
    )
    value = check_finite(target.value(model, found))[0]
    (gradient,) = torch.autograd.grad(value, leaf)
    return (gradient * (x - four.mean(0)))[0].sum(-1).cpu().numpy()
