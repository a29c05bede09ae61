"""What can be asked of detectors; the command line takes sentences and defaults from here."""

from __future__ import annotations

from dataclasses import dataclass

from workbench.files.settings import setting

MODES = ("same", "opposite", "any")


@dataclass(frozen=True)
class DetectSettings:
    """What is to be found, by what, and how surely."""

    track: str = setting("", "Track whose intervals are the sites.", of="track")
    mode: str = setting("same", "Strand of the sites as a reading sees them.", one_of=MODES)
    concept: str = setting(
        "", "A concept as JSON, whose level is the score; empty: a sparse probe is fitted.", of="concept"
    )
    features: int = setting(10, "Features of a probe, at most.", least=1)
    precision: float = setting(0.8, "Share of calls that are to be true.")
    sites_per_megabase: float = setting(
        0.0, "Where there are so many sites, both strands together; 0: as many as in the select split."
    )
    attacks: str = setting(
        "", "Experiment whose attacked sequence of the select split the probe learns too.", of="attack"
    )


@dataclass(frozen=True)
class AttackSettings:
    """Which detector is attacked, at how many places, and what may be changed."""

    detector: str = setting("", "The detector, as JSON.", of="detector")
    sites: int = setting(24, "Sites that are hidden, and places that are faked, in each split.", least=2)
    changes: int = setting(8, "Base changes, at most.", least=1)
    reach: int = setting(
        60, "Bases before the place, and after it where both strands count, that may change."
    )
    synonymous: bool = setting(True, "In coding sequence only changes that keep the protein.")
    seed: int = setting(0, "Of the choice of places and of random changes.")
