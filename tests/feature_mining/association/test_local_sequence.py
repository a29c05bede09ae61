"""The rival of 31 bases: what it sees, by hand, and a planted motif it finds."""

from __future__ import annotations

import numpy as np

from feature_mining.association.local_sequence import WIDTH, LocalSequence, windows
from genomic_models.dna import base_codes


def test_windows_hold_the_letters_and_pairs_around_a_base() -> None:
    letters = "ACGTTNGA"
    found = windows(base_codes(letters), np.array([0, 4]))
    assert found.shape == (2, WIDTH * 4 + (WIDTH - 1) * 16) and set(np.unique(found)) == {0, 1}
    for row, centre in zip(found, (0, 4), strict=True):
        single, double = row[: WIDTH * 4].reshape(WIDTH, 4), row[WIDTH * 4 :].reshape(WIDTH - 1, 16)
        for place in range(WIDTH):
            at = centre - WIDTH // 2 + place
            here = letters[at] if 0 <= at < len(letters) else "N"
            following = letters[at + 1] if 0 <= at + 1 < len(letters) else "N"
            assert "".join("ACGT"[i] for i in np.flatnonzero(single[place])) == here.replace("N", "")
            if place < WIDTH - 1:
                pairs = [a + b for a in "ACGT" for b in "ACGT"]
                both = [pairs[i] for i in np.flatnonzero(double[place])]
                assert both == ([here + following] if "N" not in here + following else [])


def test_a_planted_motif_is_found_and_a_distant_one_is_not() -> None:
    random = np.random.default_rng(0)
    codes = random.integers(0, 4, 40_000).astype(np.uint8)
    rows = np.arange(200, 39_800)
    x = windows(codes, rows)
    near = (codes[rows] == 3) & (codes[rows + 1] == 0)
    far = (codes[rows + 40] == 3) & (codes[rows + 41] == 0)
    half = len(rows) // 2
    for labels, least, most in ((near, 0.99, 1.01), (far, 0.0, 0.2)):
        model = LocalSequence.fit(x[:half], labels[:half], np.ones(half))
        order = np.argsort(-model.score(x[half:]))
        top = labels[half:][order][: int(labels[half:].sum())]
        assert least <= top.mean() <= most
