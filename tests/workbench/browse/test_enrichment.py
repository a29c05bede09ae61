"""What fires in a stretch, against dense arrays, scipy's exact test and a brute-force turn."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import fisher_exact

from tests.workbench.study_factory import Synthetic, make_study
from workbench.browse.enrichment import MOST_BASES, contig_counts, enrichment, shift_p
from workbench.errors import InputError
from workbench.genome.interval import Interval

GENE = Interval("chrA", 200, 800)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Synthetic:
    return make_study(tmp_path_factory.mktemp("enrichment"))


def cells(made: Synthetic, feature: int, locus: Interval) -> tuple[int, int, int, int]:
    a = n = k = m = 0
    for strand in "+-":
        values, known = made.dense[locus.chrom, strand]
        fires = (values[:, feature] > 0) & known
        a += int(fires[locus.start : locus.end].sum())
        n += int(known[locus.start : locus.end].sum())
        k += int(fires.sum())
        m += int(known.sum())
    return a, n - a, k - a, m - n - (k - a)


def test_the_planted_feature_comes_first(made: Synthetic) -> None:
    table = enrichment(made.study, GENE, contig_counts(made.study, "chrA"))
    first = table.iloc[0]
    assert first["feature"] == 3 and first["p_shift"] < 0.5
    a, b, c, d = cells(made, 3, GENE)
    assert first["active"] == a
    assert first["inside"] == pytest.approx(a / (a + b))
    assert first["outside"] == pytest.approx(c / (c + d))
    assert first["odds_ratio"] == pytest.approx((a + 0.5) * (d + 0.5) / ((b + 0.5) * (c + 0.5)))
    exact = fisher_exact([[a, b], [c, d]], alternative="greater").pvalue
    assert first["p_hypergeometric"] == pytest.approx(exact, rel=1e-6, abs=1e-300)


def test_every_row_against_the_exact_test(made: Synthetic) -> None:
    locus = Interval("chrB", 650, 900)
    table = enrichment(made.study, locus, contig_counts(made.study, "chrB"))
    assert len(table) > 2
    for row in table.itertuples():
        a, b, c, d = cells(made, int(row.feature), locus)
        exact = fisher_exact([[a, b], [c, d]], alternative="greater").pvalue
        assert row.p_hypergeometric == pytest.approx(exact, rel=1e-6, abs=1e-300)


def test_dead_features_come_last(made: Synthetic, monkeypatch: pytest.MonkeyPatch) -> None:
    catalog = made.study.table("catalog")
    catalog.loc[catalog["feature"] == 3, "dead"] = True
    monkeypatch.setattr(type(made.study), "table", lambda *_: catalog)
    table = enrichment(made.study, GENE, contig_counts(made.study, "chrA"))
    # Without that, 3 is the first.
    assert table["feature"].iloc[-1] == 3 and table["dead"].tolist() == [*[False] * (len(table) - 1), True]
    fewer = enrichment(made.study, GENE, contig_counts(made.study, "chrA"), len(table) - 1)
    assert 3 not in fewer["feature"].tolist()


def test_shift_p_by_brute_force(made: Synthetic) -> None:
    # chrB is two shards (0-1200, 1200-1500): bins of 64 begin anew at 1200, which is bin 18.75
    profile = np.zeros(24)
    for strand in "+-":
        values = made.dense["chrB", strand][0][:, 3]
        for shard, end in ((0, 1200), (1200, 1500)):
            for at in range(shard, end, 64):
                profile[at // 64] += values[at : min(at + 64, end)].sum()
    turns = [np.roll(profile, -i)[2:10].sum() for i in range(24)]
    expected = np.mean([t >= turns[0] - 1e-3 for t in turns])
    found = shift_p(made.study, np.array([3]), Interval("chrB", 130, 600))
    assert found[0] == pytest.approx(expected)


def test_stretches_that_cannot_be_asked_about(made: Synthetic) -> None:
    counts = contig_counts(made.study, "chrA")
    with pytest.raises(InputError, match="no base here has a value"):
        enrichment(made.study, Interval("chrA", 1005, 1010), counts)
    with pytest.raises(InputError, match="expected 0 <= start < end"):
        enrichment(made.study, Interval("chrA", 10, MOST_BASES * 3), counts)
    narrow = enrichment(made.study, Interval("chrA", 300, 310), counts)
    assert narrow["p_shift"].isna().all()
