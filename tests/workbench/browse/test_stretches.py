"""Stretches read anew against the study's own feature files, and alleles against readings written out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from feature_mining.feature_map import column
from genomic_models.dna import reverse_complement
from tests.conftest import made_once
from tests.workbench.small_study import small_config, write_model
from workbench.browse.alleles import gained_and_lost, read_allele
from workbench.browse.pasted_sequence import Letters, Pasted, read_pasted, read_stretch
from workbench.browse.stretch_tiles import difference_tile, stretch_tile
from workbench.browse.tiles import NOTHING, ZERO, encode
from workbench.browse.value_scale import ValueScale
from workbench.cohort.edits import apply_edits
from workbench.errors import InputError
from workbench.genome.interval import Interval
from workbench.study.study import Study
from workbench.variants.consequence import Annotation
from workbench.variants.effects import read_sequences
from workbench.variants.hgvs import VariantNames

STRANDS = ("+", "-")


@pytest.fixture(scope="module")
def study(samples: Path, tmp_path_factory: pytest.TempPathFactory) -> Study:
    """A study of a plasmid by a random model, as far as its features."""

    def make(folder: Path) -> None:
        model = write_model(folder / "model")
        Study.create(folder / "study", small_config(samples, model)).run(until="encode")

    return Study.open(made_once(tmp_path_factory, "encoded", make) / "study")


def dense(pasted: Pasted, width: int) -> dict[str, np.ndarray]:
    """Values float32 (bases, features) by strand."""
    found = {strand: np.zeros((len(pasted.sequence), width), np.float32) for strand in STRANDS}
    for row in pasted.fires.itertuples():
        here = found[row.strand][row.position - pasted.start]
        here[row.feature] = max(here[row.feature], row.value)
    return found


def test_a_place_of_the_genome_has_the_values_of_the_study(study: Study) -> None:
    """Also a whole contig that is pasted, where there is context enough; windows end within both."""
    chrom, length = next(iter(study.genome.lengths.items()))
    width = study.sae_config.d_sae
    place = Interval(chrom, 700, 1100)
    read = read_stretch(study, study.genome, place)
    assert read.sequence == study.genome.fetch(*place) and (read.before, read.after) == (32, 32)
    alone = read_pasted(study, study.genome.fetch(chrom, 0, 1200))
    for strand in STRANDS:
        stored = study.features.rows(chrom, 700, 1100, strand)
        expected = np.stack([column(stored.features, f) for f in range(width)], axis=1)
        assert stored.callable.all() and (expected > 0).any()
        np.testing.assert_allclose(dense(read, width)[strand], expected, atol=2e-3)
        np.testing.assert_allclose(dense(alone, width)[strand][700:1100], expected, atol=2e-3)
    assert length > 1200


def test_likelihood_is_that_of_each_window(study: Study) -> None:
    letters = study.genome.fetch(next(iter(study.genome.lengths)), 0, 300)
    read = read_pasted(study, letters)
    # Cells of 96 bases: 0-96, 96-192, 192-288, 288-300; the reading of each begins 32 bases before it.
    whole = [letters[max(0, at - 32) : at + 96] for at in (0, 96, 192, 288)]
    found = read_sequences(study.model, "", whole, 1)
    plus = np.concatenate([found[word].nats[32 if i else 0 :] for i, word in enumerate(whole)])
    np.testing.assert_allclose(read.nats["+"], plus, atol=1e-4)
    last = reverse_complement(letters[288:])
    first = read_sequences(study.model, "", [last], 1)[last].nats[::-1]
    np.testing.assert_allclose(read.nats["-"][288:], first, atol=1e-4)
    assert np.isnan(read.nats["+"][0]) and np.isnan(read.nats["-"][-1])


def names(letters: str) -> VariantNames:
    genome = Letters("sequence", letters)
    return VariantNames(Annotation(genome, None, None), "sequence")


def changed(letters: str, text: str) -> str:
    found = read_allele(text, names(letters), Interval("sequence", 0, len(letters)))
    return apply_edits(letters, 0, found.edits).letters


def test_changes_make_the_allele() -> None:
    assert changed("ACGTACGT", "2:C:T") == "ATGTACGT"
    assert changed("ACGTACGT", "1:AC:, 5::GG 8:T:A") == "GTGGACGA"
    assert changed("ACGTACGT", "g.2C>T; sequence:g.8del") == "ATGTACG"
    rng = np.random.default_rng(0)
    long = "".join(rng.choice(list("ACGT"), 400))
    other = long[:100] + "G" + long[100:250] + long[253:]
    assert changed(long, f">other\n{other[:200]}\n{other[200:]}") == other
    for text, said in (
        ("2:G:T", "has C at 2"),
        ("x:1", "not read as a variant"),
        ("9:A:T", "1 to 8"),
        ("0:A:T", "not read as a variant"),
        ("1:ACG:A,3:G:T", "overlap"),
        ("ACGTACGT", "the same as the sequence"),
        ("ACGTNNGT", "cannot be compared over sequence:5:"),
        ("," .join(["2:C:T"] * 300), "300 changes: at most 200"),
        ("<script>", "not read as a variant"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=said):
            changed("ACGTACGT", text)
    # Of a place within it, another sequence is aligned with the place.
    found = read_allele(other[60:200], names(long), Interval("sequence", 60, 199))
    assert apply_edits(long, 0, found.edits).letters == long[:100] + "G" + long[100:]
    assert [variant.name for variant in found.variants] == [f"sequence:100:{long[99]}:{long[99]}G"]
    with pytest.raises(InputError, match="lies outside sequence:1-4"):
        read_allele("8:T:A", names("ACGTACGT"), Interval("sequence", 0, 4))


def test_an_allele_differs_by_its_changes_alone(study: Study) -> None:
    """Base against base, an insertion at the base before it; before a change the model reads the same."""
    chrom = next(iter(study.genome.lengths))
    place, width = Interval(chrom, 600, 900), study.sae_config.d_sae
    reader = VariantNames(Annotation(study.genome, None, None), chrom)
    letters = study.genome.fetch(*place)
    edits = read_allele(f"g.760_761insACG, {chrom}:g.800_802del", reader, place).edits
    reference, allele = (read_stretch(study, study.genome, place, e) for e in ((), edits))
    a, b = dense(reference, width), dense(allele, width)
    np.testing.assert_allclose(a["+"][:159], b["+"][:159], atol=1e-4)
    np.testing.assert_allclose(a["-"][202:], b["-"][202:], atol=1e-4)
    assert len(allele.nats["+"]) == 300 and allele.sequence == letters
    # The window of cell 672-768 of the plus strand, written out with the insertion.
    given = study.genome.fetch(chrom, 640, 760) + "ACG" + study.genome.fetch(chrom, 760, 768)
    rows = read_sequences(study.model, study.layer, [given], 1)[given].activations
    assert rows is not None
    values = study.sae.encode(np.ascontiguousarray(rows)).cpu().numpy()
    np.testing.assert_allclose(b["+"][159], values[119:123].max(axis=0), atol=2e-3)
    np.testing.assert_allclose(b["+"][160:168], values[123:131], atol=2e-3)

    top = np.full(width, max(values.max(), a["+"].max()) / 2)
    catalog = pd.DataFrame({"dead": np.zeros(width, bool)})
    scale = ValueScale(top, np.full(width, 0.1), np.zeros(1), np.full((width, 1), np.nan))
    table = gained_and_lost(reference, allele, catalog, scale)
    assert len(table) and table["feature"].is_unique
    for row in table.itertuples():
        at = row.position - 600
        assert (row.reference, row.allele) == (a[row.strand][at, row.feature], b[row.strand][at, row.feature])
        largest = max(np.abs(b[s][:, row.feature] - a[s][:, row.feature]).max() for s in STRANDS)
        assert abs(row.difference) == pytest.approx(largest, rel=1e-5)

    features = table["feature"].head(3).tolist()
    one = stretch_tile(chrom, reference, features, top)
    two = stretch_tile(chrom, allele, features, top, edits)
    # A deletion in a repeat lies where its letters leave a choice.
    gone = list(range(edits[1].start - 600, edits[1].end - 600))
    assert len(gone) == 3 and letters[: gone[0]] + letters[gone[-1] + 1 :] == letters[:199] + letters[202:]
    for tile, values_of, absent in ((one, a, []), (two, b, gone)):
        assert (tile.edges == np.arange(600, 901)).all()
        for side, strand in enumerate(STRANDS):
            expected = encode(values_of[strand][:, features].T, top[features])
            expected[:, absent] = NOTHING
            np.testing.assert_array_equal(tile.codes[:, side], expected)
    drawn = difference_tile(one, two)
    rise = np.maximum(two.codes.astype(int), ZERO) - np.maximum(one.codes, ZERO)
    np.testing.assert_array_equal(drawn.codes[:, 0].astype(int) - ZERO, rise.max(axis=1).clip(0))
    np.testing.assert_array_equal(drawn.codes[:, 1].astype(int) - ZERO, (-rise).max(axis=1).clip(0))
    # Before the first change nothing differs on the plus strand, so what differs there is of the minus.
    assert (drawn.codes[:, :, 199] >= ZERO).all()
