"""One burden against one phenotype: tests, lineages, permutation, replication, calibration."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
from scipy.special import ndtr

from feature_mining.phenotype.calibration import by_frequency, calibration_row, quantiles, warning
from feature_mining.phenotype.design import Phenotype, independent
from feature_mining.phenotype.kinship import leave_block_out
from feature_mining.phenotype.lineage import lineage_share, locus_or_lineage
from feature_mining.phenotype.mixed import decompose, fit_mixed, mixed_tests, null_phenotypes
from feature_mining.phenotype.permutation import Permutation
from feature_mining.phenotype.region_tests import region_tests
from feature_mining.phenotype.replication import compare, split_samples
from feature_mining.phenotype.scan import Scan, Tester, least_squares, logistic, mixed, scan
from workbench.analysis.phenotypes.blocks import VARIANTS, Block, read_blocks
from workbench.analysis.phenotypes.inputs import Inputs, one_sentence, read_inputs
from workbench.errors import InputError

if TYPE_CHECKING:
    from workbench.study.study import Study

# Samples above which a kinship matrix is not decomposed.
MOST_SAMPLES = 10_000

# Samples, and samples of each class, that a lineage needs for a calibration row of its own.
LINEAGE_SAMPLES, LINEAGE_CLASS = 50, 10

# Null phenotypes drawn from the mixed model.
NULLS = 5


class Tables(NamedTuple):
    """Results of one burden and phenotype, as tables of the study name them."""

    associations: pd.DataFrame
    regions: pd.DataFrame
    calibration: pd.DataFrame
    quantiles: pd.DataFrame


# Tests without kinship, by whether the trait is binary.
Fixed = {True: logistic, False: least_squares}


def associate(study: Study, name: str, burden: str) -> Tables:
    """Test one burden of all regions against one phenotype.

    Raises ``InputError`` for whatever `read_inputs` refuses, for a mixed model without kinship or with too
    many samples, and for a discovery column that splits nothing.
    """
    inputs = read_inputs(study, name)
    given = study.config.phenotype
    blocks: Callable[[], Iterator[Block]] = lambda: read_blocks(study, burden)  # noqa: E731
    with one_sentence(f"{study.folder}: phenotype {name}, burden {burden}"):
        testers = _testers(study, inputs)
        found = _scan(blocks(), testers, inputs.phenotype, inputs.adjusted, given.fewest)
        table = found.table
        places = [
            pd.DataFrame({"region": b.region, "feature": b.features, "feature_name": b.names})
            for b in blocks()
        ]
        table = pd.concat([pd.concat(places, ignore_index=True), table], axis=1)
        calibration = [calibration_row("all", table["p"].to_numpy())]
        plain: Scan | None = None
        if inputs.lineage is not None:
            simple = _same(Fixed[inputs.phenotype.binary])
            plain = _scan(blocks(), simple, inputs.phenotype, inputs.base, given.fewest)
            calibration.append(calibration_row("lineage not held fixed", plain.table["p"].to_numpy()))
            shares = [lineage_share(b.values, inputs.lineages) for b in blocks()]
            table = pd.concat([table, pd.concat(shares, ignore_index=True)], axis=1)
            table["p_lineage_not_fixed"] = plain.table["p"]
            table["lineage_effect"] = locus_or_lineage(
                plain.table["p"].to_numpy(), table["p"].to_numpy(), found.patterns
            )
        if given.permutations:
            tested = table["p"].notna().to_numpy()
            permuted, row = _permute(study, blocks(), inputs, tested)
            table = pd.concat([table, permuted], axis=1)
            calibration.append(row)
        if given.discovery:
            table = pd.concat([table, _replicate(study, blocks, testers, inputs)], axis=1)
        calibration += by_frequency(
            table["p"].to_numpy(), table["mac"].to_numpy(), table["n"].to_numpy()
        ).to_dict("records")
        calibration += list(_within_lineages(blocks, inputs, given.fewest))
        if inputs.kinship is not None and len(inputs.base) <= MOST_SAMPLES:
            calibration.append(_drawn(blocks(), inputs))
    labels: dict[str, object] = {"phenotype": name, "burden": burden}
    rows = pd.DataFrame(calibration)
    rows["effective_tests_li_ji"] = found.effective.li_ji
    rows["effective_tests_galwey"] = found.effective.galwey
    rows["patterns"] = found.patterns
    rows["warning"] = warning(found.effective.li_ji)
    return Tables(
        _label(table, labels),
        _label(region_tests(table, ["region"]), labels),
        _label(rows, labels),
        _label(quantiles(table["p"].to_numpy()), labels),
    )


def _label(table: pd.DataFrame, labels: dict[str, object]) -> pd.DataFrame:
    return pd.concat([pd.DataFrame(labels, index=table.index), table], axis=1)


def _same(tester: Tester) -> Callable[[str], Tester]:
    return lambda region: tester


def _scan(
    blocks: Iterator[Block],
    testers: Callable[[str], Tester],
    phenotype: Phenotype,
    covariates: np.ndarray,
    fewest: int,
) -> Scan:
    pairs = ((block.values, testers(block.region)) for block in blocks)
    return scan(pairs, phenotype, covariates, fewest)


def _testers(study: Study, inputs: Inputs) -> Callable[[str], Tester]:
    """The test of each region: one for all, but a kinship from variants leaves the region's own out."""
    if study.config.phenotype.model == "fixed":
        return _same(Fixed[inputs.phenotype.binary])
    if len(inputs.base) > MOST_SAMPLES:
        raise InputError(
            f"study.toml [phenotype]: model is mixed, which decomposes a kinship of {len(inputs.base):,} by"
            f' {len(inputs.base):,} samples, expected at most {MOST_SAMPLES:,}; set model = "fixed" with'
            " components of the kinship"
        )
    if inputs.kinship is not None:
        return _same(mixed(inputs.kinship))
    found = list(read_blocks(study, VARIANTS))
    if not found:
        raise InputError(
            "study.toml [phenotype]: model is mixed, but there are neither variants nor a kinship to take"
            " relatedness from; give kinship in [cohort]"
        )
    regions = np.concatenate([np.full(len(b.values), b.region) for b in found])
    kinships = dict(leave_block_out(np.concatenate([b.values for b in found]), regions))
    held: dict[str, Tester] = {}

    def of(region: str) -> Tester:
        if region not in held:
            held.clear()
            held[region] = mixed(kinships[region])
        return held[region]

    return of


