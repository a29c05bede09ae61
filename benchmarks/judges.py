"""How good each judge is, against measurements and annotation that it knows nothing of.

    python benchmarks/judges.py [--quick] [--json] [--judge NAME ...]

On *E. coli* MG1655 unless a figure says otherwise: genes, starts and RNA of the annotation, promoters and
terminators of EcoCyc, promoter activity of the lac Sort-seq (Kinney et al. 2010, PNAS 107:9158) and of the
genome-wide assay of Urtecho et al. (2019, Biochemistry 58:1539). An AUROC is that of the judge's main column
for real sequence against the one named beside it; *shuffled* keeps the dinucleotides of each. The cards of
the judges quote the figures of a full run, of 300 sequences a question, or 100 of promoters, whose judge is
slow. Needs ``shared/data`` beside the checkout.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import spearmanr
from sklearn.metrics import roc_auc_score

from feature_mining.dinucleotide_shuffle import shuffle_dinucleotides
from genomic_models.dna import BASES, base_codes, base_letters, reverse_complement
from workbench.genome.reference import Genome
from workbench.judges.genes import Genes
from workbench.judges.judge import Judge, NotJudged, References
from workbench.judges.promoters import Promoters
from workbench.judges.registry import JUDGES
from workbench.judges.starts import Starts
from workbench.judges.stops import longest_open
from workbench.judges.terminators import CONFIDENT
from workbench.judges.trnas import find as find_trnas
from workbench.tracks import read_tracks

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.command_line import DATA, absent, finish, parser, skip  # noqa: E402

GENOME = DATA / "ecoli/NC_000913.3.fna.gz"
ANNOTATION = DATA / "ecoli/NC_000913.3.gff3.gz"
# Bases on both sides of a start codon within which others of its frame are set against it.
NEAR = 150
# Bases before them, and after, that the judge folds.
LEADER = 50
# Bases before and after the first base of a transcript that a promoter is read from: EcoCyc's table tells no
# strand, so that there must be room for its promoter on either side.
PROMOTER = (80, 80)
# Bases of an EcoCyc promoter within which a predicted first base counts as its own.
CLOSE = 5
# Bases around a terminator.
TERMINATOR = 60
# Bases of the genome on both sides of the lac promoter that its mutants are put between.
FLANK = 30

Figures = dict[str, float]


class Truth:
    """MG1655 as a judge may be asked about it; ``most`` sequences a question."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.random = np.random.default_rng(0)
        self.genome = Genome(GENOME)
        ((self.chrom, self.length),) = self.genome.lengths.items()
        self.letters = self.genome.fetch(self.chrom, 0, self.length)
        self.tracks = {t.name: t.intervals for t in read_tracks(ANNOTATION, self.genome)}

    @cached_property
    def coding(self) -> pd.DataFrame:
        """Complete coding sequences of one part."""
        rows = self.tracks["CDS"]
        whole = rows["complete"] & ~rows["group"].duplicated(keep=False)
        return rows[whole & ((rows["end"] - rows["start"]) % 3 == 0)].reset_index(drop=True)

    def some(self, rows: pd.DataFrame) -> pd.DataFrame:
        """``most`` rows of a table, or all."""
        return rows.sample(min(self.most, len(rows)), random_state=0)

    def around(self, places: Sequence[int], before: int, after: int) -> list[str]:
        """Letters from ``before`` bases ahead of each place to ``after`` past it."""
        return [self.letters[p - before : p + after] for p in places if before <= p <= self.length - after]

    def anywhere(self, bases: int) -> list[str]:
        """``most`` stretches of the genome."""
        return self.around(self.random.integers(0, self.length - bases, self.most).tolist(), 0, bases)

    def within_genes(self, bases: int) -> list[str]:
        """Stretches of the plus strand that lie within long genes, half of which lie on the other strand."""
        rows = self.some(self.coding[self.coding["end"] - self.coding["start"] >= bases + 60])
        return self.around((rows["start"] + 30).tolist(), 0, bases)

    def shuffled(self, sequences: Sequence[str]) -> list[str]:
        """Each with its dinucleotides kept."""
        return [base_letters(shuffle_dinucleotides(base_codes(s), self.random)) for s in sequences]

    def mutated(self, sequence: str, share: float) -> str:
        """With that share of its letters replaced by others."""
        letters = np.array(list(sequence))
        at = self.random.permutation(letters.size)[: round(share * letters.size)]
        shift = self.random.integers(1, 4, at.size)
        letters[at] = [BASES[(BASES.index(letters[i]) + s) % 4] for i, s in zip(at, shift, strict=True)]
        return "".join(letters)


