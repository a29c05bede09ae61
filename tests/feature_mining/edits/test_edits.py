"""Edits against closed forms on constructed weights, and against one another in every kind of pass."""

from __future__ import annotations

import dataclasses
import json

import pytest
import torch

from feature_mining.edits.apply import Applied, Dictionary
from feature_mining.edits.edit import Ablate, Clamp, Edit, Patch, Project, Scale, Steer, Swap
from feature_mining.edits.effect import ACTS, IDLE, UNDONE, measure_effects
from feature_mining.edits.passes import forward, forward_chunks, read
from feature_mining.edits.places import Where
from feature_mining.edits.plan import EditPlan
from genomic_models.contract import TapContext
from genomic_models.striped_hyena.model import StripedHyenaModel
from tests.feature_mining.edits.tiny import FEATURES, LAYER, UNIT, WIDTH, autoencoder, tiny_model


def dictionary(**more) -> Dictionary:
    return Dictionary(autoencoder(**more), (LAYER,), (LAYER,), UNIT, UNIT / 10)


@pytest.fixture(scope="module")
def model() -> StripedHyenaModel:
    return tiny_model()


SEQUENCES = ["ACGTTGCAAGCTTACGGATC", "TTGACATATAATGCGCGATA"]


def changed(edit: Edit, x: torch.Tensor, **more) -> torch.Tensor:
    """Activations ``(1, L, d)`` after one edit."""
    applied = Applied([EditPlan((edit,))], {LAYER: dictionary(**more)})
    ids = torch.zeros(x.shape[:2], dtype=torch.long)
    return applied.edits[LAYER](x, TapContext(LAYER, 0, ids))


@pytest.mark.parametrize("norm", ["", "standardised", "unit_rms"])
@pytest.mark.parametrize("row_topk", [False, True])
def test_each_kind_is_the_delta_form(norm: str, row_topk: bool) -> None:
    sae = autoencoder(row_norm=norm, row_topk=row_topk)
    x = torch.randn(1, 6, WIDTH, generator=torch.Generator().manual_seed(1))
    f = sae.encode(x[0])
    cases: list[tuple[Edit, dict[int, torch.Tensor]]] = [
        (Steer(LAYER, 2, 0.5), {2: f[:, 2] + 0.5 * 3}),
        (Clamp(LAYER, 2, 0.5), {2: torch.full((6,), 1.5)}),
        (Scale(LAYER, 2, 3), {2: 3 * f[:, 2]}),
        (Ablate(LAYER, 2), {2: torch.zeros(6)}),
        (Ablate(LAYER, 2, "mean"), {2: torch.full((6,), 0.3)}),
        (Swap(LAYER, 2, 5), {2: f[:, 5] * 3 / 6, 5: f[:, 2] * 6 / 3}),
        (Patch(LAYER, 2, (7.0, 8.0), 3), {2: torch.cat([f[:3, 2], torch.tensor([7.0, 8.0]), f[5:, 2]])}),
        (Steer(LAYER, 2, ((1, 0.0), (3, 1.0))), {2: f[:, 2] + 3 * torch.tensor([0, 0, 0.5, 1, 1, 1])}),
    ]  # fmt: skip
    for edit, values in cases:
        new = f.clone()
        for feature, column in values.items():
            new[:, feature] = column
        wanted = x + (sae.write(new, x[0]) - sae.write(f, x[0]))[None]
        found = changed(edit, x, row_norm=norm, row_topk=row_topk)
        torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5, msg=str(edit))


def test_edits_of_one_plan_act_in_their_order() -> None:
    """Those of different features at once, those of one feature after each other."""
    sae, x = autoencoder(), torch.randn(1, 6, WIDTH, generator=torch.Generator().manual_seed(1))
    edits = (
        Steer(LAYER, 2, 0.5), Scale(LAYER, 5, 3.0, where=Where(active=True)), Clamp(LAYER, 8, 0.25),
        Scale(LAYER, 2, 2.0, where=Where(((1, 4),))), Swap(LAYER, 8, 2),
        Steer(LAYER, 8, ((0, 0.0), (5, 1.0))), Ablate(LAYER, 5, where=Where(((0, 3),))),
    )  # fmt: skip
    f = sae.encode(x[0])
    new = f.clone()
    new[:, 2] += 0.5 * 3
    new[:, 5] *= 3
    new[:, 8] = 0.25 * 9
    new[1:4, 2] *= 2
    new[:, 8], new[:, 2] = new[:, 2] * 9 / 3, new[:, 8].clone() * 3 / 9
    new[:, 8] += 9 * torch.linspace(0, 1, 6)
    new[:3, 5] = 0
    applied = Applied([EditPlan(edits)], {LAYER: dictionary()})
    context = TapContext(LAYER, 0, torch.zeros(1, 6, dtype=torch.long))
    found = applied.edits[LAYER](x, context)
    torch.testing.assert_close(found, x + (sae.write(new, x[0]) - sae.write(f, x[0]))[None])
    active = int((f[:, 5] > 0).sum())
    counts = [applied.acted[edit][0] for edit in edits]
    assert counts == [6, active, 6, 3, 6, 5, int((f[:3, 5] > 0).sum())] and 0 < active < 6


