"""Extraction and scoring next to the bare forward pass of the same model, in the same run.

``python benchmarks/extraction.py [--quick] [--json]``. Bare: the model's pass to the tapped layer over
windows already in memory. Whole: the ``encode`` path of a study, both strands, reading the genome, tap, SAE
encode at the demo's width, zoom pyramid and HDF5 writing. Both count window bases a second, so the overlap of
windows is in neither's favour; passes alternate and the medians are compared. Scoring: `score` of the same
stretch as one sequence, next to the pass to the logits, window bases again; and ``workbench score`` of
*E. coli* MG1655 (``shared/data`` beside the checkout; its first 200 kb with ``--quick``): bases of the genome
a second, and the peak memory of the process.
"""

from __future__ import annotations

import gzip
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from feature_mining.feature_map import concatenate, keep_rows
from feature_mining.sae.calibrate import calibrate
from feature_mining.sae.config import SAEConfig
from feature_mining.sae.model import SparseAutoencoder
from genomic_models import DNAModel, load
from genomic_models.scoring import score, windows
from workbench.analysis.readings import STRANDS, read_cells
from workbench.genome.reference import Genome
from workbench.genome.windows import Cell, Grid, read_sequence
from workbench.setup.demo import GENOME, samples_folder
from workbench.study.feature_store import Origin, StrandMap, write_shard

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.command_line import DATA, absent, finish, parser  # noqa: E402

ECOLI = DATA / "ecoli/NC_000913.3.fna.gz"


def random_sae(model: DNAModel, layer: str, sample: np.ndarray, k: int) -> SparseAutoencoder:
    """An SAE of the demo's width with random directions, calibrated to ``k``: timing needs no training."""
    width = model.d_model(layer)
    rows = torch.randn(8 * width, width, generator=torch.Generator().manual_seed(0))
    rows /= rows.norm(dim=1, keepdim=True)
    x = torch.from_numpy(sample)
    tensors = {
        "W_enc": rows.T.contiguous(),
        "b_enc": torch.zeros(len(rows)),
        "W_dec": rows,
        "b_dec": x.mean(0),
        "threshold": torch.zeros(len(rows)),
    }
    config = SAEConfig("random", width, len(rows), k)
    return calibrate(SparseAutoencoder(**tensors, config=config), [x])[0]


def bare(model: DNAModel, layer: str | None, batches: list[list[str]]) -> float:
    """Window bases a second of the pass alone, to a layer or to the logits."""
    began = time.perf_counter()
    for batch in batches:
        model.forward(batch, taps=[layer] if layer else [], until=layer)
    return sum(len(s) for b in batches for s in b) / (time.perf_counter() - began)


def whole(
    model: DNAModel,
    layer: str,
    sae: SparseAutoencoder,
    genome: Genome,
    grid: Grid,
    cells: list[Cell],
    batch: int,
    folder: Path,
) -> float:
    """Window bases a second of the whole path to disk."""
    began = time.perf_counter()
    parts: dict[str, list] = {s: [] for s in STRANDS}
    masks: dict[str, list] = {s: [] for s in STRANDS}
    for reading in read_cells(model, layer, genome, grid, cells, batch):
        features = sae.encode_sparse(np.ascontiguousarray(reading.activations))
        parts[reading.strand].append(keep_rows(features, reading.callable))
        masks[reading.strand].append(reading.callable)
    strands = {s: StrandMap(concatenate(parts[s]), np.concatenate(masks[s])) for s in STRANDS}
    write_shard(folder / "shard.h5", cells[0].chrom, cells[0].start, Origin("", layer, ""), strands)
    return 2 * len(cells) * grid.window / (time.perf_counter() - began)


def scoring(model: DNAModel, sequence: str) -> float:
    """Window bases a second of scoring one long sequence."""
    began = time.perf_counter()
    score(model, [sequence])
    read = sum(w.end - w.start for w in windows(len(sequence), model.context))
    return read / (time.perf_counter() - began)


