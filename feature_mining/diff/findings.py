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
FEWEST_WORDS = 12
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

    Models from the third on are the null. Tested is how far the change goes beyond that after the word
    without its first base: a drift that all words with one ending share is no difference of each of them.

    Returns
    -------
    DataFrame
        ``word, base, count, a, b`` (mean probabilities), ``null`` (mean of the null's), ``change``, b less
        the null, less a where there is none; ``beyond``, of it what is tested; ``z, p, q``, NaN without two
        null models. By p, then by change.
    """
    table, means = words.table(FEWEST_WORDS)
    null = means[2:]
    table["a"], table["b"] = means[0], means[1]
    table["null"] = null.mean(axis=0) if len(null) else np.nan
    table["change"] = means[1] - (table["null"] if len(null) else means[0])
    own = _beyond(table, means)
    table["beyond"] = own[1] - (own[2:].mean(axis=0) if len(null) else own[0])
    spread = means[0] * (1 - means[0])
    size = _scatter_of(table["count"].to_numpy(float), spread, table["word"].str.len().to_numpy())
    return _ranked(_tested(table, own[1], own[2:], size))


def _scatter_of(count: np.ndarray, spread: np.ndarray, length: np.ndarray) -> np.ndarray:
    """What the scatter of a word's mean is told by: counts and spread, curved, and a level a length."""
    by_count, by_spread = np.log(count), np.log(spread + 1e-4)
    levels = [length == k for k in np.unique(length)[1:]]
    return np.column_stack([by_count, by_count**2, by_spread, by_spread**2, *levels]).astype(float)


def _beyond(table: pd.DataFrame, means: np.ndarray) -> np.ndarray:
    """Each mean less that after the word without its first base; of a single base, less that over all."""
    rows = {pair: i for i, pair in enumerate(zip(table["word"], table["base"], strict=True))}
    shorter = np.array([rows.get((word[1:], base), -1) for word, base in rows], np.int64)
    before = means[:, shorter]
    single = table[table["word"].str.len() == 1]
    for _, own in single.groupby("base"):
        before[:, own.index] = np.average(means[:, own.index], axis=1, weights=own["count"])[:, None]
    return means - before


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
        ``chrom, start, end, size, count`` (readings), and ``b, null, change, z, p, q`` as `compare_words`
        has them, in bits a base; tested is what goes beyond the median of the stretches.
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
        values = means.to_numpy().T
        null = values[1:].mean(axis=0) if len(values) > 1 else np.nan
        table = pd.DataFrame(
            {
                "chrom": means.index.get_level_values("chrom").astype(str),
                "start": start,
                "end": start + size,
                "size": size,
                "count": count.to_numpy(),
                "b": values[0],
                "null": null,
                "change": values[0] - (null if len(values) > 1 else 0),
            }
        )
        # What a model gains everywhere is no difference of any stretch.
        own = values - (np.median(values, axis=1, keepdims=True) if len(table) else 0)
        found.append(_tested(table, own[0], own[1:], np.zeros((len(table), 0))))
    return _ranked(pd.concat(found, ignore_index=True))


def _tested(
    table: pd.DataFrame, values: np.ndarray, null: np.ndarray, predictors: np.ndarray
) -> pd.DataFrame:
    table = table.assign(z=np.nan, p=np.nan)
    if len(null) > 1 and len(table) >= FEWEST:
        _, table["z"], table["p"] = against_null(values, null, predictors)
    return table


def _ranked(table: pd.DataFrame) -> pd.DataFrame:
    table["q"] = q_values(table["p"].to_numpy(float))
    order = np.lexsort((-table["change"].abs(), -table["z"].abs().fillna(0), table["p"].fillna(1)))
    return table.iloc[order].reset_index(drop=True)


def leading_words(words: pd.DataFrame, most: int) -> pd.DataFrame:
    """Words that changed themselves, none that says the same as one before, the largest differences first.

    Largest of those whose q is below `ALPHA`: p would put a short word that is read often before the longer
    one that it ends. The others follow by p.
    A word changed itself where its own change has the sign of what is beyond the shorter word's, and half of
    its size; else the shorter one did. Of words of which one ends with the other the first is taken.
    """
    sure = (words["q"] < ALPHA).to_numpy()
    words = words.iloc[np.lexsort((np.where(sure, -words["change"].abs(), 0), ~sure))]
    own = words["change"] * words["beyond"] > 0.5 * words["beyond"] ** 2
    rows: list[int] = []
    taken: list[str] = []
    for i in np.flatnonzero(own):
        word = words["word"].iat[i]
        if not any(word.endswith(other) or other.endswith(word) for other in taken):
            rows.append(int(i))
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
