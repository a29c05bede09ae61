"""All features of a study at once: a map by decoder geometry, and searches by words, motif and place."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from feature_mining.association.verdict import MAX_Q
from genomic_models.dna import IUPAC
from workbench.errors import InputError
from workbench.files.parquet import read_parquet, write_parquet
from workbench.wording import fixed, mode_words

if TYPE_CHECKING:
    from workbench.study.study import Study

# Features up to which the map is t-SNE; above it is the first two principal components.
MOST_MAPPED = 8192
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
    with suppress(InputError):  # not there yet, or damaged: made anew
        return read_parquet(path)
    # Slow to import, which other pages need not wait for.
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
    write_parquet(path, table)
    return table


def motif_pattern(motif: str) -> re.Pattern[str]:
    """An IUPAC motif as an expression. Raises ``InputError`` for other letters and for long ones."""
    letters = motif.strip().upper().replace("U", "T")
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
    from scipy.stats import binom  # slow to import, which other pages need not wait for

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


def find_words(
    catalog: pd.DataFrame, associations: pd.DataFrame, words: str, notes: dict[int, str]
) -> pd.DataFrame:
    """Features that hold every word in label, verdict, consensus, flags, note or a track that they go with.

    A feature goes with every track on which its q is at most `MAX_Q`, in any strand mode, not with the
    closest one alone. A whole number is a feature's.

    Returns
    -------
    DataFrame
        ``feature`` and ``found_by``, words on why; those found by a track first, the highest lift first.
        None for no word.
    """
    text = words.strip().casefold()
    if not text:
        return pd.DataFrame({"feature": np.zeros(0, np.int64), "found_by": np.zeros(0, object)})
    if text.isdecimal() and len(text) < 10:
        own = catalog.loc[catalog["feature"] == int(text), "feature"]
        return pd.DataFrame({"feature": own.to_numpy(), "found_by": "its number"})
    columns = [c for c in ("label", "verdict", "consensus", "flags") if c in catalog]
    own = catalog[columns].astype(str).agg(" ".join, axis=1)
    own = (own + " " + catalog["feature"].map(lambda f: notes.get(int(f), ""))).str.casefold()
    own.index = pd.Index(catalog["feature"].to_numpy(np.int64))
    backed = associations[associations["q"] <= MAX_Q] if "q" in associations else associations.iloc[:0]
    tracks = backed["track"].astype(str).str.casefold()
    by_feature = tracks.groupby(backed["feature"].to_numpy()).agg(
        lambda names: " ".join(dict.fromkeys(names))
    )
    joined = own + " " + by_feature.reindex(own.index).fillna("")
    found = np.ones(len(own), bool)
    for word in text.split():
        found &= joined.str.contains(word, regex=False).to_numpy()
    held = np.logical_or.reduce([tracks.str.contains(word, regex=False).to_numpy() for word in text.split()])
    best = backed[held].sort_values("ap_lift", ascending=False, kind="stable").drop_duplicates("feature")
    best = best.set_index("feature").reindex(own.index[found])
    rows = pd.DataFrame({"feature": own.index[found], "lift": best["ap_lift"].to_numpy()})
    why = [
        f"{track} ({mode_words(str(mode))}), {fixed(lift)} above chance"
        if isinstance(track, str)
        else "its label"
        for track, mode, lift in best[["track", "mode", "ap_lift"]].itertuples(index=False)
    ]
    rows = rows.assign(found_by=why).sort_values("lift", ascending=False, kind="stable", na_position="last")
    return rows[["feature", "found_by"]].reset_index(drop=True)


def rank_features(catalog: pd.DataFrame, associations: pd.DataFrame, track: str, mode: str) -> pd.DataFrame:
    """Every feature that was tested on a track, the best first.

    Returns
    -------
    DataFrame
        The rows of ``associations`` of this track and mode with ``rank``, ``label`` and ``select_lift``, by
        which they are ranked, so that no score of the report split chose its own place.
    """
    rows = associations[(associations["track"] == track) & (associations["mode"] == mode)]
    rate = rows["base_rate"]
    rows = rows.assign(select_lift=(rows["ap_select"] - rate) / (1 - rate).clip(lower=1e-9))
    rows = rows.sort_values("select_lift", ascending=False, kind="stable", na_position="last")
    labels = catalog["label"].reindex(rows["feature"]).to_numpy()
    return rows.assign(rank=np.arange(1, len(rows) + 1), label=labels).reset_index(drop=True)
