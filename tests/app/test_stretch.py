"""What a reader types on the page Sequence: bases, or a place as on the browse page."""

from __future__ import annotations

import pandas as pd
import pytest

from app.canvas.browsing import read_text
from app.data.study import Opened, open_study
from app.stretch import reading
from app.stretch.reading import read_source
from app.stretch.strips import genes_words
from tests.workbench.study_factory import make_study
from workbench import InputError
from workbench.browse.pasted_sequence import Letters
from workbench.genome.interval import Interval
from workbench.judges.judge import NotJudged


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Opened:
    return open_study(str(make_study(tmp_path_factory.mktemp("stretch")).study.folder))


@pytest.mark.parametrize(
    ("text", "letters"),
    [
        ("acgtn ac\n10 gt", "ACGTNACGT"),
        (">chrA any words\nAC\ngt\n", "ACGT"),
        ("NNNN", "NNNN"),
        ("gattaca", "GATTACA"),
    ],
)
def test_letters_are_a_sequence(opened: Opened, text: str, letters: str) -> None:
    assert read_source(opened, text).letters == letters


@pytest.mark.parametrize(
    ("text", "place"),
    [
        # All letters of these are letters of sequences too.
        ("chrA", Interval("chrA", 0, 3000)),
        ("chrA:11-20", Interval("chrA", 10, 20)),
        ("11-20", Interval("chrB", 10, 20)),
        ("11..20", Interval("chrB", 10, 20)),
    ],
)
def test_places_are_read_as_on_the_browse_page(opened: Opened, text: str, place: Interval) -> None:
    source = read_source(opened, text, "chrB")
    assert source.locus == place and not source.letters


def test_a_gene_by_its_name_or_a_part_of_it(opened: Opened) -> None:
    for name in ("gene1", "gen", "ene"):
        assert read_source(opened, name).locus == read_text(opened, name)[0]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("polymer", "not DNA"),
        ("MKVLAAGIVQLEF", "not DNA"),
        (">a\nACGT\n>b\nACGT", "2 records pasted"),
        ("chrZ:1-9", "no contig chrZ"),
        ("", "neither"),
    ],
)
def test_neither_is_refused_in_a_sentence(opened: Opened, text: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        read_source(opened, text)


def test_genes_that_were_not_looked_for_are_not_none(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    pasted, place = read_source(opened, "TTGACAGGTACC" * 9), read_source(opened, "chrA:11-20")
    assert genes_words(pasted) == ""

    def absent(sequence: Letters) -> pd.DataFrame:
        raise NotJudged("pyrodigal is not installed: pip install pyrodigal")

    monkeypatch.setattr(reading, "find_genes", absent)
    reading.found_genes.clear()
    said = "Genes were not looked for: pyrodigal is not installed: pip install pyrodigal."
    assert genes_words(pasted) == said and genes_words(place) == ""
    reading.found_genes.clear()
