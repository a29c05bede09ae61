"""Probes that find planted features; domains that know their own; files that say what is wrong in them."""

from __future__ import annotations

import json

import numpy as np
import pytest

from feature_mining.association.probe import Sample
from feature_mining.concepts.concept import Concept
from feature_mining.detection.detector import Detector
from feature_mining.detection.domain import COLUMNS, LEFT_OUT, Domain, densest, feature_rates, word_shares
from feature_mining.detection.probe import fit_weights
from feature_mining.feature_map import from_dense
from genomic_models.dna import base_codes, reverse_complement


def test_a_probe_finds_planted_features_and_no_more_than_asked() -> None:
    random = np.random.default_rng(0)
    values = random.gamma(2.0, 1.0, (20_000, 30)).astype(np.float32) * (random.random((20_000, 30)) < 0.1)
    scales = np.linspace(1, 5, 30)
    values *= scales
    odds = values[:, 3] / scales[3] - 2 * values[:, 9] / scales[9] + 1.5 * values[:, 20] / scales[20] - 4
    labels = random.random(20_000) < 1 / (1 + np.exp(-odds))
    sample = Sample(from_dense(values), labels[:, None], np.ones(20_000))
    found = fit_weights(sample, scales, 3)
    assert set(found) <= {3, 9, 20} and {3, 20} <= set(found)
    # Weights are in units of each feature's own scale: shrunk, and in the order of the truth.
    assert 0 < found[3] < 1.2 and found[3] < found[20] < 1.8
    assert set(fit_weights(sample, scales, 1)) <= {3, 20}
    unused = np.where(np.arange(30) == 20, 0, scales)
    assert 20 not in fit_weights(sample, unused, 3)
    with pytest.raises(ValueError, match="features or fewer go with the labels"):
        fit_weights(sample._replace(features=from_dense(np.zeros((20_000, 30)))), scales, 3)


def test_words_are_of_both_strands_and_counted_by_hand() -> None:
    random = np.random.default_rng(1)
    letters = "".join(random.choice(list("ACGT"), 600))
    shares = word_shares(base_codes(letters))
    assert shares.shape == (COLUMNS,) == (32,) and shares.sum() == pytest.approx(1)
    assert shares == pytest.approx(word_shares(base_codes(reverse_complement(letters))))
    counts: dict[str, int] = {}
    for i in range(598):
        word = letters[i : i + 3]
        counts[min(word, reverse_complement(word))] = counts.get(min(word, reverse_complement(word)), 0) + 1
    assert sorted(shares * 598) == pytest.approx(sorted(counts.values()))
    assert np.isnan(word_shares(base_codes(letters[:200] + "N" * 400))).all()


def test_rates_are_those_of_valued_bases() -> None:
    values = np.zeros((400, 5), np.float32)
    values[::2, 1] = values[::4, 3] = 1
    use = np.arange(400) < 300
    rates = feature_rates([(from_dense(values), use)], np.array([1, 3, 4]))
    assert rates == pytest.approx([0.75, 0.5, 0.25, 0])
    assert np.isnan(feature_rates([(from_dense(values), use & (np.arange(400) < 200))], np.array([1]))).all()
    assert densest(np.array([0.1, 0.5, 0.0, 0.4]), 2).tolist() == [1, 3]


def pieces(random: np.random.Generator, count: int, gc: float, rates: tuple[float, ...] = (0.2, 0.4)):
    """Descriptions of pieces of random sequence of a GC share, with feature rates."""
    p = [(1 - gc) / 2, gc / 2, gc / 2, (1 - gc) / 2]
    words = [word_shares(random.choice(4, 1500, p=p).astype(np.uint8)) for _ in range(count)]
    own = [[sum(rates), *(random.binomial(1500, rate) / 1500 for rate in rates)] for _ in range(count)]
    return np.hstack([words, own])


def test_a_domain_holds_its_own_and_leaves_out_other_composition_and_other_features() -> None:
    random = np.random.default_rng(2)
    made = Domain.fit(pieces(random, 200, 0.5), pieces(random, 200, 0.5), np.array([1, 2]))
    own = made.covers(pieces(random, 500, 0.5))
    assert 1 - own.mean() == pytest.approx(LEFT_OUT, abs=0.015)
    assert made.covers(pieces(random, 100, 0.65)).mean() < 0.05
    assert made.covers(pieces(random, 100, 0.35)).mean() < 0.05
    assert made.covers(pieces(random, 100, 0.5, (0.2, 0.5))).mean() < 0.05
    assert not made.covers(np.full((1, COLUMNS + 3), np.nan))[0]
    with pytest.raises(ValueError, match="200 and 5 pieces of sequence"):
        Domain.fit(pieces(random, 200, 0.5), pieces(random, 5, 0.5), np.array([1, 2]))


