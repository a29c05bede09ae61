"""Rules: made of sentences, shown, and run along sequence that exists."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from workbench.errors import InputError
from workbench.progress import showing
from workbench.study.study import Study
from workbench.wording import plural, repeated

Rules = Annotated[Path, typer.Option(help="File of rules, as `workbench rules make` writes it.")]


def make(
    study: Annotated[Path, typer.Argument(help="Folder of a study whose features the rules look at.")],
    rule: Annotated[list[str], typer.Option(help="A rule as a sentence. Repeatable.")],
    out: Annotated[Path, typer.Option(help="JSON file to write.")],
    plan: Annotated[
        list[Path] | None, typer.Option(help="Plan of edits, JSON; called by the file's name. Repeatable.")
    ] = None,
) -> None:
    """Write a file of rules.

    A rule is a sentence:
    when CONCEPT > NUMBER [until NUMBER] [for N bases] [and ...][, within START-END]
    [, on the plus|minus strand]: ACTION[; wait N bases][; at most N times]

    CONCEPT is a feature (757), a sum without blanks (3-17+0.5*204), a factor (factor:12) or the name of a
    kept concept; its level is a share of what it reaches at its strongest. A condition begins to hold past
    the first number (< for below) and goes on until it comes back past the second. ACTION is one of: record,
    stop, insert BASES, apply PLAN [for N bases], switch to PLAN. A rule fires at the first base at which its
    conditions hold together, and again once they have ceased to and the wait is over. One that names a TRACK
    runs along a study alone, near intervals of the strand that is read, or of none.

    workbench rules make DIR --rule "when 757 > 0.5 until 0.2: record" --rule "when 757 > 0.8, within 600-900:
    insert TAATAA; wait 50 bases; at most 2 times" --out rules.json
    """
    from workbench.models.write import read_plan  # PyTorch
    from workbench.study.rules import make_rules, write_rules  # PyTorch

    if twice := repeated([path.stem for path in plan or []]):
        raise InputError(f"two plans are called {twice[0]}: rename a file")
    plans = {path.stem: read_plan(path) for path in plan or []}
    made = make_rules(Study.open(study), rule, plans)
    write_rules(out, made)
    print(made)
    print(f"{plural(len(made.rules), 'rule')}: {out}")


def show(path: Annotated[Path, typer.Argument(help="File of rules.")]) -> None:
    """Read a file of rules aloud: its sentences, concepts and plans."""
    from workbench.study.rules import read_rules  # PyTorch

    rules = read_rules(path)
    print(rules)
    for concept in rules.concepts.values():
        print(f"concept {concept}")
    for name, plan in rules.plans.items():
        print("\n".join(f"plan {name}: {line}" for line in str(plan).splitlines()))


def scan(
    subject: Annotated[
        Path, typer.Argument(help="Folder of a study, or FASTA, GenBank, EMBL.", metavar="STUDY|FASTA")
    ],
    rules: Rules,
    out: Annotated[Path, typer.Option(help="Trace to write: .tsv or .gff3.")],
    study: Annotated[
        Path | None, typer.Option(help="Study whose model and autoencoder read a sequence file.")
    ] = None,
) -> None:
    """Say where rules fire along sequence that exists, on both strands; nothing is changed.

    Along a study its own feature maps are used. A sequence file is read by the model of --study: records no
    longer than its window whole from their first base, as they are when they are written; longer ones by
    windows, whose first bases have no value. Rules run along each strand in its direction; their positions
    are those of the plus strand, 0-based. Where sequence was written under rules that only record, stop or
    insert, scanning prompt and sequence together finds what fired.

    workbench rules scan DIR --rules rules.json --out fired.gff3
    workbench rules scan written.fa --study DIR --rules rules.json --out fired.tsv
    """
    with showing() as progress:
        from workbench.scans.rules import scan_rules  # PyTorch
        from workbench.scans.source import open_source  # PyTorch
        from workbench.study.rules import check_trace, read_rules, write_trace  # PyTorch

        check_trace(out)
        given = read_rules(rules)
        opened, source = open_source(subject, study, whole=True)
        count = write_trace(out, scan_rules(opened, given, source, progress), source.genome.lengths)
    print(f"{plural(count, 'firing')} of {plural(len(given.rules), 'rule')}: {out}")
