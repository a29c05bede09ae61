"""Means of signals in bins, against brute force."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from workbench.browse.signal_bins import SignalBins, gc_content, gc_skew
from workbench.genome.interval import Interval
from workbench.genome.reference import Genome


@pytest.fixture(scope="module")
def genome(tmp_path_factory: pytest.TempPathFactory) -> Genome:
    letters = "".join(np.random.default_rng(3).choice(list("ACGTNacgt"), 5003))
    path = tmp_path_factory.mktemp("bins") / "genome.fa.gz"
    path.write_bytes(gzip.compress(f">c\n{letters}\n".encode()))
    return Genome(path, cache=path.parent)


@pytest.mark.parametrize("size", [1, 2, 32, 64, 128, 1024])
@pytest.mark.parametrize(("start", "end"), [(0, 5003), (70, 90), (1000, 4000), (4990, 5003)])
def test_gc_and_skew_are_those_of_the_letters(genome: Genome, size: int, start: int, end: int) -> None:
    letters = genome.fetch("c", 0, 5003).upper()
    for made, plus, of in ((gc_content(genome), ("G", "C"), "ACGT"), (gc_skew(genome), ("G",), "GC")):
        bins = made.means(Interval("c", start, end), size, 5003)
        assert bins.start <= start and bins.start + bins.means.size * size >= end
        for i, mean in enumerate(bins.means):
            part = letters[bins.start + i * size : bins.start + (i + 1) * size]
            known = sum(map(part.count, of))
            wanted = sum(map(part.count, plus)) - (part.count("C") if of == "GC" else 0)
            if known:
                assert mean == pytest.approx(wanted / known, abs=1e-6)
            else:
                assert np.isnan(mean)


def test_a_signal_with_gaps_is_the_mean_of_what_is_there_and_read_through_once(tmp_path: Path) -> None:
    values = np.arange(1000, dtype=np.float32)
    values[100:700] = np.nan
    asked = []

    def read(chrom: str, start: int, end: int) -> np.ndarray:
        asked.append((start, end))
        return values[start:end]

    bins = SignalBins(read)
    found = bins.means(Interval("c", 0, 1000), 128, 1000)
    assert found.means[0] == pytest.approx(np.arange(100).mean())
    assert np.isnan(found.means[1:5]).all() and found.means[5] == pytest.approx(np.arange(700, 768).mean())
    bins.means(Interval("c", 300, 400), 64, 1000)
    assert asked == [(0, 1000)]
    near = bins.means(Interval("c", 90, 104), 4, 1000)
    assert (near.start, near.size) == (88, 4) and asked[-1] == (88, 104)
    assert near.means[:3] == pytest.approx([89.5, 93.5, 97.5]) and np.isnan(near.means[3])