def _permute(
    study: Study, blocks: Iterator[Block], inputs: Inputs, tested: np.ndarray
) -> tuple[pd.DataFrame, dict[str, object]]:
    """Columns permutation_p and permutation_family_p, and the calibration of the permuted statistics.

    Of the features that were tested: the others are too rare for a score statistic to mean much.
    """
    count = study.config.phenotype.permutations
    seed = study.config.run.seed
    design = Permutation(inputs.phenotype, inputs.adjusted, inputs.groups, count, seed)
    found, sample = [], []
    largest = np.zeros(count)
    start = 0
    for block in blocks:
        rows = tested[start : start + len(block.values)]
        start += len(block.values)
        permuted = design.scores(block.values[rows])
        largest = np.maximum(largest, permuted.largest)
        found.append((permuted.z, permuted.p))
        sample.append(permuted.null[:, :100].ravel())
    z, p = (np.full(len(tested), np.nan) for _ in range(2))
    z[tested], p[tested] = (np.concatenate(column) for column in zip(*found, strict=True))
    family = (largest[None, :] >= np.abs(z)[:, None] - 1e-12).sum(axis=1)
    columns = pd.DataFrame(
        {
            "permutation_p": p,
            "permutation_family_p": np.where(np.isnan(z), np.nan, (1 + family) / (1 + count)),
        }
    )
    null = 2 * ndtr(-np.abs(np.concatenate(sample)))
    within = "lineage" if inputs.lineage is not None else "the cohort"
    return columns, calibration_row(f"permuted within {within}", null)


def _replicate(
    study: Study, blocks: Callable[[], Iterator[Block]], testers: Callable[[str], Tester], inputs: Inputs
) -> pd.DataFrame:
    column, value = study.config.phenotype.discovery.split("=", 1)
    if column not in study.cohort.groups:
        raise InputError(
            f"study.toml [phenotype]: discovery names the column {column!r}, expected one of the groups of"
            f" [cohort]: {', '.join(study.cohort.groups) or 'none is given'}"
        )
    first = split_samples(study.cohort.samples[column], value)
    tables = []
    for part in (first, ~first):
        values = np.where(part, inputs.phenotype.values, np.nan)
        known = values[~np.isnan(values)]
        if known.size == 0 or np.ptp(known) == 0:
            raise InputError(
                f"study.toml [phenotype]: discovery = {column}={value}: one part of the split has no two"
                f" values of {inputs.phenotype.name}; choose another column"
            )
        half = replace(inputs, phenotype=replace(inputs.phenotype, values=values))
        fewest = study.config.phenotype.fewest
        tables.append(_scan(blocks(), testers, half.phenotype, half.adjusted, fewest).table)
    return compare(*tables)


def _within_lineages(
    blocks: Callable[[], Iterator[Block]], inputs: Inputs, fewest: int
) -> Iterator[dict[str, object]]:
    """A calibration row of each lineage that is large enough, tested by itself."""
    if inputs.lineage is None:
        return
    trait = inputs.phenotype
    for name in np.unique(inputs.lineage):
        values = np.where(inputs.lineage == name, trait.values, np.nan)
        known = values[~np.isnan(values)]
        if known.size < LINEAGE_SAMPLES or np.ptp(known) == 0:
            continue
        if trait.binary and min(known.sum(), known.size - known.sum()) < LINEAGE_CLASS:
            continue
        alone = replace(trait, values=values)
        base = inputs.base[:, independent(inputs.base[alone.known])]
        p = _scan(blocks(), _same(Fixed[trait.binary]), alone, base, fewest).table["p"]
        if p.notna().any():
            yield calibration_row(f"lineage {name} alone", p.to_numpy())


def _drawn(blocks: Iterator[Block], inputs: Inputs) -> dict[str, object]:
    """Calibration of the mixed model on phenotypes drawn from itself."""
    known = np.flatnonzero(inputs.phenotype.known)
    spectrum = decompose(inputs.kinship[np.ix_(known, known)])  # type: ignore[index]
    design = inputs.base[known]
    traits = null_phenotypes(fit_mixed(spectrum, inputs.phenotype.values[known], design), NULLS)
    models = [fit_mixed(spectrum, y, design) for y in traits.T]
    p = []
    for block in blocks:
        values = block.values[:, known]
        complete = values[~np.isnan(values).any(axis=1)]
        if len(complete):
            p += [mixed_tests(complete, m, exact=False)["p"].to_numpy() for m in models]
    return calibration_row("drawn from the mixed model", np.concatenate(p) if p else np.empty(0))
