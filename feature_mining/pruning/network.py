"""A network without some of its parts: the weights that are left, in matrices that are smaller."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from feature_mining.pruning.parts import Parts
from genomic_models.striped_hyena.network import StripedHyena


def cut_network(network: StripedHyena, parts: Parts, kept: np.ndarray) -> StripedHyena:
    """A new network of the parts that are ``kept``, bool ``(parts,)``; the old one is not changed.

    It gives what the old one gives with what the other parts write set to zero.
    """
    kept = parts.settle(kept)
    config = parts.configuration(kept)
    state = network.state_dict()
    with torch.device("meta"):
        small = StripedHyena(config)
    left = {}
    for name, wanted in small.state_dict().items():
        tensor = state[name]
        if name.startswith("blocks."):
            block = int(name.split(".")[1])
            for axis, rows in _rows(parts, kept, block, name).items():
                tensor = tensor.index_select(axis, torch.from_numpy(rows).to(tensor.device))
        assert tensor.shape == wanted.shape
        left[name] = tensor.clone()
    small.load_state_dict(left, assign=True)
    small.places = None if network.places is None else list(network.places)
    return small.eval().requires_grad_(False)


def _rows(parts: Parts, kept: np.ndarray, block: int, name: str) -> dict[int, np.ndarray]:
    """By axis of a tensor of a block, which of its rows are left."""
    config = parts.config
    inner = np.flatnonzero(kept[parts.inners[block]])
    units = np.flatnonzero(kept[parts.mixers[block]])
    wide = config.width // config.whole_mixer(block)
    channels = _spread(units, wide)
    leaf = name.split(".", 2)[2]
    rows: dict[str, dict[int, np.ndarray]] = {
        "mlp.l1.weight": {0: inner},
        "mlp.l2.weight": {0: inner},
        "mlp.l3.weight": {1: inner},
        # Three rows a channel, one after another; of attention q, k and v of a head.
        "projections.weight": {0: _spread(channels, 3)},
        "inner_mha_cls.Wqkv.weight": {0: _spread(units, 3 * wide)},
        "out_filter_dense.weight": {1: channels},
        "inner_mha_cls.out_proj.weight": {1: channels},
        "filter.short_filter_weight": {0: _spread(channels, 3)},
        "filter.h": {0: units},
        "filter.D": {0: channels},
        "filter.log_poles": {0: channels},
        "filter.residues": {0: channels},
    }
    return rows.get(leaf, {})


def _spread(units: np.ndarray, each: int) -> np.ndarray:
    """Rows of units that have ``each`` neighbouring rows."""
    rows: np.ndarray = (units[:, None] * each + np.arange(each)).ravel()
    return rows


def parameter_norms(network: StripedHyena, parts: Parts) -> np.ndarray:
    """Root mean square of the weights that go with every part, float64 ``(parts,)``: its magnitude."""
    total, count = np.zeros(parts.count), np.zeros(parts.count)
    everything = parts.everything()
    places = {block: place for place, block in enumerate(parts.present)}
    for name, tensor in network.state_dict().items():
        if not name.startswith("blocks.") or name.endswith("inv_freq"):
            continue
        block = int(name.split(".")[1])
        squares = tensor.detach().double().cpu().square()
        total[places[block]] += float(squares.sum())
        count[places[block]] += tensor.numel()
        run = parts.inners[block] if ".mlp." in name else parts.mixers[block]
        for axis in _rows(parts, everything, block, name):
            own = _sums(squares, axis, run.stop - run.start)
            total[run] += own
            count[run] += tensor.numel() / len(own)
    rms: np.ndarray = np.sqrt(total / count)
    return rms


def _sums(squares: Tensor, axis: int, units: int) -> np.ndarray:
    sums: np.ndarray = squares.movedim(axis, 0).reshape(units, -1).sum(1).numpy()
    return sums
