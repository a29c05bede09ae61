"""Absorption planted and not: a parent feature with a hole where the child's feature fires."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from feature_mining.sae.config import SAEConfig
from feature_mining.sae.measures.absorption import Absorption, main_features, measure_absorption, nested
from feature_mining.sae.model import SparseAutoencoder

D = 4
PARENT, CHILD, OTHER = np.eye(D)[:3]


def activations(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Bases of a parent (a third), of a child within it (a third of those), and noise."""
    rng = np.random.default_rng(seed)
    parent = rng.random(n) < 1 / 3
    child = parent & (rng.random(n) < 1 / 3)
    x = 2 * np.outer(parent, PARENT) + 2 * np.outer(child, CHILD)
    return (x + 0.02 * rng.standard_normal((n, D))).astype(np.float32), parent, child


def autoencoder(absorbing: bool) -> SparseAutoencoder:
    """Feature 0 marks the parent, 1 the child, 2 nothing here.

    The absorbing one: feature 0 is switched off by the child, whose feature writes both directions.
    """
    both = (PARENT + CHILD) / math.sqrt(2)
    encoder = [PARENT - 5 * CHILD if absorbing else PARENT, CHILD, OTHER]
    scale = [1.0, math.sqrt(2) if absorbing else 1.0, 1.0]
    decoder = np.array([PARENT, both if absorbing else CHILD, OTHER])
    return SparseAutoencoder(
        torch.tensor(np.array([s * e for s, e in zip(scale, encoder, strict=True)]).T).float(),
        torch.zeros(3),
        torch.tensor(decoder).float(),
        torch.zeros(D),
        torch.full((3,), 0.5),
        SAEConfig("planted", D, 3, 1, False),
    )


def measured(absorbing: bool, main: list[int] | None = None) -> Absorption:
    x, parent, child = activations(6000)
    sae = autoencoder(absorbing)
    features = sae.encode_sparse(x[parent])
    projection = (x - x.mean(axis=0))[parent] @ PARENT
    called = projection > 0.5
    return measure_absorption(
        projection, called, child[parent], features, sae.W_dec.numpy(), 3 * PARENT, np.array(main or [0])
    )


def test_a_planted_absorber_is_found_with_its_rate() -> None:
    found = measured(absorbing=True)
    assert found.child_bases + found.rest_bases > 1800
    assert (found.silent_child, found.absorbed_child) == (1.0, 1.0)
    assert (found.silent_rest, found.absorbed_rest) == (0.0, 0.0)
    assert (found.absorber, found.absorber_share) == (1, 1.0)


def test_an_honest_dictionary_absorbs_nothing() -> None:
    found = measured(absorbing=False)
    assert (found.silent_child, found.silent_rest, found.absorbed_child) == (0.0, 0.0, 0.0)
    assert found.absorber == -1 and math.isnan(found.absorber_share)


def test_silence_without_a_carrier_is_not_absorption() -> None:
    # The main feature never fires; the child's feature does, yet writes nothing along the parent.
    found = measured(absorbing=False, main=[2])
    assert found.silent_child == found.silent_rest == 1.0
    # The parent's own feature, not counted as main here, is what carries it.
    assert found.absorber == 0
    x, parent, child = activations(6000)
    sae = autoencoder(absorbing=False)
    features = sae.encode_sparse(x[parent])
    features = features._replace(values=np.where(features.indices == 0, 1e-6, features.values))
    found = measure_absorption(
        x[parent] @ PARENT, parent[parent], child[parent], features,
        sae.W_dec.numpy(), PARENT, np.array([2]),
    )  # fmt: skip
    assert found.absorbed_child == found.absorbed_rest == 0.0


def test_pairs_are_those_of_containment() -> None:
    n = 1000
    labels = np.zeros((n, 4), bool)
    labels[:500, 0] = True  # gene
    labels[:480, 1] = True  # coding sequence: nearly all of the gene
    labels[100:200, 2] = True  # a part of both
    labels[600:640, 3] = True  # elsewhere, and too few
    ones = np.ones(n)
    assert nested(labels, ones) == [(0, 2), (1, 2)]
    assert nested(labels, ones, fewest=101) == []
    assert nested(labels[:, [1, 0]], ones) == []
    # Weights count: the child's bases outside the parent stand for many.
    labels[700:720, 2] = True
    assert nested(labels, ones) == []
    assert nested(labels, np.where(np.arange(n) >= 600, 0.1, 1)) == [(0, 2), (1, 2)]


@pytest.mark.parametrize(
    ("f1", "expected"),
    [
        ([0.5, 0.51, 0.52], [7]),
        ([0.5, 0.56, 0.57], [7, 3]),
        ([0.5, 0.51, 0.6], [7, 3, 9]),
        ([0.0, 0.0, 0.0], [7]),
        ([0.5], [7]),
    ],
)
def test_main_features_end_at_the_last_gain(f1: list[float], expected: list[int]) -> None:
    assert main_features([7, 3, 9], f1).tolist() == expected
