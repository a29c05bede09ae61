"""Finding and loading a model by name.

A name is ``mini`` or ``mini-1`` (both ship with the project), a released Evo model (``evo2_7b_262k``,
``evo-1-8k-base``), a folder that ``workbench pretrain`` wrote, ``hf:OWNER/NAME`` / ``hf:FOLDER`` for other
families through the transformers library, or ``file:PATH``, Python that makes any other
(``genomic_models.module``).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from genomic_models.checkpoints.layout import check
from genomic_models.contract import DNAModel, ModelError
from genomic_models.files import read_json
from genomic_models.model import Model
from genomic_models.striped_hyena.config import StripedHyenaConfig
from genomic_models.striped_hyena.model import StripedHyenaModel
from genomic_models.striped_hyena.network import StripedHyena, initialise
from genomic_models.striped_hyena.placement import place

WEIGHTS = "model.safetensors"
CONFIG = "config.json"
_WEIGHTS = Path(__file__).parent / "weights"
# Folders of what ships with the project: `mini`, and what it was before, for studies made with that.
SHIPPED = {name: _WEIGHTS / name for name in ("mini", "mini-1")}
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def load(
    name: str,
    device: str = "cpu",
    dtype: str = "float32",
    model_dir: Path | None = None,
    accept_precision_loss: bool = False,
    trust_remote_code: bool = False,
) -> Model:
    """Load a model by name.

    Parameters
    ----------
    name : str
        See the module's text.
    device : str
        ``cpu``, ``cuda``, ``cuda:1``, ``mps``; ``cuda:0,cuda:1`` spreads the blocks of an Evo model.
    dtype : {"float32", "bfloat16"}
        Of weights and activations (poles and residues stay fp32).
    model_dir : Path, optional
        Folder with the files of released models; otherwise the places of ``released.where_to_look``.
    accept_precision_loss : bool
        Run a model that needs FP8 projections without them, though its output is then badly off.
    trust_remote_code : bool
        Let a ``hf:`` model run code from its repository, and a ``file:`` run at all.

    Raises
    ------
    ModelError
        Unknown name, missing or unfit file, device that is not there.
    """
    if dtype not in DTYPES:
        raise ModelError(f"dtype {dtype!r}: expected one of {', '.join(DTYPES)}")
    check_device(device)
    if name.startswith(("hf:", "file:")):
        if "," in device:
            raise ModelError(f"device {device!r}: only Evo models are spread over several devices")
        if name.startswith("file:"):
            from genomic_models.local_code import load_file as load_code

            return load_code(name, device, DTYPES[dtype], trust_remote_code)
        from genomic_models.hf import HFModel
        from genomic_models.native.loading import load_native

        if not trust_remote_code:
            own = load_native(name.removeprefix("hf:"), name, device, DTYPES[dtype])
            if own is not None:
                return own
        return HFModel.load(name, device, DTYPES[dtype], trust_remote_code)
    if name in SHIPPED:
        return _load_folder(SHIPPED[name], name, device, dtype)
    if (Path(name) / CONFIG).is_file():
        return _load_folder(Path(name), Path(name).resolve().name, device, dtype)
    return _load_released(name, device, dtype, model_dir, accept_precision_loss)


def shipped_as(weights_hash: str) -> str | None:
    """Name of the model that ships with the project and has these weights; None if there is none."""
    return next((name for name in SHIPPED if load(name).weights_hash == weights_hash), None)


def with_random_weights(model: DNAModel, seed: int) -> DNAModel:
    """The same architecture, freshly initialised: the control for what training taught.

    Raises ``ModelError`` for a model whose architecture cannot be built anew.
    """
    if not isinstance(model, StripedHyenaModel):
        return model.untrained(seed)
    config = model.network.config
    places = model.network.places or [model.device]
    devices = list(dict.fromkeys([model.device, *places]))
    fresh = place(initialise(StripedHyena(config), seed), model.dtype, devices)
    return StripedHyenaModel(fresh, f"{model.name} (random weights, seed {seed})")


def check_device(device: str) -> None:
    """Raise ``ModelError`` for devices that PyTorch does not have here."""
    for each in device.split(","):
        _check_one(each)


def _check_one(device: str) -> None:
    kind = device.split(":")[0]
    there: dict[str, Callable[[], bool]] = {
        "cpu": lambda: True,
        "cuda": torch.cuda.is_available,
        "mps": torch.backends.mps.is_available,
    }
    if kind not in there:
        raise ModelError(f"device {device!r}: expected cpu, cuda, cuda:N or mps")
    if not there[kind]():
        raise ModelError(f"device {device!r} is not available to this PyTorch: use cpu")


def _build(
    state: dict[str, Tensor], config: StripedHyenaConfig, name: str, device: str, dtype: str
) -> StripedHyenaModel:
    with torch.device("meta"):
        network = StripedHyena(config)
    for key, buffer in network.named_buffers():
        state[key] = state.get(key, buffer).float()
    network.load_state_dict(state, assign=True)
    devices = [torch.device(each) for each in device.split(",")]
    return StripedHyenaModel(place(network, DTYPES[dtype], devices), name)


def _load_folder(folder: Path, name: str, device: str, dtype: str) -> StripedHyenaModel:
    try:
        config = StripedHyenaConfig.from_dict(read_json(folder / CONFIG))
        state = load_file(folder / WEIGHTS)
    except (OSError, ValueError, TypeError) as error:
        raise ModelError(f"{folder}: not a readable model folder ({error})") from error
    except SafetensorError as error:
        raise ModelError(f"{folder / WEIGHTS}: damaged safetensors file ({error})") from error
    state = check(state, config, str(folder / WEIGHTS))
    return _build(state, config, name, device, dtype)


def _load_released(
    name: str, device: str, dtype: str, model_dir: Path | None, accept_precision_loss: bool
) -> StripedHyenaModel:
    from genomic_models.checkpoints.precision import check_precision, emulate_fp8, emulated, read_scales
    from genomic_models.checkpoints.reader import read_checkpoint
    from genomic_models.released import RELEASED, where_to_look

    if name not in RELEASED:
        raise ModelError(
            f"unknown model {name!r}: expected {', '.join(SHIPPED)}, one of {', '.join(RELEASED)},"
            " hf:OWNER/NAME, file:MODEL.py, or a folder with config.json and model.safetensors"
        )
    release = RELEASED[name]
    check_precision(name, release.config, DTYPES[dtype], accept_precision_loss)
    places = where_to_look(name, model_dir)
    found = next((p for p in places if p.exists()), None)
    if found is None:
        looked = "; ".join(str(p) for p in places)
        raise ModelError(
            f"model {name}: no weights found (looked at {looked}); fetch them with `workbench models get"
            f" {name} --folder FOLDER` and set WORKBENCH_MODELS to the folder, or"
            f" {release.by_hand(Path('FOLDER') / name)} by hand"
        )
    model = _build(read_checkpoint(found, release.config), release.config, name, device, dtype)
    if emulated(release.config):
        emulate_fp8(model.network, read_scales(found))
    return model
