"""What was written under a node of the history, as files for other programs; each says what it is.

FASTA, GFF3 and VCF hold the painted arm: as records, as strokes with genes, and as variants of one haploid
sample a sequence. The painting and the question are what the commands of `commands_of` read.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable

from feature_mining.edits.places import as_text
from workbench.browse.written import Rewritten, genes_in, variants_of
from workbench.cohort.edits import Variant
from workbench.errors import InputError
from workbench.experiments.brush import painting_of, settings_of
from workbench.experiments.painted import PAINTED
from workbench.experiments.question import Question, subject_of
from workbench.experiments.question import question_text as render_question
from workbench.files.gff3 import gff3_header, gff3_line
from workbench.study.history import Node
from workbench.study.study import Study
from workbench.wording import NOT_VALIDATED

_LINE = 60


def samples_of(node: Node) -> dict[str, str]:
    """What was written as painted, by name of the sample; ``InputError`` where nothing was."""
    written = node.written.get(PAINTED, [])
    if not written:
        raise InputError(f"node {node.number}: nothing was written under it yet")
    return {f"node{node.number}_{i}": text for i, text in enumerate(written, 1)}


def _said(study: Study, node: Node) -> str:
    return f"{NOT_VALIDATED}; written by {study.manifest.model.name} under node {node.number}"


def fasta_text(study: Study, node: Node) -> str:
    """The reference at the canvas, and every sample."""
    said, place = _said(study, node), node.place
    where = f"{place.chrom}:{place.start + 1}-{place.end}"
    records = {f"reference {where}": study.genome.fetch(*place)}
    records |= {f"{name} {where} {said}": text for name, text in samples_of(node).items()}
    lines = []
    for header, letters in records.items():
        lines += [f">{header}", *(letters[i : i + _LINE] for i in range(0, len(letters), _LINE))]
    return "\n".join(lines) + "\n"


def gff3_text(study: Study, node: Node) -> str:
    """Strokes, and the genes that are found in the first sample where pyrodigal is installed."""
    painting, place, said = painting_of(study, node), node.place, _said(study, node)
    lines = [gff3_header({place.chrom: study.manifest.contigs[place.chrom]}), f"# {said}\n"]
    for number, stroke in enumerate(painting.strokes, 1):
        about = {
            "ID": f"stroke{number}",
            "Name": stroke.concept,
            "strength": as_text(stroke.strength),
            "note": NOT_VALIDATED,
        }
        start, end = place.start + stroke.start, place.start + stroke.end
        lines.append(gff3_line(place.chrom, start, end, ".", stroke.strand, about))
    first = next(iter(samples_of(node).values())) if node.written else ""
    found = genes_in(Rewritten(study.genome, place, first), place) if first else None
    for row in found.itertuples() if found is not None else ():
        about = {"ID": str(row.name), "note": f"found by pyrodigal in sample 1; {NOT_VALIDATED}"}
        score, strand = f"{row.score:.2f}", str(row.strand)
        lines.append(gff3_line(place.chrom, int(row.start), int(row.end), score, strand, about, "gene"))
    return "".join(lines)


def vcf_text(study: Study, node: Node) -> str:
    """Changes of the reference, aligned; a haploid sample a sequence, which `bcftools consensus` writes."""
    samples, place = samples_of(node), node.place
    reference = study.genome.fetch(*place).upper()
    own = {name: set(variants_of(reference, text, place)) for name, text in samples.items()}
    every: list[Variant] = sorted(set().union(*own.values()))
    lines = [
        "##fileformat=VCFv4.2",
        f"##source=genomics-workbench: {_said(study, node)}",
        f"##contig=<ID={place.chrom},length={study.manifest.contigs[place.chrom]}>",
        f'##INFO=<ID=WRITTEN,Number=0,Type=Flag,Description="{NOT_VALIDATED}">',
        '##FORMAT=<ID=GT,Number=1,Type=String,Description="Allele of a haploid sequence">',
        "\t".join(["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT", *samples]),
    ]
    for variant in every:
        alleles = ["1" if variant in own[name] else "0" for name in samples]
        fixed = [place.chrom, str(variant.start + 1), ".", variant.reference, variant.alternative]
        lines.append("\t".join([*fixed, ".", "PASS", "WRITTEN", "GT", *alleles]))
    return "\n".join(lines) + "\n"


def painting_text(study: Study, node: Node) -> str:
    """The painting, as ``workbench paint --painting`` reads it."""
    return painting_of(study, node).to_json() + "\n"


def question_text(study: Study, node: Node) -> str:
    """The question of its experiment, ``question.toml``."""
    question = Question("paint", settings_of(study, node), subject_of(study))
    return f"# {NOT_VALIDATED}: what is written under this question\n{render_question(question)}"


# By what people write for them: suffix, and text.
FILES: dict[str, tuple[str, Callable[[Study, Node], str]]] = {
    "fasta": ("fa", fasta_text),
    "gff3": ("gff3", gff3_text),
    "vcf": ("vcf", vcf_text),
    "painting": ("json", painting_text),
    "question": ("toml", question_text),
}


def file_of(study: Study, node: Node, form: str) -> str:
    """The text of a file of a node; ``InputError`` for a form that is none."""
    if form not in FILES:
        raise InputError(f"{form!r}: expected one of {', '.join(FILES)}")
    return FILES[form][1](study, node)


def experiment_name(node: Node) -> str:
    """The experiment that was made of a node, else the one that could be."""
    return node.experiment or f"painting_{node.number}"


def commands_of(study: Study, node: Node) -> list[str]:
    """Commands that make the node's experiment, to be copied."""
    given = settings_of(study, node)
    folder, usual = str(study.folder), type(given)()
    words = ["workbench", "paint", folder, "--painting", "painting.json"]
    words += ["--name", experiment_name(node)]
    for key in ("fill", "copies", "steps", "expect", "temperature", "seed"):
        if (value := getattr(given, key)) != getattr(usual, key):
            words += [f"--{key}", str(value)]
    for readout in given.readouts if given.readouts != usual.readouts else []:
        words += ["--readout", readout]
    written = ["workbench", "history", folder, "--node", str(node.number), "--format", "painting"]
    return [shlex.join([*written, "--out", "painting.json"]), shlex.join(words)]
