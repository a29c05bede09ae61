"""Circuits of ``mini``, and whether graphs of its predictions say what it does under interventions.

``python benchmarks/circuits.py [--quick] [--json]``; ``benchmarks/biology.py`` has its figures among others.
On the demo study that ships ready (*E. coli*, which ``mini`` was not trained on) transcoders are trained on
train blocks. Loci are bases of report blocks, drawn at random, each on one strand, and the output is the
log-probability of the base that stands there. R² is of what a graph predicts with what the model does, over
random interventions on the graph's nodes.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.command_line import finish, parser  # noqa: E402
from feature_mining.circuits.certificate import TRUSTED, CertificatePlan, certify  # noqa: E402
from feature_mining.circuits.graph import GraphPlan, trace  # noqa: E402
from feature_mining.circuits.replaced import Replaced  # noqa: E402
from workbench.engines.local import run_experiment  # noqa: E402
from workbench.experiments.attributed import Reading  # noqa: E402
from workbench.experiments.circuit import certificates  # noqa: E402
from workbench.experiments.circuit_settings import CircuitSettings, TranscodeSettings  # noqa: E402
from workbench.experiments.registry import create_experiment  # noqa: E402
from workbench.experiments.targets import parse_target  # noqa: E402
from workbench.experiments.transcode import study_transcoders  # noqa: E402
from workbench.files.parquet import read_parquet  # noqa: E402
from workbench.progress import showing  # noqa: E402
from workbench.setup.demo_archive import unpack  # noqa: E402
from workbench.study.study import Study  # noqa: E402

MADE = TranscodeSettings(bases=60_000)
ASKED = CircuitSettings(context=64, features=64, interventions=1000)
LOCI, FEW = 100, 10
QUICK_MADE = TranscodeSettings(bases=16_384, batch=512, width=2)
QUICK = CircuitSettings(context=48, features=32, interventions=1000)
# Gates held, as graphs are traced where nothing else is said, and not held.
MODES = {"held": True, "moving": False}
# What the certificate may depend on; tried on the first few loci.
OTHERS = {
    "changes up to a quarter": {"strength": 0.25},
    "a context of 256": {"context": 256},
    "256 features": {"features": 256},
    "95 % of the influence": {"nodes": 0.95},
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


class Certified(NamedTuple):
    """A circuit's certificate.

    row : how large it is, R² and slope
    predictors : R² by what predicts
    sizes : R² of the graph by the least number of nodes changed
    """

    row: dict[str, float]
    predictors: dict[str, float]
    sizes: dict[str, float]


def certify_one(study: Study, locus: tuple[str, str], asked: CircuitSettings) -> Certified:
    """Trace an output, predict interventions and measure them."""
    text, strand = locus
    reading = Reading.of(study, parse_target(study, text), strand, asked.context)
    transcoders = study_transcoders(study, asked.transcoders)
    replaced = Replaced(study.model, reading.letters, transcoders, 16, asked.held)
    plan = GraphPlan(asked.features, asked.nodes, asked.edges)
    graph = trace(replaced, reading.target, reading.before - 1, plan)
    plan_of = CertificatePlan(asked.interventions, asked.strength, asked.seed)
    tried = certify(replaced, reading.target, graph, plan_of)
    every = certificates(tried.assign(target=text, strand=strand))
    whole = every[every["least"] == 0].set_index("predictor")
    own = every[(every["least"] > 0) & (every["predictor"] == "predicted")]
    row = {
        "r2": whole["r2"]["predicted"],
        "slope": whole["slope"]["predicted"],
        "replacement": graph.scores.replacement,
        "completeness": graph.scores.completeness,
        "nodes": len(graph.nodes) - 1,
        "edges": len(graph.edges),
        "value": graph.value,
    }
    sizes = dict(zip(own["least"].astype(str), own["r2"], strict=True))
    return Certified(row, dict(whole["r2"]), sizes)


def summarise(found: Sequence[Certified]) -> dict[str, object]:
    """Distribution of R² over loci, beside that of what else predicts."""
    rows = pd.DataFrame([each.row for each in found])
    r2 = rows["r2"].to_numpy()
    ranks = rows.corr(method="spearman")["r2"] if len(rows) > 3 else pd.Series(dtype=float)
    return {
        "median": float(np.median(r2)),
        "quartiles": np.quantile(r2, [0.25, 0.75]).tolist(),
        "share_above_0.8": float((r2 >= TRUSTED).mean()),
        "loci": len(r2),
        "medians": dict(rows.drop(columns="r2").median()),
        "predictors": dict(pd.DataFrame([each.predictors for each in found]).median()),
        "by_nodes_changed": dict(pd.DataFrame([each.sizes for each in found]).median()),
        "rank_correlation_of_r2": dict(ranks.drop("r2", errors="ignore")),
    }


def figures(study: Study, quick: bool, loci: int = LOCI) -> dict[str, object]:
    """Certificates of circuits, and what they depend on."""
    made, asked = (QUICK_MADE, QUICK) if quick else (MADE, ASKED)
    create_experiment(study, asked.transcoders, "transcode", made)
    with showing() as progress:
        run_experiment(study, asked.transcoders, progress=progress)
    fits = read_parquet(study.folder / "experiments" / asked.transcoders / "fits.parquet")
    places = draw_loci(study, 3 if quick else loci, 256)
    found: dict[str, list[Certified]] = {mode: [] for mode in MODES}
    for place in places:
        for mode, held in MODES.items():
            found[mode].append(certify_one(study, place, replace(asked, held=held)))
            print(*place, mode, json.dumps(found[mode][-1], default=float), file=sys.stderr, flush=True)
    tried: dict[str, dict[str, object]] = {}
    for name, other in ({} if quick else OTHERS).items():
        for mode, is_held in MODES.items():
            settings = replace(asked, held=is_held, **other)  # type: ignore[arg-type]
            own = summarise([certify_one(study, place, settings) for place in places[:FEW]])
            tried.setdefault(name, {})[mode] = own["median"]
    held = summarise(found["held"])
    return {
        "certificate_r2_median": held["median"],
        "certificate_share_above_0.8": held["share_above_0.8"],
        "certificate": held,
        "certificate_moving": summarise(found["moving"]),
        "certificate_otherwise": tried,
        "transcoders_explained": dict(fits.set_index("block")["explained"]),
        "transcoders_skip_alone": dict(fits.set_index("block")["linear"]),
    }


def main() -> None:
    made = parser(__doc__ or "", "3 loci, small graphs, transcoders of 16,384 bases")
    made.add_argument("--loci", type=int, default=LOCI, help=f"loci, {LOCI} where nothing is said")
    given = made.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        finish(given, figures(unpack(Path(folder) / "demo"), given.quick, given.loci))


if __name__ == "__main__":
    main()
