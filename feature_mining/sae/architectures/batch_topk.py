"""BatchTopK (Bussmann et al. 2024, arXiv 2412.06410): the ``B * k`` largest values of a batch are active.

Gradients are written out. On the CPU only the encoder's product is dense, block by block; everything after it
walks the active pairs. Elsewhere the same formulas run dense.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from feature_mining.sae import kernels
from feature_mining.sae.architectures.form import Form
from feature_mining.sae.architectures.initial_weights import Initialisation
from feature_mining.sae.architectures.objective import Outcome, across, auxiliary
from feature_mining.sae.architectures.selection import keep_largest
from feature_mining.sae.model import BLOCK
from feature_mining.threads import use_threads
from genomic_models.products import linear

# Candidates are values above this share of the last cut.
_MARGIN = 0.85


class Pairs(NamedTuple):
    """Active pairs of a batch as sparse rows: int64 (B + 1), int32 (nnz), float32 (nnz)."""

    indptr: np.ndarray
    indices: np.ndarray
    values: np.ndarray


class Gradients(NamedTuple):
    """What the reconstruction loss gives.

    decoder, encoder : (m, d); bias : (m); output : (B, d), derivative by the reconstruction
    squared_error : float; cut : float; active : int; fired : bool (m)
    """

    decoder: Tensor
    encoder: Tensor
    bias: Tensor
    output: Tensor
    squared_error: float
    cut: float
    active: int
    fired: Tensor


class BatchTopK(Form):
    """Training form; attributes are those of ``Form``."""

    def __init__(self, init: Initialisation) -> None:
        super().__init__(init)
        # A guess that no result depends on.
        self._last_cut = 0.0

    def gradients(self, x: Tensor, dead: Tensor) -> Outcome:
        """Set ``.grad`` of all parameters for a batch ``(B, d_in)``; ``dead`` is bool ``(d_sae,)``."""
        factor = 2 / (len(x) * self.ranks.count * self.variance)
        centred = x - self.b_dec
        compute = self._sparse if x.device.type == "cpu" else self._dense
        g = compute(x, centred, factor)
        aux = 0.0
        if dead.any():
            who = dead.nonzero()[:, 0]
            part = auxiliary(
                g.output / -factor, centred, self.encoder[who], self.b_enc[who], self.decoder[who], self.ranks
            )
            aux = part.loss
            g.decoder.index_add_(0, who, part.decoder)
            g.encoder.index_add_(0, who, part.encoder)
            g.bias.index_add_(0, who, part.bias)
        self.decoder.grad = across(g.decoder, self.decoder)
        self.encoder.grad, self.b_enc.grad = g.encoder, g.bias
        self.b_dec.grad = g.output.sum(dim=0) - (g.bias @ self.encoder).float()
        rows = len(x) * self.ranks.count
        mse = g.squared_error / (rows * self.variance)
        return Outcome(mse, aux, g.active / rows, g.cut, g.fired)

    # -- the reconstruction loss ----------------------------------------------------------------

    def _sparse(self, x: Tensor, centred: Tensor, factor: float) -> Gradients:
        use_threads()
        pairs = self._select(centred)
        back = np.empty_like(pairs.values)
        output = torch.empty_like(x)
        decoder, encoder = torch.empty_like(self.decoder), torch.empty_like(self.encoder)
        bias = torch.empty_like(self.b_enc)
        error = kernels.row_pass(
            *pairs,
            self.decoder.numpy(),
            self.b_dec.numpy(),
            x.numpy(),
            np.float32(factor),
            output.numpy(),
            back,
        )
        pointers, rows, places = kernels.by_feature(pairs.indptr, pairs.indices, len(bias))
        kernels.feature_pass(
            pointers,
            rows,
            places,
            pairs.values,
            back,
            output.numpy(),
            centred.numpy(),
            decoder.numpy(),
            encoder.numpy(),
            bias.numpy(),
        )
        fired = torch.from_numpy(np.diff(pointers) > 0)
        cut = float(pairs.values.min()) if pairs.values.size else 0.0
        return Gradients(decoder, encoder, bias, output, float(error), cut, pairs.values.size, fired)

    def _select(self, centred: Tensor) -> Pairs:
        """The ``B * k`` largest positive values; of equal ones at the cut, the first."""
        wanted = len(centred) * self.k
        guess = self._last_cut or self._first_guess(centred[:BLOCK])
        indptr, indices, values = self._above(centred, guess * _MARGIN)
        enough = self.ranks.total(values.size) >= wanted * self.ranks.count
        if not enough and guess > 0:
            indptr, indices, values = self._above(centred, 0.0)
        if self.ranks.count > 1:
            return self._select_together(indptr, indices, values, wanted * self.ranks.count)
        if values.size > wanted:
            cut = np.partition(values, values.size - wanted)[values.size - wanted]
            keep = values > cut
            ties = np.flatnonzero(values == cut)
            keep[ties[: wanted - int(keep.sum())]] = True
            before = np.concatenate([np.zeros(1, np.int64), np.cumsum(keep)])
            indptr, indices, values = before[indptr], indices[keep], values[keep]
        self._last_cut = float(values.min()) if values.size == wanted else 0.0
        return Pairs(indptr, indices, values)

    def _first_guess(self, rows: Tensor) -> float:
        """The cut of the first rows, so that not all positive values of a whole batch are candidates."""
        pre = self._before_activation(rows).flatten()
        wanted = len(rows) * self.k
        cut = float(pre.topk(wanted, sorted=False).values.min()) if wanted < len(pre) else 0.0
        return self.ranks.least(max(cut, 0.0))

    def _select_together(
        self, indptr: np.ndarray, indices: np.ndarray, values: np.ndarray, wanted: int
    ) -> Pairs:
        """The share of this process in the ``wanted`` largest values of all processes."""
        keep = self.ranks.largest(values, wanted)
        before = np.concatenate([np.zeros(1, np.int64), np.cumsum(keep)])
        pairs = Pairs(before[indptr], indices[keep], values[keep])
        # Every process starts its next search at a level that all share.
        lowest = float(pairs.values.min()) if pairs.values.size else np.inf
        lowest = self.ranks.least(lowest)
        full = self.ranks.total(pairs.values.size) == wanted
        self._last_cut = lowest if full else 0.0
        return pairs

    def _above(self, centred: Tensor, level: float) -> Pairs:
        width, chunks = len(self.b_enc), -(-BLOCK // kernels.CHUNK)
        floor = np.full(width, level, np.float32)
        indices = np.empty((chunks, kernels.CHUNK * width), np.int32)
        values = np.empty((chunks, kernels.CHUNK * width), np.float32)
        found = np.zeros(chunks, np.int64)
        counts = np.zeros(len(centred), np.int64)
        parts = []
        for start in range(0, len(centred), BLOCK):
            part = slice(start, start + BLOCK)
            block = centred[part]
            piece = self._before_activation(block)
            kernels.compact_chunks(piece.numpy(), floor, counts[part], indices, values, found)
            for c in range(-(-len(block) // kernels.CHUNK)):
                parts.append((indices[c, : found[c]].copy(), values[c, : found[c]].copy()))
        return Pairs(
            np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)]),
            np.concatenate([p[0] for p in parts]),
            np.concatenate([p[1] for p in parts]),
        )

    def _before_activation(self, centred: Tensor) -> Tensor:
        """What ``centred`` (n, d) gives before any choice, float32 (n, m) whatever the precision on a GPU."""
        with torch.autocast("cpu", enabled=False):
            return linear(centred, self.encoder, self.b_enc)

    def _dense(self, x: Tensor, centred: Tensor, factor: float) -> Gradients:
        # Under autocast products come in bfloat16; sums over rows and all gradients are float32.
        codes = torch.addmm(self.b_enc, centred, self.encoder.T).relu_()
        codes, values = self._keep(codes)
        error = torch.addmm(self.b_dec, codes, self.decoder) - x
        output = error * factor
        active = codes > 0
        back = (output @ self.decoder.T).mul_(active)
        kept = values[values > 0]
        return Gradients(
            (codes.T @ output).float(),
            (back.T @ centred).float(),
            back.sum(dim=0, dtype=torch.float32),
            output,
            float(error.square().sum(dtype=torch.float64)),
            float(kept.min()) if len(kept) else 0.0,
            len(kept),
            active.any(dim=0),
        )

    def _keep(self, codes: Tensor) -> tuple[Tensor, Tensor]:
        """Dense ``codes`` (B, m) >= 0 with all but the chosen values 0, and the chosen values."""
        return keep_largest(codes, self.k, self.ranks)
