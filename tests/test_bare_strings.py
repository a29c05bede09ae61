"""One string in place of a list of sequences, at every door that takes sequences."""

from __future__ import annotations

import pytest

from feature_mining.sae.training.site_source import Site, read_sites
from feature_mining.writing.write import write
from genomic_models import tokenizer
from genomic_models.activations import read_activations, read_layers
from genomic_models.generation import generate
from genomic_models.markov import MarkovModel
from genomic_models.scoring import score, score_both_strands
from tests.genomic_models.tiny import random_model
from workbench.variants.effects import read_sequences

MODEL = random_model()
DOORS = {
    "encode": tokenizer.encode,
    "tokenize": MODEL.tokenize,
    "forward": MODEL.forward,
    "forward_chunks": lambda s: list(MODEL.forward_chunks(s, 4)),
    "score": lambda s: score(MODEL, s),
    "score_both_strands": lambda s: score_both_strands(MODEL, s),
    "generate": lambda s: generate(MODEL, s, 2),
    "write": lambda s: write(MODEL, s, 2),
    "MarkovModel.fit": lambda s: MarkovModel.fit(s, 1),
    "read_activations": lambda s: read_activations(MODEL, "blocks.1", s),
    "read_layers": lambda s: read_layers(MODEL, ["blocks.1"], s),
    "read_sites": lambda s: read_sites([Site(MODEL, "blocks.1")], s),
    "read_sequences": lambda s: read_sequences(MODEL, "blocks.1", s, 4),
}


@pytest.mark.parametrize("door", DOORS)
def test_a_bare_string_is_refused_and_a_list_of_one_is_not(door: str) -> None:
    with pytest.raises(TypeError, match="one string of 6 letters, expected a list of sequences"):
        DOORS[door]("ATGACC")
    DOORS[door](["ATGACC"])
