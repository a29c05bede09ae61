"""The one inference form of every sparse autoencoder.

``f = pre where pre > max(threshold, 0), else 0`` with ``pre = (x - b_dec) @ W_enc + b_enc`` and
``x̂ = f @ W_dec + b_dec``. ``b_dec`` is subtracted from the input only where the configuration says so;
decoder rows have norm 1; any constant input scale is folded in. A feature's value at a base depends on that
base's activation alone: products run in blocks of a fixed shape, so not even rounding depends on the rest of
a batch.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from feature_mining.feature_map import Csr
from feature_mining.sae import kernels
from feature_mining.sae.config import CONFIG_FILE, WEIGHTS_FILE, SAEConfig, read_config, read_hash
from feature_mining.sae.row_norms import ROW_NORMS, normalise, restore
from genomic_models.files import write_whole

# Rows of a product; the last block is filled up with zeros.
BLOCK = 256
_NORM_TOLERANCE = 1e-3
_FOLDED = 1024


@dataclass(frozen=True, eq=False)
class SparseAutoencoder:
    """A trained autoencoder, ready to encode and decode; frozen.

    Attributes
    ----------
    W_enc : Tensor
        ``(d_in, d_sae)`` float32.
    b_enc, threshold : Tensor
        ``(d_sae,)`` float32.
    W_dec : Tensor
        ``(d_sae, d_in)`` float32, rows of norm 1 (0 for a feature that writes nothing).
        ``(d_sae, d_out)`` for a transcoder.
    b_dec : Tensor
        ``(d_in,)`` float32; ``(d_out,)`` for a transcoder.
    config : SAEConfig
    W_skip : Tensor, optional
        ``(d_in, d_out)`` float32, what a transcoder with a skip writes of its input directly.
    choice : Tensor, optional
        ``(d_sae,)`` float32, with ``row_topk``: factors on the values while the ``k`` largest are chosen, for
        a TopK whose own decoder rows are not of one norm. None is 1 for all.

    Raises
    ------
    ValueError
        A tensor of the wrong shape or dtype, with NaN or infinite values, or decoder rows not of norm 1.
    """

    W_enc: Tensor
    b_enc: Tensor
    W_dec: Tensor
    b_dec: Tensor
    threshold: Tensor
    config: SAEConfig
    W_skip: Tensor | None = None
    choice: Tensor | None = None

    def __post_init__(self) -> None:
        if self.config.d_out and self.config.apply_b_dec_to_input:
            raise ValueError("a transcoder's b_dec belongs to its output, not to its input")
        if self.config.row_norm and (self.config.row_norm not in ROW_NORMS or self.config.d_out):
            raise ValueError(
                f"row_norm {self.config.row_norm!r}; expected {' or '.join(ROW_NORMS)}, and no transcoder"
            )
        for name, shape in self._shapes().items():
            tensor = getattr(self, name)
            if tuple(tensor.shape) != shape:
                raise ValueError(f"SAE tensor {name} has shape {tuple(tensor.shape)}; expected {shape}")
            if tensor.dtype != torch.float32:
                raise ValueError(f"SAE tensor {name} is {tensor.dtype}; expected torch.float32")
            if not torch.isfinite(tensor).all():
                raise ValueError(f"SAE tensor {name} holds NaN or infinite values")
        if self.config.row_topk and not 1 <= self.config.k <= self.config.d_sae:
            raise ValueError(f"k is {self.config.k}; expected 1 to {self.config.d_sae}")
        norms = self.W_dec.norm(dim=1)
        wrong = ((norms - 1).abs() > _NORM_TOLERANCE) & (norms > 0)
        if wrong.any():
            row = int(wrong.nonzero()[0])
            raise ValueError(
                f"decoder row {row} has norm {norms[row]:.4g}; expected 1 (fold norms with `fold`)"
            )

    def __repr__(self) -> str:
        c = self.config
        out = f" to {c.d_out:,}" if c.d_out else ""
        source = " of ".join(part for part in (c.layer, c.model) if part)
        facts = [c.architecture, f"{c.d_in:,} to {c.d_sae:,}{out}", *([f"k {c.k}"] if c.k else [])]
        return f"SparseAutoencoder({', '.join([*facts, *([source] if source else [])])})"

    # -- encoding and decoding -------------------------------------------------------------------------

    def pre_activations(self, x: Tensor | np.ndarray) -> Iterator[Tensor]:
        """Yield ``(n, d_sae)`` values before the threshold, ``n <= BLOCK`` rows at a time.

        A yielded tensor is overwritten by the next one. Raises ``ValueError`` for a wrong width or values
        that are not finite.
        """
        rows = self._checked(x)
        block = rows.new_zeros(BLOCK, self.config.d_in)
        pre = rows.new_empty(BLOCK, self.config.d_sae)
        for start in range(0, len(rows), BLOCK):
            piece = rows[start : start + BLOCK]
            block[: len(piece)] = piece
            inputs = normalise(block, self.config.row_norm)
            if self.config.apply_b_dec_to_input:
                inputs = inputs - self.b_dec
            torch.addmm(self.b_enc, inputs, self.W_enc, out=pre)
            yield pre[: len(piece)]

    def reconstruct(self, x: Tensor | np.ndarray) -> Tensor:
        """What is written for activations ``(n, d_in)``: features decoded, plus the skip if there is one.

        Returns ``(n, d_in)`` float32; ``(n, d_out)`` for a transcoder.
        """
        return self.write(self.encode_sparse(x), x)

    def write(self, features: Tensor | Csr, x: Tensor | np.ndarray) -> Tensor:
        """What is written for ``features`` that activations ``x`` ``(n, d_in)`` have, or were given."""
        rows = self._checked(x)
        written = restore(self.decode(features), rows, self.config.row_norm)
        return written if self.W_skip is None else written + rows @ self.W_skip

    def site_norms(self) -> Tensor:
        """Length of each decoder row in each layer of a crosscoder, ``(d_sae, n_sites)``.

        Squares of a row sum to 1. A feature that writes into one layer or one model alone has 1 there.
        """
        parts = self.W_dec.split(list(self.config.sites or (self.config.writes,)), dim=1)
        return torch.stack([part.norm(dim=1) for part in parts], dim=1)

    def encode(self, x: Tensor | np.ndarray) -> Tensor:
        """Features ``(n, d_sae)`` float32, dense, of activations ``(n, d_in)``."""
        out = torch.zeros(len(x), self.config.d_sae, device=self.W_enc.device)
        start = 0
        for pre in self.pre_activations(x):
            out[start : start + len(pre)] = torch.where(pre > self._floor, self._largest(pre), 0.0)
            start += len(pre)
        return out

    def encode_sparse(self, x: Tensor | np.ndarray) -> Csr:
        """Features of activations ``(n, d_in)``, sparse; the same values as ``encode``.

        Memory beyond the result is one block, whatever ``n``.
        """
        floor = self._floor.cpu().numpy()
        room = BLOCK * self.config.d_sae
        indices, values = np.empty(room, np.int32), np.empty(room, np.float32)
        counts = np.zeros(len(x), np.int64)
        parts: list[tuple[np.ndarray, np.ndarray]] = []
        start = 0
        for pre in self.pre_activations(x):
            stop = start + len(pre)
            n = kernels.compact(self._largest(pre).cpu().numpy(), floor, counts[start:stop], indices, values)
            parts.append((indices[:n].copy(), values[:n].copy()))
            start = stop
        return Csr(
            np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)]),
            np.concatenate([p[0] for p in parts]) if parts else indices[:0],
            np.concatenate([p[1] for p in parts]) if parts else values[:0],
            self.config.d_sae,
        )

    def decode(self, features: Tensor | Csr) -> Tensor:
        """Reconstruction ``(n, d_in)`` float32 of dense ``(n, d_sae)`` or sparse features.

        ``(n, d_out)`` for a transcoder, without its skip. In units of the normalised activation where there
        is a ``row_norm``; ``write`` gives those of the activation.
        """
        if isinstance(features, Tensor):
            return torch.addmm(self.b_dec, features.to(self.W_dec), self.W_dec)
        if features.n_features != self.config.d_sae:
            raise ValueError(f"{features.n_features} features; this SAE has {self.config.d_sae}")
        out = np.empty((features.n_rows, self.config.writes), np.float32)
        decoder, bias = self.W_dec.cpu().numpy(), self.b_dec.cpu().numpy()
        kernels.reconstruct(features.indptr, features.indices, features.values, decoder, bias, out)
        return torch.from_numpy(out).to(self.W_dec.device)

    # -- changed copies -----------------------------------------------------------------------

    def with_threshold(
        self, threshold: Tensor, provenance: dict[str, str | int | float]
    ) -> SparseAutoencoder:
        """The same dictionary with other thresholds ``(d_sae,)``; facts are added to its provenance."""
        config = replace(self.config, provenance=self.config.provenance | provenance)
        return replace(self, threshold=threshold.to(self.threshold), config=config)

    def to(self, device: torch.device | str) -> SparseAutoencoder:
        """The same autoencoder on another device."""
        return replace(self, **{n: getattr(self, n).to(device) for n in self._shapes()})

    # -- identity and files -------------------------------------------------------------------

    @cached_property
    def hash(self) -> str:
        """Sha256 over names, shapes and values of the weights."""
        digest = hashlib.sha256()
        for name in sorted(self._shapes()):
            tensor = getattr(self, name).cpu().contiguous()
            digest.update(f"{name} {tuple(tensor.shape)} ".encode())
            digest.update(tensor.numpy().tobytes())
        digest.update(self.config.row_norm.encode())
        return digest.hexdigest()

    def save(self, folder: str | Path) -> None:
        """Write ``config.json`` and ``sae.safetensors``, each whole or not at all; the folder is made."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        tensors = {n: getattr(self, n).cpu().contiguous() for n in self._shapes()}
        save_tensors(folder / WEIGHTS_FILE, tensors, {"hash": self.hash})
        text = (
            json.dumps(
                asdict(self.config) | {"skip": self.W_skip is not None, "choice": self.choice is not None},
                indent=1,
                sort_keys=True,
            )
            + "\n"
        )
        with write_whole(folder / CONFIG_FILE) as temporary:
            temporary.write_text(text)

    @classmethod
    def load(cls, folder: str | Path) -> SparseAutoencoder:
        """Read what ``save`` wrote.

        Raises ``ValueError`` for a missing, extra, misshapen or NaN tensor, and for weights that are not
        those whose hash was saved with them.
        """
        folder = Path(folder)
        config, optional = read_config(folder / CONFIG_FILE)
        expected = set(_shapes(config)) | optional
        tensors = load_tensors(folder / WEIGHTS_FILE, expected)
        try:
            found = cls(**tensors, config=config)
        except ValueError as error:
            raise ValueError(f"{folder / WEIGHTS_FILE}: {error}") from None
        if read_hash(folder / WEIGHTS_FILE) not in ("", found.hash):
            raise ValueError(f"{folder / WEIGHTS_FILE}: not the weights that were saved; damaged")
        return found

    @cached_property
    def _floor(self) -> Tensor:
        return self.threshold.clamp_min(0)

    def _largest(self, pre: Tensor) -> Tensor:
        """The ``k`` largest of each row of ``pre``, zeros elsewhere; all of it without ``row_topk``."""
        if not self.config.row_topk:
            return pre
        compared = pre if self.choice is None else pre * self.choice
        best = compared.topk(self.config.k, dim=1, sorted=False).indices
        return torch.zeros_like(pre).scatter_(1, best, pre.gather(1, best))

    def _shapes(self) -> dict[str, tuple[int, ...]]:
        optional = {"W_skip": (self.config.d_in, self.config.writes), "choice": (self.config.d_sae,)}
        return _shapes(self.config) | {
            n: shape for n, shape in optional.items() if getattr(self, n) is not None
        }

    def _checked(self, x: Tensor | np.ndarray) -> Tensor:
        rows = torch.from_numpy(np.ascontiguousarray(x)) if isinstance(x, np.ndarray) else x
        if self.config.sites and rows.ndim == 3:
            rows = rows.flatten(1)
        if rows.ndim != 2 or rows.shape[1] != self.config.d_in:
            raise ValueError(
                f"activations of shape {tuple(rows.shape)}; this SAE reads (n, {self.config.d_in})"
            )
        require_finite(rows)
        return rows.to(self.W_enc.device, torch.float32)


