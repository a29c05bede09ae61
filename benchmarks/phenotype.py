"""Tests of features against phenotypes: speed, memory, agreement with other programs, and real isolates.

    python benchmarks/phenotype.py [fixed] [mixed] [oracles] [memory] [tb] [--quick] [--json] [--study FOLDER]

fixed: 32,768 features x 4,000 samples x 10 covariates. ``ols_over_gemm`` is the time of all least-squares
tests over that of the one float32 matrix product features x (covariates and trait);
``logistic_speedup_over_plink2`` compares the time of a score test with that of one of plink2's
``--glm no-firth`` tests, ``full_fit_speedup_over_plink2`` that of a full fit, in double precision where
plink2's is in single. mixed: ``lmm_speedup_over_gemma``, exact mixed-model tests against GEMMA's (rotation
and optimisation, the eigendecomposition left out on both sides). oracles:
``max_abs_z_difference`` by oracle. memory: peak of a scan over 50,000 samples. tb: ``tb_ranks`` and
``tb_auroc`` on the isolates in ``shared/data`` beside the checkout; with ``--study``, a study whose burdens
are theirs, features beside variants. Needs plink2 and gemma; what needs one that is not here is skipped.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import statsmodels.api as sm

from feature_mining.phenotype.design import Phenotype
from feature_mining.phenotype.firth import fit_firth
from feature_mining.phenotype.kinship import kinship
from feature_mining.phenotype.linear import ols
from feature_mining.phenotype.logistic import fit_features, fit_null, score_test
from feature_mining.phenotype.mixed import decompose, fit_mixed, mixed_tests
from feature_mining.phenotype.scan import logistic, scan

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.command_line import DATA, absent, finish, parser  # noqa: E402
from benchmarks.phenotype_peers import PLINK2, find, gemma_lmm, plink_glm, write_bed  # noqa: E402
from benchmarks.phenotype_tb import (  # noqa: E402
    auroc,
    feature_ranks,
    lineage_features,
    open_study,
    read_isolates,
    variant_ranks,
)

ORACLES = DATA / "oracles"
SAMPLES, COVARIATES = 4000, 10
PLINK_TESTS, GEMMA_TESTS = 6000, 100
FITTED, MIXED = 1000, 4096
QUICK = 1000
THREADS = int(os.environ.get("OMP_NUM_THREADS", "2"))


# Everything that was measured, by name.
FIGURES: dict[str, object] = {}


def say(name: str, value: object) -> None:
    """One figure a line, kept for the end; what has a name already becomes a list."""
    print(f"{name}: {json.dumps(value)}", flush=True)
    if name in FIGURES:
        before = FIGURES[name]
        FIGURES[name] = [*(before if isinstance(before, list) else [before]), value]
    else:
        FIGURES[name] = value


def has(*programs: str) -> bool:
    """Whether one of these programs is here; where none is, its part is said to be skipped."""
    if find(*programs):
        return True
    say(f"skipped {programs[-1]}", f"{programs[-1]} is not installed")
    return False


def simulate(features: int, samples: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features of 0 and 1 that follow eight lineages, covariates with intercept, a binary trait."""
    random = np.random.default_rng(seed)
    lineage = random.integers(0, 8, samples)
    values = np.empty((features, samples), np.float32)
    for start in range(0, features, 512):
        stop = min(start + 512, features)
        rate = random.beta(0.4, 1.6, (stop - start, 8))[:, lineage]
        values[start:stop] = random.random((stop - start, samples), dtype=np.float32) < rate
    covariates = np.column_stack([np.ones(samples), random.normal(size=(samples, COVARIATES))])
    eta = -0.8 + 0.7 * values[3] + 0.4 * covariates[:, 1] + 0.2 * (lineage == 2)
    return values, covariates, (random.random(samples) < 1 / (1 + np.exp(-eta))).astype(float)


