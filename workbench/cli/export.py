"""Taking results out of a study."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from workbench.errors import InputError
from workbench.progress import showing
from workbench.study.damage import refuse_damage
from workbench.study.study import Study


def export(
    folder: Annotated[Path, typer.Argument(help="Folder of the study.", metavar="DIR")],
    what: Annotated[
        str,
        typer.Option(
            help="associations, catalog (or features), tracks, examples, biomarkers: tables."
            " activations: features along the genome."
        ),
    ],
    format: Annotated[
        str,
        typer.Option(
            help="Tables: tsv, parquet, json. Biomarkers also bed, gff3, vcf (driving variants), bedgraph,"
            " bigwig, igv, igvjs, hub (UCSC), h5ad (AnnData), rocrate, html (a card each)."
            " Activations: bed, gff3 (runs of active bases), bedgraph, bigwig (every base),"
            " tsv, parquet (a row an active base), igv, hub (the bigWig files with genes and reference)."
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            help="File to write; a folder for bedgraph and bigwig (a file a feature and strand), igv,"
            " igvjs, hub, rocrate and html."
        ),
    ],
    features: Annotated[
        str | None,
        typer.Option(help="Feature numbers, as in 12,40. Default: all rows; the tracks' best features."),
    ] = None,
    strand: Annotated[
        str, typer.Option(help="both, + or -: strand that the model read (activations).")
    ] = "both",
    at: Annotated[
        str | None,
        typer.Option(
            help="Only this stretch of activations: contig:start-end (0-based, end not included),"
            " a contig, or the name of an interval.",
            metavar="PLACE",
        ),
    ] = None,
    spreadsheet_safe: Annotated[
        bool,
        typer.Option(
            "--spreadsheet-safe",
            help="TSV: an apostrophe before text that a spreadsheet would take for a formula, as it begins"
            " with = + - or @.",
        ),
    ] = False,
) -> None:
    """Write a study's results for a table reader or a genome browser.

    A table to a spreadsheet:
    workbench export DIR --what associations --format tsv --out associations.tsv

    Two features to a genome browser, a value a base:
    workbench export DIR --what activations --format bigwig --features 12,40 --out tracks

    Where they are active, as intervals:
    workbench export DIR --what activations --format bed --features 12,40 --out runs.bed

    What the browser shows of one gene:
    workbench export DIR --what activations --format tsv --features 12 --at thrA --out thrA.tsv

    Candidate biomarkers of a cohort, for IGV, and as pages to read:
    workbench export DIR --what biomarkers --format igv --out igv
    workbench export DIR --what biomarkers --format html --out cards

    A base is active at the threshold that was frozen for the feature's best track. Bases for which the
    model has no full context are gaps, not zeros. Without --features, activations are those of the
    best feature of every track that was tested and stands out from chance (of every track, if none does).
    """
    with showing() as progress:
        from workbench.export import export as write  # PyTorch

        numbers = feature_numbers(features)
        study = Study.open(folder)
        refuse_damage(study)
        written = write(study, what, format, out, numbers, strand, progress, at, spreadsheet_safe)
    for path in written:
        print(path)


def feature_numbers(features: str | None) -> list[int] | None:
    """Numbers of ``--features``; None where it was not given."""
    try:
        return None if features is None else [int(part) for part in features.split(",")]
    except ValueError:
        raise InputError(f"--features {features}: expected numbers, as in --features 12,40") from None
