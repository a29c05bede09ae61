"""All features of a study at once: a map by decoder geometry, and searches by words, motif and place."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from workbench.atomic import write_atomic
from workbench.errors import InputError

if TYPE_CHECKING:
    from workbench.study import Study

MOST_MAPPED = 8192
"""Features up to which the map is t-SNE; above it is the first two principal components."""
IUPAC = {
    "A": "A", "C": "C", "G": "G", "T": "T", "U": "T", "R": "AG", "Y": "CT", "S": "CG", "W": "AT",
    "K": "GT", "M": "AC", "B": "CGT", "D": "AGT", "H": "ACT", "V": "ACG", "N": "ACGT",
}  # fmt: skip
LONGEST_MOTIF = 30


def feature_map(study: Study) -> pd.DataFrame:
    """Places of features on a plane, near where decoder directions are alike; kept in the study's cache.

    t-SNE (van der Maaten and Hinton 2008) of the cosines of decoder directions, begun from the principal
    components; principal components alone above ``MOST_MAPPED`` features.

    Returns
    -------
    DataFrame
        ``feature`` (int64), ``x, y`` (float64, no unit), a row a feature.
    """
    path = study.folder / "cache" / f"atlas-{study.sae_hash[:16]}.parquet"
    if path.exists():
        return pd.read_parquet(path)
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE

    unit = study.sae.W_dec.detach().cpu().numpy().astype(np.float64)
    n = len(unit)
    if 10 <= n <= MOST_MAPPED:
        few = PCA(min(50, n, unit.shape[1]), random_state=0).fit_transform(unit)
        perplexity = min(30.0, (n - 1) / 3)
        places = TSNE(2, perplexity=perplexity, init="pca", random_state=0).fit_transform(few)
    else:
        places = PCA(2, random_state=0).fit_transform(unit)
    table = pd.DataFrame({"feature": np.arange(n), "x": places[:, 0], "y": places[:, 1]})
    table = table.astype({"x": float, "y": float})
    path.parent.mkdir(exist_ok=True)
    with write_atomic(path) as temporary:
        table.to_parquet(temporary, index=False)
    return table


def motif_pattern(motif: str) -> re.Pattern[str]:
    """An IUPAC motif as an expression. Raises ``InputError`` for other letters and for long ones."""
    letters = motif.strip().upper()
    strange = sorted(set(letters) - set(IUPAC))
    if strange or not 2 <= len(letters) <= LONGEST_MOTIF:
        raise InputError(
            f"motif {motif.strip()[:40]!r}: expected 2 to {LONGEST_MOTIF} IUPAC letters, as in TATAAT or"
            " GGNCC"
        )
    return re.compile("".join(f"[{IUPAC[letter]}]" for letter in letters))


def find_motif(examples: pd.DataFrame, motif: str) -> pd.DataFrame:
    """Features whose strongest examples hold a motif more often than examples of all features do.

    Parameters
    ----------
    examples : DataFrame
        Table ``examples``: ``feature`` and ``sequence``, read on the strand on which the feature fired.
    motif : str
        IUPAC letters; looked for on that strand only.

    Returns
    -------
    DataFrame
        ``feature, hits, examples, share, expected`` and ``p``, the binomial tail with the share of all
        examples as the chance of a hit, corrected for the number of features (Bonferroni); lowest first,
        without features that hold it nowhere.
    """
    from scipy.stats import binom

    pattern = motif_pattern(motif)
    hit = examples["sequence"].map(lambda s: pattern.search(str(s)) is not None)
    table = hit.groupby(examples["feature"]).agg(hits="sum", examples="count").reset_index()
    rate = float(hit.mean()) if len(hit) else 0.0
    table["share"] = table["hits"] / table["examples"]
    table["expected"] = rate
    tail = binom.sf(table["hits"] - 1, table["examples"], rate)
    table["p"] = np.minimum(1.0, tail * max(1, len(table)))
    table = table[table["hits"] > 0]
    return table.sort_values(["p", "feature"], kind="stable").reset_index(drop=True)


def find_words(catalog: pd.DataFrame, words: str, notes: dict[int, str]) -> np.ndarray:
    """Which rows hold every word in label, verdict, consensus, flags or note; bool, in the catalogue's order.

    A whole number is a feature's.
    """
    text = words.strip().casefold()
    if text.isdecimal():
        return (catalog["feature"] == int(text)).to_numpy()
    columns = [c for c in ("best_track", "verdict", "consensus", "flags") if c in catalog]
    joined = catalog[columns].astype(str).agg(" ".join, axis=1)
    joined = (joined + " " + catalog["feature"].map(lambda f: notes.get(int(f), ""))).str.casefold()
    found = np.ones(len(catalog), bool)
    for word in text.split():
        found &= joined.str.contains(word, regex=False).to_numpy()
    return found