def best(task: Callable[[], object], times: int = 3) -> float:
    """Least seconds of some runs, after one that compiles."""
    task()
    seconds = []
    for _ in range(times):
        began = time.perf_counter()
        task()
        seconds.append(time.perf_counter() - began)
    return min(seconds)


def quantitative(covariates: np.ndarray) -> np.ndarray:
    """A trait that the covariates explain in part."""
    noise = np.random.default_rng(1).normal(size=len(covariates))
    return covariates @ np.linspace(0, 1, covariates.shape[1]) + noise


def well_filled(values: np.ndarray) -> np.ndarray:
    """Features with 20 carriers or more on either side, where ordinary fits are comparable."""
    carriers = values.sum(axis=1)
    return np.minimum(carriers, values.shape[1] - carriers) >= 20


def fixed(features: int) -> None:
    values, covariates, y = simulate(features, SAMPLES)
    trait = quantitative(covariates)
    columns = np.column_stack([covariates, trait]).astype(np.float32)
    gemm = best(lambda: values @ columns)
    tested = best(lambda: ols(values, trait, covariates))
    say("ols_seconds", round(tested, 3))
    say("ols_over_gemm", round(tested / gemm, 2))
    null = fit_null(y, covariates)
    score = best(lambda: score_test(values, null)) / features
    say("score_microseconds_a_test", round(score * 1e6, 2))
    if not has(*PLINK2):
        return
    tests = min(PLINK_TESTS, features)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_bed(folder, values[:tests], y, covariates)
        few = min(plink_glm(folder, "no-firth", 100, THREADS)[1] for _ in range(3))
        table, many = plink_glm(folder, "no-firth", tests, THREADS)
    theirs = (many - few) / (tests - 100)
    say("plink2_microseconds_a_test", round(theirs * 1e6, 1))
    say("logistic_speedup_over_plink2", round(theirs / score, 1))
    ordinary = best(lambda: fit_features(values[:FITTED], null)) / FITTED
    say("full_fit_microseconds_a_test", round(ordinary * 1e6, 1))
    say("full_fit_speedup_over_plink2", round(theirs / ordinary, 2))
    fits = fit_features(values[:FITTED], null)
    z = np.abs((table["BETA"] / table["SE"])[:FITTED] - fits.beta / fits.se)
    z = z[well_filled(values[:FITTED])]
    say("max_abs_z_difference plink2 no-firth, 4,000 samples", float(f"{z.max():.2g}"))


def mixed(samples: int) -> None:
    values, covariates, _ = simulate(MIXED, samples)
    trait, relatedness = quantitative(covariates), kinship(values)
    began = time.perf_counter()
    spectrum = decompose(relatedness)
    say("eigendecomposition_seconds", round(time.perf_counter() - began, 1))
    model = fit_mixed(spectrum, trait, covariates)
    exact = best(lambda: mixed_tests(values, model), 1) / MIXED
    null_ratio = best(lambda: mixed_tests(values, model, exact=False), 1) / MIXED
    say("lmm_microseconds_a_test", {"exact": round(exact * 1e6), "null": round(null_ratio * 1e6)})
    if not has("gemma"):
        return
    chosen = np.flatnonzero(well_filled(values))[:GEMMA_TESTS]
    with tempfile.TemporaryDirectory() as name:
        gemma, seconds = gemma_lmm(Path(name), values[chosen], trait, covariates, relatedness)
    say("gemma_microseconds_a_test", round(seconds / len(gemma) * 1e6))
    say("lmm_speedup_over_gemma", round(seconds / len(gemma) / exact, 1))
    ours = mixed_tests(values[chosen], model)["statistic"]
    z = np.abs(ours - gemma["beta"] / gemma["se"]).max()
    say(f"max_abs_z_difference gemma, {samples:,} samples", float(f"{z:.2g}"))
    emmax = mixed_tests(values[chosen], model, exact=False)["statistic"]
    say("max_abs_z_difference null ratio against exact", float(f"{np.abs(emmax - ours).max():.2g}"))


