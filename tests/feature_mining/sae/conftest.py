"""Small dictionaries, activations with a known origin, and a model of a few lines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import pytest
import torch
from torch import Tensor

from feature_mining.sae.config import SAEConfig
from feature_mining.sae.model import SparseAutoencoder
from genomic_models.contract import DNAModel, Edit, Forward, TapContext, Tokens

D_IN, TRUE, ACTIVE = 16, 24, 3


def make_sae(d_in: int = 8, d_sae: int = 40, k: int = 4, seed: int = 0) -> SparseAutoencoder:
    g = torch.Generator().manual_seed(seed)
    decoder = torch.randn(d_sae, d_in, generator=g)
    decoder /= decoder.norm(dim=1, keepdim=True)
    return SparseAutoencoder(
        W_enc=decoder.T + 0.1 * torch.randn(d_in, d_sae, generator=g),
        b_enc=0.1 * torch.randn(d_sae, generator=g),
        W_dec=decoder,
        b_dec=torch.randn(d_in, generator=g),
        threshold=torch.full((d_sae,), 0.7),
        config=SAEConfig("batch_topk", d_in, d_sae, k, True, "fake", "blocks.0", "abc"),
    )


class Planted:
    """Batches of sums of ACTIVE known directions on a bias; resumable."""

    def __init__(self, batch: int = 256, seed: int = 0) -> None:
        g = torch.Generator().manual_seed(99)
        truth = torch.randn(TRUE, D_IN, generator=g)
        self.truth = truth / truth.norm(dim=1, keepdim=True)
        self.batch, self.seed, self.at = batch, seed, 0

    def __iter__(self) -> Iterator[Tensor]:
        return self

    def __next__(self) -> Tensor:
        g = torch.Generator().manual_seed(self.seed * 100_000 + self.at)
        self.at += 1
        codes = torch.zeros(self.batch, TRUE)
        chosen = torch.rand(self.batch, TRUE, generator=g).topk(ACTIVE).indices
        codes.scatter_(1, chosen, 2 + torch.rand(self.batch, ACTIVE, generator=g))
        noise = 0.01 * torch.randn(self.batch, D_IN, generator=g)
        return codes @ self.truth + noise + 0.5

    def state_dict(self) -> dict[str, int]:
        return {"at": self.at}

    def load_state_dict(self, state: dict[str, int]) -> None:
        self.at = state["at"]


class FakeModel(DNAModel):
    """Embeds letters, mixes each with a decaying past, and reads the next letter off linearly."""

    name, weights_hash, layers, context = "fake", "abc", ("blocks.0",), 512

    def __init__(self, d: int = 6) -> None:
        g = torch.Generator().manual_seed(5)
        self.d = d
        self.embedding = torch.randn(256, d, generator=g)
        self.head = torch.randn(d, 256, generator=g)
        self.calls: list[int] = []

    @property
    def device(self) -> torch.device:
        return torch.device("cpu")

    @property
    def dtype(self) -> torch.dtype:
        return torch.float32

    def d_model(self, layer: str) -> int:
        self.resolve(layer)
        return self.d

    def tokenize(self, sequences: Sequence[str]) -> Tokens:
        size = max(map(len, sequences))
        rows = [list(s.encode()) + [0] * (size - len(s)) for s in sequences]
        return Tokens(torch.tensor(rows), torch.tensor([len(s) for s in sequences]))

    def base_tokens(self) -> Tensor | None:
        return torch.tensor(list(b"ACGT"))

    def forward(
        self,
        sequences: Sequence[str],
        taps: Sequence[str] = (),
        until: str | None = None,
        edits: Mapping[str, Edit] | None = None,
        gradients: bool = False,
        frozen: bool = False,
    ) -> Forward:
        self.calls.append(len(sequences))
        tokens = self.tokenize(sequences)
        states = [torch.zeros(len(sequences), self.d)]
        for column in tokens.ids.T:
            states.append(0.5 * states[-1] + self.embedding[column])
        hidden = torch.stack(states[1:], dim=1)
        for edit in (edits or {}).values():
            hidden = edit(hidden, TapContext("blocks.0", 0, tokens.ids))
        return Forward(tokens, None if until else hidden @ self.head, {"blocks.0": hidden})


@pytest.fixture
def model() -> FakeModel:
    return FakeModel()


@pytest.fixture
def sae() -> SparseAutoencoder:
    return make_sae()
