"""What painting concepts onto sequence gives, and compiling edits into bases, on held-out places.

``python benchmarks/painting.py [--quick] [--json] [--study DIR] [--unnamed CONCEPT] [--places N]``.
``achieved_correlation``: painted strength against the level that the unedited model reads, over strokes of
three strengths designed by gradients. ``win_rate_low``: of the concepts painted while writing, the best one's
win rate over its best control (unpainted, random direction, wrong concept, shifted place, same GC), lower
bound of the interval over canvases, its level shared out over the concepts; the judges know nothing of the
autoencoder. ``compile_recovered``: mean share of an edit's effect that at most five changes of bases bring
about. ``detector_precision_error``: that of `benchmarks.detection`. ``--quick`` takes the study of the demo.
Otherwise ``--study`` is a finished one with tracks CDS, CDS_start and CDS_stop: each concept's strength (and
what is read of the unnamed one) is chosen on 24 places of the select split, and tested on ``--places`` of the
report split. Experiments stay in the study, and what is done is not run again.
"""

from __future__ import annotations

import dataclasses
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.command_line import DATA, finish, parser  # noqa: E402
from benchmarks.detection import detected  # noqa: E402
from feature_mining.concepts.concept import Concept  # noqa: E402
from feature_mining.edits.places import Where  # noqa: E402
from feature_mining.edits.plan import EditPlan  # noqa: E402
from feature_mining.painting.design import design  # noqa: E402
from feature_mining.painting.goals import goals_of, level_of  # noqa: E402
from feature_mining.painting.painting import Painting, Sheet, Stroke  # noqa: E402
from feature_mining.painting.scene import Scene  # noqa: E402
from workbench.engines.local import run_experiment  # noqa: E402
from workbench.experiments.canvases import choose_canvases  # noqa: E402
from workbench.experiments.compile import summarise_places  # noqa: E402
from workbench.experiments.paint import summarise_strokes  # noqa: E402
from workbench.experiments.painted import PAINTED  # noqa: E402
from workbench.experiments.registry import create_experiment, open_experiment  # noqa: E402
from workbench.experiments.settings import CompileSettings, PaintSettings, PlaceSettings  # noqa: E402
from workbench.experiments.strokes import on_one_line  # noqa: E402
from workbench.files.parquet import read_parquet  # noqa: E402
from workbench.judges.genome_match import GenomeMatch  # noqa: E402
from workbench.judges.judge import NotJudged, References  # noqa: E402
from workbench.judges.tools import package_version  # noqa: E402
from workbench.progress import showing  # noqa: E402
from workbench.setup.demo_archive import unpack  # noqa: E402
from workbench.study.concepts import resolve  # noqa: E402
from workbench.study.study import Study  # noqa: E402

STRENGTHS = (1.0, 2.0, 4.0)
# Strengths of the strokes whose levels are compared with them.
PAINTED_STRENGTHS = (0.25, 0.5, 1.0)
STROKE, CANVAS, CONTEXT = 12, 60, 150
CHOOSING = 24
# Bases that may change where an edit is compiled, and whose predictions are compared behind them.
LOCUS = 12


@dataclasses.dataclass(frozen=True)
class Trial:
    """A concept, where it is painted, and who reads it."""

    name: str
    concept: Concept
    offset: int
    length: int
    stroke: tuple[int, int]
    readouts: tuple[str, ...]


def best_feature(study: Study, track: str, mode: str = "same") -> Concept:
    """The feature that marks a track best, as the study picked it on its select split."""
    rows = study.table("tracks").query("track == @track and mode == @mode")
    if rows.empty:
        raise SystemExit(f"{study.folder}: no track {track}")
    return resolve(study, str(int(rows.iloc[0]["feature"])))


def trials(study: Study, unnamed: str) -> list[Trial]:
    """The four concepts: a stop within genes, a start and a frame before them, and one without a name."""
    return [
        Trial("stop", best_feature(study, "CDS_stop"), 300, 60, (21, 39), ("stops.plus_1",)),
        Trial("start", best_feature(study, "CDS_start"), -60, 90, (20, 66), ("starts.strength",)),
        Trial("frame", best_feature(study, "CDS"), -150, 150, (15, 75), ("stops.longest_open",)),
        Trial(
            "unnamed", resolve(study, unnamed), 300, 60, (15, 45),
            ("stops.plus_1", "stops.longest_open", "stops.minus_1"),
        ),
    ]  # fmt: skip


def paint(study: Study, name: str, trial: Trial, strength: float, **more: object) -> pd.DataFrame:
    """One painting experiment, run where it is not there yet: a row a canvas, arm and stroke."""
    strokes = (Stroke(trial.concept.name, *trial.stroke, strength=strength),)
    painting = Painting(
        trial.length, (trial.concept,), (Sheet("sheet 1", strokes),),
        model=study.manifest.model.weights_hash, autoencoders={study.layer: study.sae_hash},
    )  # fmt: skip
    settings = PaintSettings(
        track="CDS", offset=trial.offset, context=CONTEXT, painting=on_one_line(painting),
        readouts=list(trial.readouts), **more,  # type: ignore[arg-type]
    )  # fmt: skip
    create_experiment(study, name, "paint", settings)
    with showing() as progress:
        run_experiment(study, name, progress=progress)
    return read_parquet(open_experiment(study, name).folder / "strokes.parquet")


