"""Contrasts against a planted one, regressions of scikit-learn and means by hand; simulated."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_array
from sklearn.linear_model import LinearRegression

from feature_mining.association.margin import draw_blocks
from feature_mining.concepts.contrast import (
    CLASSES,
    Compared,
    composition_share,
    contrast,
    difference,
    row_weights,
)

BLOCKS = 40


def planted(rows: int = 20_000, seed: int = 0) -> tuple[csr_array, Compared]:
    """Feature 0 follows the kind of base, 1 its composition, 2 both, 3 the other kind, the rest nothing."""
    random = np.random.default_rng(seed)
    here = random.random(rows) < 0.3
    composition = np.where(here, 1.0, -0.5) + random.normal(0, 1, rows)
    chance = np.full((rows, 10), 0.1)
    chance[here, 0] = 0.5
    chance[:, 1] = 1 / (1 + np.exp(1 - 1.5 * composition))
    chance[:, 2] = (chance[:, 0] + chance[:, 1]) / 2
    chance[~here, 3] = 0.5
    codes = (random.random(chance.shape) < chance) * random.gamma(4, 0.2, chance.shape)
    weight = random.uniform(0.5, 2, rows)
    return csr_array(codes), Compared(here, composition, weight, np.arange(rows) * BLOCKS // rows)


def test_plain_weights_give_the_difference_of_means() -> None:
    codes, bases = planted()
    dense, here, weight = codes.toarray(), bases.here, bases.weight
    by_hand = np.average(dense[here], axis=0, weights=weight[here])
    by_hand -= np.average(dense[~here], axis=0, weights=weight[~here])
    assert row_weights(bases, "none") @ codes == pytest.approx(by_hand)


def test_regression_is_that_of_scikit_learn_on_the_classes() -> None:
    codes, bases = planted()
    halves = np.where(bases.here, bases.weight / bases.weight[bases.here].sum(), 0)
    halves = halves + np.where(bases.here, 0, bases.weight / bases.weight[~bases.here].sum())
    order = np.argsort(bases.composition)
    # A twentieth of both kinds in each, up to the base at the border.
    kind = np.empty(len(order), int)
    kind[order] = np.minimum(np.cumsum(halves[order]) / 2 * CLASSES, CLASSES - 1).astype(int)
    x = np.column_stack([bases.here, np.eye(CLASSES)[kind]])
    fitted = LinearRegression(fit_intercept=False).fit(x, codes.toarray(), sample_weight=bases.weight)
    assert row_weights(bases, "regress") @ codes == pytest.approx(fitted.coef_[:, 0], abs=2e-3)


def test_matched_bases_have_the_same_composition() -> None:
    _, bases = planted()
    rows = row_weights(bases, "match")
    assert rows[bases.here].sum() == pytest.approx(1) and rows[~bases.here].sum() == pytest.approx(-1)
    # A twentieth of the plain difference of composition is left within classes.
    plain = row_weights(bases, "none") @ bases.composition
    assert abs(rows @ bases.composition) < plain / CLASSES


def test_features_of_composition_leave_where_it_is_held_fixed() -> None:
    codes, bases = planted()
    plain = contrast(codes, bases, "none", 10)
    assert set(plain) == {0, 1, 2} and list(plain) == sorted(plain, key=lambda f: -plain[f])
    assert plain[0] == pytest.approx(0.4 * 0.8, abs=0.03)
    for adjust in ("match", "regress"):
        held = contrast(codes, bases, adjust, 10)
        assert 0 in held and 2 in held and 3 not in held
        assert held.get(1, 0.0) < plain[1] / 4
    assert set(contrast(codes, bases, "none", 1)) == {max(plain, key=lambda f: plain[f])}


@pytest.mark.parametrize("adjust", ["none", "match", "regress"])
def test_sums_over_blocks_give_the_same_difference(adjust: str) -> None:
    codes, bases = planted()
    values = codes.toarray()[:, 2]
    times = draw_blocks(BLOCKS, 300)
    found = difference(values, bases, adjust, times)
    assert found.value == pytest.approx(row_weights(bases, adjust) @ values)
    assert found.low < found.value < found.high
    # On one draw, the same as on its bases written out.
    drawn = np.repeat(np.arange(len(values)), times[0].astype(int)[bases.block])
    again = Compared(*(part[drawn] for part in bases))
    one = difference(values, bases, adjust, times[:1]).low
    assert one == pytest.approx(
        row_weights(again, adjust) @ values[drawn], rel=1e-9 if adjust == "none" else 2e-2
    )


def test_an_interval_holds_the_truth() -> None:
    held = 0
    for seed in range(40):
        codes, bases = planted(2_000, seed)
        found = difference(codes.toarray()[:, 0], bases, "none", draw_blocks(BLOCKS, 200))
        held += found.low < 0.4 * 0.8 < found.high
    assert held >= 34


def test_the_share_that_composition_alone_shows_is_found() -> None:
    codes, bases = planted()
    times = draw_blocks(BLOCKS, 200)
    values = codes.toarray()
    follows, own, both = (composition_share(values[:, feature], bases, times) for feature in (0, 1, 2))
    assert own.value == pytest.approx(1, abs=0.1)
    # Of what follows the kind alone, as much as composition tells of the kind.
    of_kind = composition_share(bases.here.astype(float), bases, times)
    assert follows.value == pytest.approx(of_kind.value, abs=0.05) and 0.2 < of_kind.value < 0.5
    assert follows.high < both.low < both.high < own.low
    nothing = bases._replace(composition=np.random.default_rng(1).normal(size=len(bases.here)))
    assert abs(composition_share(values[:, 0], nothing, times).value) < 0.03
    wholly = bases._replace(composition=np.where(bases.here, 5.0, -5.0))
    assert composition_share(values[:, 0], wholly, times).value == pytest.approx(1)


def test_what_cannot_be_compared_is_refused() -> None:
    codes, bases = planted(200)
    with pytest.raises(ValueError, match="both kinds"):
        row_weights(bases._replace(here=np.ones(200, bool)), "none")
    apart = bases._replace(composition=np.where(bases.here, 5.0, -5.0))
    with pytest.raises(ValueError, match="nearly nothing can be matched"):
        row_weights(apart, "match")
    with pytest.raises(ValueError, match="nearly nothing is left"):
        row_weights(apart, "regress")
    with pytest.raises(ValueError, match="no feature is clearly more active"):
        contrast(codes[:, 4:], bases, "none", 5)