def fold(
    W_enc: Tensor, b_enc: Tensor, W_dec: Tensor, b_dec: Tensor, threshold: Tensor, scale: float
) -> dict[str, Tensor]:
    """Tensors of the inference form from ones that read ``scale * x`` and write ``scale * x̂``.

    Decoder norms go into encoder, bias and threshold, the input scale into biases and thresholds, so that
    the features are in units of the raw activations. A decoder row of zeros stays one.
    """
    # Products are float64, a block of features at a time: whole tables of that would double the memory.
    blocks = [slice(i, i + _FOLDED) for i in range(0, len(W_dec), _FOLDED)]
    norms = torch.cat([W_dec[b].double().norm(dim=1) for b in blocks])
    # A row that is of norm 1 to the precision of float32 stays as it is: folding twice changes nothing.
    norms = torch.where((norms > 0) & ((norms - 1).abs() > 4e-7), norms, 1.0)
    encoder = torch.empty(W_enc.shape, device=W_enc.device)
    decoder = torch.empty(W_dec.shape, device=W_dec.device)
    for b in blocks:
        encoder[:, b] = W_enc[:, b].double() * norms[b]
        decoder[b] = W_dec[b].double() / norms[b, None]
    return {
        "W_enc": encoder,
        "b_enc": (b_enc.double() * norms / scale).float(),
        "W_dec": decoder,
        "b_dec": (b_dec.double() / scale).float(),
        "threshold": (threshold.double() * norms / scale).float(),
    }