def chosen(study: Study, trial: Trial) -> tuple[float, str, int]:
    """Strength, readout and direction at which a concept is furthest beyond its best control on select."""
    best: tuple[float, float, str, int] = (-np.inf, 0.0, "", 0)
    for strength in STRENGTHS:
        name = f"choose-{trial.name}-{strength:g}"
        strokes = paint(study, name, trial, strength, places=CHOOSING, split="select")
        for readout in trial.readouts:
            for expect, sign in (("more", 1), ("less", -1)):
                if sign < 0 and trial.name != "unnamed":
                    continue
                found = answer(strokes, readout, expect)
                # The odds of a canvas, and by how much where they are even.
                score = float(found["win_rate"]) + 1e-3 * sign * float(found["effect"])
                if score > best[0]:
                    best = (score, strength, readout, sign)
    return best[1:]


def answer(strokes: pd.DataFrame, readout: str, expect: str) -> pd.Series:
    """What the painted arm of one stroke gives."""
    found = summarise_strokes(strokes, PaintSettings(readouts=[readout], expect=expect))
    return found[found["arm"] == PAINTED].iloc[0]


def wins(tables: Sequence[pd.DataFrame], readout: str, expect: str) -> pd.DataFrame:
    """The painted arms of several experiments, the level shared out over them."""
    parts = [table.assign(stroke=number) for number, table in enumerate(tables)]
    found = summarise_strokes(pd.concat(parts), PaintSettings(readouts=[readout], expect=expect))
    return found[found["arm"] == PAINTED].reset_index(drop=True)


def achieved(study: Study, concepts: Sequence[Concept], places: int, steps: int) -> float:
    """Correlation of painted and achieved over strokes of `PAINTED_STRENGTHS`, three a canvas, by design."""
    given = PlaceSettings(track="CDS", places=places, context=CONTEXT)
    canvases = choose_canvases(study, given, CANVAS)
    dictionaries = {study.layer: study.dictionary}
    painted, found = [], []
    for turn, concept in enumerate(concepts):
        order = np.roll(PAINTED_STRENGTHS, turn)
        strokes = tuple(
            Stroke(concept.name, 4 + 20 * i, 4 + 20 * i + STROKE, strength=float(strength))
            for i, strength in enumerate(order)
        )
        painting = Painting(CANVAS, (concept,), (Sheet("sheet 1", strokes),))
        scene = Scene(study.model, study.layer, [c.before for c in canvases], [c.after for c in canvases])
        streams = [(0, canvas.number) for canvas in canvases]
        starts = [canvas.sequence for canvas in canvases]
        goals, free = goals_of(painting, dictionaries), np.ones(CANVAS, bool)
        made = design(scene, starts, goals, free, steps, streams).canvases
        levels = level_of(concept, study.dictionary)(scene.read(made, "+", predictions=False).x).numpy()
        for stroke, strength in zip(strokes, order, strict=True):
            found += levels[:, stroke.start : stroke.end].mean(axis=1).tolist()
            painted += [strength] * len(made)
    return float(np.corrcoef(painted, found)[0, 1])


def compiled(study: Study, name: str, concept: Concept, strength: float, places: int) -> dict[str, object]:
    """What compiling a concept painted on `LOCUS` bases gives, at places within genes of the report split."""
    plan = EditPlan(
        concept.edits(strength, Where(((0, LOCUS),))), study.manifest.model.weights_hash,
        {study.layer: study.sae_hash},
    )  # fmt: skip
    settings = CompileSettings(
        track="CDS", places=places, context=100, plan=on_one_line(plan), bases=LOCUS, window=LOCUS, draws=10
    )
    create_experiment(study, name, "compile", settings)
    with showing() as progress:
        run_experiment(study, name, progress=progress)
    return summarise_places(read_parquet(open_experiment(study, name).folder / "compiled.parquet"), 0)


def broad_features(study: Study, count: int) -> list[Concept]:
    """The densest features that are active on at most a third of the bases of canvases of the select split.

    As canvases are read: many of mini's features hang on how far into a sequence a base is.
    """
    given = PlaceSettings(track="CDS", places=8, context=CONTEXT, split="select")
    canvases = choose_canvases(study, given, CANVAS)
    scene = Scene(study.model, study.layer, [c.before for c in canvases], [c.after for c in canvases])
    x = scene.read([c.sequence for c in canvases], "+", predictions=False).x.flatten(0, 1)
    share = (study.sae.encode(x) > 0).float().mean(0).numpy() * (study.dictionary.unit.numpy() > 0)
    share = np.where(share <= 1 / 3, share, 0)
    return [resolve(study, str(feature)) for feature in np.argsort(-share)[:count].tolist()]


