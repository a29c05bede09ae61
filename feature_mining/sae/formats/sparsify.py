"""sparsify (``eai-sparsify``): ``cfg.json`` and ``sae.safetensors``, the ``k`` largest of each row."""

from __future__ import annotations

from pathlib import Path

from feature_mining.sae.formats.imported import (
    Imported,
    Parts,
    assemble,
    centred,
    json_of,
    positive,
    take,
    tensors_of,
    write_json,
)
from feature_mining.sae.model import SparseAutoencoder, save_tensors

CONFIG, WEIGHTS = "cfg.json", "sae.safetensors"


def found(folder: Path) -> bool:
    """Whether a folder is of this format."""
    return (folder / CONFIG).is_file() and (folder / WEIGHTS).is_file()


def read(folder: Path) -> Imported:
    """Read a folder; raises ``ValueError`` for what is damaged or cannot be represented."""
    path = folder / CONFIG
    config = json_of(path)
    activation = config.get("activation", "topk")
    if activation != "topk":
        raise ValueError(
            f"{path}: activation {activation!r} cannot be represented; readable is topk"
        )
    if config.get("transcode") or config.get("skip_connection"):
        raise ValueError(
            f"{path}: a transcoder (transcode or skip_connection); only autoencoders, which write what"
            " they read, can be represented"
        )
    tensors = tensors_of(folder / WEIGHTS)
    W_enc, b_enc, W_dec, b_dec = take(
        folder / WEIGHTS, tensors, "encoder.weight", "encoder.bias", "W_dec", "b_dec"
    )
    parts = Parts(W_enc.T, b_enc, W_dec, b_dec, True, None, positive(path, config, "k"), True)
    return assemble(folder / WEIGHTS, "topk", parts, "sparsify")


def write(sae: SparseAutoencoder, folder: Path) -> None:
    """Write what ``SparseCoder.load_from_disk`` reads."""
    if not sae.config.row_topk or bool((sae.threshold > 0).any()):
        raise ValueError(
            "sparsify keeps the k largest features of a row; this autoencoder has thresholds: export"
            " it as saelens or dictionary_learning"
        )
    plain = centred(sae, True)
    write_json(
        folder / CONFIG,
        {
            "activation": "topk",
            "expansion_factor": max(1, sae.config.d_sae // sae.config.d_in),
            "normalize_decoder": True,
            "num_latents": sae.config.d_sae,
            "k": sae.config.k,
            "multi_topk": False,
            "skip_connection": False,
            "transcode": False,
            "d_in": sae.config.d_in,
        },
    )
    tensors = {
        "encoder.weight": plain.W_enc.T,
        "encoder.bias": plain.b_enc,
        "W_dec": plain.W_dec,
        "b_dec": plain.b_dec,
    }
    save_tensors(folder / WEIGHTS, {n: t.cpu().contiguous() for n, t in tensors.items()}, {})
