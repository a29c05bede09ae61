"""Names in files of annotation: read, and those of contigs matched with the genome's."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from urllib.parse import unquote

from workbench.errors import InputError
from workbench.wording import listed, visible_name

_VERSION = re.compile(r"\.\d+$")


def unquoted(text: str) -> str:
    """Text of a GFF3 with its ``%`` codes read; a line end or a control character stands as its escape."""
    return visible_name(unquote(text))


def _spellings(name: str) -> list[str]:
    """Other ways to write a name: with or without ``chr``, without its version."""
    bare = name.removeprefix("chr")
    return [s for s in (bare, f"chr{bare}", _VERSION.sub("", name)) if s != name]


class Names:
    """The genome's names, found by any of their spellings.

    Parameters
    ----------
    genome : iterable of str
    rename : mapping
        Name in a file to name in the genome, as the user said.
    """

    def __init__(self, genome: Iterable[str], rename: Mapping[str, str]) -> None:
        self._genome, self._rename = frozenset(genome), rename
        self._spelt: dict[str, set[str]] = defaultdict(set)
        for name in self._genome:
            for other in _spellings(name):
                self._spelt[other].add(name)

    def target(self, name: str) -> str | None:
        """The genome's name for ``name``, None where it has none.

        In order: what ``rename`` says, the same name, with or without ``chr``, with or without a version
        (``NC_000913`` and ``NC_000913.3``; never ``.2`` and ``.3``). A spelling that fits two contigs fits
        none.
        """
        if name in self._rename:
            return self._rename[name]
        if name in self._genome:
            return name
        fits = self._genome.intersection(_spellings(name)) | self._spelt.get(name, set())
        return next(iter(fits)) if len(fits) == 1 else None


def match_names(
    source: str,
    counts: Mapping[str, int],
    genome: Sequence[str],
    rename: Mapping[str, str],
    what: str = "features",
    advise: Callable[[], str] = str,
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
    what : str
        What is counted, for the note.
    advise : callable
        What may be said of names that do not meet, for the message; empty: nothing.

    Raises
    ------
    InputError
        Where no name meets (both sides are listed), two names are spellings of one contig, or ``rename``
        leads to a contig that is not there.
    """
    there = frozenset(genome)
    for old, new in rename.items():
        if old in counts and new not in there:
            raise InputError(
                f"{source}: {old} is to be renamed {new}, which the genome does not have; it has"
                f" {listed(genome, 4)}"
            )
    names = Names(genome, rename)
    targets = {name: names.target(name) for name in counts}
    matched = {name: target for name, target in targets.items() if target is not None}
    if counts and not matched:
        first = next(iter(counts))
        said = advise()
        if "--rename" not in said:
            said += f"{'; ' * bool(said)}say which is which, as in --rename {first}={genome[0]}"
        raise InputError(
            f"{source}: its contigs ({listed(list(counts), 4)}) are not those of the genome"
            f" ({listed(genome, 4)}); {said}"
        )
    first_of: dict[str, str] = {}
    for name, target in matched.items():
        other = first_of.setdefault(target, name)
        if other != name and not {other, name} & set(rename):
            raise InputError(
                f"{source}: {other} and {name} would both be {target} of the genome; take one of them out, or"
                f" say that they are the same with --rename {name}={target}"
            )
    left = [name for name in counts if name not in matched]
    if not left:
        return matched, ""
    features = sum(counts[name] for name in left)
    return matched, (
        f"{source}: {len(left):,} of {len(counts):,} contig names are not in the genome ({listed(left, 4)}):"
        f" {features:,} of {sum(counts.values()):,} {what} left out"
    )
