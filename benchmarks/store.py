"""Feature maps on disk: bytes a non-zero and times of reading, the layout now beside the one before.

    python benchmarks/store.py [--quick] [--json] [--study DIR]

Without ``--study``, a study of the *E. coli* sample is made first (`mini`, 2,048 features, 16 active;
minutes), to the end of its encoding. Its feature files are then written anew in the old layout, by the writer
kept here, and both folders are read by the product's own readers, in turn, files in the system's cache, each
view and each feature by a reader that has read nothing before. Times are of the processor, so that they hold
on a machine that is busy. Sizes are those of whole files: pyramid, checksums, everything.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.command_line import finish, parser  # noqa: E402
from feature_mining.feature_map import ZoomLevel, pyramid  # noqa: E402
from workbench import Study  # noqa: E402
from workbench.browse.feature_profile import firing_bins  # noqa: E402
from workbench.browse.tiles import TileReader, bin_size  # noqa: E402
from workbench.genome.interval import Interval  # noqa: E402
from workbench.progress import showing  # noqa: E402
from workbench.setup.demo import GENOME, samples_folder  # noqa: E402
from workbench.study.config import InputConfig, SAEConfig, StudyConfig  # noqa: E402
from workbench.study.feature_layouts import STRANDS, ZOOMS  # noqa: E402
from workbench.study.feature_store import FeatureShard  # noqa: E402

PIXELS = 1000
FEATURES = 10


def write_old(source: Path, target: Path) -> int:
    """A feature file in layout 1, with the values of ``source``; gives its non-zeros."""
    nonzeros = 0
    with FeatureShard(source) as shard, h5py.File(target, "w") as file:
        file.attrs.update(
            {k: v for k, v in shard.file.attrs.items() if k not in ("layout", "relative_error")}
        )
        for strand, side in STRANDS.items():
            features, mask = shard.rows(strand, shard.start, shard.end)
            nonzeros += features.values.size
            narrow = np.uint16 if features.n_features <= 1 << 16 else np.int32
            arrays = {
                "indptr": features.indptr,
                "indices": features.indices.astype(narrow),
                "values": features.values,
                "callable": np.packbits(mask),
            }
            for size, level in pyramid(features, ZOOMS).items():
                names = (f"zoom/{size}/{name}" for name in ZoomLevel._fields)
                arrays |= dict(zip(names, level, strict=True))
            for name, array in arrays.items():
                pieces = {"chunks": (min(16_384, array.size),), "fletcher32": True} if array.size else {}
                file.create_dataset(f"{side}/{name}", data=array, **pieces)
    return nonzeros


def beside(folder: Path, study: Study) -> tuple[Study, int]:
    """The same study with its feature files in the old layout, and their non-zeros."""
    folder.mkdir()
    for path in study.folder.iterdir():
        if path.name != "features":
            (folder / path.name).symlink_to(path)
    (folder / "features").mkdir()
    nonzeros = sum(write_old(path, folder / "features" / path.name) for path, *_ in study.features.shards)
    return Study.open(folder), nonzeros


def create(folder: Path) -> Study:
    """The sample, encoded with a dictionary as wide as a study's."""
    config = StudyConfig(
        input=InputConfig(genome=str(samples_folder() / f"{GENOME}.fa")),
        sae=SAEConfig(width=2048, k=16, tokens=400_000),
    )
    return Study.create(folder, config)


def in_turn(readers: dict[str, Callable[[int], object]], rounds: int) -> dict[str, float]:
    """Median milliseconds of processor time of each reader over the same rounds, the first not counted."""
    times: dict[str, list[float]] = {name: [] for name in readers}
    for turn in range(rounds + 1):
        for name, read in readers.items():
            began = time.process_time()
            read(turn)
            if turn:
                times[name].append(1000 * (time.process_time() - began))
    return {name: round(statistics.median(spent), 2) for name, spent in times.items()}


def measure(studies: dict[str, Study], rounds: int) -> dict[str, dict[str, float]]:
    """Milliseconds by what is read, then by layout."""
    new = studies["new"]
    chrom, length = max(new.manifest.contigs.items(), key=lambda item: item[1])
    width, random = new.sae_config.d_sae, np.random.default_rng(0)
    chosen = random.integers(0, width, (rounds + 1, FEATURES)).tolist()
    tops = np.ones(width)

    def view(study: Study, bases: int) -> Callable[[int], object]:
        starts = np.random.default_rng(1).integers(0, length - bases + 1, rounds + 1)

        def read(turn: int) -> object:
            place = Interval(chrom, int(starts[turn]), int(starts[turn]) + bases)
            reader = TileReader(study, tops)
            tile = reader.tile(sorted(set(chosen[turn])), place, bin_size(bases, PIXELS))
            for shard in reader._open.values():
                shard.file.close()
            return tile

        return read

    def shard_rows(study: Study) -> Callable[[int], object]:
        shards = study.features.shards

        def read(turn: int) -> object:
            _, name, start, end = shards[turn % len(shards)]
            return study.features.rows(name, start, end, "+-"[turn % 2])

        return read

    asked: dict[str, Callable[[Study], Callable[[int], object]]] = {
        "view_ms": lambda study: view(study, 2_000),
        "view_of_100_kb_ms": lambda study: view(study, min(100_000, length)),
        "view_of_contig_ms": lambda study: view(study, length),
        "stretch_ms": lambda study: (
            lambda turn: study.features.rows(
                chrom, (at := 7_919 * turn % (length - 2_000)), at + 2_000, "+-"[turn % 2]
            )
        ),
        "shard_ms": shard_rows,
        "feature_ms": lambda study: lambda turn: firing_bins(study, chosen[turn][0]),
    }
    return {
        what: in_turn({layout: make(study) for layout, study in studies.items()}, rounds)
        for what, make in asked.items()
    }


def main() -> None:
    options = parser(__doc__, "10 rounds of each reading")
    options.add_argument("--study", type=Path, help="an encoded study; default: one is made")
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as name:
        study = Study.open(given.study) if given.study else create(Path(name) / "new")
        with showing() as progress:
            study.run(until="encode", progress=progress)
        old, nonzeros = beside(Path(name) / "old", study)
        studies = {"old": old, "new": study}
        bytes_ = {
            layout: sum(path.stat().st_size for path, *_ in each.features.shards)
            for layout, each in studies.items()
        }
        times = measure(studies, 10 if given.quick else 50)
        stated = 0.0
        for path, *_ in study.features.shards:
            with FeatureShard(path) as shard:
                stated = max(stated, shard.relative_error)
    results: dict[str, object] = {"nonzeros": nonzeros, "relative_error": stated}
    for layout, size in bytes_.items():
        results["bytes_per_nonzero" + "_old" * (layout == "old")] = round(size / nonzeros, 2)
    for what, by_layout in times.items():
        results |= {what: by_layout["new"], f"{what}_old": by_layout["old"]}
    finish(given, results)


if __name__ == "__main__":
    main()
