"""What transcoders and circuits can be asked; the command line takes sentences and defaults from here."""

from __future__ import annotations

from dataclasses import dataclass

from workbench.files.settings import setting


@dataclass(frozen=True)
class TranscodeSettings:
    """How large transcoders are, and on how much sequence they are trained."""

    width: int = setting(4, "Features of a transcoder, as a multiple of what its MLP reads.", least=1)
    k: int = setting(16, "Features that are active at a base, on average.", least=1)
    bases: int = setting(
        400_000, "Bases of the train split, both strands, to train on; repeats are counted.", least=1
    )
    batch: int = setting(1024, "Bases of a step.", least=1)
    seed: int = setting(0, "Of first weights, and of the order of bases.")


@dataclass(frozen=True)
class CircuitSettings:
    """Which outputs are traced, through which transcoders, and how their graphs are put to the test."""

    targets: list[str] = setting(
        [],
        "An output at one base: CONTIG:POSITION, the log-probability of what stands there, from 1;"
        " CONTIG:POSITION:REF:ALT, the difference of two bases; CONTIG:POSITION@LAYER#FEATURE, a feature of"
        " the study's layer or a later one.",
    )
    transcoders: str = setting("transcoders", "Experiment that trained the transcoders.", of="transcoders")
    strands: list[str] = setting(["+"], "Strands that are read, + and -.", of="strand")
    context: int = setting(256, "Bases that are read before the place.", least=1)
    features: int = setting(
        256, "Features at places that are traced, those with the largest total effect.", least=1
    )
    held: bool = setting(
        True,
        "Hold gates, attention patterns and sizes of norms: edges add up exactly. Not held, they are"
        " derivatives, which add up to nothing in particular but may predict more.",
    )
    nodes: float = setting(0.8, "Share of the influence whose nodes are kept.")
    edges: float = setting(0.98, "Share of the influence of the edges among them that is kept.")
    interventions: int = setting(
        1000,
        "Random interventions that a graph is put to the test with; with fewer than 1000 it is not trusted.",
        least=2,
    )
    strength: float = setting(
        1.0, "Largest change of a node, as a share of what it writes: 1 is from nothing to twice as much."
    )
    seed: int = setting(0, "Of the interventions.")
