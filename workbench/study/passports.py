"""What passports say of features: the outcome of experiments that tested one hypothesis a feature.

Read from the experiments of a study when the catalog is shown or exported, so that the catalog, which is made
before them, stays as it is.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

import pandas as pd

from workbench.errors import InputError
from workbench.files.parquet import read_parquet

# Table of an experiment, in its folder.
TABLE = "passports"
# Columns of it that are read.
_READ = {
    *("feature", "autoencoder", "sae_seed", "causal", "readout", "sign", "strength", "effect"),
    *("win_rate", "steers"),
}
COLUMNS = (
    "causal",
    "causal_readout",
    "causal_strength",
    "causal_effect",
    "causal_win_rate",
    "causal_seeds",
    "causal_experiment",
)


class Causal(StrEnum):
    """What is said of a feature's hypothesis."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_TESTED = "not tested"


def read_passports(folder: Path, autoencoder: str) -> pd.DataFrame:
    """Outcome of every feature that was tested, a row a feature.

    Of a feature tested in several experiments the worst outcome counts: trying until it passes is no test.
    Those of another autoencoder say nothing here.

    Parameters
    ----------
    folder : Path
        Of the study.
    autoencoder : str
        Its hash.

    Returns
    -------
    DataFrame
        ``feature``; ``causal`` (`Causal`); ``causal_readout``, after ``more `` or ``less ``;
        ``causal_strength``; of the study's own autoencoder ``causal_effect`` (change of the readout) and
        ``causal_win_rate``; ``causal_seeds``, in how many of the autoencoders it steers, such as 1 of 3;
        ``causal_experiment``.
    """
    rows = []
    for path in sorted(folder.glob(f"experiments/*/{TABLE}.parquet")):
        table = read_parquet(path)
        if lacking := sorted(_READ - set(table)):
            raise InputError(
                f"{path}: has no column {lacking[0]}; run the experiment again, or remove its folder"
            )
        for feature, own in table[table["autoencoder"] == autoencoder].groupby("feature", sort=False):
            first = own.sort_values("sae_seed", kind="stable").iloc[0]
            rows.append(
                {
                    "feature": int(str(feature)),
                    "causal": first["causal"],
                    "causal_readout": f"{'more' if first['sign'] > 0 else 'less'} {first['readout']}",
                    "causal_strength": first["strength"],
                    "causal_effect": first["effect"],
                    "causal_win_rate": first["win_rate"],
                    "causal_seeds": f"{int(own['steers'].sum())} of {len(own)}",
                    "causal_experiment": path.parent.name,
                }
            )
    found = pd.DataFrame(rows, columns=["feature", *COLUMNS])
    worst = found["causal"].map({Causal.FAILED: 0, Causal.PASSED: 1, Causal.NOT_TESTED: 2})
    order = found.assign(_worst=worst).sort_values(["feature", "_worst"], kind="stable")
    return order.drop_duplicates("feature").drop(columns="_worst").reset_index(drop=True)


def with_causal(catalog: pd.DataFrame, folder: Path, autoencoder: str) -> pd.DataFrame:
    """The catalog with the columns of `read_passports`; not tested where there is no passport."""
    found = read_passports(folder, autoencoder).set_index("feature").reindex(catalog["feature"])
    found["causal"] = found["causal"].fillna(Causal.NOT_TESTED.value)
    for column in ("causal_readout", "causal_seeds", "causal_experiment"):
        found[column] = found[column].fillna("")
    for column in ("causal_strength", "causal_effect", "causal_win_rate"):
        found[column] = found[column].astype(float)
    return catalog.assign(**{column: found[column].to_numpy() for column in COLUMNS})