def some_detector(**more: object) -> Detector:
    random = np.random.default_rng(4)
    domain = Domain.fit(pieces(random, 60, 0.5), pieces(random, 60, 0.5), np.array([1, 2]))
    concept = Concept("stop", "blocks.1", {3: 1.0, 7: -0.5}, 2.0, "m" * 64, "a" * 64, "a probe")
    given = {
        "name": "stops", "concept": concept, "units": {3: 4.0, 7: 2.0}, "track": "CDS_stop", "mode": "same",
        "window": 128, "warmup": 32, "threshold": 0.25, "gap": 3, "curve": (-1.0, 4.0), "precision": 0.8,
        "sites_per_megabase": 900.0, "domain": domain, "measured": {"report_precision": 0.79},
    }  # fmt: skip
    return Detector(**(given | more))


def test_scores_are_levels_in_the_detectors_own_units() -> None:
    detector = some_detector()
    values = np.zeros((3, 9), np.float32)
    values[0, 3], values[1, 7] = 4.0, 2.0
    scores = detector.score(from_dense(values), np.array([True, True, False]))
    # <w, r> / <w, w> / top, with w = (1, -0.5) and r one unit of either.
    assert scores[:2] == pytest.approx([1 / 1.25 / 2, -0.5 / 1.25 / 2]) and np.isnan(scores[2])
    assert values[:, [3, 7]] @ detector.coefficients == pytest.approx([*scores[:2], 0])
    assert detector.probability(np.array([0.25])) == pytest.approx([0.5])
    assert str(detector) == (
        "stops: CDS_stop on the strand that is read where stop >= 0.25, 80 % of calls true where there are"
        " 900 sites a megabase"
    )


def test_the_file_gives_the_detector_back_and_names_line_and_field() -> None:
    detector = some_detector()
    text = detector.to_json()
    again = Detector.from_json(text)
    assert again.to_json() == text and again.concept == detector.concept
    rows = pieces(np.random.default_rng(5), 50, 0.5)
    assert again.domain.distance(rows) == pytest.approx(detector.domain.distance(rows), rel=1e-4)

    def broken(change, told: str) -> None:
        values = json.loads(text)
        change(values)
        with pytest.raises(ValueError, match=told):
            Detector.from_json(json.dumps(values, indent=1))

    line = 1 + next(i for i, row in enumerate(text.splitlines()) if '"threshold"' in row)
    broken(
        lambda v: v.update(threshold="high"), f'line {line}, field threshold: found "high"; expected a finite'
    )
    line = 1 + next(i for i, row in enumerate(text.splitlines()) if '"layer"' in row)
    broken(lambda v: v["concept"].update(layer=3), f"line {line}, field layer: found 3")
    broken(lambda v: v["units"].pop("3"), "field units: .*expected a unit for each feature of the concept")
    broken(lambda v: v.update(precision=1.5), "field precision: found 1.5; expected a share")
    broken(lambda v: v.update(warmup=128), "field warmup: found 128; expected less than the window, 128")
    broken(lambda v: v["domain"]["whiten"].pop(), "field domain.centre: .*expected 35 numbers, and 35 rows")
    broken(lambda v: v["domain"]["whiten"][0].pop(), "field domain.whiten: .*rows of the same length")
    broken(lambda v: v.pop("curve"), "line 1: no field curve")
    broken(lambda v: v.update(version=2), "line 2, field version")
    broken(lambda v: v["measured"].update(x=None), "field measured.x: found null")


def test_a_detector_of_another_model_or_autoencoder_is_refused_with_both_hashes() -> None:
    detector = some_detector()
    detector.check("m" * 64, "a" * 64)
    with pytest.raises(ValueError, match=f"m{{64}}; this one has {'b' * 64}"):
        detector.check("b" * 64, "a" * 64)
    with pytest.raises(ValueError, match=f"a{{64}}; this one has {'b' * 64}"):
        detector.check("m" * 64, "b" * 64)