def copied(texts: Sequence[str]) -> float | None:
    """Share of canvases of which 90 % of the bases align to a genome that mini was trained on."""
    genomes = sorted((DATA / "pretraining").glob("*.gz")) if (DATA / "pretraining").is_dir() else []
    if not genomes or not package_version("mappy"):
        return None
    import mappy

    with tempfile.NamedTemporaryFile("w", suffix=".fa") as every:
        for genome in genomes:
            for name, letters, _ in mappy.fastx_read(str(genome)):
                every.write(f">{genome.stem}_{name}\n{letters}\n")
        every.flush()
        try:
            judge = GenomeMatch(References(genome=Path(every.name)))
        except NotJudged:
            return None
        return float((judge.judge(texts)["aligned"].fillna(0) >= 0.9).mean())


def quick(study: Study) -> dict[str, object]:
    """Few places, of the demo's study."""
    concepts = broad_features(study, 2)
    correlation = achieved(study, concepts, 3, 16)
    tables = [
        paint(
            study,
            f"quick-{i}",
            Trial("quick", concept, 300, CANVAS, (15, 45), ("stops.plus_1",)),
            2.0,
            places=10,
        )
        for i, concept in enumerate(concepts)
    ]
    found = wins(tables, "stops.plus_1", "more")
    shares = [float(compiled(study, f"quick-c{i}", c, 2.0, 3)["compiled"]) for i, c in enumerate(concepts)]
    return {
        "achieved_correlation": round(correlation, 4),
        "win_rate_low": round(float(found["win_low"].max()), 4),
        "win_rates": found["win_rate"].round(4).tolist(),
        "compile_recovered": round(float(np.mean(shares)), 4),
        "detector_precision_error": detected(study, "CDS", 0.9)["detector_precision_error"],
        "concepts": [concept.name for concept in concepts],
    }


def full(study: Study, unnamed: str, places: int) -> dict[str, object]:
    """All figures of the table in RESULTS.md."""
    rows, texts = [], {}
    for trial in trials(study, unnamed):
        strength, readout, sign = chosen(study, trial)
        expect = "more" if sign > 0 else "less"
        table = paint(study, f"test-{trial.name}", trial, strength, places=places)
        found = wins([table] * 4, readout, expect).iloc[0]  # one of four tests
        means = summarise_strokes(table, PaintSettings(readouts=[readout], expect=expect)).set_index("arm")
        texts[trial.name] = table.loc[table["arm"] == PAINTED, "sequence"].tolist()
        rows.append(
            {
                "concept": trial.name, "of": str(trial.concept), "strength": strength, "readout": readout,
                "expect": expect, "responses": means["response"].round(4).to_dict(),
                "achieved": means["achieved"].round(4).to_dict(), "best_control": found["best_control"],
                "win_rate": found["win_rate"], "win_low": found["win_low"], "win_high": found["win_high"],
                "gc_shift": means.loc[PAINTED, "gc_shift"], "canvases": int(found["prompts"]),
                "aligned_to_training": copied(texts[trial.name]),
            }
        )  # fmt: skip
        print(json.dumps(rows[-1], default=float), flush=True)
    concepts = [trial.concept for trial in trials(study, unnamed)]
    compiling = {}
    for trial, row in zip(trials(study, unnamed), rows, strict=True):
        found = compiled(study, f"compile-{trial.name}", trial.concept, float(row["strength"]), places // 2)
        compiling[trial.name] = found
        print(json.dumps({"compiled": trial.name} | found, default=float), flush=True)
    shares = [float(each["compiled"]) for each in compiling.values() if each["tested"]]
    return {
        "achieved_correlation": round(achieved(study, [*concepts, *broad_features(study, 4)], 4, 20), 4),
        "win_rate_low": round(max(float(row["win_low"]) for row in rows), 4),
        "compile_recovered": round(float(np.mean(shares)), 4),
        "detector_precision_error": detected(study, "CDS_stop", 0.8)["detector_precision_error"],
        "paintings": rows,
        "compiled": compiling,
    }


def main() -> None:
    options = parser(__doc__, "the study of the demo, two features, 10 canvases and 3 places each")
    options.add_argument("--study", type=Path, help="a finished study, for all but --quick")
    options.add_argument("--unnamed", default="factor:0", help="a concept without a name")
    options.add_argument(
        "--places", type=int, default=200, help="canvases a concept; half as many are compiled"
    )
    given = options.parse_args()
    if given.quick:
        with tempfile.TemporaryDirectory() as folder:
            finish(given, quick(unpack(Path(folder) / "study")))
    elif given.study is None:
        raise SystemExit("give a finished study: --study DIR, or --quick for that of the demo")
    else:
        finish(given, full(Study.open(given.study), given.unnamed, given.places))


if __name__ == "__main__":
    main()
