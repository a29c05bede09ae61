"""What an edit does to natural sequence: bits a base, over all and within each track, and other features.

The edit acts at every base of windows of the report split, on both strands.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from torch import Tensor

from feature_mining.edits.passes import forward
from feature_mining.edits.plan import EditPlan
from feature_mining.sae.model import SparseAutoencoder
from genomic_models.dna import UNKNOWN, base_codes
from workbench.analysis.labels import labels_of
from workbench.experiments.arms import Steered, edit_of
from workbench.experiments.follow_up import bits_of
from workbench.experiments.response import CONTROLS, FEATURE, UNEDITED
from workbench.experiments.settings import WritingSettings
from workbench.genome.interval import Interval
from workbench.genome.windows import Cell, read_sequence
from workbench.progress import Progress
from workbench.study.study import Study

# Windows that are read.
NATURAL = 12
# Bases whose features are held at once.
_BLOCK = 1024
KEYS = ["feature", "arm", "strength"]


def natural_cells(study: Study) -> list[Cell]:
    """Cells of the report split, spread over it."""
    cells = study.split.cells(study.grid, study.manifest.contigs, "report")
    return cells[:: max(1, len(cells) // NATURAL)][:NATURAL]


def read_damage(study: Study, given: WritingSettings, feature: int, progress: Progress) -> pd.DataFrame:
    """Natural sequence unedited, with a feature added, and with a random direction added.

    Returns
    -------
    DataFrame
        ``feature, arm, strength, place, strand``; ``track``, empty for all bases; ``bases``; ``response``,
        bits a base; and of all bases ``moved``, how far the other features of the layer move, as a share of
        what they sum to.
    """
    steered = Steered(study.dictionary, feature, 0)
    arms, plans = [(UNEDITED, 0.0)], [EditPlan()]
    for strength in given.strengths:
        for name in (FEATURE, CONTROLS[0]):
            arms.append((name, strength))
            plans.append(EditPlan((edit_of(name, study, steered, strength, given.seed),)))
    columns = [(track.name, "any") for track in study.tracks if track.kind == "interval"]
    rows: list[tuple[object, ...]] = []
    for cell in natural_cells(study):
        place = str(Interval(cell.chrom, cell.start, cell.end))
        for strand in "+-":
            letters, skip, _ = read_sequence(study.genome, study.grid, cell, strand)
            sequences = [letters] * len(plans)
            found = forward(
                study.model, sequences, plans, {study.layer: study.dictionary}, taps=[study.layer]
            )
            assert found.logits is not None
            bits = bits_of(found.logits, found.tokens.ids)[:, skip:]
            known = (base_codes(letters[skip:]) != UNKNOWN) & np.isfinite(bits[0])
            moved = _moved(study.sae, found.taps[study.layer][:, skip:], feature)
            if strand == "-":  # labels are in the direction of the genome
                bits, known = bits[:, ::-1], known[::-1]
            labels = labels_of(study, columns, cell.chrom, cell.start, cell.end, strand)
            inside = labels.table[labels.states] & known[:, None]
            for arm, own, share in zip(arms, bits, moved, strict=True):
                key = (feature, *arm, place, strand)
                rows.append((*key, "", int(known.sum()), float(own[known].mean()), share))
                for (track, _), use in zip(columns, inside.T, strict=True):
                    if use.any():
                        rows.append((*key, track, int(use.sum()), float(own[use].mean()), np.nan))
            progress.advance(len(letters) * len(plans))
    return pd.DataFrame(rows, columns=[*KEYS, "place", "strand", "track", "bases", "response", "moved"])


def side_effects(damage: pd.DataFrame) -> pd.DataFrame:
    """Bits a base more within each track: ``feature, arm, strength, track, bases, bits``."""
    inside = damage[damage["track"] != ""]
    sums = inside.assign(bits=inside["response"] * inside["bases"]).groupby([*KEYS, "track"], sort=False)
    table = sums[["bases", "bits"]].sum().reset_index()
    table["bits"] /= table["bases"]
    unedited = table[table["arm"] == UNEDITED].set_index(["feature", "track"])["bits"]
    table["bits"] -= unedited.reindex(pd.MultiIndex.from_frame(table[["feature", "track"]])).to_numpy()
    return table[table["arm"] != UNEDITED].reset_index(drop=True)


def _moved(sae: SparseAutoencoder, x: Tensor, feature: int) -> list[float]:
    """How far features other than one are from those of the first row, as a share of their sum there."""
    apart, whole = np.zeros(len(x)), 0.0
    for block in x.float().split(_BLOCK, dim=1):
        first = None
        for row, values in enumerate(block):
            f = sae.encode(values)
            f[:, feature] = 0
            first = f if first is None else first
            apart[row] += float((f - first).abs().sum())
        assert first is not None
        whole += float(first.sum())
    return [float(each) / max(whole, 1e-12) for each in apart]
