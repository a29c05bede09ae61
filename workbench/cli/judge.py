"""Sequences judged by tools that know nothing of a model's features."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from workbench.cli.remote_code import RemoteCode, announce_code
from workbench.errors import InputError
from workbench.progress import showing


def judge(
    sequences: Annotated[
        Path | None, typer.Argument(help="FASTA or GenBank file of what is to be judged.", metavar="FASTA")
    ] = None,
    judges: Annotated[
        list[str] | None,
        typer.Option("--judge", help="Judge by name; repeatable. Default: all that can be heard."),
    ] = None,
    genome: Annotated[
        Path | None, typer.Option(help="Genome to compare with: codon_usage, composition, genome_match.")
    ] = None,
    annotation: Annotated[
        Path | None, typer.Option(help="Its coding sequences (GFF3, GTF, GenBank): codon_usage.")
    ] = None,
    model: Annotated[
        str, typer.Option(help="Model that wrote them: likelihood, training_match; see `workbench models`.")
    ] = "mini",
    trust_remote_code: RemoteCode = False,
    out: Annotated[Path | None, typer.Option(help="TSV to write; default: print it.")] = None,
    cards: Annotated[
        bool, typer.Option("--list", help="Print the judges' cards instead, those not installed too.")
    ] = False,
) -> None:
    """Judge sequences by tools that know nothing of the model's features: genes, stops, promoters, ...

    One row a sequence, columns named judge.column. `workbench judge --list` says what each judge reads, what
    its columns hold, its licence, whether it is installed here, and how good it was against known truths.

    A judge that is not installed, lacks its reference or cannot take a sequence (too long, letters other than
    A, C, G and T) leaves its fields empty and is named with the reason in the column not_judged. One that is
    asked for by name and cannot be heard at all is an error.

    Positions are 0-based and intervals half-open, on the sequence as given. Lower case is read as upper, U as
    T. Judges of genes, starts and promoters were made for bacteria.

    workbench judge written.fa --genome ecoli.fa --annotation ecoli.gff3 --out verdicts.tsv
    """
    from workbench.judges.cards import describe  # pandas
    from workbench.judges.hearing import hear, read_sequences, write_verdicts  # pandas
    from workbench.judges.judge import References  # pandas
    from workbench.judges.registry import assemble  # pandas

    if cards:
        print("\n\n".join(describe(judges or [])))
        return
    if sequences is None:
        raise InputError("give a FASTA file to judge, or --list for the judges' cards")
    announce_code(model, trust_remote_code)
    with showing() as progress:
        panel = assemble(judges or [], References(genome, annotation, model, trust_remote_code))
        for name, reason in panel.absent.items():
            progress.say(f"{name}: not heard: {reason}")
        table = hear(panel, read_sequences(sequences), progress)
    if out is None:
        print(table.to_csv(sep="\t", index=False), end="")
    else:
        write_verdicts(table, out)
