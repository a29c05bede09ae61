"""Words and figures about the models that can be loaded."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

import torch

from genomic_models.code_files import code_files
from genomic_models.contract import DNAModel, ModelError
from genomic_models.registry import SHIPPED, WEIGHTS, load
from genomic_models.released import RELEASED, parameter_count, where_to_look
from genomic_models.striped_hyena.model import StripedHyenaModel
from genomic_models.striped_hyena.network import StripedHyena
from workbench.models.get import address

GIB = 1 << 30


def _size(count: float) -> str:
    return f"{count / GIB:.1f} GiB" if count >= GIB else f"{count / (1 << 20):.0f} MiB"


def list_models(folder: Path | None = None) -> list[tuple[str, ...]]:
    """Rows: name, parameters, size of weights, memory in bf16, context, FP8 need, whether it is here."""
    rows: list[tuple[str, ...]] = []
    for name, own in SHIPPED.items():
        loaded = load(name)
        parameters = parameter_count(loaded.network.config)  # type: ignore[attr-defined]
        rows.append(
            (
                name,
                f"{parameters / 1e6:.1f} M",
                _size((own / WEIGHTS).stat().st_size),
                _size(2 * parameters),
                f"{loaded.context:,}",
                "no",
                "ships with the project",
            )
        )
    for name, model in RELEASED.items():
        found = next((p for p in where_to_look(name, folder) if p.exists()), None)
        rows.append(
            (
                name,
                f"{model.parameters / 1e9:.1f} G",
                _size(model.bytes) if model.bytes else "unknown",
                _size(2 * model.parameters),
                f"{model.config.context:,}",
                "needed" if model.config.fp8_projections else "no",
                str(found) if found else "not here",
            )
        )
    return rows


def describe(name: str, folder: Path | None = None, trust_remote_code: bool = False) -> list[str]:
    """Lines about one model. Raises ``ModelError`` for an unknown one, and for code that may not run."""
    if name.startswith(("hf:", "file:")):
        return _contract(load(name, trust_remote_code=trust_remote_code), trust_remote_code)
    if name in RELEASED:
        model = RELEASED[name]
        config = model.config
        network = _skeleton(name)
        lines = [
            f"{name}: {model.parameters:,} parameters, width {config.width}, {config.depth} blocks"
            f" ({config.pattern}), context {config.context:,}",
            f"memory for weights: {_size(2 * model.parameters)} in bf16,"
            f" {_size(4 * model.parameters)} in fp32",
            f"files: {', '.join(model.files)} from huggingface.co/{model.repository}",
            "looked for, in order:",
            *(f"  {'found  ' if p.exists() else 'absent '} {p}" for p in where_to_look(name, folder)),
            *([] if name in here(folder) else _to_fetch(name, folder)),
        ]
        if model.note:
            lines.append(f"note: {model.note}")
    elif name in SHIPPED or Path(name).is_dir():
        loaded = load(name)
        network = loaded.network  # type: ignore[attr-defined]
        config = network.config
        lines = [
            f"{name}: {parameter_count(config):,} parameters, width {config.width}, {config.depth} blocks"
            f" ({config.pattern}), context {config.context:,}",
            f"weights hash {loaded.weights_hash}",
        ]
        card = SHIPPED.get(name, Path(name)) / "card.md"
        if card.exists():
            lines += ["", card.read_text()]
    else:
        raise ModelError(
            f"unknown model {name!r}: expected {', '.join((*SHIPPED, *RELEASED))}, or a folder of weights"
        )
    taps = [tap for tap in network.tap_names() if tap.count(".") < 2]
    # The first block that is there, of a network of which some were taken out.
    first = next((tap.rpartition(".")[0] for tap in network.tap_names() if tap.endswith(".pre_norm")), "-")
    parts = [tap.removeprefix(f"{first}.") for tap in network.tap_names() if tap.startswith(f"{first}.")]
    return [*lines, f"layers: {', '.join(taps)}", f"parts of a block: {', '.join(parts)}"]


def _contract(model: DNAModel, runs: bool) -> list[str]:
    """What a model is by the contract: context, sides, outputs, layers, code."""
    sides = "the bases before it" if model.causal else "both sides"
    tokens = (
        "one base a token"
        if model.base_tokens() is not None or model.outputs
        else "other tokens than single bases"
    )
    lines = [
        f"{model.name}: context {model.context:,}, {tokens}, a place sees {sides}",
        f"weights hash {model.weights_hash}",
    ]
    if model.outputs is not None:
        given = model.outputs
        lines.append(
            f"gives {given.kind}: {', '.join(given.names)}; a column for every {given.stride} bases from base"
            f" {given.offset} on"
        )
    verb = "runs" if runs else "does not run"
    lines += [f"{verb} {path} (sha256 {digest})" for path, digest in code_files(model.name).items()]
    return [*lines, "layers: " + ", ".join(f"{layer} ({model.d_model(layer)})" for layer in model.layers)]


def _to_fetch(name: str, folder: Path | None) -> list[str]:
    """Where a released model's files go, and the commands that put them there."""
    model = RELEASED[name]
    chosen = folder or os.environ.get("WORKBENCH_MODELS")
    models = shlex.quote(str(chosen)) if chosen else "~/models"
    return [
        "to fetch them, resumed and checked:",
        f"  workbench models get {name} --folder {models}",
        f"  export WORKBENCH_MODELS={models}",
        f"or by hand into {models}/{name}/:",
        *(
            f"  {address(model, file)}{', and the files that it names' if file.endswith('.json') else ''}"
            for file in model.files
        ),
    ]


def here(folder: Path | None = None) -> list[str]:
    """Names of models whose weights are on this machine."""
    found = [n for n in RELEASED if any(p.exists() for p in where_to_look(n, folder))]
    return [*SHIPPED, *found]


def layers(name: str) -> list[str]:
    """Outputs of the blocks of a model by name, first to last."""
    network = load(name).network if name in SHIPPED else _skeleton(name)  # type: ignore[attr-defined]
    return [tap for tap in network.tap_names() if tap.startswith("blocks.") and tap.count(".") == 1]


def check_model(name: str, layer: str, trust_remote_code: bool = False) -> None:
    """Raise ``ModelError`` for a model that there is not, and for a layer (unless empty) that it has not.

    The file of a released model need not be here. What ``hf:`` names is known only once it is loaded.
    """
    if name.startswith("hf:"):
        return
    if name in RELEASED:
        model: DNAModel = StripedHyenaModel(_skeleton(name), name)
    else:
        model = load(name, trust_remote_code=trust_remote_code)
    if layer:
        model.resolve(layer)


def _skeleton(name: str) -> StripedHyena:
    with torch.device("meta"):
        return StripedHyena(RELEASED[name].config)
