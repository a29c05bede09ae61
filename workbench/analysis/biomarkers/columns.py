"""Columns of the table of candidates: what each means, and of what type it is."""

from __future__ import annotations

from typing import NamedTuple

import pandas as pd


class Column(NamedTuple):
    """Type (as a table schema names it: string, integer, number, boolean, array) and meaning."""

    type: str
    meaning: str


# In the order of the table.
COLUMNS: dict[str, Column] = {
    "candidate_id": Column("string", "stable hash of what the candidate is (model to phenotype)"),
    "phenotype": Column("string", "column of the table of phenotypes"),
    "region": Column("string", "stretch of the genome over which the burden was taken"),
    "chrom": Column("string", "contig of the region"),
    "start": Column("integer", "first base, 0-based"),
    "end": Column("integer", "base after the last, 0-based"),
    "strand": Column("string", "strand of the region, . for none"),
    "assembly": Column(
        "string", "accession.version of the assembly, or of the sequence where no file names the assembly"
    ),
    "gene": Column("string", "genes that the region meets, apart by semicolons"),
    "locus_tag": Column("string", "their locus tags"),
    "feature": Column("integer", "number of the autoencoder's feature"),
    "feature_name": Column("string", "name of the feature (of a ready matrix its column)"),
    "model": Column("string", "name of the DNA model"),
    "weights_sha256": Column("string", "hash of its weights"),
    "layer": Column("string", "tap that was read"),
    "sae_sha256": Column("string", "hash of the sparse autoencoder"),
    "burden": Column("string", "statistic of the feature over the region"),
    "burden_definition": Column("string", "what that statistic is"),
    "burden_strand": Column("string", "strand of the model's reading"),
    "same_pattern": Column("integer", "features of this region and burden equal in all samples"),
    "n": Column("integer", "samples tested"),
    "n_case": Column("integer", "cases among them, -1 for a quantitative trait"),
    "mac": Column("integer", "samples whose value is not the most common one"),
    "test": Column("string", "test that statistic and p are of"),
    "covariates": Column("string", "covariates held fixed, the lineage among them"),
    "kinship": Column("string", "where kinship came from, empty without it"),
    "beta": Column("number", "effect a unit of the burden (binary traits: log odds)"),
    "se": Column("number", "its standard error"),
    "ci_low": Column("number", "95 % interval of beta, lower end"),
    "ci_high": Column("number", "95 % interval of beta, upper end"),
    "odds_ratio": Column("number", "exp(beta), binary traits"),
    "odds_ratio_sd": Column("number", "odds ratio of one standard deviation of the burden"),
    "se_hc3": Column("number", "standard error robust to unequal variance (HC3), quantitative"),
    "p_hc3": Column("number", "p with that standard error"),
    "p": Column("number", "p with covariates and lineages held fixed"),
    "minus_log10_p": Column("number", "-log10 p, exact where p underflows"),
    "q": Column("number", "Benjamini-Hochberg within phenotype and burden"),
    "bonferroni": Column("number", "p times unique patterns"),
    "meff_p": Column("number", "p times the effective number of tests (Li and Ji)"),
    "permutation_p": Column("number", "p under permutation within lineage"),
    "permutation_family_p": Column("number", "min-P over all features of the burden"),
    "lineage_adjusted": Column("boolean", "whether lineages are held fixed"),
    "lineage_effect": Column("string", "locus, lineage, or empty for neither"),
    "lineage": Column("string", "lineage that the burden follows most"),
    "lineage_correlation": Column("number", "its correlation with it"),
    "lineage_r2": Column("number", "share of the burden's variance that lineages explain"),
    "p_lineage_not_fixed": Column("number", "p without holding lineages fixed"),
    "lineages_tested": Column("integer", "lineages large enough to be tested alone"),
    "lineages_same_direction": Column("integer", "of them, those whose effect has beta's sign"),
    "heterogeneity_p": Column("number", "Cochran's Q: do lineages disagree"),
    "heterogeneity_i2": Column("number", "share of their spread beyond chance"),
    "discovery_p": Column("number", "p in the discovery samples"),
    "discovery_beta": Column("number", "effect in the discovery samples"),
    "discovery_q": Column("number", "q in the discovery samples"),
    "replication_p": Column("number", "p in the replication samples"),
    "replication_beta": Column("number", "effect in the replication samples"),
    "same_direction": Column("boolean", "whether both effects have one sign"),
    "replicated": Column("boolean", "found in discovery, confirmed in replication"),
    "replication_cohort": Column("string", "samples of the replication, empty without a split"),
    "best_variant": Column("string", "strongest plain variant of the region"),
    "best_variant_minus_log10_p": Column("number", "its -log10 p"),
    "cv_auroc_burden": Column("number", "AUROC of all features of the burden, lineages held out"),
    "cv_auroc_lineage": Column("number", "AUROC of lineage alone on the same folds"),
    "cv_auroc_delta": Column("number", "their difference"),
    "driving_variants": Column("array", "variants that drive the burden, by share"),
    "driving_hgvs": Column("array", "their HGVS names"),
    "driving_spdi": Column("array", "their SPDI names"),
    "driving_delta": Column("array", "burden less that without the variant, mean over carriers"),
    "driving_alone": Column("array", "the variant on the reference, less the reference"),
    "driving_share": Column("array", "share of carriers x |delta|"),
    "ablation_active": Column("number", "readings of the region (reference) on which the feature is on"),
    "ablation_bits": Column("number", "bits a base that the model loses there with the feature switched off"),
    "ablation_kl": Column("number", "divergence of its predictions from the untouched, bits a base"),
    "catalogue_variants": Column("array", "driving variants that the catalogue names"),
    "catalogue_share": Column("number", "their share together; missing without a catalogue"),
    "label": Column("string", "what the feature is called: a name, a track that it marks, or its logo"),
    "closest_track": Column("string", "annotation that the feature fits best"),
    "label_strand_mode": Column("string", "strand mode of that annotation"),
    "label_auroc": Column("number", "AUROC on the report split"),
    "label_ap": Column("number", "average precision on the report split"),
    "label_f1": Column("number", "F1 at the frozen threshold, report split"),
    "label_null": Column("string", "null that z is of"),
    "label_z": Column("number", "z under circular shifts"),
    "label_q": Column("number", "q on that annotation"),
    "label_verdict": Column("string", "verdict on that annotation beside its controls"),
    "label_margin": Column("number", "smallest margin over the controls"),
    "confound_flags": Column("string", "flags of the audit, apart by commas"),
    "evidence_tier": Column("string", "A, B, C or D"),
    "tier_rule": Column("string", "rule of that tier"),
    "not_for_clinical_use": Column("boolean", "always true"),
    "simulated": Column("string", "what the cohort says where it is simulated"),
    "run_id": Column("string", "hash of manifest and settings"),
    "config_sha256": Column("string", "hash of the settings"),
    "version": Column("string", "version of this program"),
    "data_sha256": Column("string", "hashes of the files that went in, JSON"),
    "date": Column("string", "day on which the table was made, UTC, ISO 8601"),
}


_DTYPES = {"string": str, "integer": int, "number": float, "boolean": bool, "array": object}


def no_candidates() -> pd.DataFrame:
    """The table without rows, its columns of the types that they have with some."""
    return pd.DataFrame(columns=list(COLUMNS)).astype({n: _DTYPES[c.type] for n, c in COLUMNS.items()})


def schema() -> dict[str, object]:
    """The columns as a Frictionless table schema."""
    return {
        "fields": [
            {"name": name, "type": column.type, "description": column.meaning}
            for name, column in COLUMNS.items()
        ],
        "primaryKey": ["candidate_id"],
        "missingValues": [""],
    }
