"""A study made from files that someone hands over: stored under our own names, within limits, then checked.

Names that come with files are kept as text and never used as paths: a file is stored by its kind and number,
as in ``track2.gff3.gz``.
"""

from __future__ import annotations

import gzip
import json
import shutil
import tempfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import BinaryIO, NamedTuple

from workbench.errors import InputError
from workbench.files.atomic import write_atomic
from workbench.files.text import suffix_of
from workbench.study.config import StudyConfig
from workbench.study.study import CONFIG, Study
from workbench.tracks import READERS

# Largest file taken, as it is sent.
MOST_BYTES = 400 << 20
# Largest file taken, unpacked.
MOST_UNPACKED = 2 << 30
_PIECE = 1 << 20
_GZIP = b"\x1f\x8b"
ORIGINAL = "original_names.json"


class Kind(NamedTuple):
    """A kind of input: the stem it is stored under, its suffixes, and what it is, for people."""

    stem: str
    suffixes: tuple[str, ...]
    words: str


KINDS = {
    "genome": Kind("genome", (".fa", ".fasta", ".fna", ".gb", ".gbk", ".gbff", ".embl"), "FASTA or GenBank"),
    "track": Kind("track", tuple(READERS), "GFF3, GTF, BED, GenBank, bigWig or bedGraph"),
    "variants": Kind("variants", (".vcf",), "VCF"),
    "phenotypes": Kind("phenotypes", (".tsv", ".csv", ".txt"), "a table (TSV; CSV where the name ends so)"),
}


class Handed(NamedTuple):
    """A file handed over: its kind, the name it came with (text only), and its bytes."""

    kind: str
    name: str
    stream: BinaryIO


class Checked(NamedTuple):
    """What was found in the inputs: bases by contig, intervals by track, samples, readings to train on.

    A reading is a base read on one strand.
    """

    contigs: dict[str, int]
    tracks: dict[str, int]
    samples: int
    readings: int


def own_name(kind: str, name: str, number: int) -> str:
    """The name that a file is stored under. Raises ``InputError`` for another suffix."""
    given = PurePosixPath(name.replace("\\", "/")).name
    suffix = suffix_of(Path(given))
    known = KINDS[kind]
    if suffix not in known.suffixes:
        raise InputError(
            f"{given}: a {kind} file is {known.words}; expected a name that ends in one of"
            f" {', '.join(known.suffixes)} (or with .gz after it)"
        )
    packed = ".gz" if given.lower().endswith((".gz", ".bgz", ".bgzip")) else ""
    return f"{known.stem}{number if kind == 'track' else ''}{suffix}{packed}"


def store(handed: Handed, path: Path, most: int = MOST_BYTES, unpacked: int = MOST_UNPACKED) -> int:
    """Copy a stream to a file piece by piece; gives the unpacked size in bytes.

    Parameters
    ----------
    handed : Handed
    path : Path
    most, unpacked : int
        Bytes that are taken, as sent and unpacked. A gzip file is unpacked in pieces of 1 MiB to count it,
        so that one that grows without end stops here.

    Raises
    ------
    InputError
        For a file over a limit, an empty one, and a gzip file that is damaged.
    """
    with write_atomic(path) as temporary:
        size = 0
        with temporary.open("wb") as out:
            while piece := handed.stream.read(_PIECE):
                size += len(piece)
                _refuse_large(handed.name, size, most, "")
                out.write(piece)
        if not size:
            raise InputError(f"{handed.name}: the file is empty")
        with temporary.open("rb") as handle:
            packed = handle.read(2) == _GZIP
        return _unpacked_size(handed.name, temporary, unpacked) if packed else size


def _unpacked_size(name: str, path: Path, most: int) -> int:
    size = 0
    try:
        with gzip.open(path) as handle:
            while piece := handle.read(_PIECE):
                size += len(piece)
                _refuse_large(name, size, most, " when unpacked")
    except EOFError:
        raise InputError(f"{name}: the gzip file is cut short; fetch it again") from None
    except (gzip.BadGzipFile, zlib.error) as error:
        raise InputError(f"{name}: damaged gzip file ({error}); compress it again") from None
    return size


def _refuse_large(name: str, size: int, most: int, when: str) -> None:
    if size > most:
        raise InputError(
            f"{name}: more than {most >> 20:,} MiB{when}, the limit for an upload; use `workbench new` with"
            " its path instead"
        )


