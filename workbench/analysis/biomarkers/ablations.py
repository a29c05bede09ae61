"""What the model's predictions of a region lose when a candidate's feature is switched off there."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from feature_mining.sae.measures.ablation import Ablation, ablate
from workbench.analysis.burdens.plan import SIDES
from workbench.cohort.readings import cell_window, make_reading
from workbench.cohort.store import STRANDS
from workbench.study.locus import check_features
from workbench.study.study import Study

ABLATION_COLUMNS = ("ablation_active", "ablation_bits", "ablation_kl")


def ablate_region(study: Study, region: str, features: Sequence[int]) -> pd.DataFrame:
    """Switch features off, one at a time, over a region of the reference: ``feature`` and the columns above.

    Active are readings (a base read on one strand) of the region on which the feature was on; bits and
    divergence are means over the letters of the region, on the strands that the burden was taken of. Both are
    missing where the model says nothing of single bases, or no letter of the region has a value, and bits
    where it does not predict base after base. What a window hands on to the next one is not counted. Raises
    ``InputError`` for an unknown region or feature.
    """
    check_features(study, features)
    place = study.burdens.regions.iloc[study.burdens.index(region)]
    found = pd.DataFrame({"feature": list(features)}).astype("int64")
    found[list(ABLATION_COLUMNS)] = np.nan
    model = study.model
    if model.outputs is None and not model.predicts_bases:
        return found
    start, end = int(place["start"]), int(place["end"])
    where = pd.DataFrame({"chrom": [place["chrom"]], "start": [start], "end": [end]})
    nothing = np.zeros(len(found))
    total = Ablation(nothing.astype(np.int64), nothing, nothing, 0)
    for cell in study.grid.cells_of(where, study.manifest.contigs):
        needed = max(start, cell.start), min(end, cell.end)
        for side in STRANDS[study.config.phenotype.strand]:
            window = cell_window(study.genome, study.grid, cell, SIDES[side], needed)
            reading = make_reading(study.genome, study.grid, window, ())
            here = (reading.positions >= needed[0]) & (reading.positions < needed[1])
            within = np.concatenate([np.zeros(reading.skip, bool), here & reading.callable])
            if within[1:].any():
                total += ablate(
                    model, study.layer, study.sae, reading.sequence, within, features, study.batch
                )
    if total.letters:
        found["ablation_active"] = total.on.astype(np.float64)
        found["ablation_bits"] = total.bits / total.letters
        found["ablation_kl"] = total.kl / total.letters
    return found
