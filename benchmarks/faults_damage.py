"""One byte of each file of a finished study turned round, and whether that is noticed.

By a run and by what exports and pages ask first (sizes and times, then hashes), and by ``workbench verify``
where the file's time was put back. What is kept to be quick (the cache) must read as it did.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np

from tests.workbench.small_study import small_config
from workbench import InputError, Study
from workbench.browse.track_cache import interval_tracks
from workbench.engines.shards import fingerprint
from workbench.engines.survey import survey
from workbench.genome.reference import Genome
from workbench.stages.registry import STAGES
from workbench.study.config import CohortConfig, PhenotypeConfig
from workbench.study.damage import find_damage, refuse_damage

UNWATCHED = ("study.toml", "run.lock", "logs")
"""What its user writes, who runs it, and what was told."""
SAMPLES = 24


def finished(folder: Path, samples: Path, model: Path) -> Study:
    """A small study with annotation and samples, run to its end and looked at."""
    config = small_config(samples, model)
    genome = Genome(samples / "yersinia_pPCP1.fa", cache=folder / "genome")
    regions = _write_cohort(folder, genome)
    cohort = CohortConfig(
        variants=str(folder / "samples.vcf"),
        phenotypes=str(folder / "samples.tsv"),
        phenotype=["mic"],
        groups=["lineage"],
        regions=str(regions),
    )
    few = PhenotypeConfig(permutations=19, fewest=2)
    study = Study.create(folder / "study", replace(config, cohort=cohort, phenotype=few))
    study.run()
    interval_tracks(study)
    return study


def _write_cohort(folder: Path, genome: Genome) -> Path:
    """Variants and a trait that the first of them drives; a file of two regions."""
    random = np.random.default_rng(0)
    (chrom,) = genome.lengths
    names = [f"s{i}" for i in range(SAMPLES)]
    head = "#CHROM POS ID REF ALT QUAL FILTER INFO FORMAT".replace(" ", "\t")
    lines = ["##fileformat=VCFv4.2", "##simulated=invented", "\t".join([head, *names])]
    carried = random.integers(0, 2, (8, SAMPLES))
    for number, calls in enumerate(carried):
        at = 1000 + 300 * number
        base = genome.fetch(chrom, at, at + 1)
        columns = (chrom, at + 1, ".", base, "ACGT"["ACGT".index(base) - 1], ".", ".", ".", "GT")
        lines.append("\t".join(map(str, (*columns, *calls))))
    (folder / "samples.vcf").write_text("\n".join(lines) + "\n")
    trait = carried[0] + random.normal(0, 0.2, SAMPLES)
    rows = [f"{n}\t{t:.3f}\tL{i % 3}" for i, (n, t) in enumerate(zip(names, trait, strict=True))]
    (folder / "samples.tsv").write_text("\n".join(["sample\tmic\tlineage", *rows]) + "\n")
    (folder / "regions.bed").write_text(f"{chrom}\t900\t2200\ta\n{chrom}\t2300\t3300\tb\n")
    return folder / "regions.bed"


def kind_of(path: Path) -> str:
    """Folder and suffix, as in ``features/*.h5``."""
    return f"{path.parts[0]}/*{path.suffix}" if len(path.parts) > 1 else path.name


def undetected(study: Study, places: int) -> dict[str, list[str]]:
    """By kind of file, those of which damage at any of so many places goes unnoticed."""
    folder, letters = study.folder, _letters(study)
    found: dict[str, list[str]] = {}
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        name = path.relative_to(folder)
        if name.parts[0] in UNWATCHED:
            continue
        noticed = CHECKS.get(name.parts[0], _is_watched)
        unnoticed = found.setdefault(kind_of(name), [])
        for place in range(places):
            at = (place + 0.5) / places
            with _turned(path, at):
                if not noticed(Study.open(folder), str(name), letters):
                    unnoticed.append(f"{name} at {at:.0%}")
    return found


@contextmanager
def _turned(path: Path, at: float) -> Iterator[None]:
    """All bits of a byte turned round a while after it was written, and everything as it was afterwards."""
    whole, stat = path.read_bytes(), path.stat()
    data = bytearray(whole)
    data[int(at * (len(data) - 1))] ^= 0xFF
    path.write_bytes(data)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns + 10**9))
    try:
        yield
    finally:
        path.write_bytes(whole)
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def _damaged(study: Study, thorough: bool) -> list[str]:
    """Files that a run, or ``workbench verify``, takes for damaged."""
    return [
        found.cause.split(" ")[0]
        for stage in STAGES.values()
        for found in find_damage(study, stage.name, fingerprint(study, stage), thorough)
    ]


def _is_watched(study: Study, name: str, letters: object) -> bool:
    """By a run, by what exports and pages ask first, and by `verify` where the time does not betray it."""
    try:
        refuse_damage(study)
        return False
    except InputError:
        by_run = _damaged(study, thorough=False)
    stat = (study.folder / name).stat()
    os.utime(study.folder / name, ns=(stat.st_atime_ns, stat.st_mtime_ns - 10**9))
    return by_run == _damaged(study, thorough=True) == [name]


def _is_refused(study: Study, name: str, letters: object) -> bool:
    """The manifest is not read, or not taken for that of these files."""
    try:
        study.verify()
        return not _damaged(study, thorough=False) and _is_done(study)
    except InputError:
        return True


def _is_done(study: Study) -> bool:
    """Whether every stage is still finished: of other facts they would all be made again."""
    wanted = [stage for stage in STAGES.values() if stage.wanted(study)]
    return all(study.ledger.done(s.name, None, fingerprint(study, s)) for s in wanted)


def _is_no_record(study: Study, name: str, letters: object) -> bool:
    """A damaged record is none, or says the same of the files: either way nothing wrong is read."""
    survey(study)
    _damaged(study, thorough=False)
    return True


def _is_made_anew(study: Study, name: str, letters: object) -> bool:
    """What is kept to be quick reads as it did."""
    return _letters(study) == letters


def _letters(study: Study) -> object:
    genome = study.genome
    letters = {chrom: genome.fetch(chrom, 0, length) for chrom, length in genome.lengths.items()}
    return letters, [track.intervals.to_csv() for track in interval_tracks(study)]


CHECKS = {"manifest.json": _is_refused, "ledger": _is_no_record, "cache": _is_made_anew}
