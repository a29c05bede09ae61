"""Features of one's own sequence."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from workbench.cli.export import feature_numbers
from workbench.cli.tables import show
from workbench.errors import InputError
from workbench.progress import showing
from workbench.study.damage import refuse_damage
from workbench.study.study import Study
from workbench.wording import mode_words, visible

if TYPE_CHECKING:
    from workbench.export.strongest import Found
    from workbench.scans.source import FileSource

# Records that a terminal shows, and features of each.
RECORDS, SHOWN = 5, 10


def features(
    sequence: Annotated[Path, typer.Argument(help="FASTA, GenBank or EMBL.", metavar="SEQUENCE")],
    study: Annotated[Path, typer.Option(help="Finished study whose model and autoencoder read it.")],
    out: Annotated[
        Path | None,
        typer.Option(help="File to write; a folder for bedgraph and bigwig. Default: a table here."),
    ] = None,
    what: Annotated[
        str,
        typer.Option(
            help="strongest: a row a record and feature. activations: values of --features at bases."
        ),
    ] = "strongest",
    format: Annotated[
        str,
        typer.Option(
            help="strongest: tsv, parquet, json. activations: bed, gff3 (runs of active bases), bedgraph,"
            " bigwig (every base), tsv, parquet (a row an active base)."
        ),
    ] = "tsv",
    features: Annotated[
        str | None,
        typer.Option(help="Feature numbers, as in 12,40. Default: all; of activations the tracks' best."),
    ] = None,
    strand: Annotated[str, typer.Option(help="both, + or -: strand that the model reads.")] = "both",
    spreadsheet_safe: Annotated[
        bool, typer.Option("--spreadsheet-safe", help="TSV: an apostrophe before what looks like a formula.")
    ] = False,
) -> None:
    """What a study's features see in a sequence of yours: which are strongest, where, on which strand.

    workbench features plasmid.fa --study DIR
    workbench features plasmid.fa --study DIR --out features.tsv
    workbench features plasmid.fa --study DIR --what activations --format bigwig --features 12,40 --out tracks

    The study's genome is not read. A record no longer than its window is read whole; a longer one by its
    windows, whose first bases are warm-up, so that the first bases of each strand's reading have no value.
    Features come with the study's labels, their closest track, and the verdict of those that are the best of
    it; the rarest value first: how rare is the share of readings of the study's genome at which a feature is
    as strong. Set aside are dead features and what is active in the warm-up alone.
    """
    numbers = feature_numbers(features)
    opened = Study.open(study)
    refuse_damage(opened)
    with showing() as progress:
        from workbench.export import export_sequence  # PyTorch
        from workbench.export.job import check_strands  # PyTorch
        from workbench.export.strongest import strongest  # PyTorch
        from workbench.scans.source import FileSource  # PyTorch

        if out is not None:
            written = export_sequence(
                opened, sequence, what, format, out, numbers, strand, progress, spreadsheet_safe
            )
            for path in written:
                print(path)
            return
        if what != "strongest":
            raise InputError(f"--what {what} is written to files: name one with --out")
        check_strands(strand)
        source = FileSource(opened, sequence, whole=True)
        found = strongest(source, numbers, strand, progress)
    _show(found, source, 2 if strand == "both" else 1)


def _show(found: Found, source: FileSource, strands: int) -> None:
    """The strongest features of the first records, places counted from 1."""
    lengths = source.genome.lengths
    for chrom, rows in islice(found.table.groupby("chrom", sort=False), RECORDS):
        length = lengths[str(chrom)]
        share = found.read[str(chrom)] / (strands * length)
        short = length <= source.study.grid.warmup
        print(
            f"{visible(str(chrom))}: {length:,} bases, {share:.1%} of readings have a value"
            + (", all from less context than the study's warm-up" if short else "")
        )
        show(
            (
                "feature",
                "label",
                "closest track",
                "verdict",
                "place",
                "strand",
                "of full scale",
                "rarity",
                "bases",
                "",
            ),
            [
                (
                    str(row.feature),
                    row.label,
                    f"{row.track} ({mode_words(row.mode)})" if row.track else "",
                    row.verdict or "–",
                    f"{row.end:,}",
                    row.strand,
                    f"{row.of_top:.0%}",
                    f"{row.rarity:.1e}",
                    f"{row.bases:,}",
                    row.aside,
                )
                for row in rows.head(SHOWN).itertuples()
            ],
        )
    silent = [chrom for chrom in lengths if not (found.table["chrom"] == chrom).any()]
    for chrom in silent[:RECORDS]:
        print(f"{visible(chrom)}: no feature is active at the {found.read[chrom]:,} readings with a value")
    print(f"{len(found.table):,} rows of {len(lengths):,} records in all: --out FILE writes them")
