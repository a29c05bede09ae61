"""The command ``workbench history``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from workbench.cli.tables import show
from workbench.errors import InputError
from workbench.files.atomic import write_atomic
from workbench.study.study import Study
from workbench.wording import spoken


def history(
    folder: Annotated[Path, typer.Argument(help="Folder of the study.", metavar="DIR")],
    node: Annotated[int, typer.Option(help="Number of a node.", min=0)] = 0,
    form: Annotated[
        str, typer.Option("--format", help="fasta, gff3, vcf, painting or question, of --node.")
    ] = "",
    out: Annotated[Path | None, typer.Option(help="File to write; without it, printed.")] = None,
    cut: Annotated[bool, typer.Option("--cut", help="Take --node out, with all that came of it.")] = False,
) -> None:
    """List what was painted in a study, node by node, or write one of them as a file.

    Everything painted in the app is a node under the one that it changed. What was written under node 12 as
    variants of the reference, a haploid sample a sequence:
    workbench history DIR --node 12 --format vcf --out written.vcf

    FASTA has the reference and the written sequences, GFF3 the strokes and the genes found in the first of
    them, painting and question what workbench paint and workbench experiments read. What was written is
    model output, not validated, and every file but the painting, which holds none of it, says so.
    """
    from workbench.study.history import cut_branch, read_history  # PyTorch

    study = Study.open(folder)
    kept = read_history(study)
    if bool(form or cut) != bool(node) or (form and cut):
        raise InputError("history: give --node with --format, or with --cut")
    if cut:
        print(f"cut: {', '.join(map(str, cut_branch(study, node)))}")
        return
    if form:
        from workbench.experiments.written_files import file_of  # PyTorch

        text = file_of(study, kept.node(node), form)
        if out is None:
            print(text, end="")
            return
        with write_atomic(out) as temporary:
            temporary.write_text(text, encoding="utf-8")
        print(f"{out}: node {node} as {form}")
        return
    rows = [
        [
            str(each.number),
            str(each.parent or ""),
            each.title,
            spoken(*each.place),
            str(max(map(len, each.written.values()), default=0)),
            each.experiment,
        ]
        for each in kept.nodes.values()
    ]
    show(["node", "of", "what", "canvas", "samples", "experiment"], rows)
