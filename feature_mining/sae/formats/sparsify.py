"""sparsify (``eai-sparsify``): ``cfg.json`` and ``sae.safetensors``, the ``k`` largest of each row.

Its transcoders (``transcode``) subtract nothing from the input; a ``skip_connection`` is stored transposed.
"""

from __future__ import annotations

from pathlib import Path

from feature_mining.sae.formats.imported import (
    Imported,
    Parts,
    assemble,
    centred,
    json_of,
    own_rows,
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
        raise ValueError(f"{path}: activation {activation!r} cannot be represented; readable is topk")
    tensors = tensors_of(folder / WEIGHTS)
    W_enc, b_enc, W_dec, b_dec = take(
        folder / WEIGHTS, tensors, "encoder.weight", "encoder.bias", "W_dec", "b_dec"
    )
    transcoder = bool(config.get("transcode"))
    k = positive(path, config, "k")
    parts = Parts(W_enc.T, b_enc, W_dec, b_dec, not transcoder, None, k, True)
    if config.get("skip_connection"):
        (skip,) = take(folder / WEIGHTS, tensors, "W_skip")
        parts = parts._replace(W_skip=skip.T)
    name = "topk_transcoder" if transcoder else "topk"
    return assemble(folder / WEIGHTS, name, parts._replace(transcoder=transcoder), "sparsify")


def write(sae: SparseAutoencoder, folder: Path) -> None:
    """Write what ``SparseCoder.load_from_disk`` reads."""
    if not sae.config.row_topk or bool((sae.threshold > 0).any()):
        raise ValueError(
            "sparsify keeps the k largest features of a row; this autoencoder has thresholds: export"
            " it as saelens or dictionary_learning"
        )
    transcoder = bool(sae.config.d_out)
    if transcoder and sae.config.d_out != sae.config.d_in:
        raise ValueError(
            f"a transcoder of sparsify writes as wide as it reads; this one reads {sae.config.d_in}"
            f" and writes {sae.config.d_out}"
        )
    own = own_rows(centred(sae, not transcoder), "sparsify", transcoders=True)
    write_json(
        folder / CONFIG,
        {
            "activation": "topk",
            "expansion_factor": max(1, sae.config.d_sae // sae.config.d_in),
            "normalize_decoder": sae.choice is None,
            "num_latents": sae.config.d_sae,
            "k": sae.config.k,
            "multi_topk": False,
            "skip_connection": sae.W_skip is not None,
            "transcode": transcoder,
            "d_in": sae.config.d_in,
        },
    )
    tensors = {
        "encoder.weight": own["W_enc"].T,
        "encoder.bias": own["b_enc"],
        "W_dec": own["W_dec"],
        "b_dec": own["b_dec"],
    }
    if sae.W_skip is not None:
        tensors["W_skip"] = sae.W_skip.T
    save_tensors(folder / WEIGHTS, {n: t.cpu().contiguous() for n, t in tensors.items()}, {})
