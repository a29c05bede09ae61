"""What every writer is given, and where its output came from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from genomic_models.files import remove_leftovers
from workbench.errors import InputError
from workbench.files.atomic import write_atomic
from workbench.genome.interval import Interval
from workbench.progress import Progress
from workbench.scans.source import FileSource
from workbench.study.manifest import hash_file, versions
from workbench.study.study import Study

STRANDS = {"both": "+-", "+": "+", "-": "-"}


class Job(NamedTuple):
    """An export that was asked for.

    Attributes
    ----------
    study : Study
    what, format : str
        Keys of the registry.
    out : Path
        A file, or a folder for formats with one file a feature.
    features : list of int or None
        Feature numbers asked for; None where the user named none.
    strand : str
        ``both``, ``+`` or ``-``.
    progress : Progress
    region : Interval or None
        Stretch that activations are written of; None: the whole genome.
    spreadsheet_safe : bool
        Whether text of a TSV that a spreadsheet would take for a formula gets an apostrophe before it.
    source : FileSource or None
        Sequence that is read anew in place of the study's genome.
    """

    study: Study
    what: str
    format: str
    out: Path
    features: list[int] | None
    strand: str
    progress: Progress
    region: Interval | None = None
    spreadsheet_safe: bool = False
    source: FileSource | None = None

    @property
    def contigs(self) -> Mapping[str, int]:
        """Lengths of what is written along, by name."""
        return self.source.genome.lengths if self.source else self.study.manifest.contigs

    def cell(self, text: str) -> str:
        """Text of a cell of a TSV; an apostrophe before a formula, where that was asked for."""
        return f"'{text}" if self.spreadsheet_safe and _is_formula(text) else text


def provenance(job: Job) -> dict[str, str]:
    """Model, weights, layer, autoencoder and manifest that the exported numbers depend on.

    Candidates of a ready matrix depend on no model: the matrix stands in its place.
    """
    study, manifest = job.study, job.study.manifest
    region = {"region": str(job.region)} if job.region else {}
    read = {"genome": str(manifest.inputs["genome"].sha256)}
    if job.source:
        read = {"sequence": hash_file(job.source.path).sha256}
    if job.what == "biomarkers" and study.config.cohort.matrix:
        origin = study.burdens_origin
    else:
        origin = {
            "model": manifest.model.shown_name,
            "weights": str(manifest.model.weights_hash),
            "layer": study.layer,
            "sae": study.sae_hash,
        }
    if job.what == "biomarkers" and (simulated := study.facts("cohort")["simulated"]):
        origin["cohort"] = f"SIMULATED: {simulated}"
    return {
        **origin,
        "manifest": manifest.hash,
        **read,
        "what": job.what,
        "strand": job.strand,
        **region,
        "version": versions()["genomics-workbench"],
    }


def check_strands(strand: str) -> None:
    """Raise ``InputError`` for what is none of ``STRANDS``."""
    if strand not in STRANDS:
        raise InputError(f"strand {strand!r}: expected one of {', '.join(STRANDS)}")


def comment(job: Job) -> str:
    """Provenance as one comment line, for text formats that have comments."""
    pairs = (f"{k}={_one_word(v)}" for k, v in provenance(job).items())
    return f"# {' '.join(pairs)}\n"


def write_sidecar(job: Job) -> Path:
    """Write ``OUT.provenance.json``, for formats without comments."""
    path = job.out.with_name(f"{job.out.name}.provenance.json")
    remove_leftovers(path.parent, path.name)
    with write_atomic(path) as temporary:
        temporary.write_text(json.dumps(provenance(job), indent=1) + "\n")
    return path


def prepare_file(out: Path) -> None:
    """Make the folder of an output file, and remove what a killed command left of it there.

    Raises ``InputError`` where ``out`` is a folder.
    """
    if out.is_dir():
        raise InputError(f"{out}: is a folder; expected the name of a file to write")
    _make(out.parent)
    for suffix in ("", ".schema.json", ".tbi"):
        remove_leftovers(out.parent, out.name + suffix)


def prepare_folder(out: Path) -> None:
    """Make an output folder, and remove what a killed command left in it.

    Raises ``InputError`` where a file stands in its place.
    """
    _make(out)
    remove_leftovers(out, deep=False)


def _make(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise InputError(f"{out}: is a file; expected the name of a folder to write to") from None


def _is_formula(text: str) -> bool:
    """Whether a spreadsheet would take a cell for a formula."""
    try:
        float(text)
    except ValueError:
        return text.startswith(("=", "+", "-", "@"))
    return False


def _one_word(text: str) -> str:
    return "_".join(text.split())
