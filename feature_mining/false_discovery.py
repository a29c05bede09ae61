"""False discovery rates of a family of tests of which some could not be made."""

from __future__ import annotations

from typing import Literal

import numpy as np
from scipy.stats import false_discovery_control


def q_values(p: np.ndarray, method: Literal["bh", "by"] = "bh") -> np.ndarray:
    """q-values of p-values, float64 of their shape; NaN stays NaN and out of the family.

    Parameters
    ----------
    p : float64, 0 to 1 or NaN where nothing was tested; raises ValueError otherwise
    method : ``bh`` under independence or positive dependence (Benjamini and Hochberg 1995), ``by`` under any
        dependence (Benjamini and Yekutieli 2001)
    """
    q = np.array(p, np.float64)
    tested = ~np.isnan(q)
    q[tested] = false_discovery_control(q[tested], method=method)
    return q
