"""Variants of samples as tracks."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from tests.workbench.study_factory import make_study
from workbench.browse.variant_tracks import carried_variants, driving_variants
from workbench.errors import InputError


def test_variants_of_samples_and_of_a_candidate(tmp_path: Path) -> None:
    study = make_study(tmp_path).study
    with pytest.raises(InputError, match="no table haplotypes"):
        carried_variants(study)
    haplotypes = pd.DataFrame(
        {
            "region": ["a", "a", "a", "b", "b"],
            "haplotype": [0, 1, 2, 0, 1],
            "carriers": [90, 6, 4, 95, 5],
            "variants": [
                [], ["chrA:301:A:G"], ["chrA:301:A:G", "chrA:310:CTT:C"], [], ["chrB:20:G:T"]
            ],
        }
    )  # fmt: skip
    study.write_table("haplotypes", haplotypes)
    track = carried_variants(study)
    rows = track.intervals[["chrom", "start", "end", "name"]].to_numpy().tolist()
    assert rows == [
        ["chrA", 300, 301, "A301G, 10 of 100"],
        ["chrA", 309, 312, "CTT310C, 4 of 100"],
        ["chrB", 19, 20, "G20T, 5 of 100"],
    ]
    study.write_table(
        "biomarkers",
        pd.DataFrame(
            {
                "candidate_id": ["cb_1", "cb_2"],
                "driving_variants": [["chrA:301:A:G"], []],
                "driving_delta": [[-12.34], []],
                "driving_share": [[0.61], []],
            }
        ),
    )
    (row,) = driving_variants(study, "cb_1").intervals.itertuples()
    assert (row.start, row.end) == (300, 301)
    assert row.name == "A301G, change -12.3, 61% of the drive" and row.score == 0.61
    assert driving_variants(study, "cb_2").intervals.empty
    with pytest.raises(InputError, match="candidate 'cb_3': the study has none"):
        driving_variants(study, "cb_3")
