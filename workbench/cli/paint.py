"""Concepts painted onto sequence, and edits compiled into bases."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from workbench.cli.experiments import Folder, Later, Name, Workers, ask
from workbench.errors import InputError
from workbench.experiments.settings import CompileSettings, PaintSettings, PlaceSettings
from workbench.files.settings import sentence
from workbench.study.study import Study

PAINT, COMPILE = PaintSettings(), CompileSettings()
Track = Annotated[str, typer.Option(help=sentence(PlaceSettings, "track"))]
Places = Annotated[int, typer.Option(help=sentence(PlaceSettings, "places"))]
Offset = Annotated[int, typer.Option(help=sentence(PlaceSettings, "offset"))]
Context = Annotated[int, typer.Option(help=sentence(PlaceSettings, "context"))]
Split = Annotated[str, typer.Option(help=sentence(PlaceSettings, "split"))]
Seed = Annotated[int, typer.Option(help=sentence(PlaceSettings, "seed"))]
AT = "CONTIG:START-END, 0-based, end not included; :- after it for the minus strand"
STROKE = "CONCEPT@START-END=STRENGTH; @START-END:- minus strand; FROM..TO a ramp. Repeatable."


def paint(
    folder: Folder,
    stroke: Annotated[list[str] | None, typer.Option(help=STROKE)] = None,
    painting: Annotated[Path | None, typer.Option(help="Painting as JSON, in place of --stroke.")] = None,
    name: Name = "painting",
    at: Annotated[str, typer.Option(help=f"Canvas on the genome: {AT}.")] = "",
    length: Annotated[int, typer.Option(help="Bases of a canvas, without --at and --painting.", min=1)] = 90,
    fill: Annotated[str, typer.Option(help=sentence(PaintSettings, "fill"))] = PAINT.fill,
    readout: Annotated[
        list[str] | None,
        typer.Option(help=f"{sentence(PaintSettings, 'readouts')} Repeatable. Default: stops.plus_1."),
    ] = None,
    expect: Annotated[str, typer.Option(help=sentence(PaintSettings, "expect"))] = PAINT.expect,
    track: Track = "",
    places: Places = PAINT.places,
    offset: Offset = PAINT.offset,
    context: Context = PAINT.context,
    split: Split = PAINT.split,
    steps: Annotated[int, typer.Option(help=sentence(PaintSettings, "steps"))] = PAINT.steps,
    copies: Annotated[int, typer.Option(help=sentence(PaintSettings, "copies"))] = PAINT.copies,
    temperature: Annotated[
        float, typer.Option(help=sentence(PaintSettings, "temperature"))
    ] = PAINT.temperature,
    mask: Annotated[
        list[str] | None, typer.Option(help=f"{sentence(PaintSettings, 'mask')} Repeatable.")
    ] = None,
    avoid: Annotated[
        list[str] | None, typer.Option(help=f"{sentence(PaintSettings, 'avoid')} Repeatable.")
    ] = None,
    gc: Annotated[str, typer.Option(help=sentence(PaintSettings, "gc"))] = "",
    longest_run: Annotated[int, typer.Option(help=sentence(PaintSettings, "longest_run"), min=0)] = 0,
    open_frame: Annotated[
        list[str] | None, typer.Option(help=f"{sentence(PaintSettings, 'open_frame')} Repeatable.")
    ] = None,
    protein: Annotated[
        list[str] | None, typer.Option(help=f"{sentence(PaintSettings, 'protein')} Repeatable.")
    ] = None,
    seed: Seed = 0,
    workers: Workers = 1,
    later: Later = False,
) -> None:
    """Paint concepts onto a stretch of sequence, have it filled in, and see what came of it.

    On 60 bases of the genome, feature 385 on its bases 30 to 45, by what 99.9 % of its values do not exceed:
    workbench paint STUDY --at NC_000913.3:70,300-70,360 --stroke 385@30-45=1 --fill resample

    The same stroke on 200 places within genes, written base after base, and read by a judge of stop codons:
    workbench paint STUDY --track CDS --places 200 --length 90 --stroke 385@30-60=2 --readout stops.plus_1

    A concept is a feature (385), a sum (3 - 17 + 0.5*204), a factor (factor:12), or the name of a kept one.
    Positions are 0-based, end not included, in the direction of the place. A painting is a JSON file, kept as
    painting.json; changed (strokes, sheets above each other, bases that may change), it is painted again with
    --painting. It carries the hashes of model and autoencoder and is refused elsewhere. Where strokes of one
    strand overlap, the uppermost sheet alone shows; those of one sheet add up.

    Written canvases go along one strand (the minus strand's as its reverse complement). A redesign starts
    from what stands there and takes strokes on both: resample draws bases from what both strands' readings
    predict under the painting, gradient follows the slope of the level by the letters. Limits are those
    of `workbench write`. Of every stroke are told the level that the unedited model reads and what judges say
    of its bases, beside unpainted, a random direction, a wrong concept, a shifted place and unpainted of the
    same GC. Tables, painted.fa, and page.html, in the study's experiments/NAME.
    """
    from workbench.experiments.strokes import (  # PyTorch
        make_painting,
        on_one_line,
        parse_canvas,
        read_painting_file,
    )

    if bool(stroke) == (painting is not None):
        raise InputError("give what is painted in one way: --stroke or --painting")
    if at and (painting is not None or track):
        raise InputError(f"--at {at}: the canvas is that of the painting or of the track; give one of them")
    if painting is not None:
        made = read_painting_file(painting)
    else:
        study = Study.open(folder)
        canvas = parse_canvas(study, at, 0, context) if at else None
        made = make_painting(study, stroke or [], length, canvas)
    settings = PaintSettings(
        track, places, offset, context, split, seed, on_one_line(made), fill, steps, copies,
        readout or PAINT.readouts, expect, temperature, mask or [], avoid or [], gc, longest_run,
        open_frame or [], protein or [],
    )  # fmt: skip
    ask(folder, name, "paint", settings, workers, later)


def compile_edits(
    folder: Folder,
    concept: Annotated[
        str,
        typer.Option(
            help="What is added, on the first --bases of a place: a feature, a sum, a factor, a kept concept."
        ),
    ] = "",
    strength: Annotated[float, typer.Option(help="How much, in units of the concept's strong level.")] = 1.0,
    plan: Annotated[
        Path | None,
        typer.Option(
            help="Edit plan as JSON, in place of --concept; positions count from a place's first base."
        ),
    ] = None,
    name: Name = "compiled",
    at: Annotated[
        list[str] | None, typer.Option(help=f"{sentence(CompileSettings, 'at')} Repeatable.")
    ] = None,
    track: Track = "",
    places: Places = COMPILE.places,
    bases: Annotated[int, typer.Option(help=sentence(CompileSettings, "bases"))] = COMPILE.bases,
    window: Annotated[int, typer.Option(help=sentence(CompileSettings, "window"))] = COMPILE.window,
    most: Annotated[int, typer.Option(help=sentence(CompileSettings, "most"))] = COMPILE.most,
    draws: Annotated[int, typer.Option(help=sentence(CompileSettings, "draws"))] = COMPILE.draws,
    offset: Offset = COMPILE.offset,
    context: Context = COMPILE.context,
    split: Split = COMPILE.split,
    seed: Seed = 0,
    workers: Workers = 1,
    later: Later = False,
) -> None:
    """Turn an edit of features into the fewest changes of bases that do the same to the model as it is.

    At one place, and at 100 places within genes of the report split:
    workbench compile STUDY --concept 781 --strength 2 --at NC_000913.3:70,300-70,320
    workbench compile STUDY --concept 781 --strength 2 --track CDS --places 100

    The effect is how the edit changes the model's predictions of the bases behind the place; its share is 1
    where the unedited model predicts the same after the changes, 0 where it is as far from that as before.
    Changes are looked for with the gradient by the letters, at most --most of them, and the fewest are said
    that none of more changes beats by a hundredth. Beside them stand as many changes drawn at random, chosen
    greedily with every substitution read, and chosen by likelihood alone. Changes are given as variants
    (CONTIG:POSITION:REF:ALT) that workbench variants reads. Tables, and page.html, in the study's
    experiments/NAME.
    """
    from workbench.experiments.strokes import make_plan, on_one_line  # PyTorch
    from workbench.models.write import read_plan  # PyTorch

    if bool(concept) == (plan is not None):
        raise InputError("give what is compiled in one way: --concept or --plan")
    if bool(at) == bool(track):
        raise InputError("give the places in one way: --at or --track")
    made = make_plan(Study.open(folder), concept, strength, bases) if plan is None else read_plan(plan)
    settings = CompileSettings(
        track, places, offset, context, split, seed, on_one_line(made), at or [], bases, window, most, draws
    )
    ask(folder, name, "compile", settings, workers, later)
