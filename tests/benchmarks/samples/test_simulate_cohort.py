"""The simulated cohort: the files in the repository, and what was planted in them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from benchmarks.samples.simulate_cohort import simulate
from workbench.cohort.relatedness import read_tree
from workbench.cohort.samples import read_cohort
from workbench.cohort.vcf import VariantFile

CHROM, BASES = "NC_000913.3", 250_000


@pytest.fixture(scope="module")
def carriers(samples: Path) -> pd.DataFrame:
    """Samples x variants, 0 and 1."""
    file = VariantFile(samples / "simulated_cohort/variants.vcf", contigs={CHROM: BASES})
    records = file.read(CHROM, 0, BASES)
    table = {r.variant(1): r.genotypes[:, 0] for r in records}
    return pd.DataFrame(table, index=file.samples)


def test_files_are_what_the_generator_makes(samples: Path, tmp_path: Path) -> None:
    genome = samples / "ecoli_k12_250kb.fa"
    made = simulate(genome, genome.with_suffix(".gff3"), tmp_path / "made")
    for path in sorted(made.iterdir()):
        assert path.read_text() == (samples / "simulated_cohort" / path.name).read_text()


def test_it_says_that_it_is_simulated(samples: Path) -> None:
    file = VariantFile(samples / "simulated_cohort/variants.vcf")
    assert file.simulated.startswith("SIMULATED cohort")
    assert all(name.startswith("SIM") for name in file.samples)


def test_planted_effects_are_in_the_data(samples: Path, carriers: pd.DataFrame) -> None:
    folder = samples / "simulated_cohort"
    truth = pd.read_csv(folder / "truth.tsv", sep="\t").set_index("variant")
    table = pd.read_csv(folder / "phenotypes.tsv", sep="\t").set_index("sample").loc[carriers.index]
    lineage = pd.get_dummies(table["lineage"], drop_first=True).astype(float)
    assert carriers.sum().to_dict() == truth["carriers"].to_dict()

    def estimate(variant: str, trait: str, adjust: bool) -> tuple[float, float]:
        x = sm.add_constant(carriers[[variant]].astype(float))
        x = x.join(lineage) if adjust else x
        model = sm.Logit if trait == "resistance" else sm.OLS
        fit = model(table[trait].astype(float), x)
        fit = fit.fit(disp=0) if trait == "resistance" else fit.fit()
        return float(fit.params[variant]), float(fit.bse[variant])

    causal = truth[truth["role"] == "causal"]
    for variant, row in causal.iterrows():
        beta, se = estimate(str(variant), row["trait"], adjust=True)
        assert abs(beta - row["effect"]) < 2.5 * se
        assert beta > 4 * se
    marker = truth.index[truth["role"] == "lineage marker"][0]
    beta, se = estimate(marker, "resistance", adjust=False)
    assert beta > 3 * se  # looks like a cause, until lineage is told
    assert (carriers[marker].to_numpy(bool) == (table["lineage"] == "L2").to_numpy()).all()


def test_the_tree_holds_the_lineages(samples: Path) -> None:
    folder = samples / "simulated_cohort"
    cohort = read_cohort(folder / "phenotypes.tsv", ["resistance", "growth"], ["depth"], ["lineage"])
    tree = read_tree(folder / "tree.nwk", cohort.names)
    assert tree.kinship is not None and tree.distance is not None
    lineage = cohort.samples["lineage"].to_numpy()
    same = lineage[:, None] == lineage[None, :]
    assert tree.kinship[same].min() >= 2.0  # the branch to a lineage
    assert tree.kinship[~same].max() == 0.0
    assert np.allclose(np.diag(tree.distance), 0)
    assert [p.kind for p in cohort.phenotypes] == ["binary", "quantitative"]
