"""Writing sequence: prompts and requests from files and words, results as FASTA and a table."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from feature_mining.edits.apply import Dictionary
from feature_mining.edits.edit import Steer
from feature_mining.edits.effect import ACTS, measure_effects
from feature_mining.edits.plan import EditPlan
from feature_mining.rules.rule_set import RuleSet
from feature_mining.writing.constraints import (
    Constraint,
    GCRange,
    LongestRun,
    Mask,
    NoSite,
    OpenFrame,
    Protein,
)
from feature_mining.writing.measures import copied_words, gc_share, nearest_others, untouched_nats
from feature_mining.writing.write import Written, write
from genomic_models import DNAModel, load
from genomic_models.corpora import FRACTION, K, corpus_of
from genomic_models.dna import reverse_complement
from genomic_models.files import remove_leftovers
from genomic_models.generation import Sampling
from workbench.errors import InputError
from workbench.files.atomic import write_atomic
from workbench.files.text import read_text
from workbench.genome.fasta import read_fasta, write_fasta
from workbench.genome.interval import parse_place
from workbench.genome.reference import Genome
from workbench.genome.windows import check_strand
from workbench.progress import Progress, Silent
from workbench.study.rules import TRACES, Event, levels_in_words, write_trace
from workbench.study.study import Study
from workbench.tracks.track import Contigs
from workbench.wording import repeated

NONE = "none"
# Sequences of a plan that its edits are measured on, at most; all edits together.
MEASURED = 16


class Prompt(NamedTuple):
    """What is written on from: letters as they stand on the plus strand, and the strand that is read."""

    name: str
    letters: str
    strand: str

    @property
    def read(self) -> str:
        """Letters in the direction of the reading."""
        return self.letters if self.strand == "+" else reverse_complement(self.letters)

    def place(self, written: str) -> str:
        """What was written, as it stands on the plus strand."""
        return written if self.strand == "+" else reverse_complement(written)


class Wish(NamedTuple):
    """Constraints in words, positions 0-based half-open in what comes out.

    mask : START:LETTERS each
    avoid : names of restriction enzymes, or IUPAC letters
    gc : LOW-HIGH, shares
    longest_run : bases
    open_frame : START-END each, or START-END:- for the minus strand
    protein : START:LETTERS each, or START:LETTERS:- for the minus strand
    codon_table : NCBI's number
    """

    mask: Sequence[str] = ()
    avoid: Sequence[str] = ()
    gc: str = ""
    longest_run: int = 0
    open_frame: Sequence[str] = ()
    protein: Sequence[str] = ()
    codon_table: int = 11

    def constraints(self) -> list[Constraint]:
        """What they ask for; ``InputError`` with the words that are wrong."""
        table = self.codon_table
        makers: list[tuple[str, Sequence[str], Callable[[str], Constraint]]] = [
            ("--mask", self.mask, _mask),
            ("--avoid", [one.strip() for many in self.avoid for one in many.split(",")], NoSite.of),
            ("--gc", [self.gc] if self.gc else [], _gc),
            ("--open-frame", self.open_frame, lambda text: _frame(text, table)),
            ("--protein", self.protein, lambda text: _protein(text, table)),
        ]
        found: list[Constraint] = []
        for option, texts, make in makers:
            for text in texts:
                try:
                    found.append(make(text))
                except ValueError as error:
                    raise InputError(f"{option} {text}: {error}") from None
        return [*found, LongestRun(self.longest_run)] if self.longest_run else found


def _mask(text: str) -> Mask:
    start, letters = _cut(text, ":", "START:LETTERS, as in 0:ATGNNNRY")
    return Mask(letters, _whole(start))


def _gc(text: str) -> GCRange:
    low, high = _cut(text, "-", "LOW-HIGH, as in 0.4-0.6")
    return GCRange(float(low), float(high))


def _frame(text: str, table: int) -> OpenFrame:
    span, strand = _stranded(text)
    start, end = _cut(span.removeprefix("-"), "-", "START-END or START-END:-, as in 0-300")
    return OpenFrame(_whole(start) * (-1 if span.startswith("-") else 1), _whole(end), strand, table)


def _protein(text: str, table: int) -> Protein:
    given, strand = _stranded(text)
    start, letters = _cut(given, ":", "START:LETTERS or START:LETTERS:-, as in 0:MKV*")
    return Protein.at(letters, _whole(start), strand, table)


def _stranded(text: str) -> tuple[str, str]:
    return (text[:-2], text[-1]) if text.endswith((":+", ":-")) else (text, "+")


def _cut(text: str, mark: str, expected: str) -> tuple[str, str]:
    left, found, right = text.partition(mark)
    if not (left and found and right):
        raise ValueError(f"expected {expected}")
    return left, right


def _whole(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ValueError(f"{text!r} is not a whole number") from None


def read_prompts(
    fasta: Path | None, genome: Genome | None, places: Sequence[str], strand: str
) -> list[Prompt]:
    """Records of a FASTA, stretches of a genome, or one empty prompt.

    Raises ``InputError`` for what is wrong with them, and for stretches without a genome.
    """
    check_strand(strand)
    if fasta is not None and places:
        raise InputError("give prompts in one way: --prompts or --at")
    found = [] if fasta is None else [Prompt(n, "".join(parts), strand) for n, parts in read_fasta(fasta)]
    if places and genome is None:
        raise InputError(f"--at {places[0]}: a stretch of what? Give --genome FASTA, or --study DIR")
    for text in places:
        assert genome is not None
        contigs = Contigs(genome.lengths, genome.circular)
        place = parse_place(text)
        if place is None:
            example = f"{next(iter(genome.lengths))}:1,000-1,500"
            raise InputError(f"--at {text}: expected a place such as {example} (0-based, end not included)")
        chrom, start, end = contigs.stretch(*place)
        found.append(Prompt(f"{chrom}:{start}-{end}", genome.fetch(chrom, start, end), strand))
    return found or [Prompt(NONE, "", strand)]


def read_plan(path: Path) -> EditPlan:
    """A plan's file; ``InputError`` where it is none."""
    try:
        return EditPlan.from_json(read_text(path))
    except ValueError as error:
        raise InputError(f"{path}: {error}") from None


