"""Cut networks against the whole one with parts set to zero; worth against brute force; orders by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from feature_mining.pruning.effect import Reading, costs, costs_without, gating, gradients
from feature_mining.pruning.network import cut_network, parameter_norms
from feature_mining.pruning.order import Removal, by_worth, without_blocks
from feature_mining.pruning.parts import KINDS, Parts
from feature_mining.pruning.worth import Task, passes, plan
from genomic_models import ModelError, ModuleModel, Outputs
from genomic_models.released import parameter_count
from genomic_models.scoring import score
from genomic_models.striped_hyena.config import StripedHyenaConfig
from genomic_models.striped_hyena.model import StripedHyenaModel, own_network
from genomic_models.striped_hyena.network import StripedHyena, initialise

CONFIG = StripedHyenaConfig("evo2", "SDH*SH", 16, 4, 12, groups=8, medium_groups=4, state=4, context=256)
TEXT = "ACGTTGCAACGTAGGCTTAACGATCGATTGCAGGCATACCGATTAGACAGGTTA" * 2


@pytest.fixture
def model() -> StripedHyenaModel:
    network = initialise(StripedHyena(CONFIG), 3).double()
    with torch.no_grad():  # fresh output layers write next to nothing
        for name, p in network.named_parameters():
            if name.endswith((".l3.weight", "out_proj.weight", "out_filter_dense.weight")):
                p.mul_(20)
            elif name.endswith(".bias"):
                p.normal_(0, 0.1)
    return StripedHyenaModel(network, "known")


PARTS = Parts(CONFIG)


def numbers(kind: str, block: int) -> np.ndarray:
    return np.flatnonzero((PARTS.kind == KINDS.index(kind)) & (PARTS.block == block))


def some_kept(blocks: tuple[int, ...] = ()) -> np.ndarray:
    """A third of the parts of every block gone, and whole blocks."""
    kept = PARTS.everything()
    rng = np.random.default_rng(1)
    for runs in (PARTS.mixers, PARTS.inners):
        for run in runs.values():
            size = run.stop - run.start
            kept[run.start + rng.permutation(size)[: size // 3 or 1]] = False
    for block in blocks:
        kept[PARTS.present.index(block)] = False
    return kept


def zeroed(model: StripedHyenaModel, kept: np.ndarray) -> StripedHyenaModel:
    """The whole network with the rows that feed the other parts at zero, written tensor by tensor."""
    network = StripedHyena(CONFIG).double()
    network.load_state_dict(model.network.state_dict())
    with torch.no_grad():
        for place, i in enumerate(PARTS.present):
            block = network.blocks[i]
            out = block.inner_mha_cls.out_proj if CONFIG.pattern[i] == "*" else block.out_filter_dense
            if not kept[place]:
                for each in (out.weight, out.bias, block.mlp.l3.weight):
                    each.zero_()
                continue
            block.mlp.l3.weight[:, ~torch.from_numpy(kept[PARTS.inners[i]])] = 0
            wide = {"S": 2, "D": 4, "H": 1, "*": 4}[CONFIG.pattern[i]]
            for unit in np.flatnonzero(~kept[PARTS.mixers[i]]):
                out.weight[:, unit * wide : (unit + 1) * wide] = 0
    return StripedHyenaModel(network, "zeroed")


@pytest.mark.parametrize("gone", [(), (0,), (1, 3), (2, 4, 5)])
def test_a_cut_network_is_the_whole_one_with_parts_at_zero(model, gone):
    kept = some_kept(gone)
    small = cut_network(model.network, PARTS, kept)
    cut = StripedHyenaModel(small, "cut")
    expected = zeroed(model, kept).forward([TEXT], taps=["blocks.3"])
    found = cut.forward([TEXT], taps=["blocks.3"])
    assert torch.allclose(found.logits, expected.logits, rtol=0, atol=1e-10)
    assert torch.allclose(found.taps["blocks.3"], expected.taps["blocks.3"], rtol=0, atol=1e-10)
    assert not torch.allclose(found.logits, model.forward([TEXT]).logits, atol=1e-3)
    held = sum(p.numel() for name, p in small.named_parameters())
    assert held == parameter_count(small.config) == PARTS.parameters(kept) < parameter_count(CONFIG)
    assert small.config.pattern == "".join("-" if i in gone else c for i, c in enumerate(CONFIG.pattern))
    # Base after base, from the state that was left, as in one piece.
    state, pieces = None, []
    ids = cut.tokenize([TEXT]).ids
    for piece in ids.split(37, dim=1):
        part, state = cut.read(piece, state)
        pieces.append(part.logits)
    assert torch.allclose(torch.cat(pieces, 1), found.logits, rtol=0, atol=1e-5)


def test_a_cut_network_is_cut_again(model):
    once = cut_network(model.network, PARTS, some_kept((1,)))
    parts = Parts(once.config)
    kept = parts.everything()
    kept[parts.inners[0].start] = kept[parts.mixers[3].start] = kept[parts.present.index(2)] = False
    twice = StripedHyenaModel(cut_network(once, parts, kept), "twice")
    gates = torch.from_numpy(kept.astype(np.float64))[None]
    expected = StripedHyenaModel(once, "once").forward([TEXT], edits=gating(parts, gates)).logits
    assert torch.allclose(twice.forward([TEXT]).logits, expected, rtol=0, atol=1e-10)
    assert twice.network.config.pattern == "S--*SH"


def test_configurations_travel_as_json_and_misfits_are_refused():
    small = PARTS.configuration(some_kept((1,)))
    assert StripedHyenaConfig.from_dict(small.to_dict()) == small
    assert "mixers" not in CONFIG.to_dict() and isinstance(small.to_dict()["mixers"], list)
    with pytest.raises(ValueError, match=r"mixers \[1\]: expected a number for every block"):
        replace(CONFIG, mixers=(1,))
    with pytest.raises(ValueError, match=r"inners .* from 1 to"):
        replace(CONFIG, inners=(13,) * 6)
    with pytest.raises(ValueError, match="only a network of evo2 can be cut"):
        StripedHyenaConfig("evo1", "HH", 16, 2, 8, groups=16, mixers=(4, 4))


def readings() -> list[Reading]:
    rng = np.random.default_rng(5)
    out = []
    for length in (90, 90, 70):
        use = rng.random((2, length)) < 0.4
        use[1] &= ~use[0]
        out.append(Reading("".join(rng.choice(list("ACGT"), length)), use))
    return out


def test_costs_are_those_of_the_scores(model):
    found = costs(model, readings(), 2)
    for reading, bits, letters in zip(readings(), found.bits, found.letters, strict=True):
        own = score(model, [reading.sequence])[0].bits
        for c in (0, 1):
            use = reading.use[c].copy()
            use[0] = False
            assert letters[c] == use.sum() and bits[c] == pytest.approx(own[use].sum(), rel=1e-5)
    assert found.a_base == pytest.approx(found.bits.sum(0) / found.letters.sum(0))


def test_gradients_are_finite_differences(model):
    texts = readings()
    found = gradients(model, PARTS, PARTS.everything(), texts, [0], 2).sum(axis=0)
    step = 1e-4
    tried = [0, 3, *numbers("head", 3)[:2], *numbers("filter", 0)[:2], *numbers("filter", 1)[:2]]
    tried += [*numbers("filter", 2)[:2], *numbers("channel", 0)[:2], *numbers("channel", 5)[:2]]
    for part in tried:
        sides = []
        for sign in (1, -1):
            gates = torch.ones(1, PARTS.count, dtype=torch.float64)
            gates[0, part] += sign * step
            sides.append(costs(model, texts, 3, gating(PARTS, gates)).a_base[0])
        assert found[part] == pytest.approx((sides[0] - sides[1]) / (2 * step), rel=1e-4, abs=1e-7)
    assert np.abs(found[tried]).max() > 1e-3


@pytest.mark.parametrize("kind, block", [("block", 2), ("head", 3), ("filter", 1), ("channel", 4)])
def test_ablation_is_what_a_network_without_the_part_costs(model, kind, block):
    part = int(numbers(kind, block)[0])
    kept = PARTS.everything()
    kept[part] = False
    small = StripedHyenaModel(cut_network(model.network, PARTS, kept), "small")
    expected = costs(small, readings(), 3).a_base
    assert costs_without(model, PARTS, kept, readings(), 3).a_base == pytest.approx(expected, abs=1e-7)
    assert expected != pytest.approx(costs(model, readings(), 3).a_base, abs=1e-5)


def test_sizes_add_up_to_the_network():
    for i, place in zip(PARTS.present, range(len(PARTS.present)), strict=True):
        kept = PARTS.everything()
        kept[place] = False
        assert PARTS.size[place] == parameter_count(CONFIG) - PARTS.parameters(kept)
        for run in (PARTS.mixers[i], PARTS.inners[i]):
            kept = PARTS.everything()
            kept[run.start] = False
            assert PARTS.size[run.start] == parameter_count(CONFIG) - PARTS.parameters(kept)


def test_parts_go_lowest_first_and_what_must_stay_stays():
    rng = np.random.default_rng(2)
    rank = without_blocks(PARTS, rng.random(PARTS.count))
    whole = parameter_count(CONFIG)
    removal = Removal(PARTS)
    most = whole * 3 // 4
    removal.take(rank, most)
    assert removal.parameters[-1] <= most < removal.parameters[-2]
    gone = rank[removal.order]
    assert (np.diff(gone) > 0).all() and np.isfinite(gone).all()
    for count in (0, 1, len(removal.order) // 2, len(removal.order)):
        assert PARTS.parameters(removal.after(count)) == removal.parameters[count]
    assert removal.steps_to(whole) == 0
    middle = removal.parameters[7]
    assert removal.steps_to(middle) == 7
    # Nothing is left to take: one filter or head, and one channel, of every block.
    removal.take(rank, 0)
    small = PARTS.configuration(removal.kept)
    assert set(small.mixers) == set(small.inners) == {1}
    with_blocks = Removal(PARTS)
    with_blocks.take(rng.random(PARTS.count), 0)
    assert sum(letter != "-" for letter in PARTS.configuration(with_blocks.kept).pattern) == 1
    assert PARTS.parameters(with_blocks.kept) == with_blocks.parameters[-1]


def test_a_block_goes_with_its_parts():
    worth = np.ones(PARTS.count)
    worth[PARTS.present.index(2)] = 1e-6
    removal = Removal(PARTS)
    removal.take(by_worth(PARTS, worth), parameter_count(CONFIG) - 1)
    assert removal.order == [2] and not removal.kept[PARTS.block == 2].any()
    assert removal.kept[PARTS.block != 2].all()


def test_magnitudes_are_those_of_the_weights(model):
    found = parameter_norms(model.network, PARTS)
    state = model.network.state_dict()
    head = numbers("head", 3)[1]
    own = torch.cat(
        [
            state["blocks.3.inner_mha_cls.Wqkv.weight"][12:24].flatten(),
            state["blocks.3.inner_mha_cls.out_proj.weight"][:, 4:8].flatten(),
        ]
    )
    assert found[head] == pytest.approx(float(own.square().mean().sqrt()))
    channel = numbers("channel", 1)[5]
    rows = [state[f"blocks.1.mlp.{name}.weight"] for name in ("l1", "l2", "l3")]
    own = torch.cat([rows[0][5], rows[1][5], rows[2][:, 5]])
    assert found[channel] == pytest.approx(float(own.square().mean().sqrt()))


def test_other_models_are_refused():
    older = StripedHyenaConfig("evo1", "H*", 16, 2, 32, groups=16, state=4, context=64)
    for config, reason in ((older, "Evo 1's kind"), (replace(CONFIG, fp8_projections=True), "FP8")):
        with pytest.raises(ModelError, match=f"old .*{reason}.* cannot be pruned: expected mini"):
            own_network(StripedHyenaModel(initialise(StripedHyena(config), 0), "old"), "pruned")

    def build():
        return torch.nn.Sequential(torch.nn.Conv1d(4, 2, 1))

    classes = ModuleModel(build, build().state_dict(), ["0"], Outputs("classes", ("a", "b")), causal=True)
    with pytest.raises(ModelError, match="cannot be pruned: expected mini or a folder"):
        own_network(classes, "pruned")


def test_plan_is_brute_force_with_fresh_worth_at_every_size(model):
    """Gradients and single removals again, by networks that are cut; orders from sorted ratios."""
    task = Task(readings(), [0], 2, exact=2)
    removal, first = plan(model, PARTS, [0.9, 0.7], task)
    whole = parameter_count(CONFIG)
    assert removal.parameters[-1] <= 0.7 * whole < removal.parameters[-2]

    def bits(kept):
        small = StripedHyenaModel(cut_network(model.network, PARTS, kept), "small")
        return costs(small, readings(), 3).a_base[0]

    tried = np.flatnonzero(~np.isnan(first.exact))
    assert {KINDS[k]: int((PARTS.kind[tried] == k).sum()) for k in range(4)} == {
        "block": 6, "head": 4, "filter": 4, "channel": 4,
    }  # fmt: skip
    for part in tried:
        kept = PARTS.everything()
        kept[part] = False
        assert first.exact[part] == pytest.approx(bits(kept) - bits(PARTS.everything()), abs=1e-6)
    for kind in (1, 2, 3):
        own = np.flatnonzero(PARTS.kind == kind)
        assert first.guess[own].argmax() in np.searchsorted(own, tried[PARTS.kind[tried] == kind])
    # The second round: worth of what was left, by hand, and the next part is the least of it a parameter.
    half = removal.after(removal.steps_to(int(0.9 * whole)))
    second = np.abs(gradients(model, PARTS, half, readings(), [0], 3)).sum(axis=0)
    for place in range(len(PARTS.present)):
        kept = half.copy()
        kept[place] = False
        second[place] = bits(kept) - bits(half)
    ratio = np.where(half, second / np.maximum(PARTS.size, 1), np.inf)
    following = removal.order[removal.steps_to(int(0.9 * whole))]
    assert ratio[following] == pytest.approx(ratio.min(), abs=1e-12)
    assert passes(PARTS, 2, 2) == 2 * (4 + 6) + 3 * 4
