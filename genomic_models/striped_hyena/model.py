"""``StripedHyenaModel``: a StripedHyena network behind the model contract."""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import cast

import torch
from torch import Tensor

from genomic_models import tokenizer
from genomic_models.contract import DNAModel, Edit, Forward, ModelError, Tokens
from genomic_models.dna import BASES
from genomic_models.model import Model
from genomic_models.striped_hyena.frozen import holding
from genomic_models.striped_hyena.network import StripedHyena
from genomic_models.taps import Probe, Put, Reached


class StripedHyenaModel(Model):
    """A StripedHyena network with its byte tokenizer.

    Parameters
    ----------
    network : StripedHyena
        With weights loaded.
    name : str
        How the model is asked for.
    """

    causal = True

    def __init__(self, network: StripedHyena, name: str) -> None:
        # Gradients are by what edits put in, never by the weights.
        self.network = network.eval().requires_grad_(False)
        self.name = name
        self.layers = network.tap_names()
        self.context = network.config.context

    @cached_property
    def weights_hash(self) -> str:  # type: ignore[override]
        digest = hashlib.sha256()
        for name, tensor in sorted(self.network.state_dict().items()):
            raw = tensor.detach().float().cpu().contiguous()
            digest.update(f"{name}{tuple(raw.shape)}".encode())
            digest.update(raw.numpy().tobytes())
        return digest.hexdigest()

    @property
    def device(self) -> torch.device:
        return self.network.embedding_layer.weight.device

    @property
    def dtype(self) -> torch.dtype:
        return self.network.embedding_layer.weight.dtype

    def d_model(self, layer: str) -> int:
        return self.network.tap_width(self.resolve(layer))

    def tokenize(self, sequences: Sequence[str]) -> Tokens:
        return tokenizer.encode(sequences)

    def base_tokens(self) -> Tensor:
        return torch.tensor([ord(base) for base in BASES])

    def _run(
        self,
        tokens: Tokens,
        states: list | None,
        offset: int,
        taps: Sequence[str],
        until: str | None,
        edits: Mapping[str, Edit] | None,
        keep: bool,
        gradients: bool = False,
        frozen: bool = False,
    ) -> tuple[Forward, list]:
        for name in (*taps, *(edits or ()), *([until] if until else [])):
            self.resolve(name)
        ids = tokens.ids.to(self.device)
        probe = Probe(ids, offset, taps, until, edits or {})
        logits, after = None, []
        graph = torch.enable_grad() if gradients else torch.inference_mode()
        with graph, holding(frozen), contextlib.suppress(Reached):
            begin = None if states is not None or keep else self._begin(probe)
            logits, after = self.network(ids, states, probe, keep, begin)
        return Forward(tokens, logits, probe.read(), offset), after

    def _begin(self, probe: Probe) -> tuple[int, Tensor] | None:
        """The block whose output is put in before anything else is read, and what it gives."""
        found = re.fullmatch(r"blocks\.(\d+)", probe.begin(self.layers))
        if found is None:
            return None
        values = cast(Put, probe.edits[found[0]]).values.to(self.device, self.dtype)
        # One of another shape is refused where it meets the block's own.
        fits = values.shape == (*probe.ids.shape, self.network.config.width)
        return (int(found[1]), values) if fits else None

    def forward(
        self,
        sequences: Sequence[str],
        taps: Sequence[str] = (),
        until: str | None = None,
        edits: Mapping[str, Edit] | None = None,
        gradients: bool = False,
        frozen: bool = False,
    ) -> Forward:
        tokens = self.tokenize(sequences)
        found = self._run(tokens, None, 0, taps, until, edits, False, gradients, frozen)
        return found[0]

    def forward_chunks(
        self,
        sequences: Sequence[str],
        chunk: int,
        taps: Sequence[str] = (),
        until: str | None = None,
        edits: Mapping[str, Edit] | None = None,
    ) -> Iterator[Forward]:
        if chunk < 1:
            raise ModelError(f"chunk is {chunk}: expected at least one base")
        if until is not None:
            raise ModelError("a chunked pass keeps the state of every block: it cannot stop early")
        tokens = self.tokenize(sequences)
        states = None
        length = tokens.ids.shape[1]
        for start in range(0, length, chunk):
            piece = Tokens(tokens.ids[:, start : start + chunk], (tokens.lengths - start).clamp(0, chunk))
            more = start + chunk < length
            result, states = self._run(piece, states, start, taps, None, edits, keep=more)
            yield result

    def read(
        self,
        ids: Tensor,
        state: object | None = None,
        taps: Sequence[str] = (),
        until: str | None = None,
        edits: Mapping[str, Edit] | None = None,
    ) -> tuple[Forward, object]:
        offset, states = (0, None) if state is None else cast(tuple[int, list], state)
        tokens = Tokens(ids, torch.full((ids.shape[0],), ids.shape[1]))
        result, after = self._run(tokens, states, offset, taps, until, edits, keep=True)
        return result, (offset + ids.shape[1], after)

    def repeat(self, state: object, times: int) -> object:
        offset, states = cast(tuple[int, list], state)
        again = [tuple(part.repeat_interleave(times, 0) for part in block) for block in states]
        return offset, again


def own_network(model: DNAModel, what: str) -> StripedHyena:
    """The network of ``mini`` or another of its kind, to be changed.

    Raises ``ModelError``, which says that another model cannot be ``what`` (trained, pruned).
    """
    if not isinstance(model, StripedHyenaModel):
        raise ModelError(f"model {model.name} cannot be {what}: expected mini or a folder of its kind")
    config = model.network.config
    if config.generation != "evo2" or config.fp8_projections:
        why = "needs FP8 projections" if config.fp8_projections else "is of Evo 1's kind"
        raise ModelError(f"model {model.name} {why} and cannot be {what}: expected mini or its kind")
    return model.network
