"""A start codon whose ribosome binding site is known, and one whose is destroyed."""

from __future__ import annotations

from genomic_models.dna import reverse_complement

# The leader of gene 10 of phage T7, as expression vectors carry it: AAGGAG seven bases before ATG.
LEADER = "AATAATTTTGTTTAACTTTAAGAAGGAGATATACAT"
BODY = "GCTAGCATGACTGGTGGACAGCAAATGGGTCGCGGATCC"


def test_the_leader_of_t7_gene_10(ready):
    judge = ready("starts")
    good, bad = LEADER + "ATG" + BODY, LEADER.replace("AAGGAG", "ACCTCC") + "ATG" + BODY
    table = judge.judge([good, bad, reverse_complement(good)])
    at = len(LEADER)
    assert table.loc[0, ["codon", "start", "end", "strand"]].tolist() == ["ATG", at, at + 3, "+"]
    last = len(good) - at - 3
    assert table.loc[2, ["codon", "start", "end", "strand"]].tolist() == ["ATG", last, last + 3, "-"]
    strengths = judge.find(good).set_index(["strand", "start"])["strength"]
    without = judge.find(bad).set_index(["strand", "start"])["strength"]
    assert strengths["+", at] > 20 * without["+", at]


def test_every_codon_of_a_strand_is_found(ready, noise):
    found = ready("starts").find(noise[:600])
    plus = found[found["strand"] == "+"]
    expected = {i for i in range(598) if noise[i : i + 3] in ("ATG", "GTG", "TTG")}
    # Those without anything before them, or nothing that binds, have no rate.
    assert set(plus["start"]) <= expected and len(plus) > 0.8 * len(expected)
    assert all(noise[r.start : r.end] == r.codon for r in plus.itertuples())


def test_what_it_does_not_take(ready, noise):
    table = ready("starts").judge(["ACGTN", noise * 6, "", "CCCC"])
    assert table["not_judged"].tolist() == [
        "1 letters other than A, C, G and T", "12,000 bases, 10,000 at most", "no bases", ""
    ]  # fmt: skip
    assert table["starts"][3] == 0
