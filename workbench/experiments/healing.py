"""A cut model trained further on the train split, and written as a model like any other."""

from __future__ import annotations

import json
from pathlib import Path

from safetensors.torch import save_file

from feature_mining.pruning.order import Removal
from genomic_models import load
from genomic_models.corpus import Corpus
from genomic_models.pretraining import CONFIG, WEIGHTS, PretrainConfig, Pretrainer
from genomic_models.pretraining import Progress as Step
from genomic_models.striped_hyena.model import StripedHyenaModel
from workbench.analysis.pruning import train_corpus
from workbench.experiments.kind import Experiment
from workbench.files.atomic import write_atomic
from workbench.interruption import requested, stopped
from workbench.models.pretrain import CARD
from workbench.progress import Progress
from workbench.study.study import Study

# Folders of the state of continued training: of the smaller model, and of the whole one beside it.
HEALING, CONTROL = "healing", "healing-whole"
BATCH = 4
LEARNING_RATE = 1e-3


def model_folder(experiment: Experiment) -> Path:
    """Where the smaller model is, for ``--model``."""
    return experiment.folder / "model"


def heal(
    experiment: Experiment, model: StripedHyenaModel, name: str, progress: Progress
) -> StripedHyenaModel:
    """The model after ``heal`` bases of continued training; goes on where it was stopped.

    ``name`` is that of the training's state, `HEALING` or `CONTROL`.
    """
    study, given = experiment.study, experiment.settings
    folder = experiment.folder / name
    corpus = train_corpus(study, folder / "corpus")
    return train_further(study, model, folder, corpus, given.heal, given.seed, progress)


def train_further(
    study: Study,
    model: StripedHyenaModel,
    folder: Path,
    corpus: Corpus,
    bases: int,
    seed: int,
    progress: Progress,
) -> StripedHyenaModel:
    """A model after so many bases of training on a corpus; its state, in ``folder``, is gone on with."""
    length = min(study.grid.window, min(record.length for record in corpus.records))
    config = PretrainConfig(
        bases, length, BATCH, LEARNING_RATE, holdout=0.0, seed=seed, checkpoint_every=60.0
    )
    trainer = Pretrainer(model.network.config, config, corpus, folder, str(study.model.device), model)
    size = length * BATCH

    def report(step: Step) -> None:
        if not requested():  # the trainer saves its state first
            progress.advance(size, f"training: step {step.step} of {step.steps}, {step.bits:.3f} bits")

    trainer.run(report, requested)
    if trainer.step < config.steps:
        raise stopped()
    trained = load(str(folder), device=study.config.model.device, dtype=study.config.model.dtype)
    assert isinstance(trained, StripedHyenaModel)
    return trained


def write_model(experiment: Experiment, made: StripedHyenaModel, removal: Removal, steps: int) -> None:
    """Weights, configuration and card of the smaller model; the configuration last."""
    save_model(model_folder(experiment), made, _card(experiment, made, removal, steps))


def save_model(folder: Path, made: StripedHyenaModel, card: str) -> None:
    """A model as a folder that loads like any other; the configuration last."""
    folder.mkdir(parents=True, exist_ok=True)
    state = {k: v.detach().cpu().contiguous() for k, v in made.network.state_dict().items()}
    with write_atomic(folder / WEIGHTS) as temporary:
        save_file(state, temporary)
    with write_atomic(folder / CARD) as temporary:
        temporary.write_text(card)
    with write_atomic(folder / CONFIG) as temporary:
        temporary.write_text(json.dumps(made.network.config.to_dict(), indent=1))


def _card(experiment: Experiment, made: StripedHyenaModel, removal: Removal, steps: int) -> str:
    study, given, config = experiment.study, experiment.settings, made.network.config
    kept, left = given.track or "the whole genome", int(removal.after(steps).sum())
    blocks = "\n".join(
        f"| {i} | {letter} | {config.mixer(i)} of {removal.parts.config.mixer(i)}"
        f" | {config.inner_width(i)} of {removal.parts.config.inner_width(i)} |"
        for i, letter in enumerate(config.pattern)
    )
    how = f"trained further on {given.heal:,} bases of" if given.heal else "ranked on"
    lock = study.manifest.model
    gone, total = removal.parts.count - left, removal.parts.count
    return f"""# {study.folder.name} {experiment.name}

`{lock.shown_name}` (weights hash `{lock.weights_hash}`) without {gone:,} of its {total:,} parts: \
{removal.parameters[steps]:,} of {removal.parameters[0]:,} parameters. What went was worth least to {kept} \
of study {study.folder.name}; {how} its train split (genome's SHA-256 \
`{study.manifest.inputs["genome"].sha256[:16]}`).

| block | kind | filters or heads | inner width of the MLP |
|---|---|---|---|
{blocks}
"""
