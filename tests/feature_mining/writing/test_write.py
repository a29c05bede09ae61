"""Writing in batches against passes over whole sequences, under plans and without."""

from __future__ import annotations

import numpy as np
import pytest

from feature_mining.edits.apply import Dictionary
from feature_mining.edits.edit import Ablate, Clamp, Project, Steer
from feature_mining.edits.passes import forward
from feature_mining.edits.places import Where
from feature_mining.edits.plan import EditPlan
from feature_mining.writing.constraints import GCRange, NoSite
from feature_mining.writing.measures import copied_words, gc_share, nearest_others, untouched_nats
from feature_mining.writing.write import write
from genomic_models import load
from genomic_models.contract import ModelError
from genomic_models.generation import Sampling
from genomic_models.scoring import score
from tests.feature_mining.edits.tiny import LAYER, UNIT, autoencoder, tiny_model

AT = {LAYER: Dictionary(autoencoder(), (LAYER,), (LAYER,), UNIT, UNIT / 10)}
PROMPTS = ["ACGTTGCAAG", "TTGACATATA", "ACG", ""]
PLANS = [
    EditPlan(),
    EditPlan((Steer(LAYER, 3, 2.0), Ablate(LAYER, 5))),
    EditPlan((Clamp(LAYER, 2, 1.0, where=Where(((5, 20),))), Project(LAYER, 7, 0.0))),
    EditPlan((Steer(LAYER, 3, 3.0, where=Where(entropy=1.9)),)),
]


@pytest.fixture(scope="module")
def model():
    return tiny_model()


def test_what_is_written_from_state_is_what_whole_passes_say(model) -> None:
    """Each base is the one at which the whole pass's cumulated probability passes the row's chance."""
    sampling = Sampling(temperature=0.8, seed=4)
    written = write(model, PROMPTS, 20, PLANS, AT, sampling=sampling, number=3, together=7)
    assert [(w.prompt, w.plan, w.copy) for w in written] == [
        (i, j, k) for i in range(4) for j in range(4) for k in range(3)
    ]
    for each in written:
        prompt = PROMPTS[each.prompt]
        logits = forward(model, [prompt + each.sequence], [PLANS[each.plan]], AT).logits[0].float()
        (chances,) = sampling.chances([(each.prompt, each.copy)], 20)
        for step, base in enumerate(each.sequence):
            code, at = "ACGT".index(base), len(prompt) + step - 1
            if at < 0:
                assert code == int(4 * chances[0]) and np.isnan(each.nats[0])
                continue
            assert each.nats[step] == pytest.approx(float(logits[at].log_softmax(-1)[ord(base)]), abs=1e-4)
            own = logits[at][[65, 67, 71, 84]].double()
            p = (own / 0.8).softmax(-1)
            more = own > own[code]
            low, high = float(p[more].sum()), float(p[more].sum() + p[code])
            assert low - 1e-5 <= chances[step] <= high + 1e-5


def test_plans_share_their_draws_and_change_what_is_written(model) -> None:
    written = write(model, PROMPTS[:2], 40, PLANS, AT, number=4)
    texts = {(w.prompt, w.plan, w.copy): w.sequence for w in written}
    nothing = EditPlan((Steer(LAYER, 3, 0.0),))
    again = write(model, PROMPTS[:2], 40, [nothing, PLANS[1]], AT, number=4)
    for w in again:
        assert w.sequence == texts[w.prompt, w.plan, w.copy]
    assert sum(texts[0, 0, k] != texts[0, 1, k] for k in range(4)) >= 3


@pytest.mark.parametrize("together", [1, 5, 64])
def test_the_batch_changes_no_byte(together: int) -> None:
    mini = load("mini")
    prompts = ["ACGTTGCAAG", "GAT"]
    alone = write(mini, prompts, 24, number=3, sampling=Sampling(seed=9), together=3)
    other = write(mini, prompts, 24, number=3, sampling=Sampling(seed=9), together=together)
    assert [w.sequence for w in other] == [w.sequence for w in alone]
    more = write(mini, prompts, 24, number=5, sampling=Sampling(seed=9), together=together)
    assert [w.sequence for w in more if w.copy < 3] == [w.sequence for w in alone]
    for one, same in zip(alone, other, strict=True):
        np.testing.assert_allclose(one.nats, same.nats, atol=1e-4)


def test_the_strand_of_a_prompt_is_the_strand_of_its_edits(model) -> None:
    plan = EditPlan((Steer(LAYER, 3, 5.0, where=Where(strand="-")),))
    plus, minus = (write(model, PROMPTS[:1], 30, [plan], AT, [strand], number=2) for strand in ("+", "-"))
    plain = write(model, PROMPTS[:1], 30, number=2)
    assert [w.sequence for w in plus] == [w.sequence for w in plain]
    assert [w.sequence for w in minus] != [w.sequence for w in plain]


