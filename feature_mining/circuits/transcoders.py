"""Transcoders for all MLPs of a model, trained off one pass, and whether they fit a model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from feature_mining.sae.calibrate import Calibration
from feature_mining.sae.model import SparseAutoencoder
from feature_mining.sae.training.site_source import ShuffledSites, Site, site_rows, site_widths
from feature_mining.sae.training.source import Window
from feature_mining.sae.training.thresholds import set_thresholds
from feature_mining.sae.training.trainer import Metrics, TrainConfig, Trainer
from genomic_models.contract import DNAModel, ModelError
from genomic_models.dna import BASES, UNKNOWN, base_codes

# Rows of all sites together that are held for shuffling, and that thresholds and figures come from.
BUFFER, HELD_OUT = 16_384, 16_384
# Words of three letters.
WORDS = 64


@dataclass(frozen=True)
class TranscoderPlan:
    """What is trained for every MLP alike.

    Attributes
    ----------
    width : int
        Features, as a multiple of what the MLP reads.
    k : int
        Features active at a base, on average.
    steps, batch : int
    seed : int
    """

    width: int = 4
    k: int = 16
    steps: int = 200
    batch: int = 1024
    seed: int = 0


class Fit(NamedTuple):
    """How well a transcoder writes what its MLP writes, on rows that it was not trained on.

    block : of the MLP
    explained : share of the variance of what the MLP writes
    linear : the same with the skip alone, every feature off
    l0 : features active at a base
    dead : share of features that never are
    rows : bases
    """

    block: str
    explained: float
    linear: float
    l0: float
    dead: float
    rows: int


class Trained(NamedTuple):
    """Transcoders by block.

    transcoders, calibrations : by block
    fits : how well each does
    words : DataFrame, a row a feature that is ever active, of the same rows: ``block, feature, density``
        (share of bases), ``word`` of three letters, up to the base, that has most of its activation,
        ``share`` of it, and ``usual``, the share of bases that end this word
    """

    transcoders: dict[str, SparseAutoencoder]
    calibrations: dict[str, Calibration]
    fits: list[Fit]
    words: pd.DataFrame


def mlp_blocks(model: DNAModel) -> list[str]:
    """Blocks whose MLP has a tap at what it reads (after the norm) and at what it writes.

    Raises ``ModelError`` for a model without any.
    """
    found = [b for b in model.block_outputs if {f"{b}.post_norm", f"{b}.mlp"} <= set(model.layers)]
    if not found:
        raise ModelError(
            f"model {model.name} has no taps at what its MLPs read and write (blocks.N.post_norm and"
            " blocks.N.mlp): no transcoder can be trained and no circuit traced; expected mini or its kind"
        )
    return found


def mlp_sites(model: DNAModel) -> list[Site]:
    """What each MLP reads and what it writes, in turns."""
    return [Site(model, f"{block}.{part}") for block in mlp_blocks(model) for part in ("post_norm", "mlp")]


def require_fit(model: DNAModel, transcoders: Mapping[str, SparseAutoencoder]) -> list[str]:
    """The model's blocks with MLPs; ``ModelError`` where the transcoders are of other blocks or weights."""
    blocks = mlp_blocks(model)
    if sorted(transcoders) != sorted(blocks):
        raise ModelError(
            f"transcoders of {', '.join(transcoders) or 'no block'} do not match model {model.name}, whose"
            f" MLPs are in {', '.join(blocks)}"
        )
    for block, transcoder in transcoders.items():
        config = transcoder.config
        widths = [model.d_model(f"{block}.{part}") for part in ("post_norm", "mlp")]
        if [config.d_in, config.d_out] != widths or config.row_topk or config.row_norm:
            raise ModelError(
                f"{block}: expected a transcoder from {widths[0]} to {widths[1]} channels, found"
                f" {config.architecture} from {config.d_in} to {config.writes}"
            )
        if config.weights_hash and config.weights_hash != model.weights_hash:
            raise ModelError(
                f"{block}: the transcoder is of weights {config.weights_hash[:12]}, those of model"
                f" {model.name} are {model.weights_hash[:12]}: train transcoders of this model"
            )
    return blocks