def auroc(real: Sequence[float], other: Sequence[float]) -> float:
    """Chance that one of the real has the higher value; what was not judged counts as lowest."""
    values = np.nan_to_num(np.concatenate([real, other]).astype(float), nan=-1e9)
    return float(roc_auc_score([1] * len(real) + [0] * len(other), values))


def column(judge: Judge, name: str, sequences: Sequence[str]) -> np.ndarray:
    """One of a judge's columns, float64, NaN where there is nothing."""
    return judge.judge(sequences)[name].to_numpy(float, na_value=np.nan)


def genes(truth: Truth, judge: Genes) -> Figures:
    """Genes of the whole genome: known by their stop codons, then compared by their starts."""
    called = judge.find(truth.letters)
    called = called[called["whole"]]

    def ends(rows: pd.DataFrame) -> dict[tuple[str, int], int]:
        plus = rows["strand"] == "+"
        stop, start = rows["end"].where(plus, rows["start"]), rows["start"].where(plus, rows["end"])
        return dict(zip(zip(rows["strand"], stop, strict=True), start, strict=True))

    known, found = ends(truth.coding), ends(called)
    both = known.keys() & found.keys()
    covered = np.zeros(truth.length, bool)
    for start, end in zip(truth.coding["start"], truth.coding["end"], strict=True):
        covered[start:end] = True
    density = [float(covered[i : i + 10_000].mean()) for i in range(0, truth.length - 10_000, 10_000)]
    pieces = [truth.letters[i : i + 10_000] for i in range(0, truth.length - 10_000, 10_000)]
    chosen = truth.random.permutation(len(pieces))[: truth.most]
    said = column(judge, "coding_density", [pieces[i] for i in chosen])
    return {
        "genes_recall": len(both) / len(known),
        "genes_precision": len(both) / len(found),
        "genes_same_start": sum(known[k] == found[k] for k in both) / len(both),
        "genes_density_error": float(np.abs(said - np.array(density)[chosen]).mean()),
    }


def stops(truth: Truth, judge: Judge) -> Figures:
    """Whether the frame of a gene is the open one."""
    rows = truth.some(truth.coding[truth.coding["end"] - truth.coding["start"] >= 400])
    right = []
    for row in rows.itertuples():
        piece = truth.genome.fetch(truth.chrom, row.start + 30, row.start + 330)
        # Its first base is the first of a codon on the plus strand, its last the last of one on the minus.
        best = longest_open(piece)
        right.append(best.frame.strand == row.strand and best.frame.offset == 0)
    pieces = truth.within_genes(600)
    real = column(judge, "longest_open", pieces)
    return {
        "stops_frame_found": float(np.mean(right)),
        "stops_auroc_shuffled": auroc(real, column(judge, "longest_open", truth.shuffled(pieces))),
    }


def starts(truth: Truth, judge: Starts) -> Figures:
    """Annotated start codons against the others of their frame nearby."""
    first, chance, true, others = [], [], [], []
    room = NEAR + LEADER
    for row in truth.some(truth.coding).itertuples():
        at = row.start if row.strand == "+" else row.end - 3
        if not room < at < truth.length - room:
            continue
        window = truth.genome.fetch(truth.chrom, at - room, at + 3 + room, row.strand)
        rates = {i - room: rate for i, _, rate in judge.rates(window) if abs(i - room) <= NEAR}
        beside = [rate for i, rate in rates.items() if i % 3 == 0 and i]
        if 0 in rates and beside:
            first.append(rates[0] > max(beside))
            chance.append(1 / (1 + len(beside)))
            true.append(rates[0])
            others += beside
    return {
        "starts_genes": len(first),
        "starts_strongest": float(np.mean(first)),
        "starts_strongest_by_chance": float(np.mean(chance)),
        "starts_auroc": auroc(true, others),
    }


def lac_mutants(truth: Truth) -> tuple[list[str], np.ndarray]:
    """Mutants of the lac promoter between the genome's own bases, and their mean bin of fluorescence."""
    table = pd.read_csv(DATA / "variant_effects/lac_sortseq_kinney2010.csv.gz")
    counts = table[[f"ct_{i}" for i in range(10)]].to_numpy()
    table["bin"] = (counts * np.arange(10)).sum(axis=1) / counts.sum(axis=1)
    wild = "".join(pd.DataFrame(table["x"].map(list).tolist()).mode().iloc[0])
    whole = truth.letters if wild in truth.letters else reverse_complement(truth.letters)
    at = whole.index(wild)
    before, after = whole[at - FLANK : at], whole[at + len(wild) : at + len(wild) + FLANK]
    rows = truth.some(table)
    return [before + x + after for x in rows["x"]], rows["bin"].to_numpy()


