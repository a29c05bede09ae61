"""The main job on *E. coli* MG1655, both strands: time, throughput, memory and disk of each stage.

``python benchmarks/ecoli.py [--quick] [--json] [--bases N] [--tokens N] [--seeds N] [--out DIR]``.
Annotation: the RefSeq GFF3, and the promoters (40 bases around +1) and terminators of EcoCyc, from ../shared.
``--bases`` cuts the genome to its first N bases, to see that memory does not grow; ``--quick`` is 60 kb with
a small autoencoder.
"""

from __future__ import annotations

import csv
import gzip
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from workbench.engines.survey import survey
from workbench.study.study import CONFIG, Study

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.command_line import DATA, absent, finish, parser, skip  # noqa: E402

SHARED = DATA / "ecoli"
CHROM = "NC_000913.3"
ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT)}
HALF = 20


def prepare(folder: Path, bases: int | None) -> list[Path]:
    """Genome, GFF3 and two BED files, cut to the first ``bases`` bases."""
    with gzip.open(SHARED / "NC_000913.3.fna.gz", "rt") as handle:
        header, *lines = handle.read().split("\n")
    sequence = "".join(lines)[:bases]
    genome = folder / "genome.fa"
    genome.write_text(f"{header}\n{sequence}\n")
    end = len(sequence)
    genes = folder / "genes.gff3"
    with gzip.open(SHARED / "NC_000913.3.gff3.gz", "rt") as source, genes.open("w") as target:
        for line in source:
            fields = line.split("\t")
            if line.startswith("#") or len(fields) != 9 or int(fields[4]) <= end:
                whole = len(fields) == 9 and fields[2] == "region"
                target.write("" if whole and bases else line)
    beds = [folder / "promoter.bed", folder / "terminator.bed"]
    with (SHARED / "ecocyc_promoters_U00096.3.tsv").open() as handle:
        at = [row[1] for row in csv.reader(handle, delimiter="\t")][1:]
        spans = sorted({max(0, int(p) - 1 - HALF) for p in at if p.isdigit() and int(p) < end - HALF})
        beds[0].write_text("".join(f"{CHROM}\t{s}\t{s + 2 * HALF}\n" for s in spans))
    with (SHARED / "ecocyc_terminators_U00096.3.tsv").open() as handle:
        rows = [row for row in csv.reader(handle, delimiter="\t")][1:]
        pairs = sorted({(int(r[1]) - 1, int(r[2])) for r in rows if r[1].isdigit() and r[2].isdigit()})
        beds[1].write_text("".join(f"{CHROM}\t{a}\t{b}\n" for a, b in pairs if a < b <= end))
    return [genome, genes, *beds]


def workbench(*words: str) -> None:
    """Run a command as a user does."""
    subprocess.run([sys.executable, "-P", "-m", "workbench", *words], check=True, env=ENVIRONMENT)


def create(out: Path, bases: int | None, tokens: int, seeds: int = 1) -> None:
    """A study of the first ``bases`` bases, or of the whole chromosome, unless it is there."""
    if (out / CONFIG).exists():
        return
    inputs = out.parent / f"{out.name}-inputs"
    inputs.mkdir(parents=True, exist_ok=True)
    genome, *tracks = prepare(inputs, bases)
    words = ["new", str(out), "--genome", str(genome), "--tokens", str(tokens), "--seeds", str(seeds)]
    for track in tracks:
        words += ["--tracks", str(track)]
    workbench(*words, *([] if bases else ["--circular", CHROM]))


def main() -> None:
    options = parser(__doc__, "60 kb, a small autoencoder")
    options.add_argument("--bases", type=int, help="only the first N bases")
    options.add_argument("--tokens", type=int, default=3_000_000, help="bases the SAE is trained on")
    options.add_argument("--seeds", type=int, default=1, help="autoencoders, for passports")
    options.add_argument("--until", help="stop after this stage")
    options.add_argument("--out", type=Path, help="keep the study here")
    args = options.parse_args()
    if gone := absent("ecoli"):
        return skip(args, gone)
    bases = 60_000 if args.quick else args.bases
    tokens = 100_000 if args.quick else args.tokens
    with tempfile.TemporaryDirectory() as name:
        out = args.out or Path(name) / "study"
        create(out, bases, tokens, args.seeds)
        until = ["--until", args.until] if args.until else []
        began = time.monotonic()
        workbench("run", str(out), *until)
        seconds = time.monotonic() - began
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        study = Study.open(out)
        length = sum(study.manifest.contigs.values())
        disk = {
            p.name: sum(f.stat().st_size for f in p.rglob("*") if f.is_file()) / 1e6
            for p in study.folder.iterdir()
            if p.is_dir()
        }
        stages = {s.stage: s for s in survey(study) if s.done}
        print(f"{length:,} bases, both strands; {seconds:,.0f} s; peak memory {peak:,.0f} MB")
        for name, stage in stages.items():
            print(f"  {name:10s} {stage.seconds:9.1f} s {stage.rate:12,.0f} bases/s")
        print("  disk (MB): " + ", ".join(f"{k} {v:.1f}" for k, v in sorted(disk.items())))
        finish(
            args,
            {
                "bases": length,
                "seconds": round(seconds, 1),
                "peak_memory_mb": round(peak),
                "disk_mb": {k: round(v, 1) for k, v in disk.items()},
                "stages": {k: round(s.seconds, 1) for k, s in stages.items()},
            },
        )


if __name__ == "__main__":
    main()
