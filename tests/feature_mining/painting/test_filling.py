"""Canvases filled in: known sequences on the constructed network, readings against whole passes."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from feature_mining.concepts.concept import Concept
from feature_mining.edits.apply import Applied, Dictionary
from feature_mining.edits.passes import run
from feature_mining.painting.design import design
from feature_mining.painting.goals import direction_level, goals_of, level_of, written_by
from feature_mining.painting.painting import Painting, Sheet, Stroke, plan_of
from feature_mining.painting.resample import resample
from feature_mining.painting.scene import Scene
from feature_mining.painting.write import write_canvases
from feature_mining.writing.constraints import Mask
from genomic_models.contract import ModelError
from genomic_models.dna import reverse_complement
from genomic_models.generation import Sampling
from tests.feature_mining.edits import tiny
from tests.feature_mining.painting.constructed import LAYER, Constructed, concept, dictionary

MODEL, AT = Constructed(), {LAYER: dictionary()}
BEST = Sampling(top_k=1)
PALETTE = (concept("A"), concept("T"))


def painting(*strokes: Stroke, **more) -> Painting:
    return Painting(12, PALETTE, (Sheet("one", strokes),), before="GGCC", after="TCAGG", **more)


def test_a_stroke_gives_the_predicted_sequence_on_either_strand() -> None:
    strokes = (Stroke("base A", 3, 7), Stroke("base T", 8, 10))
    own = painting(*strokes)
    scene = Scene(MODEL, LAYER, [own.before], [own.after])
    for strand, text in (("+", "CCCAAAACTTCC"), ("-", reverse_complement("CCTTCAAAACCC"))):
        mine = own if strand == "+" else painting(*(Stroke(s.concept, s.start, s.end, "-") for s in strokes))
        written = write_canvases(
            MODEL, scene.heads(strand), 12, strand, [plan_of(mine, strand)], AT, sampling=BEST
        )
        # Written from the other end, the strokes come in the other order.
        assert written == [[[text]]]
        goals = goals_of(mine, AT)
        levels = [goal.level(scene.read([text], strand).x)[0] for goal in goals]
        for goal, level in zip(goals, levels, strict=True):
            assert level[goal.inside].tolist() == [1.0] * int(goal.inside.sum())


def test_constraints_are_those_of_the_plus_strand() -> None:
    own = painting(Stroke("base A", 3, 7, "-"))
    heads = Scene(MODEL, LAYER, [own.before], [own.after]).heads("-")
    ((((text,)),),) = write_canvases(MODEL, heads, 12, "-", [plan_of(own, "-")], AT, [Mask("AC", 1)], BEST)
    # GT, which the mask makes it read last but one, intends A: T on the plus strand.
    assert text == "TACTTTTGGGGG"


@pytest.mark.parametrize("how", ["resample", "design"])
def test_redesign_finds_the_known_sequence_and_keeps_the_rest(how: str) -> None:
    own = painting(
        Stroke("base A", 3, 7), Stroke("base T", 6, 10, "-"), free=((2, 9),), sequence="GGGGGGGGGGGG"
    )
    # T on the minus strand is A; base 9 may not change, and base 2 need not.
    scene = Scene(MODEL, LAYER, [own.before] * 2, [own.after] * 2)
    goals = goals_of(own, AT)
    starts = [own.sequence] * 4
    streams = [(0, i) for i in range(4)]
    if how == "resample":
        plans = {strand: plan_of(own, strand) for strand in "+-"}
        found = resample(scene, starts, goals, plans, AT, own.may_change(), 120, streams)
    else:
        found = design(scene, starts, goals, own.may_change(), 80, streams)
    assert found.before.tolist() == [8] * 4 and found.missed.tolist() == [1] * 4
    for text in found.canvases:
        assert text[3:9] == "AAAAAA" and text[:2] == "GG" and text[9:] == "GGG"
    if how == "design":  # a letter that is not asked for stays
        assert [text[2] for text in found.canvases] == ["G"] * 4


def test_what_does_not_keep_to_the_constraints_is_never_taken() -> None:
    own = painting(Stroke("base A", 3, 7), sequence="GGGGGGGGGGGG")
    scene, goals = Scene(MODEL, LAYER, [own.before], [own.after]), goals_of(own, AT)

    def keeps(texts) -> np.ndarray:
        return np.array(["AAA" not in text for text in texts])

    plans, free = {"+": plan_of(own, "+")}, own.may_change()
    for found in (
        resample(scene, [own.sequence] * 3, goals, plans, AT, free, 60, [(i,) for i in range(3)], keeps),
        design(scene, [own.sequence] * 3, goals, free, 60, [(i,) for i in range(3)], keeps),
    ):
        assert min(found.missed) == 1 and all("AAA" not in text for text in found.canvases)


def test_draws_do_not_depend_on_what_else_is_filled_in() -> None:
    own = painting(Stroke("base A", 3, 7), sequence="GGGGGGGGGGGG")
    scene, goals = Scene(MODEL, LAYER, [own.before], [own.after]), goals_of(own, AT)
    free = own.may_change()
    together = resample(scene, [own.sequence] * 3, goals, {}, AT, free, 5, [(1, i) for i in range(3)])
    alone = resample(scene, [own.sequence], goals, {}, AT, free, 5, [(1, 2)])
    assert together.canvases[2] == alone.canvases[0] and len(set(together.canvases)) > 1


@pytest.fixture(scope="module")
def random_one() -> tuple:
    at = Dictionary(tiny.autoencoder(), (tiny.LAYER,), (tiny.LAYER,), tiny.UNIT, tiny.UNIT / 10)
    return tiny.tiny_model(), {tiny.LAYER: at}, Concept("two", tiny.LAYER, {3: 1.0, 5: -0.5}, 0.4)


@pytest.mark.parametrize("strand", "+-")
def test_readings_are_those_of_whole_passes(random_one, strand: str) -> None:
    model, at, two = random_one
    befores, afters = ["ACGTTGCA", "TTGACCAG"], ["GATTAC", "CCATGA"]
    canvases = ["ACCGTA", "GGGTCA", "TTACGT", "ACGCGT"]
    own = Painting(
        6, (two,), (Sheet("one", (Stroke("two", 0, 4, strand),)),), before=befores[0], after=afters[0]
    )
    scene = Scene(model, tiny.LAYER, befores, afters)
    plan = plan_of(own, strand)
    assert plan.edits
    for each in (type(plan)(), plan):
        found = scene.read(canvases, strand, each, at)
        if not each.edits:
            short = scene.read(canvases, strand, predictions=False)
            assert torch.allclose(short.x, found.x, atol=1e-5) and not short.logs.numel()
        for i, text in enumerate(canvases):
            whole = befores[i // 2] + text + afters[i // 2]
            read = whole if strand == "+" else reverse_complement(whole)
            forward = run(model, [read], Applied([each], at), [tiny.LAYER])
            lead = len(befores[0] if strand == "+" else afters[0])
            x = forward.taps[tiny.LAYER][0, lead : lead + 6]
            logs = forward.logits[0, lead - 1 : lead + 5][:, [65, 67, 71, 84]].log_softmax(-1)
            if strand == "-":
                x, logs = x.flip(0), logs.flip(0, 1)
            torch.testing.assert_close(found.x[i], x, rtol=1e-3, atol=1e-4)
            torch.testing.assert_close(found.logs[i], logs, rtol=1e-3, atol=1e-4)


def test_levels_are_those_of_the_concept_and_of_a_direction(random_one) -> None:
    _, at, two = random_one
    x = torch.randn(2, 5, tiny.WIDTH, generator=torch.Generator().manual_seed(1))
    dictionary = at[tiny.LAYER]
    f = dictionary.sae.encode(x.flatten(0, 1)).numpy()
    wanted = two.level(f, dictionary.unit.numpy()).reshape(2, 5) / two.top
    np.testing.assert_allclose(level_of(two, dictionary)(x).numpy(), wanted, rtol=1e-4, atol=1e-6)
    leaf = x.clone().requires_grad_(True)
    level_of(two, dictionary)(leaf).sum().backward()
    assert (leaf.grad.abs().sum(-1) > 0).all()
    # Painting at strength 1 adds this, as edits of the features do.
    row = written_by(two, dictionary)
    by_hand = 0.4 * (1.0 * 4 * dictionary.sae.W_dec[3] - 0.5 * 6 * dictionary.sae.W_dec[5])
    torch.testing.assert_close(row, by_hand)
    along = direction_level(row, 0.25)
    torch.testing.assert_close(along(x + 2 * row) - along(x), torch.full((2, 5), 2.0))
    assert float(direction_level(row, 0.25)(0 * x).max()) == -0.25


def test_a_model_that_does_not_read_base_after_base_is_refused() -> None:
    with pytest.raises(ModelError, match="does not read base after base"):
        Scene(type("Blind", (Constructed,), {"causal": False})(), LAYER, ["A"], ["A"])
