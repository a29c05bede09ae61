"""What a model predicts with features of a layer switched off or edited, beside what could do the same."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from feature_mining.edits.apply import Applied, Dictionary
from feature_mining.edits.plan import EditPlan
from genomic_models.contract import DNAModel, ModelError
from genomic_models.taps import Put


class Switchboard:
    """A sequence whose predictions are read with one layer as it is, and changed.

    Parameters
    ----------
    model : DNAModel
        One that predicts bases.
    sequence : str
        In the direction of the reading.
    dictionary : Dictionary
        An autoencoder that reads and writes one layer.
    start, end : int
        Bases whose predictions are read, 0-based half-open; nothing predicts the first of a sequence.

    Raises
    ------
    ValueError
        For bases that nothing predicts.
    ModelError
        For a model that predicts no bases.
    """

    def __init__(self, model: DNAModel, sequence: str, dictionary: Dictionary, start: int, end: int) -> None:
        model.require_bases("nothing to read")
        tokens = model.base_tokens()
        if tokens is None:
            raise ModelError(f"model {model.name} does not predict single bases")
        if not 1 <= start < end <= len(sequence):
            raise ValueError(f"bases {start}-{end}: expected 1 <= start < end <= {len(sequence)}")
        self._model, self._sequence, self._dictionary = model, sequence, dictionary
        self._start, self._end, self._tokens = start, end, tokens
        (self._layer,) = dictionary.reads
        self._x = model.forward([sequence], taps=[self._layer], until=self._layer).taps[self._layer][0]

    def taken(self, features: Sequence[int]) -> Tensor:
        """What is added ``(L, d)``, float32, to the layer when features are set to 0 throughout."""
        part = self._dictionary.part(list(features))
        x = self._x.float().to(part.columns.device)
        return part.write(-part.encode(x), x)

    def planned(self, plan: EditPlan) -> Tensor:
        """What is added ``(L, d)``, float32, to the layer under a plan of edits of its features."""
        edits = Applied([plan], {self._layer: self._dictionary}).edits
        forward = self._model.forward([self._sequence], taps=[self._layer], until=self._layer, edits=edits)
        return forward.taps[self._layer][0].float() - self._x.float()

    def random(self, change: Tensor, seed: int) -> Tensor:
        """A change as long as another one at each position, in one direction drawn even over the sphere."""
        generator = torch.Generator().manual_seed(seed)
        drawn = torch.randn(change.shape[1], generator=generator).to(change)
        return change.norm(dim=1, keepdim=True) * (drawn / drawn.norm())

    def predict(self, changes: Sequence[Tensor | None], together: int = 8) -> np.ndarray:
        """Log2 of the probability of A, C, G and T, float32 ``(changes, end - start, 4)``.

        Over the whole vocabulary, of each base given those before it; None changes nothing.
        """
        found = []
        for first in range(0, len(changes), together):
            own = changes[first : first + together]
            rows = torch.stack(
                [self._x if c is None else (self._x.float() + c.to(self._x.device)).to(self._x) for c in own]
            )
            forward = self._model.forward([self._sequence] * len(own), edits={self._layer: Put(rows)})
            assert forward.logits is not None
            logs = forward.logits[:, self._start - 1 : self._end - 1].float().log_softmax(-1)
            found.append((logs[..., self._tokens.to(logs.device)] / np.log(2)).cpu().numpy())
        return np.concatenate(found)
