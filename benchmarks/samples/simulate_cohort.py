"""A simulated cohort on a real genome: known causes, lineages that confound, a table of the truth.

Samples hang on a random tree with four deep lineages. Neutral substitutions fall on its branches, so that
they mark lineages; causal variants arise again and again, each sample by itself, as resistance does. One
neutral variant marks the lineage whose base rate of the binary trait is raised: it is associated with the
trait and causes nothing. Every file says that it is simulated.

``python -m benchmarks.samples.simulate_cohort GENOME.fa GENES.gff3 OUT`` makes the files in ``data_samples``.
"""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from workbench.errors import InputError
from workbench.files.atomic import write_atomic
from workbench.genome.reference import Genome
from workbench.tracks import read_tracks

LABEL = "SIMULATED cohort: no real samples, no real phenotypes"
SAMPLES, LINEAGES = 240, 4
# Neutral substitutions a gene.
NEUTRAL = 6
# Length of the branch to a lineage; the tree within it is about as deep.
LINEAGE_DEPTH = 2.0
# Chance that a sample carries a causal variant.
RECURRENCE = 0.25
_OTHER = {"A": "G", "G": "A", "C": "T", "T": "C"}


@dataclass(frozen=True)
class Roles:
    """Which gene plays what: cause of the binary and of the quantitative trait, marker, bystander."""

    resistance: str = "folA"
    growth: str = "dksA"
    marker: str = "ampD"
    bystander: str = "rpsT"

    @property
    def genes(self) -> tuple[str, ...]:
        """All of them."""
        return self.resistance, self.growth, self.marker, self.bystander


class Node(NamedTuple):
    """A branch of the tree: samples below it, its length, its place in Newick."""

    samples: np.ndarray
    length: float
    newick: str


class Site(NamedTuple):
    """A variant: 0-based start, alleles, samples that carry it (bool), and what it does."""

    start: int
    reference: str
    alternative: str
    carriers: np.ndarray
    gene: str
    role: str
    trait: str
    effect: float


def grow_tree(names: list[str], rng: np.random.Generator) -> tuple[list[Node], np.ndarray, str]:
    """Branches, the lineage of each sample (int), and the tree in Newick."""
    lineage = np.repeat(np.arange(LINEAGES), math.ceil(len(names) / LINEAGES))[: len(names)]
    nodes: list[Node] = []
    tops = []
    for number in range(LINEAGES):
        alive = [Node(np.array([i]), 0.0, names[i]) for i in np.flatnonzero(lineage == number)]
        while len(alive) > 1:
            a, b = rng.choice(len(alive), 2, replace=False)
            # Kingman's coalescent: the time to the next join goes with the number of pairs.
            wait = float(rng.exponential(2 / (len(alive) * (len(alive) - 1))))
            alive = [n._replace(length=n.length + wait) for n in alive]
            pair = [alive[a], alive[b]]
            nodes += pair
            text = ",".join(f"{n.newick}:{n.length:.5f}" for n in pair)
            joined = Node(np.concatenate([n.samples for n in pair]), 0.0, f"({text})")
            alive = [n for i, n in enumerate(alive) if i not in (a, b)] + [joined]
        top = alive[0]._replace(length=LINEAGE_DEPTH)
        nodes.append(top)
        tops.append(f"{top.newick}:{top.length:.5f}")
    return nodes, lineage, f"({','.join(tops)});"


def _carried(samples: np.ndarray, n: int) -> np.ndarray:
    out = np.zeros(n, bool)
    out[samples] = True
    return out


def _neutral(
    gene: str, places: np.ndarray, letters: str, nodes: list[Node], n: int, rng: np.random.Generator
) -> list[Site]:
    lengths = np.array([node.length for node in nodes])
    branches = rng.choice(len(nodes), places.size, p=lengths / lengths.sum())
    return [
        Site(int(p), letters[p], _OTHER[letters[p]], _carried(nodes[b].samples, n), gene, "neutral", "", 0)
        for p, b in zip(places, branches, strict=True)
    ]


