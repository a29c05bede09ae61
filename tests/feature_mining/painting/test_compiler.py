"""Edits compiled into bases: the known minimal change, brute force, and what whole passes say."""

from __future__ import annotations

from itertools import combinations, product

import numpy as np
import pytest
import torch

from feature_mining.edits.apply import Applied, Dictionary
from feature_mining.edits.edit import Steer
from feature_mining.edits.passes import run
from feature_mining.edits.places import Where
from feature_mining.edits.plan import EditPlan
from feature_mining.painting.compiler import Locus, compile_plan
from feature_mining.painting.rivals import change_at_random, change_by_likelihood, change_greedily
from genomic_models.contract import ModelError
from tests.feature_mining.edits import tiny
from tests.feature_mining.painting.constructed import LAYER, Constructed, dictionary

NONE = EditPlan()
SEQUENCE = "CCACCGCACCCAC"
# A is intended at base 9, the last that may change: GT there does as much.
PLAN = EditPlan((Steer(LAYER, 0, 1.0, where=Where(((9, 10),))),))


def locus(start: int = 4, plan: EditPlan = PLAN) -> Locus:
    return Locus(Constructed(), SEQUENCE, start, 10, 3, plan, {LAYER: dictionary()})


def test_the_known_minimal_change_is_found() -> None:
    found = compile_plan(locus(), 4)
    # Base 8 becomes G, base 9 T, and no third adds anything.
    assert found.fewest == 2 and found.changes == ((8, 2), (9, 3))
    assert found.recovered[2] == pytest.approx(1, abs=1e-4)
    assert found.steps[0] == () and found.recovered[0] == 0
    assert [len(changes) for changes in found.steps] == [0, 1, 2, 3, 4]


def test_no_other_change_does_more() -> None:
    own = locus()
    sets = [tuple(sorted(each)) for each in combinations(own.substitutions(), 2) if each[0][0] != each[1][0]]
    sets += [(each,) for each in own.substitutions()]
    shares = own.recovered(sets)
    best = {size: max(s for s, c in zip(shares, sets, strict=True) if len(c) == size) for size in (1, 2)}
    found = compile_plan(own, 2)
    assert found.recovered[1] == pytest.approx(best[1]) and found.recovered[2] == pytest.approx(best[2])

    # Brute force, with the network written out: the divergence of the first prediction alone.
    def chances(read: str, intended: float = 0.0) -> np.ndarray:
        logits = np.array([8 * (0.5 * (read[0] == "G") + 0.5 * (read[1] == "T") + intended), 5.0, 0, 0])
        return np.exp(logits) / np.exp(logits).sum()

    wanted = chances("CC", 1.0)
    apart = {
        a + b: float((wanted * np.log(wanted / chances(a + b))).sum()) for a, b in product("ACGT", repeat=2)
    }
    assert own.effect == pytest.approx(apart["CC"] / 3, rel=1e-3)
    assert best[1] == pytest.approx(1 - min(apart["GC"], apart["CT"]) / apart["CC"], rel=1e-3)


def test_rivals() -> None:
    own = locus()
    steps, shares = change_greedily(own, 2)
    assert steps[2] == ((8, 2), (9, 3)) and shares[2] == pytest.approx(1, abs=1e-4)
    # Likeliest is C throughout, which the plan does not ask for.
    steps, shares = change_by_likelihood(own, 2)
    assert own.text(steps[2])[4:10] == "CCCCCC" and shares[2] == pytest.approx(0, abs=1e-4)
    random = change_at_random(own, 3, 30, 0)
    assert random[0] == 0 and (random[1:] < 0.7).all()
    assert (change_at_random(own, 3, 30, 0) == random).all()
    # Every substitution of nine bases, and of the eight that are left.
    tried = locus(1)
    change_greedily(tried, 2)
    assert tried.bases_read == (27 + 24) * (len(SEQUENCE) - 1)


def test_shares_are_those_of_whole_passes() -> None:
    model = tiny.tiny_model()
    at = {tiny.LAYER: Dictionary(tiny.autoencoder(), (tiny.LAYER,), (tiny.LAYER,), tiny.UNIT)}
    sequence = "ACGTTGCAAGCTTACGGATCTTGACA"
    plan = EditPlan((Steer(tiny.LAYER, 3, 2.0, where=Where(((10, 14),))),))
    own = Locus(model, sequence, 8, 14, 6, plan, at, together=3)
    sets = [(), ((8, 0),), ((9, 3), (13, 2)), ((12, 1),)]

    def logs(text: str, plan: EditPlan = NONE) -> torch.Tensor:
        forward = run(model, [text], Applied([plan], at))
        return forward.logits[0, 13:19].log_softmax(-1)

    wanted = logs(sequence, plan)
    apart = [
        float((wanted.exp() * (wanted - logs(own.text(changes)[:20]))).sum(-1).mean()) for changes in sets
    ]
    np.testing.assert_allclose(own.divergence(sets), apart, rtol=2e-2, atol=1e-7)
    assert own.effect == pytest.approx(apart[0], rel=1e-2)
    np.testing.assert_allclose(own.recovered(sets), 1 - np.array(apart) / apart[0], rtol=0.05, atol=1e-3)
    likely = [
        sum(float(model.forward([own.text(c)[:20]]).logits[0, i - 1].log_softmax(-1)[ord(own.text(c)[i])])
            for i in range(8, 20))
        for c in sets
    ]  # fmt: skip
    np.testing.assert_allclose(own.likelihood(sets), likely, rtol=1e-3)
    # The slope by letters, against a mixture of two letters.
    slope = own.gradient([()])[0]
    four = model.network.embedding_layer.weight[[65, 67, 71, 84]]

    def mixed(share: float) -> float:
        def edit(x, context):
            out = x.clone()
            out[:, 12] += share * (four[1] - four[0])
            return out

        found = (
            model.forward([sequence[:20]], edits={"embedding_layer": edit}).logits[0, 13:19].log_softmax(-1)
        )
        return float((wanted.exp() * (wanted - found)).sum(-1).mean())

    by_hand = (mixed(0.02) - mixed(-0.02)) / 0.04
    assert slope[4, 1] - slope[4, 0] == pytest.approx(by_hand, rel=0.1, abs=1e-6)


def test_what_cannot_be_compiled_is_refused() -> None:
    with pytest.raises(ValueError, match=r"bases 0-10 and 3 behind them: expected 1 <= start < end"):
        locus(0)
    with pytest.raises(ValueError, match="all within 13"):
        Locus(Constructed(), SEQUENCE, 4, 11, 3, PLAN, {LAYER: dictionary()})
    with pytest.raises(ModelError, match="does not predict base after base"):
        Locus(
            type("Blind", (Constructed,), {"causal": False})(),
            SEQUENCE,
            4,
            10,
            3,
            PLAN,
            {LAYER: dictionary()},
        )
    idle = locus(plan=NONE)
    assert idle.effect == pytest.approx(0, abs=1e-7) and np.isnan(idle.recovered([()])).all()
    with pytest.raises(ValueError, match="moves no prediction of the 3 bases: nothing to compile"):
        compile_plan(idle, 2)
