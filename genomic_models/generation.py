"""Writing sequence with a causal model, one base at a time, from carried state.

Cached generation gives what the full forward pass gives, for prompts of every length: filters shorter than
their history are padded with zeros on the left (the published code misreads prompts of 1 to 5 bases).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from genomic_models import tokenizer
from genomic_models.contract import DNAModel, Edit, ModelError


@dataclass(frozen=True)
class Generated:
    """A sequence that a model wrote.

    Attributes
    ----------
    prompt, sequence : str
        What it was given, and what it wrote after it.
    nats : numpy.ndarray
        ``(n,)`` float32, log-probability of each base written under the untempered distribution.
    """

    prompt: str
    sequence: str
    nats: np.ndarray


def sample(
    logits: Tensor, top_k: int, top_p: float, temperature: float, generator: torch.Generator
) -> Tensor:
    """Draw one token a row from ``(B, V)`` logits; ``top_k`` 1 takes the best, 0 keeps all.

    ``top_k`` is applied first, then the temperature, then the nucleus of mass ``top_p`` (off at 1).
    """
    if top_k == 1:
        return logits.argmax(-1)
    values, index = logits.float().sort(dim=-1, descending=True)
    if top_k:
        values, index = values[:, :top_k], index[:, :top_k]
    p = (values / temperature).softmax(-1)
    if top_p < 1:
        before = p.cumsum(-1) - p
        p = torch.where(before < top_p, p, 0.0)
    drawn = torch.multinomial(p.cpu(), 1, generator=generator).to(index.device)
    return index.gather(-1, drawn)[:, 0]


def generate(
    model: DNAModel,
    prompts: Sequence[str],
    length: int,
    temperature: float = 1.0,
    top_k: int = 4,
    top_p: float = 1.0,
    seed: int = 0,
    edits: Mapping[str, Edit] | None = None,
) -> list[Generated]:
    """Continue each prompt by ``length`` bases.

    Only A, C, G and T are drawn. Prompts of one length run as one batch; each row's draws depend on the
    seed and on the batch it is in. Raises ``ModelError`` for a model that cannot write base after base.
    """
    bases = model.base_tokens()
    if bases is None or not model.causal:
        raise ModelError(f"model {model.name} does not write base after base: it cannot generate")
    if length < 1 or temperature <= 0 or not 0 < top_p <= 1 or top_k < 0:
        raise ModelError(
            f"length {length}, temperature {temperature}, top_p {top_p}, top_k {top_k}: expected"
            " length >= 1, temperature > 0, 0 < top_p <= 1, top_k >= 0"
        )
    generator = torch.Generator().manual_seed(seed)
    results: dict[int, Generated] = {}
    for size in sorted({len(p) for p in prompts}):
        rows = [i for i, p in enumerate(prompts) if len(p) == size]
        ids = model.tokenize([prompts[i] for i in rows]).ids
        forward, state = model.read(ids, edits=edits)
        written, nats = [], []
        for step in range(length):
            assert forward.logits is not None
            last = forward.logits[:, -1].float()
            choice = sample(last[:, bases.to(last.device)], top_k, top_p, temperature, generator)
            token = bases.to(last.device)[choice][:, None]
            nats.append(last.log_softmax(-1).gather(-1, token)[:, 0].cpu())
            written.append(token[:, 0].cpu())
            if step + 1 < length:
                forward, state = model.read(token.cpu(), state, edits=edits)
        for row, letters, values in zip(
            rows, torch.stack(written, 1), torch.stack(nats, 1), strict=True
        ):
            results[row] = Generated(prompts[row], tokenizer.decode(letters), values.numpy())
    return [results[i] for i in range(len(prompts))]
