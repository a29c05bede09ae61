"""What features are called: names, learnt tracks, logos; never a track that a feature does not mark."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from feature_mining.association.verdict import Verdict
from tests.workbench.study_factory import DEAD, N_FEATURES, Synthetic, make_study
from workbench.errors import InputError
from workbench.study.feature_labels import Source, core, label_features, where_active
from workbench.study.notes import FILE, Note, read_notes, write_note


@pytest.fixture
def made(tmp_path: Path) -> Synthetic:
    return make_study(tmp_path)


def test_a_learnt_track_with_its_strand_and_nothing_else_names_a_track(made: Synthetic) -> None:
    labels = made.study.feature_labels()
    assert set(labels) == set(range(N_FEATURES))
    assert labels[3] == ("CDS (same strand)", Source.TRACK)
    assert labels[7] == ("promoter (same strand)", Source.TRACK)
    assert labels[DEAD] == ("dead", Source.DEAD)
    # 5, 11 and 12 are the best of a track by a verdict that is not learnt, the others of none.
    for feature in set(range(N_FEATURES)) - {3, 7, DEAD}:
        assert labels[feature].source is Source.LOGO
        assert labels[feature].text.startswith("TATAAT")
        assert "CDS" not in labels[feature].text and "promoter" not in labels[feature].text


def test_of_two_learnt_tracks_the_one_with_the_higher_lift(made: Synthetic) -> None:
    tracks = made.study.table("tracks").assign(verdict=Verdict.LEARNT.value)
    tracks.loc[(tracks["feature"] == 3) & (tracks["mode"] == "any"), "ap_lift"] = 0.99
    made.study.write_table("tracks", tracks)
    labels = made.study.feature_labels()
    assert labels[3].text == "CDS (either strand)"
    assert labels[11].text == "promoter (opposite strand)"


def test_a_readers_name_goes_before_everything_and_is_kept(made: Synthetic) -> None:
    write_note(made.study.folder, 3, Note(name="  start\tof   translation "))
    write_note(made.study.folder, DEAD, Note(name="silent"))
    labels = made.study.feature_labels()
    assert labels[3] == ("start of translation", Source.NAME)
    assert labels[DEAD].text == "silent"
    write_note(made.study.folder, 3, read_notes(made.study.folder)[3]._replace(name=""))
    assert made.study.feature_labels()[3].source is Source.TRACK
    with pytest.raises(InputError, match="61 characters: at most 60"):
        write_note(made.study.folder, 3, Note(name="x" * 61))


def test_notes_of_before_names_are_read(made: Synthetic) -> None:
    old = {"4": {"text": "odd", "rating": 2, "pinned": False, "time": ""}}
    (made.study.folder / FILE).write_text(json.dumps(old))
    assert read_notes(made.study.folder)[4] == Note("odd", 2)
    assert made.study.feature_labels()[4].source is Source.LOGO


@pytest.mark.parametrize(
    ("consensus", "shown"),
    [
        ("NNNNNTATAATNNNNNNNNNNNNNN", "TATAAT"),
        ("NNNNNNNNNNNNANNNNNNNNNNNN", ""),
        ("", ""),
        ("WWWWWWWWWWWWWWWWWWWWWWWWW", ""),
        ("NNTNNNNNNNNNNGGAGGTNNNNNN", "GGAGGT"),
        ("ACGTACGTACGTACGTACGTACGTA", "ACGTACGT"),
        ("NNNNRYNNTTGACANNNNNNNNNNN", "TTGACA"),
    ],
)
def test_the_telling_part_of_a_consensus(consensus: str, shown: str) -> None:
    assert core(consensus) == shown


def test_candidates_of_before_are_read_with_the_labels_of_today(made: Synthetic) -> None:
    old = pd.DataFrame({"feature": [5, 3, DEAD], "label": ["CDS", "CDS", "CDS"], "label_auroc": 0.7})
    made.study.write_table("biomarkers", old)
    table = made.study.table("biomarkers")
    assert table["feature"].tolist() == [5, 3] and table["closest_track"].tolist() == ["CDS", "CDS"]
    assert table["label"].tolist()[1] == "CDS (same strand)" and "CDS" not in table["label"].iloc[0]


def row(feature: int, **more: object) -> dict[str, object]:
    return {"feature": feature, "dead": False, "consensus": "", "flags": "", "best_track": "CDS",
            "best_mode": "same"} | more  # fmt: skip


def test_where_by_the_length_of_runs() -> None:
    catalog = pd.DataFrame([row(0), row(1), row(2), row(3, flags="gc,phase")])
    # 1,000 bases, a tenth of them in the track, recall 0.5: 50 found, at precision 0.5 that is 100 active
    # bases.
    one = {
        "track": "CDS",
        "mode": "same",
        "recall": 0.5,
        "precision": 0.5,
        "base_rate": 0.1,
        "n_report": 1000,
    }
    runs = {0: 2, 1: 50, 2: 10, 3: 2}
    associations = pd.DataFrame([one | {"feature": f, "n_runs": n} for f, n in runs.items()])
    where = where_active(catalog, associations, None)
    assert where == {0: "long runs", 1: "single bases", 3: "every 3 bases"}
    labels = label_features(catalog, pd.DataFrame(), associations, None, {})
    assert [labels[f].text for f in range(4)] == [
        "no motif, long runs", "no motif, single bases", "no motif", "no motif, every 3 bases",
    ]  # fmt: skip


def profile(feature: int, end: str, share: np.ndarray, n: int = 100, track: str = "CDS") -> pd.DataFrame:
    offsets = np.arange(-100, 101)
    return pd.DataFrame(
        {"feature": feature, "track": track, "mode": "same", "end": end, "offset": offsets,
         "share_active": share, "n_ends": n}
    )  # fmt: skip


def test_where_by_the_profile_around_the_ends_of_genes() -> None:
    flat = np.full(201, 0.05)
    peak = flat.copy()
    peak[100] = 0.6
    low, far = flat.copy(), flat.copy()
    low[100], far[100 + 60] = 0.15, 0.6
    metagene = pd.concat(
        [
            profile(0, "5'", peak), profile(0, "3'", flat), profile(1, "5'", flat), profile(1, "3'", peak),
            profile(2, "5'", low), profile(3, "5'", far), profile(4, "5'", peak, n=10),
            profile(5, "5'", peak, track="tRNA"),
        ]
    )  # fmt: skip
    catalog = pd.DataFrame([row(f) for f in range(6)])
    assert where_active(catalog, pd.DataFrame(), metagene) == {0: "gene starts", 1: "gene ends"}
