"""Truth sets of variants: what the model, its features and baselines without a network tell.

Two sets of real measurements. *lac*: mutants of the *E. coli* lac promoter with their expression (Sort-seq,
Kinney et al. 2010, PNAS 107:9158); does a mutant lose expression? *tb*: variants of four resistance genes of
*M. tuberculosis* in 4,000 isolates; do most carriers resist the gene's drug? The second set's labels come
from carriers, who have other variants too.

    python benchmarks/variants.py [--quick] [--json] [--ecoli STUDY] [--tb STUDY] [--variants 300]

With a study its autoencoder's features are judged as well. Needs ``shared/data`` beside the checkout.
"""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from genomic_models.dna import reverse_complement
from workbench.cohort.edits import Variant, parse_variant
from workbench.cohort.vcf import VariantFile
from workbench.progress import Silent
from workbench.variants.job import explain
from workbench.variants.subject import Subject, open_subject
from workbench.variants.truth import compare

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.command_line import DATA, absent, finish, parser, skip  # noqa: E402

WINDOW = 1024
QUICK = 30
DRUG = {"rpoB": "rifampicin", "katG": "isoniazid", "inhA": "isoniazid", "pncA": "pyrazinamide"}
SPAN = {"rpoB": (759_500, 763_400), "inhA": (1_673_300, 1_675_100)}
SPAN |= {"katG": (2_153_800, 2_156_700), "pncA": (2_288_600, 2_289_300)}
# Isolates with a known drug test that a variant must have.
CARRIERS = 5


def lac(subject: Subject, most: int) -> tuple[list[Variant], np.ndarray, np.ndarray]:
    """Mutants as one substitution of the whole promoter; label: the lowest third of expression against the
    highest; and how many letters each changes.
    """  # fmt: skip
    table = pd.read_csv(DATA / "variant_effects/lac_sortseq_kinney2010.csv.gz")
    counts = table[[f"ct_{i}" for i in range(10)]].to_numpy()
    seen = counts.sum(axis=1)
    bins = (counts * np.arange(10)).sum(axis=1) / np.maximum(seen, 1)
    letters = np.array([list(x) for x in table["x"]])
    wild = "".join(pd.DataFrame(letters).mode().iloc[0])
    chrom, length = next(iter(subject.genome.lengths.items()))
    genome = subject.genome.fetch(chrom, 0, length)
    forward = genome.find(wild)
    start = forward if forward >= 0 else genome.find(reverse_complement(wild))
    if start < 0:
        raise SystemExit("the promoter is not in the genome")
    changed = (letters != np.array(list(wild))).sum(axis=1)
    usable = np.flatnonzero((changed > 0) & (seen > 0))
    low, high = np.quantile(bins[usable], [1 / 3, 2 / 3])
    usable = usable[(bins[usable] <= low) | (bins[usable] >= high)]
    chosen = np.sort(np.random.default_rng(0).choice(usable, min(most, usable.size), replace=False))
    turn = str if forward >= 0 else reverse_complement
    reference = genome[start : start + len(wild)]
    variants = [Variant(chrom, start, reference, turn(table["x"][i])) for i in chosen]
    return variants, bins[chosen] <= low, changed[chosen]


def tuberculosis(subject: Subject) -> tuple[list[Variant], np.ndarray]:
    """Variants of four genes; label: at least nine in ten carriers resist, against at most half."""
    chrom = next(iter(subject.genome.lengths))
    file = VariantFile(DATA / "tb/tb_rif_inh_4000.vcf.gz", contigs=subject.genome.lengths)
    traits = pd.read_csv(DATA / "tb/tb_rif_inh_4000.pheno.tsv", sep="\t", index_col="sample")
    traits = traits.loc[file.samples]
    variants, labels = [], []
    for gene, (start, end) in SPAN.items():
        trait = traits[DRUG[gene]].to_numpy(float)
        for record in file.read(chrom, start, end):
            carriers = (record.genotypes[:, 0] == 1) & ~np.isnan(trait)
            share = trait[carriers].mean() if carriers.sum() >= CARRIERS else 0.7
            if share >= 0.9 or share <= 0.5:
                variants.append(parse_variant(record.variant(1)))
                labels.append(share >= 0.9)
    return variants, np.array(labels)


def main() -> None:
    options = parser(__doc__, f"{QUICK} variants of the first set alone")
    options.add_argument("--ecoli", help="study of E. coli MG1655")
    options.add_argument("--tb", help="study of M. tuberculosis H37Rv")
    options.add_argument("--variants", type=int, default=300)
    given = options.parse_args()
    if gone := absent("ecoli", "tb", "variant_effects"):
        return skip(given, gone)
    found: dict[str, object] = {}
    began = time.monotonic()
    genome, genes = DATA / "ecoli/NC_000913.3.fna.gz", DATA / "ecoli/NC_000913.3.gff3.gz"
    subject = _opened(given.ecoli, genome, genes)
    variants, label, changed = lac(subject, QUICK if given.quick else given.variants)
    result = explain(subject, variants, Silent(), label, most=1)
    counted = compare({"letters changed": changed.astype(float)}, label)
    assert result.truth is not None
    found["lac"] = _rows(pd.concat([result.truth, counted]))
    found["lac_seconds"] = round(time.monotonic() - began, 1)
    if given.quick:
        return finish(given, found)

    began = time.monotonic()
    h37rv = DATA / "tb/NC_000962.3.gbk.gz"
    subject = _opened(given.tb, h37rv, h37rv)
    variants, label = tuberculosis(subject)
    result = explain(subject, variants, Silent(), label, most=1)
    assert result.truth is not None
    found["tb"] = _rows(result.truth)
    found["tb_seconds"] = round(time.monotonic() - began, 1)
    finish(given, found)


def _opened(study: str | None, genome: Path, annotation: Path) -> Subject:
    """A study, or the model by itself; windows of one size."""
    subject = open_subject(study or "mini", genome, [annotation], WINDOW)
    return replace(subject, window=WINDOW, warmup=WINDOW // 4)


def _rows(table: pd.DataFrame) -> list[dict[str, object]]:
    rounded = table.round(3).sort_values("auroc", ascending=False)
    return [{str(k): v for k, v in row.items()} for row in rounded.to_dict("records")]


if __name__ == "__main__":
    main()
