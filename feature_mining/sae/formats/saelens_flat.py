"""SAELens before version 6: one flat ``cfg.json``, no ``metadata``; the weights are those of version 6.

Written are the keys that versions 3 to 5 require of a configuration, with which later ones read it, too. A
TopK is there a ``standard`` whose activation is ``topk``. What those versions must have and an autoencoder of
genomes has not (a data set, a context) has the value that says so.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from feature_mining.sae.formats import saelens
from feature_mining.sae.formats.imported import json_of, write_json
from feature_mining.sae.model import SparseAutoencoder


def found(folder: Path) -> bool:
    """Whether a folder is of this format."""
    return saelens.found(folder) and "metadata" not in json_of(folder / saelens.CONFIG)


def write(sae: SparseAutoencoder, folder: Path) -> None:
    """Write what versions 3 to 5 load; raises ``ValueError`` for transcoders, which they lack."""
    if sae.config.d_out or sae.W_skip is not None:
        raise ValueError("SAELens before version 6 has no transcoders: export this one as saelens")
    saelens.write(sae, folder)
    write_json(folder / saelens.CONFIG, _flat(json_of(folder / saelens.CONFIG)))


def _flat(config: dict[str, Any]) -> dict[str, Any]:
    metadata, k = config["metadata"], config.get("k")
    place = re.search(r"\d+", metadata["hook_name"])
    return {
        "architecture": "standard" if k else config["architecture"],
        "d_in": config["d_in"],
        "d_sae": config["d_sae"],
        "dtype": config["dtype"],
        "device": config["device"],
        "model_name": metadata["model_name"],
        "hook_name": metadata["hook_name"],
        "hook_layer": int(place.group()) if place else 0,
        "hook_head_index": None,
        "activation_fn_str": "topk" if k else "relu",
        "activation_fn_kwargs": {"k": k} if k else {},
        "apply_b_dec_to_input": config["apply_b_dec_to_input"],
        "finetuning_scaling_factor": False,
        "sae_lens_training_version": None,
        "prepend_bos": False,
        "dataset_path": "",
        "dataset_trust_remote_code": False,
        "context_size": 0,
        "normalize_activations": config["normalize_activations"],
        "neuronpedia_id": None,
        "model_from_pretrained_kwargs": {},
    }
