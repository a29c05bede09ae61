"""What clusters, damaged disks and hostile files do to a study.

``python benchmarks/faults.py [--quick] [--json] [--only FAULT ...]``.
Shards lost and shards repeated by fault, on a real Slurm on this machine: needs root and Debian's slurmctld,
slurmd, slurm-client and munge, and is skipped without. Every trial ends with a comparison of the features
with those of a run without Slurm. Damage that goes undetected, of every kind of file in a finished study;
and small hostile inputs that end by a signal or a traceback.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.command_line import DATA, finish, parser  # noqa: E402
from benchmarks.faults_damage import finished, undetected  # noqa: E402
from benchmarks.faults_hostile import crashes  # noqa: E402
from tests import slurm_lab  # noqa: E402
from tests.workbench.engines.cluster_faults import FAULTS, suffer  # noqa: E402
from tests.workbench.small_study import small_config, write_model  # noqa: E402
from workbench import Study  # noqa: E402

QUICK = 3
PLACES = (1, 5)
"""Places in a file at which a byte is turned round, where there is little time and where there is more."""
FEW, MANY = 10, 200
"""Hostile inputs of each kind."""


def main() -> None:
    options = parser(__doc__, f"the first {QUICK} faults, one place a file, {FEW} inputs of each kind")
    options.add_argument("--only", nargs="*", choices=FAULTS, default=[], help="default: all")
    args = options.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        results = damage(folder, PLACES[not args.quick]) | hostile(FEW if args.quick else MANY)
        if why := slurm_lab.unavailable():
            results |= {"shards_lost": f"skipped: {why}"}
        else:
            results |= clusters(folder, args.only or list(FAULTS)[: QUICK if args.quick else None])
    finish(args, results)


def damage(folder: Path, places: int) -> dict[str, Any]:
    """Flipped bytes that nothing notices, by kind of file of a finished study."""
    began = time.monotonic()
    study = finished(folder, ROOT / "data_samples", write_model(folder / "model"))
    found = undetected(study, places)
    for files in found.values():
        for each in files:
            print(f"undetected: {each}")
    print(f"damage: {len(found)} kinds of file, {time.monotonic() - began:.0f} s", flush=True)
    counts = {kind: len(files) for kind, files in found.items()}
    return {"damage_undetected": sum(counts.values()), "damage_undetected_by_kind": counts}


def hostile(each: int) -> dict[str, Any]:
    """Hostile inputs that end by a signal or a traceback."""
    began = time.monotonic()
    inputs, found = crashes(each, DATA.parent / "faults" / "hostile")
    for name, said in found.items():
        print(f"crash: {name}\n{said}")
    print(f"hostile: {inputs:,} inputs, {time.monotonic() - began:.0f} s", flush=True)
    return {"crashes": len(found), "hostile_inputs": inputs}


def clusters(folder: Path, chosen: list[str]) -> dict[str, Any]:
    """Shards lost and repeated on a Slurm, by fault."""
    lost, repeated = {}, {}
    config = small_config(ROOT / "data_samples", write_model(folder / "tiny"))
    template = Study.create(folder / "template", config)
    template.run(until="quality")
    local = Study.create(folder / "local", config)
    local.run(until="encode")
    lab = slurm_lab.SlurmLab(folder / "slurm")
    lab.start()
    try:
        for fault in chosen:
            began = time.monotonic()
            study, outcome = suffer(fault, template, folder / fault, lab)
            for path in sorted((local.folder / "features").iterdir()):
                same = (study.folder / "features" / path.name).read_bytes() == path.read_bytes()
                assert same, f"{fault}: {path.name} differs"
            lost[fault], repeated[fault] = outcome.lost, outcome.repeated
            print(
                f"{fault:18s} lost {outcome.lost}, repeated {outcome.repeated:2d},"
                f" {time.monotonic() - began:5.1f} s, features identical",
                flush=True,
            )
    finally:
        lab.stop()
    return {
        "shards_lost": sum(lost.values()),
        "shards_lost_by_fault": lost,
        "shards_repeated_by_fault": repeated,
    }


if __name__ == "__main__":
    main()
