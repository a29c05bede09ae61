"""Drug resistance of *M. tuberculosis* through the command line alone: from files to exported candidates.

    python benchmarks/tb_study.py make FOLDER     inputs and study, with `workbench new`
    python benchmarks/tb_study.py run FOLDER      `workbench run` to the report
    python benchmarks/tb_study.py export FOLDER   `workbench export` of the candidates in every format
    python benchmarks/tb_study.py say FOLDER      what came out
    python benchmarks/tb_study.py [--quick] [--json]   all of it, in a folder that is not kept

Rifampicin and isoniazid, 4,000 isolates in ``shared/data`` beside the checkout; burdens of rpoB, katG, fabG1,
inhA and pncA with 300 bases on each side; the autoencoder is trained on ``--around`` bases round each gene.
``--isolates`` fewer, ``--around`` and ``--tokens`` smaller for a quick look.
Lineage is an isolate's pattern of synonymous variants (those with 10 or more carriers); a random half of the
isolates is searched, the other asked again. ``KNOWN`` are variants whose part in resistance was found long
before these isolates were sequenced: they are the catalogue, a baseline of prediction and what tier A asks.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from workbench.export import WRITERS
from workbench.study.config import CohortConfig, PhenotypeConfig, WindowConfig, read_config, write_config
from workbench.study.study import Study

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.command_line import absent, finish, parser, skip  # noqa: E402
from benchmarks.phenotype_tb import (  # noqa: E402
    CONTROLS,
    DATA,
    DRUGS,
    read_isolates,
    variant_names,
)

CONTIG = "NC_000962.3"
# 0-based, half-open, as the GenBank file has them.
GENES = {
    "rpoB": (759_806, 763_325),
    "katG": (2_153_888, 2_156_111),
    "fabG1": (1_673_439, 1_674_183),
    "inhA": (1_674_201, 1_675_011),
    "pncA": (2_288_680, 2_289_241),
}
# Telenti 1993 (rpoB), Zhang 1992, Heym 1995 (katG), Banerjee 1994, Musser 1996 (inhA, its promoter).
KNOWN = {
    "rifampicin": (
        *("rpoB_p.Ser450Leu", "rpoB_p.His445Tyr", "rpoB_p.His445Asp", "rpoB_p.Asp435Val"),
        *("rpoB_p.Ser450Trp", "rpoB_p.Leu452Pro", "rpoB_p.His445Arg", "rpoB_p.His445Leu"),
    ),
    "isoniazid": ("katG_p.Ser315Thr", "katG_p.Ser315Asn", "inhA_c.-777C>T", "inhA_p.Ser94Ala"),
}


def cli(*words: str | Path) -> None:
    """The command line, as a user types it."""
    program = "from workbench.cli import main; main()"
    subprocess.run([sys.executable, "-c", program, *map(str, words)], check=True)


def make(folder: Path, around: int, tokens: int, most: int) -> None:
    """Write the inputs that are derived, and the study."""
    inputs = folder.with_name(f"{folder.name}-inputs")
    inputs.mkdir(parents=True, exist_ok=True)
    isolates = read_isolates()
    half = np.random.default_rng(0).permutation(len(isolates.lineage)) % 2
    table = isolates.traits[list(DRUGS)].assign(
        lineage=isolates.lineage, half=np.where(half, "first", "second")
    )
    kept = np.sort(np.random.default_rng(1).permutation(len(table))[:most])
    table = table.iloc[kept]
    table.rename_axis("sample").to_csv(inputs / "phenotypes.tsv", sep="\t", na_rep="NA")
    places = [f"{CONTIG}\t{max(0, a - around)}\t{b + around}\t{name}" for name, (a, b) in GENES.items()]
    (inputs / "read.bed").write_text("\n".join(places) + "\n")
    names = variant_names()
    rows = [
        {"variant": names[known], "phenotype": drug, "name": known}
        for drug, own in KNOWN.items()
        for known in own
        if known in names
    ]
    pd.DataFrame(rows).to_csv(inputs / "catalogue.tsv", sep="\t", index=False)
    genome = DATA.resolve() / "NC_000962.3.gbk.gz"
    cli(
        *("new", folder, "--genome", genome, "--tracks", genome, "--circular", CONTIG),
        *("--regions", inputs / "read.bed", "--tokens", str(tokens)),
        *("--variants", DATA.resolve() / "tb_rif_inh_4000.vcf.gz"),
        *("--phenotypes", inputs / "phenotypes.tsv"),
    )
    config = read_config(folder / "study.toml")
    cohort: CohortConfig = replace(
        config.cohort,
        phenotype=list(DRUGS),
        groups=["lineage", "half"],
        regions="gene",
        names=list(GENES),
        flank=300,
        mismatch="intersect",
    )
    phenotype = PhenotypeConfig(
        burdens=["sum", "max", "gained", "lost"],
        discovery="half=first",
        catalogue=str(inputs / "catalogue.tsv"),
    )
    windows = WindowConfig(window=2048, warmup=512, batch=4)
    write_config(replace(config, cohort=cohort, phenotype=phenotype, windows=windows), folder / "study.toml")


def export(folder: Path) -> None:
    """Candidates in every format that the registry has."""
    out = folder.with_name(f"{folder.name}-export")
    for what, form in WRITERS:
        if what == "biomarkers":
            name = "candidates.vcf.gz" if form == "vcf" else f"candidates.{form}"
            cli("export", folder, "--what", what, "--format", form, "--out", out / name)


def say(folder: Path) -> None:
    """Ranks of the control loci, tiers, folds, features beside variants."""
    study = Study.open(folder)
    tested = study.table("phenotype_associations")
    plain = study.table("phenotype_variants")
    candidates = study.table("biomarkers")
    names = {place: name for name, place in variant_names().items()}
    for drug in DRUGS:
        own = plain[plain["phenotype"] == drug]
        rank = own["minus_log10_p"].rank(ascending=False)
        for control, known in CONTROLS.items():
            at = own.index[own["variant"].map(names) == known]
            for i in at:
                row = own.loc[i]
                found = {
                    "drug": drug,
                    "control": control,
                    "rank": float(rank[i]),
                    "of": int(rank.notna().sum()),
                }
                found |= {k: row[k] for k in ("odds_ratio", "p", "p_lineage_not_fixed", "lineage_effect")}
                print(json.dumps({"variant": found}, default=float))
        mine = tested[(tested["phenotype"] == drug) & tested["minus_log10_p"].notna()]
        for burden, part in mine.groupby("burden"):
            rank = part["minus_log10_p"].rank(ascending=False, method="min")
            best = part.assign(rank=rank).loc[part.groupby("region")["minus_log10_p"].idxmax()]
            for row in best.sort_values("rank").to_dict("records"):
                found = {"drug": drug, "burden": burden, "of": len(part)}
                keys = ("region", "rank", "feature", "minus_log10_p", "best_variant_minus_log10_p")
                found |= {k: row[k] for k in (*keys, "lineage_effect")}
                print(json.dumps({"feature": found}, default=float))
        top = candidates[candidates["phenotype"] == drug]
        print(json.dumps({"drug": drug, "tiers": top["evidence_tier"].value_counts().to_dict()}))
        for row in top.groupby("region").head(1).to_dict("records"):
            drivers = [
                f"{names.get(v, v)} {share:.0%}"
                for v, share in zip(row["driving_variants"], row["driving_share"], strict=True)
            ]
            found = {k: row[k] for k in ("region", "feature", "burden", "odds_ratio_sd", "evidence_tier")}
            print(json.dumps({"candidate": {"drug": drug, **found, "drivers": drivers}}, default=float))
    print(held_out(folder).to_string(index=False))


def held_out(folder: Path) -> pd.DataFrame:
    """How well each set of predictors tells resistance, by kind of folds."""
    held = Study.open(folder).table("prediction").query("group == 'all'")
    keys = ["phenotype", "predictors", "folds", "auroc", "auroc_low", "auroc_high"]
    return held[keys].round(3)


def main() -> None:
    options = parser(__doc__, "with 200 isolates and 5 kb round each gene")
    options.add_argument("step", nargs="?", choices=("make", "run", "export", "say"))
    options.add_argument("folder", nargs="?", type=Path)
    options.add_argument("--around", type=int, default=50_000)
    options.add_argument("--tokens", type=int, default=600_000)
    options.add_argument("--isolates", type=int, default=4000, help="a random choice of fewer")
    given = options.parse_args()
    if gone := absent("tb"):
        return skip(given, gone)
    if given.quick:
        given.around, given.tokens, given.isolates = 5_000, 20_000, 200
    if given.step and not given.folder:
        options.error(f"{given.step} needs the folder of the study")
    with tempfile.TemporaryDirectory() as name:
        folder = (given.folder or Path(name) / "study").resolve()
        steps = {
            "make": lambda: make(folder, given.around, given.tokens, given.isolates),
            "run": lambda: cli("run", folder),
            "export": lambda: export(folder),
            "say": lambda: say(folder),
        }
        for step in [given.step] if given.step else steps:
            steps[step]()
        if given.step in (None, "say"):
            finish(given, {"auroc": held_out(folder).to_dict("records")})


if __name__ == "__main__":
    main()
