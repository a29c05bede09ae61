"""A genome shuffled in blocks: the same tracks over sequence that has only its composition left."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import numpy as np

from feature_mining.dinucleotide_shuffle import shuffle_dinucleotides
from genomic_models.dna import base_codes, base_letters, reverse_complement
from workbench.genome.windows import Sequences, check_fetch

# Bases shuffled together: short, so that genes keep their composition apart from their neighbours'.
BLOCK = 256


class ShuffledGenome:
    """Read like a genome; each block of ``BLOCK`` bases of a contig keeps its dinucleotide counts.

    A base's letter depends on the seed and the contig alone, never on what is asked for, and both strands
    are those of one double helix. Letters other than A, C, G, T read as N.
    """

    def __init__(self, genome: Sequences, seed: int) -> None:
        self.genome, self.seed = genome, seed
        self._order = {name: i for i, name in enumerate(genome.lengths)}
        self._block = lru_cache(maxsize=64)(self._shuffled)

    @property
    def lengths(self) -> Mapping[str, int]:
        """Bases by contig."""
        return self.genome.lengths

    @property
    def circular(self) -> frozenset[str]:
        """Circular contigs."""
        return self.genome.circular

    def fetch(self, chrom: str, start: int, end: int, strand: str = "+") -> str:
        """Letters of ``[start, end)``, wrapped round a circular contig; refuses what `Genome.fetch` does."""
        check_fetch(self.genome, chrom, start, end, strand)
        length = self.lengths[chrom]
        parts = []
        while start < end:
            at = start % length
            block = at // BLOCK
            stop = min((block + 1) * BLOCK, length, at + end - start)
            parts.append(self._block(chrom, block)[at - block * BLOCK : stop - block * BLOCK])
            start += stop - at
        sequence = "".join(parts)
        return sequence if strand == "+" else reverse_complement(sequence)

    def _shuffled(self, chrom: str, block: int) -> str:
        start = block * BLOCK
        text = self.genome.fetch(chrom, start, min(start + BLOCK, self.lengths[chrom]))
        random = np.random.default_rng([self.seed, 5, self._order[chrom], block])
        return base_letters(shuffle_dinucleotides(base_codes(text), random))
