"""How likely a model finds sequences."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from workbench.cli.remote_code import RemoteCode, announce_code
from workbench.cli.tables import show
from workbench.progress import showing


def score(
    genome: Annotated[Path, typer.Argument(help="FASTA or GenBank file.", metavar="FASTA")],
    model: Annotated[str, typer.Option(help="Model; see `workbench models`.")] = "mini",
    out: Annotated[
        Path | None, typer.Option(help="Per-base table (.tsv or .parquet); default: summary only.")
    ] = None,
    both_strands: Annotated[
        bool, typer.Option("--both-strands", help="Mean of both strands' readings.")
    ] = False,
    bos: Annotated[bool, typer.Option("--bos", help="Start token in front (Evo 1's convention).")] = False,
    context: Annotated[
        int | None,
        typer.Option(help="Bases read at once; default: the model's context, 8,192 where it states none."),
    ] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:1, mps.")] = "cpu",
    dtype: Annotated[str, typer.Option(help="float32 or bfloat16.")] = "float32",
    trust_remote_code: RemoteCode = False,
    as_json: Annotated[bool, typer.Option("--json", help="Summary as one JSON object.")] = False,
) -> None:
    """Score sequences: log-likelihood in nats and bits, a base and a sequence, and entropy.

    A record longer than --context is read in windows, each begun a quarter of it before the bases that it
    scores: memory stays bounded on a whole chromosome. N and other ambiguous letters are read, not scored. A
    model of masked tokens is scored by pseudo-likelihood, a pass a token, which is said beforehand.
    """
    announce_code(model, trust_remote_code)
    with showing() as progress:
        from workbench.models.score import score_file  # PyTorch

        rows = score_file(
            genome, model, device, dtype, both_strands, bos, context, out, progress, trust_remote_code
        )
    if as_json:
        print(json.dumps([row._asdict() for row in rows]))
        return
    show(
        ("sequence", "bases", "scored", "log-likelihood (nats)", "bits a base", "entropy (bits)"),
        [
            (
                row.name,
                f"{row.bases:,}",
                f"{row.scored:,}",
                f"{row.nats:,.2f}",
                f"{row.bits_per_base:.4f}",
                f"{row.entropy_bits:.4f}",
            )
            for row in rows
        ],
    )
