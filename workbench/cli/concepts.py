"""Concepts of a study: found, contrasted, made, opened and tested."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from workbench import wording
from workbench.cli.experiments import Folder, Later, Workers, ask
from workbench.cli.tables import show
from workbench.errors import InputError
from workbench.experiments.settings import FactorSettings
from workbench.files.atomic import refuse_links
from workbench.files.settings import sentence
from workbench.progress import showing
from workbench.study.study import Study

if TYPE_CHECKING:
    from feature_mining.concepts.concept import Concept
    from feature_mining.concepts.contrast import Difference

FACTORS = FactorSettings()
SIZES = ",".join(map(str, FACTORS.sizes))
CONCEPT = (
    "A feature (871), a sum (3 - 17 + 0.5*204), a factor (factor:12), a list of pinned features (list:NAME),"
    " a kept concept by its name, or a JSON file."
)
REGIONS = "a track, TRACK:MODE (same, opposite or any strand), or a BED file"
Name = Annotated[str, typer.Argument(help="Name that it is kept under: letters, digits and _.")]
Text = Annotated[str, typer.Argument(help=CONCEPT, metavar="CONCEPT")]


def list_concepts(folder: Folder) -> None:
    """List the concepts of a study: kept ones, and factors of its experiments."""
    from workbench.study.concepts import concept_files, read_concept  # PyTorch

    study = Study.open(folder)
    rows = []
    for text, path in concept_files(study).items():
        try:
            concept = read_concept(study, path)
        except InputError as error:
            rows.append([text, "", "refused", str(error)])
            continue
        rows.append([text, str(len(concept.weights)), str(concept.evidence), concept.how])
    show(["concept", "features", "evidence", "how"], rows)


def find(
    folder: Folder,
    name: Annotated[str, typer.Option(help="Name of the experiment; factor:NAME:N means its.")] = "factors",
    sizes: Annotated[str, typer.Option(help=f"{sentence(FactorSettings, 'sizes')} Commas between.")] = SIZES,
    seeds: Annotated[int, typer.Option(help=sentence(FactorSettings, "seeds"))] = FACTORS.seeds,
    bases: Annotated[int, typer.Option(help=sentence(FactorSettings, "bases"))] = FACTORS.bases,
    held_out: Annotated[int, typer.Option(help=sentence(FactorSettings, "held_out"))] = FACTORS.held_out,
    workers: Workers = 1,
    later: Later = False,
) -> None:
    """Find factors: sets of features that are active together, and what each of them marks.

    Non-negative factorisation of the features on the train split, for several numbers of factors and seeds;
    taken is the number that reconstructs the select split best among those that other seeds find again. Each
    factor gets what a feature gets: a track and threshold from the select split, and from the report split
    the circular-shift null, the controls and a verdict. One that is not learnt stays a number. Factors are
    used as factor:0, factor:1, ...; tables and page.html lie in the study's experiments/NAME.
    """
    try:
        numbers = [int(part) for part in sizes.split(",")]
    except ValueError:
        raise InputError(f"--sizes {sizes}: expected whole numbers with commas between, as 16,32") from None
    ask(folder, name, "factors", FactorSettings(numbers, seeds, bases, held_out), workers, later)


def contrast(
    folder: Folder,
    name: Name,
    here: Annotated[str, typer.Option(help=f"Where it is active: {REGIONS}.")],
    against: Annotated[str, typer.Option(help="Where it is not, given alike; every other base if not.")] = "",
    adjust: Annotated[
        str,
        typer.Option(help="Composition (GC, k-mers) is held fixed when features are chosen: match, regress."),
    ] = "none",
    features: Annotated[int, typer.Option(help="Features of the concept, at most.", min=1)] = 20,
) -> None:
    """Make a concept of what is active in some regions and not in others.

    Features and weights come from the select split. On the report split, without near copies, are told: the
    difference of the concept's level with its interval over blocks; what is left of it among bases of like
    composition (by a model of the sequence alone, fitted to tell the regions apart on select), and how much
    of it composition alone would show; how well level and composition tell them apart; and the verdict.

    workbench concepts contrast STUDY coding --here CDS --against intergenic --adjust regress
    """
    with showing() as progress:
        from workbench.analysis.contrasts import make_contrast, parse_regions  # PyTorch
        from workbench.study.concepts import concept_path, keep_concept  # PyTorch

        study = _open(folder)
        if (path := concept_path(study, name)).exists():
            raise InputError(f"{path}: a concept has the name; give another one, or remove the file")
        there = parse_regions(study, against) if against else None
        found = make_contrast(study, name, parse_regions(study, here), there, adjust, features, progress)
    kept = replace(
        found.concept, how=f"{found.concept.how}; composition alone shows {_percent(found.share)} of it"
    )
    keep_concept(study, kept)
    print(kept)
    rows = [
        ["bases here, there", f"{found.here:,}, {found.there:,}"],
        ["level here less there, share of top", _told(found.difference)],
        ["  with composition regressed out", _told(found.held)],
        ["  with composition matched", _told(found.matched)],
        ["  that composition alone would show", _percent(found.share)],
        ["lift, telling them apart", _told(found.lift)],
        ["  composition alone", wording.fixed(found.composition_lift)],
        ["  margin over composition", _told(found.margin)],
    ]
    show(["on the report split", ""], rows)
    print(f"kept: {path}")


def make(
    folder: Folder,
    name: Name,
    concept: Text,
    scale: Annotated[
        list[str] | None,
        typer.Option(help="FEATURE=FACTOR, a feature turned up or down; the others stay. Repeatable."),
    ] = None,
) -> None:
    """Keep a concept under a name: a sum of features and concepts, or one with features turned up or down.

    In a sum each is taken as it is painted at full strength.

    workbench concepts make STUDY stop "385 - 0.5*17" --scale 17=2
    """
    from workbench.study.concepts import resolve  # PyTorch

    study = _open(folder)
    found = resolve(study, concept)
    if scale:
        try:
            found = found.scaled(dict(_scale(each) for each in scale))
        except ValueError as error:
            raise InputError(str(error)) from None
    _keep(study, replace(found, name=name))


def mix(
    folder: Folder,
    name: Name,
    one: Annotated[str, typer.Argument(help=CONCEPT)],
    other: Annotated[str, typer.Argument(help="The other one.")],
    share: Annotated[float, typer.Option(help="Of the other: 0 is the first, 1 the other.")] = 0.5,
) -> None:
    """Keep a concept between two others.

    workbench concepts mix STUDY between stop start --share 0.3
    """
    from workbench.study.concepts import resolve, sum_of  # PyTorch

    if not 0 <= share <= 1:
        raise InputError(f"--share {share}: expected 0 to 1")
    study = _open(folder)
    parts = [(1 - share, resolve(study, one)), (share, resolve(study, other))]
    _keep(study, sum_of(study, name, parts, f"{1 - share:g} of {one} with {share:g} of {other}"))


def open_up(folder: Folder, concept: Text) -> None:
    """Open a concept: its features, how strongly each is painted, and how their directions lie.

    painted is the strength of a feature's edit where the concept is painted at full strength; along the
    cosine of what the feature writes with what the whole concept writes; nearest the feature of the concept
    that writes what is most alike. For Matryoshka autoencoders the level is told: early ones are general.
    """
    from feature_mining.concepts.opened import open_concept  # PyTorch
    from workbench.study.concepts import resolve  # PyTorch

    study = Study.open(folder)
    found = resolve(study, concept)
    table = open_concept(found, study.sae, study.dictionary.unit.numpy())
    try:
        labels = study.feature_labels()
        table.insert(1, "name", [labels[feature].text for feature in table["feature"]])
    except InputError:  # a study without a catalog yet
        table.insert(1, "name", "")
    print(found)
    if found.how:
        print(found.how)
    rows = [
        [wording.signed(value) if isinstance(value, float) else str(value) for value in row]
        for row in table.itertuples(index=False)
    ]
    show(list(table.columns), rows)


def test(folder: Folder, concept: Annotated[list[str], typer.Argument(help=CONCEPT)]) -> None:
    """Test concepts against the study's tracks as its features are, and keep what is found of kept ones.

    Each is given the track that it marks best and a threshold on the select split. The report split then says
    whether it overlaps that track more than shifted anywhere else, and more than the controls do. Give those
    that belong together at once: q-values are over all of them.
    """
    with showing() as progress:
        from workbench.analysis.naming import name_concepts, with_evidence  # PyTorch
        from workbench.study.concepts import concept_paths, resolve, write_concept  # PyTorch

        study = _open(folder)
        found = [resolve(study, text) for text in concept]
        named = name_concepts(study, found, progress)
    rows = []
    for row in named.to_dict("records"):
        track = f"{row['track']} ({wording.mode_words(row['mode'])})" if row["track"] else ""
        lift = f"{wording.fixed(row['sample_ap_lift'])} {wording.between(row['lift_low'], row['lift_high'])}"
        rows.append([row["name"], track, row["verdict"], lift, wording.probability(row["q"]), row["rule"]])
    show(["concept", "track", "verdict", "lift", "q", "rule"], rows)
    kept = {path.stem: path for path in concept_paths(study)}
    for text, tested in zip(concept, with_evidence(found, named), strict=True):
        if text in kept:
            write_concept(kept[text], tested)


def _open(folder: Path) -> Study:
    study = Study.open(folder)
    refuse_links(study.folder)
    return study


def _keep(study: Study, concept: Concept) -> None:
    from workbench.study.concepts import keep_concept  # PyTorch

    path = keep_concept(study, concept)
    print(concept)
    print(f"kept: {path}")


def _scale(text: str) -> tuple[int, float]:
    feature, sign, factor = text.partition("=")
    try:
        return int(feature), float(factor if sign else "")
    except ValueError:
        raise InputError(f"--scale {text}: expected FEATURE=FACTOR, as 17=0.5") from None


def _told(found: Difference) -> str:
    return f"{wording.signed(found.value)} {wording.between(found.low, found.high)}"


def _percent(found: Difference) -> str:
    between = wording.between(found.low, found.high, wording.percent)
    return f"{wording.percent(found.value)} {between}"