def steering_plan(steers: Sequence[str], layer: str) -> EditPlan:
    """``FEATURE=STRENGTH`` each, added throughout; ``InputError`` for what is no such thing."""
    edits = []
    for text in steers:
        feature, _, strength = text.partition("=")
        try:
            edits.append(Steer(layer, _whole(feature), float(strength)))
        except ValueError as error:
            raise InputError(f"--steer {text}: expected FEATURE=STRENGTH, as in 757=1.5 ({error})") from None
    return EditPlan(tuple(edits))


def write_file(
    out: Path,
    prompts: Sequence[Prompt],
    length: int,
    model_name: str = "mini",
    device: str = "cpu",
    dtype: str = "float32",
    study: Study | None = None,
    plans: Sequence[tuple[str, EditPlan]] = (),
    wish: Wish | None = None,
    sampling: Sampling | None = None,
    number: int = 1,
    together: int = 64,
    progress: Progress | None = None,
    rules: RuleSet | None = None,
    trust_remote_code: bool = False,
) -> pd.DataFrame:
    """Write sequences after prompts, under each plan, into ``out``, and a row each into its ``.tsv``.

    What each edit of a plan did by itself to some of its sequences stands in ``OUT.edits.tsv``
    (`feature_mining.edits.effect.measure_effects`).

    Parameters
    ----------
    plans : sequence of (str, EditPlan)
        With their names; none for the model as it is.
    study : Study, optional
        Whose model and autoencoder are used, in place of ``model_name``.
    rules : RuleSet, optional
        What they did is written beside, ``OUT.rules.tsv`` and ``OUT.rules.gff3``.

    Returns
    -------
    DataFrame
        ``name, prompt, strand, plan, copy, length, nats`` and ``nats_untouched`` (log-likelihood a base with
        and without the plan, over the bases that something predicts), ``gc, nearest`` (the most similar other
        output), ``distance`` to it, and, where the model ships a sketch of its training sequence,
        ``sampled`` and ``in_training`` (words of the output that the sketch could hold, and does).

    Raises
    ------
    InputError
        For a file that cannot be written, plans without a study, constraints that contradict each other.
    ModelError
        For a model that cannot write.
    """
    progress, constraints = progress or Silent(), (wish or Wish()).constraints()
    _check_out(out)
    if study is None and plans:
        raise InputError("a plan of edits needs the autoencoder that it is for: give --study DIR")
    if study is None and rules is not None:
        raise InputError("rules need the autoencoder that they are for: give --study DIR")
    if twice := repeated([name for name, _ in plans]):
        raise InputError(f"two plans are called {twice[0]}: rename a file, since rows go by the plan's name")
    if study is not None:
        model = study.model
    else:
        model = load(model_name, device=device, dtype=dtype, trust_remote_code=trust_remote_code)
    dictionaries = {} if study is None else {study.layer: study.dictionary}
    used = [plan for _, plan in plans] or [EditPlan()]
    texts, strands = [prompt.read for prompt in prompts], [prompt.strand for prompt in prompts]
    if strands[0] == "-":
        constraints = [each.turned(length) for each in constraints]
    progress.begin("writing", len(prompts) * len(used) * number * length, "bases")
    try:
        written = write(
            model,
            texts,
            length,
            used,
            dictionaries,
            strands,
            constraints,
            sampling,
            number,
            together,
            progress.advance,
            rules,
        )
    except ValueError as error:
        raise InputError(str(error)) from None
    progress.end()
    untouched = [each.nats for each in written]
    if any(plan.edits for plan in (*used, *(rules.plans.values() if rules is not None else ()))):
        total = sum(len(texts[each.prompt]) + length for each in written)
        progress.begin("reading without the plan", total, "bases")
        untouched = untouched_nats(model, texts, written, progress.advance)
        progress.end()
    sequences = [prompts[each.prompt].place(each.sequence) for each in written]
    named = model_name if study is None else study.config.model.name
    table = _table(
        corpus_of(named).sketch, prompts, [name for name, _ in plans] or [NONE], written, untouched, sequences
    )
    if rules is not None:
        lengths = dict(zip(table["name"], map(len, sequences), strict=True))
        events = list(_events(rules, prompts, written, list(table["name"])))
        for path in trace_paths(out):
            write_trace(path, events, lengths)
    effects = _effects(model, prompts, written, plans, dictionaries)
    if len(effects):
        for row in effects[effects["answer"] != ACTS].itertuples():
            progress.say(f"note: {row.plan}, {row.edit}: {row.answer}")
        with write_atomic(effects_path(out)) as temporary:
            effects.to_csv(temporary, sep="\t", index=False, float_format="%.6g")
    _save(out, table, sequences)
    return table


