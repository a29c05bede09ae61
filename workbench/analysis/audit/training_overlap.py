"""How much of the genome the model may have been trained on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from feature_mining.kmers import below, contains, identity, kmer_hashes, sketch
from genomic_models.corpora import FRACTION, UNKNOWN, K, corpus_of
from genomic_models.dna import base_codes
from workbench.genome.reference import Genome

if TYPE_CHECKING:
    from workbench.study.study import Study

PIECE = 1 << 22
# Share of a block's sampled k-mers in the corpus from which the block counts as seen in training.
SEEN = 0.5


def _sequences(genome: Genome) -> Iterator[np.ndarray]:
    for name, length in genome.lengths.items():
        for start in range(0, length, PIECE):
            yield base_codes(genome.fetch(name, start, min(length, start + PIECE + K - 1)))


def sketch_files(paths: list[Path], cache: Path | None = None) -> np.ndarray:
    """Sketch of sequence files, as ``genomic_models.corpora`` keeps them; uint64, ascending."""
    return sketch((c for p in paths for c in _sequences(Genome(p, cache=cache))), K, FRACTION)


def corpus_overlap(study: Study) -> dict[str, Any]:
    """What the model was trained on, in words, and its overlap with the genome where that can be checked.

    Returns
    -------
    dict
        ``statement``; ``checked`` (bool) and ``source`` (where the sketch comes from). Where checked:
        ``kmers`` (sampled from the genome), ``shared`` (share of them in the corpus), ``identity`` (that
        share as identity of aligned sequence), ``report_blocks``, ``report_seen`` (blocks of the report
        split with at least `SEEN` of their k-mers in the corpus), ``highest`` (such share).
    """
    corpus = corpus_of(study.config.model.name)
    given = study.config.audit.corpus
    facts: dict[str, Any] = {"statement": corpus.statement, "checked": False, "source": ""}
    if given:
        paths = [study.resolve(path) for path in given]
        known = sketch_files(paths, study.folder / "cache")
        facts["source"] = ", ".join(p.name for p in paths)
        if corpus.statement == UNKNOWN:
            facts["statement"] = f"as given: {facts['source']}"
    elif corpus.sketch is not None:
        known = np.load(corpus.sketch, allow_pickle=False)
        facts["source"] = "sketch that ships with the model"
    else:
        return facts
    shared = total = 0
    for codes in _sequences(study.genome):
        hashes = kmer_hashes(codes, K)
        hashes = hashes[below(hashes, FRACTION)]
        shared, total = shared + int(contains(known, hashes).sum()), total + hashes.size
    shares = []
    for block in study.manifest.blocks("report"):
        hashes = kmer_hashes(base_codes(study.genome.fetch(*block.interval)), K)
        hashes = hashes[below(hashes, FRACTION)]
        if hashes.size:
            shares.append(float(contains(known, hashes).mean()))
    share = shared / total if total else 0.0
    return facts | {
        "checked": True,
        "kmers": total,
        "shared": share,
        "identity": identity(share, K),
        "report_blocks": len(shares),
        "report_seen": sum(s >= SEEN for s in shares),
        "highest": max(shares, default=0.0),
    }
