"""A study made from files that someone hands over: stored under our own names, within limits, then checked.

Names that come with files are kept as text and never used as paths: a file is stored by its kind and number,
as in ``track2.gff3.gz``.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import BinaryIO, NamedTuple

from workbench.atomic import write_atomic
from workbench.config import StudyConfig
from workbench.errors import InputError
from workbench.study import CONFIG, Study
from workbench.text import suffix_of
from workbench.tracks import READERS

MOST_BYTES = 400 << 20
"""Largest file taken, as it is sent."""
MOST_UNPACKED = 2 << 30
"""Largest file taken, unpacked."""
_PIECE = 1 << 20
_GZIP = b"\x1f\x8b"
ORIGINAL = "original_names.json"


class Kind(NamedTuple):
    """A kind of input: the stem it is stored under, its suffixes, and what it is, for people."""

    stem: str
    suffixes: tuple[str, ...]
    words: str


KINDS = {
    "genome": Kind(
        "genome", (".fa", ".fasta", ".fna", ".gb", ".gbk", ".gbff", ".embl"), "FASTA or GenBank"
    ),
    "track": Kind("track", tuple(READERS), "GFF3, GTF, BED, GenBank, bigWig or bedGraph"),
    "variants": Kind("variants", (".vcf",), "VCF"),
    "phenotypes": Kind(
        "phenotypes", (".tsv", ".csv", ".txt"), "a table (TSV; CSV where the name ends so)"
    ),
}


class Handed(NamedTuple):
    """A file handed over: its kind, the name it came with (text only), and its bytes."""

    kind: str
    name: str
    stream: BinaryIO


class Checked(NamedTuple):
    """What was found in the inputs: bases by contig, and intervals by track."""

    contigs: dict[str, int]
    tracks: dict[str, int]
    samples: int


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
    count = _Unpacked(handed.name, unpacked)
    size = 0
    with write_atomic(path) as temporary, temporary.open("wb") as out:
        while piece := handed.stream.read(_PIECE):
            size += len(piece)
            if size > most:
                raise InputError(
                    f"{handed.name}: larger than {most >> 20:,} MiB, the limit for an upload; use `workbench"
                    " new` with its path instead"
                )
            count.add(piece)
            out.write(piece)
        count.end()
        if not size:
            raise InputError(f"{handed.name}: the file is empty")
    return count.size


class _Unpacked:
    """Size of what a stream holds, counted while it passes; refuses more than ``most`` bytes."""

    def __init__(self, name: str, most: int) -> None:
        self.name, self.most, self.size = name, most, 0
        self.packed: bool | None = None
        self.within = False
        self.inflate = zlib.decompressobj(31)

    def add(self, piece: bytes) -> None:
        if self.packed is None:
            self.packed = piece[:2] == _GZIP
        if not self.packed:
            self._count(len(piece))
            return
        try:
            more = True
            while piece or more:
                out = self.inflate.decompress(piece, _PIECE)
                self._count(len(out))
                # Output may wait in the decoder after all input is taken.
                more = len(out) == _PIECE
                piece = self.inflate.unconsumed_tail
                self.within = not self.inflate.eof
                if self.inflate.eof:
                    piece, more = self.inflate.unused_data.lstrip(b"\0"), False
                    self.inflate = zlib.decompressobj(31)
        except zlib.error as error:
            raise InputError(
                f"{self.name}: damaged gzip file ({error}); compress it again"
            ) from None

    def end(self) -> None:
        """A gzip member that has begun must have ended."""
        if self.packed and self.within:
            raise InputError(f"{self.name}: the gzip file is cut short; fetch it again")

    def _count(self, more: int) -> None:
        self.size += more
        if self.size > self.most:
            raise InputError(
                f"{self.name}: more than {self.most >> 20:,} MiB when unpacked, the limit for an upload; use"
                " `workbench new` with its path instead"
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
        for number, handed in enumerate(files):
            own = own_name(handed.kind, handed.name, number)
            names[own] = handed.name
            store(handed, inputs / own)
        (inputs / ORIGINAL).write_text(json.dumps(names, indent=1))
        study = Study.create(folder, _filled(config, inputs, names))
        return study, check(study)
    except BaseException as error:
        shutil.rmtree(folder)
        if isinstance(error, InputError):
            raise InputError(_with_names(str(error), folder / "inputs", names)) from None
        raise


def inspect(files: list[Handed], config: StudyConfig) -> Checked:
    """What `take` would find in files, or its ``InputError``; they can be read again afterwards."""
    with tempfile.TemporaryDirectory() as name:
        try:
            return take(Path(name) / "study", files, config)[1]
        finally:
            for handed in files:
                handed.stream.seek(0)


def _with_names(text: str, inputs: Path, names: dict[str, str]) -> str:
    for own, name in names.items():
        text = text.replace(str(inputs / own), name)
    return text.replace(f"{inputs.parent}/", "").replace(f"{inputs.parent}: ", "")


def _of(names: dict[str, str], kind: str) -> list[str]:
    return [own for own in names if own.startswith(KINDS[kind].stem)]


def check(study: Study) -> Checked:
    """Read all inputs of a study that has not run yet; ``InputError`` for what a run would refuse."""
    # Imported here: the app asks this module for names long before anything is checked.
    from workbench.cohort.vcf import VariantFile
    from workbench.stages.plan import planned_split, read_study_tracks, refuse_no_annotation
    from workbench.stages.sae import refuse_short

    genome, given = study.genome, study.config.cohort
    tracks = read_study_tracks(study)
    refuse_no_annotation(study, tracks)
    split = planned_split(study, genome)
    refuse_short(study, split.cells(study.grid, dict(genome.lengths), "train"))
    samples = 0
    if given.variants:
        VariantFile(study.resolve(given.variants), contigs=genome.lengths)
        samples = len(study.cohort.samples)
    return Checked(dict(genome.lengths), {t.name: len(t.intervals) for t in tracks}, samples)


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