def take(folder: Path, files: list[Handed], config: StudyConfig) -> tuple[Study, Checked]:
    """Store files in a new study folder, write its ``study.toml``, and check everything that a run will read.

    Parameters
    ----------
    folder : Path
        Must not exist.
    files : list of Handed
        One genome, any number of tracks, at most one file of variants and of phenotypes. A genome with its
        annotation in one file (GenBank, EMBL) is its own track where no other is given.
    config : StudyConfig
        Settings; its inputs are filled in here.

    Raises
    ------
    InputError
        As the command line says it, file names as they were given. Nothing is left behind.
    """
    kinds = [f.kind for f in files]
    if kinds.count("genome") != 1:
        raise InputError("no genome; choose one FASTA or GenBank file")
    try:
        folder.mkdir(parents=True)
    except FileExistsError:
        raise InputError(f"{folder.name}: there is a study of this name; choose another") from None
    names: dict[str, str] = {}
    try:
        inputs = folder / "inputs"
        inputs.mkdir()
        _store_all(files, inputs, names)
        (inputs / ORIGINAL).write_text(json.dumps(names, indent=1))
        study = Study.create(folder, _filled(config, inputs, names))
        return study, check(study)
    except BaseException as error:
        shutil.rmtree(folder)
        if isinstance(error, InputError):
            raise InputError(_with_names(str(error), folder / "inputs", names)) from None
        raise


def _store_all(files: list[Handed], inputs: Path, names: dict[str, str]) -> None:
    """Store files under their own names, noted in ``names`` with those that they came with."""
    for number, handed in enumerate(files):
        own = own_name(handed.kind, handed.name, number)
        names[own] = handed.name
        store(handed, inputs / own)


def proposed_names(files: list[Handed], config: StudyConfig) -> dict[str, str]:
    """Contig names that the genome does not have, with the genome's for each, as ``--rename auto`` has them.

    Nothing where one of them is not clear, or something else is wrong. The files can be read again then.
    """
    from workbench.setup.names import found_names  # PyTorch

    names: dict[str, str] = {}
    try:
        with tempfile.TemporaryDirectory() as folder:
            _store_all(files, Path(folder), names)
            return found_names(_filled(config, Path(folder), names))
    except InputError:
        return {}
    finally:
        for handed in files:
            handed.stream.seek(0)


@contextmanager
def trial(files: list[Handed], config: StudyConfig) -> Iterator[tuple[Study, Checked]]:
    """What `take` gives, in a folder that is gone afterwards; the files can be read again then."""
    with tempfile.TemporaryDirectory() as name:
        try:
            yield take(Path(name) / "study", files, config)
        finally:
            for handed in files:
                handed.stream.seek(0)


def inspect(files: list[Handed], config: StudyConfig) -> Checked:
    """What `take` would find in files, or its ``InputError``."""
    with trial(files, config) as (_, found):
        return found


def _with_names(text: str, inputs: Path, names: dict[str, str]) -> str:
    for own, name in names.items():
        text = text.replace(str(inputs / own), name)
    return text.replace(f"{inputs.parent}/", "").replace(f"{inputs.parent}: ", "")


def _of(names: dict[str, str], kind: str) -> list[str]:
    return [own for own in names if own.startswith(KINDS[kind].stem)]


def check(study: Study) -> Checked:
    """Read all inputs of a study that has not run yet; ``InputError`` for what a run would refuse."""
    # Imported here: the app asks this module for names long before anything is checked.
    from workbench.analysis.training_setup import refuse_short, training_readings
    from workbench.cohort.vcf import VariantFile
    from workbench.study.planning import planned_split, refuse_no_annotation

    genome, given = study.genome, study.config.cohort
    tracks = study.tracks
    refuse_no_annotation(study, tracks)
    split = planned_split(study, genome, study.grid)
    cells = split.cells(study.grid, dict(genome.lengths), "train")
    refuse_short(study, cells)
    samples = 0
    if given.variants:
        VariantFile(study.resolve(given.variants), contigs=genome.lengths, rename=study.config.input.rename)
        samples = len(study.cohort.samples)
    counts = {track.name: len(track.intervals) for track in tracks}
    return Checked(dict(genome.lengths), counts, samples, training_readings(cells))


def columns_of(handed: Handed) -> list[str]:
    """Columns of a table of phenotypes besides ``sample``, as its first line has them."""
    line = handed.stream.readline(_PIECE).decode("utf-8", "replace")
    handed.stream.seek(0)
    cut = "," if suffix_of(Path(handed.name)) == ".csv" else "\t"
    names = [name.strip().lstrip("#") for name in line.rstrip("\r\n").split(cut)]
    return [name for name in dict.fromkeys(names) if name and name != "sample"]


def _filled(config: StudyConfig, inputs: Path, names: dict[str, str]) -> StudyConfig:
    path: Callable[[str], str] = lambda kind: next(  # noqa: E731
        (str(inputs / own) for own in _of(names, kind)), ""
    )
    genome = path("genome")
    tracks = [str(inputs / own) for own in _of(names, "track")]
    if not tracks and suffix_of(Path(genome)) in READERS:
        tracks = [genome]
    given = replace(config.input, genome=genome, tracks=tracks)
    cohort = replace(config.cohort, variants=path("variants"), phenotypes=path("phenotypes"))
    filled = replace(config, input=given, cohort=cohort)
    filled.check()
    return filled


def is_study(folder: Path) -> bool:
    """Whether a folder holds a study."""
    return (folder / CONFIG).is_file()
