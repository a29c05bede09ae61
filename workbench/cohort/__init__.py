"""Cohorts: samples with sequence variants and phenotypes, and what a model's features make of them.

What statistics take
--------------------
`Cohort` (``read_cohort``, or ``study.cohort``): one row a sample in ``cohort.samples``, a DataFrame with

* ``sample`` (str), each once;
* the columns ``cohort.phenotypes`` names: float64, NaN where not measured. ``Phenotype.kind`` is ``binary``
  (values 0 and 1 only, 1 the case) or ``quantitative``; never constant, never text;
* the columns in ``cohort.covariates``: float64 (NaN missing) where every entry is a number, else str;
* the columns in ``cohort.groups`` (lineage, site, family): str, ``""`` where missing.

``cohort.relatedness`` holds ``kinship`` and ``distance``, each float64 (n, n) in the order of
``cohort.samples`` or None. A tree gives both.

``study.facts("cohort")["simulated"]`` is not empty where the samples are simulated (``##simulated=TEXT`` in
the VCF's header): whatever shows results of the cohort shows that text.

`BurdenStore` (``study.burdens``): features x samples, region by region, never held whole. Each *unique*
haplotype of a region was read once. ``store.regions`` is a DataFrame (``region, chrom, start, end, strand,
bases_dropped, haplotypes, features, missing, state``), 0-based half-open; rows whose ``state``
is not ``kept`` have no burdens. ``store.open(region)`` is a `RegionBurdens`:

* ``features`` int32 (m): features active on any haplotype of the region, on either reading; all others are
  0 for every sample. ``feature_names`` gives their names;
* ``values(statistic, strand, rows)`` float32 (m, U): a row a feature, a column a unique haplotype; column 0
  is the reference. Statistics: ``max, sum, mean, active`` (bases), ``gained`` and ``lost`` (sums over bases
  of what rises above, and falls below, the reference haplotype at the same base), and ``delta_max, delta_sum,
  delta_mean, delta_active`` (less the reference). Strands: ``"+"``, ``"-"``, ``"both"`` (maximum of maxima;
  sums added);
* ``sample_haplotype`` int32 (n, ploidy), column of ``values`` for each haplotype of each sample, in the
  order of ``cohort.samples``; -1 missing, -2 absent (a haploid sample among diploid ones);
* ``per_sample(statistic, strand, rows)`` float32 (m, n): mean over a sample's haplotypes (additive coding),
  NaN where any of them is missing;
* ``blocks(statistic, strand, size)`` gives both in pieces of ``size`` features.

Identical samples share a column already: a test over U haplotypes weighted by their carriers is a test over
the samples. A ready table of samples x features is the one region ``matrix``, with the statistic ``value``.

The table ``haplotypes`` (``region, haplotype, carriers, variants``) tells what each column of ``values`` is.
Above them, ``workbench.analysis.burdens.drivers.read_drivers(study, region, features).effects()`` says which
variants move a feature, each taken out of the haplotypes that carry it.
"""
