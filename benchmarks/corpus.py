"""How near the training genomes of `mini` come to the genomes that it is tested on; and the corpus's sketch.

    python benchmarks/corpus.py [--quick] [--json] [--sketch FILE]

Of each test genome (*E. coli* MG1655, *M. tuberculosis* H37Rv) one in a thousand of its 21-mers, both strands
as one, is looked up in the same share of every training genome and of all together: the share found, and what
identity of aligned sequence such a share stands for (share ** (1 / 21), Mash). A genome with 0.1 % of the
words is no relative; one of another species of the family has several per cent. ``--sketch`` writes the file
that ships with the weights as ``corpus.npy``. Genomes are looked for in ``shared/data`` beside the checkout.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from feature_mining.kmers import contains, identity, sketch
from genomic_models.corpora import FRACTION, K
from genomic_models.dna import base_codes

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.bits_per_base import GENOMES, read  # noqa: E402
from benchmarks.command_line import DATA, absent, finish, parser, skip  # noqa: E402

# With ``--quick``: training genomes, the first by name.
QUICK_GENOMES = 2


def words(path: Path, form: str = "fasta") -> np.ndarray:
    """Sketch of one genome, uint64, ascending."""
    return sketch([base_codes(read(path, form))], K, FRACTION)


def near(test: np.ndarray, known: np.ndarray) -> dict[str, float]:
    """Share of a test genome's sampled words that are known, and the identity it stands for."""
    share = float(contains(known, test).mean())
    return {"share": round(share, 5), "identity": round(identity(share, K), 3)}


def main() -> None:
    """Sketch, look up, print."""
    options = parser(__doc__, "two training genomes")
    options.add_argument("--sketch", type=Path, help="write the sketch of the whole corpus here")
    given = options.parse_args()
    if missing := absent("pretraining", *(file for file, _ in GENOMES.values())):
        skip(given, missing)
        return
    paths = sorted((DATA / "pretraining").glob("*.gz"))[: QUICK_GENOMES if given.quick else None]
    corpus = {path.name: words(path) for path in paths}
    whole = np.unique(np.concatenate(list(corpus.values())))
    if given.sketch:
        np.save(given.sketch, whole)
    results: dict[str, object] = {"genomes": len(paths), "words": int(whole.size)}
    for name, (file, form) in GENOMES.items():
        test = words(DATA / file, form)
        found = {"all": near(test, whole)} | {own: near(test, known) for own, known in corpus.items()}
        for own, row in sorted(found.items(), key=lambda item: -item[1]["share"]):
            print(f"{name}  {own:44s} {row['share']:.2%}  identity {row['identity']:.3f}")
        nearest = max((own for own in found if own != "all"), key=lambda own: found[own]["share"])
        results[name] = found["all"] | {"nearest": nearest, "nearest_share": found[nearest]["share"]}
    finish(given, results)


if __name__ == "__main__":
    main()
