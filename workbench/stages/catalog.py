"""One row a feature: how often it fires, where most strongly, on what, what its bases look like."""

from __future__ import annotations

import numpy as np
import pandas as pd

from feature_mining.logo import consensus, information, position_frequencies
from genomic_models.dna import base_codes
from workbench.analysis.counts import Summary, read_summary
from workbench.analysis.overlaps import FEWEST
from workbench.analysis.strong_bases import FLANK, strong_bases
from workbench.progress import Progress
from workbench.stages.stage import Shard, Stage
from workbench.study.study import Study

EXAMPLES = 12
LOGO_WINDOWS = 100
SIMILAR = 8
OVER_DENSE = 0.1


def similar_features(decoder: np.ndarray, alive: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Nearest alive features by cosine of decoder rows: ids int64 and cosines float32 (F, SIMILAR)."""
    count = min(SIMILAR, max(1, int(alive.sum()) - 1))
    ids = np.zeros((len(decoder), count), np.int64)
    cosines = np.zeros((len(decoder), count), np.float32)
    unit = decoder / np.maximum(np.linalg.norm(decoder, axis=1, keepdims=True), 1e-12)
    for start in range(0, len(decoder), 1024):
        rows = slice(start, start + 1024)
        cosine = unit[rows] @ unit.T
        cosine[:, ~alive] = -2
        cosine[np.arange(len(cosine)), np.arange(start, start + len(cosine))] = -3
        order = np.argsort(-cosine, axis=1, kind="stable")[:, :count]
        ids[rows], cosines[rows] = order, np.take_along_axis(cosine, order, axis=1)
    return ids, cosines


def _examples(study: Study, summary: Summary) -> tuple[pd.DataFrame, pd.DataFrame, list[str]]:
    examples, logos, words = [], [], []
    for feature in range(len(summary.value)):
        strong = strong_bases(study, summary, feature, LOGO_WINDOWS)
        windows = [base.sequence for base in strong]
        examples += [(feature, rank, *base) for rank, base in enumerate(strong[:EXAMPLES])]
        if not windows:
            words.append("")
            continue
        frequencies = position_frequencies(np.stack([base_codes(w) for w in windows]))
        bits = information(frequencies, len(windows))
        words.append(consensus(frequencies[FLANK - 12 : FLANK + 13]))
        for offset in range(2 * FLANK + 1):
            logos.append((feature, offset - FLANK, *frequencies[offset], bits[offset], len(windows)))
    columns = ["feature", "rank", "chrom", "position", "strand", "value", "sequence"]
    letters = ["feature", "position", "A", "C", "G", "T", "information", "n"]
    return pd.DataFrame(examples, columns=columns), pd.DataFrame(logos, columns=letters), words


def _best_tracks(study: Study) -> pd.DataFrame:
    """Each feature's best track, picked on select; report scores; its verdict if it is best there."""
    table = study.table("associations")
    margin = table["ap_select"] - table["base_rate"]
    ordered = table.assign(_margin=margin / (1 - table["base_rate"]).clip(lower=1e-9))
    ordered = ordered.sort_values(["feature", "_margin"], ascending=[True, False], kind="stable")
    best = ordered.drop_duplicates("feature")
    tracks = study.table("tracks")[["track", "mode", "feature", "verdict"]]
    best = best.merge(tracks, on=["track", "mode", "feature"], how="left")
    names = {"track": "best_track", "mode": "best_mode", "q": "best_q", "ap_lift": "best_ap_lift"}
    names |= {k: f"best_{k}" for k in ("auroc", "average_precision", "f1")}
    best = best.rename(columns=names)
    best["verdict"] = best["verdict"].fillna("")
    return best[["feature", *names.values(), "verdict"]]


def _held_out(study: Study) -> pd.DataFrame:
    """What the quality stage found of each feature."""
    units = study.table("quality_units")
    counts = units.loc[units["kind"] == "feature", ["unit", "tracks"]]
    counts = counts.rename(columns={"unit": "feature", "tracks": "n_tracks"})
    table = study.table("quality_features").drop(columns="density")
    return table.merge(counts, on="feature", how="left")


def run(study: Study, shard: Shard, progress: Progress) -> int:
    """Write the tables catalog, examples and logos."""
    summary = read_summary(study)
    names = np.array(list(study.manifest.contigs))
    active = summary.active.sum(axis=0)
    alive = active > 0
    tested = summary.select.all[:, 1:].sum(axis=1) >= FEWEST
    ids, cosines = similar_features(study.sae.W_dec.numpy(), alive)
    examples, logos, words = _examples(study, summary)
    bases = summary.callable.sum()
    catalog = pd.DataFrame(
        {
            "feature": np.arange(len(active)),
            "n_active": active,
            "density": active / bases,
            "density_plus": summary.active[0] / max(1, summary.callable[0]),
            "density_minus": summary.active[1] / max(1, summary.callable[1]),
            "max": summary.value[:, 0],
            "mean_active": summary.total / np.maximum(active, 1),
            "dead": ~tested,
            "over_dense": active / bases > OVER_DENSE,
            "chrom": np.where(alive, names[summary.contig[:, 0]], ""),
            "position": np.where(alive, summary.position[:, 0], -1),
            "strand": np.where(alive, np.where(summary.minus[:, 0], "-", "+"), ""),
            "consensus": words,
            "similar": list(ids),
            "similar_cosine": list(cosines),
        }
    ).merge(_best_tracks(study), on="feature", how="left")
    catalog = catalog.merge(study.table("audit")[["feature", "flags"]], on="feature", how="left")
    for column in ("best_track", "best_mode", "verdict", "flags"):
        catalog[column] = catalog[column].fillna("")
    catalog = catalog.merge(_held_out(study), on="feature", how="left")
    study.write_table("examples", examples)
    study.write_table("logos", logos)
    study.write_table("catalog", catalog)
    progress.advance(len(catalog))
    return 0


STAGE = Stage(
    name="catalog",
    title="writing the catalog",
    needs=("associate", "quality", "controls", "audit"),
    sections=(),
    run=run,
    shards=lambda study: [Shard(0, study.sae_config.d_sae)],
    unit="features",
)
