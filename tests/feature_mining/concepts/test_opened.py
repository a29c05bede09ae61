"""The opened concept against directions set by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from feature_mining.concepts.concept import Concept
from feature_mining.concepts.opened import open_concept
from feature_mining.sae.config import SAEConfig
from feature_mining.sae.model import SparseAutoencoder


def dictionary(architecture: str = "topk", d_sae: int = 16) -> SparseAutoencoder:
    """Directions: features 0 and 1 at right angles, 2 halfway, 3 against 0, the rest along 1."""
    decoder = torch.zeros(d_sae, 2)
    decoder[:, 1] = 1
    decoder[0] = torch.tensor([1.0, 0])
    decoder[2] = torch.tensor([0.5**0.5, 0.5**0.5])
    decoder[3] = torch.tensor([-1.0, 0])
    config = SAEConfig(architecture, 2, d_sae, 2)
    return SparseAutoencoder(
        decoder.T.clone(), torch.zeros(d_sae), decoder, torch.zeros(2), torch.zeros(d_sae), config
    )


def test_directions_and_strengths_are_those_of_the_dictionary() -> None:
    concept = Concept("c", "l", {0: 1.0, 1: -2.0, 2: 0.5}, 3.0)
    found = open_concept(concept, dictionary(), np.array([4.0, 1, 2] + [1.0] * 13)).set_index("feature")
    assert list(found.index) == [1, 0, 2]
    assert found["painted"].to_dict() == {1: -6.0, 0: 3.0, 2: 1.5}
    # Written: 4 along the first axis, -2 along the second, 1 halfway.
    half = 0.5**0.5
    written = np.array([4 + half, -2 + half])
    length = np.linalg.norm(written)
    assert found["along"].to_dict() == pytest.approx(
        {0: written[0] / length, 1: written[1] / length, 2: half * written.sum() / length}
    )
    assert found["nearest"].loc[[0, 1]].to_list() == [2, 2]  # 2 is as near to both
    assert found["cosine"].to_list() == pytest.approx([half, half, half])
    assert "level" not in found


def test_a_single_feature_has_no_other() -> None:
    (row,) = open_concept(Concept("c", "l", {3: 1.0}, 1.0), dictionary(), np.ones(16)).to_dict("records")
    assert row["along"] == pytest.approx(1) and row["nearest"] == -1 and np.isnan(row["cosine"])


def test_levels_are_the_prefixes_of_a_matryoshka_autoencoder() -> None:
    concept = Concept("c", "l", {0: 6.0, 1: 5.0, 2: 4.0, 4: 3.0, 8: 2.0, 15: 1.0}, 1.0)
    found = open_concept(concept, dictionary("matryoshka"), np.ones(16))
    # Prefixes of 1, 2, 4, 8 and 16 features.
    assert found["level"].to_list() == [1, 2, 3, 4, 5, 5]
