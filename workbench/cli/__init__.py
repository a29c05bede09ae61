"""The command line. ``workbench --help`` imports nothing heavy; commands import what they need."""

from __future__ import annotations

import errno
import sys

import typer

from workbench.cli import app as browser
from workbench.cli import (
    audit,
    demo,
    export,
    formats,
    jobs,
    models,
    pretrain,
    quality,
    score,
    study,
    variants,
)
from workbench.errors import InputError

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
app.command("demo")(demo.demo)
app.command("new")(study.new)
app.command("run")(study.run)
app.command("quality")(quality.quality)
app.command("shard")(study.shard)
app.command("reduce")(study.reduce)
app.command("status")(jobs.status)
app.command("submit")(jobs.submit)
app.command("retry")(jobs.retry)
app.command("cancel")(jobs.cancel)
app.command("logs")(jobs.logs)
app.command("doctor")(jobs.doctor)
app.command("versions", hidden=True)(jobs.versions)
app.command("audit")(audit.audit)
app.command("export")(export.export)
app.command("import-sae")(formats.import_sae)
app.command("export-sae")(formats.export_sae)
app.command("models")(models.models)
app.command("score")(score.score)
app.command("variants")(variants.variants)
app.command("pretrain")(pretrain.pretrain)
app.command("app")(browser.app)

_FULL = {errno.ENOSPC: "the disk is full", errno.EDQUOT: "the disk quota is used up"}
_FULL |= {errno.EROFS: "the folder is read-only", errno.EACCES: "permission denied"}


def main() -> None:
    """Run the command line; a mistake in the input ends in one sentence and exit status 2."""
    try:
        app()
    except InputError as error:
        _stop(str(error))
    except OSError as error:
        if error.errno not in _FULL:
            raise
        where = f"{error.filename}: " if error.filename else ""
        _stop(f"{where}{_FULL[error.errno]}; free space or choose another folder, then run again")
    except ValueError as error:
        # ModelError is a ValueError; its class is looked up by name so that torch is not imported.
        if type(error).__name__ != "ModelError":
            raise
        _stop(str(error))
    except Exception as error:
        # Looked up by name, as below: the module is not imported for `--help`.
        if type(error).__name__ != "Stopped":
            raise
        print("stopped by a signal; run the same command again to go on", file=sys.stderr)
        sys.exit(85)
    except KeyboardInterrupt:
        print("stopped; run the same command again to go on", file=sys.stderr)
        sys.exit(130)


def _stop(text: str) -> None:
    print(f"workbench: {text}", file=sys.stderr)
    sys.exit(2)
