"""Which tensors a StripedHyena network needs, and whether a checkpoint holds just those.

Names are those of the vortex layout (Evo 2) and of the Evo 1 files without their ``backbone.`` prefix;
shapes follow from the configuration.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import torch
from torch import Tensor

from genomic_models.contract import ModelError
from genomic_models.striped_hyena.config import VOCABULARY, StripedHyenaConfig

Shapes = dict[str, tuple[int, ...]]

IGNORED_SUFFIXES = (".filter.t", "._extra_state")
IGNORED_NAMES = ("unembed.weight",)
ROTARY = ".rotary_emb.inv_freq"
# How many tensor names an error message lists.
SHOWN = 3


def is_ignorable(name: str) -> bool:
    """Whether an entry of a checkpoint may be there without being used.

    The output matrix is tied to the embedding, ``filter.t`` is a counter, and ``_extra_state`` holds
    FP8 scales, which ``precision.read_scales`` reads.
    """
    return name in IGNORED_NAMES or name.endswith(IGNORED_SUFFIXES)


def _short(config: StripedHyenaConfig, index: int) -> Shapes:
    return {"filter.h": (config.mixer(index), 1, config.short_filter)}


def _medium(config: StripedHyenaConfig, index: int) -> Shapes:
    kernels = (config.mixer(index), 1, config.medium_filter)
    return {"filter.h": kernels, "filter.D": (config.mixer_width(index),)}


def _long(config: StripedHyenaConfig, index: int) -> Shapes:
    width, modes = config.mixer_width(index), config.state
    if config.generation == "evo1":
        pairs = (width, modes, 1, 2)
        return {"filter.poles": pairs, "filter.residues": pairs, "filter.D": (width,)}
    return {"filter.log_poles": (width, modes, 1), "filter.residues": (width, modes), "filter.D": (width,)}


_FILTERS: dict[str, Callable[[StripedHyenaConfig, int], Shapes]] = {"S": _short, "D": _medium, "H": _long}


def _hyena(config: StripedHyenaConfig, index: int) -> Shapes:
    width, inside = config.width, config.mixer_width(index)
    shapes: Shapes = {
        "projections.weight": (3 * inside, width),
        "filter.short_filter_weight": (3 * inside, 1, 3),
        "out_filter_dense.weight": (width, inside),
        "out_filter_dense.bias": (width,),
    }
    if config.generation == "evo1":
        shapes |= {"projections.bias": (3 * width,), "filter.short_filter_bias": (3 * width,)}
    return shapes | _FILTERS[config.pattern[index]](config, index)


def _attention(config: StripedHyenaConfig, index: int) -> Shapes:
    width, inside = config.width, config.mixer_width(index)
    shapes: Shapes = {
        "inner_mha_cls.Wqkv.weight": (3 * inside, width),
        "inner_mha_cls.out_proj.weight": (width, inside),
        "inner_mha_cls.out_proj.bias": (width,),
    }
    if config.generation == "evo1":  # frequencies are computed: those in the files are rounded
        return shapes | {"inner_mha_cls.Wqkv.bias": (3 * width,)}
    return shapes | {"inner_mha_cls.rotary_emb.inv_freq": (width // config.heads // 2,)}


def expected_tensors(config: StripedHyenaConfig) -> Shapes:
    """Name and shape of every tensor that a checkpoint of this architecture must hold."""
    width = config.width
    shapes: Shapes = {"embedding_layer.weight": (VOCABULARY, width), "norm.scale": (width,)}
    for i, letter in enumerate(config.pattern):
        if letter == "-":
            continue
        inner = config.inner_width(i)
        block: Shapes = {
            "pre_norm.scale": (width,),
            "post_norm.scale": (width,),
            "mlp.l1.weight": (inner, width),
            "mlp.l2.weight": (inner, width),
            "mlp.l3.weight": (width, inner),
        }
        block |= _attention(config, i) if letter == "*" else _hyena(config, i)
        shapes |= {f"blocks.{i}.{name}": shape for name, shape in block.items()}
    return shapes


def check(state: Mapping[str, Tensor], config: StripedHyenaConfig, source: str) -> dict[str, Tensor]:
    """Return the tensors the network needs; raise if they are not all there, or others are.

    Parameters
    ----------
    state : mapping of str to Tensor
        Tensors under the network's names.
    config : StripedHyenaConfig
        The architecture they should fit.
    source : str
        File or folder, for the message.

    Returns
    -------
    dict of str to Tensor
        Exactly the names of ``expected_tensors``; ignorable entries are left out.

    Raises
    ------
    ModelError
        Missing, unexpected or misshapen tensors, or values that are not finite.
    """
    expected = expected_tensors(config)
    missing = [name for name in expected if name not in state]
    recomputed = ROTARY if config.generation == "evo1" else "\0"
    extra = [
        name
        for name in state
        if name not in expected and not is_ignorable(name) and not name.endswith(recomputed)
    ]
    shaped = [
        f"{name} {tuple(state[name].shape)} instead of {shape}"
        for name, shape in expected.items()
        if name in state and tuple(state[name].shape) != shape
    ]
    faults = [
        f"{_counted(names, what)} ({_listed(names)})"
        for names, what in ((missing, "missing"), (extra, "unexpected"), (shaped, "misshapen"))
        if names
    ]
    if faults:
        raise ModelError(
            f"{source}: {', '.join(faults)}; expected the {len(expected)} tensors of an"
            f" {config.generation} network of {config.depth} blocks and width {config.width}: take the"
            " file that belongs to this model, or download it again if it was cut or edited"
        )
    kept = {name: state[name] for name in expected}
    damaged = [name for name, tensor in kept.items() if not _finite(tensor)]
    if damaged:
        raise ModelError(
            f"{source}: {_counted(damaged, 'with values that are not numbers')} ({_listed(damaged)});"
            " expected finite weights: download the file again"
        )
    return kept


def _finite(tensor: Tensor) -> bool:
    # aminmax passes NaN on and, unlike isfinite, needs no copy as large as the tensor
    low, high = tensor.aminmax()
    return bool(torch.isfinite(low) & torch.isfinite(high))


def _counted(names: list[str], what: str) -> str:
    return f"{len(names)} tensor{'s' if len(names) > 1 else ''} {what}"


def _listed(names: Iterable[str]) -> str:
    names = list(names)
    return ", ".join(names[:SHOWN]) + (", ..." if len(names) > SHOWN else "")
