"""Differences of whole sequences: made into the sample again, and what was put in is found."""

from __future__ import annotations

import numpy as np
import pytest

from workbench.cohort.align import find_differences
from workbench.cohort.edits import apply_edits, conflicting, parse_variant


def mutate(sequence: str, rng: np.random.Generator, gap: int) -> tuple[str, int]:
    """Substitutions, insertions and deletions about every ``gap`` bases."""
    letters, count, at = list(sequence), 0, int(rng.integers(5, gap))
    while at < len(sequence) - 60:
        kind = rng.integers(3)
        if kind == 0:
            letters[at] = str(rng.choice([b for b in "ACGT" if b != sequence[at]]))
        elif kind == 1:
            letters[at] += "".join(rng.choice(list("ACGT"), int(rng.integers(1, 40))))
        else:
            for i in range(at, at + int(rng.integers(1, 40))):
                letters[i] = ""
        count += 1
        at += 45 + int(rng.integers(1, gap))
    return "".join(letters), count


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("gap", [60, 700])
def test_edits_make_the_sample(seed: int, gap: int) -> None:
    rng = np.random.default_rng(seed)
    reference = "".join(rng.choice(list("ACGT"), 20_000))
    sample, count = mutate(reference, rng, gap)
    found = find_differences("c", reference, sample)
    assert not found.gaps
    assert not conflicting(found.edits)
    assert apply_edits(reference, 0, found.edits).letters == sample
    assert count * 0.9 <= len(found.edits) <= count * 1.5
    # Names say the same: each makes its edit again.
    for edit in found.edits:
        _, start, before, after = parse_variant(edit.name)
        assert reference[start : start + len(before)] == before
        changed = reference[:start] + after + reference[start + len(before) :]
        assert changed == apply_edits(reference, 0, [edit]).letters


def test_equal_length_with_shifted_middle() -> None:
    rng = np.random.default_rng(9)
    reference = "".join(rng.choice(list("ACGT"), 4_000))
    sample = reference[:1000] + "A" + reference[1000:3000] + reference[3001:]
    found = find_differences("c", reference, sample)
    assert len(found.edits) == 2
    assert apply_edits(reference, 0, found.edits).letters == sample


def test_what_is_not_known() -> None:
    rng = np.random.default_rng(3)
    reference = "".join(rng.choice(list("ACGT"), 12_000))
    masked = reference[:500] + "NN" + reference[502:]
    assert find_differences("c", reference, masked) == ([], [(500, 501), (501, 502)])
    other = "".join(rng.choice(list("ACGT"), 4_500))
    foreign = reference[:3000] + other + reference[8000:]
    (gap,) = find_differences("c", reference, foreign).gaps
    assert 2990 <= gap[0] <= 3010 and 7990 <= gap[1] <= 8010
    assert find_differences("c", reference, reference) == ([], [])
