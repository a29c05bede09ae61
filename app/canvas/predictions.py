"""What a model predicts of bases, in the format of the canvas."""

from __future__ import annotations

from typing import Any

import numpy as np


def prediction_lane(start: int, strand: str, letters: str, logs: np.ndarray) -> dict[str, Any]:
    """Predictions of a stretch of the contig from ``start`` on, 0-based.

    Parameters
    ----------
    start : int
    strand : str
        The strand that was read.
    letters : str
        Those that stand there, in the direction of the reading.
    logs : ndarray
        float32 ``(n, 4)`` in the same direction: log2 of the probability of A, C, G and T.

    Returns
    -------
    dict
        ``start, letters, logs`` in the order of the contig; letters stay those of the strand that was read.
    """
    step = 1 if strand == "+" else -1
    return {
        "start": start,
        "letters": letters[::step],
        "logs": np.round(logs[::step].astype(float), 4).tolist(),
    }