def train_transcoders(
    model: DNAModel,
    windows: Sequence[Window],
    held_out: Sequence[Window],
    plan: TranscoderPlan,
    together: int = 8,
    progress: Callable[[int, Metrics], None] | None = None,
    checkpoint: Path | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> Trained | None:
    """Train a transcoder with a skip for every MLP, all off one pass of the model.

    Parameters
    ----------
    model : DNAModel
    windows, held_out : sequence of Window
        To train on; for thresholds and figures, the first `HELD_OUT` usable bases.
    plan : TranscoderPlan
    together : int
        Windows that run at once.
    progress, checkpoint, should_stop
        As for ``Trainer.fit_all``.

    Returns
    -------
    Trained, or None after ``should_stop`` ended it.

    Raises
    ------
    ModelError
        For a model without taps at its MLPs.
    ValueError
        As ``Trainer`` and ``ShuffledSites``.
    """
    sites, blocks = mlp_sites(model), mlp_blocks(model)
    widths = site_widths(sites)
    configs = [
        TrainConfig(
            plan.width * widths[2 * i], plan.k, plan.steps, plan.batch, "skip_transcoder", seed=plan.seed,
            model=model.name, layer=f"{block}.mlp", weights_hash=model.weights_hash, sites=widths,
            part=(2 * i, 2 * i + 1),
        )
        for i, block in enumerate(blocks)
    ]  # fmt: skip
    source = ShuffledSites(sites, windows, plan.batch, together, BUFFER, plan.seed)
    results = Trainer(*configs).fit_all(source, progress, checkpoint, should_stop=should_stop)
    if not results[0].finished:
        return None
    rows, words = _first_rows(sites, held_out, together)
    trained = Trained({}, {}, [], pd.DataFrame())
    tables = []
    for block, result, pair in zip(blocks, results, _pairs(rows, widths), strict=True):
        sae, calibration = set_thresholds(result.sae, [pair[0]])
        trained.transcoders[block], trained.calibrations[block] = sae, calibration
        fit, by_word, active = _measure(block, sae, *pair, words)
        trained.fits.append(fit)
        tables.append(_leading_words(by_word, active / len(words), words).assign(block=block))
    return trained._replace(words=pd.concat(tables, ignore_index=True))


def _first_rows(sites: list[Site], windows: Sequence[Window], together: int) -> tuple[Tensor, np.ndarray]:
    """Rows of the first windows, and the number of the word that ends at each: -1 with a letter unknown."""
    parts: list[Tensor] = []
    words: list[np.ndarray] = []
    for window, rows in zip(windows, site_rows(sites, windows, together), strict=False):
        parts.append(rows.cpu())
        codes = np.concatenate([[UNKNOWN, UNKNOWN], base_codes(window.sequence)]).astype(np.int64)
        three = np.stack([codes[:-2], codes[1:-1], codes[2:]])
        own = np.where((three < UNKNOWN).all(0), 16 * three[0] + 4 * three[1] + three[2], -1)[window.skip :]
        words.append(own if window.use is None else own[window.use])
        if sum(map(len, words)) >= HELD_OUT:
            break
    return torch.cat(parts)[:HELD_OUT], np.concatenate(words)[:HELD_OUT]


def _pairs(rows: Tensor, widths: tuple[int, ...]) -> list[tuple[Tensor, Tensor]]:
    """What each MLP reads and writes, ``(n, d)`` float32."""
    columns = iter(rows.float().split(list(widths), dim=1))
    return [(x.contiguous(), y) for x, y in zip(columns, columns, strict=True)]


def _measure(
    block: str, sae: SparseAutoencoder, x: Tensor, y: Tensor, words: np.ndarray
) -> tuple[Fit, np.ndarray, np.ndarray]:
    """How well it fits, activation by word ``(64, d_sae)``, and bases at which each feature is active."""
    active = torch.zeros(sae.config.d_sae, dtype=torch.int64)
    by_word = torch.zeros(WORDS + 1, sae.config.d_sae, dtype=torch.float64)
    left = torch.zeros(2, dtype=torch.float64)
    for start in range(0, len(x), 1024):
        part, wanted = x[start : start + 1024], y[start : start + 1024]
        codes = sae.encode(part)
        active += (codes > 0).sum(0)
        by_word.index_add_(0, torch.from_numpy(words[start : start + 1024] % (WORDS + 1)), codes.double())
        for i, given in enumerate((codes, torch.zeros_like(codes))):
            left[i] += (sae.write(given, part) - wanted).double().square().sum()
    explained, linear = (1 - left / (y - y.mean(0)).double().square().sum()).tolist()
    dead = float((active == 0).double().mean())
    fit = Fit(block, explained, linear, float(active.sum()) / len(x), dead, len(x))
    return fit, by_word[:WORDS].numpy(), active.numpy()


def _leading_words(by_word: np.ndarray, density: np.ndarray, words: np.ndarray) -> pd.DataFrame:
    """The word with most of each feature's activation; see `Trained`."""
    best = by_word.argmax(axis=0)
    usual = np.bincount(words[words >= 0], minlength=WORDS) / max(1, (words >= 0).sum())
    total = by_word.sum(axis=0)
    names = np.array(["".join(letters) for letters in product(BASES, repeat=3)])
    share = np.divide(by_word.max(axis=0), total, out=np.zeros_like(total), where=total > 0)
    table = pd.DataFrame({"density": density, "word": names[best], "share": share, "usual": usual[best]})
    table.insert(0, "feature", np.arange(len(table)))
    return table[total > 0]


def save_transcoders(trained: Trained, folder: Path) -> None:
    """Write each transcoder with its calibration into a folder of its block's name."""
    for block, sae in trained.transcoders.items():
        trained.calibrations[block].save(folder / block)
        sae.save(folder / block)


def load_transcoders(folder: Path) -> dict[str, SparseAutoencoder]:
    """What `save_transcoders` wrote; ``ValueError`` for a folder without any, or a damaged one."""
    places = sorted(folder.glob("blocks.*"), key=lambda place: (len(place.name), place.name))
    if not places:
        raise ValueError(f"{folder}: no transcoders; expected a folder blocks.N for every MLP")
    return {place.name: SparseAutoencoder.load(place) for place in places}