def chromosome(model: str, folder: Path, most: int | None) -> dict[str, float] | None:
    """``workbench score`` of the first ``most`` bases of *E. coli*: bases a second and peak memory, MiB."""
    if not ECOLI.exists():
        return None
    with gzip.open(ECOLI, "rt") as handle:
        letters = "".join(line.strip() for line in handle if not line.startswith(">"))[:most]
    (folder / "ecoli.fa").write_text(f">NC_000913.3\n{letters}\n")
    command = [sys.executable, "-m", "workbench", "score", str(folder / "ecoli.fa"), "--model", model]
    began = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    seconds = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    return {"bases": len(letters), "bases_per_s": round(len(letters) / seconds), "peak_mb": round(peak)}


def main() -> None:
    options = parser(__doc__, "fewer windows and rounds, 200 kb of *E. coli*")
    options.add_argument("--model", default="mini")
    args = options.parse_args()
    model = load(args.model)
    layer = model.default_layer
    grid, batch, k = Grid(2048, 512), 4, 16
    chrom = "NC_000913.3"
    rounds, count = (3, 16) if args.quick else (7, 48)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        genome = Genome(samples_folder() / f"{GENOME}.fa", cache=folder)
        cells = grid.cells(chrom, genome.lengths[chrom])[1 : count + 1]
        sequences = [read_sequence(genome, grid, c, s).sequence for c in cells for s in STRANDS]
        batches = [sequences[i : i + batch] for i in range(0, len(sequences), batch)]
        sample = np.concatenate(
            [r.activations for r in read_cells(model, layer, genome, grid, cells[:4], batch)]
        )
        sae = random_sae(model, layer, sample, k)
        stretch = genome.fetch(chrom, cells[0].start, cells[-1].end)
        speeds: list[tuple[float, ...]] = []
        for turn in range(rounds + 1):
            pair = (
                bare(model, layer, batches),
                whole(model, layer, sae, genome, grid, cells, batch, folder),
                bare(model, None, batches),
                scoring(model, stretch),
            )
            if turn:  # the first round warms caches and compiles the pyramid kernel
                speeds.append(pair)
        ecoli = chromosome(args.model, folder, 200_000 if args.quick else None)
    fraction = statistics.median(w / b for b, w, _, _ in speeds)
    scored = statistics.median(s / f for _, _, f, s in speeds)
    bare_speed, whole_speed, full_speed, score_speed = (
        statistics.median(column) for column in zip(*speeds, strict=True)
    )
    print(f"model {model.name}, layer {layer}, SAE {sae.config.d_sae} features, k {k}, {count} cells")
    print(f"bare forward   {bare_speed:>10,.0f} window bases/s (median of {rounds})")
    print(f"whole to disk  {whole_speed:>10,.0f} window bases/s")
    print(f"fraction       {fraction:>10.3f} (median of paired ratios)")
    print(f"to the logits  {full_speed:>10,.0f} window bases/s")
    print(f"score          {score_speed:>10,.0f} window bases/s, {scored:.3f} of the pass to the logits")
    if ecoli is not None:
        print(
            f"workbench score of E. coli, {ecoli['bases']:,} bases: {ecoli['bases_per_s']:,} bases/s,"
            f" peak memory {ecoli['peak_mb']:,} MiB"
        )
    finish(
        args,
        {
            "fraction_of_bare_forward": round(fraction, 4),
            "bare_bases_per_s": round(bare_speed),
            "whole_bases_per_s": round(whole_speed),
            "score_fraction_of_bare_forward": round(scored, 4),
            "score_bases_per_s": round(score_speed),
            "ecoli": ecoli or f"skipped: {absent('ecoli')}",
            "rounds": rounds,
            "threads": torch.get_num_threads(),
        },
    )


if __name__ == "__main__":
    main()
