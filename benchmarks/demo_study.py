"""Makes the demo study that ships ready: ``data_samples/demo_study.tar.xz``.

``python benchmarks/demo_study.py [--work DIR]`` runs the study (minutes on two cores; again after a stop,
it goes on) and packs it. Run it again when what a stage writes has changed.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from workbench import Study  # noqa: E402
from workbench.demo import samples_folder  # noqa: E402
from workbench.demo_study import ARCHIVE, create, pack  # noqa: E402
from workbench.intake import is_study  # noqa: E402
from workbench.progress import showing  # noqa: E402


def main() -> None:
    """Run and pack."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, default=Path("demo-study-shipped"))
    folder = parser.parse_args().work
    study = Study.open(folder) if is_study(folder) else create(folder)
    with showing() as progress:
        study.run(progress=progress)
    size = pack(study, samples_folder() / ARCHIVE)
    print(f"{samples_folder() / ARCHIVE}: {size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