def read_regenie() -> tuple[np.ndarray, pd.DataFrame, np.ndarray, pd.DataFrame]:
    """REGENIE's example: dosages (variants, samples), traits, covariates, and its committed Firth output."""
    folder = ORACLES / "regenie"
    ids = pd.read_csv(folder / "example.fam", sep=r"\s+", header=None)[1].astype(str)
    raw = np.frombuffer((folder / "example.bed").read_bytes()[3:], np.uint8)
    bytes_a_row = -(-len(ids) // 4)
    bits = raw.reshape(-1, bytes_a_row)[:, :, None] >> np.array([0, 2, 4, 6], np.uint8) & 3
    codes = bits.reshape(len(bits), -1)[:, : len(ids)]
    dosage = np.array([2.0, np.nan, 1.0, 0.0])[codes]
    covariates = pd.read_csv(folder / "covariates.txt", sep=" ").assign(IID=lambda t: t["IID"].astype(str))
    traits = pd.read_csv(folder / "phenotype_bin.txt", sep=" ").assign(IID=lambda t: t["IID"].astype(str))
    merged = traits.set_index("IID").loc[ids]
    design = covariates.set_index("IID").loc[ids][["V1", "V2", "V3"]].to_numpy()
    published = pd.read_csv(folder / "test_bin_out_firth_Y1.regenie", sep=" ", comment="#")
    return dosage, merged, np.column_stack([np.ones(len(ids)), design]), published


def oracles() -> None:
    values, covariates, y = simulate(300, 1000)
    null = fit_null(y, covariates)
    counts = np.minimum(values.sum(axis=1), 1000 - values.sum(axis=1))
    values, found = values[counts >= 5], {}
    trait = np.random.default_rng(2).normal(size=1000) + 0.2 * values[1]
    linear = ols(values, trait, covariates)
    theirs = [sm.OLS(trait, np.column_stack([covariates, v])).fit().tvalues[-1] for v in values]
    found["statsmodels OLS"] = np.abs(linear["statistic"] - theirs).max()
    fits, firth = fit_features(values, null), fit_firth(values, null)
    z = fits.beta / fits.se
    rows = np.flatnonzero(fits.converged & (counts[counts >= 5] >= 20))[:100]
    logit = [
        sm.Logit(y, np.column_stack([covariates, values[i]])).fit(disp=0, tol=1e-12).tvalues[-1] for i in rows
    ]
    found["statsmodels Logit"] = np.abs(z[rows] - logit).max()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_bed(folder, values, y, covariates)
        modes = (("no-firth", fits), ("firth", firth)) if has(*PLINK2) else ()
        for mode, ours in modes:
            table, _ = plink_glm(folder, mode, len(values), THREADS)
            both = table["BETA"].notna() & ours.converged
            difference = np.abs(table["BETA"] / table["SE"] - ours.beta / ours.se)[both]
            found[f"plink2 {mode} ({int(both.sum())} tests)"] = difference.max()
        if has("gemma"):
            relatedness = kinship(values)
            gemma, _ = gemma_lmm(folder, values[:200], trait, covariates, relatedness)
            model = fit_mixed(decompose(relatedness), trait, covariates)
            lmm = mixed_tests(values[:200], model)["statistic"]
            found["gemma -lmm 1"] = np.abs(lmm - gemma["beta"] / gemma["se"]).max()
    for name, value in found.items():
        say(f"max_abs_z_difference {name}", float(f"{value:.2g}"))
    if ORACLES.is_dir():
        dosage, traits, design, published = read_regenie()
        known = traits["Y1"].notna().to_numpy() & ~np.isnan(dosage).any(axis=0)
        case = (traits["Y1"][known] == traits["Y1"].max()).to_numpy(float)
        fits = fit_firth(dosage[:, known], fit_null(case, design[known]))
        theirs = np.sign(published["BETA"]) * np.sqrt(published["CHISQ"])
        ours = np.sign(fits.beta) * np.sqrt(fits.statistic)
        rows = published["ID"].to_numpy(int) - 1
        say(
            "regenie_firth",
            {
                "tests": len(rows),
                "samples": [int(known.sum()), int(published["N"].iloc[0])],
                "correlation_of_z": round(float(np.corrcoef(ours[rows], theirs)[0, 1]), 4),
                "median_abs_z_difference": round(float(np.median(np.abs(ours[rows] - theirs))), 3),
            },
        )


def stream(features: int, samples: int) -> None:
    """Scan features that are made block by block and never held whole; run in a process of its own."""
    random = np.random.default_rng(0)
    covariates = np.column_stack([np.ones(samples), random.normal(size=(samples, COVARIATES))])
    trait = Phenotype("trait", (random.random(samples) < 0.3).astype(float), True)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

    def blocks():
        for _ in range(0, features, 250):
            yield ((random.random((250, samples), dtype=np.float32) < 0.1).astype(np.float32), logistic)

    began = time.perf_counter()
    found = scan(blocks(), trait, covariates)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    say(
        f"memory {features:,} features x {samples:,} samples",
        {
            "matrix_mib": round(features * samples * 4 / 2**20),
            "peak_mib": round(peak),
            "before_mib": round(before),
            "seconds": round(time.perf_counter() - began, 1),
            "share_below_05": round(float((found.table["p"] <= 0.05).mean()), 4),
        },
    )


def memory() -> None:
    """Peaks of scans that differ in the number of features, each of a process of its own."""
    for features in (1000, 4000):
        words = [sys.executable, __file__, "--stream", str(features), "50000", "--json"]
        done = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True)
        found = json.loads(done.stdout.splitlines()[-1])
        for name in found.keys() - {"quick"}:
            say(name, found[name])


