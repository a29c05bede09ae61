"""The table of candidates: association, place, label, prediction, drivers, tier and where it all came from.

What a study does not know is missing in the table; nothing is filled in.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from workbench.analysis.biomarkers.candidates import DRIVER_COLUMNS, KEY, choose_candidates
from workbench.analysis.biomarkers.columns import COLUMNS, no_candidates
from workbench.analysis.biomarkers.known_variants import known_causes
from workbench.analysis.biomarkers.lineages import lineage_effects, robust_errors, summarise
from workbench.analysis.biomarkers.loci import find_places
from workbench.analysis.biomarkers.tiers import RULES, tier_of
from workbench.analysis.phenotypes.inputs import lineage_column
from workbench.study.study import Study

# Columns whose values make ``candidate_id``.
IDENTITY = (
    "weights_sha256",
    "layer",
    "sae_sha256",
    "feature",
    "feature_name",
    "burden",
    "burden_strand",
    "chrom",
    "start",
    "end",
    "phenotype",
)
# Columns of ``phenotype_associations`` that are taken over, as far as the study has them.
ASSOCIATION = (
    *("phenotype", "region", "burden", "feature", "feature_name", "same_pattern"),
    *("n", "n_case", "mac", "test", "beta", "se", "ci_low", "ci_high", "odds_ratio", "odds_ratio_sd"),
    *("p", "minus_log10_p", "q", "bonferroni", "meff_p", "permutation_p", "permutation_family_p"),
    *("lineage_effect", "lineage", "lineage_correlation", "lineage_r2", "p_lineage_not_fixed"),
    *("discovery_p", "discovery_beta", "discovery_q", "replication_p", "replication_beta"),
    *("same_direction", "replicated", "best_variant", "best_variant_minus_log10_p"),
)  # fmt: skip
# Columns of ``associations`` of a feature's best track (chosen on select, scored on report).
LABEL = {
    "track": "closest_track",
    "mode": "label_strand_mode",
    "auroc": "label_auroc",
    "average_precision": "label_ap",
    "f1": "label_f1",
    "p_test": "label_null",
    "z": "label_z",
    "q": "label_q",
}


DEFINITIONS = {
    "max": "largest value over the region's bases",
    "sum": "sum over the region's bases",
    "mean": "mean over the region's bases",
    "active": "number of bases with a value above 0",
    "gained": "sum over bases of what rises above the reference haplotype at the same base",
    "lost": "sum over bases of what falls below the reference haplotype at the same base",
    "value": "value of the ready matrix",
}
# What burdens are; a sample's is the mean over its haplotypes.
DEFINITIONS |= {
    f"delta_{name}": f"{text}, less that of the reference haplotype"
    for name, text in DEFINITIONS.items()
    if name in ("max", "sum", "mean", "active")
}


def make_tables(study: Study, drivers: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """One row a candidate, by phenotype and then p, and its effects lineage by lineage.

    ``drivers`` are as `candidates.drive` gives them. Columns of the first are those of `columns.COLUMNS`,
    in that order, missing where the study lacks them.
    """
    found = choose_candidates(study)
    table = found.reindex(columns=list(ASSOCIATION))
    replicated = study.config.phenotype.discovery
    table["replication_cohort"] = f"not {replicated}" if replicated else ""
    table["lineage_adjusted"] = bool(lineage_column(study))
    table["burden_definition"] = table["burden"].map(DEFINITIONS)
    table = table.merge(find_places(study), on="region", how="left")
    table = table.merge(drivers, on=KEY, how="left")
    for name in DRIVER_COLUMNS:
        table[name] = [v if isinstance(v, list | np.ndarray) else [] for v in table[name]]
    table = known_causes(study, table)
    table = table.merge(_labels(study), on="feature", how="left")
    table = table.merge(_predictions(study), on=["phenotype", "burden"], how="left")
    table = pd.concat([table, robust_errors(study, table)], axis=1)
    tiers = [tier_of(row) for row in table.to_dict("records")]
    table = table.assign(
        evidence_tier=tiers, tier_rule=[RULES[t] for t in tiers], not_for_clinical_use=True,
        **_origin(study),
    )  # fmt: skip
    identities = [_identity(row) for row in table.to_dict("records")]
    table["candidate_id"] = pd.Series(identities, table.index, dtype=str)
    effects = lineage_effects(study, table)
    table = pd.concat([table, summarise(table, effects)], axis=1)[list(COLUMNS)]
    return (table if len(table) else no_candidates()), effects


def _identity(row: dict[str, Any]) -> str:
    text = json.dumps([str(row[name]) for name in IDENTITY])
    return f"cb_{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def _labels(study: Study) -> pd.DataFrame:
    """Feature to its label, its closest track with held-out scores, margin over controls, and audit's flags.

    The features of a ready matrix are not those of the autoencoder, so they have none.
    """
    names = ["feature", "label", *LABEL.values(), "label_verdict", "label_margin", "confound_flags"]
    if study.config.cohort.matrix:
        return pd.DataFrame(columns=names).astype({"feature": np.int64})
    catalog = study.table("catalog")[["feature", "best_track", "best_mode", "verdict", "flags"]]
    catalog = catalog.rename(columns={"best_track": "track", "best_mode": "mode"})
    key = ["feature", "track", "mode"]
    scores = study.table("associations").reindex(columns=[*key, *list(LABEL)[2:]])
    margins = study.table("tracks").reindex(columns=[*key, "margin"])
    table = catalog
    for other in (scores, margins):
        if len(other):
            table = table.merge(other, on=key, how="left")
    labels = study.feature_labels()
    table["label"] = [labels[int(f)].text for f in table["feature"]]
    more = {"verdict": "label_verdict", "margin": "label_margin", "flags": "confound_flags"}
    return table.rename(columns={**LABEL, **more}).reindex(columns=names)


def _predictions(study: Study) -> pd.DataFrame:
    """AUROC of all features of a burden, and how far above lineage alone, with lineages held out."""
    names = ["phenotype", "burden", "cv_auroc_burden", "cv_auroc_lineage", "cv_auroc_delta"]
    if not study.config.phenotype.predict:
        return pd.DataFrame(columns=names)
    table = study.table("prediction")
    if "auroc" not in table:
        return pd.DataFrame(columns=names)
    held = table[(table["group"] == "all") & (table["folds"] == "lineages held out")]
    scores = held.set_index(["phenotype", "predictors"])["auroc"].to_dict()
    rows = []
    for (phenotype, predictors), auroc in scores.items():
        if predictors.startswith("features, "):
            lineage = scores.get((phenotype, "lineage"), np.nan)
            burden = predictors.removeprefix("features, ")
            rows.append((phenotype, burden, auroc, lineage, auroc - lineage))
    return pd.DataFrame(rows, columns=names)


def _origin(study: Study) -> dict[str, Any]:
    """The same for all candidates: model, settings, files."""
    manifest, given = study.manifest, study.config.phenotype
    cohort = study.facts("cohort")
    settings = json.dumps(asdict(study.config), sort_keys=True, default=str)
    config_hash = hashlib.sha256(settings.encode()).hexdigest()
    run = hashlib.sha256(f"{manifest.hash} {config_hash}".encode()).hexdigest()
    files = {name: file.sha256 for name, file in manifest.inputs.items()}
    # Tracks go by their file names: the folder they lay in says nothing about the data.
    data = {f"{n.split(':')[0]}:{n.rsplit('/', 1)[-1]}" if ":" in n else n: v for n, v in files.items()}
    data |= {f"cohort {name}": value for name, value in cohort["files"].items()}
    related = given.model == "mixed" or given.components > 0
    from_variants = "variants of the other regions" if given.model == "mixed" else ""
    ready = bool(study.config.cohort.matrix)
    return {
        "model": None if ready else manifest.model.shown_name,
        "weights_sha256": None if ready else manifest.model.weights_hash,
        "layer": None if ready else study.layer,
        "sae_sha256": None if ready else study.sae_hash,
        "burden_strand": given.strand,
        "covariates": ";".join(
            [*cohort["covariates"], *([lineage_column(study)] if lineage_column(study) else [])]
        ),
        "kinship": (_file_names(cohort["relatedness"]) or from_variants) if related else "",
        "simulated": cohort["simulated"],
        "run_id": run[:16],
        "config_sha256": config_hash,
        "version": manifest.versions.get("genomics-workbench", ""),
        "data_sha256": json.dumps(data, sort_keys=True),
        "date": datetime.now(UTC).date().isoformat(),
    }


def _file_names(paths: str) -> str:
    """Paths apart by commas without their folders, which say nothing about the data."""
    return ", ".join(Path(p).name for p in paths.split(", ")) if paths else ""
