"""Lists of variants: names on the command line, a VCF or BCF with or without samples, a table with labels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from genomic_models.dna import BASES
from workbench.cohort.edits import Variant, parse_variant
from workbench.cohort.samples import MISSING
from workbench.cohort.variant_lines import VariantLines
from workbench.cohort.vcf import symbolic
from workbench.errors import InputError
from workbench.files.tables import read_table
from workbench.genome.windows import Sequences
from workbench.wording import repeated

_LETTERS = frozenset(BASES)


def read_sites(path: Path) -> list[Variant]:
    """Variants of a VCF or BCF, one an alternative allele, each once; ``*`` and symbolic ones left out.

    Raises ``InputError`` for a file that is not one, a malformed header or alleles that are no sequence.
    """
    found: dict[str, Variant] = {}
    for line in VariantLines(path).records():
        reference, alternatives = (text.upper() for text in line.columns[3:5])
        for alternative in alternatives.split(","):
            if alternative in ("*", ".") or symbolic(alternative):
                continue
            if set(reference) - _LETTERS or set(alternative) - _LETTERS:
                raise InputError(
                    f"{line.placed}: alleles {reference[:20]},"
                    f" {alternative[:20]}; expected letters A, C, G, T; a deletion is written with the base"
                    " before it"
                )
            variant = Variant(line.chrom, line.start, reference, alternative)
            found.setdefault(variant.name, variant)
    if not found:
        raise InputError(f"{path}: no variant with its sequence written out")
    return list(found.values())


def read_truth(path: Path) -> tuple[list[Variant], np.ndarray]:
    """Variants and labels (bool, True: has an effect) of a table with columns ``variant, label``.

    Rows whose label is missing are left out. Raises ``InputError`` for absent columns, a variant that is
    there twice, a label that is not 0 or 1, or one class alone.
    """
    table = read_table(path)
    if "variant" not in table.columns or "label" not in table.columns:
        raise InputError(f"{path}: columns {', '.join(table.columns)}; expected variant and label")
    table = table[~table["label"].isin(MISSING)]
    strange = table[~table["label"].isin(["0", "1"])]
    if len(strange):
        raise InputError(
            f"{path}: line {strange.index[0]:,}: label {strange['label'].iloc[0]!r}; expected 0 or 1"
        )
    variants = [parse_variant(name) for name in table["variant"]]
    labels = table["label"] == "1"
    if twice := repeated([x.name for x in variants]):
        raise InputError(f"{path}: {twice[0]} is there twice; keep one line of each variant")
    if labels.nunique() < 2:
        raise InputError(f"{path}: all labels are the same; expected both 0 and 1")
    return variants, labels.to_numpy()


def check_variants(variants: Sequence[Variant], genome: Sequences, window: int) -> None:
    """Refuse variants that are not on the genome, whose REF it does not have there, or too long."""
    for variant in variants:
        length = genome.lengths.get(variant.chrom)
        if length is None:
            raise InputError(
                f"{variant.name}: the genome has no contig {variant.chrom}; it has"
                f" {', '.join(list(genome.lengths)[:6])}"
            )
        end = variant.start + len(variant.reference)
        if end > length:
            raise InputError(f"{variant.name}: past the end of {variant.chrom} ({length:,} bases)")
        found = genome.fetch(variant.chrom, variant.start, end)
        if found != variant.reference:
            raise InputError(
                f"{variant.name}: REF is {variant.reference[:20]}, the genome has {found[:20]} there; is the"
                " variant of another assembly?"
            )
        if variant.edit.longest > window // 2:
            raise InputError(
                f"{variant.name[:60]}: changes {variant.edit.longest:,} bases; expected at most half the"
                f" window of {window:,}"
            )
        if variant.reference == variant.alternative:
            raise InputError(f"{variant.name}: REF and ALT are the same; expected a change")
