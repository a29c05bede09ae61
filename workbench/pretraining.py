"""Pretraining from sequence files: reading them, showing progress, stopping cleanly."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

from genomic_models.corpus import Corpus, write_corpus
from genomic_models.pretraining import PretrainConfig, Pretrainer
from genomic_models.pretraining import Progress as Step
from genomic_models.striped_hyena.config import StripedHyenaConfig
from workbench.errors import InputError
from workbench.genome import Genome
from workbench.manifest import hash_file
from workbench.progress import Progress

_SOURCES = "sources.txt"


def _records(paths: list[Path]) -> Iterator[tuple[str, str]]:
    for path in paths:
        genome = Genome(path)
        for name, length in genome.lengths.items():
            yield name, genome.fetch(name, 0, length)


def _corpus(paths: list[Path], folder: Path) -> Corpus:
    """The corpus of these files, written once; other files under the same folder are refused."""
    listing = "\n".join(hash_file(p).sha256 for p in paths)
    sources = folder / _SOURCES
    if sources.exists():
        if sources.read_text() != listing:
            raise InputError(f"{folder}: holds the corpus of other files; choose another --out")
        return Corpus(folder)
    corpus = write_corpus(_records(paths), folder)
    sources.write_text(listing)
    return corpus


def train(
    paths: list[Path],
    architecture: StripedHyenaConfig,
    config: PretrainConfig,
    out: Path,
    device: str,
    progress: Progress,
) -> None:
    """Train to the end, or to the first SIGTERM or SIGINT, which saves and exits with status 130."""
    trainer = Pretrainer(architecture, config, _corpus(paths, out / "corpus"), out, device)
    stopped: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda received, frame: stopped.append(received))
    size = config.batch * config.length
    progress.begin("training", (config.steps - trainer.step) * size, "bases")

    def report(step: Step) -> None:
        note = f"{step.bits:.3f} bits"
        if step.heldout_bits is not None:
            note += f", held out {step.heldout_bits:.4f}"
            progress.say(
                f"step {step.step} of {step.steps}: held out {step.heldout_bits:.4f} bits a base"
            )
        progress.advance(size, note)

    trainer.run(report, lambda: bool(stopped))
    progress.end()
    if stopped:
        raise KeyboardInterrupt
