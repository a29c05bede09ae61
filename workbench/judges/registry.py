"""All judges, by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from workbench.errors import InputError
from workbench.judges.codon_usage import CodonUsage
from workbench.judges.composition import Composition
from workbench.judges.genes import Genes
from workbench.judges.genome_match import GenomeMatch
from workbench.judges.judge import Judge, NotJudged, References
from workbench.judges.likelihood import Likelihood
from workbench.judges.promoters import Promoters
from workbench.judges.starts import Starts
from workbench.judges.stops import Stops
from workbench.judges.terminators import Terminators
from workbench.judges.training_match import TrainingMatch
from workbench.judges.trnas import TRNAs

_ALL: tuple[type[Judge], ...] = (
    Genes,
    Stops,
    Starts,
    Promoters,
    Terminators,
    TRNAs,
    CodonUsage,
    Composition,
    GenomeMatch,
    TrainingMatch,
    Likelihood,
)
JUDGES: Mapping[str, type[Judge]] = {judge.card.name: judge for judge in _ALL}


class Panel(NamedTuple):
    """Judges that are ready, by name, and why the others are not."""

    ready: dict[str, Judge]
    absent: dict[str, str]


def kinds(names: Sequence[str]) -> list[type[Judge]]:
    """The judges of these names, or all for none. Raises ``InputError`` for a name that none has."""
    for name in names:
        if name not in JUDGES:
            raise InputError(f"there is no judge {name!r}; expected one of {', '.join(JUDGES)}")
    return [JUDGES[name] for name in names or JUDGES]


def assemble(names: Sequence[str], references: References) -> Panel:
    """The judges of these names, or all for none, ready to read.

    Of all, those that are not installed, or lack a reference, are `absent`, with the reason. Raises
    ``InputError`` for one that was asked for by name and is unknown or absent.
    """
    ready: dict[str, Judge] = {}
    absent: dict[str, str] = {}
    for kind in kinds(names):
        try:
            ready[kind.card.name] = kind(references)
        except NotJudged as reason:
            if names:
                raise InputError(f"the judge {kind.card.name} cannot be heard: {reason}") from None
            absent[kind.card.name] = str(reason)
    return Panel(ready, absent)
