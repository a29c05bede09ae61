"""Peer libraries, where they are installed."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from types import ModuleType

import pytest


@pytest.fixture(scope="session")
def peer() -> Callable[[str], ModuleType]:
    """Import a peer library, or skip with the reason."""
    try:
        import torchvision  # noqa: F401
    except (ImportError, RuntimeError):
        # One built for another torch breaks transformers, and with it the peers that need no pictures.
        sys.modules["torchvision"] = None  # type: ignore[assignment]

    def load(name: str) -> ModuleType:
        pytest.importorskip(name.split(".")[0], reason=f"{name} not installed (pip install '.[peers]')")
        return importlib.import_module(name)

    return load
