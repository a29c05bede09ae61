"""A genome and its annotation by accession, or by species, from NCBI and Ensembl, kept with their checksums.

Sequences (NC_000913.3, U00096.3) come as GenBank records from NCBI's E-utilities; assemblies
(GCF_000005845.2) as the package of NCBI Datasets, with FASTA, GFF3 and MD5 sums; species
(saccharomyces_cerevisiae) as Ensembl's top-level sequence and GFF3, with the sums of its CHECKSUMS files.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import re
import shutil
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

import numba
import numpy as np

from workbench.errors import InputError
from workbench.files.atomic import write_atomic
from workbench.files.download import download_shown
from workbench.files.facts import read_facts, write_facts
from workbench.files.hashing import sha256_of
from workbench.files.text import read_lines
from workbench.genome.reference import Genome, default_cache
from workbench.progress import Progress
from workbench.tracks import annotates

FACTS = "fetched.json"
# Of a record; of one that RefSeq took over; of a contig of a draft genome.
_SEQUENCE = re.compile(
    r"([A-Z]{1,2}_?\d{5,9}|[A-Z]{2}_[A-Z]{2}\d{6,9}|([A-Z]{2}_)?[A-Z]{4,6}\d{8,12})(\.\d+)?"
)
_ASSEMBLY = re.compile(r"GC[AF]_\d{9}(\.\d+)?")
_SPECIES = re.compile(r"[a-z]+(_[a-z0-9]+)+")
FORMS = "NC_000913.3 (a sequence), GCF_000005845.2 (an assembly) or homo_sapiens (a species of Ensembl)"


class Servers(NamedTuple):
    """Where things are asked for; mirrors are named by environment variables."""

    eutils: str
    datasets: str
    ensembl: str


def servers() -> Servers:
    """NCBI and Ensembl, or what WORKBENCH_EUTILS, WORKBENCH_DATASETS and WORKBENCH_ENSEMBL name instead."""
    known = {
        "eutils": "https://eutils.ncbi.nlm.nih.gov/entrez/eutils",
        "datasets": "https://api.ncbi.nlm.nih.gov/datasets/v2",
        "ensembl": "https://ftp.ensembl.org/pub",
    }
    return Servers(**{name: os.environ.get(f"WORKBENCH_{name.upper()}", url) for name, url in known.items()})


class Fetched(NamedTuple):
    """Files that came: the sequence, and the annotation, which may be the same file, or None."""

    genome: Path
    tracks: Path | None


def fetch(accession: str, out: Path | None, progress: Progress) -> Fetched:
    """Fetch a genome and its annotation into a folder, by default one of the cache, or find them there.

    Raises ``InputError`` for what is no accession, a server that cannot be reached or has it not, and files
    whose checksums differ.
    """
    take = next((way for form, way in _WAYS if form.fullmatch(accession)), None)
    if take is None:
        raise InputError(f"{accession!r}: expected {FORMS}")
    folder = out or default_cache() / "fetched" / accession
    if found := _held(folder, accession):
        return found
    folder.mkdir(parents=True, exist_ok=True)
    files = take(accession, folder, servers(), progress)
    Genome(files.genome)  # refuses what is no sequence, as an answer in words would be
    names = {path.name for path in (files.genome, files.tracks) if path is not None}
    write_facts(
        folder / FACTS,
        {
            "accession": accession,
            "genome": files.genome.name,
            "tracks": files.tracks.name if files.tracks else "",
            "files": {name: sha256_of(folder / name) for name in sorted(names)},
        },
    )
    return files


def _held(folder: Path, accession: str) -> Fetched | None:
    """What a folder holds of an accession, if it is whole."""
    if not (folder / FACTS).exists():
        return None
    held = read_facts(folder / FACTS)
    if held.get("accession") != accession:
        raise InputError(f"{folder}: holds {held.get('accession')}; choose another --out")
    noted = held.get("files")
    if not isinstance(noted, Mapping) or not isinstance(held.get("genome"), str):
        return None
    if any(not (folder / n).is_file() or sha256_of(folder / n) != digest for n, digest in noted.items()):
        return None
    tracks = held.get("tracks")
    return Fetched(folder / held["genome"], folder / tracks if tracks else None)


def _sequence(accession: str, folder: Path, at: Servers, progress: Progress) -> Fetched:
    path = folder / f"{accession}.gbk"
    query = f"db=nuccore&id={quote(accession)}&rettype=gbwithparts&retmode=text"
    download_shown(f"{at.eutils}/efetch.fcgi?{query}", path, f"fetching {accession}", progress)
    first = next((line for _, line in read_lines(path)), "")
    if not first.startswith("LOCUS"):
        path.unlink()
        raise InputError(f"{accession}: the server answers {first[:120]!r}; expected a GenBank record")
    return Fetched(path, path if annotates(path) else None)


def _assembly(accession: str, folder: Path, at: Servers, progress: Progress) -> Fetched:
    package = folder / f"{accession}.zip"
    query = "include_annotation_type=GENOME_FASTA&include_annotation_type=GENOME_GFF"
    url = f"{at.datasets}/genome/accession/{quote(accession)}/download?{query}"
    download_shown(url, package, f"fetching {accession}", progress)
    try:
        with zipfile.ZipFile(package) as held:
            sums = _md5_sums(held)
            names = {suffix: _member(held, suffix) for suffix in (".fna", ".gff")}
            if names[".fna"] is None:
                raise InputError(f"{accession}: the package holds no sequence; is the accession right?")
            paths = {
                suffix: _unpack(held, name, folder / f"{accession}{suffix}", sums)
                for suffix, name in names.items()
                if name is not None
            }
    except zipfile.BadZipFile as error:
        package.unlink()
        raise InputError(f"{accession}: what the server sent is no package ({error})") from None
    package.unlink()
    return Fetched(paths[".fna"], paths.get(".gff"))


def _member(held: zipfile.ZipFile, suffix: str) -> str | None:
    return next((name for name in held.namelist() if name.endswith(suffix) and "/data/GC" in name), None)


def _md5_sums(held: zipfile.ZipFile) -> dict[str, str]:
    try:
        text = held.read("md5sum.txt").decode("utf-8", "replace")
    except KeyError:
        return {}
    pairs = (line.split(maxsplit=1) for line in text.splitlines() if line.strip())
    return {name.strip(): digest for digest, name in pairs}


def _unpack(held: zipfile.ZipFile, name: str, path: Path, sums: Mapping[str, str]) -> Path:
    digest = hashlib.md5(usedforsecurity=False)
    with write_atomic(path) as temporary, held.open(name) as source, temporary.open("wb") as target:
        while piece := source.read(1 << 20):
            digest.update(piece)
            target.write(piece)
        if name in sums and digest.hexdigest() != sums[name]:
            raise InputError(
                f"{name}: MD5 is {digest.hexdigest()}, the package says {sums[name]}; fetch it again"
            )
    return path


def _species(species: str, folder: Path, at: Servers, progress: Progress) -> Fetched:
    wanted = {
        "dna": (f"{at.ensembl}/current_fasta/{species}/dna", r"\.dna\.toplevel\.fa\.gz"),
        "gff3": (f"{at.ensembl}/current_gff3/{species}", r"\.\d+\.gff3\.gz"),
    }
    paths = {}
    for kind, (place, ending) in wanted.items():
        listing = folder / f"CHECKSUMS.{kind}"
        download_shown(f"{place}/CHECKSUMS", listing, "asking what there is", progress)
        sums = _bsd_sums(listing)
        name = next((name for name in sums if re.search(ending + "$", name)), None)
        if name is None:
            raise InputError(f"{species}: {place} lists no file that ends in {ending}")
        path = folder / name
        download_shown(f"{place}/{name}", path, f"fetching {name}", progress)
        if (found := bsd_sum(path)) != sums[name]:
            path.unlink()
            raise InputError(f"{name}: checksum is {found}, Ensembl says {sums[name]}; fetch it again")
        _refuse_no_gzip(path)
        paths[kind] = path
        listing.unlink()
    return Fetched(paths["dna"], paths["gff3"])


def _bsd_sums(listing: Path) -> dict[str, int]:
    """Checksums by name of a file of lines ``checksum blocks name``."""
    rows = (line.split() for _, line in read_lines(listing))
    return {row[2]: int(row[0]) for row in rows if len(row) == 3 and row[0].isdigit() and "/" not in row[2]}


def bsd_sum(path: Path) -> int:
    """The 16-bit checksum of ``sum``, which Ensembl's CHECKSUMS files hold."""
    total = 0
    with path.open("rb") as handle:
        while piece := handle.read(1 << 20):
            total = int(_summed(np.frombuffer(piece, np.uint8), total))
    return total


@numba.njit(cache=True, nogil=True)
def _summed(values, total):
    for value in values:
        total = (((total >> 1) | ((total & 1) << 15)) + value) & 0xFFFF
    return total


def _refuse_no_gzip(path: Path) -> None:
    try:
        with gzip.open(path, "rb") as handle, open(os.devnull, "wb") as nowhere:
            shutil.copyfileobj(handle, nowhere, 1 << 20)
    except (OSError, EOFError) as error:
        raise InputError(f"{path}: no whole gzip file ({error}); fetch it again") from None


_WAYS: tuple[tuple[re.Pattern[str], Callable[[str, Path, Servers, Progress], Fetched]], ...] = (
    (_ASSEMBLY, _assembly),
    (_SEQUENCE, _sequence),
    (_SPECIES, _species),
)
