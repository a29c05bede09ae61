"""A concept opened: its features, how strongly each is painted, and how their directions lie."""

from __future__ import annotations

import numpy as np
import pandas as pd

from feature_mining.concepts.concept import Concept
from feature_mining.sae.architectures.matryoshka import prefix_ends
from feature_mining.sae.measures.dictionary import unit
from feature_mining.sae.model import SparseAutoencoder


def open_concept(concept: Concept, sae: SparseAutoencoder, scales: np.ndarray) -> pd.DataFrame:
    """The features of a concept, the largest weight first.

    Parameters
    ----------
    concept : Concept
    sae : SparseAutoencoder
        Its autoencoder.
    scales : ndarray
        ``(d_sae,)``, ``Dictionary.unit``.

    Returns
    -------
    DataFrame
        ``feature``; ``weight``; ``painted``, strength of its edit at full strength; ``along``, cosine of the
        direction that it writes with what the concept writes; ``nearest``, the feature of the concept whose
        direction is most like its own, and ``cosine`` with it (-1 and NaN where there is no other); for a
        Matryoshka autoencoder ``level``, the first prefix, from 1, that has the feature: early ones are
        general.
    """
    features = sorted(concept.features, key=lambda feature: -abs(concept.weights[feature]))
    weights = np.array([concept.weights[feature] for feature in features])
    decoder = sae.W_dec[features].cpu().numpy().astype(np.float64)
    rows = unit(decoder)
    written = (weights * np.asarray(scales, np.float64)[features]) @ decoder
    cosines = rows @ rows.T
    np.fill_diagonal(cosines, -np.inf)
    nearest = cosines.argmax(axis=1)
    several = len(features) > 1
    table = pd.DataFrame(
        {
            "feature": features,
            "weight": weights,
            "painted": concept.top * weights,
            "along": rows @ unit(written[None])[0],
            "nearest": np.array(features)[nearest] if several else -1,
            "cosine": cosines[np.arange(len(features)), nearest] if several else np.nan,
        }
    )
    if sae.config.architecture == "matryoshka":
        table["level"] = 1 + np.searchsorted(prefix_ends(sae.config.d_sae), features, side="right")
    return table
