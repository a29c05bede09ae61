"""Any PyTorch network behind the contract: one letter a base in, activations at named modules out.

A network reads base codes or one-hot letters, and says the next base, or what ``Outputs`` names (classes or
tracks along the sequence). Each tap is the output of a module, by its name in the network.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, replace
from functools import cached_property
from math import lcm
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional

from genomic_models.contract import Edit, Forward, ModelError, Outputs, Tokens, refuse_empty
from genomic_models.dna import BASES, UNKNOWN, base_codes, check_letters
from genomic_models.files import expanded
from genomic_models.hashing import hash_weights
from genomic_models.model import Model
from genomic_models.taps import Probe, after, hooked, require_gradient

# Bases, at least, on which a network is tried when it is wrapped.
PROBE_BASES = 64


def one_hot(codes: Tensor) -> Tensor:
    """Float32 ``(B, 4, L)`` of base codes ``(B, L)``: A, C, G, T; zeros for any other letter."""
    return functional.one_hot(codes, UNKNOWN + 1)[..., :UNKNOWN].transpose(1, 2).float()


@dataclass(frozen=True)
class Columns:
    """Bases of a tap's columns: column ``j`` is of the ``stride`` bases from ``offset + j * stride`` on.

    Counted from the first base of what the network is given. The offset is above 0 where convolutions without
    padding leave the ends out.
    """

    offset: int = 0
    stride: int = 1


class ModuleModel(Model):
    """A network of one's own behind the contract.

    Parameters
    ----------
    build : callable
        Makes the network, with fresh weights: the control with random weights is made with it.
    weights : path or mapping of str to Tensor
        State of the trained network: a file of safetensors, or of PyTorch's that holds tensors alone, or the
        tensors by name.
    taps : sequence of str, or mapping of str to Columns
        Names of the modules whose outputs can be read and edited, ``(B, d, L)`` or, with ``channels_last``,
        ``(B, L, d)``; of a module that gives several values, the first. A mapping says which bases the
        columns of each are of, where not every column is of one base.
    outputs : Outputs, optional
        What the network's output is, a place counted from the first base that it is given; without it the
        output at a base is the log-odds of the next one, A, C, G, T first.
    encode : callable
        From base codes ``(B, L)`` int64 (A, C, G, T, other: 0 to 4) to what the network takes.
    pad : int
        Unknown letters put on both sides of every sequence: what the network cuts off, or its reach.
    context : int
        Longest sequence, in bases.
    causal : bool
        Whether what is said at a base hangs on no base after it.
    channels_last : bool
        Of taps and outputs.
    probabilities : bool
        Whether the network gives classes as probabilities, not as logits.
    name : str

    Raises
    ------
    ModelError
        For weights that do not fit, a tap that is no module of the network or has other columns than was
        said, outputs of other number or place, and a network that is said to be causal and is not.
    """

    def __init__(
        self,
        build: Callable[[], nn.Module],
        weights: str | Path | Mapping[str, Tensor],
        taps: Sequence[str] | Mapping[str, Columns],
        outputs: Outputs | None = None,
        encode: Callable[[Tensor], Tensor] = one_hot,
        pad: int = 0,
        context: int = 100_000,
        causal: bool = False,
        channels_last: bool = False,
        probabilities: bool = False,
        name: str = "module",
    ) -> None:
        self.build, self.encode, self.pad, self.context = build, encode, pad, context
        self.causal, self.channels_last, self.probabilities = causal, channels_last, probabilities
        self.name = name
        self._columns = dict(taps) if isinstance(taps, Mapping) else {tap: Columns() for tap in taps}
        self._given = outputs
        strides = [columns.stride for columns in self._columns.values()]
        self._multiple = lcm(*strides, outputs.stride if outputs else 1)
        self._install(_filled(build(), weights, name))
        for tap, columns in self._columns.items():
            if columns.stride < 1 or (pad - columns.offset) % columns.stride or columns.offset > pad:
                raise ModelError(
                    f"model {name}: pad {pad} less the offset {columns.offset} of tap {tap} must be 0 or"
                    f" more, and a multiple of its stride {columns.stride}, so that a column begins with the"
                    " sequence"
                )
        self.outputs = None if outputs is None else replace(outputs, offset=outputs.offset - pad)
        self.layers = tuple(self._columns)
        self._widths: dict[str, int] = {}
        self._examine()

    @cached_property
    def weights_hash(self) -> str:  # type: ignore[override]
        return hash_weights(self.network.state_dict())

    @property
    def device(self) -> torch.device:
        return next(self.network.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        return next(self.network.parameters()).dtype

    def to(self, device: str, dtype: torch.dtype) -> ModuleModel:
        """Move the network; gives the model itself."""
        self.network.to(device=device, dtype=dtype)
        return self

    def untrained(self, seed: int) -> ModuleModel:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = self.build()
        made = copy(self)
        made.__dict__.pop("weights_hash", None)
        made.name = f"{self.name} (random weights, seed {seed})"
        made._install(network.to(device=self.device, dtype=self.dtype))
        return made

    def _install(self, network: nn.Module) -> None:
        self.network = network.eval().requires_grad_(False)
        modules = dict(network.named_modules())
        if unknown := [tap for tap in self._columns if tap not in modules]:
            known = ", ".join([module for module in modules if module][:12])
            raise ModelError(f"model {self.name}: no module {unknown[0]!r} to tap; its modules are {known}")
        self._tapped = {tap: modules[tap] for tap in self._columns}

    def d_model(self, layer: str) -> int:
        return self._widths[self.resolve(layer)]

    def tokenize(self, sequences: Sequence[str]) -> Tokens:
        refuse_empty(sequences)
        rows = []
        for i, sequence in enumerate(sequences):
            try:
                rows.append(torch.from_numpy(base_codes(check_letters(sequence)).copy()).long())
            except ValueError as error:
                raise ModelError(f"sequence {i}: {error}") from None
        lengths = torch.tensor([len(row) for row in rows])
        return Tokens(nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=UNKNOWN), lengths)

    def base_tokens(self) -> Tensor | None:
        return None if self.outputs else torch.arange(len(BASES))

    def spans(self, layer: str, tokens: Tokens) -> Tensor | None:
        stride = self._columns[self.resolve(layer)].stride
        if stride == 1:
            return None
        starts = torch.arange(0, tokens.ids.shape[1], stride)
        edges = torch.stack([starts, starts + stride], -1)
        return torch.minimum(edges[None], tokens.lengths[:, None, None])

    def forward(
        self,
        sequences: Sequence[str],
        taps: Sequence[str] = (),
        until: str | None = None,
        edits: Mapping[str, Edit] | None = None,
        gradients: bool = False,
        frozen: bool = False,
    ) -> Forward:
        if frozen:
            raise ModelError(f"model {self.name} cannot hold its gates: no direct effect of it is known")
        tokens = self.tokenize(sequences)
        longest = int(tokens.lengths.max())
        if longest > self.context:
            raise ModelError(
                f"model {self.name} reads at most {self.context:,} bases, this batch has {longest:,}: use a"
                " smaller window"
            )
        for name in (*taps, *(edits or ()), *([until] if until else [])):
            self.resolve(name)
        lengths = tokens.lengths.tolist()
        if len(set(lengths)) > 1:
            if edits:
                raise ModelError(f"model {self.name}: edits need sequences of one length in a batch")
            return self._apart(tokens, taps, until, gradients)
        return self._run(tokens, taps, until, edits or {}, gradients)

    def _apart(self, tokens: Tokens, taps: Sequence[str], until: str | None, gradients: bool) -> Forward:
        """Rows of different lengths, those of one length together: no network is told what padding is."""
        found: dict[int, Forward] = {}
        for length in tokens.lengths.unique().tolist():
            rows = torch.nonzero(tokens.lengths == length)[:, 0].tolist()
            part = self._run(
                Tokens(tokens.ids[rows, :length], tokens.lengths[rows]), taps, until, {}, gradients
            )
            found |= {row: _row(part, i) for i, row in enumerate(rows)}
        rows_ = [found[i] for i in range(len(found))]

        def joined(parts: list[Tensor]) -> Tensor:
            return nn.utils.rnn.pad_sequence(parts, batch_first=True)

        logits = [row.logits for row in rows_ if row.logits is not None]
        return Forward(
            tokens,
            joined(logits) if logits else None,
            {tap: joined([row.taps[tap] for row in rows_]) for tap in taps},
        )

    def _run(
        self,
        tokens: Tokens,
        taps: Sequence[str],
        until: str | None,
        edits: Mapping[str, Edit],
        gradients: bool = False,
    ) -> Forward:
        ids = tokens.ids.to(self.device)
        length = ids.shape[1]
        beyond = -(length + 2 * self.pad) % self._multiple
        given = self.encode(functional.pad(ids, (self.pad, self.pad + beyond), value=UNKNOWN))
        given = given.to(self.dtype) if given.is_floating_point() else given
        probe = Probe(ids, 0, taps, until, edits)

        def visit(name: str, x: Tensor) -> Tensor:
            columns = self._columns[name]
            first = (self.pad - columns.offset) // columns.stride
            own = slice(first, first - (-length // columns.stride))
            rows = x if self.channels_last else x.transpose(1, 2)
            if rows.ndim != 3 or rows.shape[1] < own.stop:
                raise ModelError(
                    f"model {self.name}: tap {name} gives {tuple(x.shape)} for {given.shape[0]} sequences of"
                    f" {length} bases with {self.pad} beyond each end, expected a column for every"
                    f" {columns.stride} of these bases: give a larger pad, other Columns or channels_last"
                )
            read = probe(name, rows[:, own])
            if name not in edits:
                return x
            rows = torch.cat([rows[:, : own.start], read, rows[:, own.stop :]], 1)
            return rows if self.channels_last else rows.transpose(1, 2)

        handles = [
            self._tapped[name].register_forward_hook(after(visit, name))
            for name in self.layers
            if name in probe.watched
        ]
        logits = hooked(handles, gradients, lambda: self._said(self.network(given), length))
        if gradients and edits:
            require_gradient(self.name, logits)
        return Forward(tokens, logits, probe.read())

    def _said(self, output: Any, length: int) -> Tensor:
        """What the network said, ``(B, columns, names)``: log-probabilities of classes, tracks as they are.

        Columns are those that begin in the sequence; of the next base, A, C, G, T and, never, another letter.
        """
        first = output[0] if isinstance(output, tuple) else output
        if not isinstance(first, Tensor) or first.ndim != 3:
            raise ModelError(f"model {self.name}: its output is no tensor of three dimensions")
        rows = (first if self.channels_last else first.transpose(1, 2)).float()
        said = self.outputs
        expected = len(said.names) if said else len(BASES)
        if rows.shape[2] != expected and (said or rows.shape[2] < expected):
            raise ModelError(f"model {self.name}: {rows.shape[2]} outputs a place, expected {expected}")
        if said is None:
            rows = rows[:, self.pad : self.pad + length]
            return functional.pad(rows[..., :expected], (0, 1), value=-torch.inf)
        cut = said.offset + self.pad  # off either end of what the network was given
        columns = min(1 + said.column(length - 1), (length + 2 * self.pad - 2 * cut) // said.stride)
        if rows.shape[1] < columns:
            raise ModelError(
                f"model {self.name}: {rows.shape[1]} outputs for {length} bases, expected {columns} of offset"
                f" {cut} and stride {said.stride}"
            )
        rows = rows[:, :columns]
        if said.kind == "tracks":
            return rows
        return rows.clamp_min(1e-30).log() if self.probabilities else rows.log_softmax(-1)

    def _examine(self) -> None:
        """Try the network on some bases: order and widths of the taps, shapes, and whether it is causal."""
        length = min(self.context, max(PROBE_BASES, 4 * self._multiple))
        codes = torch.arange(length)[None] * 7 % 11 % len(BASES)
        lengths = torch.tensor([length])
        order: list[str] = []
        handles = [
            module.register_forward_hook(lambda *_, name=name: order.append(name))
            for name, module in self._tapped.items()
        ]
        try:
            found = self._run(Tokens(codes, lengths), self.layers, None, {})
        except (RuntimeError, TypeError, IndexError) as error:
            raise ModelError(
                f"model {self.name}: its network does not take {length + 2 * self.pad} letters as `encode`"
                f" gives them ({_first(error)})"
            ) from error
        finally:
            for handle in handles:
                handle.remove()
        if len(order) != len(set(order)):
            again = next(name for name in order if order.count(name) > 1)
            raise ModelError(f"model {self.name}: module {again} runs more than once in a pass: tap another")
        self.layers = tuple(order)
        self._widths = {tap: values.shape[2] for tap, values in found.taps.items()}
        if self.causal:
            other = codes.clone()
            other[0, -1] = (other[0, -1] + 1) % len(BASES)
            changed = self._run(Tokens(other, lengths), self.layers, None, {})
            for tap, values in found.taps.items():
                before = self.spans(tap, found.tokens)
                keep = values.shape[1] - (1 if before is None else 2)
                if not torch.allclose(values[:, :keep], changed.taps[tap][:, :keep], atol=1e-5):
                    raise ModelError(
                        f"model {self.name} is said to be causal; {tap} sees bases further right"
                    )


def _filled(network: nn.Module, weights: str | Path | Mapping[str, Tensor], name: str) -> nn.Module:
    try:
        if isinstance(weights, str | Path):
            weights = _read_weights(expanded(weights))
        missing, unexpected = network.load_state_dict(weights, strict=False)
    except (OSError, UnpicklingError, SafetensorError) as error:
        raise ModelError(f"model {name}: its weights cannot be read as data ({_first(error)})") from error
    except (RuntimeError, AttributeError, TypeError) as error:
        raise ModelError(f"model {name}: weights do not fit the network ({_first(error)})") from error
    if missing or unexpected:
        raise ModelError(
            f"model {name}: weights do not fit the network"
            f" ({len(missing)} missing: {', '.join(missing[:3]) or 'none'};"
            f" {len(unexpected)} of no use: {', '.join(unexpected[:3]) or 'none'})"
        )
    return network


def _read_weights(path: Path) -> Mapping[str, Tensor]:
    if path.suffix == ".safetensors":
        return load_file(path)
    found: Mapping[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    return found


def _first(error: Exception) -> str:
    """The telling line of an error of PyTorch's."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__


def _row(part: Forward, row: int) -> Forward:
    """One row of a pass, without its batch."""
    logits = None if part.logits is None else part.logits[row]
    return Forward(part.tokens, logits, {tap: values[row] for tap, values in part.taps.items()})
