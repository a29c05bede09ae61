"""Redesign in place by gradients: letters drawn from weights that move as if the draw were smooth.

The straight-through estimator (Bengio et al. 2013) with Gumbel noise, as ledidi designs edits (Schreiber et
al. 2020): each pass reads real letters; the gradient goes to the probabilities that they were drawn from. A
letter that is not the one of before costs a little, so that what need not change stays.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from feature_mining.painting.goals import Goal, missed
from feature_mining.painting.resample import Redesigned
from feature_mining.painting.scene import Scene
from genomic_models.contract import DNAModel, ModelError, TapContext
from genomic_models.dna import BASES, base_codes, base_letters

# Weight of the letter of before at first: the others come up in one draw of twenty.
HELD = 4.0
RATE = 0.3
# Cost of a changed letter, in squared units of level.
PENALTY = 0.05


def embeddings(model: DNAModel) -> Tensor:
    """What A, C, G and T enter the network as: ``(4, d)``; ``ModelError`` where a token is not one base."""
    first = model.layers[0]
    if model.base_tokens() is None or first != "embedding_layer":
        raise ModelError(f"model {model.name} has no embedding of single bases: nothing to differentiate by")
    return model.forward([BASES], taps=[first], until=first).taps[first][0].float().clone()


def as_one_hot(codes: np.ndarray) -> Tensor:
    """Float32 ``(B, L, 4)`` of codes of A, C, G and T."""
    return torch.nn.functional.one_hot(torch.from_numpy(codes.astype(np.int64)), 4).float()


def design(
    scene: Scene,
    canvases: Sequence[str],
    goals: Sequence[Goal],
    free: np.ndarray,
    steps: int,
    streams: Sequence[tuple[int, ...]],
    keeps: Callable[[Sequence[str]], np.ndarray] = lambda texts: np.ones(len(texts), bool),
) -> Redesigned:
    """Design canvases towards goals; parameters as of `feature_mining.painting.resample.resample`.

    The best seen of each is given, what it began with included.
    """
    codes = np.stack([base_codes(text) for text in canvases])
    times = len(canvases) // scene.places
    original, four = as_one_hot(codes), embeddings(scene.model)
    weights = (HELD * original).requires_grad_(True)
    optimizer = torch.optim.Adam([weights], lr=RATE)
    drawn = [torch.Generator().manual_seed(_seed(each)) for each in streams]
    may = torch.from_numpy(free)[None, :, None]
    best, least = codes.copy(), np.full(len(codes), np.inf, np.float32)
    before = least
    for step in range(steps + 1):
        # The first pass reads what is there.
        noise = torch.stack([_gumbel(original.shape[1:], each) for each in drawn])
        soft = (weights + noise).softmax(-1)
        hard = torch.nn.functional.one_hot(soft.argmax(-1), 4).float()
        hard = torch.where(may, hard, original) if step else original
        letters = hard + torch.where(may, soft - soft.detach(), 0.0)
        readings = {goal.strand: _read(scene, goal.strand, letters, four, times) for goal in goals}
        away = missed(goals, readings)
        (away + PENALTY * (1 - (letters * original).sum(-1)).sum(1)).sum().backward()
        optimizer.step()
        optimizer.zero_grad()
        found = away.detach().numpy()
        own = hard.argmax(-1).numpy().astype(np.uint8)
        if not step:
            before = found
        better = (found < least) & (keeps([base_letters(row) for row in own]) if step else True)
        best[better], least = own[better], np.where(better, found, least)
    return Redesigned([base_letters(row) for row in best], least, before)


def _read(scene: Scene, strand: str, letters: Tensor, four: Tensor, times: int) -> Tensor:
    """Activations ``(B, L, d)`` of letters ``(B, L, 4)`` in their places, differentiable by them."""
    model, size = scene.model, letters.shape[1]
    heads = [head for head in scene.heads(strand) for _ in range(times)]
    turned = letters if strand == "+" else letters.flip(1, 2)
    own = turned @ four

    def put(x: Tensor, context: TapContext) -> Tensor:
        return torch.cat([x[:, : x.shape[1] - size].clone(), own.to(x.dtype)], dim=1)

    texts = [head + "A" * size for head in heads]
    scene.told(sum(map(len, texts)))
    found = model.forward(
        texts, taps=[scene.layer], until=scene.layer, edits={model.layers[0]: put}, gradients=True
    ).taps[scene.layer][:, -size:]
    return found if strand == "+" else found.flip(1)


def _gumbel(shape: Sequence[int], generator: torch.Generator) -> Tensor:
    even = torch.rand(tuple(shape), generator=generator).clamp(1e-12, 1 - 1e-7)
    return -(-even.log()).log()


def _seed(stream: tuple[int, ...]) -> int:
    return int(np.random.SeedSequence(stream).generate_state(1, np.uint64)[0] >> np.uint64(1))
