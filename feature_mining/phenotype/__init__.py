"""Features against phenotypes: tests, calibration, multiplicity and prediction on plain arrays.

The path of a cohort: `design` checks phenotype and covariates, `patterns` finds features that are the
same in every sample, `scan` runs one of the tests (`linear`, `binary` = score test, likelihood ratio and
`firth`, `mixed` with a kinship of `kinship`) over all features, `lineage` tells locus from lineage,
`regions` combines the features of a region, `multiplicity` and `permutation` say how much a small p is
worth, `calibration` whether p can be believed at all, `replication` asks a second part of the cohort,
and `prediction` (with `folds`, `models` and `metrics`) what the features predict in groups never seen.

Matrices of features have one row a feature: (n_features, n_samples).
"""