def test_projections() -> None:
    sae, x = autoencoder(), torch.randn(1, 6, WIDTH)
    direction = sae.W_dec[4]
    along = changed(Project(LAYER, 4, 0), x) @ direction
    torch.testing.assert_close(along, torch.zeros(1, 6), atol=1e-5, rtol=0)
    doubled = changed(Project(LAYER, 4, 2), x)
    torch.testing.assert_close(doubled @ direction, 2 * (x @ direction))
    rest = doubled - (doubled @ direction)[..., None] * direction
    torch.testing.assert_close(rest, x - (x @ direction)[..., None] * direction, atol=1e-5, rtol=1e-4)
    capped = changed(Project(LAYER, 4, 0.02, "cap"), x) @ direction
    torch.testing.assert_close(capped, (x @ direction).clamp_max(0.1), atol=1e-5, rtol=1e-4)


def test_where_an_edit_acts() -> None:
    sae, x = autoencoder(), torch.randn(1, 8, WIDTH, generator=torch.Generator().manual_seed(5))
    active = sae.encode(x[0])[:, 3] > 0
    assert 0 < active.sum() < 8

    def touched(where: Where, strand: str = "+", offset: int = 0) -> list[int]:
        applied = Applied([EditPlan((Steer(LAYER, 3, 1, where=where),))], {LAYER: dictionary()}, [strand])
        context = TapContext(LAYER, offset, torch.zeros(1, 8, dtype=torch.long))
        return (applied.edits[LAYER](x, context) != x).any(-1)[0].nonzero()[:, 0].tolist()

    assert touched(Where()) == list(range(8))
    assert touched(Where(((1, 3), (6, 99)))) == [1, 2, 6, 7]
    assert touched(Where(((10, 12),)), offset=8) == [2, 3]
    assert touched(Where(strand="-")) == [] and touched(Where(strand="-"), "-") == list(range(8))
    assert touched(Where(active=True)) == active.nonzero()[:, 0].tolist()


def test_nothing_asked_changes_no_bit(model: StripedHyenaModel) -> None:
    untouched = model.forward(SEQUENCES).logits
    for edits in [
        (), (Steer(LAYER, 3, 0),), (Scale(LAYER, 3, 1),), (Steer(LAYER, 3, 0), Scale(LAYER, 2, 1)),
    ]:  # fmt: skip
        found = forward(model, SEQUENCES, [EditPlan(edits)], {LAYER: dictionary()}).logits
        assert torch.equal(found, untouched)
    # What is left of the reconstruction's error stays: all features scaled by 1, at bf16 too.
    every = EditPlan(tuple(Scale(LAYER, i, 1) for i in range(FEATURES)))
    assert torch.equal(forward(model, SEQUENCES, [every], {LAYER: dictionary()}).logits, untouched)


PLAN = EditPlan(
    (
        Steer(LAYER, 3, ((2, 0.0), (12, 1.5))),
        Clamp(LAYER, 5, 0.5, where=Where(((4, 15),), active=True)),
        Ablate("blocks.2", 1),
        Project(LAYER, 7, 0.5),
        Steer("blocks.2", 2, 1.0, where=Where(entropy=1.9)),
    )
)
BOTH = {
    LAYER: dictionary(),
    "blocks.2": dataclasses.replace(dictionary(), reads=("blocks.2",), writes=("blocks.2",)),
}


def test_whole_chunked_and_cached_passes_agree(model: StripedHyenaModel) -> None:
    whole = forward(model, SEQUENCES, [PLAN], BOTH).logits
    assert not torch.allclose(whole, model.forward(SEQUENCES).logits, atol=1e-2)
    for size in (1, 3, 7):
        pieces = [piece.logits for piece in forward_chunks(model, SEQUENCES, size, [PLAN], BOTH)]
        torch.testing.assert_close(torch.cat(pieces, 1), whole, rtol=1e-4, atol=1e-4)


