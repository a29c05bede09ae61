"""``study.toml``: what the user asked for, every default written out, unknown keys refused."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field, fields
from pathlib import Path

import tomlkit

from workbench.errors import InputError
from workbench.files.atomic import write_atomic
from workbench.files.settings import as_table, check_section, read_section, setting
from workbench.files.text import read_text

# Autoencoders that read and write one layer.
SAE_ARCHITECTURES = ("batch_topk", "gated", "jump_relu", "matryoshka", "relu_l1", "topk")
# Those whose sparsity comes from an L1 penalty.
SAE_PENALISED = ("gated", "relu_l1")
DTYPES = ("float32", "bfloat16")
# Tracks of `workbench.tracks.derive`, named here since that imports pandas.
DERIVED = (
    "CDS_start", "CDS_stop", "intergenic", "operon", "intron", "splice_donor", "splice_acceptor",
    "five_prime_UTR", "three_prime_UTR", "promoter", "exon_first", "exon_inner", "exon_last",
)  # fmt: skip


@dataclass(frozen=True)
class InputConfig:
    """Files of the study; paths are absolute or relative to the study's folder."""

    genome: str = setting("", "FASTA (plain, gzip, bgzip), GenBank or EMBL of the genome.")
    tracks: list[str] = setting(
        [], "Annotation: GFF3, GTF, BED, GenBank, EMBL, bigWig, bedGraph; gzipped or not."
    )
    regions: str = setting("", "BED of regions, to read and judge nothing else; empty: the whole genome.")
    circular: list[str] = setting([], "Names of circular contigs, besides those that a file declares.")
    rename: dict[str, str] = setting({}, "Contig names in files, each with the genome's name for it.")


@dataclass(frozen=True)
class TracksConfig:
    """Tracks that follow from those that are given."""

    derive: list[str] = setting(
        list(DERIVED),
        "Those made where the annotation tells them; most only where it has spliced transcripts.",
        later=True,
    )


@dataclass(frozen=True)
class ModelConfig:
    """Which model is probed, where in it, and on what hardware."""

    name: str = setting("mini", "Model; see `workbench models`.")
    layer: str = setting("", "Tap whose activations are read; empty for the model's default.")
    device: str = setting("cpu", "cpu, cuda, cuda:1 or mps; several with commas between share the blocks.")
    dtype: str = setting("float32", "float32 or bfloat16.", one_of=DTYPES)
    folder: str = setting("", "Folder of the model's files, for a checkpoint that is not found by its name.")
    accept_precision_loss: bool = setting(
        False, "Load weights that were trained in FP8, which is only emulated here."
    )
    trust_remote_code: bool = setting(
        False, "Run code that comes with the model; it must be accepted here (`workbench trust`)."
    )


@dataclass(frozen=True)
class WindowConfig:
    """How the genome is cut for the model."""

    window: int = setting(2048, "Bases that the model reads at once.", least=1)
    warmup: int = setting(
        256, "Bases read and discarded at the start of a window; at both ends if the model sees both sides."
    )
    batch: int = setting(4, "Windows that run together; 0 for what the free memory of the GPU holds.")


@dataclass(frozen=True)
class SplitConfig:
    """Parts of the genome for training, for choosing, and for printed figures."""

    train: float = setting(0.5, "Share that the autoencoder is trained on.")
    select: float = setting(0.25, "Share on which thresholds and features are chosen.")
    report: float = setting(0.25, "Share that every printed figure comes from.")
    block: int = setting(0, "Bases of a block; 0 for about 98 kb, or less in a small genome.")


@dataclass(frozen=True)
class SAEConfig:
    """The sparse autoencoder, trained here or taken from elsewhere."""

    source: str = setting("", "Autoencoder that exists, to use instead of training one.")
    architecture: str = setting(
        "batch_topk", f"One of {', '.join(SAE_ARCHITECTURES)}.", one_of=SAE_ARCHITECTURES
    )
    width: int = setting(0, "Features; 0 for 8 times the layer.")
    k: int = setting(
        16, "Mean active features a base; relu_l1 and gated adapt their penalty to come near it.", least=1
    )
    l1: float = setting(0.0, "Weight of the penalty of relu_l1 and gated; 0 to adapt it to k.")
    tied: bool = setting(False, "Read along the directions that are written along.")
    seeds: int = setting(
        1, "Autoencoders trained together, to see which features recur; the first is the study's.", least=1
    )
    precision: str = setting("float32", "float32 or bfloat16, while training.", one_of=DTYPES)
    tokens: int = setting(4_000_000, "Bases the autoencoder is trained on.")
    batch: int = setting(2048, "Bases of a training step.", least=1)
    learning_rate: float = setting(0.0, "Rate of training; 0 for the measured rule.")
    checkpoint_every: int = setting(100, "Training steps between saved states.", least=1)


