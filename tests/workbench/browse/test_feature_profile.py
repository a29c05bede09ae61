"""A feature along the genome, against the dense arrays that the study was made from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.workbench.study_factory import DEAD, Synthetic, make_study
from workbench.browse.feature_profile import (
    around,
    company,
    firing_bins,
    histogram,
    places,
    profiles,
    read_loci,
)
from workbench.browse.metagene import REACH, metagene_profile
from workbench.errors import InputError
from workbench.genome.interval import Interval
from workbench.tracks.track import Track


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Synthetic:
    return make_study(tmp_path_factory.mktemp("profile"))


def test_bins_hold_the_maxima_of_the_genome(made: Synthetic) -> None:
    bins = firing_bins(made.study, 3)
    assert len(bins) and set(bins["strand"]) == {"+", "-"}
    for row in bins.itertuples():
        values, _ = made.dense[row.chrom, row.strand]
        part = slice(row.start, row.end)
        assert row.max == pytest.approx(values[part, 3].max(), rel=1e-6)
    fires = sum(int((v[:, 3] > 0).sum() > 0) for v, _ in made.dense.values())
    assert fires == len(bins.groupby(["chrom", "strand"]))
    assert firing_bins(made.study, DEAD).empty
    with pytest.raises(InputError, match="expected a number from 0 to 19"):
        firing_bins(made.study, 20)


def test_histogram_counts_every_bin() -> None:
    table = histogram(pd.DataFrame({"max": [0.5, 1.0, 3.9, 4.0]}), 4)
    assert table["bins"].tolist() == [1, 1, 0, 2]
    assert table["low"].tolist() == [0, 1, 2, 3] and table["high"].tolist() == [1, 2, 3, 4]


def test_places_of_every_band() -> None:
    values = [4.0, 3.9, 2.5, 1.5, 0.4, 0.3]
    starts = [0, 64, 5000, 6000, 7000, 8000]
    bins = pd.DataFrame(
        {"chrom": "c", "start": starts, "end": [s + 64 for s in starts], "strand": "+", "max": values}
    )
    found = places(bins, each=1)
    assert found["max"].tolist() == [4.0, 2.5, 1.5, 0.3]
    # the second strongest lies beside the strongest, so it is no second place
    assert places(bins, each=2)["max"].tolist() == [4.0, 2.5, 1.5, 0.4, 0.3]


def test_profiles_are_the_values_at_bases(made: Synthetic) -> None:
    found = places(firing_bins(made.study, 5))
    loci = around(made.study, found)
    assert all(0 <= a.start < a.end <= made.study.manifest.contigs[a.chrom] for a in loci)
    for at, values in zip(loci, profiles(made.study, 5, loci), strict=True):
        for strand in "+-":
            dense, usable = made.dense[at.chrom, strand]
            part = slice(at.start, at.end)
            expected = np.where(usable[part], dense[part, 5], np.nan)
            np.testing.assert_allclose(values[strand], expected, rtol=1e-6)


def test_a_stretch_across_two_files(made: Synthetic) -> None:
    at = Interval("chrA", 1150, 1250)
    readings = {strand: reading for _, strand, reading in read_loci(made.study, [at])}
    for strand in "+-":
        usable = made.dense["chrA", strand][1][1150:1250]
        np.testing.assert_array_equal(readings[strand].callable, usable)


def test_company_is_counted_at_the_sampled_bases(made: Synthetic) -> None:
    bins = firing_bins(made.study, 7).head(5)
    catalog = made.study.table("catalog").sort_values("feature")
    found = company(made.study, 7, bins, catalog)
    same = np.zeros(20)
    total = 0
    for row in bins.itertuples():
        values = made.dense[row.chrom, row.strand][0][row.start : row.end]
        on = values[:, 7] > 0
        total += int(on.sum())
        same += (values[on] > 0).sum(axis=0)
    assert found.bases == total and 7 not in set(found.same["feature"])
    for row in found.same.itertuples():
        assert row.share == pytest.approx(same[row.feature] / total)


def test_round_ends_is_the_share_of_intervals(made: Synthetic) -> None:
    rows = pd.DataFrame(
        {"chrom": ["chrA", "chrA"], "start": [300, 1500], "end": [600, 1900], "name": ["a", "b"],
         "score": [0.0, 0.0], "strand": ["+", "-"], "group": ["", ""]}
    )  # fmt: skip
    track = Track("t", rows, "made")
    inside = [
        r for r in rows.itertuples()
        if any(
            b.chrom == r.chrom and b.start <= r.start and r.end <= b.end
            for b in made.study.manifest.blocks("report")
        )
    ]  # fmt: skip
    table = metagene_profile(made.study, 3, track, "same")
    fires, known = np.zeros(2 * REACH + 1), np.zeros(2 * REACH + 1)
    for r in inside:
        at = r.start if r.strand == "+" else r.end - 1
        values, usable = made.dense[r.chrom, r.strand]
        step = 1 if r.strand == "+" else -1
        part = slice(at - REACH, at + REACH + 1)
        fires += ((values[part, 3] > 0) & usable[part])[::step]
        known += usable[part][::step]
    five = table[table["end"] == "5'"]
    assert len(five) == (2 * REACH + 1 if inside else 0)
    if inside:
        with np.errstate(invalid="ignore"):
            np.testing.assert_allclose(five["share_active"].to_numpy(), fires / known)


def test_lists_are_kept(tmp_path: Path) -> None:
    from workbench.study.feature_lists import read_lists, write_list

    write_list(tmp_path, " my  list ", [3, 3, 1])
    assert read_lists(tmp_path) == {"my list": [3, 1]}
    write_list(tmp_path, "my list", [])
    assert read_lists(tmp_path) == {}
    with pytest.raises(InputError, match="expected 1 to 60"):
        write_list(tmp_path, " ", [1])
    (tmp_path / "lists.json").write_text("[1]")
    with pytest.raises(InputError, match="expected an object of JSON"):
        read_lists(tmp_path)
