"""Published folders of the families whose networks are ours."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from genomic_models import load
from tests.fuzz.target import Target


def read_model(folder: Path) -> None:
    """A model that says something of a sequence."""
    load(f"hf:{folder / 'model'}").forward(["ACGTNACGTTGCA"])


def _make(family: str, folder: Path) -> None:
    pytest.importorskip("transformers", reason="the extra `hf` is not installed")
    from benchmarks.networks.published import write_checkpoint  # transformers

    write_checkpoint(family, folder / "model")


TARGETS = {
    family: Target(
        partial(_make, family), read_model, tuple(f"model/{name}" for name in ("*.safetensors", *names)), 0.4
    )
    for family, names in {
        "HyenaDNA": ("config.json", "tokenizer_config.json"),
        "Caduceus-ps": ("config.json",),
    }.items()
}
