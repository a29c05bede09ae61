"""How much of what drives a candidate is the work of variants already known to change its phenotype."""

from __future__ import annotations

import numpy as np
import pandas as pd

from workbench.analysis.phenotypes.prediction import read_catalogue
from workbench.study.study import Study


def known_causes(study: Study, table: pd.DataFrame) -> pd.DataFrame:
    """The table with ``catalogue_variants`` (lists) and ``catalogue_share``.

    Without a catalogue the lists are empty and the shares missing. Raises ``InputError`` for a catalogue
    that cannot be read.
    """
    given = study.config.phenotype.catalogue
    known = {n: read_catalogue(study, n) if given else set() for n in table["phenotype"].unique()}
    names, shares = [], []
    for row in table.to_dict("records"):
        own = [v in known[row["phenotype"]] for v in row["driving_variants"]]
        names.append([v for v, k in zip(row["driving_variants"], own, strict=True) if k])
        share = sum(s for s, k in zip(row["driving_share"], own, strict=True) if k)
        shares.append(share if given else np.nan)
    return table.assign(catalogue_variants=names, catalogue_share=np.array(shares, np.float64))
