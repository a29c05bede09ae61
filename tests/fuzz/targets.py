"""Everything that is fuzzed, by name."""

from __future__ import annotations

from pathlib import Path
from random import Random

from tests.fuzz import addresses, autoencoders, histories, inputs, models, own_files
from tests.fuzz.mutations import mutate
from tests.fuzz.target import Target

TARGETS = (
    inputs.TARGETS
    | own_files.TARGETS
    | autoencoders.TARGETS
    | addresses.TARGETS
    | histories.TARGETS
    | models.TARGETS
)


def damage(target: Target, folder: Path, random: Random) -> Path:
    """Make one file of a folder wrong; its path."""
    found = {path for pattern in target.damaged for path in folder.glob(pattern) if path.is_file()}
    path = random.choice(sorted(found))
    path.write_bytes(mutate(path.read_bytes(), random))
    return path
