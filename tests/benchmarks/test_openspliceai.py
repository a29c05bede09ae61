"""The network of the benchmark against another implementation, on the weights of its authors."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.openspliceai import Intron, donor_of, load_network, rank_donors, read_introns
from genomic_models import DNAModel
from genomic_models.registry import with_random_weights
from tests.workbench.judges.splice_sites import SpliceSites
from workbench.genome.reference import Genome

NETWORK = "honeybee_400nt_rs10"


@pytest.fixture(scope="module")
def weights(shared: Path) -> Path:
    path = shared / "data/models/openspliceai" / f"openspliceai_{NETWORK}.pt"
    if not path.is_file():
        pytest.skip("no ../shared/data/models/openspliceai beside the checkout")
    return path


@pytest.fixture(scope="module")
def model(weights: Path, tmp_path_factory: pytest.TempPathFactory) -> DNAModel:
    return load_network(tmp_path_factory.mktemp("network"), NETWORK)


def test_equals_another_implementation(model: DNAModel, weights: Path) -> None:
    other = SpliceSites.load(weights)
    draws = np.random.default_rng(0)
    sequences = [
        "".join(draws.choice(list("ACGTN"), size, p=[0.3, 0.2, 0.2, 0.29, 0.01])) for size in (900, 40)
    ]
    found = model.forward(sequences).logits
    for row, sequence in enumerate(sequences):
        np.testing.assert_allclose(found[row, : len(sequence)].exp(), other.read(sequence), atol=1e-6)


def test_donors_of_yeast_are_found(model: DNAModel, shared: Path, tmp_path: Path) -> None:
    """Far more often first than by fresh weights; a donor is the exon's last base on either strand."""
    assert [donor_of(Intron("c", 10, 90, strand)) for strand in "+-"] == [9, 90]
    genome = Genome(shared / "data/yeast/sacCer3.fa.gz", cache=tmp_path)
    introns = read_introns(genome)
    assert len(introns) == 281
    assert Intron("chrI", 87387, 87500, "+") in introns  # of YAL003W, as SGD has it
    ranks = rank_donors(model, genome, introns, 24)
    fresh = rank_donors(with_random_weights(model, 0), genome, introns, 24)
    assert (ranks == 0).mean() > 0.25 and (fresh == 0).mean() < 0.2
    assert ranks.mean() < 0.1 < fresh.mean(), json.dumps([*ranks, *fresh])
