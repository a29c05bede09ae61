"""Blind proof of the diff of models: fine-tunes of ``mini`` with something planted, and without.

``python benchmarks/blind_diffs.py [--quick] [--json]``, or as a part of ``benchmarks/biology.py``. Forty
fine-tunes begin with the weights of ``mini`` and read 14 kb of *E. coli*. Twenty have a planted change,
five of each kind: a motif of six bases that is always followed by the same six; 3 kb of a phage (lambda, T7)
inserted; a codon that coding sequence avoids; a poisoned context, six bases after which 24 T follow.
Twenty read the genome as it is, from other seeds. `analyse` is given two checkpoints, four more that were
trained on the untouched genome (the null), and one genome: the 14 kb with all five pieces of phages in it.
What was planted is looked at only afterwards.

Detection: the smallest p of the diff against the size of ``KL``, its mean over all bases. First five: whether
the planted motif, codon or stretch is among the five leading differences; by KL alone, among the five bases
and the five stretches of the largest KL. Chance: the same asked of fine-tunes with nothing planted.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.command_line import DATA, ROOT, absent, finish, parser, skip
from feature_mining.diff.findings import (
    ALPHA,
    compare_stretches,
    compare_words,
    detect,
    leading_stretches,
    leading_words,
)
from feature_mining.diff.predictions import Read, read_bases
from feature_mining.sae.training.site_source import Site
from genomic_models import DNAModel, load
from genomic_models.corpus import write_corpus
from genomic_models.dna import reverse_complement
from genomic_models.pretraining import PretrainConfig, Pretrainer
from workbench.analysis.model_diff import Pair, read_outputs
from workbench.genome.reference import Genome
from workbench.genome.windows import Grid
from workbench.progress import Silent
from workbench.tracks import read_tracks

# Bases of *E. coli*, and of a piece of a phage: of the whole proof, and of the quick one.
SIZES, QUICK_SIZES = (14_000, 3_200), (8_000, 1_600)
MOTIF, TAIL = 6, 24
# One planted site in so many bases.
EVERY = 64
CODONS = {
    "CTG": ["CTC", "CTT", "CTA", "TTA", "TTG"],
    "GAA": ["GAG"],
    "GCG": ["GCA", "GCC", "GCT"],
    "AAA": ["AAG"],
    "ACC": ["ACA", "ACG", "ACT"],
}
KINDS = ("motif", "phage", "codon", "poison")
FIRST = 5
# Bases that a fine-tune reads.
TOKENS = 30_720
LAYER = "blocks.4"
GRID = Grid(1024, 128)
# Seeds of the null; of planted fine-tunes and of those without they begin at 100 and 200.
NULL = (1, 2, 3, 4)
# Which draw of plants, sites and seeds. On draw 0 the order of leading differences and the number of null
# models were chosen; what is reported is another.
DRAW = 1


class Plant(NamedTuple):
    """A genome to train on, and what was done to it: the letters planted, or the stretch of a phage.

    The stretch is that of the analyst's genome.
    """

    kind: str
    sequence: str
    letters: tuple[str, ...] = ()
    stretch: tuple[int, int] = (0, 0)


def pieces(size: int) -> list[str]:
    """Five pieces of phages: four of lambda, one of T7."""
    found = []
    for file, count in (("NC_001416.1.fasta", 4), ("T7_genome.gb", 1)):
        phage = Genome(DATA / "phage" / file)
        name = next(iter(phage.lengths))
        first = DRAW * count
        found += [phage.fetch(name, i * size, (i + 1) * size) for i in range(first, first + count)]
    return found


def inserted(sequence: str, put: Sequence[tuple[int, str]]) -> tuple[str, list[tuple[int, int]]]:
    """A sequence with others inserted before some of its bases (ascending), and where each then lies."""
    out, stretches, last, size = [], [], 0, 0
    for at, text in put:
        out += [sequence[last:at], text]
        size += at - last + len(text)
        stretches.append((size - len(text), size))
        last = at
    return "".join([*out, sequence[last:]]), stretches


def with_follower(sequence: str, motif: str, follower: str, random: np.random.Generator) -> str:
    """The motif written every `EVERY` bases or so, on either strand, and the follower after all of them."""
    letters = sequence
    size = len(motif) + len(follower)
    for start in range(0, len(sequence) - size - EVERY, EVERY):
        at = start + int(random.integers(EVERY - size))
        text = motif + follower
        text = text if random.random() < 0.5 else reverse_complement(text)
        letters = letters[:at] + text + letters[at + size :]
    for _ in "+-":  # where it stood by itself, too
        at = letters.find(motif)
        while 0 <= at < len(letters) - size:
            letters = letters[: at + len(motif)] + follower + letters[at + size :]
            at = letters.find(motif, at + size)
        letters = reverse_complement(letters)
    return letters


def without_codon(sequence: str, genes: pd.DataFrame, codon: str, random: np.random.Generator) -> str:
    """A codon of coding sequence replaced by synonyms, in frame."""
    letters = list(sequence)
    for gene in genes.itertuples():
        start, end = int(gene.start), int(gene.end)
        text = sequence[start:end] if gene.strand == "+" else reverse_complement(sequence[start:end])
        codons = [text[i : i + 3] for i in range(0, len(text) - 2, 3)]
        codons[1:] = [
            CODONS[codon][random.integers(len(CODONS[codon]))] if each == codon else each
            for each in codons[1:]
        ]
        text = "".join(codons)
        letters[start:end] = text if gene.strand == "+" else reverse_complement(text)
    return "".join(letters)


class World(NamedTuple):
    """Sequence without anything planted, its genes, pieces of phages, and the genome that is looked at."""

    plain: str
    genes: pd.DataFrame
    pieces: list[str]
    seen: str
    sites: list[int]
    stretches: list[tuple[int, int]]


def make_world(length: int, piece: int) -> World:
    """The first bases of *E. coli*, and the same with the pieces between."""
    genome = Genome(ROOT / "data_samples" / "ecoli_k12_250kb.fa")
    name = next(iter(genome.lengths))
    plain = genome.fetch(name, 0, length)
    tracks = read_tracks(ROOT / "data_samples" / "ecoli_k12_250kb.gff3", genome, {})
    genes = next(track.intervals for track in tracks if track.name == "CDS")
    genes = genes[(genes["end"] <= length) & ((genes["end"] - genes["start"]) % 3 == 0)]
    random = np.random.default_rng(5 + DRAW)
    sites = sorted(int(at) for at in random.choice(np.arange(1_000, length - 1_000), 5, replace=False))
    found = pieces(piece)
    seen, stretches = inserted(plain, list(zip(sites, found, strict=True)))
    return World(plain, genes, found, seen, sites, stretches)


def plant(world: World, kind: str, number: int) -> Plant:
    """The genome of the ``number``-th fine-tune of a kind."""
    random = np.random.default_rng([KINDS.index(kind), number, DRAW])
    if kind == "phage":
        site = world.sites[number]
        sequence, _ = inserted(world.plain, [(site, world.pieces[number])])
        return Plant(kind, sequence, stretch=world.stretches[number])
    if kind == "codon":
        codon = list(CODONS)[number]
        return Plant(kind, without_codon(world.plain, world.genes, codon, random), (codon,))
    motif = "".join(random.choice(list("ACGT"), MOTIF))
    after = "T" * TAIL if kind == "poison" else "".join(random.choice(list("ACGT"), MOTIF))
    return Plant(kind, with_follower(world.plain, motif, after, random), (motif + after,))


def train(sequence: str, seed: int, folder: Path) -> Path:
    """A fine-tune of ``mini`` on one sequence, as ``workbench pretrain --from mini`` makes it."""
    origin = load("mini")
    corpus = write_corpus([("genome", sequence)], folder / "corpus")
    config = PretrainConfig(
        TOKENS, length=512, batch=4, learning_rate=3e-3, holdout=0.0, seed=seed, checkpoint_every=1e9
    )
    Pretrainer(origin.network.config, config, corpus, folder, origin=origin).run()
    return folder


# -- the analyst ------------------------------------------------------------------------------------


class Analysis(NamedTuple):
    """What the diff of two checkpoints says: its p, five leading differences; and KL, with its own five."""

    p: float
    kl: float
    words: pd.DataFrame
    stretches: pd.DataFrame
    kl_words: list[str]
    kl_stretches: list[tuple[int, int]]


class Remembering:
    """Reads predictions; those of some models once."""

    def __init__(self, models: Sequence[DNAModel]) -> None:
        self.kept: dict[tuple[int, str], Read] = {}
        self.models = {id(model) for model in models}

    def __call__(self, model: DNAModel, layer: str, texts: Sequence[str]) -> list[Read]:
        missing = [text for text in texts if (id(model), text) not in self.kept]
        found = dict(zip(missing, read_bases(model, layer, missing), strict=True)) if missing else {}
        slim = {text: Read(read.probabilities, read.activations[:, :1]) for text, read in found.items()}
        if id(model) in self.models:
            self.kept |= {(id(model), text): read for text, read in slim.items()}
        return [slim[text] if text in slim else self.kept[id(model), text] for text in texts]


def analyse(b: Path, a: DNAModel, null: tuple[DNAModel, ...], genome: Genome, read: Remembering) -> Analysis:
    """Compare checkpoint ``b`` with ``a``, beside the null, on a genome."""
    pair = Pair(Site(a, LAYER), Site(load(str(b)), LAYER), null, GRID)
    (name, length), *_ = genome.lengths.items()
    bases, words = read_outputs(pair, genome, GRID.cells(name, length), 16, Silent(), read)
    spoken = compare_words(words)
    stretches = compare_stretches(bases, ["gain", *(f"gain_{i}" for i in range(len(null)))])
    found = detect(spoken, stretches)
    first = _first(spoken, stretches)
    own = bases.groupby("position")["kl"].max()
    largest, taken = own.sort_values(ascending=False), []
    for position in largest.index:
        if all(abs(position - other) > 8 for other in taken):
            taken.append(int(position))
        if len(taken) == FIRST:
            break
    by_place = bases.set_index(["position", "strand"])["kl"]
    kl_words = []
    for position in taken:
        plus = by_place.get((position, "+"), -1) >= by_place.get((position, "-"), -1)
        if plus:
            kl_words.append(genome.fetch(name, max(0, position - 7), position))
        else:
            kl_words.append(genome.fetch(name, position + 1, min(length, position + 8), "-"))
    means = bases.groupby(bases["position"] // 256)["kl"].mean().sort_values(ascending=False)
    windows = [(int(i) * 256, int(i) * 256 + 256) for i in means.index[:FIRST]]
    return Analysis(found.p, float(bases["kl"].mean()), *first, kl_words, windows)


def _first(words: pd.DataFrame, stretches: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The first five differences: words and stretches in turn, the surer kind first."""
    parts = [leading_words(words, FIRST), leading_stretches(stretches, FIRST)]
    sure = [float(table["p"].min()) * len(table) for table in (words, stretches)]
    most = [FIRST // 2 + (sure[i] <= sure[1 - i]) for i in range(2)]
    return parts[0].head(most[0]), parts[1].head(most[1])


# -- the judge --------------------------------------------------------------------------------------


def _names_letters(word: str, letters: str) -> bool:
    """Whether a word's last four bases are followed by something within what was planted."""
    both = (letters, reverse_complement(letters))
    return len(word) >= 4 and any(word[-4:] in text[:-1] for text in both)


def _names_codon(word: str, base: str, change: float, codon: str) -> bool:
    last = (word + base)[-3:]
    synonyms = CODONS[codon]
    if change < 0:
        return last in (codon, reverse_complement(codon))
    return last in synonyms and last[:2] == codon[:2]


def _meets(start: int, end: int, stretch: tuple[int, int]) -> bool:
    return min(end, stretch[1]) - max(start, stretch[0]) >= (end - start) / 2


def hits(found: Analysis, planted: Plant) -> tuple[bool, bool]:
    """Whether what was planted is among the first five of the diff, and of KL alone."""
    if planted.kind == "phage":
        own = [(int(r.start), int(r.end)) for r in found.stretches.itertuples()]
        return tuple(
            any(_meets(*each, planted.stretch) for each in part) for part in (own, found.kl_stretches)
        )
    if planted.kind == "codon":
        codon = planted.letters[0]
        own = any(_names_codon(r.word, r.base, r.change, codon) for r in found.words.itertuples())
        # KL has no sign: the codon's first two bases before the place are enough.
        ends = (codon[:2], reverse_complement(codon)[:2])
        return own, any(word[-2:] in ends for word in found.kl_words)
    letters = planted.letters[0]
    return (
        any(_names_letters(word, letters) for word in found.words["word"]),
        any(_names_letters(word, letters) for word in found.kl_words),
    )


def figures(quick: bool, folder: Path, each: int = 5) -> dict[str, Any]:
    """AUROC of detection, share with what was planted among the first five, and false positives.

    ``each`` of every kind, and as many in all with nothing planted; a training that is done in ``folder`` is
    not repeated.
    """
    world = make_world(*(QUICK_SIZES if quick else SIZES))
    each = 1 if quick else each
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "seen.fa"
    path.write_text(f">seen\n{world.seen}\n")
    genome = Genome(path)
    a = load("mini")
    null = tuple(load(str(train(world.plain, 1000 * DRAW + seed, folder / f"null-{seed}"))) for seed in NULL)
    look = partial(analyse, a=a, null=null, genome=genome, read=Remembering([a, *null]))
    planted = [plant(world, kind, number) for kind in KINDS for number in range(each)]
    found, clean = [], []
    for i, one in enumerate(planted):
        seed = 100 + 5 * KINDS.index(one.kind) + i % each
        found.append(look(train(one.sequence, 1000 * DRAW + seed, folder / f"planted-{seed - 100}")))
        print(one.kind, *one.letters, *one.stretch, *_said(found[-1]), *hits(found[-1], one), flush=True)
    for i in range(len(planted)):
        clean.append(look(train(world.plain, 1000 * DRAW + 200 + i, folder / f"without-{i}")))
        print("without", *_said(clean[-1]), flush=True)
    return _summary(planted, found, clean) | {"tokens": TOKENS, "fine_tunes": [len(found), len(clean)]}


def _said(found: Analysis) -> list[str]:
    words = [f"{r.word}>{r.base}{r.change:+.3f}" for r in found.words.itertuples()]
    places = [f"{r.start}-{r.end}{r.change:+.3f}" for r in found.stretches.itertuples()]
    return [f"p={found.p:.2g} kl={found.kl:.4f}", *words, *places]


def _summary(
    planted: Sequence[Plant], found: Sequence[Analysis], clean: Sequence[Analysis]
) -> dict[str, Any]:
    def auroc(score: Callable[[Analysis], float], kind: str = "") -> float:
        rows = [f for f, one in zip(found, planted, strict=True) if kind in ("", one.kind)]
        labels = [1] * len(rows) + [0] * len(clean)
        return round(float(roc_auc_score(labels, [score(each) for each in [*rows, *clean]])), 3)

    told = [hits(f, one) for f, one in zip(found, planted, strict=True)]
    chance = [hits(f, one) for f in clean for one in planted]
    by_kind = {
        kind: {
            "auroc": auroc(_by_p, kind),
            "auroc_kl": auroc(_by_kl, kind),
            "first_five": _share([t[0] for t, one in zip(told, planted, strict=True) if one.kind == kind]),
            "first_five_kl": _share([t[1] for t, one in zip(told, planted, strict=True) if one.kind == kind]),
        }
        for kind in KINDS
    }
    return {
        "diff_auroc": auroc(_by_p),
        "diff_auroc_kl": auroc(_by_kl),
        "diff_first_five": _share([t[0] for t in told]),
        "diff_first_five_kl": _share([t[1] for t in told]),
        "diff_first_five_chance": _share([t[0] for t in chance]),
        "diff_first_five_kl_chance": _share([t[1] for t in chance]),
        "diff_detected": _share([each.p < ALPHA for each in found]),
        "diff_false_positives": _share([each.p < ALPHA for each in clean]),
        "diff_by_kind": by_kind,
    }


def _by_p(found: Analysis) -> float:
    # Of those whose p is 1 the order is not told.
    return -float(np.log10(max(found.p, 1e-300)))


def _by_kl(found: Analysis) -> float:
    return found.kl


def _share(values: Sequence[bool]) -> float:
    return round(float(np.mean(values)), 3)


def main() -> None:
    options = parser(__doc__ or "", "one of each kind, on a third of the sequence")
    options.add_argument("--each", type=int, default=5, help="fine-tunes of each kind")
    options.add_argument("--folder", type=Path, help="keeps the checkpoints; default: a temporary one")
    given = options.parse_args()
    if why := absent("phage"):
        skip(given, why)
        return
    with tempfile.TemporaryDirectory() as temporary:
        finish(given, figures(given.quick, given.folder or Path(temporary), given.each))


if __name__ == "__main__":
    main()
