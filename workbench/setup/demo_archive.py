"""The demo study that ships ready, unpacked anywhere: paths inside it are its own.

Its autoencoder is smaller than that of ``workbench demo`` (fewer features, fewer active a base), so that the
whole study, feature maps included, fits in an archive of a few megabytes.
"""

from __future__ import annotations

import tarfile
import tempfile
from pathlib import Path

from workbench.errors import InputError
from workbench.setup.demo import samples_folder
from workbench.study.study import Study

ARCHIVE = "demo_study.tar.xz"


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
        fresh.touch()  # the archive holds no times
        try:
            fresh.rename(folder)
        except OSError as error:
            raise InputError(f"{folder}: cannot put the demo study here ({error.strerror})") from None
    return Study.open(folder)