def _effects(
    model: DNAModel,
    prompts: Sequence[Prompt],
    written: Sequence[Written],
    plans: Sequence[tuple[str, EditPlan]],
    dictionaries: Mapping[str, Dictionary],
) -> pd.DataFrame:
    """Effects of the plans with edits, on the first sequences of each: fewer where there are many edits."""
    parts = []
    for number, (name, plan) in enumerate(plans):
        if plan.edits:
            own = [each for each in written if each.plan == number][: max(1, MEASURED // len(plan.edits))]
            texts = [prompts[each.prompt].read + each.sequence for each in own]
            strands = [prompts[each.prompt].strand for each in own]
            found = measure_effects(model, texts, plan, dictionaries, strands)
            found.insert(0, "plan", name)
            parts.append(found)
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def _events(
    rules: RuleSet, prompts: Sequence[Prompt], written: Sequence[Written], names: Sequence[str]
) -> Iterator[Event]:
    """What rules did, at bases of the sequences as they come out."""
    for name, each in zip(names, written, strict=True):
        prompt, last = prompts[each.prompt], len(each.sequence) - 1
        for deed in each.deeds:
            at = deed.fired.at - len(prompt.letters)
            rule, levels = rules.rules[deed.fired.rule], deed.fired.levels
            place = at if prompt.strand == "+" else last - at
            number, words = deed.fired.rule + 1, levels_in_words(rule, levels)
            yield Event(name, place, prompt.strand, number, deed.sentence, words, levels[0], deed.done)


def _table(
    corpus: Path | None,
    prompts: Sequence[Prompt],
    plans: Sequence[str],
    written: Sequence[Written],
    untouched: Sequence[np.ndarray],
    sequences: Sequence[str],
) -> pd.DataFrame:
    nearest = nearest_others(sequences)
    names = [_name(prompts[each.prompt].name, plans, each) for each in written]
    table = pd.DataFrame(
        {
            "name": names,
            "prompt": [prompts[each.prompt].name for each in written],
            "strand": [prompts[each.prompt].strand for each in written],
            "plan": [plans[each.plan] for each in written],
            "copy": [each.copy + 1 for each in written],
            "length": [len(text) for text in sequences],
            "nats": [_mean(each.nats) for each in written],
            "nats_untouched": [_mean(own) for own in untouched],
            "gc": [gc_share(text) for text in sequences],
            "nearest": [names[each.other] if each.other >= 0 else NONE for each in nearest],
            "distance": [each.distance for each in nearest],
        }
    )
    if corpus is None:
        return table
    sketch = np.load(corpus, allow_pickle=False)
    found = [copied_words(text, sketch, K, FRACTION) for text in sequences]
    return table.assign(sampled=[n for n, _ in found], in_training=[n for _, n in found])


def _mean(nats: np.ndarray) -> float:
    known = nats[np.isfinite(nats)]
    return float(known.mean(dtype=np.float64)) if known.size else math.nan


def _name(prompt: str, plans: Sequence[str], each: Written) -> str:
    parts = ["written" if prompt == NONE else prompt, *([plans[each.plan]] if len(plans) > 1 else [])]
    return "_".join([*parts, str(each.copy + 1)])


def table_path(out: Path) -> Path:
    """The table beside a FASTA."""
    return out.with_suffix(".tsv")


def effects_path(out: Path) -> Path:
    """What each edit did, beside a FASTA."""
    return out.with_suffix(".edits.tsv")


def trace_paths(out: Path) -> list[Path]:
    """What rules did, beside a FASTA."""
    return [out.with_suffix(f".rules{suffix}") for suffix in TRACES]


def _check_out(out: Path) -> None:
    if out.suffix not in (".fa", ".fasta", ".fna"):
        raise InputError(f"{out}: unknown suffix {out.suffix!r}; expected .fa, .fasta or .fna")
    if not out.resolve().parent.is_dir():
        raise InputError(f"{out}: no such folder; make it first")


def _save(out: Path, table: pd.DataFrame, sequences: Sequence[str]) -> None:
    """The table, and last the FASTA, so that who finds it finds both."""
    remove_leftovers(out.parent, out.name)
    remove_leftovers(out.parent, table_path(out).name)
    with write_atomic(table_path(out)) as temporary:
        table.to_csv(temporary, sep="\t", index=False, na_rep="nan", float_format="%.6g")
    write_fasta(zip(table["name"], ([text] for text in sequences), strict=True), out)
