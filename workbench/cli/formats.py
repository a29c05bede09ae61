"""Autoencoders of other libraries in, and ours out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from workbench.errors import InputError
from workbench.study.study import CONFIG

if TYPE_CHECKING:
    import numpy as np


def import_sae(
    path: Annotated[Path, typer.Argument(help="Folder of an autoencoder, or a .pt file.", metavar="PATH")],
    to: Annotated[list[Path], typer.Option(help="New folder, or a study. Repeatable; none only looks.")] = [],  # noqa: B006
) -> None:
    """Read an autoencoder of SAELens, dictionary_learning, sparsify, InterPLM, InterProt or Evo 2.

    Look at it, write it in this program's form, or use it in a study in place of training:
    workbench import-sae saes/layer_3
    workbench import-sae saes/layer_3 --to converted
    workbench import-sae sae-layer26-mixed-expansion_8-k_64.pt --to STUDY, then workbench run STUDY

    The format is told from the content. Norms of decoder rows, constant scales and whitening of the input
    are folded in exactly; what normalises each activation by itself stays as it is. Transcoders can be
    converted, not used in a study. What cannot be represented is refused. No code stored in a file is run.
    """
    from feature_mining.sae.formats import detect, read  # PyTorch
    from workbench.analysis.imported_sae import use_in_study  # PyTorch

    try:
        name, imported = detect(path), read(path)
    except ValueError as error:
        raise InputError(str(error)) from None
    config = imported.sae.config
    k = f", k {config.k}" if config.k else ""
    out = f", writes {config.d_out}" if config.d_out else ""
    norm = f", activations {config.row_norm} one by one" if config.row_norm else ""
    print(f"{path}: {name}, {config.architecture}, {config.d_in} to {config.d_sae}{out}{k}{norm}")
    for target in to:
        if (target / CONFIG).is_file():
            use_in_study(target, path)
            print(f"{target}: [sae] source = {str(path.resolve())!r}; go on with workbench run")
            continue
        if imported.shape is not None:
            raise InputError(
                f"{path}: has no threshold of its own; give it --to a study, which calibrates it on its"
                " sequence"
            )
        if target.exists() and (not target.is_dir() or any(target.iterdir())):
            raise InputError(f"{target}: neither a study nor an empty folder; choose another")
        imported.sae.save(target)
        print(target)


def export_sae(
    folder: Annotated[Path, typer.Argument(help="Study, or folder of an autoencoder.", metavar="DIR")],
    format: Annotated[
        str, typer.Option(help="saelens, saelens_pre6, dictionary_learning, sparsify, interplm.")
    ],
    out: Annotated[Path, typer.Option(help="New folder to write.")],
) -> None:
    """Write an autoencoder for another library, with the same features.

    workbench export-sae STUDY --format saelens --out for_saelens

    For SAELens, a study that was judged (workbench quality) adds how often its features fire.
    """
    from feature_mining.sae.formats import read, write  # PyTorch

    source = folder / "sae" if (folder / "sae").is_dir() else folder
    try:
        imported = read(source)
        if imported.shape is not None:
            raise ValueError(f"{source}: has no threshold yet; use it in a study first")
        write(imported.sae, format, out, _density(folder))
    except ValueError as error:
        raise InputError(str(error)) from None
    print(out)


def _density(folder: Path) -> np.ndarray | None:
    """Share of held-out positions at which each feature of a study fires, if it was measured."""
    from workbench.files.parquet import read_parquet  # pandas

    path = folder / "tables" / "quality_features.parquet"
    return read_parquet(path)["density"].to_numpy() if path.is_file() else None
