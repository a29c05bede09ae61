"""Tokens laid on bases, against loops over bases."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.integrate import trapezoid
from torch.nn.functional import kl_div

from genomic_models.bases import columns_of_bases, divergence, shares_of_columns, spread
from genomic_models.contract import Forward, Outputs, Tokens
from genomic_models.errors import ModelError
from tests.feature_mining.sae.conftest import FakeModel


def by_hand(values: torch.Tensor, spans: list[tuple[int, int]], length: int) -> torch.Tensor:
    rows = []
    for base in range(length):
        over = [values[i] for i, (start, end) in enumerate(spans) if start <= base < end]
        rows.append(torch.stack(over).mean(0))
    return torch.stack(rows)


@pytest.mark.parametrize(
    "spans",
    [
        [(0, 0), (0, 6), (6, 12), (12, 13), (13, 14), (0, 0)],  # 6-mers, then letters, between special tokens
        [(0, 3), (3, 4), (4, 11), (11, 14)],  # BPE
        [(i, i + 3) for i in range(12)],  # words that overlap
        [(6, 14), (0, 6)],  # in another order
    ],
)
def test_every_base_has_what_covers_it(spans: list[tuple[int, int]]) -> None:
    values = torch.randn(len(spans), 5, generator=torch.Generator().manual_seed(0))
    found = spread(values, torch.tensor(spans), 14)
    torch.testing.assert_close(found, by_hand(values, spans, 14))


@pytest.mark.parametrize(
    ("spans", "message"),
    [
        ([(0, 6), (7, 14)], "base 6 of 14 is in no token"),
        ([(0, 6), (6, 12)], "base 12 of 14 is in no token"),
        ([(0, 14), (14, 15)], "or a token lies past the end"),
    ],
)
def test_nothing_is_shifted_into_a_gap(spans: list[tuple[int, int]], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        spread(torch.zeros(2, 3), torch.tensor(spans), 14)


@pytest.mark.parametrize(
    ("causal", "expected", "sizes"),
    [
        (False, [[1, 1, 1, 2, 2, 2], [1, 1, 2, -1, -1, -1]], [[1, 3, 3, 1], [1, 2, 1, 1]]),
        (True, [[0, 0, 0, 1, 1, 1], [0, 0, 1, -1, -1, -1]], [[3, 3, 1, 1], [2, 1, 1, 1]]),
    ],
)
def test_what_is_said_of_a_base(causal: bool, expected: list, sizes: list) -> None:
    """By the token itself where both sides are seen, by the one before it where the next is predicted."""
    model = FakeModel()
    model.causal = causal
    spans = torch.tensor(
        [[[0, 0], [0, 3], [3, 6], [0, 0]], [[0, 0], [0, 2], [2, 3], [0, 0]]]  # begin, words, end or padding
    )
    tokens = Tokens(torch.zeros(2, 4, dtype=torch.int64), torch.tensor([4, 4]), spans)
    forward = Forward(tokens, torch.zeros(2, 4, 9))
    assert columns_of_bases(model, forward).tolist() == expected
    assert shares_of_columns(model, forward).tolist() == sizes


def test_divergence_of_tracks_and_of_tokens() -> None:
    model = FakeModel()
    a, b = torch.randn(2, 1, 3, 4, generator=torch.Generator().manual_seed(0)).log_softmax(-1)
    found = divergence(model, a, b)[0]
    expected = kl_div(b[0], a[0], log_target=True, reduction="none").sum(-1) / math.log(2)
    torch.testing.assert_close(found, expected.double())
    a[0, 0, 1] = b[0, 0, 1] = -torch.inf
    assert torch.isfinite(divergence(model, a, b)).all()
    model.outputs = Outputs("tracks", tuple("abcd"))
    a, b = torch.randn(2, 1, 3, 4)
    # Of two normal distributions of variance 1, by quadrature.
    x = np.linspace(-12, 12, 20_001)
    normal = [np.exp(-((x - float(m[0, 1, 2])) ** 2) / 2) / np.sqrt(2 * np.pi) for m in (a, b)]
    one = trapezoid(normal[0] * np.log2(normal[0] / normal[1]), x)
    alone = [torch.where(torch.arange(4) == 2, m, 0.0) for m in (a, b)]
    assert float(divergence(model, *alone)[0, 1]) == pytest.approx(one, rel=1e-3)
