"""dictionary_learning: ``ae.pt`` (a dictionary of tensors) and ``config.json`` with the class's name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from feature_mining.sae.formats.imported import (
    Imported,
    Parts,
    assemble,
    centred,
    json_of,
    own_rows,
    pickled_tensors,
    take,
    write_json,
    write_pickled,
)
from feature_mining.sae.formats.saelens import four, gated
from feature_mining.sae.model import SparseAutoencoder

CONFIG, WEIGHTS = "config.json", "ae.pt"
LIBRARY = "dictionary_learning"

_Reader = Callable[[Path, dict[str, Tensor]], Parts]


def found(folder: Path) -> bool:
    """Whether a folder is of this format."""
    return (folder / CONFIG).is_file() and (folder / WEIGHTS).is_file()


def read(folder: Path) -> Imported:
    """Read a folder; raises ``ValueError`` for what is damaged or cannot be represented."""
    path, weights = folder / CONFIG, folder / WEIGHTS
    trainer = json_of(path).get("trainer")
    kind = str(trainer.get("dict_class")) if isinstance(trainer, dict) else ""
    if not isinstance(trainer, dict) or kind not in READERS:
        raise ValueError(
            f"{path}: dict_class {kind!r} cannot be represented; readable are {', '.join(sorted(READERS))}"
        )
    parts = READERS[kind](weights, pickled_tensors(weights))
    model, layer = trainer.get("lm_name") or "", trainer.get("submodule_name") or ""
    return assemble(weights, kind, parts, LIBRARY, str(model), str(layer))


def write(sae: SparseAutoencoder, folder: Path) -> None:
    """Write what ``load_dictionary`` reads, in the class that computes the same features."""
    floor = sae.threshold.cpu().clamp_min(0)
    one = float(floor[0])
    k = torch.tensor(max(sae.config.k, 1), dtype=torch.int)
    if sae.config.row_topk:
        if bool((floor > 0).any()):
            raise ValueError("dictionary_learning has no TopK with thresholds; this one has both")
        kind = "AutoEncoderTopK"
        tensors = linear(sae, LIBRARY) | {"k": k, "threshold": torch.tensor(-1.0)}
    elif not bool((floor > 0).any()):
        kind = "AutoEncoder"
        tensors = linear(sae, LIBRARY)
        tensors["bias"] = tensors.pop("b_dec")
    elif bool((floor == one).all()):
        kind = "BatchTopKSAE"
        tensors = linear(sae, LIBRARY) | {"k": k, "threshold": torch.tensor(one)}
    else:
        kind = "JumpReluAutoEncoder"
        tensors = own_rows(centred(sae, False), LIBRARY) | {"threshold": floor}
    trainer = {
        "dict_class": kind,
        "trainer_class": sae.config.architecture,
        "activation_dim": sae.config.d_in,
        "dict_size": sae.config.d_sae,
        "k": int(k),
        "layer": 0,
        "lm_name": sae.config.model,
        "submodule_name": sae.config.layer,
    }
    write_pickled(folder / WEIGHTS, tensors)
    write_json(folder / CONFIG, {"trainer": trainer, "buffer": {}})


def linear(sae: SparseAutoencoder, library: str) -> dict[str, Tensor]:
    """Tensors by the names of linear layers, ``b_dec`` taken off the input."""
    own = own_rows(centred(sae, not sae.config.d_out), library)
    return {
        "encoder.weight": own["W_enc"].T,
        "encoder.bias": own["b_enc"],
        "decoder.weight": own["W_dec"].T,
        "b_dec": own["b_dec"],
    }


def _with_bias(bias: str, off_input: bool) -> _Reader:
    def parts(path: Path, tensors: dict[str, Tensor]) -> Parts:
        W_enc, b_enc, W_dec, b_dec = take(
            path, tensors, "encoder.weight", "encoder.bias", "decoder.weight", bias
        )
        return Parts(W_enc.T, b_enc, W_dec.T, b_dec, off_input)

    return parts


def topk(path: Path, tensors: dict[str, Tensor]) -> Parts:
    """The ``k`` largest of a row."""
    (k,) = take(path, tensors, "k")
    return _with_bias("b_dec", True)(path, tensors)._replace(k=_count(path, k), row_topk=True)


def batch_topk(path: Path, tensors: dict[str, Tensor]) -> Parts:
    """One threshold; -1, never set in training, keeps all that is above 0, as the library does."""
    k, threshold = take(path, tensors, "k", "threshold")
    whole = _count(path, k)
    return _with_bias("b_dec", True)(path, tensors)._replace(k=whole, threshold=threshold)


def _matryoshka(path: Path, tensors: dict[str, Tensor]) -> Parts:
    k, threshold = take(path, tensors, "k", "threshold")
    return Parts(*four(path, tensors), True, threshold, _count(path, k))


def _jumprelu(path: Path, tensors: dict[str, Tensor]) -> Parts:
    (threshold,) = take(path, tensors, "threshold")
    return Parts(*four(path, tensors), False, threshold)


def _gated(path: Path, tensors: dict[str, Tensor]) -> Parts:
    W_enc, b_gate, b_mag, r_mag, W_dec, b_dec = take(
        path, tensors, "encoder.weight", "gate_bias", "mag_bias", "r_mag", "decoder.weight", "decoder_bias"
    )
    return gated(W_enc.T, b_gate, b_mag, r_mag, W_dec.T, b_dec, True)


def _count(path: Path, k: Tensor) -> int:
    if k.numel() != 1 or not float(k) >= 1:
        raise ValueError(f"{path}: k is {k.tolist()}; expected one whole number of at least 1")
    return int(k)


READERS: dict[str, _Reader] = {
    "AutoEncoder": _with_bias("bias", True),
    "AutoEncoderNew": _with_bias("decoder.bias", False),
    "AutoEncoderTopK": topk,
    "BatchTopKSAE": batch_topk,
    "MatryoshkaBatchTopKSAE": _matryoshka,
    "JumpReluAutoEncoder": _jumprelu,
    "GatedAutoEncoder": _gated,
}
