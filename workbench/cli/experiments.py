"""Questions put to the model of a finished study."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from workbench.cli.tables import show
from workbench.errors import InputError
from workbench.experiments.settings import AttributeSettings, PassportSettings, SteerSettings, WritingSettings
from workbench.files.settings import sentence
from workbench.progress import showing
from workbench.study.study import Study

Folder = Annotated[Path, typer.Argument(help="Folder of a study that has run.")]
Name = Annotated[str, typer.Option(help="Name of the experiment, a folder in experiments/ of the study.")]
Workers = Annotated[int, typer.Option(help="Worker processes.", min=1)]
ATTRIBUTE, STEER = AttributeSettings(), SteerSettings()
DOSES = ",".join(f"{strength:g}" for strength in STEER.strengths)
READOUTS = " and ".join(PassportSettings().readouts)
Strengths = Annotated[str, typer.Option(help=f"{sentence(WritingSettings, 'strengths')} Commas between.")]
Track = Annotated[str, typer.Option(help=sentence(WritingSettings, "track"))]
Prompts = Annotated[int, typer.Option(help=sentence(WritingSettings, "prompts"))]
PromptBases = Annotated[int, typer.Option(help=sentence(WritingSettings, "prompt"))]
Length = Annotated[int, typer.Option(help=sentence(WritingSettings, "length"))]
Copies = Annotated[int, typer.Option(help=sentence(WritingSettings, "copies"))]
Temperature = Annotated[float, typer.Option(help=sentence(WritingSettings, "temperature"))]
Seed = Annotated[int, typer.Option(help=sentence(WritingSettings, "seed"))]
Later = Annotated[bool, typer.Option("--later", help="Write the question; run nothing.")]


def attribute(
    folder: Folder,
    target: Annotated[list[str], typer.Option(help=f"{sentence(AttributeSettings, 'targets')} Repeatable.")],
    name: Name = "attribution",
    strand: Annotated[
        list[str] | None, typer.Option(help=f"{sentence(AttributeSettings, 'strands')} Default: both.")
    ] = None,
    context: Annotated[int, typer.Option(help=sentence(AttributeSettings, "context"))] = ATTRIBUTE.context,
    method: Annotated[str, typer.Option(help=sentence(AttributeSettings, "method"))] = ATTRIBUTE.method,
    steps: Annotated[int, typer.Option(help=sentence(AttributeSettings, "steps"))] = ATTRIBUTE.steps,
    ablated: Annotated[int, typer.Option(help=sentence(AttributeSettings, "ablated"))] = ATTRIBUTE.ablated,
    bases: Annotated[int, typer.Option(help=sentence(AttributeSettings, "bases"))] = ATTRIBUTE.bases,
    track: Annotated[str, typer.Option(help=sentence(AttributeSettings, "track"))] = ATTRIBUTE.track,
    shuffles: Annotated[int, typer.Option(help=sentence(AttributeSettings, "shuffles"))] = ATTRIBUTE.shuffles,
    workers: Workers = 1,
    later: Later = False,
) -> None:
    """Say which features and bases a prediction hangs on.

    The prediction is taken apart into parts of the layer's features and of what the autoencoder does not
    explain, total and direct (with gates and attention held as they are); the leading features are also set
    to zero, exactly, beside active features of the same size that were not among them; every substitution of
    the last bases is tried; and intervals of --track are shuffled where they are, and put into shuffled
    surroundings. Tables, bigWig files of the bases' part, and page.html, in the study's experiments/NAME.
    """
    strands = strand or ATTRIBUTE.strands
    settings = AttributeSettings(target, strands, context, method, steps, ablated, bases, track, shuffles)
    ask(folder, name, "attribute", settings, workers, later)


def steer(
    folder: Folder,
    feature: Annotated[list[int], typer.Option(help=f"{sentence(SteerSettings, 'features')} Repeatable.")],
    name: Name = "steering",
    strengths: Strengths = DOSES,
    track: Track = STEER.track,
    prompts: Prompts = STEER.prompts,
    prompt: PromptBases = STEER.prompt,
    length: Length = STEER.length,
    copies: Copies = STEER.copies,
    readout: Annotated[str, typer.Option(help=sentence(SteerSettings, "readout"))] = STEER.readout,
    expect: Annotated[str, typer.Option(help=sentence(SteerSettings, "expect"))] = STEER.expect,
    temperature: Temperature = STEER.temperature,
    seed: Seed = STEER.seed,
    workers: Workers = 1,
    later: Later = False,
) -> None:
    """Steer features and see what the model writes, beside everything that could do the same.

    Each prompt is continued unedited and with the feature added at every base written; the other arms, under
    the same random draws: a random direction of the same norm, another feature of the same density, the same
    edit earlier in the prompt, and unedited writing held to the same GC. A judge that knows nothing of the
    autoencoder reads what was written. Said are the change at each strength, how often the feature wins over
    the best control (intervals over prompts), and the damage to natural sequence: bits a base, over all and
    by track, and how far other features move. Tables, and page.html, in the study's experiments/NAME.
    """
    settings = SteerSettings(
        _doses(strengths), track, prompts, prompt, length, copies, temperature, seed, feature, readout, expect
    )
    ask(folder, name, "steer", settings, workers, later)


def passport(
    folder: Folder,
    feature: Annotated[
        list[int] | None,
        typer.Option(help=f"{sentence(PassportSettings, 'features')} Repeatable. Default: see --best."),
    ] = None,
    best: Annotated[int, typer.Option(help="Features taken by verdict where none is given.", min=1)] = 5,
    name: Name = "passports",
    strengths: Strengths = DOSES,
    track: Track = STEER.track,
    prompts: Prompts = STEER.prompts,
    prompt: PromptBases = STEER.prompt,
    length: Length = STEER.length,
    copies: Copies = STEER.copies,
    readout: Annotated[
        list[str] | None,
        typer.Option(help=f"{sentence(PassportSettings, 'readouts')} Repeatable. Default: {READOUTS}."),
    ] = None,
    temperature: Temperature = STEER.temperature,
    seed: Seed = STEER.seed,
    workers: Workers = 1,
    later: Later = False,
) -> None:
    """Test once, on untouched loci and over seeds, what features are said to do.

    For each feature every readout, direction and strength is tried on prompts of the select split, beside all
    controls of workbench steer; the one at which it is furthest beyond its best control is its hypothesis.
    That alone is tested, once, on prompts of the report split: with the feature, and with the feature that
    matches it in the study's autoencoders of other seeds (seeds = 3 under [sae]). Beside it stands a sequence
    model of 31 bases that is asked for the feature's track. The outcome, passed, failed or not tested, is in
    the catalog, on the feature's page and in exports. Tables, and page.html, in the study's experiments/NAME.
    """
    features = feature or _best(Study.open(folder), best)
    settings = PassportSettings(
        _doses(strengths), track, prompts, prompt, length, copies, temperature, seed, features,
        readout or PassportSettings().readouts,
    )  # fmt: skip
    ask(folder, name, "passport", settings, workers, later)


def _best(study: Study, count: int) -> list[int]:
    from workbench.study.feature_labels import best_features  # pandas

    found = best_features(study.table("catalog"), study.table("tracks"), count)
    if not found:
        raise InputError(f"{study.folder}: no feature is the best of a track; name some with --feature")
    return found


def _doses(text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise InputError(f"--strengths {text}: expected numbers with commas between, as 1,2,4") from None


def experiments(
    folder: Folder,
    run: Annotated[
        str, typer.Option(help="Run what is missing of this experiment; its question may be a copied file.")
    ] = "",
    workers: Workers = 1,
) -> None:
    """List the experiments of a study, or run one.

    A question is a file, experiments/NAME/question.toml with every setting. Copied to another study of the
    same model and autoencoder it can be run there. On a cluster: workbench submit STUDY --experiment NAME.
    """
    from workbench.engines.survey import stand  # PyTorch
    from workbench.experiments.page import PAGE  # PyTorch
    from workbench.experiments.registry import as_stage, open_experiment  # PyTorch
    from workbench.experiments.registry import experiments as names  # PyTorch

    study = Study.open(folder)
    if run:
        _run(study, run, workers)
        return
    rows = []
    for name in names(study):
        try:
            asked = open_experiment(study, name)
            standing = stand(study, as_stage(study, name))
        except InputError as error:
            rows.append([name, "?", "refused", "", str(error)])
            continue
        shards = f"{standing.done} of {standing.shards}"
        page = asked.folder / PAGE
        where = str(page) if standing.state == "done" and page.exists() else ""
        rows.append([name, asked.question.kind, standing.state, shards, where])
    show(["experiment", "kind", "state", "shards", "page"], rows)


def ask(folder: Path, name: str, kind: str, settings: Any, workers: int, later: bool) -> None:
    """Write the question of an experiment and run it, unless later."""
    with showing():
        from workbench.experiments.registry import create_experiment  # PyTorch

    study = Study.open(folder)
    made = create_experiment(study, name, kind, settings)
    if later:
        print(f"question: {made.folder}/question.toml; then: workbench experiments {folder} --run {name}")
        return
    _run(study, name, workers)


def _run(study: Study, name: str, workers: int) -> None:
    with showing() as progress:
        from workbench.engines.local import here, processes, run_experiment  # PyTorch
        from workbench.experiments.page import PAGE  # PyTorch
        from workbench.experiments.question import folder_of  # PyTorch

        execute: Callable[..., Any] = processes(workers) if workers > 1 else here
        run_experiment(study, name, execute, progress)
    print(f"page: {folder_of(study, name) / PAGE}")
