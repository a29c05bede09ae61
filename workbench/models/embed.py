"""Embeddings of the records, or of regions, of a sequence file; goes on where it was stopped."""

from __future__ import annotations

import shutil
from pathlib import Path

from genomic_models import DNAModel, load
from workbench.errors import InputError
from workbench.files.facts import read_facts, write_facts
from workbench.files.hashing import sha256_of
from workbench.genome.reference import Genome
from workbench.genome.windows import Grid
from workbench.interruption import heed
from workbench.models.embedding import Asked, cut_regions, embed_regions, whole_records
from workbench.models.embedding_files import Parts, write_embeddings
from workbench.progress import Progress
from workbench.study.config import WindowConfig
from workbench.tracks import read_regions

ASKED = "embeddings.json"
PARTS = "parts"
# Records that are read alone have at most so many bases: what a batch needs grows with its windows.
_ALONE = 8192


def choose_grid(genome: Genome, model: DNAModel) -> Grid:
    """How a file is cut: records of at most 8,192 bases, and the model's context, are read from end to end.

    Where one is longer, all are read in windows of the settings' default, no longer than the model's context,
    whose first quarter is read and discarded; the last one too for a model that sees both sides of a base.
    """
    longest = max(genome.lengths.values())
    if longest <= min(model.longest, _ALONE):
        return Grid(longest, 0)
    window = min(WindowConfig().window, model.longest)
    warmup = min(WindowConfig().warmup, window // 4)
    return Grid(window, warmup, lookahead=0 if model.causal else warmup)


def embed_file(
    path: Path,
    out: Path,
    model_name: str,
    layers: list[str],
    regions: Path | None,
    pool: str,
    strands: list[str],
    kind: str,
    device: str,
    dtype: str,
    progress: Progress,
    trust_remote_code: bool = False,
    phases: int = 1,
) -> list[Path]:
    """Write embeddings of every record, or of the regions of a BED file, into a folder; returns the files.

    The same call goes on where an earlier one was stopped, and does nothing where its files are whole.

    Parameters
    ----------
    path, out : Path
        FASTA or GenBank file; the folder.
    layers : list of str
        Taps; empty for the model's default layer.
    pool, kind : str
        mean, max, last or none; a key of ``FORMATS``.
    strands : list of str
        Of + and -.
    phases : int
        Readings that are averaged, each begun a base further on than the one before.

    Raises
    ------
    InputError
        For a file that cannot be read, and a folder that holds embeddings of something else.
    """
    genome = Genome(path)
    model = load(model_name, device=device, dtype=dtype, trust_remote_code=trust_remote_code)
    taps = dict.fromkeys(map(model.resolve, layers or [model.default_layer]))
    asked = Asked(tuple(taps), pool, tuple(strands), phases)
    chosen = whole_records(genome.lengths) if regions is None else read_regions(regions, genome)
    if chosen.empty:
        raise InputError(f"{regions}: holds no region")
    grid = choose_grid(genome, model)
    words = {
        "sequence": sha256_of(path),
        "regions": sha256_of(regions) if regions else "whole records",
        "model": model.name,
        "weights": model.weights_hash,
        "dtype": dtype,
        "layers": " ".join(asked.layers),
        "pool": pool,
        "strands": " ".join(strands),
        "window": str(grid.window),
        "warmup": str(grid.warmup),
        "phases": str(phases),
    }
    words["format"] = kind
    if files := _finished(out, words):
        return files
    write_facts(out / ASKED, words)
    cuts = list(cut_regions(chosen, asked, sum(model.d_model(layer) for layer in asked.layers)))
    parts = Parts(out / PARTS, asked)
    left = [index for index in range(len(cuts)) if not parts.has(index)]
    bases = sum(c.end - c.start for i in left for c in grid.cells_of(cuts[i], genome.lengths))
    progress.begin("embedding", bases * len(asked.strands), "bases")
    for index in left:
        heed()
        parts.write(
            index,
            embed_regions(model, genome, grid, cuts[index], asked, WindowConfig().batch, progress.advance),
        )
    progress.end()
    files = write_embeddings(parts, kind, out, words)
    write_facts(out / ASKED, {**words, "files": {path.name: sha256_of(path) for path in files}})
    shutil.rmtree(out / PARTS, ignore_errors=True)
    return files


def _finished(out: Path, words: dict[str, str]) -> list[Path]:
    """Files of a folder that has all that is asked for; ``InputError`` where it holds something else."""
    if not (out / ASKED).exists():
        return []
    held = read_facts(out / ASKED)
    for name, asked in words.items():
        if held.get(name) != asked:
            raise InputError(
                f"{out}: holds embeddings with {name} {held.get(name)!r}, and {asked!r} is asked for: choose"
                " another --out, or remove the folder"
            )
    files = held.get("files")
    noted = files if isinstance(files, dict) else {}
    whole = all((out / name).is_file() and sha256_of(out / name) == noted[name] for name in noted)
    return [out / name for name in noted] if whole else []
