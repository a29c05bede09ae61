"""What variants do to a model and its features."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from workbench.cli.remote_code import RemoteCode, announce_code
from workbench.cli.tables import show
from workbench.errors import InputError
from workbench.progress import showing


def variants(
    target: Annotated[str, typer.Argument(help="Folder of a study, or a model (then with --genome).")],
    vcf: Annotated[Path | None, typer.Option(help="VCF or BCF; samples are not needed and not read.")] = None,
    variants: Annotated[
        list[str] | None,
        typer.Option(
            help="chrom:position:REF:ALT (1-based), HGVS as chrom:g.1042A>G (also del, ins, dup, delins), or"
            " gene:p.Ser450Leu, whose codon is changed at the fewest bases. Repeatable, or commas between."
        ),
    ] = None,
    truth: Annotated[
        Path | None,
        typer.Option(help="Table with columns variant and label (1: has an effect, 0: has none)."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Table to write: .tsv, .parquet or .json.")] = None,
    html: Annotated[Path | None, typer.Option(help="Page of one variant.")] = None,
    top: Annotated[int, typer.Option(help="Features kept a variant.", min=1)] = 20,
    genome: Annotated[Path | None, typer.Option(help="FASTA or GenBank, for a model.")] = None,
    tracks: Annotated[list[Path] | None, typer.Option(help="Annotation, for a model. Repeatable.")] = None,
    window: Annotated[int, typer.Option(help="Bases read around a variant, for a model.")] = 2048,
    codon_table: Annotated[
        int, typer.Option(help="NCBI codon table: 11 bacteria and plastids, 1 standard.")
    ] = 11,
    null: Annotated[
        int,
        typer.Option(
            help="Random indels of the same length nearby that each indel is set against; 0 for none.", min=0
        ),
    ] = 19,
    seed: Annotated[int, typer.Option(help="Seed of the random indels and of the bootstrap.")] = 0,
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:1, mps; for a model.")] = "cpu",
    dtype: Annotated[str, typer.Option(help="float32 or bfloat16; for a model.")] = "float32",
    trust_remote_code: RemoteCode = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Explain variants: change of log-likelihood on both strands, features gained and lost, consequence.

    The score is the change in nats a base that both alleles have, mean of both strands. Where their lengths
    differ these are the bases on either side; what is deleted or inserted has columns of its own. Ranks are
    within type and length class, the least likely first; null_p is the share of random indels of the same
    length nearby, and the variant itself, that score as low. Of a model of masked tokens or of words of
    several bases the score of a single base is its log-odds, summed over the words that hold each allele;
    what that costs is said beforehand, and longer variants get none.

    With --out x.tsv also x.features.tsv (positions, labels) and, with --truth, x.truth.tsv: AUROC and average
    precision with bootstrap intervals, beside a Markov model, the distance to a start codon and the
    consequence class.
    """
    with showing() as progress:
        from workbench.variants.hgvs import names_of  # PyTorch
        from workbench.variants.job import explain  # PyTorch
        from workbench.variants.sites import read_sites, read_truth  # PyTorch
        from workbench.variants.subject import open_subject  # PyTorch
        from workbench.variants.tables import (  # PyTorch
            beside,
            check_format,
            summary_columns,
            write_table,
        )

        given = [x for x in (vcf, variants, truth) if x]
        if len(given) != 1:
            raise InputError("give variants in one way: --vcf, --variants or --truth")
        if out is not None:
            check_format(out)
        asked, label = [], None
        if vcf is not None:
            asked = read_sites(vcf)
        elif truth is not None:
            asked, label = read_truth(truth)
        announce_code(target, trust_remote_code)
        subject = open_subject(target, genome, tracks or [], window, device, dtype, trust_remote_code)
        if variants:
            reader = names_of(subject, codon_table)
            named = [reader.read(name) for text in variants for name in text.split(",")]
            asked = [one.variant for one in named]
            for said in filter(None, (one.said for one in named)):
                print(said, file=sys.stderr)
        found = explain(subject, asked, progress, label, top, codon_table, html, seed, null)
    if out is not None:
        write_table(found.variants, out)
        if len(found.features):
            write_table(found.features, beside(out, "features"))
        if found.truth is not None:
            write_table(found.truth, beside(out, "truth"))
    if as_json:
        parts = {k: v for k, v in found._asdict().items() if v is not None}
        print(json.dumps({k: json.loads(v.to_json(orient="records")) for k, v in parts.items()}))
        return
    shown = found.truth if found.truth is not None else found.variants.head(20)
    columns = list(shown.columns) if found.truth is not None else summary_columns(shown)
    rows = shown[columns].itertuples(index=False)
    show(columns, [[f"{v:.4g}" if isinstance(v, float) else str(v) for v in row] for row in rows])
    if html is not None:
        print(f"page: {html}")
