"""A stretch that the model has read, and the difference of two alleles, as tiles a base a bin."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from genomic_models.dna import UNKNOWN, base_codes
from workbench.browse.pasted_sequence import Pasted
from workbench.browse.tiles import NOTHING, TOP, ZERO, Tile, encode
from workbench.cohort.edits import Edit, apply_edits


def stretch_tile(
    chrom: str, pasted: Pasted, features: Sequence[int], top: np.ndarray, edits: Sequence[Edit] = ()
) -> Tile:
    """Codes of features on both strands, plus first.

    Bases that the allele lacks, and letters that are no base, have no value; of letters that it has more,
    the largest value stands at the base before them. ``top``: float (d_sae), every feature's full scale.
    """
    size, strands = len(pasted.sequence), ("+", "-")
    letters, positions = apply_edits(pasted.sequence, pasted.start, edits)
    known = np.zeros(size, bool)
    known[positions[base_codes(letters) != UNKNOWN] - pasted.start] = True
    slots = {feature: slot for slot, feature in enumerate(features)}
    fires = pasted.fires[pasted.fires["feature"].isin(features)]
    slot = fires["feature"].map(slots).to_numpy(np.int64)
    side = (fires["strand"] == "-").to_numpy(np.int64)
    values = np.zeros((len(features), len(strands), size), np.float32)
    np.maximum.at(
        values, (slot, side, fires["position"].to_numpy() - pasted.start), fires["value"].to_numpy()
    )
    values[:, :, ~known] = np.nan
    codes = [encode(values[:, s], top[list(features)]) for s in range(len(strands))]
    edges = np.arange(pasted.start, pasted.start + size + 1)
    return Tile(chrom, 1, edges, np.stack(codes, axis=1))


def difference_tile(reference: Tile, allele: Tile) -> Tile:
    """What rises from one allele to the other in place of the plus strand, what falls in place of the minus.

    Of both strands the one that differs more. A base that one allele lacks counts as 0 there.
    """
    before, after = (np.maximum(tile.codes, ZERO).astype(np.int16) for tile in (reference, allele))
    change = after - before
    sides = [np.maximum(sign * change, 0).max(axis=1) + ZERO for sign in (1, -1)]
    codes = np.stack(sides, axis=1).clip(ZERO, TOP).astype(np.uint8)
    nowhere = ((reference.codes == NOTHING) & (allele.codes == NOTHING)).all(axis=1)
    codes[np.repeat(nowhere[:, None], 2, axis=1)] = NOTHING
    return Tile(reference.chrom, 1, reference.edges, codes)
