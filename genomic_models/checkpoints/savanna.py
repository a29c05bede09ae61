"""The layout of Savanna, in which Evo 2 was trained, brought to the names of the vortex layout.

Block ``i`` is ``sequential.{i+2}``. Medium filters are stored apart from their decay, long filters by
other parameters of the same poles: ``log_pole = -exp(p) exp(gamma)``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from genomic_models.checkpoints.layout import is_ignorable
from genomic_models.checkpoints.vortex import tensors_only
from genomic_models.contract import ModelError

EMBEDDING = "sequential.0.word_embeddings.weight"
FINAL_NORM = re.compile(r"sequential\.\d+\.norm\.weight$")
BLOCK = re.compile(r"sequential\.(?P<index>\d+)\.(?P<rest>.+)$")
FIRST_BLOCK = 2
MEDIUM_TAPS = 128

COMMON = {
    "input_layernorm.weight": "pre_norm.scale",
    "pre_mlp_layernorm.weight": "post_norm.scale",
    "mlp.w1.weight": "mlp.l1.weight",
    "mlp.w2.weight": "mlp.l2.weight",
    "mlp.w3.weight": "mlp.l3.weight",
}
ATTENTION = {
    "mixer.dense_projection.weight": "inner_mha_cls.Wqkv.weight",
    "mixer.dense.weight": "inner_mha_cls.out_proj.weight",
    "mixer.dense.bias": "inner_mha_cls.out_proj.bias",
    "mixer.rotary_emb.inv_freq": "inner_mha_cls.rotary_emb.inv_freq",
}
HYENA = {
    "mixer.dense_projection.weight": "projections.weight",
    "mixer.dense.weight": "out_filter_dense.weight",
    "mixer.dense.bias": "out_filter_dense.bias",
    "mixer.mixer.conv_bias": "filter.D",
}
FEATURIZER = "mixer.hyena_proj_conv.short_conv_weight"
SHORT = "mixer.mixer.short_conv.short_conv_weight"
MEDIUM = ("mixer.mixer.filter.h", "mixer.mixer.filter.decay")
LONG = ("mixer.mixer.conv_bias", "mixer.mixer.filter.p", "mixer.mixer.filter.gamma", "mixer.mixer.filter.R")

Group = dict[str, Tensor]


def is_savanna(names: set[str]) -> bool:
    """Whether these are names of the Savanna layout, wrapped or not."""
    return "module" in names or any(name.endswith(EMBEDDING) for name in names)


def from_savanna(content: Mapping[str, object], source: str) -> dict[str, Tensor]:
    """Tensors under the network's names.

    Parameters
    ----------
    content : mapping
        As stored: possibly one level down under ``module``, names possibly prefixed ``module.``
    source : str
        For messages.

    Returns
    -------
    dict of str to Tensor
        Names that this layout does not have are kept, so that the check afterwards reports them.

    Raises
    ------
    ModelError
        If the content is not of this layout.
    """
    inner = content.get("module", content)
    if not isinstance(inner, Mapping):
        raise ModelError(f"{source}: entry 'module' is no dictionary: expected a Savanna checkpoint")
    named = {str(name).removeprefix("module."): value for name, value in inner.items()}
    state = tensors_only(named, source)
    result: Group = {}
    groups: dict[int, Group] = {}
    for name, tensor in state.items():
        block = BLOCK.match(name)
        if name == EMBEDDING:
            result["embedding_layer.weight"] = tensor
        elif FINAL_NORM.match(name):
            result["norm.scale"] = tensor
        elif block:
            groups.setdefault(int(block["index"]), {})[block["rest"]] = tensor
        else:
            result[name] = tensor
    for index, group in sorted(groups.items()):
        prefix = f"blocks.{index - FIRST_BLOCK}"
        result |= {f"{prefix}.{name}": tensor for name, tensor in _block(group).items()}
    return result


def _block(group: Group) -> Group:
    names = COMMON | (HYENA if FEATURIZER in group else ATTENTION)
    used = set(names)
    result = {names[old]: group[old] for old in names if old in group}
    for needs, convert in CONVERSIONS:
        if all(name in group for name in needs):
            used.update(needs)
            result |= convert(*(group[name] for name in needs))
    rest = {k: v for k, v in group.items() if k not in used and not is_ignorable(k)}
    return result | rest


def _with_middle_axis(weight: Tensor) -> Tensor:
    return weight.unsqueeze(1) if weight.dim() == 2 else weight


def _featurizer(weight: Tensor) -> Group:
    return {"filter.short_filter_weight": _with_middle_axis(weight)}


def _short(weight: Tensor) -> Group:
    return {"filter.h": _with_middle_axis(weight)}


def _medium(h: Tensor, decay: Tensor) -> Group:
    return {"filter.h": _with_middle_axis(h[:, :MEDIUM_TAPS] * decay[:, :MEDIUM_TAPS])}


def _long(bias: Tensor, p: Tensor, gamma: Tensor, residues: Tensor) -> Group:
    shape = (len(bias), -1)
    rates = -torch.exp(p.reshape(shape).float()) * torch.exp(gamma.reshape(shape).float())
    return {"filter.log_poles": rates[..., None], "filter.residues": residues.reshape(shape).float()}


# Names that must be there together, and what makes the network's tensors of them.
CONVERSIONS: tuple[tuple[tuple[str, ...], Callable[..., Group]], ...] = (
    ((FEATURIZER,), _featurizer),
    ((SHORT,), _short),
    (MEDIUM, _medium),
    (LONG, _long),
)
