"""Autoencoders of every format that can be imported."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from safetensors.torch import save_file

from feature_mining.sae.calibrate import Calibration, describe
from feature_mining.sae.formats import read, write
from tests.feature_mining.sae.conftest import make_sae
from tests.fuzz.target import Target
from workbench.errors import InputError


def read_any(folder: Path) -> None:
    """An autoencoder of any format; refused by a sentence that names its file."""
    place = next((folder / "sae").glob("*.pt"), None)
    alone = place is not None and len(list((folder / "sae").iterdir())) == 1
    path = place if place and alone else folder / "sae"
    try:
        sae = read(path).sae
        sae.encode(torch.zeros(2, sae.config.d_in))
    except ValueError as error:
        if not str(error).startswith(str(path)):
            raise
        raise InputError(str(error)) from None


def read_calibration(folder: Path) -> None:
    """What is measured of an autoencoder."""
    try:
        Calibration.load(folder / "sae")
    except ValueError as error:
        if not str(error).startswith(str(folder)):
            raise
        raise InputError(str(error)) from None


def _make(name: str, folder: Path) -> None:
    write(make_sae(), name, folder / "sae")


def _own(folder: Path) -> None:
    make_sae().save(folder / "sae")


def _calibrated(folder: Path) -> None:
    describe(make_sae(), [torch.randn(300, 8)])[1].save(folder / "sae")


def _whitened(folder: Path) -> None:
    _make("saelens", folder)
    path = folder / "sae" / "cfg.json"
    settings = json.loads(path.read_text()) | {"normalize_activations": "covariance_whitening"}
    path.write_text(json.dumps(settings))
    eye = torch.eye(8)
    whitening = {"mean": torch.zeros(8), "matrix": eye, "inverse_matrix": eye.clone()}
    save_file(whitening, folder / "sae" / "activation_whitening.safetensors")


def _single(name: str, tensors: dict[str, torch.Tensor], folder: Path) -> None:
    (folder / "sae").mkdir()
    torch.save(tensors, folder / "sae" / name)


def _unpacked(make: Callable[[Path], None], folder: Path) -> None:
    """The files within archives of PyTorch beside them, so that they can be damaged without checksums."""
    make(folder)
    for path in (folder / "sae").glob("*.pt"):
        with zipfile.ZipFile(path) as archive:
            archive.extractall(folder / "inside")
        (folder / "name").write_text(path.name)


def read_packed(folder: Path) -> None:
    """An archive put together again."""
    image = io.BytesIO()
    with zipfile.ZipFile(image, "w") as archive:
        for path in sorted(p for p in (folder / "inside").rglob("*") if p.is_file()):
            archive.write(path, path.relative_to(folder / "inside"))
    (folder / "sae" / (folder / "name").read_text()).write_bytes(image.getvalue())
    read_any(folder)


_W = make_sae()
EVO2 = {"W": _W.W_enc, "b_enc": _W.b_enc, "b_dec": _W.b_dec}
INTERPROT = {"w_enc": _W.W_enc, "w_dec": _W.W_dec, "b_enc": _W.b_enc, "b_pre": _W.b_dec}
INTERPLM = partial(_make, "interplm")
EVERY = ("sae/*",)
TARGETS = {
    "sae": Target(_own, read_any, EVERY),
    "calibration": Target(_calibrated, read_calibration, EVERY),
    "saelens": Target(partial(_make, "saelens"), read_any, EVERY),
    "saelens, whitened": Target(_whitened, read_any, EVERY),
    "saelens before 6": Target(partial(_make, "saelens_pre6"), read_any, EVERY),
    "dictionary_learning": Target(partial(_make, "dictionary_learning"), read_any, EVERY),
    "interplm": Target(INTERPLM, read_any, EVERY),
    "evo2": Target(partial(_single, "evo2.pt", EVO2), read_any, EVERY),
    "interprot": Target(partial(_single, "x_k4.pt", INTERPROT), read_any, EVERY),
    "evo2, inside": Target(
        partial(_unpacked, partial(_single, "evo2.pt", EVO2)), read_packed, ("inside/**/*",)
    ),
    "interplm, inside": Target(partial(_unpacked, INTERPLM), read_packed, ("inside/**/*",)),
}
