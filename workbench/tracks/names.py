"""Matching the contig names of a file with those of the genome."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from workbench.errors import InputError

_VERSION = re.compile(r"\.\d+$")


def _spellings(name: str) -> list[str]:
    """Other ways to write a name: with or without ``chr``, without its version."""
    bare = name.removeprefix("chr")
    return [s for s in (bare, f"chr{bare}", _VERSION.sub("", name)) if s != name]


def target_of(name: str, genome: Iterable[str], rename: Mapping[str, str]) -> str | None:
    """The genome's name for ``name``, None where it has none.

    In order: what ``rename`` says, the same name, with or without ``chr``, with or without a version
    (``NC_000913`` and ``NC_000913.3``; never ``.2`` and ``.3``). A spelling that fits two contigs fits none.
    """
    if name in rename:
        return rename[name]
    if name in genome:
        return name
    mine = set(_spellings(name))
    fits = [g for g in genome if g in mine or name in _spellings(g)]
    return fits[0] if len(fits) == 1 else None


def _few(names: Sequence[str], count: int = 4) -> str:
    more = f" and {len(names) - count:,} more" if len(names) > count else ""
    return ", ".join(names[:count]) + more


def match_names(
    source: str, counts: Mapping[str, int], genome: Sequence[str], rename: Mapping[str, str]
) -> tuple[dict[str, str], str]:
    """Name in a file to name in the genome, and a note on names left out (empty if there are none).

    Parameters
    ----------
    source : str
        File, for messages.
    counts : mapping
        Name in the file to its number of features.
    genome : sequence of str
    rename : mapping
        Name in the file to name in the genome, as the user said.

    Raises
    ------
    InputError
        Where no name meets (both sides are listed), or ``rename`` leads to a contig that is not there.
    """
    for old, new in rename.items():
        if old in counts and new not in genome:
            raise InputError(
                f"{source}: {old} is to be renamed {new}, which the genome does not have; it has"
                f" {_few(genome)}"
            )
    targets = {name: target_of(name, genome, rename) for name in counts}
    matched = {name: target for name, target in targets.items() if target is not None}
    if counts and not matched:
        first = next(iter(counts))
        raise InputError(
            f"{source}: its contigs ({_few(list(counts))}) are not those of the genome ({_few(genome)});"
            f" say which is which, as in --rename {first}={genome[0]}"
        )
    left = [name for name in counts if name not in matched]
    if not left:
        return matched, ""
    features = sum(counts[name] for name in left)
    return matched, (
        f"{source}: {len(left):,} of {len(counts):,} contig names are not in the genome ({_few(left)}):"
        f" {features:,} of {sum(counts.values()):,} features left out"
    )
