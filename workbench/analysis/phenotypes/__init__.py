"""A study's features against its phenotypes.

`inputs` turns the cohort into what the tests of `feature_mining.phenotype` take, `blocks` streams features
and variants of the samples, `associations` tests one burden against one phenotype, `prediction`
cross-validates.
"""
