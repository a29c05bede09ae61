"""What each kind of experiment can be asked; the command line takes sentences and defaults from here."""

from __future__ import annotations

from dataclasses import dataclass

from workbench.files.settings import setting

FORMS = (
    "CONTIG:POSITION:REF:ALT, CONTIG:POSITION or CONTIG:START-END, from 1, END included, or after one of the"
    " latter two @LAYER#FEATURE, a feature of a later layer of the study, or =NAME, a class or track of the"
    " model's"
)
METHODS = ("gradient", "integrated")
FILLS = ("write", "resample", "gradient")
SPLITS = ("report", "select")
POOLS = ("mean", "max", "last", "none")
ARRAYS = ("parquet", "hdf5", "npy", "h5ad")


@dataclass(frozen=True)
class AttributeSettings:
    """Which predictions, and how they are taken apart."""

    targets: list[str] = setting(
        [], f"Log-odds of two alleles, the base at a place, or the likelihood of a stretch: {FORMS}."
    )
    strands: list[str] = setting(["+", "-"], "Strands that are read, + and -.", of="strand")
    context: int = setting(
        0,
        "Bases that are read before the place, and after it by a model that sees both sides; 0 for 1,024, or"
        " what the model reads at once.",
    )
    method: str = setting("integrated", "integrated, or gradient (one pass, coarser).", one_of=METHODS)
    steps: int = setting(32, "Points of the integrated gradient.", least=1)
    ablated: int = setting(12, "Leading features that are also taken out exactly, and as many controls.")
    bases: int = setting(
        60, "Bases up to the place, or on both sides, whose every substitution is tried; 0 for none."
    )
    track: str = setting(
        "",
        "Track whose intervals in the context are shuffled, and put into shuffled context; empty: none.",
        of="track",
    )
    shuffles: int = setting(20, "Shuffled sequences an interval.", least=2)


@dataclass(frozen=True)
class WritingSettings:
    """Prompts, how they are continued, and how strongly a feature is added."""

    strengths: list[float] = setting(
        [1.0, 2.0, 4.0], "What is added, in units of the feature's own 99.9 % activation."
    )
    track: str = setting(
        "CDS", "Prompts are the first bases of its intervals, in their direction.", of="track"
    )
    prompts: int = setting(24, "Prompts, spread over a split.", least=2)
    prompt: int = setting(600, "Bases of a prompt; a multiple of 3 keeps the frame of a CDS.", least=2)
    length: int = setting(150, "Bases written.", least=1)
    copies: int = setting(2, "Sequences a prompt and arm.", least=1)
    temperature: float = setting(1.0, "Of the writing.")
    seed: int = setting(0, "Of draws and of random directions.")


@dataclass(frozen=True)
class SteerSettings(WritingSettings):
    """Which features, how strongly, where, and who judges."""

    features: list[int] = setting([], "Features, each steered by itself.", of="feature")
    readout: str = setting(
        "stops.plus_1", "JUDGE.COLUMN that answers; see `workbench judge --list`.", of="readout"
    )
    expect: str = setting("more", "more or less of the readout than unedited.", one_of=("more", "less"))


@dataclass(frozen=True)
class PassportSettings(WritingSettings):
    """Which features are put to the test, and by which readouts."""

    features: list[int] = setting([], "Features, each tested by itself.", of="feature")
    readouts: list[str] = setting(
        ["stops.plus_1", "stops.longest_open"],
        "Readouts JUDGE.COLUMN, of which each feature's hypothesis takes one; see `workbench judge --list`.",
        of="readout",
    )


@dataclass(frozen=True)
class EmbedSettings:
    """Which regions, of which layers, and in what form."""

    regions: str = setting("", "Track of the study, or BED file; empty: whole contigs.", of="track")
    layers: list[str] = setting([], "Taps of the model; none: the study's layer.", of="layer")
    pool: str = setting(
        "mean",
        "Over the bases of a region: mean, max, last (of the reading) or none, a row a base.",
        one_of=POOLS,
    )
    strands: list[str] = setting(["+", "-"], "Strands that are read, + and -.", of="strand")
    format: str = setting("parquet", "parquet, hdf5, npy or h5ad (AnnData).", one_of=ARRAYS)
    phases: int = setting(
        1, "Readings that are averaged, each begun a base further on; 6 for words of six.", least=1
    )


@dataclass(frozen=True)
class LayersSettings:
    """Which layers are looked at, and on how much sequence."""

    layers: list[str] = setting([], "Taps of the model; none: the output of every block.", of="layer")
    bases: int = setting(
        100_000, "Bases of each of the select and report splits, read on both strands.", least=1
    )