@dataclass(frozen=True)
class ActivationConfig:
    """What is read off the model beside the study's own layer, and whether it is kept."""

    layers: list[str] = setting([], "Further layers that get autoencoders, off one pass of the model.")
    cache: bool = setting(
        False, "Keep the activations to train on (4 bytes a number), for trainings after this one."
    )
    kept: int = setting(
        4096,
        "MiB of activations kept under cache/ until the controls are done: what several stages read.",
        later=True,
    )


@dataclass(frozen=True)
class StatisticsConfig:
    """Which tracks are tested, and how runs of active bases are joined."""

    skip_tracks: list[str] = setting(
        ["region", "source", "sequence_feature"], "Names of tracks that are not tested."
    )
    min_intervals: int = setting(5, "Intervals below which a track is left out.")
    merge_gap: int = setting(3, "Bases between active ones that a run bridges.")


@dataclass(frozen=True)
class ControlConfig:
    """Baselines that go through the same pipeline."""

    random_weights: bool = setting(True, "Train an autoencoder of randomly initialised weights too.")
    bases: int = setting(300_000, "Bases of each split that controls are compared on, at most.", least=1)


@dataclass(frozen=True)
class AuditConfig:
    """Shortcut audit."""

    corpus: list[str] = setting([], "Sequence files that the model was trained on, where they are at hand.")


@dataclass(frozen=True)
class CohortConfig:
    """Samples with variants, sequences or a ready matrix, and their phenotypes."""

    variants: str = setting("", "VCF or BCF of many samples, called against the genome.")
    sequences: str = setting("", "Folder, or list, of FASTA files, one a sample.")
    matrix: str = setting("", "Ready table of samples and features.")
    phenotypes: str = setting("", "Table with a column sample and a column a phenotype.")
    phenotype: list[str] = setting([], "Columns to explain; empty: all that are not covariates or groups.")
    covariates: list[str] = setting([], "Columns to adjust for.")
    groups: list[str] = setting([], "Columns that tell lineage, site or family.")
    tree: str = setting("", "Newick tree of the samples.")
    distances: str = setting("", "Square table of distances between samples.")
    kinship: str = setting("", "Square table of kinship between samples.")
    mismatch: str = setting(
        "refuse",
        "Samples that only one side has: refuse them, or go on with those of both (intersect).",
        one_of=("refuse", "intersect"),
    )
    regions: str = setting("", "Track, BED file, windows or contigs; empty: genes, else CDS, else windows.")
    names: list[str] = setting([], "Regions to keep, by name; empty: all.")
    flank: int = setting(0, "Bases added on both sides of a region.")
    unphased: str = setting(
        "as_written",
        "Two unphased heterozygous sites in a window: alleles as_written, or mask.",
        one_of=("as_written", "mask"),
    )
    max_missing: float = setting(0.1, "Share of samples without a call above which a window is dropped.")
    missing: list[str] = setting(
        [], "Entries of tables that mean not measured, besides NA, nan, . and nothing.", later=True
    )


@dataclass(frozen=True)
class PhenotypeConfig:
    """Which burdens are tested, how lineages are held fixed, and how hits are replicated."""

    burdens: list[str] = setting(["gained", "lost"], "Statistics of a region's features that are tested.")
    strand: str = setting("both", "Reading: +, - or both.", one_of=("+", "-", "both"))
    lineage: str = setting(
        "", "Group that is held fixed, permuted within and left out in folds; empty: the first."
    )
    model: str = setting(
        "fixed", "fixed (least squares, logistic) or mixed (linear, with kinship).", one_of=("fixed", "mixed")
    )
    components: int = setting(0, "Principal components of the kinship among the covariates.")
    fewest: int = setting(10, "Minor count below which a feature is not tested.", least=1)
    permutations: int = setting(999, "Permutations of the phenotype within lineage.")
    discovery: str = setting(
        "", "COLUMN=VALUE of a group: samples with it are for discovery, the others for replication."
    )
    catalogue: str = setting(
        "", "Table with columns variant (CHROM:POS:REF:ALT) and phenotype: known variants, a baseline."
    )
    predict: bool = setting(True, "Cross-validate predictions.")


