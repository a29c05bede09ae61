"""Features without a track: the rule, and runs from rows."""

from __future__ import annotations

import numpy as np
import pandas as pd

from workbench.stages.unexplained import runs_of, unmatched


def test_what_counts_as_explained():
    rows = [
        # feature, base rate, precision, lift, q
        (0, 0.1, 0.12, 0.03, 0.01),  # lift
        (1, 0.1, 0.6, 0.001, 0.01),  # precise, if seldom
        (2, 0.1, 0.9, 0.5, 0.06),  # not significant
        (3, 0.1, 0.5, 0.019, 0.01),  # neither
        (4, 0.9, 0.92, 0.01, 0.01),  # precise only because the track is everywhere
        (4, 0.1, 0.2, 0.01, 1e-9),
    ]
    columns = ["feature", "base_rate", "precision", "ap_lift", "q"]
    table = pd.DataFrame(rows, columns=columns)
    assert unmatched(table, np.arange(6)).tolist() == [2, 3, 4, 5]


def test_runs_bridge_gaps():
    rows = np.array([3, 4, 5, 8, 20, 21])
    assert runs_of(rows, 0).tolist() == [[3, 8, 20], [3, 1, 2]]
    assert runs_of(rows, 2).tolist() == [[3, 20], [6, 2]]
    assert runs_of(rows[:0], 2).shape == (2, 0)