def tb(folder: Path | None) -> None:
    if gone := absent("tb"):
        say("skipped tb", gone)
        return
    isolates = read_isolates()
    say("tb_ranks", variant_ranks(isolates))
    study = open_study(folder) if folder else None
    if study is not None:
        for row in feature_ranks(isolates, study):
            say("tb_features", row)
        for row in lineage_features(isolates, study):
            say("tb_lineage_features", row)
    for row in auroc(isolates, study):
        say("tb_auroc", row)


def main() -> None:
    options = parser(__doc__, f"fixed, mixed and oracles, {QUICK:,} features, {QUICK:,} samples in mixed")
    options.add_argument("parts", nargs="*", help="fixed, mixed, oracles, memory, tb; all without")
    options.add_argument("--study", type=Path, help="study with burdens of the isolates")
    options.add_argument("--features", type=int, default=32_768)
    options.add_argument("--stream", type=int, nargs=2, metavar=("FEATURES", "SAMPLES"))
    given = options.parse_args()
    if given.stream:
        stream(*given.stream)
        return finish(given, FIGURES)
    if given.quick:
        given.features = min(QUICK, given.features)
    parts = {
        "fixed": lambda: fixed(given.features),
        "mixed": lambda: mixed(QUICK if given.quick else SAMPLES),
        "oracles": oracles,
        "memory": memory,
        "tb": lambda: tb(given.study),
    }
    unknown = set(given.parts) - set(parts)
    if unknown:
        options.error(f"unknown part {min(unknown)}, expected some of {', '.join(parts)}")
    usual = ("fixed", "mixed", "oracles") if given.quick else parts
    for part in given.parts or usual:
        parts[part]()
    differences = [
        value
        for name, value in FIGURES.items()
        if name.startswith("max_abs_z_difference ") and not name.endswith("against exact")
    ]
    if differences:
        # Of all other programs, the largest.
        FIGURES["max_abs_z_difference"] = max(differences)
    finish(given, FIGURES)


if __name__ == "__main__":
    main()
