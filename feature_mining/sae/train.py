"""From activations to an autoencoder in one call."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import nullcontext
from pathlib import Path
from typing import Any, NamedTuple

from feature_mining.sae.architectures.registry import kind_of
from feature_mining.sae.calibrate import Calibration
from feature_mining.sae.measures.quality import Quality, measure, summarise
from feature_mining.sae.model import SparseAutoencoder
from feature_mining.sae.training.bar import shown
from feature_mining.sae.training.given_rows import (
    HELD_OUT_SHARE,
    ArrayRows,
    StreamRows,
    as_rows,
    begins_again,
)
from feature_mining.sae.training.thresholds import set_thresholds
from feature_mining.sae.training.train_config import TrainConfig
from feature_mining.sae.training.trainer import Trainer
from feature_mining.sae.training.training_run import Metrics, TrainResult


class Trained(NamedTuple):
    """A trained autoencoder, with what was measured on rows that it was not trained on.

    sae : ready to encode, thresholds set
    calibration : where the active values of each feature lie
    quality : explained variance, L0, dead features and more
    training : steps, rows, rate, history
    """

    sae: SparseAutoencoder
    calibration: Calibration
    quality: Quality
    training: TrainResult

    def __repr__(self) -> str:
        q = self.quality
        return (
            f"Trained({self.sae!r}; of {q.rows:,} held-out rows: explained variance"
            f" {q.explained_variance:.3f}, L0 {q.l0:.1f}, dead features {q.dead_fraction:.1%})"
        )

    def save(self, folder: str | Path) -> None:
        """Write the autoencoder and its calibration: a folder that ``SparseAutoencoder.load`` reads."""
        self.calibration.save(folder)
        self.sae.save(folder)


def train_sae(
    activations: Any,
    d_sae: int = 0,
    k: int = 16,
    rows: int = 0,
    *,
    architecture: str = "batch_topk",
    batch: int = 2048,
    seed: int = 0,
    held_out: Any = None,
    checkpoint: str | Path | None = None,
    device: str = "cpu",
    progress: bool | Callable[[int, Metrics], None] = True,
    **settings: Any,
) -> Trained:
    """Train an autoencoder, set its thresholds and measure it.

    Parameters
    ----------
    activations : array ``(n, d)`` or iterable of arrays ``(n_i, d)``
        A NumPy array or memory map, tensor, DataFrame of numbers, HDF5 data set; or a stream of such arrays,
        each of any number of rows. A list or data set, which can be read again, may be shorter than the
        training. Rows are shuffled, those of a stream within a buffer of 131,072.
    d_sae : int
        Features; 0 for 8 times the width.
    k : int
        Features active at a row, on average.
    rows : int
        Rows to train on, repeats counted; 0 for 4,000,000. Of an iterator, which is read once, it must be
        said, since the rate of learning falls towards the end.
    architecture : str
        A name of ``ARCHITECTURES``.
    batch : int
        Rows of a step; all there are, where an array has fewer.
    seed : int
        Of the initial dictionary and of the order of rows. The same seed gives the same bytes.
    held_out : array ``(n, d)``, optional
        Rows that thresholds and figures come from. Without it every tenth block of 256 rows (fewer in a small
        array) is kept for that and not trained on.
    checkpoint : str or Path, optional
        File to write every 100 steps and to go on from, to the same bytes, if it exists. A stream is given
        from its beginning again.
    device : str
        Where training runs.
    progress : bool or callable
        True shows a bar on standard error; a callable is given (steps done, metrics) after each step.
    **settings
        Further fields of ``TrainConfig``: ``learning_rate``, ``tied``, ``l1``, ``precision``; ``model``,
        ``layer`` and ``weights_hash``, which say where the activations come from.

    Returns
    -------
    Trained
        With the autoencoder on the CPU.

    Raises
    ------
    ValueError
        An unknown architecture; rows that are no finite numbers, too few, or all alike; a stream that ends
        early; a checkpoint of other activations or settings.
    TypeError
        What is neither an array nor an iterable.
    """
    if not (hasattr(activations, "shape") or isinstance(activations, Iterable)):
        raise TypeError(
            f"activations of type {type(activations).__name__}; expected an array (rows, width) or an"
            " iterable of such arrays"
        )
    kind_of(architecture)
    source: ArrayRows | StreamRows
    if hasattr(activations, "shape"):
        source = ArrayRows(activations, batch, seed, device, held_out is None)
    else:
        if not rows and not begins_again(activations):
            raise ValueError(
                "an iterator is read once and does not say how long it is: say how many rows to train on"
                " (rows=...), or give a list or data set, which can be read again"
            )
        source = StreamRows(activations, batch, seed, device, held_out is None)
    steps = max(1, (rows or 4_000_000) // source.batch)
    config = TrainConfig(
        d_sae=d_sae or 8 * source.width,
        k=k,
        steps=steps,
        batch=source.batch,
        architecture=architecture,
        seed=seed,
        **settings,
    )
    showing = shown(steps, source.batch) if progress is True else nullcontext(progress or None)
    with showing as told:
        result = Trainer(config).fit(source, told, Path(checkpoint) if checkpoint else None)
    sample = source.held_out_rows() if held_out is None else list(as_rows(held_out).to(device).split(8192))
    if not sample:
        raise ValueError(
            f"a stream of fewer than {HELD_OUT_SHARE * 256:,} rows: give them as one array, or held_out"
        )
    sae, calibration = set_thresholds(result.sae.to(device), sample)
    quality = summarise(measure(sae, sample), sae.b_dec.cpu().numpy())
    return Trained(sae.to("cpu"), calibration, quality, result)
