"""Training a small model on the user's own genomes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from workbench.errors import InputError
from workbench.progress import showing

FRESH, CONTINUED = 4e-3, 1e-3
REACH = 128.0


def pretrain(
    genome: Annotated[
        list[Path],
        typer.Option(help="FASTA or GenBank file to train on. Repeatable; given twice, read twice as often."),
    ],
    out: Annotated[Path, typer.Option(help="Folder that receives the model and the state.")],
    context: typer.Context,
    origin: Annotated[
        str,
        typer.Option(
            "--from", help="Go on with the weights of this model, mini or a folder, and its architecture."
        ),
    ] = "",
    tokens: Annotated[
        int, typer.Option(help="Bases to read in all; may be changed before going on.")
    ] = 30_000_000,
    pattern: Annotated[
        str, typer.Option(help="Blocks: S short, D medium, H long Hyena operator, * attention.")
    ] = "SDH*SDH",
    width: Annotated[int, typer.Option(help="Channels.")] = 192,
    heads: Annotated[int, typer.Option(help="Attention heads.")] = 6,
    inner: Annotated[int, typer.Option(help="Inner width of the MLP.")] = 512,
    length: Annotated[int, typer.Option(help="Bases of a window; becomes the context.")] = 2048,
    batch: Annotated[int, typer.Option(help="Windows of a step.")] = 4,
    learning_rate: Annotated[
        float | None, typer.Option(help=f"Peak learning rate: {FRESH:g}, after --from {CONTINUED:g}.")
    ] = None,
    reach: Annotated[
        float | None,
        typer.Option(
            min=0,
            help=f"Longest time constant of a long filter, in bases, 0 for any: {REACH:g}, after --from any."
            " A filter that forgets slowly tells how far into its window a base is.",
        ),
    ] = None,
    holdout: Annotated[float, typer.Option(help="Share of each record held out, in blocks.")] = 0.01,
    seed: Annotated[int, typer.Option(help="Seed.")] = 0,
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:1.")] = "cpu",
    compile_network: Annotated[
        bool, typer.Option("--compile", help="torch.compile: faster after a minute or two.")
    ] = False,
) -> None:
    """Train a small Evo 2-style model; use it afterwards as --model OUT.

    Both strands, held-out blocks; the learning rate rises, stays, and falls over the last fifth of
    --tokens. Stop it whenever you like (Ctrl-C, SIGTERM): the same command goes on from the last
    checkpoint and gives the weights of an unbroken run. Until the rate falls, other --tokens lengthen the
    run or end it earlier, and half the --batch of windows of twice the --length lets it read further.

    With --from it is continued training (fine-tuning): fresh optimisers and a schedule of its own; card.md in
    OUT names the model it came from, by hash.
    """
    from genomic_models import load  # PyTorch
    from genomic_models.pretraining import PretrainConfig  # PyTorch
    from genomic_models.striped_hyena.config import StripedHyenaConfig  # PyTorch
    from workbench.models.pretrain import continued, train  # PyTorch

    model: Any = None
    if origin:
        own = {name: context.get_parameter_source(name) for name in ("pattern", "width", "heads", "inner")}
        if given := [f"--{name}" for name, source in own.items() if source and source.name == "COMMANDLINE"]:
            raise InputError(f"{', '.join(given)}: the architecture is that of --from {origin}; leave it out")
        if out.exists() and Path(origin).exists() and out.samefile(origin):
            raise InputError(f"--out {out}: is the model that training goes on from; choose another folder")
        model = load(origin)
        architecture = continued(model, length)
    else:
        try:
            architecture = StripedHyenaConfig(
                "evo2", pattern, width, heads, inner, groups=max(1, width // 4), context=length
            )
        except ValueError as error:
            raise InputError(f"architecture: {error}") from None
    config = PretrainConfig(
        tokens=tokens,
        length=length,
        batch=batch,
        learning_rate=learning_rate or (CONTINUED if origin else FRESH),
        reach=(0.0 if origin else REACH) if reach is None else reach,
        holdout=holdout,
        seed=seed,
        compile=compile_network,
    )
    with showing() as progress:
        train(genome, architecture, config, out, device, progress, model)
    print(f"model: {out} (use it with --model {out})")
