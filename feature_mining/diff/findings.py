"""Where two models differ most beyond the null: stretches of the genome, and what follows which word."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from feature_mining.diff.null import FEWEST, against_null
from feature_mining.diff.predictions import Words
from feature_mining.false_discovery import q_values

# Bases of a stretch; each size is a family of its own scatter.
SIZES = (256, 1024, 4096)
# Share of a stretch, of both its readings, that has to be read.
READ = 0.5
# Times a word has to be read.
FEWEST_WORDS = 24
# Families of tests that a model is judged by as a whole.
FAMILIES = 2
ALPHA = 0.05


class Detection(NamedTuple):
    """Whether a model differs from the null at all.

    p : the smallest p of each family times its tests, times the families; 1 at most
    differs : whether that is below `ALPHA`
    """

    p: float
    differs: bool


def compare_words(words: Words) -> pd.DataFrame:
    """What each base's probability after each word is with the second model, beside the first and the null.

    Models from the third on are the null. Columns ``word, base, count, a, b`` (mean probabilities), ``null``
    (mean of the null's), ``change`` (b less the null; less a where there is no null), ``z, p, q``, NaN
    without two null models. The largest first: by p, then by change.
    """
    table, means = words.table(FEWEST_WORDS)
    table["a"], table["b"] = means[0], means[1]
    spread = means[0] * (1 - means[0])
    size = np.column_stack([np.log(table["count"]), np.log(spread + 1e-4), table["word"].str.len()])
    return _ranked(_compared(table, means[1], means[0], means[2:], size))


def compare_stretches(bases: pd.DataFrame, gains: Sequence[str]) -> pd.DataFrame:
    """Bits that the second model gains on stretches of the genome, beside the null.

    Parameters
    ----------
    bases : DataFrame
        A row a base and reading: ``chrom, position``, and bits gained over the first model by the second and
        by each of the null, in columns ``gains``, in that order.

    Returns
    -------
    DataFrame
        ``chrom, start, end, size, count`` (readings), ``b, null, change, z, p, q`` as `compare_words`; ``a``
        is 0. The largest first.
    """
    found = []
    for size in SIZES:
        place = bases["position"].to_numpy() // size
        grouped = bases.assign(place=place).groupby(["chrom", "place"], sort=False, observed=True)
        means = grouped[list(gains)].mean()
        count = grouped[gains[0]].count()
        kept = (count >= 2 * READ * size).to_numpy()
        means, count = means[kept], count[kept]
        start = means.index.get_level_values("place").to_numpy() * size
        table = pd.DataFrame(
            {
                "chrom": means.index.get_level_values("chrom").astype(str),
                "start": start,
                "end": start + size,
                "size": size,
                "count": count.to_numpy(),
                "a": 0.0,
                "b": means[gains[0]].to_numpy(),
            }
        )
        values = means.to_numpy().T
        found.append(_compared(table, values[0], 0 * values[0], values[1:], np.zeros((len(table), 0))))
    return _ranked(pd.concat(found, ignore_index=True))


def _compared(
    table: pd.DataFrame, values: np.ndarray, first: np.ndarray, null: np.ndarray, predictors: np.ndarray
) -> pd.DataFrame:
    table = table.assign(null=null.mean(axis=0) if len(null) else np.nan, z=np.nan, p=np.nan)
    table["change"] = values - (table["null"] if len(null) else first)
    if len(null) > 1 and len(table) >= FEWEST:
        table["change"], table["z"], table["p"] = against_null(values, null, predictors)
    return table


def _ranked(table: pd.DataFrame) -> pd.DataFrame:
    table["q"] = q_values(table["p"].to_numpy(float))
    order = np.lexsort((-table["change"].abs(), -table["z"].abs().fillna(0), table["p"].fillna(1)))
    return table.iloc[order].reset_index(drop=True)


def leading_words(words: pd.DataFrame, most: int) -> pd.DataFrame:
    """The first rows that do not say the same: of words of which one ends with the other, one."""
    rows: list[int] = []
    taken: list[str] = []
    for i, word in enumerate(words["word"]):
        if not any(word.endswith(other) or other.endswith(word) for other in taken):
            rows.append(i)
            taken.append(word)
        if len(rows) == most:
            break
    return words.iloc[rows]


def leading_stretches(stretches: pd.DataFrame, most: int) -> pd.DataFrame:
    """The first rows that do not overlap."""
    rows: list[int] = []
    for i, row in enumerate(stretches.itertuples()):
        before = stretches.iloc[rows]
        meets = (before["chrom"] == row.chrom) & (before["start"] < row.end) & (before["end"] > row.start)
        if not meets.any():
            rows.append(i)
        if len(rows) == most:
            break
    return stretches.iloc[rows]


def detect(words: pd.DataFrame, stretches: pd.DataFrame) -> Detection:
    """Whether the second model differs from the null; p NaN, and no difference, where there is none."""
    least = [float(t["p"].min()) * int(t["p"].notna().sum()) for t in (words, stretches) if len(t)]
    tested = [p for p in least if not np.isnan(p)]
    if not tested:
        return Detection(np.nan, False)
    p = min(1.0, FAMILIES * min(tested))
    return Detection(p, p < ALPHA)
