"""Search of features by a position frequency matrix: which logos look like it.

Columns are compared by Pearson's correlation, as in Tomtom (Gupta et al. 2007), weighted by the information
of the matrix' columns; the best place along the logo counts. p says how often the same columns in another
order fit the same logo as well, so it needs no model of the background.
"""

from __future__ import annotations

import re

import numpy as np
import pandas as pd

from feature_mining.logo import information
from genomic_models.dna import BASES
from workbench.errors import InputError

SHORTEST, LONGEST = 3, 30
SHUFFLES = 199
_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")


def parse_matrix(text: str) -> np.ndarray:
    """A position frequency matrix, float64 (width, 4) with rows that sum to 1, letters A C G T.

    Read are JASPAR (four lines ``A [ 1 2 3 ]``), four bare lines of numbers in the order A C G T, and MEME's
    or another list of columns: lines of four numbers each. Counts and frequencies both.

    Raises ``InputError``, a sentence, for anything else.
    """
    lines = [line for line in text.strip().splitlines() if not line.startswith((">", "#"))]
    rows = [[float(n) for n in _NUMBER.findall(re.sub(r"^\s*[ACGTacgt]\b", "", x))] for x in lines]
    rows = [row for row in rows if row]
    widths = {len(row) for row in rows}
    lettered = [line.strip()[:1].upper() for line in lines if line.strip()]
    if len(rows) == 4 and len(widths) == 1 and (widths != {4} or lettered == list(BASES)):
        matrix = np.array(rows).T
    elif widths == {4}:
        matrix = np.array(rows)
    else:
        raise InputError(
            f"matrix of {len(rows)} lines of {', '.join(map(str, sorted(widths))) or 'no'} numbers: expected"
            " four lines (A, C, G, T) of one length, or lines of four numbers each"
        )
    if not SHORTEST <= len(matrix) <= LONGEST:
        raise InputError(f"matrix of {len(matrix)} positions: expected {SHORTEST} to {LONGEST}")
    if not np.isfinite(matrix).all() or (matrix < 0).any() or (matrix.sum(axis=1) <= 0).any():
        raise InputError("matrix: expected counts or frequencies of at least 0, some in each position")
    return matrix / matrix.sum(axis=1, keepdims=True)


def find_matrix(logos: pd.DataFrame, matrix: np.ndarray, seed: int = 0) -> pd.DataFrame:
    """Features whose logos fit a matrix, on the strand on which the feature fired.

    Parameters
    ----------
    logos : DataFrame
        Table ``logos``: ``feature, position, A, C, G, T, information``.
    matrix : ndarray
        float64 (width, 4), rows sum to 1.
    seed : int
        Of the shuffles.

    Returns
    -------
    DataFrame
        ``feature``, ``fit`` (weighted mean correlation of columns, at most 1, of the logo scaled by its own
        information), ``offset`` of the matrix' first column from the active base, ``p`` by ``SHUFFLES``
        orders of the columns; lowest p, then best fit first; fits above 0 alone.
    """
    width = len(matrix)
    ordered = logos.sort_values(["feature", "position"], kind="stable")
    features = ordered["feature"].unique()
    positions = np.sort(ordered["position"].unique())
    columns = ["feature", "fit", "offset", "p"]
    if not len(features) or positions.size < width:
        return pd.DataFrame(columns=columns)
    shape = (len(features), positions.size)
    frequencies = ordered[list(BASES)].to_numpy(np.float64).reshape(*shape, 4)
    bits = ordered["information"].to_numpy(np.float64).reshape(shape)
    weight = information(matrix, 1000) + 1e-6
    alike = _correlation(frequencies, matrix) * np.sqrt(np.clip(bits / 2, 0, 1))[..., None]
    fit, place = _best(alike, weight, np.arange(width))
    rng = np.random.default_rng(seed)
    atleast = np.ones(len(features))
    for _ in range(SHUFFLES):
        order = rng.permutation(width)
        atleast += _best(alike, weight, order)[0] >= fit - 1e-12
    table = pd.DataFrame(
        {"feature": features, "fit": fit, "offset": positions[place], "p": atleast / (SHUFFLES + 1)}
    )
    table = table[table["fit"] > 0]
    return table.sort_values(["p", "fit"], ascending=[True, False], kind="stable").reset_index(drop=True)


def _correlation(frequencies: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Pearson's correlation of every logo column with every matrix column, float64 (F, positions, width)."""
    a = frequencies - frequencies.mean(axis=2, keepdims=True)
    b = matrix - matrix.mean(axis=1, keepdims=True)
    norms = np.linalg.norm(a, axis=2)[..., None] * np.linalg.norm(b, axis=1)
    return np.einsum("fpl,wl->fpw", a, b) / np.maximum(norms, 1e-12)


def _best(alike: np.ndarray, weight: np.ndarray, order: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Best weighted mean over offsets, columns of the matrix in ``order``: values and offsets (F)."""
    width = order.size
    spans = alike.shape[1] - width + 1
    total = np.zeros((alike.shape[0], spans))
    for j, column in enumerate(order):
        total += weight[column] * alike[:, j : j + spans, column]
    total /= weight.sum()
    place = total.argmax(axis=1)
    return total[np.arange(len(total)), place], place
