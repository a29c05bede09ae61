"""The demo study that ships ready: packed from a finished study whose paths lie inside it, unpacked anywhere.

Its autoencoder is smaller than that of ``workbench demo`` (fewer features, fewer active a base), so that the
whole study, feature maps included, fits in an archive of a few megabytes.
"""

from __future__ import annotations

import json
import lzma
import shutil
import tarfile
import tempfile
from dataclasses import replace
from pathlib import Path

from workbench.config import SAEConfig, write_config
from workbench.demo import COHORT, GENOME, demo_config, samples_folder
from workbench.errors import InputError
from workbench.study import CONFIG, MANIFEST, Study

ARCHIVE = "demo_study.tar.xz"
PARTS = (
    CONFIG,
    MANIFEST,
    "inputs",
    "ledger",
    "sae",
    "features",
    "burdens",
    "tables",
    "report.html",
)
"""What of a study is packed: nothing that is only needed to run it again."""
FILTERS = [{"id": lzma.FILTER_LZMA2, "preset": 9, "lc": 1, "lp": 2, "pb": 2}]
"""Words of four bytes: most of the archive is float32."""
SAE = SAEConfig(width=512, k=3, tokens=400_000, seeds=2)


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

    Times, owners and the names of hosts are taken out, so that the bytes depend on the study alone.
    """
    with tempfile.TemporaryDirectory() as name:
        copy = Path(name) / study.folder.name
        copy.mkdir()
        for part in PARTS:
            source = study.folder / part
            if source.is_dir():
                shutil.copytree(source, copy / part)
            elif source.exists():
                shutil.copy(source, copy / part)
        (copy / "sae" / "training.safetensors").unlink(missing_ok=True)
        for other_seed in (copy / "sae").glob("seed-*"):
            shutil.rmtree(other_seed)
        for path in (copy / "ledger").rglob("*.json"):
            path.write_text(json.dumps(json.loads(path.read_text()) | {"host": ""}))
        with (
            lzma.open(archive, "wb", filters=FILTERS) as packed,
            tarfile.open(fileobj=packed, mode="w") as tar,
        ):
            tar.add(copy, arcname=".", filter=_plain)
    return archive.stat().st_size


def _plain(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.mtime = entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    return entry


def shipped() -> Path | None:
    """The archive that ships with the project; None where this copy has none."""
    path = samples_folder() / ARCHIVE
    return path if path.exists() else None


def unpack(folder: Path) -> Study:
    """Put the demo study that ships into a new folder, whole or not at all.

    Raises ``InputError`` where this copy of the project has no archive and where the folder holds something.
    """
    archive = shipped()
    if archive is None:
        raise InputError(
            f"{samples_folder() / ARCHIVE}: the ready demo study is missing; run `workbench demo` instead"
        )
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".unpacking-") as name:
        fresh = Path(name) / "study"
        with tarfile.open(archive, "r:xz") as tar:
            tar.extractall(fresh, filter="data")
        try:
            fresh.rename(folder)
        except OSError as error:
            raise InputError(
                f"{folder}: cannot put the demo study here ({error.strerror})"
            ) from None
    return Study.open(folder)