@dataclass(frozen=True)
class PruneSettings:
    """What a smaller model is to keep, how small it is made, and how it is healed."""

    track: str = setting(
        "", "Track whose bases are to stay well predicted; empty: the whole genome.", of="track"
    )
    size: float = setting(0.5, "Share of the model's parameters that the smaller model has, at most.")
    loss: float = setting(
        0.0,
        "Bits a base that may be lost on those bases of the select split, before healing: the smallest model"
        " within it, down to the least of --sizes, is written, whatever --size says. 0: none.",
    )
    sizes: list[float] = setting([0.9, 0.75, 0.6, 0.5, 0.4], "Shares of the parameters on the curve.")
    heal: int = setting(
        0, "Bases of the train split on which the smaller model is trained further; 0: not at all."
    )
    bases: int = setting(40_000, "Bases that are read of each split, on both strands together.", least=1)
    exact: int = setting(
        8, "Leading heads, filters and channels that are also taken out exactly, and as many of the rest."
    )
    seed: int = setting(0, "Of the random order, and of training.")


@dataclass(frozen=True)
class PlaceSettings:
    """Where in a study's genome something is put, and what is read around it."""

    track: str = setting(
        "", "Places lie on its intervals, in their direction, in one split of the genome.", of="track"
    )
    places: int = setting(24, "Places, spread over the split.", least=1)
    offset: int = setting(
        300,
        "Bases from an interval's first one, in its direction, to the place; below 0 before it.",
        least=-1e9,
    )
    context: int = setting(300, "Bases that are read before and after a place.", least=1)
    split: str = setting("report", "report, or select to choose something by.", one_of=SPLITS)
    seed: int = setting(0, "Of draws and of random directions.")


@dataclass(frozen=True)
class PaintSettings(PlaceSettings):
    """What is painted where, how it is filled in, and who judges."""

    painting: str = setting(
        "", "The painting, as JSON. Without a track its own canvas is the only place.", of="painting"
    )
    fill: str = setting(
        "write",
        "write: base after base under the painting. resample, gradient: what stands there is redesigned.",
        one_of=FILLS,
    )
    steps: int = setting(40, "Steps of a redesign.", least=1)
    copies: int = setting(1, "Canvases a place and arm.", least=1)
    readouts: list[str] = setting(
        ["stops.plus_1"],
        "JUDGE.COLUMN, asked of each stroke's bases; see `workbench judge --list`.",
        of="readout",
    )
    expect: str = setting("more", "more or less of the readouts than unpainted.", one_of=("more", "less"))
    temperature: float = setting(1.0, "Of the writing.")
    mask: list[str] = setting([], "START:LETTERS, fixed bases and IUPAC letters of a canvas.")
    avoid: list[str] = setting(
        [],
        "Restriction enzymes by name, or IUPAC words, kept out of a canvas and its join with what is before.",
    )
    gc: str = setting("", "LOW-HIGH, share of G and C of a canvas; empty for any.")
    longest_run: int = setting(0, "Longest run of one base; 0 for any.")
    open_frame: list[str] = setting([], "START-END without stop codons in this frame; START-END:- minus.")
    protein: list[str] = setting([], "START:LETTERS, spelled by any codons; :- minus strand.")


@dataclass(frozen=True)
class CompileSettings(PlaceSettings):
    """Which edits become changes of bases, where, and how many changes at most."""

    plan: str = setting(
        "", "The edit plan, as JSON; its positions count from the first base of a place.", of="plan"
    )
    at: list[str] = setting(
        [], "Places by name and not by a track: CONTIG:START-END, 0-based, end not included; :- minus strand."
    )
    bases: int = setting(20, "Bases of a place of a track, which may change.", least=1)
    window: int = setting(20, "Bases behind it whose predictions are the output.", least=1)
    most: int = setting(5, "Changes of bases, at most.", least=1)
    draws: int = setting(20, "Random sets of changes a number of changes.", least=1)


@dataclass(frozen=True)
class FactorSettings:
    """How many factors are tried, and on how much sequence they are found."""

    sizes: list[int] = setting([16, 32, 64, 128], "Numbers of factors that are tried.")
    seeds: int = setting(3, "Factorisations a number, whose factors are compared.", least=2)
    bases: int = setting(100_000, "Bases of the train split, both strands, that they are found on.", least=1)
    held_out: int = setting(
        20_000, "Bases of the select split, both strands, on which reconstruction is measured.", least=1
    )