def test_rows_may_have_plans_of_their_own(model: StripedHyenaModel) -> None:
    plans = [EditPlan((Steer(LAYER, 3, strength),)) for strength in (0.0, 1.0, 2.0)]
    together = forward(model, [SEQUENCES[0]] * 3, plans, BOTH).logits
    for row, plan in enumerate(plans):
        alone = forward(model, [SEQUENCES[0]], [plan], BOTH).logits
        torch.testing.assert_close(together[row], alone[0], rtol=1e-4, atol=1e-5)
    with pytest.raises(ValueError, match="3 plans for 2 sequences"):
        forward(model, SEQUENCES, plans, BOTH)


def test_an_entropy_gate_is_of_the_untouched_model(model: StripedHyenaModel) -> None:
    logits = model.forward(SEQUENCES).logits
    p = logits[..., [ord(base) for base in "ACGT"]].softmax(-1)
    bits = -(p * p.log2()).sum(-1)
    unsure = torch.cat([torch.full((2, 1), 2.0), bits[:, :-1]], 1) >= 1.95
    assert 0 < unsure.sum() < unsure.numel()
    gated = EditPlan((Clamp("embedding_layer", 3, 9, where=Where(entropy=1.95)),))
    first = dataclasses.replace(dictionary(), reads=("embedding_layer",), writes=("embedding_layer",))
    taps = ["embedding_layer"]
    found = forward(model, SEQUENCES, [gated], {"embedding_layer": first}, taps).taps[taps[0]]
    before = model.forward(SEQUENCES, taps=taps).taps[taps[0]]
    assert torch.equal((found != before).any(-1), unsure)


def test_a_transcoder_reads_at_one_tap_and_writes_at_another(model: StripedHyenaModel) -> None:
    sae = autoencoder(d_out=WIDTH)
    at = Dictionary(sae, ("blocks.1.post_norm",), ("blocks.1.mlp",), UNIT, UNIT)
    plan = EditPlan((Ablate("mlp", 3), Ablate("mlp", 4)))
    taps = ["blocks.1.post_norm", "blocks.1.mlp"]
    before = model.forward(SEQUENCES, taps=taps).taps
    found = forward(model, SEQUENCES, [plan], {"mlp": at}, taps).taps
    f = sae.encode(before[taps[0]].flatten(0, 1))
    wanted = before[taps[1]].flatten(0, 1) - f[:, 3:5] @ sae.W_dec[3:5]
    torch.testing.assert_close(found[taps[1]].flatten(0, 1), wanted, rtol=1e-4, atol=1e-4)
    assert torch.equal(found[taps[0]], before[taps[0]])


def test_a_crosscoder_writes_into_all_its_layers(model: StripedHyenaModel) -> None:
    taps = ("blocks.1", "blocks.2")
    sae = autoencoder(d_in=2 * WIDTH, sites=(WIDTH, WIDTH))
    at = Dictionary(sae, taps, taps, UNIT, UNIT)
    plan = EditPlan((Clamp("cross", 3, 1),))
    before = model.forward(SEQUENCES, taps=taps).taps
    f = sae.encode(torch.cat([before[tap] for tap in taps], -1).flatten(0, 1))[:, 3]
    delta = ((4 - f)[:, None] * sae.W_dec[3]).view(2, -1, 2 * WIDTH)
    found = forward(model, SEQUENCES, [plan], {"cross": at}, taps).taps
    torch.testing.assert_close(found[taps[0]], before[taps[0]] + delta[..., :WIDTH], rtol=1e-4, atol=1e-4)
    only = model.forward(SEQUENCES, taps=taps, edits={taps[0]: lambda x, _: x + delta[..., :WIDTH]}).taps
    torch.testing.assert_close(found[taps[1]], only[taps[1]] + delta[..., WIDTH:], rtol=1e-4, atol=1e-4)
    pieces = list(forward_chunks(model, SEQUENCES, 6, [plan], {"cross": at}))
    whole = forward(model, SEQUENCES, [plan], {"cross": at}).logits
    torch.testing.assert_close(torch.cat([p.logits for p in pieces], 1), whole, rtol=1e-4, atol=1e-4)


