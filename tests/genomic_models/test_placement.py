"""Blocks on several devices. Only the CPU is here: the moves are counted, not timed; no GPU was used."""

from __future__ import annotations

import pytest
import torch

from genomic_models import load
from genomic_models.contract import ModelError
from genomic_models.striped_hyena.placement import divide, place
from tests.genomic_models.tiny import random_model


def test_blocks_are_divided_in_order_and_evenly():
    assert divide([1, 1, 1, 1], 2) == [0, 0, 1, 1]
    assert divide([4, 1, 1, 1, 1], 2) == [0, 1, 1, 1, 1]
    assert divide([1] * 7, 3) == [0, 0, 1, 1, 1, 2, 2]
    assert divide([5, 5], 1) == [0, 0]


def test_parameters_go_where_their_block_is():
    meta = torch.device("meta")
    network = place(random_model(pattern="SDH*").network, torch.bfloat16, [torch.device("cpu"), meta])
    where = {n: p.device.type for n, p in network.named_parameters()}
    assert where["embedding_layer.weight"] == where["norm.scale"] == "cpu"
    assert {d for n, d in where.items() if n.startswith("blocks.0.")} == {"cpu"}
    assert {d for n, d in where.items() if n.startswith("blocks.3.")} == {"meta"}
    assert [p.type for p in network.places] == sorted([p.type for p in network.places])
    assert {p.dtype for n, p in network.named_parameters() if n.endswith("poles")} == {torch.float32}


def test_the_residual_stream_follows_the_blocks():
    """A pass into a block on another device ends there: the meta device computes shapes, not values."""
    model = random_model(pattern="SDH*")
    place(model.network, torch.float32, [torch.device("cpu"), torch.device("meta")])
    taps = model.forward(["ACGTACGTAC"], taps=["blocks.0", "blocks.3"], until="blocks.3").taps
    assert taps["blocks.0"].device.type == "cpu"
    assert taps["blocks.3"].device.type == "meta"
    assert taps["blocks.3"].shape == (1, 10, 32)


def test_two_places_give_the_values_of_one():
    text = ["ACGTTGCA" * 20]
    one = load("mini").forward(text).logits
    two = load("mini", device="cpu,cpu").forward(text).logits
    torch.testing.assert_close(one, two, rtol=0, atol=0)


def test_a_device_that_is_not_there_is_named():
    with pytest.raises(ModelError, match="device 'warp': expected cpu, cuda"):
        load("mini", device="cpu,warp")