def require_finite(rows: Tensor) -> None:
    """Raise ``ValueError`` naming the first row with NaN or infinite values."""
    if torch.isfinite(rows.sum()):
        return
    bad = (~torch.isfinite(rows)).any(dim=1)
    if bad.any():
        raise ValueError(
            f"activations hold NaN or infinite values ({int(bad.sum())} of {len(rows)} rows,"
            f" first row {int(bad.nonzero()[0])}): the model overflows or its weights are damaged"
        )


def save_tensors(path: Path, tensors: dict[str, Tensor], metadata: dict[str, str]) -> None:
    """Write a safetensors file, whole or not at all."""
    with write_whole(path) as temporary:
        save_file(tensors, temporary, metadata)


def load_tensors(path: Path, expected: set[str]) -> dict[str, Tensor]:
    """Read a safetensors file with exactly the ``expected`` tensors; else raises ``ValueError``."""
    if not path.is_file():
        raise ValueError(f"{path}: no such file")
    try:
        tensors = load_file(path)
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{path}: not a whole safetensors file ({error})") from None
    for problem, names in (("lacks", expected - set(tensors)), ("has extra", set(tensors) - expected)):
        if names:
            raise ValueError(f"{path}: {problem} tensors {', '.join(sorted(names))}")
    return tensors


def _shapes(config: SAEConfig) -> dict[str, tuple[int, ...]]:
    d, m, out = config.d_in, config.d_sae, config.writes
    return {"W_enc": (d, m), "b_enc": (m,), "W_dec": (m, out), "b_dec": (out,), "threshold": (m,)}
