"""InterPLM: ``ae.pt`` (or ``ae_normalized.pt``, ``ae_unnormalized.pt``) and ``config.yaml``.

Its YAML carries Python tags that its own loader runs. Here a tag is a name and what it holds is plain data:
nothing is imported and nothing called.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch
import yaml
from torch import Tensor

from feature_mining.sae.formats import dictionary_learning
from feature_mining.sae.formats.imported import (
    Imported,
    Parts,
    assemble,
    pickled_tensors,
    take,
    write_pickled,
)
from feature_mining.sae.model import SparseAutoencoder
from genomic_models.files import write_whole

CONFIG = "config.yaml"
WEIGHTS = ("ae.pt", "ae_unnormalized.pt", "ae_normalized.pt")
_CLASS = "class"
_PYTHON = "tag:yaml.org,2002:python/"
# Bytes of a file of settings, at most.
_LONGEST = 1 << 18


def found(folder: Path) -> bool:
    """Whether a folder is of this format."""
    return _weights(folder) is not None and not (folder / dictionary_learning.CONFIG).is_file()


def read(folder: Path) -> Imported:
    """Read a folder; raises ``ValueError`` for what is damaged or cannot be represented."""
    weights = _weights(folder)
    assert weights is not None
    tensors = pickled_tensors(weights)
    names = set(_classes(folder / CONFIG)) if (folder / CONFIG).is_file() else set()
    kind, parts = _parts(weights, tensors, names)
    root = tensors.get("normalize_to_sqrt_d")
    if root is not None and bool(root.any()):
        if kind != "relu" or not parts.centred:
            raise ValueError(
                f"{weights}: brings every activation to one norm (normalize_to_sqrt_d), which its library"
                f" does for a {kind} when it reconstructs and not when it encodes; there is no telling which"
                " was meant"
            )
        parts = parts._replace(row_norm="unit_rms")
    return assemble(weights, kind, parts, "InterPLM")


def write(sae: SparseAutoencoder, folder: Path) -> None:
    """Write weights and a plain YAML that any safe loader reads."""
    floor = sae.threshold.cpu().clamp_min(0)
    positive = bool((floor > 0).any())
    ones = torch.ones(sae.config.d_sae)
    common = {"activation_rescale_factor": ones, "normalize_to_sqrt_d": torch.tensor(False)}
    tensors = dictionary_learning.linear(sae, "InterPLM")
    k = torch.tensor(max(sae.config.k, 1), dtype=torch.int)
    if sae.config.row_topk and positive:
        raise ValueError("InterPLM has no TopK with thresholds; this autoencoder has both")
    if sae.config.row_topk:
        kind = "TopKSAE"
        tensors |= {"k": k, "threshold": torch.tensor(-1.0)}
    elif not positive:
        kind = "ReLUSAE"
        tensors["bias"] = tensors.pop("b_dec")
    elif bool((floor == floor[0]).all()):
        kind = "BatchTopKSAE"
        tensors |= {"k": k, "threshold": floor[0].clone()}
    else:
        kind = "JumpReLUSAE"
        plain = dictionary_learning.centred(sae, False)
        tensors["encoder.bias"], tensors["threshold"] = plain.b_enc, floor
        tensors["decoder.bias"] = tensors.pop("b_dec")
    write_pickled(folder / WEIGHTS[0], tensors | common)
    facts = {
        _CLASS: kind,
        "activation_dim": sae.config.d_in,
        "dictionary_size": sae.config.d_sae,
        "k": int(k),
        "model": sae.config.model,
        "layer": sae.config.layer,
    }
    with write_whole(folder / CONFIG) as temporary:
        temporary.write_text(yaml.safe_dump(facts, sort_keys=False))


def _weights(folder: Path) -> Path | None:
    return next((folder / name for name in WEIGHTS if (folder / name).is_file()), None)


def _parts(path: Path, tensors: dict[str, Tensor], names: set[str]) -> tuple[str, Parts]:
    if "k" in tensors:
        batch = any("BatchTopK" in name for name in names)
        if not batch and not any("TopK" in name for name in names):
            raise ValueError(
                f"{path}: TopK and BatchTopK store the same tensors, and no {CONFIG} beside it says which"
            )
        if batch:
            return "batch_topk", dictionary_learning.batch_topk(path, tensors)
        return "topk", dictionary_learning.topk(path, tensors)
    bias = "bias" if "bias" in tensors else "decoder.bias"
    W_enc, b_enc, W_dec, b_dec = take(path, tensors, "encoder.weight", "encoder.bias", "decoder.weight", bias)
    threshold = tensors.get("threshold")
    kind = "relu" if threshold is None else "jumprelu"
    return kind, Parts(W_enc.T, b_enc, W_dec.T, b_dec, bias == "bias", threshold)


def _classes(path: Path) -> Iterator[str]:
    """Names of classes anywhere in the file: Python tags, and what is called ``class``.

    The file is taken apart and never made into objects. A part that others refer to (an alias) is looked at
    once, however often it is referred to.
    """
    size = path.stat().st_size
    if size > _LONGEST:
        raise ValueError(f"{path}: {size:,} bytes; expected settings of at most {_LONGEST:,}")
    try:
        root = yaml.compose(path.read_text(), Loader=yaml.SafeLoader)
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        first = " ".join(str(error).split())[:120]
        raise ValueError(f"{path}: not YAML that can be read safely ({first})") from None
    waiting = [root] if root else []
    seen: set[int] = set()
    while waiting:
        node = waiting.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if node.tag.startswith(_PYTHON):
            yield node.tag.rsplit(":", 1)[-1].rsplit(".", 1)[-1]
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                if key.value == _CLASS and isinstance(value, yaml.ScalarNode):
                    yield value.value
                waiting.append(value)
        elif isinstance(node, yaml.SequenceNode):
            waiting += node.value
