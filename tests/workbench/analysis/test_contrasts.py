"""Contrasts on the known world, where it is known what is composition and what is not; simulated."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from feature_mining.concepts.contrast import Difference
from tests.workbench.known_model import FEATURES
from tests.workbench.known_world import World, known_world, runs
from workbench.analysis.audit.near_copies import read_copies
from workbench.analysis.contrasts import Contrast, judge, make_contrast, parse_regions
from workbench.errors import InputError
from workbench.progress import Silent

pytestmark = pytest.mark.slow
GC, PAIR = FEATURES.index("gc"), FEATURES.index("pair")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return known_world(tmp_path_factory)


@pytest.fixture(scope="module")
def pair(world: World) -> Contrast:
    return contrasted(world, "pair")


def contrasted(world: World, here: str, against: str = "", adjust: str = "none") -> Contrast:
    study = world.study
    there = parse_regions(study, against) if against else None
    return make_contrast(study, "found", parse_regions(study, here), there, adjust, 1, Silent())


def test_a_contrast_of_composition_says_so(world: World) -> None:
    found = contrasted(world, "gc")
    assert found.concept.features == (GC,) and found.concept.evidence.verdict == "composition"
    assert found.share.value > 0.9 and found.share.low > 0.8
    assert found.lift.value == pytest.approx(1) and found.composition_lift > 0.99
    assert found.concept.evidence.track == "gc against every other base"


def test_a_contrast_that_composition_does_not_hold_is_learnt(world: World, pair: Contrast) -> None:
    found = pair
    assert found.concept.features == (PAIR,) and found.concept.evidence.verdict == "learnt"
    assert found.share.high < 0.3 and found.margin.low > 0.3
    assert found.held.value == pytest.approx(found.difference.value, rel=0.3)
    assert found.matched.value == pytest.approx(found.difference.value, rel=0.3)
    study = world.study
    assert (found.concept.model, found.concept.autoencoder) == ("0" * 64, study.sae_hash)
    # Values of the features themselves, on the bases of either kind of the report split.
    level = []
    for block in study.manifest.blocks("report"):
        for strand in "+-":
            stored = study.features.rows(block.chrom, block.start, block.end, strand)
            inside = world.marks["pair"][strand][block.start : block.end]
            values = stored.features.dense()[:, PAIR]
            level.append((values[stored.callable & inside], values[stored.callable & ~inside]))
    here, there = (np.concatenate(side) for side in zip(*level, strict=True))
    unit = float(study.dictionary.unit[PAIR])
    assert found.difference.value == pytest.approx((here.mean() - there.mean()) / unit, rel=0.15)
    assert found.difference.low < found.difference.value < found.difference.high


def test_composition_is_held_fixed_where_features_are_chosen(world: World) -> None:
    for adjust in ("match", "regress"):
        found = contrasted(world, "pair", adjust=adjust)
        assert found.concept.features == (PAIR,)
        assert ("matched" if adjust == "match" else "regressed out") in found.concept.how


def test_near_copies_of_other_splits_do_not_count_on_report(world: World) -> None:
    copied = read_copies(world.study).masks
    assert any(mask.any() for mask in copied.values())
    with pytest.raises(InputError, match="copied: no base of it in the sample of a split"):
        contrasted(world, "copied")


def test_regions_are_a_track_a_mode_of_it_or_a_bed_file(world: World, pair: Contrast, tmp_path: Path) -> None:
    study = world.study
    assert parse_regions(study, "pair").mode == "same" and parse_regions(study, "gc").mode == "any"
    assert parse_regions(study, "pair:any").mode == "any"
    bed = tmp_path / "own.bed"
    rows = [f"c\t{a}\t{b}\tx\t0\t{s}" for s, mask in world.marks["pair"].items() for a, b in runs(mask)]
    bed.write_text("\n".join(rows) + "\n")
    own = contrasted(world, str(bed))
    assert own.concept.weights == pair.concept.weights and own.lift == pair.lift
    for text, told in (
        ("nothing", "no track and no BED file; tracks are "),
        ("gc:same", "have no strand"),
        ("nowhere.bed", "no such file"),
    ):
        with pytest.raises(InputError, match=told):
            parse_regions(study, text)


def test_what_cannot_be_contrasted_gets_one_sentence(world: World, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected one of none, match, regress"):
        contrasted(world, "gc", adjust="other")
    with pytest.raises(InputError, match="gc against every other base: composition tells both kinds apart"):
        contrasted(world, "gc", adjust="match")
    with pytest.raises(InputError, match="gc: no base of it in the sample"):
        contrasted(world, "gc", "gc")
    bed = tmp_path / "outside.bed"
    bed.write_text("c\t10\t40\n")
    with pytest.raises(InputError, match="none of the regions lies in a whole cell of the select split"):
        contrasted(world, str(bed), str(bed))
    with pytest.raises(InputError, match="no feature is clearly more active here than there"):
        contrasted(world, "everything:same", "everything:opposite")


@pytest.mark.parametrize(
    ("lift", "margin", "held", "word"),
    [
        ((0.5, 0.4, 0.6), (0.1, 0.05, 0.2), 7, "not tested"),
        ((float("nan"),) * 3, (0.1, 0.05, 0.2), 20, "not tested"),
        ((0.01, 0.005, 0.02), (0.1, 0.05, 0.2), 20, "not distinguishable"),
        ((0.5, -0.1, 0.6), (0.1, 0.05, 0.2), 20, "not distinguishable"),
        ((0.5, 0.4, 0.6), (0.1, -0.05, 0.2), 20, "composition"),
        ((0.5, 0.4, 0.6), (0.01, 0.005, 0.02), 20, "composition"),
        ((0.5, 0.4, 0.6), (0.1, 0.05, 0.2), 20, "learnt"),
    ],
)
def test_the_verdict_follows_the_rules_of_tracks(
    lift: tuple[float, float, float], margin: tuple[float, float, float], held: int, word: str
) -> None:
    assert judge(Difference(*lift), Difference(*margin), held) == word
