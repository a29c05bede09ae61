"""Writing sequence with a model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from workbench.cli.remote_code import RemoteCode, announce_code
from workbench.cli.tables import show
from workbench.errors import InputError
from workbench.progress import showing
from workbench.study.study import Study
from workbench.wording import plural

# Rows that a terminal shows, at most.
SHOWN = 20


def write(
    out: Annotated[Path, typer.Option(help="FASTA to write (.fa, .fasta, .fna); the table lies beside it.")],
    length: Annotated[int, typer.Option(help="Bases a sequence.", min=1)] = 500,
    number: Annotated[int, typer.Option(help="Sequences a prompt and plan.", min=1)] = 1,
    prompts: Annotated[
        Path | None, typer.Option(help="FASTA, a prompt a record. Default: none, or what --at names.")
    ] = None,
    at: Annotated[
        list[str] | None,
        typer.Option(help="Stretch of --genome as prompt: contig:start-end, 0-based. Repeatable."),
    ] = None,
    genome: Annotated[Path | None, typer.Option(help="FASTA or GenBank, for --at.")] = None,
    strand: Annotated[
        str, typer.Option(help="+ writes what comes after a prompt, - what comes before it.")
    ] = "+",
    model: Annotated[str, typer.Option(help="Model; see `workbench models`.")] = "mini",
    study: Annotated[
        Path | None, typer.Option(help="Study whose model, genome and autoencoder are used.")
    ] = None,
    plan: Annotated[
        list[Path] | None, typer.Option(help="Edits of features, JSON; one arm each. Repeatable.")
    ] = None,
    steer: Annotated[
        list[str] | None,
        typer.Option(help="FEATURE=STRENGTH, added throughout; all of them are one arm. Repeatable."),
    ] = None,
    rules: Annotated[
        Path | None, typer.Option(help="File of rules that fire while it is written; see `workbench rules`.")
    ] = None,
    temperature: Annotated[float, typer.Option(help="Below 1 more certain, above 1 evener.")] = 1.0,
    top_k: Annotated[int, typer.Option(help="Only the likeliest K bases; 1 takes the best, 0 all.")] = 0,
    top_p: Annotated[float, typer.Option(help="Only the likeliest bases with this share together.")] = 1.0,
    seed: Annotated[int, typer.Option(help="Seed: the same one gives the same sequences.")] = 0,
    mask: Annotated[
        list[str] | None, typer.Option(help="START:LETTERS, fixed bases and IUPAC letters. Repeatable.")
    ] = None,
    avoid: Annotated[
        list[str] | None,
        typer.Option(
            help="Restriction enzymes by name, or IUPAC words, as in EcoRI,BsaI,TATAAT. Repeatable."
        ),
    ] = None,
    gc: Annotated[str, typer.Option(help="LOW-HIGH, share of G and C of each sequence, as in 0.4-0.6.")] = "",
    longest_run: Annotated[int, typer.Option(help="Longest run of one base; 0 for any.", min=0)] = 0,
    open_frame: Annotated[
        list[str] | None,
        typer.Option(
            help="START-END without stop codons in this frame; START-END:- minus strand. Repeatable."
        ),
    ] = None,
    protein: Annotated[
        list[str] | None,
        typer.Option(help="START:LETTERS (* a stop), spelled by any codons; :- minus strand. Repeatable."),
    ] = None,
    codon_table: Annotated[
        int, typer.Option(help="NCBI codon table: 11 bacteria and plastids, 1 standard.")
    ] = 11,
    together: Annotated[int, typer.Option(help="Sequences written in step.", min=1)] = 64,
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:1, mps; without --study.")] = "cpu",
    dtype: Annotated[str, typer.Option(help="float32 or bfloat16; without --study.")] = "float32",
    trust_remote_code: RemoteCode = False,
    as_json: Annotated[bool, typer.Option("--json", help="The table as JSON records.")] = False,
) -> None:
    """Write DNA: FASTA, and a table with a row a sequence.

    Ten sequences of 500 bases after each record of a file, then after a stretch of a genome:
    workbench write --prompts heads.fa --number 10 --out out.fa
    workbench write --genome g.fa --at chr:1,000-1,500 --number 10 --out out.fa

    What comes before the stretch (read and written on the reverse complement, given on the plus strand):
    workbench write --genome g.fa --at chr:1,000-1,500 --strand - --out before.fa

    Under edits of a study's features; strengths are in units of a feature's 99.9 % activation:
    workbench write --study DIR --at chr:1,000-1,500 --steer 757=1.5 --steer 12=-0.5 --out steered.fa
    workbench write --study DIR --prompts heads.fa --plan weak.json --plan strong.json --out arms.fa

    Within limits, which every sequence keeps to; those that contradict each other are refused at once:
    workbench write --length 330 --protein 0:MKVLAAG --open-frame 0-330 --avoid EcoRI,BsaI --gc 0.45-0.55
    --longest-run 5 --mask 324:NNNTAA --out gene.fa

    Under rules, which look at features as each base is read and act on those after it; OUT.rules.tsv and
    OUT.rules.gff3 say what fired where and what was done:
    workbench write --study DIR --prompts heads.fa --rules rules.json --out ruled.fa

    OUT.edits.tsv says of each edit of a plan by itself how far it moved the activation and the predictions on
    some of the sequences; one that did nothing is named.

    Positions of limits count from the first base of what is written, as it comes out; those of plans and
    rules from the first base of the prompt, as it is read; traces of rules say where in what comes out. A
    frame may begin at -1 or -2, in the prompt.

    Bases that would lead past a limit are left out as each base is drawn, and the rest keep their
    proportions: that is not what the model would write if it knew the limits.

    The table: log-likelihood a base (nats) with and without the plan, GC, the most similar other sequence
    and its distance (words of six bases; 0 the same, 1 none in common), and how many of the words that the
    sketch of the model's training sequence could hold it does hold (one in a thousand: of 1 kb about one).
    Without a prompt the first base is any of the four.
    """
    with showing() as progress:
        from genomic_models.generation import Sampling  # PyTorch
        from workbench.genome.reference import Genome  # pyfaidx
        from workbench.models.write import (  # PyTorch
            Wish,
            effects_path,
            read_plan,
            read_prompts,
            steering_plan,
            table_path,
            trace_paths,
            write_file,
        )
        from workbench.study.rules import read_rules  # PyTorch

        opened = None if study is None else Study.open(study)
        if steer and opened is None:
            raise InputError(f"--steer {steer[0]}: features of what? Give the study, with --study DIR")
        arms = [(path.stem, read_plan(path)) for path in plan or []]
        if steer and opened is not None:
            arms.append(("steered", steering_plan(steer, opened.layer)))
        source = Genome(genome) if genome is not None else opened.genome if opened is not None else None
        wish = Wish(mask or (), avoid or (), gc, longest_run, open_frame or (), protein or (), codon_table)
        if study is None:
            announce_code(model, trust_remote_code)
        table = write_file(
            out,
            read_prompts(prompts, source, at or [], strand),
            length,
            model,
            device,
            dtype,
            opened,
            arms,
            wish,
            Sampling(temperature, top_k, top_p, seed),
            number,
            together,
            progress,
            None if rules is None else read_rules(rules),
            trust_remote_code,
        )
    if as_json:
        print(json.dumps(json.loads(table.to_json(orient="records"))))
        return
    shown = table.head(SHOWN)
    show(list(shown), [[_cell(value) for value in row] for row in shown.itertuples(index=False)])
    print(f"{plural(len(table), 'sequence')}: {out}, table: {table_path(out)}")
    if any(each.edits for _, each in arms):
        print(f"what edits did: {effects_path(out)}")
    if rules is not None:
        print(f"what rules did: {' and '.join(map(str, trace_paths(out)))}")


def _cell(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
