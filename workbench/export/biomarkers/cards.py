"""A page for each candidate, and one that lists them; each opens anywhere, nothing is fetched."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from feature_mining.association.verdict import Control
from workbench.analysis.audit.flags import FLAGS
from workbench.cohort.edits import parse_variant
from workbench.export.biomarkers.pictures import draw_alleles, draw_effects, draw_locus
from workbench.export.biomarkers.rows import Row, chosen, simulated
from workbench.export.job import Job, prepare_folder, provenance
from workbench.files.pages import Figure, templates, write_page
from workbench.study.study import Study
from workbench.variants.effects import Effect, measure
from workbench.variants.subject import Subject, opened

HERE = Path(__file__).parent


def write(job: Job) -> list[Path]:
    """Write ``index.html`` and ``CANDIDATE.html`` for each; ``job.out`` is a folder.

    The model reads the first driving variant of each candidate once with and once without it.
    """
    table = chosen(job)
    prepare_folder(job.out)
    environment = templates(HERE)
    rows = table.to_dict("records")
    common = {"study": job.study.folder.name, "simulated": simulated(rows), "provenance": provenance(job)}
    written = [job.out / "index.html"]
    job.progress.begin("drawing cards", len(rows), "cards")
    effects = job.study.table("biomarker_lineages")
    controls = _controls(job.study)
    page = environment.get_template("card.html.j2")
    for row, subject, effect in _with_effects(job.study, rows):
        own = effects[effects["candidate_id"] == row["candidate_id"]]
        beside = controls.get((row["feature"], row["closest_track"], row["label_strand_mode"]), {})
        text = page.render(
            **common,
            row=row,
            pictures=_pictures(job.study, row, subject, effect),
            effects=draw_effects(row, own),
            lineages=own.to_dict("records"),
            drivers=_drivers(row),
            controls=[(c.word, *beside[c]) for c in Control if c in beside],
            flags=[(f, FLAGS[f]) for f in str(row["confound_flags"] or "").split(",") if f in FLAGS],
        )
        path = job.out / f"{row['candidate_id']}.html"
        write_page(path, text)
        written.append(path)
        job.progress.advance(1)
    job.progress.end()
    write_page(written[0], environment.get_template("cards.html.j2").render(**common, rows=rows))
    return written


def _with_effects(study: Study, rows: list[Row]) -> Iterator[tuple[Row, Subject | None, Effect | None]]:
    """Rows with what the model says of their first driving variant, variant by variant."""
    by_variant: dict[str, list[Row]] = {}
    for row in rows:
        names = list(row["driving_variants"])
        by_variant.setdefault(names[0] if names else "", []).append(row)
    for row in by_variant.pop("", []):
        yield row, None, None
    if not by_variant:
        return
    subject = opened(study)
    variants = [parse_variant(name) for name in by_variant]
    for (_, own), effect in zip(by_variant.items(), measure(subject, variants), strict=True):
        for row in own:
            yield row, subject, effect


def _pictures(study: Study, row: Row, subject: Subject | None, effect: Effect | None) -> list[Figure]:
    if study.config.cohort.matrix:
        return []
    catalog = study.table("catalog").set_index("feature")
    maximum = float(catalog.loc[row["feature"], "max"])
    found: list[Figure] = []
    if maximum > 0:
        found.append(draw_locus(study, row, str(row["label"] or "no label"), maximum))
    if subject is not None and effect is not None:
        found += draw_alleles(subject, row, effect)
    return found


def _drivers(row: Row) -> list[dict[str, Any]]:
    names = ("variants", "hgvs", "delta", "alone", "share")
    columns = [row[f"driving_{name}"] for name in names]
    known = set(row["catalogue_variants"])
    return [
        {**dict(zip(names, cells, strict=True)), "known": cells[0] in known}
        for cells in zip(*columns, strict=True)
    ]


def _controls(study: Study) -> dict[tuple[int, str, str], dict[Control, tuple[float, float]]]:
    """Of a track's best feature: lift of each control, and the feature's margin over it."""
    if study.config.cohort.matrix:
        return {}
    table: pd.DataFrame = study.table("tracks")
    found = {}
    for row in table.to_dict("records"):
        found[row["feature"], row["track"], row["mode"]] = {
            control: (row[control.lift], row[control.margin])
            for control in Control
            if control.lift in row and control.margin in row
        }
    return found
