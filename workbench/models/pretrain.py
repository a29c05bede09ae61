"""Pretraining from sequence files: reading them, showing progress, stopping cleanly."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from genomic_models.corpus import Corpus, write_corpus
from genomic_models.files import remove_leftovers
from genomic_models.pretraining import PretrainConfig, Pretrainer
from genomic_models.pretraining import Progress as Step
from genomic_models.striped_hyena.config import StripedHyenaConfig
from workbench.errors import InputError
from workbench.files.atomic import write_atomic
from workbench.genome.reference import Genome
from workbench.interruption import listening, requested, stopped
from workbench.progress import Progress
from workbench.study.manifest import hash_file

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
    with write_atomic(sources) as temporary:
        temporary.write_text(listing)
    return corpus


def train(
    paths: list[Path],
    architecture: StripedHyenaConfig,
    config: PretrainConfig,
    out: Path,
    device: str,
    progress: Progress,
) -> None:
    """Train to the end; a request to stop saves the state and raises ``Stopped``."""
    remove_leftovers(out)
    trainer = Pretrainer(architecture, config, _corpus(paths, out / "corpus"), out, device)
    size = config.batch * config.length
    progress.begin("training", (config.steps - trainer.step) * size, "bases")

    def report(step: Step) -> None:
        note = f"{step.bits:.3f} bits"
        if step.heldout_bits is not None:
            note += f", held out {step.heldout_bits:.4f}"
            progress.say(f"step {step.step} of {step.steps}: held out {step.heldout_bits:.4f} bits a base")
        progress.advance(size, note)

    with listening():
        trainer.run(report, requested)
        if trainer.step < config.steps:
            raise stopped()
    progress.end()
