"""A whole small study with candidates, shared by the tests of its table, its files and its pages."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.conftest import made_once
from tests.workbench.cohort.test_haplotypes import row, write_vcf
from tests.workbench.small_study import small_config, write_model
from workbench.engines.local import run
from workbench.study.config import CohortConfig, PhenotypeConfig
from workbench.study.study import Study

CONTIG = "NC_005816.1"
N = 160
CAUSAL, NEUTRAL = 4400, 4600
# A name with everything that GFF3, VCF or HTML reserve.
TRAIT = "resists a;b=c&d,e <i>"
QUANTITY = "growth"


def make_study(folder: Path, samples: Path) -> Study:
    """Carriers of the variant at 4400 have the trait, but for a few; 4600 is carried at random.

    The catalogue knows the first; so its candidates may have tier A.
    """
    random = np.random.default_rng(5)
    letters = "".join((samples / "yersinia_pPCP1.fa").read_text().split("\n")[1:])
    other = {"A": "C", "C": "A", "G": "T", "T": "G"}
    names = [f"s{i}" for i in range(N)]
    carried = {p: random.random(N) < 0.4 for p in (CAUSAL, NEUTRAL)}
    rows = [
        row(p, letters[p - 1], other[letters[p - 1]], *carried[p].astype(int).astype(str))
        for p in (CAUSAL, NEUTRAL)
    ]
    rows = [r.replace("c ", f"{CONTIG} ", 1) for r in rows]
    path = write_vcf(folder / "v.vcf", 9609, names, rows)
    text = path.read_text().replace("ID=c,", f"ID={CONTIG},")
    path.write_text(text.replace("#CHROM", "##simulated=made for a test\n#CHROM", 1))
    flipped = random.random(N) < 0.1
    table = pd.DataFrame(
        {
            "sample": names,
            TRAIT: (carried[CAUSAL] ^ flipped).astype(int),
            QUANTITY: np.round(carried[CAUSAL] + random.normal(size=N), 3),
            "lineage": np.where(np.arange(N) % 2, "L1", "L2"),
            "part": np.where(np.arange(N) < N // 2, "first", "second"),
        }
    )
    table.to_csv(folder / "p.tsv", sep="\t", index=False)
    known = f"{CONTIG}:{CAUSAL}:{letters[CAUSAL - 1]}:{other[letters[CAUSAL - 1]]}"
    (folder / "known.tsv").write_text(f"variant\tphenotype\n{known}\t{TRAIT}\n")
    bed = folder / "r.bed"
    bed.write_text(f"{CONTIG}\t4342\t4780\tpim\t0\t+\n")
    config = replace(
        small_config(samples, write_model(folder / "model")),
        cohort=CohortConfig(
            variants=str(path),
            phenotypes=str(folder / "p.tsv"),
            phenotype=[TRAIT, QUANTITY],
            groups=["lineage", "part"],
            regions=str(bed),
        ),
        phenotype=PhenotypeConfig(
            permutations=99, discovery="part=first", catalogue=str(folder / "known.tsv")
        ),
    )
    made = Study.create(folder / "study", config)
    run(made)
    return made


@pytest.fixture(scope="session")
def study(tmp_path_factory: pytest.TempPathFactory, samples: Path) -> Study:
    """The study, run to its report; made once a run of tests, and only read."""
    folder = made_once(tmp_path_factory, "biomarkers", lambda folder: make_study(folder, samples))
    return Study.open(folder / "study")


def tool(*command: str | Path) -> str:
    """Standard output of a program that reads a file; skips where it is not installed."""
    if not shutil.which(str(command[0])):
        pytest.skip(f"{command[0]} is not installed")
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, check=True)
    assert "rror" not in done.stderr and "W::" not in done.stderr
    return done.stdout