def test_an_edit_that_does_nothing_is_told(model: StripedHyenaModel) -> None:
    plan = EditPlan(
        (Steer(LAYER, 3, 2.0), Ablate(LAYER, 3, where=Where(((90, 95),))), Steer("blocks.1.mlp.l3", 3, 0.001))
    )
    last = dataclasses.replace(dictionary(), reads=("blocks.1.mlp.l3",), writes=("blocks.1.mlp.l3",))
    tiny = dataclasses.replace(last, unit=UNIT * 1e-3)
    found = measure_effects(model, SEQUENCES, plan, BOTH | {"blocks.1.mlp.l3": tiny})
    assert found["answer"].tolist() == [ACTS, IDLE, UNDONE, ACTS]
    assert found["positions"].tolist() == [40, 0, 40, 80]
    assert found["bits"].iloc[0] > 0.001 and found["moved"].iloc[0] > 0.01
    assert found["edit"].iloc[0] == "blocks.1: steer feature 3 by 2, everywhere"


def test_a_plan_is_a_file(model: StripedHyenaModel) -> None:
    plan = dataclasses.replace(PLAN, model="abc", autoencoders={LAYER: "def"})
    again = EditPlan.from_json(plan.to_json())
    assert again == plan and str(again) == str(plan)
    assert str(plan).splitlines()[:2] == [
        "blocks.1: steer feature 3 by 0 at 2 to 1.5 at 12, everywhere",
        "blocks.1: clamp feature 5 to 0.5, 4-15 where active",
    ]
    with pytest.raises(ValueError, match="hash abc; this one has xyz"):
        plan.check("xyz", {LAYER: "def", "blocks.2": "g"})
    with pytest.raises(ValueError, match=r"blocks.1 with hash def; this one has g"):
        plan.check("abc", {LAYER: "g", "blocks.2": "g"})
    with pytest.raises(ValueError, match=r"edits blocks.2; there is an autoencoder for blocks.1"):
        plan.check("abc", {LAYER: "def"})


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: Steer(LAYER, 3, float("nan")), "steer strength is nan: expected a finite number"),
        (lambda: Clamp(LAYER, 3, ((5, 1.0), (2, 0.0))), "positions of a ramp are"),
        (lambda: Steer(LAYER, 3, "much"), "expected a number, or a ramp"),
        (lambda: Ablate(LAYER, 3, "five"), "expected 'zero' or 'mean'"),
        (lambda: Ablate(LAYER, -1), "feature -1"),
        (lambda: Swap(LAYER, 3, 3), "expected two features"),
        (lambda: Patch(LAYER, 3, ()), "expected finite values"),
        (lambda: Where(((5, 5),)), "expected 0 <= start < end"),
        (lambda: Where(strand="x"), "expected '\\+', '-'"),
        (
            lambda: Applied([EditPlan((Ablate(LAYER, 12),))], BOTH),
            "no feature 12; the autoencoder has 0 to 11",
        ),
        (lambda: Applied([EditPlan((Ablate("norm", 1),))], BOTH), "the plan edits norm"),
        (lambda: EditPlan.from_json("{"), "the plan is not JSON"),
        (lambda: EditPlan.from_json('{"version": 1}'), "the plan holds version; expected autoencoders"),
        (lambda: EditPlan.from_json(_text(version=9)), "of version 9; this program reads 1"),
        (lambda: EditPlan.from_json(_text(edits=[{"kind": "glow"}])), "edit 1 is of kind 'glow'"),
        (lambda: EditPlan.from_json(_text(edits=[{"kind": "steer", "size": 1}])), "steer has no size"),
        (lambda: EditPlan.from_json(_text(edits=[{"kind": "steer", "layer": "b"}])), "edit 1: .*missing"),
    ],
)
def test_mistakes_are_a_sentence(make, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        make()


def _text(version: int = 1, edits: list | None = None) -> str:
    return json.dumps({"version": version, "model": "", "autoencoders": {}, "edits": edits or []})


def test_reading_token_by_token_without_and_with_state(model: StripedHyenaModel) -> None:
    applied = Applied([PLAN], BOTH)
    ids = model.tokenize(SEQUENCES).ids
    first, state = read(model, ids[:, :5], applied)
    rest, _ = read(model, ids[:, 5:], applied, state)
    whole = forward(model, SEQUENCES, [PLAN], BOTH).logits
    torch.testing.assert_close(torch.cat([first.logits, rest.logits], 1), whole, rtol=1e-4, atol=1e-4)
