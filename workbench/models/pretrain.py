"""Pretraining from sequence files: reading them, showing progress, stopping cleanly."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from genomic_models.corpus import Corpus, write_corpus
from genomic_models.files import remove_leftovers
from genomic_models.pretraining import PretrainConfig, Pretrainer
from genomic_models.pretraining import Progress as Step
from genomic_models.striped_hyena.config import StripedHyenaConfig
from genomic_models.striped_hyena.model import StripedHyenaModel, own_network
from workbench.errors import InputError
from workbench.files.atomic import write_atomic
from workbench.genome.reference import Genome
from workbench.interruption import listening, requested, stopped
from workbench.progress import Progress
from workbench.study.manifest import hash_file

CARD = "card.md"
_SOURCES = "sources.txt"


def _records(paths: list[Path]) -> Iterator[tuple[str, str]]:
    for path in paths:
        genome = Genome(path)
        for name, length in genome.lengths.items():
            yield name, genome.fetch(name, 0, length)


def _corpus(paths: list[Path], folder: Path) -> Corpus:
    """The corpus of these files, written once; other files under the same folder are refused.

    A file that is given several times is read so many times as often.
    """
    hashes = [hash_file(path).sha256 for path in paths]
    times = Counter(hashes)
    files = list(dict(zip(hashes, paths, strict=True)).items())
    listing = "\n".join(digest for digest, _ in files)
    sources = folder / _SOURCES
    if not sources.exists():
        write_corpus(_records([path for _, path in files]), folder)
        with write_atomic(sources) as temporary:
            temporary.write_text(listing)
    elif sources.read_text() != listing:
        raise InputError(f"{folder}: holds the corpus of other files; choose another --out")
    corpus = Corpus(folder)
    corpus.repeat(times[digest] for digest, path in files for _ in Genome(path).lengths)
    return corpus


def continued(origin: StripedHyenaModel, length: int) -> StripedHyenaConfig:
    """The architecture of a model that goes on training on windows of ``length`` bases.

    Its context grows to that and does not shrink. Raises ``ModelError`` for a model that cannot be trained.
    """
    architecture = own_network(origin, "trained here").config
    return replace(architecture, context=max(architecture.context, length))


def _card(name: str, origin: StripedHyenaModel, config: PretrainConfig, corpus: Corpus) -> str:
    """Where a continued model came from and what it read beside what its origin had read."""
    rows = "\n".join(f"| {r.name} | {r.length:,} | `{r.sha256[:16]}` |" for r in corpus.records)
    return f"""# {name}

`{origin.name}` (weights hash `{origin.weights_hash}`), trained further on the records below: \
{config.tokens:,} bases read in windows of {config.length:,}, {config.batch} a step, peak rate \
{config.learning_rate:g}, fresh optimisers, seed {config.seed}. What `{origin.name}` was trained on, this \
model has read too.

| record | bases | SHA-256 |
|---|---|---|
{rows}
"""


def train(
    paths: list[Path],
    architecture: StripedHyenaConfig,
    config: PretrainConfig,
    out: Path,
    device: str,
    progress: Progress,
    origin: StripedHyenaModel | None = None,
) -> None:
    """Train to the end; a request to stop saves the state and raises ``Stopped``.

    ``origin``: the model whose training goes on, which the card of the new one names by its hash.
    """
    remove_leftovers(out)
    corpus = _corpus(paths, out / "corpus")
    trainer = Pretrainer(architecture, config, corpus, out, device, origin)
    if origin is not None:
        with write_atomic(out / CARD) as temporary:
            temporary.write_text(_card(out.name, origin, config, corpus))
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
