"""Drug resistance of 4,000 M. tuberculosis isolates: control loci, lineages, and features beside variants."""

from __future__ import annotations

import gzip
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from feature_mining.phenotype.design import Phenotype, independent
from feature_mining.phenotype.lineage import indicators
from feature_mining.phenotype.models import Predictors
from feature_mining.phenotype.prediction import cross_validate
from feature_mining.phenotype.region_tests import region_tests
from feature_mining.phenotype.scan import logistic, scan
from workbench.analysis.phenotypes.blocks import read_blocks
from workbench.study.study import Study

DATA = Path(__file__).resolve().parents[1] / ".." / "shared" / "data" / "tb"
DRUGS = ("rifampicin", "isoniazid")
CONTROLS = {
    "rpoB S450L": "rpoB_p.Ser450Leu",
    "katG S315T": "katG_p.Ser315Thr",
    "katG R463L (lineage)": "katG_p.Arg463Leu",
}
BURDENS = ("sum", "max", "gained", "lost")


class Isolates(NamedTuple):
    """Genotypes (variants, isolates), names and effects of variants, traits, and lineage of each isolate."""

    genotypes: np.ndarray
    names: np.ndarray
    effects: np.ndarray
    traits: pd.DataFrame
    lineage: np.ndarray
    design: np.ndarray


def read_isolates() -> Isolates:
    """Read the cohort; lineage is an isolate's pattern of synonymous variants with 10 or more carriers."""
    rows = []
    with gzip.open(DATA / "tb_rif_inh_4000.vcf.gz", "rt") as file:
        for line in file:
            if line.startswith("#CHROM"):
                samples = line.split()[9:]
            elif not line.startswith("#"):
                rows.append(line.rstrip("\n").split("\t"))
    information = [dict(x.split("=") for x in row[7].split(";")) for row in rows]
    genotypes = np.array([row[9:] for row in rows]).astype(np.float32)
    effects = np.array([i["EFF"] for i in information])
    traits = pd.read_csv(DATA / "tb_rif_inh_4000.pheno.tsv", sep="\t", index_col="sample")
    markers = genotypes[(effects == "synonymous_variant") & (genotypes.sum(axis=1) >= 10)]
    pattern = np.unique(markers.T, axis=0, return_inverse=True)[1].ravel()
    lineage = np.array([f"P{i}" for i in pattern])
    design = np.column_stack([np.ones(len(lineage)), indicators(lineage)])
    names = np.array([i["GV"] for i in information])
    return Isolates(genotypes, names, effects, traits.loc[samples], lineage, design[:, independent(design)])


def variant_names() -> dict[str, str]:
    """Name of each variant in the catalogue (``rpoB_p.Ser450Leu``) to ``CHROM:POS:REF:ALT``."""
    found = {}
    with gzip.open(DATA / "tb_rif_inh_4000.vcf.gz", "rt") as file:
        for line in file:
            if not line.startswith("#"):
                chrom, position, _, reference, alternative, _, _, info = line.split("\t")[:8]
                name = dict(x.split("=") for x in info.split(";"))["GV"]
                found[name] = f"{chrom}:{position}:{reference}:{alternative}"
    return found


def variant_ranks(isolates: Isolates) -> dict[str, dict[str, dict[str, float]]]:
    """Rank, p and odds ratio of the control loci among variants, lineage held fixed and not."""
    found: dict[str, dict[str, dict[str, float]]] = {}
    plain = np.ones((len(isolates.lineage), 1))
    for drug in DRUGS:
        trait = Phenotype(drug, isolates.traits[drug].to_numpy(np.float64), True)
        other = isolates.traits[[d for d in DRUGS if d != drug]].to_numpy(np.float64)
        # Resistance to one drug mostly comes with resistance to the other.
        both = np.column_stack([isolates.design, other])
        designs = {"": isolates.design, ", lineage not fixed": plain, ", other drug fixed": both}
        for what, design in designs.items():
            table = scan([(isolates.genotypes, logistic)], trait, design).table
            rank = table["minus_log10_p"].rank(ascending=False)
            found[drug + what] = {
                control: {
                    "rank": int(rank[at]),
                    "of": int(rank.notna().sum()),
                    "minus_log10_p": round(float(table["minus_log10_p"][at]), 1),
                    "bonferroni": float(f"{table['bonferroni'][at]:.2g}"),
                    "odds_ratio": round(float(table["odds_ratio"][at]), 2),
                }
                for control, name in CONTROLS.items()
                for at in np.flatnonzero(isolates.names == name)
            }
    return found


