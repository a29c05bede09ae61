"""Substitutions of a pasted sequence against scores of the sequences written out."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from feature_mining.sae.config import SAEConfig
from feature_mining.sae.model import SparseAutoencoder, fold
from genomic_models.dna import reverse_complement
from genomic_models.scoring import score
from tests.genomic_models.tiny import random_model
from workbench.browse.pasted_sequence import mutate


@pytest.fixture(scope="module")
def study() -> SimpleNamespace:
    """As much of a study as `mutate` reads."""
    generator = torch.Generator().manual_seed(0)
    tensors = fold(
        torch.randn(32, 8, generator=generator),
        torch.zeros(8),
        torch.randn(8, 32, generator=generator),
        torch.zeros(32),
        torch.zeros(8),
        1.0,
    )
    sae = SparseAutoencoder(**tensors, config=SAEConfig("batch_topk", 32, 8, 4))
    config = SimpleNamespace(d_sae=8)
    return SimpleNamespace(model=random_model(), layer="blocks.1", batch=2, sae=sae, sae_config=config)


def test_substitutions_are_compared_base_with_base(study: SimpleNamespace) -> None:
    """Also beside and at a letter that is no base, which has no likelihood of its own."""
    sequence = "ACGTTGCAAGNCTTACGGAT"
    table = mutate(study, sequence, 8, 12, 3)
    assert len(table) == 16
    for row in table.itertuples():
        changed = sequence[: row.position] + row.letter + sequence[row.position + 1 :]
        differences = []
        for turn in (str, reverse_complement):
            a, b = (score(study.model, [turn(s)])[0].nats for s in (sequence, changed))
            differences.append(np.nansum(b - a))
        assert row.log_likelihood == pytest.approx(np.mean(differences), abs=1e-4)
    same = table[table["letter"] == table["reference"]]
    assert len(same) == 3 and (same[["log_likelihood", "feature"]] == 0).all(axis=None)