def draw_sites(
    genome: Genome, chrom: str, spans: dict[str, tuple[int, int]], roles: Roles, rng: np.random.Generator
) -> tuple[list[Site], np.ndarray, str, list[str]]:
    """Variants, lineages, tree and names of the samples."""
    names = [f"SIM{i + 1:03d}" for i in range(SAMPLES)]
    nodes, lineage, newick = grow_tree(names, rng)
    letters = genome.fetch(chrom, 0, genome.lengths[chrom])
    again = [rng.random(SAMPLES) < RECURRENCE for _ in range(2)]
    # The variants that matter sit in the middle of their genes.
    middle = {gene: (a + b) // 2 for gene, (a, b) in spans.items()}
    p, q, m = (middle[g] for g in (roles.resistance, roles.growth, roles.marker))
    sites = [
        Site(p, letters[p], _OTHER[letters[p]], again[0], roles.resistance, "causal", "resistance", 4.0),
        Site(q, letters[q : q + 4], letters[q], again[1], roles.growth, "causal", "growth", 1.2),
        Site(m, letters[m], _OTHER[letters[m]], lineage == 1, roles.marker, "lineage marker", "", 0.0),
    ]
    for gene, (start, end) in spans.items():
        free = np.setdiff1d(np.arange(start + 10, end - 10), np.arange(middle[gene] - 10, middle[gene] + 10))
        places = np.sort(rng.choice(free, NEUTRAL, replace=False))
        sites += _neutral(gene, places, letters, nodes, SAMPLES, rng)
    return sorted(sites), lineage, newick, names


def draw_phenotypes(
    sites: list[Site], lineage: np.ndarray, names: list[str], rng: np.random.Generator
) -> pd.DataFrame:
    """``resistance`` (0 or 1; lineage L2 has a raised base rate), ``growth``, lineage, site and depth."""
    n = len(names)
    logit = -2.5 + 2.0 * (lineage == 1)
    growth = rng.normal(0, 1, n) + 0.5 * (lineage == 2)
    for site in sites:
        if site.trait == "resistance":
            logit = logit + site.effect * site.carriers
        elif site.trait == "growth":
            growth = growth + site.effect * site.carriers
    return pd.DataFrame(
        {
            "sample": names,
            "resistance": (rng.random(n) < 1 / (1 + np.exp(-logit))).astype(int),
            "growth": np.round(growth, 4),
            "depth": np.round(rng.gamma(20, 3, n), 1),
            "lineage": [f"L{k + 1}" for k in lineage],
            "site": rng.choice(["north", "south", "east"], n),
        }
    )


def _vcf(chrom: str, length: int, sites: list[Site], names: list[str]) -> str:
    head = [
        "##fileformat=VCFv4.2",
        f"##simulated={LABEL}",
        f"##contig=<ID={chrom},length={length}>",
        '##FORMAT=<ID=GT,Number=1,Type=String,Description="Haploid genotype, simulated">',
        "\t".join(["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT", *names]),
    ]
    rows = [
        "\t".join(
            [chrom, str(s.start + 1), ".", s.reference, s.alternative, ".", "PASS", ".", "GT"]
            + ["1" if c else "0" for c in s.carriers]
        )
        for s in sites
        if s.carriers.any()
    ]
    return "\n".join(head + rows) + "\n"


def simulate(genome: Path, genes: Path, out: Path, seed: int = 7, roles: Roles | None = None) -> Path:
    """Write ``variants.vcf, phenotypes.tsv, tree.nwk, truth.tsv, regions.bed`` into a folder.

    ``truth.tsv``: ``variant`` (chrom:pos:ref:alt), gene, role (causal, lineage marker, neutral), trait,
    effect (log odds of ``resistance``, units of ``growth``), carriers. Raises ``InputError`` for a gene that
    the annotation does not have.
    """
    roles = roles or Roles()
    reference = Genome(genome)
    found = next(t for t in read_tracks(genes, reference) if t.name == "gene").intervals
    spans: dict[str, tuple[int, int]] = {}
    for gene in roles.genes:
        rows = found[found["name"] == gene]
        if rows.empty:
            raise InputError(f"{genes}: no gene {gene}; name others")
        spans[gene] = int(rows["start"].iloc[0]), int(rows["end"].iloc[0])
    chrom = str(found["chrom"].iloc[0])
    out.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    sites, lineage, newick, names = draw_sites(reference, chrom, spans, roles, rng)
    phenotypes = draw_phenotypes(sites, lineage, names, rng)
    truth = pd.DataFrame(
        [
            {
                "variant": f"{chrom}:{s.start + 1}:{s.reference}:{s.alternative}",
                "gene": s.gene,
                "role": s.role,
                "trait": s.trait or "none",
                "effect": s.effect,
                "carriers": int(s.carriers.sum()),
            }
            for s in sites
            if s.carriers.any()
        ]
    )
    bed = "".join(f"{chrom}\t{a}\t{b}\t{gene}\n" for gene, (a, b) in spans.items())
    files = {
        "variants.vcf": _vcf(chrom, reference.lengths[chrom], sites, names),
        "phenotypes.tsv": phenotypes.to_csv(sep="\t", index=False),
        "truth.tsv": truth.to_csv(sep="\t", index=False),
        "tree.nwk": newick + "\n",
        "regions.bed": bed,
    }
    for name, text in files.items():
        with write_atomic(out / name) as temporary:
            temporary.write_text(text)
    return out


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit("usage: python -m benchmarks.samples.simulate_cohort GENOME.fa GENES.gff3 OUT")
    print(simulate(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3])))