def ecocyc(truth: Truth, name: str) -> pd.DataFrame:
    """A table of EcoCyc, those without a place left out; positions are one-based."""
    table = pd.read_csv(DATA / "ecoli" / f"ecocyc_{name}_U00096.3.tsv", sep="\t")
    places = [c for c in table.columns if c.endswith("Position")]
    return table.dropna(subset=places).astype(dict.fromkeys(places, int))


def promoters(truth: Truth, judge: Promoters) -> Figures:
    """Measured activity, on the strand of the reporter, and first bases of transcripts that are known."""

    def rates(sequences: Sequence[str]) -> list[float]:
        return [max(state["Tx_rate"] for _, state in judge.states(s)) for s in sequences]

    mutants, bins = lac_mutants(truth)
    path = DATA / "variant_effects/model_tss_expression_model_format_train_genome_split.txt.gz"
    assay = truth.some(pd.read_csv(path, sep="\t", names=["sequence", "expression"]))
    places = truth.some(ecocyc(truth, "promoters"))["Absolute-Plus-1-Position"].to_numpy() - 1
    real = truth.around(places.tolist(), *PROMOTER)
    found = judge.judge(real)
    near = (found["tss"] - PROMOTER[0]).abs() <= CLOSE
    rate = found["rate"].to_numpy(float)
    return {
        "promoters_lac_spearman": spearmanr(rates(mutants), bins).statistic,
        "promoters_assay_spearman": spearmanr(
            rates(assay["sequence"].tolist()), assay["expression"]
        ).statistic,
        "promoters_auroc_shuffled": auroc(rate, column(judge, "rate", truth.shuffled(real))),
        "promoters_auroc_coding": auroc(rate, column(judge, "rate", truth.within_genes(sum(PROMOTER)))),
        "promoters_place_found": float(near.mean()),
        # Of the bases of both strands that may be first, those that count as found.
        "promoters_place_by_chance": (2 * CLOSE + 1) / (sum(PROMOTER) - 57 - 20),
    }


