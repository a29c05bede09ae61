"""OpenSpliceAI on introns of yeast, a species that its networks never saw."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.workbench.judges.splice_sites import DONOR, SpliceSites
from workbench.genome.reference import Genome
from workbench.tracks import Contigs, read_tracks
from workbench.tracks.derive import features

# Bases on both sides of a donor within which others of the same two letters are set against it.
NEAR = 500
DONORS = 60
# Bases that a network sees on either side.
CONTEXT = 200
# Versions of the records NC_001133 to NC_001148, which are the chromosomes in this order.
RECORDS = {
    **{"I": 9, "II": 8, "III": 5, "IV": 10, "V": 3, "VI": 5, "VII": 9, "VIII": 6},
    **{"IX": 2, "X": 9, "XI": 9, "XII": 5, "XIII": 3, "XIV": 8, "XV": 6, "XVI": 4},
}


@pytest.fixture(scope="module")
def weights(shared: Path) -> Path:
    folder = shared / "data/models/openspliceai"
    if not folder.is_dir():
        pytest.skip("no ../shared/data/models/openspliceai beside the checkout")
    return folder


@pytest.fixture(scope="module")
def introns(shared: Path) -> list[tuple[str, int]]:
    """Letters around a donor, in reading direction, and the place of the intron's first base in them."""
    genome = Genome(shared / "data/yeast/sacCer3.fa.gz")
    names = {f"NC_{1133 + i:06}.{v}": f"chr{r}" for i, (r, v) in enumerate(RECORDS.items())}
    tracks = read_tracks(shared / "data/yeast/saccharomyces_cerevisiae.gff.gz", genome, names)
    (coding,) = (t.intervals for t in tracks if t.name == "CDS")
    contigs = Contigs(genome.lengths, genome.circular)
    found = []
    for chrom, _, _, complete, parts in features(coding, contigs):
        if not complete or len(parts) != 2 or chrom == "chrM":
            continue
        first = parts[0]
        at = first.end if first.strand == "+" else first.start
        room = NEAR + CONTEXT
        if room <= at <= genome.lengths[chrom] - room:
            letters = genome.fetch(chrom, at - room, at + room, first.strand)
            if letters[room : room + 2] == "GT":
                found.append((letters, room))
    random = np.random.default_rng(0)
    return [found[i] for i in random.permutation(len(found))[:DONORS]]


def ranks(network: SpliceSites, introns: list[tuple[str, int]]) -> np.ndarray:
    """Share of the other GTs nearby that score higher than the true donor, float64 (introns)."""
    shares = []
    for letters, at in introns:
        score = network.read(letters)[:, DONOR]
        others = [i for i in range(at - NEAR, at + NEAR) if letters[i : i + 2] == "GT" and i != at]
        # The mark of a donor is on the last base of the exon.
        shares.append(float(np.mean([score[i - 1] > score[at - 1] for i in others])))
    return np.array(shares)


# True donors that are first, of PUBLISHED others, and the mean rank as a share: as noted beside the files.
PUBLISHED = 120
KNOWN = {"honeybee": (0.46, 0.034), "mane": (0.29, 0.063)}


@pytest.mark.parametrize("name", KNOWN)
def test_true_donors_rank_as_known(weights, introns, name):
    """On a sample of other donors, within three standard errors of the difference."""
    found = ranks(SpliceSites.load(weights / f"openspliceai_{name}_400nt_rs10.pt"), introns)
    first, rank = KNOWN[name]
    draws = 1 / DONORS + 1 / PUBLISHED
    assert abs((found == 0).mean() - first) < 3 * np.sqrt(draws * first * (1 - first))
    assert abs(found.mean() - rank) < 3 * np.sqrt(draws * found.var())


def test_random_weights_know_nothing(weights, introns):
    network = SpliceSites.load(weights / "openspliceai_honeybee_400nt_rs10.pt").random(0)
    found = ranks(network, introns[:20])
    assert (found == 0).mean() < 0.1 and 0.3 < found.mean() < 0.7
