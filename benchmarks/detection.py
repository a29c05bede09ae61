"""Whether detectors keep what they promise, and how few base changes mislead them.

``python benchmarks/detection.py [--quick] [--json] [--study DIR] [--track TRACK] [--precision SHARE]
[--attack]``. ``detector_precision_error``: how far the share of true calls on the report split is from what
was promised, for a probe of a track at the density of its sites; null, with the reason, where there is too
little to say. Beside it ``simulated_``: over draws of planted sites (simulated; `benchmarks.planted_sites`)
the mean true precision of detectors that promise 0.8, and how often the interval on a second draw holds it.
``--quick`` takes the study of the demo. ``--attack`` also attacks the detector, retrains it
and attacks again: share of sites hidden and of places faked on the report split, by number of changes.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.command_line import finish, parser  # noqa: E402
from benchmarks.planted_sites import GAP, planted, true_precision  # noqa: E402
from feature_mining.detection.precision import choose_threshold, measure  # noqa: E402
from workbench.engines.local import run_experiment  # noqa: E402
from workbench.errors import InputError  # noqa: E402
from workbench.experiments.attack import as_setting  # noqa: E402
from workbench.experiments.detect import find_detector, precision_error  # noqa: E402
from workbench.experiments.detector_settings import AttackSettings, DetectSettings  # noqa: E402
from workbench.experiments.registry import create_experiment  # noqa: E402
from workbench.files.parquet import read_parquet  # noqa: E402
from workbench.progress import showing  # noqa: E402
from workbench.setup.demo_archive import unpack  # noqa: E402
from workbench.study.study import Study  # noqa: E402

DRAWS, PROMISED, DENSITY = 40, 0.8, 0.002


def simulated(draws: int = DRAWS) -> dict[str, object]:
    """Promises on planted sites: calibrated on one draw, measured on another."""
    random = np.random.default_rng(3)
    real, held = [], []
    for _ in range(draws):
        threshold = choose_threshold(planted(random), PROMISED, DENSITY, GAP)
        real.append(true_precision(threshold, DENSITY))
        interval = measure(planted(random), threshold, GAP, DENSITY).precision
        held.append(interval.low <= real[-1] <= interval.high)
    return {
        "simulated_promised": PROMISED,
        "simulated_precision": round(float(np.mean(real)), 4),
        "simulated_precision_sd": round(float(np.std(real)), 4),
        "simulated_interval_holds": round(float(np.mean(held)), 4),
    }


def detected(study: Study, track: str, precision: float, name: str = "detector") -> dict[str, object]:
    """Make a detector of a study and say how it kept its promise; why not, where that cannot be said."""
    settings = DetectSettings(track=track, precision=precision)
    try:
        create_experiment(study, name, "detect", settings)
        with showing() as progress:
            run_experiment(study, name, progress=progress)
    except InputError as error:
        return {"detector_precision_error": None, "not_tested": str(error)}
    found = find_detector(study, name)
    return {
        "detector_precision_error": round(precision_error(found), 4),
        "promised": precision,
        **{key: round(value, 4) for key, value in found.measured.items()},
    }


def attacked(study: Study, detector: str, name: str) -> dict[str, object]:
    """Attack a detector, retrain it on the attacks, and attack again."""
    found: dict[str, object] = {}
    again = f"{name}-retrained"
    for which, called in ((detector, name), (again, f"{name}-again")):
        if which == again:
            old = find_detector(study, detector)
            learnt = DetectSettings(old.track, old.mode, "", 10, old.precision, old.sites_per_megabase, name)
            create_experiment(study, again, "detect", learnt)
            run_experiment(study, again)
        settings = AttackSettings(as_setting(find_detector(study, which)))
        made = create_experiment(study, called, "attack", settings)
        with showing() as progress:
            run_experiment(study, called, progress=progress)
        curves = read_parquet(made.folder / "curves.parquet")
        for (goal, way), own in curves[curves["split"] == "report"].groupby(["goal", "way"], sort=False):
            found[f"{called}_{goal}_{way}"] = own["share"].round(3).tolist()
    return found


def main() -> None:
    options = parser(__doc__, "the study of the demo, and 20 draws of planted sites")
    options.add_argument("--study", type=Path, help="a finished study, for all but --quick")
    options.add_argument("--track", default="", help="default: CDS_stop; CDS with --quick")
    options.add_argument("--precision", type=float, default=0.0, help="default: 0.8; 0.9 with --quick")
    options.add_argument("--attack", action="store_true")
    given = options.parse_args()
    if not given.quick and given.study is None:
        raise SystemExit("give a finished study: --study DIR, or --quick for that of the demo")
    results = simulated(DRAWS // 2 if given.quick else DRAWS)
    with tempfile.TemporaryDirectory() as folder:
        study = unpack(Path(folder) / "study") if given.quick else Study.open(given.study)
        track, precision = ("CDS", 0.9) if given.quick else ("CDS_stop", 0.8)
        results |= detected(study, given.track or track, given.precision or precision)
        if given.attack:
            results |= attacked(study, "detector", "attack")
    finish(given, results)


if __name__ == "__main__":
    main()