def auroc(isolates: Isolates, study: Study | None) -> list[dict[str, object]]:
    """AUROC under random folds and with lineages held out, of proxies, variants and features."""
    proxies = np.isin(isolates.effects, ["synonymous_variant", "upstream_gene_variant"])
    common = isolates.genotypes.sum(axis=1) >= 10
    sets = [
        Predictors("lineage proxies", isolates.genotypes[proxies & common].T.astype(float)),
        Predictors("variants", isolates.genotypes[common].T.astype(float)),
    ]
    if study is not None:
        blocks = [b.values for b in read_blocks(study, "sum")]
        sets.append(Predictors("features, sum", np.concatenate(blocks).T.astype(float)))
    rows = []
    for drug in DRUGS:
        trait = Phenotype(drug, isolates.traits[drug].to_numpy(np.float64), True)
        for groups, folds in ((None, "random"), (isolates.lineage, "lineages held out")):
            table = cross_validate(sets, trait, groups, isolates.lineage, folds)
            for row in table[table["group"] == "all"].to_dict("records"):
                rows.append(
                    {"drug": drug, "predictors": row["predictors"], "folds": folds}
                    | {k: round(row[k], 3) for k in ("auroc", "auroc_low", "auroc_high", "brier")}
                )
    return rows


def open_study(folder: Path) -> Study:
    """A study whose burdens are those of these isolates, in this order."""
    study = Study.open(folder)
    cohort = study.cohort
    samples = cohort.samples.assign(lineage=read_isolates().lineage)
    study.cohort = replace(cohort, samples=samples, groups=("lineage",))
    return study


def coding_counts(isolates: Isolates) -> dict[str, np.ndarray]:
    """Variants of each isolate in each gene that change its protein: what no model is needed for."""
    silent = ("synonymous_variant", "upstream_gene_variant")
    changes = ~np.isin(isolates.effects, silent) & (isolates.genotypes.mean(axis=1) < 0.45)
    genes = np.array([str(name).split("_")[0] for name in isolates.names])
    return {gene: isolates.genotypes[changes & (genes == gene)].sum(axis=0) for gene in np.unique(genes)}


def lineage_features(isolates: Isolates, study: Study) -> list[dict[str, object]]:
    """Features of katG that follow the lineage marker R463L: do they stay out once lineage is fixed."""
    marker = isolates.genotypes[isolates.names == CONTROLS["katG R463L (lineage)"]][0]
    plain = np.ones((len(marker), 1))
    rows: list[dict[str, object]] = []
    trait = Phenotype("isoniazid", isolates.traits["isoniazid"].to_numpy(np.float64), True)
    for burden in BURDENS:
        values = np.concatenate([b.values for b in read_blocks(study, burden) if b.region == "katG"])
        with np.errstate(invalid="ignore", divide="ignore"):
            r = np.abs([np.corrcoef(v, marker)[0, 1] if np.ptp(v) else 0.0 for v in values])
        chosen = values[r >= 0.95]
        if not len(chosen):
            continue
        bonferroni = {}
        for what, design in (("not_fixed", plain), ("fixed", isolates.design)):
            table = scan([(chosen, logistic)], trait, design).table
            bonferroni[what] = int((table["p"] <= 0.05 / len(values)).sum())
        rows.append({"burden": burden, "features": len(chosen), "significant": bonferroni})
    return rows


def feature_ranks(isolates: Isolates, study: Study) -> list[dict[str, object]]:
    """Best feature of each region and burden, and the variant that its burden follows."""
    carriers = isolates.genotypes
    common = carriers.sum(axis=1) >= 10
    marks = carriers[common] - carriers[common].mean(axis=1, keepdims=True)
    marks /= np.linalg.norm(marks, axis=1, keepdims=True)
    rows: list[dict[str, object]] = []
    for drug in DRUGS:
        trait = Phenotype(drug, isolates.traits[drug].to_numpy(np.float64), True)
        variants = scan([(carriers, logistic)], trait, isolates.design).table
        counts = coding_counts(isolates)
        genes = scan([(np.stack(list(counts.values())), logistic)], trait, isolates.design).table
        coding = dict(zip(counts, genes["minus_log10_p"], strict=True))
        for burden in BURDENS:
            blocks = list(read_blocks(study, burden))
            found = scan(((b.values, logistic) for b in blocks), trait, isolates.design)
            table = found.table
            table["region"] = np.concatenate([np.full(len(b.features), b.region) for b in blocks])
            table["feature"] = np.concatenate([b.features for b in blocks])
            values = np.concatenate([b.values for b in blocks])
            table["rank"] = table["minus_log10_p"].rank(ascending=False)
            acat = region_tests(table, ["region"]).set_index("region")["p"]
            for region, part in table[table["p"].notna()].groupby("region"):
                top = part["minus_log10_p"].idxmax()
                centred = values[top] - values[top].mean()
                follows = marks @ centred / np.linalg.norm(centred)
                strongest = int(np.abs(follows).argmax())
                own = np.array([str(n).startswith(f"{region}_") for n in isolates.names])
                rows.append(
                    {
                        "drug": drug,
                        "burden": burden,
                        "region": region,
                        "feature": int(part["feature"][top]),
                        "rank": int(part["rank"][top]),
                        "minus_log10_p": round(float(part["minus_log10_p"][top]), 1),
                        "best_variant_minus_log10_p": round(float(variants["minus_log10_p"][own].max()), 1),
                        "gene_burden_minus_log10_p": round(float(coding.get(region, np.nan)), 1),
                        "follows": str(isolates.names[common][strongest]),
                        "correlation": round(float(follows[strongest]), 3),
                        "acat_p": float(f"{acat[region]:.2g}"),
                        "patterns": found.patterns,
                    }
                )
    return rows
