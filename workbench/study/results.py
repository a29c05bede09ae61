"""What stages leave in the folder ``tables`` of a study, by name, with the stage that leaves it."""

from __future__ import annotations

# Tables, as `Study.table` gives them.
TABLES = {
    "associations": "associate",
    "tracks": "controls",
    "catalog": "catalog",
    "examples": "catalog",
    "logos": "catalog",
    "concepts": "concepts",
    "unexplained": "unexplained",
    "metagene": "associate",
    "track_groups": "associate",
    "signal_associations": "associate",
    "layers": "layers",
    "quality_features": "quality",
    "quality_probing": "quality",
    "quality_units": "quality",
    "quality_absorption": "quality",
    "homology": "audit",
    "audit": "audit",
    "samples": "cohort",
    "regions": "cohort",
    "burdens": "burdens",
    "haplotypes": "burdens",
    "phenotype_associations": "phenotype",
    "phenotype_variants": "phenotype",
    "phenotype_regions": "phenotype",
    "phenotype_calibration": "phenotype",
    "phenotype_quantiles": "phenotype",
    "prediction": "predict",
    "biomarkers": "biomarkers",
    "biomarker_lineages": "biomarkers",
}

# Single values, as `Study.facts` gives them.
FACTS = {
    "plan": "plan",
    "training": "sae",
    "training_random": "baselines",
    "quality": "quality",
    "replichores": "associate",
    "audit_copies": "copies",
    "audit": "audit",
    "cohort": "cohort",
    "haplotypes": "haplotypes",
}
