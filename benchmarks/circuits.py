"""Circuits of ``mini``, and whether graphs of its predictions say what it does under interventions.

``python benchmarks/circuits.py [--quick] [--json]``; ``benchmarks/biology.py`` has its figures among others.
On the demo study that ships ready (*E. coli*, which ``mini`` was not trained on) transcoders are trained on
train blocks. Loci are bases of report blocks, drawn at random, each on one strand, and the output is the
log-probability of the base that stands there. R² is of what a graph predicts with what the model does, over
random interventions on the graph's nodes.
"""

from __future__ import annotations

import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.command_line import finish, parser  # noqa: E402
from workbench.engines.local import run_experiment  # noqa: E402
from workbench.experiments.circuit_settings import CircuitSettings, TranscodeSettings  # noqa: E402
from workbench.experiments.registry import create_experiment  # noqa: E402
from workbench.files.parquet import read_parquet  # noqa: E402
from workbench.progress import showing  # noqa: E402
from workbench.setup.demo_archive import unpack  # noqa: E402
from workbench.study.study import Study  # noqa: E402

MADE = TranscodeSettings(bases=400_000)
ASKED = CircuitSettings(context=128, interventions=1000)
LOCI, FEW = 100, 10
QUICK_MADE = TranscodeSettings(bases=40_000)
QUICK = CircuitSettings(context=64, features=64, interventions=200)
# What the certificate may depend on; tried on the first few loci.
OTHERS = {
    "changes up to a quarter": {"strength": 0.25},
    "64 features": {"features": 64},
    "1,024 features": {"features": 1024},
    "95 % of the influence": {"nodes": 0.95},
    "gates not held": {"held": False},
}


def draw_loci(study: Study, count: int, context: int, seed: int = 0) -> list[tuple[str, str]]:
    """Bases of report blocks as targets, each with the strand that it is read on."""
    random = np.random.default_rng(seed)
    cells = study.split.cells(study.grid, study.manifest.contigs, "report")
    found: list[tuple[str, str]] = []
    while len(found) < count:
        cell = cells[random.integers(len(cells))]
        position = int(random.integers(cell.start, cell.end))
        letters = study.genome.fetch(cell.chrom, position - context, position + context, "+").upper()
        if position >= context and not set(letters) - set("ACGT") and len(letters) == 2 * context:
            found.append((f"{cell.chrom}:{position + 1}", "+-"[len(found) % 2]))
    return found


def trace(
    study: Study, name: str, loci: list[tuple[str, str]], asked: CircuitSettings
) -> dict[str, pd.DataFrame]:
    """Targets and certificates of circuits that are traced here, a locus on its strand."""
    tables: dict[str, list[pd.DataFrame]] = {"targets": [], "certificates": []}
    for strand in "+-":
        own = [target for target, side in loci if side == strand]
        settings = replace(asked, targets=own, strands=[strand])
        made = create_experiment(study, f"{name}-{'plus' if strand == '+' else 'minus'}", "circuit", settings)
        with showing() as progress:
            run_experiment(study, made.name, progress=progress)
        for each, parts in tables.items():
            parts.append(read_parquet(made.folder / f"{each}.parquet"))
    return {each: pd.concat(parts, ignore_index=True) for each, parts in tables.items()}


def summarise(tables: dict[str, pd.DataFrame]) -> dict[str, object]:
    """Distribution of R² over loci, beside that of what else predicts."""
    targets, every = tables["targets"], tables["certificates"]
    whole = every[every["least"] == 0]
    sizes = every[(every["least"] > 0) & (every["predictor"] == "predicted")].astype({"least": str})
    r2 = targets["r2"].to_numpy()
    return {
        "median": round(float(np.median(r2)), 3),
        "quartiles": np.quantile(r2, [0.25, 0.75]).round(3).tolist(),
        "share_above_0.8": round(float((r2 >= 0.8).mean()), 3),
        "slope": round(float(targets["slope"].median()), 3),
        "loci": len(r2),
        "others": dict(whole.groupby("predictor", sort=False)["r2"].median().round(3)),
        "by_nodes_changed": dict(sizes.groupby("least")["r2"].median().round(3)),
        "replacement": round(float(targets["replacement"].median()), 3),
        "completeness": round(float(targets["completeness"].median()), 3),
        "nodes": int(targets["nodes"].median()),
        "edges": int(targets["edges"].median()),
        "rank_correlation_with": {
            name: round(float(targets["r2"].corr(targets[name], method="spearman")), 2)
            for name in ("replacement", "completeness", "nodes", "value")
        },
    }


def figures(study: Study, quick: bool) -> dict[str, object]:
    """Certificates of circuits, and what they depend on."""
    made, asked = (QUICK_MADE, QUICK) if quick else (MADE, ASKED)
    create_experiment(study, asked.transcoders, "transcode", made)
    with showing() as progress:
        run_experiment(study, asked.transcoders, progress=progress)
    fits = read_parquet(study.folder / "experiments" / asked.transcoders / "fits.parquet")
    loci = draw_loci(study, 6 if quick else LOCI, asked.context)
    found = summarise(trace(study, "circuits", loci, asked))
    tried = {}
    for number, (name, other) in enumerate(({} if quick else OTHERS).items()):
        settings = replace(asked, **other)  # type: ignore[arg-type]
        tried[name] = summarise(trace(study, f"other{number}", loci[:FEW], settings))["median"]
    return {
        "certificate_r2_median": found["median"],
        "certificate_share_above_0.8": found["share_above_0.8"],
        "certificate": found,
        "certificate_first_loci": tried,
        "transcoders_explained": dict(fits.set_index("block")["explained"].round(3)),
        "transcoders_skip_alone": dict(fits.set_index("block")["linear"].round(3)),
    }


def main() -> None:
    quick = "6 loci, small graphs, 200 interventions, transcoders of 40,000 bases"
    given = parser(__doc__ or "", quick).parse_args()
    with tempfile.TemporaryDirectory() as folder:
        finish(given, figures(unpack(Path(folder) / "demo"), given.quick))


if __name__ == "__main__":
    main()
