"""Features against phenotypes: tests, calibration, multiplicity and prediction on plain arrays.

The path of a cohort: `design` checks phenotype and covariates, `patterns` finds features that are the
same in every sample, `scan` runs one of the tests (`linear`, `binary` = score test, likelihood ratio and
`firth`, `mixed` with a kinship of `kinship`) over all features, `lineage` separates locus from lineage
effects, `region_tests` combines the features of a region, `EffectiveTests` and `permutation` correct for
multiple testing, `calibration` measures inflation of p, `replication` tests in a second part of the cohort,
and `prediction` (with `folds`, `models` and `metrics`) predicts phenotypes of groups held out.

Matrices of features have one row a feature: (n_features, n_samples).
"""
