"""The command line.

``workbench --help`` imports nothing heavy: an import inside a command names the library that it keeps out.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable
from importlib.metadata import version
from typing import Annotated

import typer

from genomic_models.errors import ModelError
from workbench.cli import app as browser
from workbench.cli import (
    audit,
    circuit,
    concepts,
    demo,
    detect,
    diff,
    embed,
    experiments,
    explain,
    export,
    features,
    fetch,
    formats,
    history,
    jobs,
    judge,
    layers,
    models,
    paint,
    pretrain,
    prune,
    quality,
    rules,
    score,
    session,
    study,
    treat,
    variants,
    view,
    write,
)
from workbench.cli.command import Command
from workbench.errors import InputError
from workbench.files.atomic import refusal
from workbench.interruption import Stopped
from workbench.wording import visible

app = typer.Typer(
    name="workbench",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    help=(
        "Interpret DNA foundation models: probe a model over your FASTA, train a sparse autoencoder on"
        " its activations, test the features against your annotation, take the survivors out.\n\n"
        "Start with [bold]workbench demo[/]. Then: [bold]workbench new[/] DIR --genome F --tracks F,"
        " [bold]workbench run[/] DIR, open DIR/report.html."
    ),
)
# Commands in the groups in which --help lists them.
PANELS: dict[str, dict[str, Callable[..., None]]] = {
    "Study: from sequence to a report": {
        "demo": demo.demo,
        "fetch": fetch.fetch,
        "new": study.new,
        "run": study.run,
        "status": jobs.status,
        "quality": quality.quality,
        "audit": audit.audit,
        "layers": layers.layers,
        "app": browser.app,
        "verify": study.verify,
        "upgrade": study.upgrade,
        "trust": study.trust,
    },
    "Models, with and without a study": {
        "models": models.models,
        "score": score.score,
        "embed": embed.embed,
        "prune": prune.prune,
        "write": write.write,
        "pretrain": pretrain.pretrain,
        "import-sae": formats.import_sae,
        "export-sae": formats.export_sae,
    },
    "Ask a finished study": {
        "features": features.features,
        "variants": variants.variants,
        "attribute": experiments.attribute,
        "transcode": circuit.transcode,
        "circuit": circuit.circuit,
        "steer": experiments.steer,
        "passport": experiments.passport,
        "diff": diff.diff,
        "treat": treat.treat,
        "explain": explain.explain,
        "paint": paint.paint,
        "compile": paint.compile_edits,
        "judge": judge.judge,
        "experiments": experiments.experiments,
    },
    "Take results out": {
        "export": export.export,
        "view": view.view,
        "session": session.session,
        "history": history.history,
    },
    "On a cluster": {
        "doctor": jobs.doctor,
        "submit": jobs.submit,
        "retry": jobs.retry,
        "cancel": jobs.cancel,
        "logs": jobs.logs,
        "shard": study.shard,
        "reduce": study.reduce,
    },
}
COMMANDS = {name: function for commands in PANELS.values() for name, function in commands.items()}
# Commands of two words, with what each first one is for.
GROUPS: dict[str, tuple[str, dict[str, Callable[..., None]]]] = {
    "concepts": (
        "Concepts: weighted sets of features, found by factorisation or contrast, or made by hand.",
        {
            "list": concepts.list_concepts,
            "find": concepts.find,
            "contrast": concepts.contrast,
            "make": concepts.make,
            "mix": concepts.mix,
            "open": concepts.open_up,
            "test": concepts.test,
        },
    ),
    "detect": (
        "Calibrated scanners for the sites of a track: made, run along sequence, and attacked.",
        {"make": detect.make, "scan": detect.scan, "attack": detect.attack},
    ),
    "rules": (
        "Rules that fire where concepts are present: while a model writes, and along sequence that exists.",
        {"make": rules.make, "show": rules.show, "scan": rules.scan},
    ),
}
for panel, named in PANELS.items():
    for name, function in named.items():
        app.command(name, cls=Command, rich_help_panel=panel)(function)
for name, (purpose, commands) in GROUPS.items():
    group = typer.Typer(no_args_is_help=True, rich_markup_mode="rich", help=purpose)
    for word, function in commands.items():
        group.command(word, cls=Command)(function)
    app.add_typer(group, name=name, rich_help_panel="Ask a finished study")
app.command("versions", hidden=True, cls=Command)(jobs.versions)


def _print_version(asked: bool) -> None:
    if asked:
        print(version("genomics-workbench"))
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True)
    ] = False,
) -> None: ...


def main() -> None:
    """Run the command line; a mistake in the input ends in one sentence and exit status 2."""
    for stream in (sys.stdout, sys.stderr):
        # What a terminal has no letters for is no reason to fail.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    # Processes that this one starts, and theirs, import nothing from the current folder.
    os.environ["PYTHONSAFEPATH"] = "1"
    try:
        app()
    except (InputError, ModelError) as error:
        _stop(str(error))
    except OSError as error:
        sentence = refusal(error)
        if not sentence and error.filename is None:
            raise
        _stop(sentence or f"{error.filename}: {error.strerror}")
    except Stopped as stopped:
        print(f"workbench: {stopped}", file=sys.stderr)
        sys.stdout.flush()
        # At once: Python takes seconds to put PyTorch and others away, and whoever asked does not wait.
        os._exit(stopped.status)


def _stop(text: str) -> None:
    print(f"workbench: {visible(text)}", file=sys.stderr)
    sys.exit(2)