# Keys of ``[cohort]`` that name files.
COHORT_FILES = ("variants", "sequences", "matrix", "phenotypes", "tree", "distances", "kinship")


@dataclass(frozen=True)
class RunConfig:
    """Seed, and how work is cut."""

    seed: int = setting(0, "Seed of everything random.")
    shard_bases: int = setting(98_304, "Bases of a shard; 0 for what this machine reads in ten minutes.")
    trainers: int = setting(
        1, "Processes that train the autoencoder together, on a GPU each where there are as many.", least=1
    )


@dataclass(frozen=True)
class JobConfig:
    """Batch jobs: what `workbench submit` asks the scheduler for; empty leaves it to the site's defaults."""

    scheduler: str = setting("", "slurm, pbs, torque, lsf or sge; empty: the one found here.")
    tasks: int = setting(16, "Tasks of each stage's array.", least=1)
    max_running: int = setting(0, "Tasks that may run at once; 0: all.")
    partition: str = setting("", "Partition or queue.")
    account: str = setting("", "Account or project.")
    qos: str = setting("", "Quality of service (slurm, torque).")
    constraint: str = setting("", "What nodes must have, in the scheduler's words, as a100.")
    mail: str = setting("", "Address that is told when the last job has ended, and of failed ones.")
    time: str = setting("", "Wall time of a task, as 4:00:00.")
    memory: str = setting("", "Memory of a task, as 32G.")
    cpus: int = setting(2, "Cores of a task.", least=1)
    gpus: int = setting(0, "GPUs of a task, in stages that run the model.")
    warning: int = setting(120, "Seconds before its end at which a task saves its state.")
    setup: list[str] = setting([], "Shell lines run first in every job (modules, environments).")
    extra: list[str] = setting([], "Options passed to the scheduler, as --nice=100.")
    python: str = setting("", "Python of the workers; empty: this one.")
    container: str = setting("", "Apptainer image to run in.")
    scratch: str = setting(
        "", "Folder for temporary files; one with a variable, as $SLURM_TMPDIR, is looked for on the node."
    )


