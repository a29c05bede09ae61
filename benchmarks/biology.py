"""What happens to the model itself: how small ``mini`` can be made, and whether a treatment helps.

``python benchmarks/biology.py [--quick] [--json]``, on the demo study that ships ready (*E. coli*, which
``mini`` was not trained on; report blocks see neither the ranking nor the healing). ``prune_bits_at_half``:
bits a base of report bases with the whole model, with half of its parameters, the same healed by continued
training on train blocks, and the whole model trained as long, which says how much of the gain is the genome
and not the healing; inside (``kept``) and outside of coding sequence, whose worth ranked the parts.
``prune_curve``: size against bits, not healed, of parts ranked by worth to coding sequence, by worth to the
whole genome, by size of the weights and at random.

``treated_flags_fraction``: of the features with the audit's flag ``window_position`` on report bases, the
share that loses it by the treatment that the diagnosis proposes on select, and still fires at least half as
often; ``treated_flags`` counts them before and after, cured, silenced and new, beside a sham;
``treated_changes`` is everything else before and after, with intervals.

``certificate_r2_median`` and what goes with it: circuits and interventions, of ``benchmarks/circuits.py``.

``diff_auroc`` and what goes with it: the blind proof of ``benchmarks/blind_diffs.py``; absent without the
phages of ../shared/data.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks import blind_diffs, circuits  # noqa: E402
from benchmarks.command_line import absent, finish, parser  # noqa: E402
from workbench.engines.local import run_experiment  # noqa: E402
from workbench.experiments.registry import create_experiment  # noqa: E402
from workbench.experiments.settings import PruneSettings  # noqa: E402
from workbench.experiments.treat_settings import TreatSettings  # noqa: E402
from workbench.files.parquet import read_parquet  # noqa: E402
from workbench.progress import showing  # noqa: E402
from workbench.setup.demo_archive import unpack  # noqa: E402
from workbench.study.study import Study  # noqa: E402

SIZES = [0.9, 0.75, 0.6, 0.5, 0.4]
BASES, HEAL = 60_000, 2_000_000
QUICK = {"bases": 6_000, "heal": 40_000, "exact": 2, "sizes": [0.75, 0.5]}


def run_asked(
    study: Study, name: str, kind: str, settings: object, names: Sequence[str]
) -> dict[str, pd.DataFrame]:
    """Tables of an experiment that is run here."""
    made = create_experiment(study, name, kind, settings)
    with showing() as progress:
        run_experiment(study, name, progress=progress)
    return {each: read_parquet(made.folder / f"{each}.parquet") for each in names}


def figures(quick: bool, folder: Path) -> dict[str, object]:
    """Bits at half the parameters, the curve, what a treatment does, and whether circuits hold."""
    study = unpack(folder / "demo")
    given = {"bases": BASES, "heal": HEAL, "exact": 16, "sizes": SIZES} | (QUICK if quick else {})
    asked = PruneSettings(track="CDS", size=0.5, **given)
    found = run_asked(study, "coding", "prune", asked, ("curve", "models", "agreement", "features"))
    models, curve, features = found["models"], found["curve"], found["features"]
    active = features[features["active"] > 0]
    return {
        "prune_bits_at_half": _bits(models),
        "prune_curve": _rows(curve),
        "prune_speed": dict(
            models.dropna(subset="bases_per_s").groupby("model")["bases_per_s"].first().round()
        ),
        "prune_features_kept": [int(active["kept"].sum()), len(active)],
        "prune_rank_correlation": dict(found["agreement"].set_index("kind")["correlation"].round(2)),
        "bases": given["bases"],
        "heal": given["heal"],
        **treated(study, quick),
        **circuits.figures(study, quick),
    }


def treated(study: Study, quick: bool) -> dict[str, object]:
    """What the proposed treatment of the window-position flags does, and what else it changes."""
    asked = TreatSettings(symptom="flag:window_position", bases=8_000 if quick else 64_000)
    tables = run_asked(study, "flags", "treat", asked, ("candidates", "changes", "verdicts", "flags"))
    candidates, changes, verdicts = (tables[name] for name in ("candidates", "changes", "verdicts"))
    flags = tables["flags"].query("flag == 'window_position'").set_index("arm")
    counts = ["before", "after", "cured", "silenced", "new"]
    moved = verdicts[verdicts["verdict_before"] != verdicts["verdict_after"]]
    columns = ["what", "name", "arm", "before", "after", "low", "high", "word"]
    own = flags.loc["treated"]
    return {
        "treated_flags_fraction": float(own["cured"] / max(1, own["before"])),
        "treated_flags": {arm: [int(n) for n in row[counts]] for arm, row in flags.iterrows()},
        "treated_by": candidates.query("chosen")["what"].iloc[0],
        "treated_tried": candidates[["treatment", "items", "relief", "more"]].round(4).to_numpy().tolist(),
        "treated_changes": changes[columns].round(4).to_numpy().tolist(),
        "treated_verdicts_moved": moved.groupby("arm").size().to_dict(),
    }


def _bits(models: pd.DataFrame) -> dict[str, dict[str, float]]:
    """Bits a base by model and class of bases."""
    return {
        str(name): dict(own.set_index("bases")["bits"].astype(float).round(4))
        for name, own in models.groupby("model", sort=False)
    }


def _rows(curve: pd.DataFrame) -> list[list[object]]:
    """Order, share of the parameters, class of bases, bits a base, bits more than the whole model."""
    columns = ["order", "share", "bases", "bits", "more"]
    return curve[columns].round(4).to_numpy().tolist()


def main() -> None:
    given = parser(__doc__ or "", "6,000 bases of each split, two sizes, healed on 40,000").parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = figures(given.quick, Path(folder))
        if not absent("phage"):
            found |= blind_diffs.figures(given.quick, Path(folder) / "diffs")
        finish(given, found)


if __name__ == "__main__":
    main()
