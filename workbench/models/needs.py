"""What the models of `workbench models` need, beside what this machine has."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import torch

from genomic_models.registry import SHIPPED, load
from genomic_models.released import BF16_FINE, RELEASED, parameter_count, where_to_look

# Letters of the sequence that the speed is measured on.
MEASURED = 2048
# Where Linux says how much memory a container may use: a number, or ``max``.
_LIMIT = Path("/sys/fs/cgroup/memory.max")


class Needs(NamedTuple):
    """What a model needs.

    Attributes
    ----------
    name : str
    parameters : int
    places : tuple of Path
        Where its file is looked for, in order; the first alone where it is there.
    here : bool
        Whether its file is there.
    precision : str
        What else than memory it asks of the hardware; empty for nothing.
    source : str
        Where it comes from, which also says its licence.
    """

    name: str
    parameters: int
    places: tuple[Path, ...]
    here: bool
    precision: str
    source: str

    def memory(self, bytes_a_value: int) -> int:
        """Bytes of its weights: 4 a value in float32, 2 in bfloat16."""
        return bytes_a_value * self.parameters

    def fits(self, memory: int) -> str:
        """Whether its weights fit into so many bytes, and how, in words."""
        if self.memory(4) < memory:
            return "yes"
        return "in bfloat16 alone" if self.memory(2) < memory else "no"


def needs(folder: Path | None = None) -> list[Needs]:
    """What each model needs; ``folder`` is looked in for files before the usual places."""
    found = []
    for name, folder_of in SHIPPED.items():
        size = parameter_count(load(name).network.config)  # type: ignore[attr-defined]
        found.append(Needs(name, size, (folder_of,), True, "", "ships with the project, BSD 3-Clause"))
    for name, model in RELEASED.items():
        places = where_to_look(name, folder)
        there = next((place for place in places if place.exists()), None)
        precision = "" if model.fp8 == BF16_FINE else model.fp8
        source = f"huggingface.co/{model.repository}, which says its licence"
        shown = (there,) if there else tuple(places)
        found.append(Needs(name, model.parameters, shown, there is not None, precision, source))
    return found


def machine_memory() -> int:
    """Bytes of memory of this machine, or those that a container leaves of them."""
    whole = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    with suppress(OSError, ValueError):
        return min(whole, int(_LIMIT.read_text()))
    return whole


def mini_rate() -> float:
    """Bases a second that `mini` reads here, one sequence of ``MEASURED`` bases at a time."""
    model, text = load("mini"), "ACGT" * (MEASURED // 4)

    def once() -> float:
        began = time.monotonic()
        with torch.inference_mode():
            model.forward([text])
        return time.monotonic() - began

    once()
    return MEASURED / min(once(), once())