def test_constraints_hold_under_every_plan(model) -> None:
    limits = [GCRange(0.5, 0.5), NoSite("AG"), NoSite("TTA")]
    for each in write(model, PROMPTS, 30, PLANS[:2], AT, constraints=limits, number=6):
        whole = PROMPTS[each.prompt][-2:] + each.sequence
        begins = len(PROMPTS[each.prompt][-2:])
        assert gc_share(each.sequence) == 0.5
        for motif in ("AG", "CT", "TTA", "TAA"):
            assert all(at + len(motif) <= begins for at in range(len(whole)) if whole.startswith(motif, at))
    best = write(model, PROMPTS[:1], 12, constraints=[NoSite("A")], sampling=Sampling(top_k=1))[0]
    assert set(best.sequence) <= set("CG")


def test_likelihood_without_the_plan_is_that_of_scoring(model) -> None:
    written = write(model, PROMPTS, 15, PLANS[:2], AT)
    found = untouched_nats(model, PROMPTS, written)
    for each, nats in zip(written, found, strict=True):
        (scored,) = score(model, [PROMPTS[each.prompt] + each.sequence])
        np.testing.assert_allclose(nats, scored.nats[len(PROMPTS[each.prompt]) :], atol=1e-5)
        if each.plan == 0:
            np.testing.assert_allclose(nats, each.nats, atol=1e-4)
        else:
            assert np.nanmax(np.abs(nats - each.nats)) > 0.01


def test_distances_between_outputs() -> None:
    """Words of two bases, counted by hand; a word and its reverse complement are one."""
    found = nearest_others(["AAAA", "TTTT", "AACC", "G"], k=2)
    assert found[0] == (1, 0.0) and found[1] == (0, 0.0)
    # AA AA AA against AA AC CC: shares 1 and 1/3 of AA, 0 and 2/3 of the rest.
    assert found[2].other == 0 and found[2].distance == pytest.approx(2 / 3)
    assert found[3].other == -1 and np.isnan(found[3].distance)
    assert nearest_others(["ACGTACGT"])[0].other == -1


def test_words_that_a_sketch_holds() -> None:
    from feature_mining.kmers import sketch
    from genomic_models.dna import base_codes

    text = "".join(np.random.default_rng(0).choice(list("ACGT"), 4000))
    held = sketch([base_codes(text[:2000])], 21, 0.05)
    whole, copied = copied_words(text, held, 21, 0.05)
    assert 120 < whole < 280 and copied == held.size > 60
    assert copied_words(text[:10], held, 21, 0.05) == (0, 0)


@pytest.mark.parametrize(
    ("given", "kind", "told"),
    [
        (
            {"length": 60},
            ModelError,
            "a prompt of 10 bases and 60 to write are 70: model tiny reads at most 64",
        ),
        ({"number": 0}, ModelError, "number 0, together 64: expected 1 or more"),
        ({"plans": [EditPlan((Steer("norm", 1, 1.0),))]}, ValueError, "the plan edits norm"),
        ({"plans": [EditPlan((Steer(LAYER, 12, 1.0),))]}, ValueError, "no feature 12; .* has 0 to 11"),
        ({"plans": [EditPlan((), "abc")]}, ValueError, "for a model with hash abc; this one has"),
        (
            {"plans": [EditPlan((Steer(LAYER, 1, 1.0),), "", {LAYER: "abc"})]},
            ValueError,
            "of blocks.1 with hash abc; this one has",
        ),
        (
            {"plans": [EditPlan((Steer(LAYER, 1, 1.0, where=Where(((99, 120),))),))]},
            ValueError,
            "99-120: lies outside of the 20 bases that are read and written",
        ),
        ({"constraints": [GCRange(0.5, 1), NoSite("S")]}, ValueError, "contradict each other"),
    ],
)
def test_mistakes_are_a_sentence(model, given, kind, told: str) -> None:
    with pytest.raises(kind, match=told):
        write(model, PROMPTS[:1], **({"length": 10, "dictionaries": AT} | given))


def test_a_model_that_cannot_write_is_refused(model) -> None:
    blind = tiny_model()
    blind.causal = False
    with pytest.raises(ModelError, match="does not write base after base"):
        write(blind, ["ACGT"], 5)
    with pytest.raises(TypeError, match="put it in a list"):
        write(model, "ACGT", 5)
