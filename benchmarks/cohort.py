"""A cohort of many samples: unique haplotypes, seconds and peak memory of each stage.

Diploid samples carry two of a fixed number of founder haplotypes each, over two genes of the sample
of *E. coli*, so that the work of the model stays the same while samples grow.

    python benchmarks/cohort.py [--quick] [--json] [--samples 500,50000] [--founders 24]
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from workbench.engines.local import here, run_stage
from workbench.genome.reference import Genome
from workbench.progress import Silent
from workbench.setup.demo import GENOME, samples_folder
from workbench.stages.registry import STAGES
from workbench.study.config import CohortConfig, InputConfig, SAEConfig, StudyConfig
from workbench.study.study import Study

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.command_line import finish, parser  # noqa: E402

CHROM = "NC_000913.3"
SPANS = {"nhaA": (17_488, 18_655), "folA": (49_822, 50_302)}
# Variants a gene.
SITES = 40
STEPS = ("plan", "cohort", "haplotypes", "sae", "burdens")


def write_cohort(folder: Path, samples: int, founders: int) -> CohortConfig:
    """VCF, phenotypes and regions in a folder."""
    genome = Genome(samples_folder() / f"{GENOME}.fa")
    rng = np.random.default_rng(0)
    weights = 1 / np.arange(1, founders + 1)
    founder = rng.choice(founders, (samples, 2), p=weights / weights.sum())
    names = [f"s{i}" for i in range(samples)]
    other = {"A": "G", "G": "A", "C": "T", "T": "C"}
    columns = ["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT", *names]
    with (folder / "v.vcf").open("w") as handle:
        handle.write(f"##fileformat=VCFv4.2\n##contig=<ID={CHROM},length={genome.lengths[CHROM]}>\n")
        handle.write('##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">\n')
        handle.write("\t".join(columns) + "\n")
        for start, end in SPANS.values():
            for at in np.sort(rng.choice(np.arange(start, end), SITES, replace=False)):
                letter = genome.fetch(CHROM, int(at), int(at) + 1)
                carried = (rng.random(founders) < 0.2).astype(int)[founder]
                calls = np.array(["0|0", "0|1", "1|0", "1|1"])[carried[:, 0] * 2 + carried[:, 1]]
                fixed = [CHROM, str(at + 1), ".", letter, other[letter], ".", "PASS", ".", "GT"]
                handle.write("\t".join([*fixed, *calls]) + "\n")
    trait = rng.normal(size=samples)
    lines = [f"{n}\t{t:.4f}" for n, t in zip(names, trait, strict=True)]
    (folder / "p.tsv").write_text("\n".join(["sample\ttrait", *lines]) + "\n")
    beds = [f"{CHROM}\t{a}\t{b}\t{gene}" for gene, (a, b) in SPANS.items()]
    (folder / "r.bed").write_text("\n".join(beds) + "\n")
    return CohortConfig(
        *(str(folder / "v.vcf"), "", "", str(folder / "p.tsv")), regions=str(folder / "r.bed")
    )


def measure(samples: int, founders: int) -> dict[str, object]:
    """One cohort in this process."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        data = samples_folder()
        given = InputConfig(str(data / f"{GENOME}.fa"), [str(data / f"{GENOME}.gff3")])
        config = StudyConfig(
            input=given,
            sae=SAEConfig(width=192, tokens=40_000),
            cohort=write_cohort(folder, samples, founders),
        )
        study = Study.create(folder / "study", config)
        found: dict[str, object] = {"samples": samples}
        for step in STEPS:
            began = time.monotonic()
            run_stage(study, STAGES[step], here, Silent())
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            found[step] = {"seconds": round(time.monotonic() - began, 1), "peak_mib": round(peak)}
        facts = study.facts("haplotypes")
        found["unique_readings"] = facts["readings"]
        found["readings_if_each_sample"] = facts["readings_if_each_sample"]
        began, blocks = time.monotonic(), 0
        for region in study.burdens:
            blocks += sum(block.per_sample().size for block in region.blocks("sum", size=64))
        found["values_streamed"] = blocks
        found["stream_seconds"] = round(time.monotonic() - began, 1)
        found["peak_mib"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
        return found


def main() -> None:
    options = parser(__doc__, "500 samples alone")
    options.add_argument("--samples", default="500,50000")
    options.add_argument("--founders", type=int, default=24)
    given = options.parse_args()
    sizes = [int(n) for n in given.samples.split(",")][: 1 if given.quick else None]
    if len(sizes) == 1:
        return finish(given, measure(sizes[0], given.founders))
    found = {}
    for size in sizes:  # a process each, so that peaks are their own
        words = ["--samples", str(size), "--founders", str(given.founders), "--json"]
        done = subprocess.run(
            [sys.executable, __file__, *words], stdout=subprocess.PIPE, text=True, check=True
        )
        found[f"{size} samples"] = json.loads(done.stdout.splitlines()[-1])
    finish(given, found)


if __name__ == "__main__":
    main()
