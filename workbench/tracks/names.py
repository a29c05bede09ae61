"""Matching the contig names of a track with those of the genome."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from workbench.errors import InputError


def _spellings(name: str) -> list[str]:
    bare = name.removeprefix("chr")
    stem = name.rsplit(".", 1)[0] if name.rsplit(".", 1)[-1].isdigit() else name
    return [name, bare, f"chr{bare}", stem]


def match_names(
    source: str, found: Iterable[str], genome: Sequence[str], rename: Mapping[str, str]
) -> dict[str, str]:
    """Name in a track to name in the genome; names without a partner are left out.

    In order: what ``rename`` says, the same name, with or without ``chr``, with or without a version
    (``NC_000913`` and ``NC_000913.3``). A spelling that fits two contigs fits none. Raises ``InputError``
    where no name at all meets, listing both sides.
    """
    names = list(dict.fromkeys(found))
    spelt: dict[str, list[str]] = {}
    for target in genome:
        for spelling in dict.fromkeys(_spellings(target)):
            spelt.setdefault(spelling, []).append(target)
    matched: dict[str, str] = {}
    for name in names:
        wanted = rename.get(name)
        if wanted is not None:
            if wanted not in genome:
                raise InputError(
                    f"{source}: {name} is to be renamed {wanted}, which the genome does not have; it has"
                    f" {', '.join(genome[:6])}"
                )
            matched[name] = wanted
            continue
        for spelling in _spellings(name):
            targets = [name] if spelling == name and name in genome else spelt.get(spelling, [])
            if len(targets) == 1:
                matched[name] = targets[0]
                break
    if names and not matched:
        raise InputError(
            f"{source}: its contigs ({', '.join(names[:4])}) are not those of the genome"
            f" ({', '.join(genome[:4])}); say which is which with --rename {names[0]}={genome[0]}"
        )
    return matched