def terminators(truth: Truth, judge: Judge) -> Figures:
    """EcoCyc's terminators, of which some depend on rho and have no hairpin with a tail."""
    table = truth.some(ecocyc(truth, "terminators"))
    middle = ((table["Left-End-Position"] + table["Right-End-Position"]) // 2 - 1).tolist()
    real = truth.around(middle, TERMINATOR, TERMINATOR)
    said = column(judge, "confidence", real)
    coding = column(judge, "confidence", truth.within_genes(2 * TERMINATOR))
    shuffled = column(judge, "confidence", truth.shuffled(real))
    return {
        "terminators_found": float((said >= CONFIDENT).mean()),
        "terminators_found_in_coding": float((coding >= CONFIDENT).mean()),
        "terminators_found_in_shuffled": float((shuffled >= CONFIDENT).mean()),
        "terminators_auroc_shuffled": auroc(said, shuffled),
        "terminators_auroc_coding": auroc(said, coding),
    }


def trnas(truth: Truth, judge: Judge) -> Figures:
    """TRNA genes of the whole genome, by their interval and strand."""
    known = {(r.start, r.end, r.strand) for r in truth.tracks["tRNA"].itertuples()}
    found = {(g.start, g.end, g.strand) for g in find_trnas(truth.letters) if g.kind.startswith("tRNA")}
    met = [k for k in known if any(f[2] == k[2] and f[0] < k[1] and f[1] > k[0] for f in found)]
    return {
        "trnas_recall": len(met) / len(known),
        "trnas_precision": sum(
            any(f[2] == k[2] and f[0] < k[1] and f[1] > k[0] for k in known) for f in found
        ) / len(found),
        "trnas_same_ends": len(known & found) / len(known),
    }  # fmt: skip


def codon_usage(truth: Truth, judge: Judge) -> Figures:
    """Genes of the same genome that the reference counts (one sequence in thousands of it)."""
    pieces = truth.within_genes(600)
    real, other = (column(judge, "cai", s) for s in (pieces, truth.shuffled(pieces)))
    return {"codon_usage_auroc_shuffled": auroc(real, other)}


def strangers(truth: Truth, path: str, bases: int) -> list[str]:
    """Stretches of another genome."""
    genome = Genome(DATA / path)
    name = max(genome.lengths, key=lambda n: genome.lengths[n])
    places = truth.random.integers(0, genome.lengths[name] - bases, truth.most)
    return [genome.fetch(name, int(p), int(p) + bases) for p in places]


def composition(truth: Truth, judge: Judge) -> Figures:
    """Stretches of 1 kb of MG1655 against those of others, which should be farther."""
    own = column(judge, "distance", truth.anywhere(1_000))
    return {
        f"composition_auroc_{name}": auroc(column(judge, "distance", strangers(truth, path, 1_000)), own)
        for name, path in (
            ("tuberculosis", "tb/NC_000962.3.gbk.gz"),
            ("aureus", "pretraining/BX571856.1.fasta.gz"),
            ("citrobacter", "pretraining/GCF_003937345.1.fna.gz"),
        )
    }


def genome_match(truth: Truth, judge: Judge) -> Figures:
    """Stretches of 500 bases with substitutions, at their own place or not; shuffled ones anywhere."""
    places = truth.random.integers(0, truth.length - 500, truth.most)
    own = [truth.letters[p : p + 500] for p in places]
    figures = {}
    for share in (0, 5, 10, 15, 20):
        found = judge.judge([truth.mutated(s, share / 100) for s in own])
        right = (found["start"] < places + 500) & (found["end"] > places)
        figures[f"genome_match_found_{share}"] = float(right.fillna(False).mean())
    said = judge.judge(truth.shuffled(own))
    return figures | {"genome_match_found_shuffled": float((said["aligned"] > 0).mean())}


def training_match(truth: Truth, judge: Judge) -> Figures:
    """Stretches of 20 kb of two genomes that `mini` was trained on, and of two that it was not."""
    own = [
        column(judge, "identity", strangers(truth, f"pretraining/{name}", 20_000))
        for name in ("BX571856.1.fasta.gz", "NC_011916.fna.gz")
    ]
    new = [
        column(judge, "identity", truth.anywhere(20_000)),
        column(judge, "identity", strangers(truth, "tb/NC_000962.3.gbk.gz", 20_000)),
    ]
    return {
        "training_match_identity_seen": float(np.nanmean(np.concatenate(own))),
        "training_match_identity_new": float(np.nanmean(np.concatenate(new))),
        "training_match_auroc": auroc(np.concatenate(own), np.concatenate(new)),
    }


def likelihood(truth: Truth, judge: Judge) -> Figures:
    """Stretches of 1 kb against themselves shuffled, which should cost more bits."""
    pieces = truth.anywhere(1_000)
    real, other = (column(judge, "bits_per_base", s) for s in (pieces, truth.shuffled(pieces)))
    return {"likelihood_auroc_shuffled": auroc(other, real), "likelihood_bits": float(real.mean())}


QUESTIONS: dict[str, Callable[[Truth, Judge], Figures]] = {
    f.__name__: f  # type: ignore[misc]
    for f in (
        *(genes, stops, starts, promoters, terminators, trnas, codon_usage, composition),
        *(genome_match, training_match, likelihood),
    )
}


def heard(names: Sequence[str]) -> Iterator[tuple[str, Judge | NotJudged]]:
    """Judges that are ready, or why they are not."""
    for name in names:
        try:
            yield name, JUDGES[name](References(GENOME, ANNOTATION))
        except NotJudged as reason:
            yield name, reason


def main() -> None:
    made = parser(__doc__ or "", "60 sequences a question instead of 300 (promoters: 20, 100)")
    made.add_argument("--judge", action="append", choices=list(QUESTIONS), help="one judge alone; repeatable")
    given = made.parse_args()
    if gone := absent("ecoli", "tb", "variant_effects", "pretraining"):
        skip(given, gone)
        return
    results: dict[str, object] = {}
    for name, judge in heard(given.judge or list(QUESTIONS)):
        if isinstance(judge, NotJudged):
            results[f"{name}_skipped"] = str(judge)
            continue
        # Each from the same start, so that one judge alone gives the figures that it gives among all.
        most = (60 if given.quick else 300) // (3 if name == "promoters" else 1)
        figures = QUESTIONS[name](Truth(most), judge)
        print(name, figures, file=sys.stderr, flush=True)
        results |= figures
    finish(given, results)


if __name__ == "__main__":
    main()
