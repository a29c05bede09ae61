"""Fixtures that every test may use."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder of real genomes and golden outputs beside the checkout; skips where it is absent."""
    folder = ROOT.parent / "shared"
    if not folder.is_dir():
        pytest.skip(
            "no ../shared folder beside the checkout: golden fixtures and real genomes absent"
        )
    return folder


@pytest.fixture(scope="session")
def samples() -> Path:
    """The genomes that ship with the project."""
    return ROOT / "data_samples"
