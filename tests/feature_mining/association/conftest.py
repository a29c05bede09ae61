"""Small random stretches for the association tests."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest

from feature_mining.association.labels import LabelStates, label_states, track_columns
from feature_mining.association.sparse import Csc, by_feature


class Stretch(NamedTuple):
    dense: np.ndarray
    features: Csc
    tracks: dict[str, pd.DataFrame]
    labels: LabelStates


def random_intervals(random, length: int, n: int, mean: int, stranded: bool = True) -> pd.DataFrame:
    start = random.integers(0, length - 1, n)
    end = np.minimum(start + random.integers(1, 2 * mean, n), length)
    strand = random.choice(["+", "-"], n) if stranded else np.full(n, ".")
    return pd.DataFrame(
        {"chrom": "c", "start": start, "end": end, "name": "x", "score": 0.0, "strand": strand}
    )


def to_features(dense: np.ndarray) -> Csc:
    rows, columns = np.nonzero(dense)
    pointer = np.concatenate([[0], np.cumsum((dense > 0).sum(axis=1))])
    return by_feature(pointer, columns, dense[rows, columns], dense.shape[1])


@pytest.fixture
def stretch() -> Stretch:
    random = np.random.default_rng(3)
    n = 3000
    tracks = {
        "gene": random_intervals(random, n, 12, 150),
        "repeat": random_intervals(random, n, 9, 40, stranded=False),
    }
    labels = label_states(tracks, 0, n, "+")
    dense = random.gamma(1.0, 1.0, (n, 7)).astype(np.float32)
    dense = np.round(dense, 1) * (random.random((n, 7)) < 0.25)
    gene = labels.table[labels.states, labels.columns.index(("gene", "same"))]
    dense[:, 0] = np.where(gene, np.round(dense[:, 0] + 0.5, 1), dense[:, 0])
    dense = dense.astype(np.float32)
    assert labels.columns == track_columns(tracks)
    return Stretch(dense, to_features(dense), tracks, labels)
