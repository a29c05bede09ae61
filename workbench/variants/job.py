"""The work of ``workbench variants``: measure, rank, compare with labels, write, draw."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from workbench.cohort.edits import Variant
from workbench.errors import InputError
from workbench.progress import Progress
from workbench.variants.consequence import Annotation
from workbench.variants.effects import measure, scored_by_words
from workbench.variants.null import Null
from workbench.variants.page import write_variant
from workbench.variants.sites import check_variants
from workbench.variants.subject import Subject, intervals
from workbench.variants.tables import feature_rows, ranked, variant_row
from workbench.variants.truth import baselines, compare


class Explained(NamedTuple):
    """Tables: variants ranked, their strongest features, scores against labels (None without labels)."""

    variants: pd.DataFrame
    features: pd.DataFrame
    truth: pd.DataFrame | None


def explain(
    subject: Subject,
    variants: Sequence[Variant],
    progress: Progress,
    label: np.ndarray | None = None,
    most: int = 20,
    codon_table: int = 11,
    html: Path | None = None,
    seed: int = 0,
    null: int = 19,
) -> Explained:
    """Judge variants.

    Parameters
    ----------
    label : bool (n), optional
        Which variants have an effect: scores are compared with it.
    most : int
        Features kept a variant.
    codon_table : int
        NCBI number.
    html : Path, optional
        Page of the one variant.
    seed : int
        Of the random indels and of the bootstrap.
    null : int
        Random indels that each insertion and deletion is set against; 0 for none.

    Raises
    ------
    InputError
        A variant that the genome does not have or that is longer than half the window, a page asked for
        several variants, an unknown codon table.
    """
    if html is not None and len(variants) != 1:
        raise InputError(f"--html: draws one variant, found {len(variants)}; name one")
    check_variants(variants, subject.genome, subject.window)
    coding, genes = intervals(subject, "CDS"), intervals(subject, "gene")
    annotation = Annotation(subject.genome, coding, genes, codon_table)
    rows: list[dict[str, object]] = []
    features: list[dict[str, object]] = []
    words = scored_by_words(subject.model) is not None
    if words:
        _say_words(subject, variants, progress)
    random = Null(subject, 0 if words else null, seed)
    progress.begin("reading both alleles", len(variants), "variants")
    for effect in measure(subject, variants):
        rows.append(variant_row(subject, annotation, effect, random.scores(effect.variant)))
        features += feature_rows(subject, effect, most)
        if html is not None:
            write_variant(subject, effect, rows[-1], html)
        progress.advance(1)
    progress.end()
    truth = None
    if label is not None:
        measured = pd.DataFrame(rows)
        scores = {"log-likelihood lost": -measured["score"].to_numpy()}
        if subject.sae is not None:
            scores["features changed"] = measured["feature_change"].to_numpy()
        scores |= baselines(subject.genome, annotation, list(variants))
        truth = compare(scores, label, seed)
    return Explained(ranked(rows), pd.DataFrame(features), truth)


def _say_words(subject: Subject, variants: Sequence[Variant], progress: Progress) -> None:
    """What scoring by words costs, and what it leaves out."""
    single = sum(len(v.edit.letters) == 1 == v.edit.end - v.edit.start for v in variants)
    how = "predicted from those before it" if subject.model.causal else "masked"
    progress.say(
        f"{subject.model.name}: the token that holds a base is {how}, and the score is the log-odds of the"
        f" alternative base, summed over the tokens that hold each: {2 * single:,} passes over"
        f" {subject.window:,} bases, one a strand, beside the features'"
    )
    if left := len(variants) - single:
        progress.say(f"{left:,} of {len(variants):,} variants change more than one base: they get no score")
