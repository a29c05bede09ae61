"""Lists of variants: names on the command line, a VCF or BCF with or without samples, a table with labels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from workbench.cohort.cohort import MISSING, repeated
from workbench.cohort.edits import Variant, parse_variant
from workbench.cohort.vcf import symbolic
from workbench.errors import InputError
from workbench.text import read_lines, suffix_of
from workbench.windows import Sequences

_LETTERS = frozenset("ACGT")
_FIXED = 8


def read_sites(path: Path) -> list[Variant]:
    """Variants of a VCF or BCF, one an alternative allele, each once; ``*`` and symbolic ones left out.

    Raises ``InputError`` for a file that is not one, a malformed header or alleles that are no sequence.
    """
    from cyvcf2 import VCF

    if not path.exists():
        raise InputError(f"{path}: no such file")
    if suffix_of(path) != ".bcf":
        _check_text(path)
    try:
        file = VCF(str(path))
        rows = [(r.CHROM, r.start, r.REF.upper(), [a.upper() for a in r.ALT]) for r in file]
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read as VCF or BCF ({error})") from None
    found: dict[str, Variant] = {}
    for chrom, start, reference, alternatives in rows:
        for alternative in alternatives:
            if alternative == "*" or symbolic(alternative):
                continue
            if set(reference) - _LETTERS or set(alternative) - _LETTERS:
                raise InputError(
                    f"{path}: {chrom}:{start + 1}: alleles {reference[:20]}, {alternative[:20]}; expected"
                    " letters A, C, G, T; a deletion is written with the base before it"
                )
            variant = Variant(chrom, start, reference, alternative)
            found.setdefault(variant.name, variant)
    if not found:
        raise InputError(f"{path}: no variant with its sequence written out")
    return list(found.values())


def _check_text(path: Path) -> None:
    for number, line in read_lines(path):
        if number == 1 and not line.startswith("##fileformat=VCF"):
            raise InputError(
                f"{path}: line 1: found {line[:40]!r}; expected ##fileformat=VCF, the first line of a VCF"
            )
        if not line.startswith("##"):
            if line.startswith("#CHROM") and len(line.split("\t")) >= _FIXED:
                return
            raise InputError(
                f"{path}: line {number:,}: malformed header {line[:60]!r}; expected #CHROM POS ID REF ALT"
                " QUAL FILTER INFO, with tabs between"
            )
    raise InputError(f"{path}: no #CHROM line; expected a VCF")


def read_truth(path: Path) -> tuple[list[Variant], np.ndarray]:
    """Variants and labels (bool, True: has an effect) of a table with columns ``variant, label``.

    Rows whose label is missing are left out. Raises ``InputError`` for absent columns, a variant that is
    there twice, a label that is not 0 or 1, or one class alone.
    """
    cut = "," if suffix_of(path) == ".csv" else "\t"
    lines = [(n, line.split(cut)) for n, line in read_lines(path) if line.strip()]
    header = lines[0][1] if lines else []
    if "variant" not in header or "label" not in header:
        raise InputError(f"{path}: columns {', '.join(header)}; expected variant and label")
    v, y = header.index("variant"), header.index("label")
    variants, labels = [], []
    for number, fields in lines[1:]:
        if len(fields) != len(header):
            raise InputError(
                f"{path}: line {number:,}: {len(fields)} columns, expected {len(header)}"
            )
        if fields[y].strip() in MISSING:
            continue
        if fields[y].strip() not in ("0", "1"):
            raise InputError(f"{path}: line {number:,}: label {fields[y]!r}; expected 0 or 1")
        variants.append(parse_variant(fields[v].strip()))
        labels.append(fields[y].strip() == "1")
    if twice := repeated([x.name for x in variants]):
        raise InputError(f"{path}: {twice[0]} is there twice; keep one line of each variant")
    if len(set(labels)) < 2:
        raise InputError(f"{path}: all labels are the same; expected both 0 and 1")
    return variants, np.array(labels)


def check_variants(variants: Sequence[Variant], genome: Sequences) -> None:
    """Refuse variants that are not on the genome, or whose REF it does not have there."""
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
        if variant.reference == variant.alternative:
            raise InputError(f"{variant.name}: REF and ALT are the same; expected a change")
