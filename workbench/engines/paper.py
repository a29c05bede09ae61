"""What a study costs whose model cannot run here: on paper where the model runs, measured elsewhere.

A network with as many blocks and few channels stands in for the model, so that the study is planned and a
probe of it runs here (`workbench.engines.estimate`): what does not run the model has the cost that it has,
with the autoencoder's width and all else as asked. Of the stages that run it, the letters that the network
reads are counted, and take what their products take on the card that ``CARD`` names.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from torch.nn import Module
from torch.nn.modules.module import register_module_forward_pre_hook

from genomic_models.errors import ModelError
from genomic_models.registry import check_device
from genomic_models.released import RELEASED, block_parameters, where_to_look
from genomic_models.striped_hyena.model import StripedHyenaModel
from genomic_models.striped_hyena.network import StripedHyena, initialise
from workbench.analysis.throughput import TARGET
from workbench.engines.estimate import Estimate, estimate
from workbench.engines.local import here, run
from workbench.progress import Progress, Silent
from workbench.stages.registry import STAGES
from workbench.study.config import WindowConfig
from workbench.study.study import Study

# Operations a second of the card (dense, bfloat16), and the share of them that the products of a pass are
# assumed to reach.
CARD, PEAK, SHARE = "H100", 989e12, 0.35
# Products with a matrix of an autoencoder's size: of a base that is encoded, and of one that is trained on.
ENCODED, TRAINED = 1, 5
TRAINING = ("sae", "layers", "baselines")


class Paper(NamedTuple):
    """An estimate with what it assumes: letters a second of one card, and bytes of the model's weights."""

    estimate: Estimate
    rate: float
    weights: int


def is_on_paper(study: Study) -> bool:
    """Whether the model of a study cannot run here, but is one whose shape is known."""
    model = study.config.model
    if model.name not in RELEASED:
        return False
    try:
        check_device(model.device)
    except ModelError:
        return True
    return not any(place.exists() for place in where_to_look(model.name, model.folder or None))


def estimate_on_paper(study: Study, tasks: int, progress: Progress | None = None) -> Paper:
    """Plan the study in a temporary folder with a stand-in, and estimate it with the card in its place.

    The study's folder is left as it is, but for the checked copy of its genome. Raises ``InputError`` for
    what would stop the study itself.
    """
    config, released = study.config, RELEASED[study.config.model.name]
    stand_in = _stand_in(released.name)
    width = config.sae.width or 8 * released.config.width
    layer = stand_in.resolve(config.model.layer or stand_in.default_layer)
    card = Card(released.name, layer, width, config.windows)
    bases = sum(study.genome.lengths.values())
    size = config.run.shard_bases or max(1, round(min(bases / (2 * tasks), TARGET * card.rate / 2)))
    with tempfile.TemporaryDirectory(prefix="workbench-paper-") as name:
        genome = str(study.resolve(config.input.genome))
        tracks = [str(study.resolve(track)) for track in config.input.tracks]
        regions = str(study.resolve(config.input.regions)) if config.input.regions else config.input.regions
        whole = Study.create(
            Path(name) / "study",
            replace(
                config,
                input=replace(config.input, genome=genome, regions=regions, tracks=tracks),
                model=replace(config.model, device="cpu"),
                sae=replace(config.sae, width=width),
                run=replace(config.run, shard_bases=size),
            ),
        )
        whole.__dict__ |= {"model": stand_in, "genome": study.genome, "annotation": study.annotation}
        run(whole, here, until="plan")
        with card.counting():
            found = estimate(whole, tasks, progress, card)
    return Paper(found, card.rate, 2 * released.parameters)


class Card(Silent):
    """Counts the letters that the stages of a probe read, and says how long a card takes for such.

    Attributes
    ----------
    rate : float
        Letters that it reads a second, one strand, to the layer.
    """

    def __init__(self, model: str, layer: str, width: int, windows: WindowConfig) -> None:
        config = RELEASED[model].config
        self._overlap = windows.window / (windows.window - windows.warmup)
        blocks = range(1 + int(layer.split(".")[1]))
        self._letter = 2 * sum(block_parameters(config, block) for block in blocks)
        self._matrix = 2 * config.width * width
        self.rate = PEAK * SHARE / self._letter
        self._now, self._letters = "", Counter[str]()

    def begin(self, title: str, total: float, unit: str) -> None:
        """Letters are those of this stage from now on."""
        self._now = title

    @contextmanager
    def counting(self) -> Iterator[None]:
        """Count inside the block what any network reads."""

        def count(module: Module, given: tuple[Any, ...]) -> None:
            if isinstance(module, StripedHyena):
                self._letters[self._now] += given[0].numel()

        handle = register_module_forward_pre_hook(count)
        try:
            yield
        finally:
            handle.remove()

    def seconds(self, stage: str, bases: int, scale: float) -> float:
        """Of one card: bases that are trained on are read once each, those of the probe as they were."""
        training = stage in TRAINING
        # So few as a probe has are read once, however often they are trained on.
        letters = bases * self._overlap if training else self._letters[STAGES[stage].title] * scale
        products = TRAINED if training else ENCODED
        return letters * (self._letter + products * self._matrix) / (PEAK * SHARE)


def _stand_in(name: str) -> StripedHyenaModel:
    """A random network with the blocks of a released one, and few channels."""
    config = replace(RELEASED[name].config, width=16, heads=2, inner=32, groups=4, fp8_projections=False)
    return StripedHyenaModel(initialise(StripedHyena(config), 0), name)
