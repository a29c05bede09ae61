"""How likely a model finds sequences."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def score(
    genome: Annotated[Path, typer.Argument(help="FASTA or GenBank file.", metavar="FASTA")],
    model: Annotated[str, typer.Option(help="Model; see `workbench models`.")] = "mini",
    out: Annotated[
        Path | None, typer.Option(help="Per-base table (.tsv or .parquet); default: summary only.")
    ] = None,
    both_strands: Annotated[
        bool, typer.Option("--both-strands", help="Mean of both strands' readings.")
    ] = False,
    bos: Annotated[
        bool, typer.Option("--bos", help="Start token in front (Evo 1's convention).")
    ] = False,
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:1, mps.")] = "cpu",
    dtype: Annotated[str, typer.Option(help="float32 or bfloat16.")] = "float32",
    as_json: Annotated[bool, typer.Option("--json", help="Summary as one JSON object.")] = False,
) -> None:
    """Score sequences: log-likelihood in nats and bits, a base and a sequence, and entropy.

    Long records are read in chunks with carried state: memory stays bounded, values equal one pass.
    """
    import json

    from rich.console import Console
    from rich.table import Table

    from workbench.progress import showing
    from workbench.scores import score_file

    with showing() as progress:
        rows = score_file(genome, model, device, dtype, both_strands, bos, out, progress)
    if as_json:
        print(json.dumps([row._asdict() for row in rows]))
        return
    table = Table(
        "sequence", "bases", "scored", "log-likelihood (nats)", "bits a base", "entropy (bits)"
    )
    for row in rows:
        table.add_row(
            row.name,
            f"{row.bases:,}",
            f"{row.scored:,}",
            f"{row.nats:,.2f}",
            f"{row.bits_per_base:.4f}",
            f"{row.entropy_bits:.4f}",
        )
    Console().print(table)
