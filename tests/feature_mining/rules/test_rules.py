"""Rules: sentences and files that say the same; where they fire, base by base; what they do to writing."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feature_mining.concepts.concept import Concept
from feature_mining.edits.edit import Steer
from feature_mining.edits.plan import EditPlan
from feature_mining.rules.direct import Listener
from feature_mining.rules.rule import Action, Condition, Rule
from feature_mining.rules.rule_set import RuleSet
from feature_mining.rules.watch import Watch
from feature_mining.writing.constraints import Mask, NoSite
from feature_mining.writing.write import write
from genomic_models.generation import Sampling
from tests.feature_mining.rules.echo import LAYER, PUSH, TAA, EchoModel, concept, dictionary

NAMES = ("A", "C", "G", "T", "taa")
CONCEPTS = {name: concept(feature, name) for feature, name in enumerate(NAMES)}
PUSHED = EditPlan((Steer(LAYER, PUSH, 1.0),))
PLANS = {"push": PUSHED}
AT = {LAYER: dictionary()}
BEST = Sampling(top_k=1)

numbers = st.floats(-100, 100).map(lambda x: float(f"{x:.6g}"))


@st.composite
def conditions(draw) -> Condition:
    threshold, above = draw(numbers), draw(st.booleans())
    gap = draw(st.one_of(st.none(), st.floats(0, 10).map(lambda x: float(f"{x:.3g}"))))
    until = None if gap is None else float(f"{threshold - gap if above else threshold + gap:.6g}")
    if until is not None and (until > threshold if above else until < threshold):
        until = threshold
    return Condition(
        draw(st.sampled_from(["A", "3-17+0.5*204", "factor:12"])),
        threshold,
        above,
        until,
        draw(st.integers(1, 99)),
    )


actions = st.sampled_from(
    [
        Action("record"),
        Action("stop"),
        Action("insert", "TAATAA"),
        Action("apply", "push"),
        Action("apply", "push", 7),
        Action("switch", "push"),
    ]
)


@given(
    st.lists(conditions(), min_size=1, max_size=3),
    actions,
    st.integers(0, 50),
    st.one_of(st.none(), st.integers(51, 900)),
    st.sampled_from(["", "+", "-"]),
    st.integers(0, 99),
    st.integers(0, 9),
    st.sampled_from([("", "", 0), ("gene", "end", 30), ("a-b:c", "start", 1), ("CDS", "", 0)]),
)
def test_the_sentence_is_the_rule(conditions, action, start, end, strand, wait, budget, near) -> None:
    rule = Rule(tuple(conditions), action, start, end, strand, wait, budget, *near)
    assert Rule.of(str(rule)) == rule


def test_a_sentence_reads_aloud() -> None:
    text = (
        "when stop > 0.5 until 0.3 for 3 bases and gene < 0.2, within 100-500, on the plus strand:"
        " insert TAATAA; wait 50 bases; at most 2 times"
    )
    stop, gene = Condition("stop", 0.5, True, 0.3, 3), Condition("gene", 0.2, False)
    assert Rule.of(text) == Rule((stop, gene), Action("insert", "TAATAA"), 100, 500, "+", 50, 2)
    assert str(Rule.of("when  a > .5:  record")) == "when a > 0.5: record"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("whenever a > 1: record", "is no rule; expected when CONCEPT"),
        ("when a>1: record", "is no condition"),
        ("when a > 1: insert TUA", "is no action"),
        ("when a > 1 until 2: record", "expected until below the threshold"),
        ("when a < 1 until 0: record", "expected until above the threshold"),
        ("when a > 1, within 5-3: record", "0 <= start < end"),
        ("when a > 1 for 0 bases: record", "expected 1 base or more"),
    ],
)
def test_what_is_no_rule_is_refused(text: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        Rule.of(text)


def rules(*sentences: str, plans: dict[str, EditPlan] = PLANS) -> RuleSet:
    return RuleSet(tuple(map(Rule.of, sentences)), CONCEPTS, plans)


def test_the_file_gives_the_rules_back_and_names_line_and_field() -> None:
    made = rules("when A > 0.5 and G < 0.1: apply push for 9 bases; wait 3 bases", "when taa > 0.5: stop")
    text = made.to_json()
    assert RuleSet.from_json(text) == made
    lines = text.splitlines()

    def broken(old: str, new: str) -> str:
        with pytest.raises(ValueError) as error:
            RuleSet.from_json(text.replace(old, new, 1))
        return str(error.value)

    line = 1 + next(i for i, each in enumerate(lines) if "apply push" in each)
    told = broken("apply push", "apply")
    assert f"line {line}, field rules[0]" in told and "is no action" in told
    line = 1 + next(i for i, each in enumerate(lines) if '"top"' in each)
    assert f"line {line}, field top" in broken('"top": 1.0', '"top": 0')
    line = 1 + next(i for i, each in enumerate(lines) if '"push": {' in each)
    told = broken('"kind": "steer"', '"kind": "steel"')
    assert f"line {line}, field plans.push" in told and "'steel'" in told
    assert "no plan is called pusher" in broken("apply push", "apply pusher")
    assert "no concept is called B" in broken("when A", "when B")
    assert "line 2, field version" in broken('"version": 1', '"version": 9')
    assert "not JSON: line 6" in broken(" ],", " }")
    assert "field plan: no such field" in broken('"plans"', '"plan"')


def test_rules_of_another_model_or_autoencoder_are_refused_with_both_hashes() -> None:
    own, model = AT[LAYER].sae.hash, EchoModel()
    other = concept(0, "A", model="f" * 64, autoencoder=own)
    with pytest.raises(ValueError, match=f"f{{64}}; this one has {model.weights_hash}"):
        write(model, ["A"], 3, dictionaries=AT, rules=RuleSet((Rule.of("when A > 1: stop"),), {"A": other}))
    other = concept(0, "A", model=model.weights_hash, autoencoder="a" * 64)
    with pytest.raises(ValueError, match=f"a{{64}}; this one has {own}"):
        write(model, ["A"], 3, dictionaries=AT, rules=RuleSet((Rule.of("when A > 1: stop"),), {"A": other}))
    with pytest.raises(ValueError, match="there is an autoencoder for none"):
        write(model, ["A"], 3, rules=rules("when A > 1: stop"))
    elsewhere = Concept("z", "blocks.9", {1: 1.0}, 1.0)
    with pytest.raises(ValueError, match=r"several layers \(blocks.0, blocks.9\)"):
        RuleSet((Rule.of("when A > 1: stop"),), {"A": CONCEPTS["A"], "z": elsewhere})


def naive(rule: Rule, levels: np.ndarray, names: tuple[str, ...], strand: str) -> list[int]:
    """Where a rule fires, told in words and one base at a time."""
    if rule.strand not in ("", strand):
        return []
    on, length = [False] * len(rule.conditions), [0] * len(rule.conditions)
    fired, armed = [], True
    for at in range(len(levels)):
        for c, each in enumerate(rule.conditions):
            level = levels[at, names.index(each.concept)]
            limit = each.until if on[c] and each.until is not None else each.threshold
            on[c] = bool(level > limit if each.above else level < limit)
            length[c] = length[c] + 1 if on[c] else 0
        if not all(n >= each.run for n, each in zip(length, rule.conditions, strict=True)):
            armed = True
            continue
        inside = at >= rule.start and (rule.end is None or at < rule.end)
        rested = not fired or at - fired[-1] > rule.wait
        if armed and inside and rested and (not rule.budget or len(fired) < rule.budget):
            fired.append(at)
            armed = False
    return fired


@pytest.mark.parametrize("seed", range(20))
def test_rules_fire_where_words_say_in_pieces_of_any_size(seed: int) -> None:
    random = np.random.default_rng(seed)
    made = rules(
        "when A > 0.5: record",
        "when A > 0.5 until 0.2 for 3 bases: record; wait 5 bases",
        "when A > 0.4 and C < 0.6, within 20-70: record; at most 2 times",
        "when C < 0.3 until 0.7, on the minus strand: record",
    )
    levels = random.random((120, 2))
    levels[random.random(120) < 0.05] = np.nan
    for strand in "+-":
        cuts = np.sort(random.integers(0, 121, 5))
        watch = Watch(made, strand)
        found = [each for piece in np.split(levels, cuts) for each in watch.read(piece)]
        assert found == sorted(found, key=lambda each: (each.at, each.rule))
        for number, rule in enumerate(made.rules):
            own = [each.at for each in found if each.rule == number]
            assert own == naive(rule, levels, made.names, strand)
    assert all(each.levels == tuple(levels[each.at]) for each in found if each.rule == 2)


def test_hysteresis_wait_and_budget_by_hand() -> None:
    levels = np.array([0, 0.6, 0.4, 0.6, 0.2, 0.6, 0.2, 0.6, 0.6])[:, None]

    def fired(sentence: str) -> list[int]:
        return [each.at for each in Watch(rules(sentence)).read(levels)]

    assert fired("when A > 0.5: record") == [1, 3, 5, 7]
    assert fired("when A > 0.5 until 0.3: record") == [1, 5, 7]
    assert fired("when A > 0.5: record; wait 2 bases") == [1, 5, 8]
    assert fired("when A > 0.5: record; at most 2 times") == [1, 3]
    assert fired("when A > 0.5 for 2 bases: record") == [8]
    assert fired("when A > 0.5, within 4-8: record") == [5, 7]


def run(made: RuleSet, prompt: str = "ACGT", length: int = 12, **more):
    (found,) = write(EchoModel(), [prompt], length, dictionaries=AT, sampling=BEST, rules=made, **more)
    return found, [(deed.fired.at, deed.done) for deed in found.deeds]


def test_a_rule_fires_at_the_known_base_and_inserts_from_the_next() -> None:
    # Unruled it writes ACGTACGTACGT; the prompt's own G at base 2 does not fire.
    found, deeds = run(rules("when G > 0.5: insert TAA; wait 3 bases; at most 2 times"))
    assert found.sequence == "ACGTAACGTAAC" and deeds == [(6, "inserted TAA"), (11, "inserted TAA")]
    found, deeds = run(rules("when taa > 0.5: stop", "when G > 0.5: insert TAA"))
    assert found.sequence == "ACGTAA" and deeds == [(6, "inserted TAA"), (9, "stopped")]
    assert len(found.nats) == 6
    # A base that the model finds impossible is forced all the same, and is said to be unlikely.
    found, _ = run(rules("when C > 0.5: insert AA"), length=4)
    assert found.sequence == "ACAA" and found.nats[2] == pytest.approx(-50, abs=0.1) and found.nats[1] > -0.1


def test_plans_are_applied_for_their_bases_and_switched_for_good() -> None:
    found, deeds = run(rules("when C > 0.5: apply push for 3 bases; at most 1 time"))
    # C is base 5: the readings of bases 6 to 8 are pushed, so that bases 7 to 9 are A.
    assert found.sequence == "ACGAAACGTACG" and deeds == [(5, "applied push for 3 bases")]
    found, deeds = run(rules("when C > 0.5: switch to push; at most 1 time"))
    assert found.sequence == "ACGAAAAAAAAA" and deeds == [(5, "switched to push")]
    again, _ = run(rules("when C > 0.5: apply push; at most 1 time"))
    assert again.sequence == found.sequence
    # What the plan writes makes the rule that takes it away again fire.
    back = rules(
        "when C > 0.5: switch to push",
        "when A > 0.5 for 3 bases: switch to none",
        plans=PLANS | {"none": EditPlan()},
    )
    assert run(back)[0].sequence == "ACGAAAACGAAA"
    # Rules look at what is read before an edit there: adding to a feature sets nothing off.
    loud = EditPlan((Steer(LAYER, TAA, 5.0),))
    assert run(rules("when taa > 0.5: stop"), plans=[loud])[1] == []


def test_limits_go_before_rules() -> None:
    made = rules("when G > 0.5: insert TAA; at most 1 time")
    found, deeds = run(made, constraints=[Mask("ACGTNGGNNNNN", 0)])
    assert found.sequence[:7] == "ACGTAGG" and "TAA" not in found.sequence
    assert deeds == [(6, "inserted TAA: 2 of 3 bases, then a limit forbade the next")]
    found, deeds = run(made, constraints=[NoSite("TAA")])
    assert "TAA" not in found.sequence and "2 of 3 bases, then a limit" in deeds[0][1]
    found, deeds = run(made, length=4)
    assert found.sequence == "ACGT" and deeds == [(6, "inserted TAA: 1 of 3 bases, then the sequence ended")]
    found, deeds = run(made, length=3)
    assert deeds == [(6, "inserted TAA: 0 of 3 bases, then the sequence ended")]


def test_rows_of_a_batch_keep_their_own_state() -> None:
    made = rules("when G > 0.5: insert TAA; at most 1 time", "when taa > 0.5: apply push for 2 bases")
    prompts, plans = ["ACGT", "GTAC", "GG", ""], [EditPlan(), PUSHED]
    random = Sampling(temperature=30.0, seed=3)
    both = write(EchoModel(), prompts, 30, plans, AT, sampling=random, number=4, together=5, rules=made)
    alone = write(EchoModel(), prompts, 30, plans, AT, sampling=random, number=4, together=1, rules=made)
    assert len({each.sequence for each in both if each.plan == 0}) == 16
    for one, other in zip(both, alone, strict=True):
        assert (one.sequence, one.deeds) == (other.sequence, other.deeds)
    assert {len(each.deeds) for each in both} >= {0, 2}


def test_watching_what_was_written_finds_what_fired_while_writing() -> None:
    made = rules(
        "when A > 0.5 for 2 bases: record; wait 4 bases",
        "when taa > 0.5 until 0.1: record",
        "when G > 0.5 and A < 0.5: insert TAA; wait 9 bases; at most 3 times",
    )
    listener = Listener(made, AT[LAYER])
    model, prompts = EchoModel(), ["ACGTAAG", "TTAA"]
    found = write(model, prompts, 60, dictionaries=AT, sampling=Sampling(60.0, seed=5), number=3, rules=made)
    assert sum(len(each.deeds) for each in found) > 40
    for each in found:
        head = prompts[each.prompt]
        x = model.forward([head + each.sequence], taps=[LAYER]).taps[LAYER][0]
        levels, watch = listener.hear(x), Watch(made)
        fired = watch.read(levels[: len(head)], mute=True) + watch.read(levels[len(head) :])
        assert fired == [deed.fired for deed in each.deeds]


def test_plans_that_wait_for_entropy_are_refused() -> None:
    from feature_mining.edits.places import Where

    gated = EditPlan((Steer(LAYER, PUSH, 1.0, where=Where(entropy=1.0)),))
    with pytest.raises(ValueError, match="cannot wait for entropy"):
        run(rules("when A > 0.5: apply push", plans={"push": gated}))


def test_what_is_written_has_no_tracks() -> None:
    made = rules("when taa > 0.5, within 30 bases of the end of gene: record")
    with pytest.raises(ValueError, match="what is written has no annotation"):
        run(made)
    with pytest.raises(ValueError, match="nothing is known here of gene"):
        Watch(made).read(np.ones((3, 1)))
    for near in (("", "end", 0), ("two words", "", 0), ("gene", "middle", 0), ("gene", "", -1)):
        with pytest.raises(ValueError, match="expected a track in one word"):
            Rule((Condition("A", 0.5),), Action("record"), 0, None, "", 0, 0, *near)


def test_a_feature_that_is_not_there_is_refused() -> None:
    far = RuleSet((Rule.of("when z > 1: stop"),), {"z": concept(99, "z")})
    with pytest.raises(ValueError, match="no feature 99; the autoencoder has 0 to 5"):
        run(far)
    with pytest.raises(ValueError, match="no rule"):
        RuleSet((), CONCEPTS)
    assert json.loads(rules("when A > 1: stop").to_json())["rules"] == ["when A > 1: stop"]
