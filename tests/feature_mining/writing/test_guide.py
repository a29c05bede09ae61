"""Constraints against all sequences of a few bases, each judged by regular expressions and Biopython."""

from __future__ import annotations

import re
from itertools import product

import numpy as np
import pytest
import torch
from Bio import Restriction
from Bio.Seq import Seq

from feature_mining.writing.constraints import (
    Constraint,
    GCRange,
    LongestRun,
    Mask,
    NoSite,
    OpenFrame,
    Protein,
)
from feature_mining.writing.guide import Guide, Lattice, lattice_of
from genomic_models.dna import reverse_complement

CLASSES = {"N": "[ACGT]", "R": "[AG]", "Y": "[CT]", "W": "[AT]", "S": "[CG]", "B": "[CGT]"}
EVERY = {n: ["".join(letters) for letters in product("ACGT", repeat=n)] for n in range(1, 8)}


def pattern(word: str) -> re.Pattern[str]:
    return re.compile("(?=" + "".join(CLASSES.get(letter, letter) for letter in word) + ")")


def holds(constraint: Constraint, written: str, prompt: str = "") -> bool:
    """What a constraint says, without any of its code."""
    whole, first = prompt + written, len(prompt)
    match constraint:
        case Mask(text, start):
            return bool(pattern(text).match(written, start))
        case NoSite(motif):
            words = {motif, str(Seq(motif).reverse_complement())}
            ends = [m.start() + len(motif) for word in words for m in pattern(word).finditer(whole)]
            return all(end <= first for end in ends)
        case GCRange(low, high):
            return low <= sum(c in "GC" for c in written) / len(written) <= high
        case LongestRun(most):
            runs = [m for m in re.finditer(r"(.)\1*", whole) if m.end() > first]
            return all(len(run.group()) <= most for run in runs)
        case OpenFrame(start, end, strand) | Protein(start, end, strand):
            read = whole[first + start : first + end]
            read = read[: len(read) // 3 * 3] if strand == "+" else reverse_complement(read)
            spelled = str(Seq(read[: len(read) // 3 * 3]).translate(table=constraint.table))
            return "*" not in spelled if isinstance(constraint, OpenFrame) else spelled == constraint.protein
    raise AssertionError(constraint)


def reachable(lattice: Lattice, length: int, row: int = 0) -> set[str]:
    """All that can be written step by step; a step at which nothing is allowed is a dead end."""
    texts, guide = [""], Guide(lattice, [row])
    for _ in range(length):
        allowed = guide.allowed().numpy()
        assert allowed.any(axis=1).all(), "a dead end"
        rows, codes = np.nonzero(allowed)
        texts = [texts[r] + "ACGT"[c] for r, c in zip(rows, codes, strict=True)]
        guide._states, guide._counts = guide._states[rows], guide._counts[rows]
        guide.take(torch.from_numpy(codes))
    assert len(set(texts)) == len(texts)
    return set(texts)


CASES: dict[str, tuple[list[Constraint], int, str]] = {
    "nothing": ([], 4, ""),
    "mask": ([Mask("ANRY", 1)], 6, ""),
    "site": ([NoSite("GANTC")], 7, ""),
    "sites": ([NoSite("GGW"), NoSite("ACC"), NoSite("TA")], 7, ""),
    "a site that the prompt begins": ([NoSite("GAATTC")], 6, "TTGAAT"),
    "a site in the prompt": ([NoSite("GAATTC")], 5, "GAATTC"),
    "an unknown letter in the prompt": ([NoSite("GAATT"), LongestRun(2)], 5, "GANAA"),
    "GC": ([GCRange(0.4, 0.6)], 6, ""),
    "exact GC": ([GCRange(0.5, 0.5), Mask("SS", 2), LongestRun(2)], 6, ""),
    "run": ([LongestRun(2)], 6, "CAA"),
    "frame": ([OpenFrame(1, 7)], 7, ""),
    "frame of the other strand": ([OpenFrame(0, 7, "-")], 7, ""),
    "frame that the prompt begins": ([OpenFrame(-2, 4)], 6, "GGTA"),
    "frame of one known base": ([OpenFrame(-1, 5)], 6, "NA"),
    "codon table": ([OpenFrame(0, 6, table=4)], 6, ""),
    "protein": ([Protein.at("LS", 0)], 6, ""),
    "protein of the other strand": ([Protein.at("R*", 1, "-")], 7, ""),
    "protein, GC and sites": ([Protein.at("LR", 0), GCRange(0.5, 0.7), NoSite("CG"), LongestRun(2)], 6, "C"),
    "many": (
        [Mask("NNNNNY"), OpenFrame(0, 6), OpenFrame(1, 7, "-"), GCRange(0.3, 0.5), NoSite("AGCT")],
        7,
        "A",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_exactly_the_legal_sequences_can_be_written(name: str) -> None:
    constraints, length, prompt = CASES[name]
    wanted = {text for text in EVERY[length] if all(holds(c, text, prompt) for c in constraints)}
    assert wanted
    assert reachable(lattice_of(constraints, length, [prompt]), length) == wanted


@pytest.mark.parametrize("name", CASES)
def test_turned_constraints_are_those_of_the_reverse_complement(name: str) -> None:
    constraints, length, _ = CASES[name]
    if any(getattr(c, "start", 0) < 0 for c in constraints):
        return
    wanted = {reverse_complement(t) for t in EVERY[length] if all(holds(c, t) for c in constraints)}
    turned = [each.turned(length) for each in constraints]
    assert reachable(lattice_of(turned, length, [""]), length) == wanted
    assert [each.turned(length) for each in turned] == constraints


def test_each_prompt_has_its_own_beginning() -> None:
    lattice = lattice_of([NoSite("GAATTC"), LongestRun(3)], 4, ["GAAT", "CAAA", ""])
    for row, prompt in enumerate(["GAAT", "CAAA", ""]):
        legal = {
            t for t in EVERY[4] if holds(NoSite("GAATTC"), t, prompt) and holds(LongestRun(3), t, prompt)
        }
        assert reachable(lattice, 4, row) == legal


@pytest.mark.parametrize("name", ["EcoRI", "BsaI", "BglI"])
def test_enzymes_do_not_cut_what_is_written(name: str) -> None:
    """Random walks over long stretches, cut by Biopython; without the constraint it does cut."""
    length, rows = 1000, 40
    enzyme = getattr(Restriction, name)
    for constraints, cut in (([NoSite.of(name)], False), ([], True)):
        guide = Guide(lattice_of(constraints, length, [""]), [0] * rows)
        drawn = np.random.default_rng(5)
        columns = []
        for _ in range(length):
            odds = guide.allowed().numpy() * drawn.random((rows, 4))
            columns.append(odds.argmax(1))
            guide.take(torch.from_numpy(columns[-1]))
        texts = ["".join("ACGT"[c] for c in row) for row in np.array(columns).T]
        assert any(enzyme.search(Seq(text)) for text in texts) is cut


def test_long_stretches_keep_to_everything() -> None:
    length = 700
    protein = "MSTNPKPQRKTKRNTNRRPQDVKFPGGGQIVGGVYLLPRRGPRLGVRATRK"
    constraints = [
        Protein.at(protein, 30), OpenFrame(200, 401), OpenFrame(300, 600, "-"), GCRange(0.45, 0.47),
        LongestRun(4), NoSite.of("EcoRI"), NoSite.of("BsaI"), Mask("TATAAT", 650), NoSite("GGNNCC"),
    ]  # fmt: skip
    guide = Guide(lattice_of(constraints, length, ["GAATT"]), [0] * 20)
    drawn = np.random.default_rng(3)
    columns = []
    for _ in range(length):
        columns.append((guide.allowed().numpy() * drawn.random((20, 4))).argmax(1))
        guide.take(torch.from_numpy(columns[-1]))
    texts = {"".join("ACGT"[c] for c in row) for row in np.array(columns).T}
    assert len(texts) == 20
    for text in texts:
        assert all(holds(constraint, text, "GAATT") for constraint in constraints)


@pytest.mark.parametrize(
    ("constraints", "told"),
    [
        (
            [LongestRun(3), NoSite("GG"), Mask("GAATTC", 2), NoSite.of("EcoRI")],
            r"mask GAATTC at 2 and no EcoRI site \(GAATTC\) contradict each other: no sequence meets both",
        ),
        (
            [GCRange(0.6, 1), LongestRun(5), Mask("W" * 12)],
            "GC 0.6 to 1 and mask WWWWWWWWW... at 0 contradict each other",
        ),
        ([Protein.at("MW", 0), Mask("AC", 0)], "protein MW at 0-6 and mask AC at 0 contradict"),
        ([OpenFrame(0, 12), Mask("TAGN", 3)], "open frame 0-12 and mask TAGN at 3 contradict"),
        ([LongestRun(1), GCRange(0.43, 0.49)], "GC 0.43 to 0.49: cannot be met in 12 bases"),
        (
            [GCRange(0.25, 1), NoSite("S", "strong"), LongestRun(9)],
            r"GC 0.25 to 1 and no strong site \(S\) contradict",
        ),
        (
            [Mask("WWWWWWWWWWWW"), NoSite("AA"), NoSite("TA")],
            "mask WWWWWWWWW... at 0, no AA and no TA contradict each other: no sequence meets all of them",
        ),
    ],
)  # fmt: skip
def test_contradictions_are_named(constraints: list[Constraint], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        lattice_of(constraints, 12, [""])


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: lattice_of([Mask("ACGT", 5)], 8, [""]), "mask ACGT at 5: lies outside of the 8 bases"),
        (lambda: lattice_of([OpenFrame(0, 9)], 8, [""]), "open frame 0-9: lies outside of the 8"),
        (lambda: lattice_of([OpenFrame(-2, 7)], 8, ["A"]), "begins 2 bases before .* found 'A'"),
        (
            lambda: lattice_of([OpenFrame(-2, 7), Mask("R")], 8, ["CTA"]),
            "open frame -2-7 and mask R at 0 contradict each other: no sequence meets both in 8 bases after",
        ),
        (lambda: Mask("ACQ"), "1 of 3 letters are not DNA"),
        (lambda: NoSite.of("EcoXI"), "neither a restriction enzyme nor IUPAC letters"),
        (lambda: NoSite.of("ecori"), "did you mean EcoRI"),
        (lambda: NoSite("NNN"), "expected letters other than N"),
        (lambda: GCRange(0.7, 0.3), "expected 0 <= low <= high <= 1"),
        (lambda: GCRange(float("nan"), 0.3), "expected 0 <= low <= high <= 1"),
        (lambda: LongestRun(0), "longest run 0: expected 1"),
        (lambda: Protein.at("MBX", 0), "no codon for B, X"),
        (lambda: Protein.at("", 0), "expected an interval of 0 bases"),
        (lambda: OpenFrame(0, 9, "x"), "strand 'x': expected"),
        (lambda: OpenFrame(0, 9, table=99), "codon table 99: expected one of NCBI's"),
        (lambda: lattice_of([NoSite("ACNNNNNNNNNNNNNNNNNNNNNNGT")], 8, [""]), "more than 50,000 states"),
    ],
)
def test_mistakes_are_a_sentence(make, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        make()


def test_a_sequence_keeps_to_constraints_where_a_check_by_hand_says_so() -> None:
    asked = [NoSite("GATC"), GCRange(0.4, 0.6), LongestRun(3), OpenFrame(0, 12), Mask("N" * 11 + "R")]
    prompts, random = ("GA", "TT"), np.random.default_rng(0)
    lattice = lattice_of(asked, 12, prompts)
    codes = random.integers(0, 4, (4000, 12)).astype(np.uint8)
    rows = random.integers(0, 2, 4000)
    kept = lattice.kept(codes, rows)

    def fine(text: str, prompt: str) -> bool:
        whole = prompt + text
        codons = {text[i : i + 3] for i in range(0, 12, 3)}
        return (
            "GATC" not in whole
            and 0.4 <= sum(base in "GC" for base in text) / 12 <= 0.6
            and not any(base * 4 in whole for base in "ACGT")
            and not codons & {"TAA", "TAG", "TGA"}
            and text[11] in "AG"
        )

    by_hand = [
        fine("".join("ACGT"[code] for code in row), prompts[i]) for row, i in zip(codes, rows, strict=True)
    ]
    assert kept.tolist() == by_hand and 100 < sum(by_hand) < 3900
