"""What clusters do to a study, on a real Slurm on this machine: shards lost and shards repeated by fault.

``python benchmarks/faults.py [--json] [--only FAULT ...]``. Needs root and Debian's slurmctld, slurmd,
slurm-client and munge. Every trial ends with a comparison of the features with those of a run without Slurm.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests import slurm_lab  # noqa: E402
from tests.workbench.cluster_faults import FAULTS, suffer  # noqa: E402
from tests.workbench.small_study import small_config, write_model  # noqa: E402
from workbench import Study  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="last line is one JSON object")
    parser.add_argument("--only", nargs="*", choices=FAULTS, default=list(FAULTS))
    args = parser.parse_args()
    why = slurm_lab.unavailable()
    if why:
        print(f"skipped: {why}")
        if args.json:
            print(json.dumps({"skipped": True}))
        return
    lost, repeated = {}, {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        config = small_config(ROOT / "data_samples", write_model(folder / "tiny"))
        template = Study.create(folder / "template", config)
        template.run(until="quality")
        local = Study.create(folder / "local", config)
        local.run(until="encode")
        lab = slurm_lab.SlurmLab(folder / "slurm")
        lab.start()
        try:
            for fault in args.only:
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
    print(f"shards_lost {sum(lost.values())}")
    if args.json:
        print(json.dumps({"shards_lost": lost, "shards_repeated": repeated}))


if __name__ == "__main__":
    main()
