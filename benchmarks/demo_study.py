"""Makes the demo study that ships ready: ``data_samples/demo_study.tar.xz``.

``python benchmarks/demo_study.py [--work DIR]`` runs the study (minutes on two cores; again after a stop,
it goes on) and packs it. Run it again when what a stage writes has changed.
"""

from __future__ import annotations

import argparse
import json
import lzma
import shutil
import sys
import tarfile
import tempfile
from dataclasses import replace
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from workbench import Study  # noqa: E402
from workbench.browse.atlas import feature_map  # noqa: E402
from workbench.browse.track_cache import interval_tracks  # noqa: E402
from workbench.progress import showing  # noqa: E402
from workbench.setup.demo import COHORT, GENOME, demo_config, samples_folder  # noqa: E402
from workbench.setup.demo_archive import ARCHIVE  # noqa: E402
from workbench.setup.uploads import is_study  # noqa: E402
from workbench.study.config import SAEConfig, write_config  # noqa: E402
from workbench.study.shard_records import SUFFIX, ShardRecords, line_of  # noqa: E402
from workbench.study.study import CONFIG, MANIFEST  # noqa: E402

# What of a study is packed: nothing that is only needed to run it again.
PARTS = (CONFIG, MANIFEST, "inputs", "ledger", "sae", "features", "burdens", "tables", "report.html")
# What the app computes once a study.
KEPT = ("cache/atlas-*.parquet", "cache/tracks.*.parquet")
# Words of four bytes: most of the archive is float32.
FILTERS = [{"id": lzma.FILTER_LZMA2, "preset": 9, "lc": 1, "lp": 2, "pb": 2}]
SAE = SAEConfig(width=256, k=2, tokens=400_000, seeds=2)


def create(folder: Path) -> Study:
    """A study with the files of the demo inside it, named by relative paths, not yet run."""
    inputs = folder / "inputs"
    shutil.copytree(samples_folder() / COHORT, inputs / COHORT)
    for suffix in (".fa", ".gff3"):
        shutil.copy(samples_folder() / f"{GENOME}{suffix}", inputs)
    config = replace(demo_config(Path("inputs"), seed=0), sae=SAE)
    config.check()
    write_config(config, folder / CONFIG)
    return Study.open(folder)


def pack(study: Study, archive: Path) -> int:
    """Write a finished study to an archive; gives its size in bytes.

    Times, owners and the names of hosts are taken out, so that the bytes depend on the study alone; the
    ledger names the files alone that are in the archive.
    """
    with tempfile.TemporaryDirectory() as name:
        copy = Path(name) / study.folder.name
        copy.mkdir()
        kept = (path for pattern in KEPT for path in study.folder.glob(pattern))
        for source in (*(study.folder / part for part in PARTS), *kept):
            target = copy / source.relative_to(study.folder)
            target.parent.mkdir(exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, target)
            elif source.exists():
                shutil.copy(source, target)
        (copy / "sae" / "training.safetensors").unlink(missing_ok=True)
        for other_seed in (copy / "sae").glob("seed-*"):
            shutil.rmtree(other_seed)
        _shorten(copy)
        with (
            lzma.open(archive, "wb", filters=FILTERS) as packed,
            tarfile.open(fileobj=packed, mode="w") as tar,
        ):
            tar.add(copy, arcname=".", filter=_plain)
    return archive.stat().st_size


def _shorten(copy: Path) -> None:
    """Have the ledger tell of no host, and of no file that is not there."""

    def shorter(text: str | bytes) -> str:
        record = json.loads(text) | {"host": ""}
        if outputs := record.get("outputs"):
            packed_too = (name for name in outputs if (copy / name).exists())
            record["outputs"] = {name: outputs[name] for name in packed_too}
        return json.dumps(record)

    for folder in [path for path in (copy / "ledger").rglob("*") if path.is_dir()]:
        records = ShardRecords(folder)
        lines = [line_of(1, shard, "done", shorter(text)) for shard, text in records.all("done")]
        if lines:
            records.clear()
            (folder / f"demo{SUFFIX}").write_bytes(b"\n".join(lines) + b"\n")
    for path in (copy / "ledger").rglob("*.json"):
        path.write_text(shorter(path.read_text()))


def _plain(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.mtime = entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    return entry


def main() -> None:
    """Run and pack."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, default=Path("demo-study-shipped"))
    folder = parser.parse_args().work
    study = Study.open(folder) if is_study(folder) else create(folder)
    with showing() as progress:
        study.run(progress=progress)
    feature_map(study), interval_tracks(study)
    size = pack(study, samples_folder() / ARCHIVE)
    print(f"{samples_folder() / ARCHIVE}: {size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
