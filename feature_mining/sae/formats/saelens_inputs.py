"""What SAELens does to activations before the encoder, by its ``normalize_activations``.

A constant scale and a whitening lie beside a training run and are folded into the weights; what normalises
each activation by itself is named in the inference form.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from feature_mining.sae.formats.imported import Parts, json_of, take, tensors_of

SCALER = "activation_scaler.json"
WHITENING = "activation_whitening.safetensors"


def _scaled(folder: Path, parts: Parts) -> Parts:
    """With the factor on activations that SAELens saves beside a training run."""
    path = _beside(folder, SCALER, "scaled to an average norm", "factor")
    factor = json_of(path).get("scaling_factor")
    if isinstance(factor, bool) or not isinstance(factor, int | float) or not factor > 0:
        raise ValueError(f"{path}: scaling_factor is {factor!r}; expected a number above 0")
    if parts.transcoder:
        raise ValueError(f"{path}: scales what a transcoder reads, and says nothing of the rest")
    return parts._replace(scale=float(factor))


def _whitened(folder: Path, parts: Parts) -> Parts:
    """With ``z = (x - mean) @ matrix`` before and ``ẑ @ inverse + mean`` after folded in."""
    path = _beside(folder, WHITENING, "whitened", "matrices")
    mean, matrix, inverse = (
        t.double() for t in take(path, tensors_of(path), "mean", "matrix", "inverse_matrix")
    )
    d = len(parts.W_enc)
    if {tuple(mean.shape), tuple(matrix.shape), tuple(inverse.shape)} != {(d,), (d, d)}:
        raise ValueError(f"{path}: expected a mean of {d} and matrices of {d} by {d}")
    if parts.transcoder:
        raise ValueError(f"{path}: whitens what a transcoder reads, and says nothing of the rest")
    W_enc = matrix @ parts.W_enc.double()
    # Taken off the input, the new b_dec holds the mean already.
    b_enc = parts.b_enc.double() - (0 if parts.centred else mean @ W_enc)
    return parts._replace(
        W_enc=W_enc,
        b_enc=b_enc,
        W_dec=parts.W_dec.double() @ inverse,
        b_dec=parts.b_dec.double() @ inverse + mean,
    )


def _beside(folder: Path, name: str, how: str, what: str) -> Path:
    if not (folder / name).is_file():
        raise ValueError(
            f"{folder / 'cfg.json'}: activations were {how} in training, but {name}, which holds the {what},"
            " is not in the folder"
        )
    return folder / name


def _each(name: str) -> Callable[[Path, Parts], Parts]:
    return lambda folder, parts: parts._replace(row_norm=name)


_ROW_NORMS = {"layer_norm": "standardised", "constant_norm_rescale": "unit_rms"}
# What to do about each value of ``normalize_activations``.
FOLDED: dict[str, Callable[[Path, Parts], Parts]] = {
    "none": lambda folder, parts: parts,
    "expected_average_only_in": _scaled,
    "covariance_whitening": _whitened,
} | {name: _each(own) for name, own in _ROW_NORMS.items()}
# ``SAEConfig.row_norm`` to ``normalize_activations``.
NORM_NAMES = {"": "none"} | {own: name for name, own in _ROW_NORMS.items()}