@dataclass(frozen=True)
class StudyConfig:
    """The whole of ``study.toml``."""

    input: InputConfig = field(default_factory=InputConfig)
    tracks: TracksConfig = field(default_factory=TracksConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    windows: WindowConfig = field(default_factory=WindowConfig)
    split: SplitConfig = field(default_factory=SplitConfig)
    sae: SAEConfig = field(default_factory=SAEConfig)
    activations: ActivationConfig = field(default_factory=ActivationConfig)
    statistics: StatisticsConfig = field(default_factory=StatisticsConfig)
    controls: ControlConfig = field(default_factory=ControlConfig)
    audit: AuditConfig = field(default_factory=AuditConfig)
    cohort: CohortConfig = field(default_factory=CohortConfig)
    phenotype: PhenotypeConfig = field(default_factory=PhenotypeConfig)
    run: RunConfig = field(default_factory=RunConfig)
    jobs: JobConfig = field(default_factory=JobConfig)

    def check(self) -> None:
        """Raise ``InputError`` for a value out of range."""
        _check(self)

    @property
    def has_annotation(self) -> bool:
        """Whether there are tracks to test features against, and so controls; else they are described."""
        return bool(self.input.tracks)

    @property
    def has_cohort(self) -> bool:
        """Whether there are samples."""
        given = self.cohort
        return bool(given.variants or given.sequences or given.matrix)

    @property
    def has_phenotypes(self) -> bool:
        """Whether there are samples with phenotypes."""
        return self.has_cohort and bool(self.cohort.phenotypes)


def resolve(folder: Path, path: str) -> Path:
    """A path of ``study.toml``, relative ones taken from the study folder."""
    return (folder / path).resolve()


def _require(holds: bool, text: str) -> None:
    if not holds:
        raise InputError(f"study.toml {text}")


def _check(config: StudyConfig) -> None:
    for section in fields(config):
        check_section(getattr(config, section.name), f"study.toml [{section.name}]")
    w, s, a, r = config.windows, config.split, config.sae, config.run
    _require(bool(config.input.genome), "[input]: genome is empty, expected a FASTA or GenBank file")
    _require(w.warmup < w.window, f"[windows]: warmup {w.warmup} must be less than window {w.window}")
    unknown = [name for name in config.tracks.derive if name not in DERIVED]
    _require(
        not unknown,
        f"[tracks]: derive has {', '.join(map(repr, unknown))}, expected some of {', '.join(DERIVED)}",
    )
    device = config.model.device
    _require(
        all(re.fullmatch(r"cpu|mps|cuda(:\d+)?", each) for each in device.split(",")),
        f"[model]: device is {device!r}, expected cpu, mps, cuda, cuda:N, or several as cuda:0,cuda:1",
    )
    _require(
        min(s.train, s.select, s.report) > 0 and abs(s.train + s.select + s.report - 1) < 1e-6,
        f"[split]: train {s.train}, select {s.select}, report {s.report} must be positive and sum to 1",
    )
    _require(
        not a.l1 or a.architecture in SAE_PENALISED,
        f"[sae]: l1 {a.l1} has no meaning for architecture {a.architecture}, whose sparsity is k;"
        f" set l1 = 0, or architecture to one of {', '.join(SAE_PENALISED)}",
    )
    _require(a.tokens >= a.batch, f"[sae]: tokens {a.tokens} must be at least batch {a.batch}")
    _require(a.batch % r.trainers == 0, f"[run]: trainers {r.trainers} must divide [sae] batch {a.batch}")
    _require(
        not config.activations.cache or r.trainers == 1,
        f"[activations]: a cache is read by one process; [run] trainers is {r.trainers}",
    )
    _require(0 <= r.seed < 1 << 63, f"[run]: seed {r.seed} must be at least 0 and less than 2^63")
    _check_cohort(config.cohort)
    p = config.phenotype
    _require(bool(p.burdens), "[phenotype]: burdens is empty, expected names such as sum or max")
    _require(
        not p.discovery or "=" in p.discovery,
        f"[phenotype]: discovery is {p.discovery!r}, expected COLUMN=VALUE",
    )
    _check_jobs(config.jobs)


def _check_cohort(c: CohortConfig) -> None:
    given = [name for name in ("variants", "sequences", "matrix") if getattr(c, name)]
    others = [f.name for f in fields(c) if getattr(c, f.name) and f.name in COHORT_FILES]
    _require(
        len(given) == 1 or not others,
        f"[cohort]: {' and '.join(given) or 'none of variants, sequences, matrix'} given; expected one of"
        " variants (VCF or BCF), sequences (FASTA files) and matrix",
    )
    _require(c.max_missing < 1, f"[cohort]: max_missing {c.max_missing} must be in 0 to 1")


def _check_jobs(j: JobConfig) -> None:
    for what, value in (("partition", j.partition), ("account", j.account), ("qos", j.qos)):
        # Schedulers' options are cut at spaces: what follows would be an option of its own.
        _require(
            re.fullmatch(r"[\w.,:@/+-]*", value) is not None,
            f"[jobs]: {what} is {value!r}, expected a name of letters, digits and . , : @ / + -",
        )
    for what, value, form, example in (
        ("time", j.time, r"(\d+-)?\d+:\d\d(:\d\d)?", "4:00:00"),
        ("memory", j.memory, r"\d+[KMGT]", "32G"),
        ("constraint", j.constraint, r"[\w.,:@/+=&|()*!<>\[\]-]+", "a100 or a100|h100"),
        ("mail", j.mail, r"[\w.+-]+@[\w.-]+", "you@example.org"),
    ):
        _require(
            not value or re.fullmatch(form, value) is not None,
            f"[jobs]: {what} is {value!r}, expected something like {example}",
        )
    _require(
        "$" not in j.scratch or re.fullmatch(r"([\w./+@:,=-]|\$\w+|\$\{\w+\})+", j.scratch) is not None,
        f"[jobs]: scratch is {j.scratch!r}, expected a folder, with variables as $NAME or ${{NAME}} and"
        " nothing else that a shell would run",
    )


def read_config(path: Path) -> StudyConfig:
    """Read and check ``study.toml``. Raises ``InputError`` naming the key and what was expected."""
    if not path.exists():
        raise InputError(
            f"{path.parent}: no study.toml here; make a study with `workbench new {path.parent}`"
        )
    try:
        values = tomllib.loads(read_text(path))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not valid TOML ({error})") from None
    config: StudyConfig = read_section(StudyConfig, values, str(path))
    _check(config)
    return config


def write_config(config: StudyConfig, path: Path) -> None:
    """Write every value, defaults included, under the sentence that says what it is for."""
    _check(config)
    document = tomlkit.document()
    for section in fields(StudyConfig):
        document.add(section.name, as_table(getattr(config, section.name)))
    with write_atomic(path) as temporary:
        temporary.write_text(tomlkit.dumps(document))
