"""Places as readers write them, against places written out by hand."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from tests.workbench.study_factory import Synthetic, make_study
from workbench.browse.places import name_index, read_place, suggest
from workbench.errors import InputError
from workbench.genome.interval import Interval
from workbench.tracks.loci import read_gene_words, read_locus_tags


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Synthetic:
    made = make_study(tmp_path_factory.mktemp("places"))
    gff = Path(made.study.config.input.tracks[0])
    more = "chrB\tx\tgene\t151\t600\t.\t+\t.\tID=g9;locus_tag=TAG_0042;gene_synonym=rpoX,oldB\n"
    more += "chrB\tx\tCDS\t701\t1200\t.\t-\t0\tID=c9;product=DNA-directed RNA polymerase%2C subunit\n"
    gff.write_text(gff.read_text() + more)
    return made


@pytest.fixture(scope="module")
def names(made: Synthetic) -> pd.DataFrame:
    return name_index(made.study, made.study.tracks)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("chrA:1,001-2,500", ("chrA", 1000, 2500)),
        ("chrA:1001..2500", ("chrA", 1000, 2500)),
        ("chrA:1001 \N{EN DASH} 2500", ("chrA", 1000, 2500)),
        (" A:1-10 ", ("chrA", 0, 10)),
        ("chrA:2500-1001", ("chrA", 1000, 2500)),
        ("chrA:2,900-9,999", ("chrA", 2899, 3000)),
        ("chrA:0-20", ("chrA", 0, 20)),
        ("chrA:500", ("chrA", 449, 550)),
        ("chrA:3000", ("chrA", 2949, 3000)),
        ("101-200", ("chrB", 100, 200)),
        ("101..200", ("chrB", 100, 200)),
        ("700", ("chrB", 649, 750)),
        ("chrB", ("chrB", 0, 1500)),
        ("A", ("chrA", 0, 3000)),
        ("GENE2", ("chrA", 1000, 2600)),
        ("tag_0042", ("chrB", 0, 1100)),
        ("TAG_00", ("chrB", 0, 1100)),
        ("oldB", ("chrB", 0, 1100)),
        ("RNA polymerase, sub", ("chrB", 200, 1500)),
    ],
)
def test_places(made: Synthetic, names: pd.DataFrame, text: str, place: tuple[str, int, int]) -> None:
    assert read_place(made.study, text, names, "chrB") == Interval(*place)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("chrQ:1-5", "no contig chrQ"),
        ("chrA:3,001-4,000", "chrA ends at 3,000"),
        ("nothing like this", "neither a place nor a name"),
        ("", "neither a place nor a name"),
        ("chrA:12-x", "expected a place such as"),
    ],
)
def test_other_text_gets_a_sentence(made: Synthetic, names: pd.DataFrame, text: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        read_place(made.study, text, names, "chrB")


def test_words_of_genes(made: Synthetic) -> None:
    path = Path(made.study.config.input.tracks[0])
    found = read_gene_words(path, made.study.contigs)
    own = found[found["start"] == 150]["word"].tolist()
    assert own[-3:] == ["TAG_0042", "rpoX", "oldB"]
    assert found["word"].iloc[-1] == "DNA-directed RNA polymerase, subunit"
    tags = read_locus_tags(path, made.study.contigs)
    assert tags.to_numpy().tolist() == [["chrB", 150, 600, "TAG_0042"]]


def test_names_are_offered_while_they_are_typed(names: pd.DataFrame) -> None:
    found = suggest(names, "GENE")
    # Each gene once, though its CDS and its start and stop are called so too.
    assert found["name"].is_unique and found["name"].str.startswith("gene").all() and len(found) > 1
    first = suggest(names, "gene2").iloc[0]
    assert (first["name"], first["chrom"], first["start"], first["end"]) == ("gene2", "chrA", 1500, 2100)
    assert suggest(names, "rpox")["name"].tolist() == ["rpoX"]
    assert suggest(names, "polymerase")["name"].tolist() == ["DNA-directed RNA polymerase, subunit"]
    assert suggest(names, "g").empty and suggest(names, "<b>").empty and len(suggest(names, "e", 3)) == 0
