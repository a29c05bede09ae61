"""Does a predictor of drug resistance use loci or lineage: 4,000 isolates of *M. tuberculosis*.

``python benchmarks/explained.py [--quick] [--json]``, files in ``shared/data`` beside the checkout. Loci are
rpoB, katG, inhA (with its promoter) and pncA. Twice: from all variants with 10 or more carriers, among them
those whose part in resistance is known (rpoB for rifampicin, katG and inhA for isoniazid); and from the
synonymous ones alone, a predictor that can only cheat: lineage is an isolate's pattern of those.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.command_line import absent, finish, parser, skip  # noqa: E402
from benchmarks.phenotype_tb import DRUGS, Isolates, read_isolates  # noqa: E402
from feature_mining.phenotype.explanation import Cohort, explain  # noqa: E402
from feature_mining.phenotype.lineage import indicators  # noqa: E402

SILENT = "synonymous_variant"


def cohort_of(isolates: Isolates, drug: str, which: np.ndarray, kept: np.ndarray) -> Cohort:
    """Some variants of some isolates, a gene a locus."""
    trait = isolates.traits[drug].to_numpy(np.float64)
    kept = kept[~np.isnan(trait[kept])]
    values = isolates.genotypes[which][:, kept].T.astype(np.float64)
    genes = [str(name).split("_")[0] for name in isolates.names[which]]
    loci = sorted(set(genes))
    lineage = isolates.lineage[kept]
    return Cohort(
        values,
        np.array([loci.index(gene) for gene in genes]),
        loci,
        np.zeros(values.shape[1]),
        trait[kept],
        True,
        lineage,
        indicators(lineage).to_numpy(np.float64),
    )


def explained(isolates: Isolates, most: int, permutations: int) -> list[dict[str, object]]:
    """A row a drug and set of variants: the verdict and what it rests on."""
    kept = np.sort(np.random.default_rng(0).permutation(isolates.genotypes.shape[1])[:most])
    common = isolates.genotypes[:, kept].sum(axis=1) >= 10
    sets = {"all variants": common, "synonymous variants": common & (isolates.effects == SILENT)}
    rows: list[dict[str, object]] = []
    for drug in DRUGS:
        for name, which in sets.items():
            found = explain(cohort_of(isolates, drug, which, kept), permutations)
            scores = {f"{p}, {f}": round(s, 3) for p, f, s, *_ in found.scores.itertuples(index=False)}
            loci = found.loci.sort_values("drop", ascending=False)[["locus", "drop", "without", "between"]]
            row = {"drug": drug, "from": name, "verdict": found.verdict, "p": found.p, "auroc": scores}
            null = [round(float(each), 3) for each in (found.own, found.null.mean(), found.null.max())]
            rows.append(row | {"own_null_mean_max": null, "loci": loci.round(4).to_numpy().tolist()})
    return rows


def main() -> None:
    options = parser(__doc__ or "", "400 isolates, 19 permutations")
    options.add_argument("--isolates", type=int, default=4000, help="a random choice of fewer")
    given = options.parse_args()
    if gone := absent("tb"):
        return skip(given, gone)
    most, permutations = (400, 19) if given.quick else (given.isolates, 39)
    finish(given, {"explained": explained(read_isolates(), most, permutations), "isolates": most})


if __name__ == "__main__":
    main()
