"""What a model holds of sequence, as arrays."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from workbench.cli.experiments import Later, Name, Workers, ask
from workbench.cli.remote_code import RemoteCode, announce_code
from workbench.errors import InputError
from workbench.experiments.settings import EmbedSettings
from workbench.files.settings import check_section, sentence
from workbench.progress import showing

DEFAULT = EmbedSettings()


def embed(
    source: Annotated[Path, typer.Argument(help="FASTA or GenBank file, or folder of a planned study.")],
    regions: Annotated[
        str, typer.Option(help="BED file, or a track of the study. Default: whole records.")
    ] = DEFAULT.regions,
    layer: Annotated[
        list[str] | None,
        typer.Option(help="Tap; repeatable. Default: the study's, or the one at 70 % of the model's depth."),
    ] = None,
    pool: Annotated[str, typer.Option(help=sentence(EmbedSettings, "pool"))] = DEFAULT.pool,
    strand: Annotated[str, typer.Option(help="Strands that are read: both, + or -.")] = "both",
    format: Annotated[str, typer.Option(help=sentence(EmbedSettings, "format"))] = DEFAULT.format,
    phases: Annotated[int, typer.Option(help=sentence(EmbedSettings, "phases"), min=1)] = DEFAULT.phases,
    out: Annotated[
        Path | None, typer.Option(help="Folder for the embeddings of a FASTA file. Default: NAME.embeddings.")
    ] = None,
    model: Annotated[str, typer.Option(help="Model for a FASTA file; see `workbench models`.")] = "mini",
    device: Annotated[str, typer.Option(help="Where it runs for a FASTA file: cpu, cuda, cuda:1.")] = "cpu",
    dtype: Annotated[str, typer.Option(help="float32 or bfloat16, for a FASTA file.")] = "float32",
    trust_remote_code: RemoteCode = False,
    name: Name = "embeddings",
    workers: Workers = 1,
    later: Later = False,
) -> None:
    """Write embeddings of records or regions: a base at a time, or pooled; of one or several layers.

    Of a FASTA file, records of up to 8,192 bases are read from end to end; where one is longer, all are read
    in windows whose first quarter is read and discarded, so that bases near a record's end have no value. Of
    a study (run it --until plan first) a base has the value that its features are made from, and the answer
    is an experiment: experiments/NAME, with --workers, or on a cluster with workbench submit --experiment.
    The same command goes on where it was stopped.
    """
    strands = {"both": ["+", "-"], "+": ["+"], "-": ["-"]}.get(strand)
    if strands is None:
        raise InputError(f"--strand {strand}: expected both, + or -")
    settings = EmbedSettings(regions, layer or [], pool, strands, format, phases)
    if source.is_dir():
        ask(source, name, "embed", settings, workers, later)
        return
    check_section(settings, "embed")
    announce_code(model, trust_remote_code)
    with showing() as progress:
        from workbench.models.embed import embed_file  # PyTorch

        files = embed_file(
            source,
            out or source.with_name(f"{source.name}.embeddings"),
            model,
            settings.layers,
            Path(regions) if regions else None,
            pool,
            strands,
            format,
            device,
            dtype,
            progress,
            trust_remote_code,
            phases,
        )
    print("\n".join(map(str, files)))
