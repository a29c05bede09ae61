"""Browser views against brute force on the dense arrays of a synthetic study."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tests.workbench.study_factory import CONTIGS, GAP_OF_N, GENES, Synthetic, make_study
from workbench.errors import InputError
from workbench.genome.interval import Interval
from workbench.study.locus import annotation, find_locus, move, strip, strips
from workbench.tracks.track import Row, Track, frame


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Synthetic:
    return make_study(tmp_path_factory.mktemp("views"))


def brute(made: Synthetic, feature: int, chrom: str, start: int, end: int, strand: str) -> float:
    """Maximum over the callable bases; NaN where there is none."""
    values, usable = made.dense[chrom, strand]
    inside = values[start:end, feature][usable[start:end]]
    return float(inside.max()) if inside.size else float("nan")


@pytest.mark.parametrize("strand", ["+", "-"])
@pytest.mark.parametrize("bins", [1, 3, 5, 20, 100, 5000])
@pytest.mark.parametrize(
    ("chrom", "start", "end"),
    [("chrA", 0, 3000), ("chrA", 17, 2801), ("chrA", 1100, 1300), ("chrB", 5, 1500), ("chrB", 3, 4)],
)
def test_every_bin_is_the_exact_maximum(
    made: Synthetic, chrom: str, start: int, end: int, strand: str, bins: int
) -> None:
    for feature in (0, 3, 7, 19):
        found = strip(made.study, feature, chrom, start, end, strand, bins)
        assert 1 <= len(found) <= bins
        assert found["start"].iloc[0] <= start and found["end"].iloc[-1] >= end
        assert (found["start"].iloc[1:].to_numpy() == found["end"].iloc[:-1].to_numpy()).all()
        assert (found["end"] > found["start"]).all()
        assert found["end"].iloc[-1] <= CONTIGS[chrom]
        expected = [
            brute(made, feature, chrom, int(s), int(e), strand)
            for s, e in zip(found["start"], found["end"], strict=True)
        ]
        np.testing.assert_array_equal(found["value"].to_numpy(), np.float32(expected))


def test_a_small_region_comes_base_by_base(made: Synthetic) -> None:
    found = strip(made.study, 3, "chrA", 200, 260, "+")
    assert found["start"].tolist() == list(range(200, 260))
    np.testing.assert_array_equal(found["value"], made.dense["chrA", "+"][0][200:260, 3])


def test_no_value_is_not_zero(made: Synthetic) -> None:
    chrom, start, end = GAP_OF_N
    assert strip(made.study, 0, chrom, start, end, "+")["value"].isna().all()
    dead = strip(made.study, 19, "chrA", 300, 400, "+")
    assert (dead["value"] == 0).all()


def test_features_together_equal_features_alone(made: Synthetic) -> None:
    both = strips(made.study, [3, 7], "chrA", 0, 3000, "-", 40)
    for feature, table in both.items():
        pd.testing.assert_frame_equal(table, strip(made.study, feature, "chrA", 0, 3000, "-", 40))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((0, "chrX", 0, 10, "+"), "no contig chrX"),
        ((0, "chrA", 0, 3001, "+"), "the length of chrA"),
        ((0, "chrA", 10, 10, "+"), "start < end"),
        ((20, "chrA", 0, 10, "+"), "from 0 to 19"),
        ((-1, "chrA", 0, 10, "+"), "from 0 to 19"),
        ((0, "chrA", 0, 10, "."), r"expected \+ or -"),
        ((0, "chrA", 0, 10, "+", 0), "at least 1"),
    ],
)
def test_what_is_not_there_is_refused(
    made: Synthetic, arguments: tuple[int, str, int, int, str], said: str
) -> None:
    with pytest.raises(InputError, match=said):
        strip(made.study, *arguments)


def test_places(made: Synthetic) -> None:
    assert find_locus(made.study, "chrA:1,000-2,500") == Interval("chrA", 1000, 2500)
    assert find_locus(made.study, " chrB:0 - 10 ") == Interval("chrB", 0, 10)
    assert find_locus(made.study, "chrB") == Interval("chrB", 0, 1500)
    assert str(Interval("chrB", 5, 10)) == "chrB:5-10"
    chrom, start, end, _ = GENES[2]
    assert find_locus(made.study, "GENE2") == Interval(chrom, start - 500, end + 500)
    assert find_locus(made.study, "gene0") == Interval("chrA", 0, 1300)


@pytest.mark.parametrize(
    "text", ["", "chrA:1-", "chrA:1,00-500", "nothing", "chrA:9-3001", "chrQ:1-2", "chrA:1-" + "9" * 5000]
)
def test_places_that_are_not_there(made: Synthetic, text: str) -> None:
    with pytest.raises(InputError):
        find_locus(made.study, text)


def test_moving_stays_on_the_contig(made: Synthetic) -> None:
    at = Interval("chrA", 1000, 2000)
    assert move(made.study, at, shift=0.5) == Interval("chrA", 1500, 2500)
    assert move(made.study, at, shift=5) == Interval("chrA", 2000, 3000)
    assert move(made.study, at, shift=-5) == Interval("chrA", 0, 1000)
    assert move(made.study, at, zoom=0.5) == Interval("chrA", 1250, 1750)
    assert move(made.study, at, zoom=100) == Interval("chrA", 0, 3000)
    assert move(made.study, at, zoom=1e-6) == Interval("chrA", 1490, 1510)


def test_annotation_joins_what_is_too_much_to_draw() -> None:
    rows = [Row("c", 10 * i, 10 * i + 8, f"g{i}", strand="+" if i % 2 else "-") for i in range(100)]
    rows.append(Row("d", 0, 5, "elsewhere", strand="+"))
    track = Track("genes", frame(rows), "made up")
    few = annotation(track, Interval("c", 5, 41), most=10)
    assert few["name"].tolist() == ["g0", "g1", "g2", "g3", "g4"]
    assert few["intervals"].tolist() == [1] * 5
    many = annotation(track, Interval("c", 0, 1000), most=50)
    assert many[["start", "end", "strand"]].to_numpy().tolist() == [[0, 988, "-"], [10, 998, "+"]]
    assert many["intervals"].sum() == 100
    # a gap wider than 1/50 of the region keeps two groups apart
    rows = [r for r in rows if not 400 <= r.start < 440]
    apart = annotation(Track("genes", frame(rows), "made up"), Interval("c", 0, 1000), most=50)
    assert len(apart) == 4 and apart["intervals"].sum() == 96
