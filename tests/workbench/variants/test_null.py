"""Scores of indels: on the scale of substitutions, set against random indels, ranked within classes."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import chisquare

from genomic_models import load
from genomic_models.scoring import score
from tests.workbench.small_study import write_model
from workbench.cohort.edits import Variant, make_edit
from workbench.genome.reference import Genome
from workbench.variants import null
from workbench.variants.effects import measure
from workbench.variants.null import Null, piece_of, random_alike, tail
from workbench.variants.subject import Subject
from workbench.variants.tables import kind_of, length_class, ranked

LENGTH = 24_700


@pytest.fixture(scope="module")
def subject(tmp_path_factory: pytest.TempPathFactory) -> Subject:
    """A random network over a random genome, with one stretch unknown."""
    folder = tmp_path_factory.mktemp("null")
    rng = np.random.default_rng(0)
    letters = rng.choice(list("ACGT"), LENGTH, p=[0.4, 0.1, 0.1, 0.4])
    letters[10_000:10_400] = "N"
    (folder / "g.fa").write_text(f">c\n{''.join(letters)}\n")
    model = load(str(write_model(folder / "model")))
    genome = Genome(folder / "g.fa", cache=folder / "cache")
    return Subject("test", model, genome, [], 128, 32, 16, "", None, {})


def deletion(genome: Genome, start: int, size: int = 30) -> Variant:
    letters = genome.fetch("c", start - 1, start + size)
    return Variant("c", start - 1, letters, letters[0])


def test_a_deletion_scores_on_the_scale_of_substitutions(subject: Subject) -> None:
    """The window's sum, as it was, gains some 6 nats for every base that a deletion takes away."""
    other = dict(zip("ACGT", "CAGG", strict=True))
    starts = np.random.default_rng(1).integers(100, 9_000, 40)
    single = [
        Variant(
            "c", int(s), base := subject.genome.fetch("c", int(s), int(s) + 1), other[base].replace(base, "T")
        )
        for s in starts
    ]
    deleted = [deletion(subject.genome, int(s)) for s in starts]
    one, many = ([e.score for e in measure(subject, v)] for v in (single, deleted))
    start = int(starts[0])
    a, b = (subject.genome.fetch("c", start - 64, start), subject.genome.fetch("c", start + 30, start + 94))
    gone = subject.genome.fetch("c", start, start + 30)
    whole, rest = score(subject.model, [a + gone + b, a + b])
    assert (rest.total - whole.total) / 127 > 20 * np.std(one)
    assert np.abs(np.mean(many)) < np.std(one)
    assert 0.3 < np.std(many) / np.std(one) < 3


@pytest.mark.parametrize(("gone", "new"), [(30, 0), (0, 12), (2, 5)])
def test_p_of_random_indels_is_uniform(
    subject: Subject, gone: int, new: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(null, "NEAR", 400)
    rng = np.random.default_rng([2, gone, new])
    pieces = [p for p in range(50) if not 24 <= p < 27]
    variants = []
    for piece in pieces:
        while True:
            start = 400 * piece + int(rng.integers(1, 400 - gone))
            reference = subject.genome.fetch("c", start, start + gone)
            made = Variant("c", start, reference, "".join(rng.choice(list("ACGT"), new)))
            edit = made.edit
            if (edit.end - edit.start, len(edit.letters)) == (gone, new):
                break
        variants.append(made)
    chance = Null(subject, 9, seed=0)
    p = [tail(e.score, chance.scores(e.variant)) for e in measure(subject, variants)]
    assert min(p) >= 0.1 and max(p) <= 1
    counts = np.histogram(p, bins=np.arange(0.05, 1.2, 0.2))[0]
    assert chisquare(counts[:5]).pvalue > 0.01, counts


def test_random_indels_are_alike_and_near(subject: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(null, "NEAR", 5_000)
    rng = np.random.default_rng(0)
    for gone, new in ((30, 0), (1, 0), (0, 1), (0, 40), (3, 1), (2, 7)):
        at = 9_000
        own = Variant("c", at, subject.genome.fetch("c", at, at + gone), "C" * new)
        edit = own.edit
        want = edit.end - edit.start, len(edit.letters)
        drawn = random_alike(own, subject.genome, 200, rng)
        assert len(drawn) == 200
        for made in drawn:
            found = made.edit
            assert (found.end - found.start, len(found.letters)) == want
            assert found.start >= 5_000 and found.end <= 10_000
            assert subject.genome.fetch("c", made.start, made.start + len(made.reference)) == made.reference
        starts = np.array([made.start for made in drawn])
        assert starts.min() < 5_200 and starts.max() > 9_700
    letters = "".join(
        made.alternative
        for made in random_alike(own._replace(alternative="G" * 40), subject.genome, 200, rng)
    )
    shares = [letters.count(base) / len(letters) for base in "ACGT"]
    assert shares == pytest.approx([0.4, 0.1, 0.1, 0.4], abs=0.03)


def test_none_is_drawn_where_nothing_is_known(subject: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(null, "NEAR", 400)
    unknown = Variant("c", 10_050, "NNN", "")
    assert random_alike(unknown, subject.genome, 5, np.random.default_rng(0)) == []
    assert Null(subject, 5, 0).scores(unknown).size == 0
    assert Null(subject, 0, 0).scores(deletion(subject.genome, 500)).size == 0
    assert np.isnan(tail(0.0, np.zeros(0)))
    assert piece_of(deletion(subject.genome, 24_500), subject.genome) == (24_000, LENGTH)


def test_scores_do_not_depend_on_what_came_before(subject: Subject) -> None:
    a, b = deletion(subject.genome, 500), deletion(subject.genome, 7_000, 4)
    one, other = Null(subject, 3, 5), Null(subject, 3, 5)
    first = one.scores(a), one.scores(b)
    second = other.scores(b), other.scores(a)
    np.testing.assert_array_equal(first[0], second[1])
    np.testing.assert_array_equal(first[1], second[0])
    assert not np.array_equal(first[0], Null(subject, 3, 6).scores(a))


def test_tail_counts_itself_and_ties() -> None:
    assert tail(-1.0, np.array([-2.0, -1.0, 0.0, 3.0])) == 3 / 5
    assert tail(-9.0, np.arange(19.0)) == 0.05


def test_types_and_length_classes() -> None:
    kinds = [("A", "C"), ("AC", "GT"), ("ACG", "A"), ("A", "AGG"), ("ACG", "TT")]
    assert [kind_of(make_edit(0, *x)) for x in kinds] == ["SNV", "MNV", "deletion", "insertion", "delins"]
    assert [length_class(n) for n in (1, 2, 3, 4, 5, 8, 9, 16, 17, 1000)] == [
        *("1", "2", "3-4", "3-4", "5-8", "5-8", "9-16", "9-16", "17-32", "513-1024"),
    ]  # fmt: skip


def test_ranks_are_within_type_and_length_class() -> None:
    rows = [
        ("a", "SNV", "1", -0.1), ("b", "deletion", "3-4", 5.0), ("c", "SNV", "1", -0.3),
        ("d", "deletion", "17-32", -9.0), ("e", "deletion", "3-4", -1.0), ("f", "SNV", "1", 0.2),
    ]  # fmt: skip
    table = ranked(dict(zip(("variant", "type", "length", "score"), row, strict=True)) for row in rows)
    assert list(zip(table["rank"], table["variant"], strict=True)) == [
        (1, "c"), (1, "d"), (1, "e"), (2, "a"), (2, "b"), (3, "f"),
    ]  # fmt: skip
