"""Activations at several places at once: layers of one model, or of several models reading the same bases.

What crosscoders and transcoders are trained on; ``sites`` says what becomes of the parts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import NamedTuple

import torch
from torch import Tensor

from feature_mining.sae.training.source import ShuffledActivations, Window, usable_rows
from genomic_models.activations import read_layers
from genomic_models.contract import DNAModel


class Site(NamedTuple):
    """A tap of a model."""

    model: DNAModel
    layer: str


def site_widths(sites: Sequence[Site]) -> tuple[int, ...]:
    """Widths of the sites, for ``TrainConfig.sites``. Raises ``ModelError`` for an unknown layer."""
    return tuple(site.model.d_model(site.layer) for site in sites)


def read_sites(sites: Sequence[Site], sequences: Sequence[str]) -> list[Tensor]:
    """Activations ``(bases, sum of widths)`` float32, one tensor a sequence, sites side by side.

    Each model runs once, whatever the number of its sites. Results are on the device of the first model.
    Models may cut bases into tokens of different lengths: rows are bases.
    """
    models = list({id(site.model): site.model for site in sites}.values())
    found = {}
    for model in models:
        layers = list(dict.fromkeys(site.layer for site in sites if site.model is model))
        read = read_layers(model, layers, sequences)
        for at, layer in enumerate(layers):
            found[id(model), layer] = [parts[at] for parts in read]
    device = sites[0].model.device
    return [
        torch.cat([found[id(s.model), s.layer][i].to(device) for s in sites], dim=1)
        for i in range(len(sequences))
    ]


class ShuffledSites(ShuffledActivations):
    """As ``ShuffledActivations``, from several sites: an endless stream of tuples of ``(batch, d_i)``.

    Parts of a tuple are in the order of ``sites`` and of one base a row. For a transcoder the first site is
    what is read and the second what is written. The state is that of ``ShuffledActivations``.

    Parameters
    ----------
    sites : sequence of Site
        At least one; ``site_widths(sites)`` goes into the configuration of the trainer.
    windows, batch, together, buffer, seed
        As for ``ShuffledActivations``; ``buffer`` counts rows of all sites together as one.

    Raises
    ------
    ValueError
        As ``ShuffledActivations``; no sites. ``ModelError`` for an unknown layer.
    """

    def __init__(
        self,
        sites: Sequence[Site],
        windows: Sequence[Window],
        batch: int = 2048,
        together: int = 8,
        buffer: int = 131_072,
        seed: int = 0,
    ) -> None:
        if not sites:
            raise ValueError("no sites: at least one model and layer is needed")
        first = sites[0]
        super().__init__(first.model, first.layer, windows, batch, together, buffer, seed)
        self.sites = [Site(s.model, s.model.resolve(s.layer)) for s in sites]
        ends = list(accumulate(site_widths(self.sites)))
        self._columns = [slice(a, b) for a, b in zip([0, *ends], ends, strict=False)]

    def __next__(self) -> tuple[Tensor, ...]:  # type: ignore[override]
        rows = super().__next__()
        return tuple(rows[:, columns] for columns in self._columns)

    def _read(self, windows: Sequence[Window]) -> Iterator[Tensor]:
        return site_rows(self.sites, windows, self.together)


def site_rows(sites: Sequence[Site], windows: Sequence[Window], together: int) -> Iterator[Tensor]:
    """The usable rows ``(n, sum of widths)`` of each window, in order, for calibration."""
    return usable_rows(lambda sequences: read_sites(sites, sequences), windows, together)
