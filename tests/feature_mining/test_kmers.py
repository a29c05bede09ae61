"""K-mer hashes, sketches and clusters against plain sets of strings."""

from __future__ import annotations

import numpy as np
import pytest

from feature_mining.kmers import NONE, below, clusters, contains, identity, kmer_hashes, long_enough, sketch

COMPLEMENT = str.maketrans("ACGT", "TGCA")


def canonical(text: str) -> str:
    return min(text, text.translate(COMPLEMENT)[::-1])


def test_hashes_are_one_to_one_with_canonical_kmers():
    codes = np.random.default_rng(0).integers(0, 4, 4000).astype(np.uint8)
    codes[1000] = 4
    text = "".join("ACGTN"[c] for c in codes)
    for k in (3, 9, 31):
        hashes = kmer_hashes(codes, k)
        words = [text[i : i + k] for i in range(len(text) - k + 1)]
        unknown = np.array(["N" in w for w in words])
        assert (hashes[unknown] == NONE).all() and unknown.sum() == k
        known = [canonical(w) for w in words if "N" not in w]
        of = dict(zip(known, hashes[~unknown].tolist(), strict=True))
        assert [of[w] for w in known] == hashes[~unknown].tolist()
        assert len(set(of.values())) == len(of)
    turned = (3 - codes[:900].astype(int))[::-1].astype(np.uint8)
    np.testing.assert_array_equal(kmer_hashes(turned, 9)[::-1], kmer_hashes(codes[:900], 9))


def test_a_sketch_keeps_its_share_and_finds_what_it_knows():
    random = np.random.default_rng(1)
    genome = random.integers(0, 4, 200_000).astype(np.uint8)
    kept = sketch([genome[:100_000], genome[100_000:]], 21, 0.02)
    assert kept.size == pytest.approx(4000, rel=0.06)
    other = genome[50_000:150_000].copy()
    changed = random.random(other.size) < 0.05
    other[changed] = (other[changed] + 1) % 4
    hashes = kmer_hashes(other, 21)
    hashes = hashes[below(hashes, 0.02)]
    share = contains(kept, hashes).mean()
    # 0.95 ** 21 of the k-mers are whole
    assert share == pytest.approx(0.34, abs=0.04)
    assert identity(share, 21) == pytest.approx(0.95, abs=0.005)
    fresh = kmer_hashes(random.integers(0, 4, 100_000).astype(np.uint8), 21)
    assert contains(kept, fresh[below(fresh, 0.02)]).sum() == 0


def test_copies_form_clusters_and_others_stay_alone():
    random = np.random.default_rng(2)
    a, b, c = (random.integers(0, 4, 600).astype(np.uint8) for _ in range(3))
    near = a.copy()
    near[random.random(600) < 0.02] = 0
    turned = (3 - a.astype(int))[::-1].astype(np.uint8)
    sets = [np.unique(kmer_hashes(x, 15)) for x in (a, b, near, turned, c, a[:50])]
    assert clusters(sets, 0.25).tolist() == [0, 1, 0, 0, 4, 0]
    assert clusters([np.zeros(0, np.uint64)] * 3, 0.25).tolist() == [0, 1, 2]


def test_k_grows_with_the_genome():
    assert long_enough(154_000) == 13
    assert long_enough(4_641_652) == 15
    assert long_enough(3_000_000_000) == 20
    with pytest.raises(ValueError, match="1 to 31"):
        kmer_hashes(np.zeros(50, np.uint8), 32)
