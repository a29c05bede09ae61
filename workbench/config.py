"""``study.toml``: what the user asked for, every default written out, unknown keys refused."""

from __future__ import annotations

import re
import tomllib
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import tomlkit

from workbench.atomic import write_atomic
from workbench.errors import InputError


@dataclass(frozen=True)
class InputConfig:
    """Files of the study; paths are absolute or relative to the study folder."""

    genome: str = ""
    tracks: list[str] = field(default_factory=list)
    regions: str = ""
    circular: list[str] = field(default_factory=list)
    rename: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ModelConfig:
    """Which model is probed, where in it, and on what hardware."""

    name: str = "mini"
    layer: str = ""
    device: str = "cpu"
    dtype: str = "float32"
    folder: str = ""
    accept_precision_loss: bool = False
    trust_remote_code: bool = False


@dataclass(frozen=True)
class WindowConfig:
    """How the genome is cut for the model: bases a window, bases thrown away, windows a batch.

    ``batch`` 0 takes as many windows as the free memory of the GPU holds.
    """

    window: int = 2048
    warmup: int = 512
    batch: int = 4


@dataclass(frozen=True)
class SplitConfig:
    """Shares of the genome for SAE training, for choosing, and for printed figures."""

    train: float = 0.5
    select: float = 0.25
    report: float = 0.25
    block: int = 0


SAE_ARCHITECTURES = ("batch_topk", "gated", "jump_relu", "matryoshka", "relu_l1", "topk")
"""Autoencoders that read and write one layer."""
SAE_PENALISED = ("gated", "relu_l1")
"""Those whose sparsity comes from an L1 penalty."""


@dataclass(frozen=True)
class SAEConfig:
    """The sparse autoencoder: ``width`` features, ``k`` active a base, or one that exists (``source``).

    ``architecture`` is one of ``SAE_ARCHITECTURES``. ``k`` is kept on average by all but ``relu_l1`` and
    ``gated``, whose penalty is adapted to come near it, or has the weight ``l1`` where that is above 0.
    ``tied`` reads along the directions that are written along. ``seeds`` autoencoders are trained together;
    the first is the study's, the others show which features another seed finds as well. ``precision`` is
    ``float32`` or ``bfloat16``.
    """

    source: str = ""
    architecture: str = "batch_topk"
    width: int = 0
    k: int = 16
    l1: float = 0.0
    tied: bool = False
    seeds: int = 1
    precision: str = "float32"
    tokens: int = 4_000_000
    batch: int = 2048
    learning_rate: float = 0.0
    checkpoint_every: int = 100


@dataclass(frozen=True)
class ActivationConfig:
    """What is read off the model beside the study's own layer, and whether it is kept.

    ``layers`` get autoencoders of their own, trained off one pass of the model, under ``layers/``. With
    ``cache`` the activations to train on (4 bytes a number, both strands of the train split) are written once
    under ``activations/`` and read by every training after that: other seeds, widths, rates, layers.
    """

    layers: list[str] = field(default_factory=list)
    cache: bool = False


@dataclass(frozen=True)
class StatisticsConfig:
    """Which tracks are tested, and how runs of active bases are joined."""

    skip_tracks: list[str] = field(default_factory=lambda: ["region", "source", "sequence_feature"])
    min_intervals: int = 5
    merge_gap: int = 3


@dataclass(frozen=True)
class ControlConfig:
    """Baselines that go through the same pipeline, on at most ``bases`` bases of each split."""

    random_weights: bool = True
    bases: int = 300_000


@dataclass(frozen=True)
class AuditConfig:
    """Shortcut audit: sequence files that the model was trained on, where they are at hand."""

    corpus: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class CohortConfig:
    """Samples with variants (VCF, BCF), sequences or a ready matrix, and their phenotypes; see the README."""

    variants: str = ""
    sequences: str = ""
    matrix: str = ""
    phenotypes: str = ""
    phenotype: list[str] = field(default_factory=list)
    covariates: list[str] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)
    tree: str = ""
    distances: str = ""
    kinship: str = ""
    mismatch: str = "refuse"
    regions: str = ""
    names: list[str] = field(default_factory=list)
    flank: int = 0
    unphased: str = "as_written"
    max_missing: float = 0.1


@dataclass(frozen=True)
class PhenotypeConfig:
    """Which burdens are tested, how lineages are held fixed, and how hits are asked again; see the README.

    Attributes
    ----------
    burdens : list of str
        Statistics of a region's features, as `BurdenStore` names them.
    strand : str
        Reading: +, - or both.
    lineage : str
        Column of [cohort] groups that is held fixed, permuted within and left out in folds; empty: the first.
    model : str
        fixed (least squares, logistic) or mixed (linear mixed model with kinship).
    components : int
        Principal components of the kinship among the covariates.
    fewest : int
        Minor count below which a feature is not tested.
    permutations : int
        Of the phenotype within lineage.
    discovery : str
        COLUMN=VALUE, a column of [cohort] groups: samples with it are searched, the others asked again.
    catalogue : str
        Table with columns variant (CHROM:POS:REF:ALT) and phenotype: known variants, as a baseline.
    predict : bool
        Cross-validate predictions.
    """

    burdens: list[str] = field(default_factory=lambda: ["gained", "lost"])
    strand: str = "both"
    lineage: str = ""
    model: str = "fixed"
    components: int = 0
    fewest: int = 10
    permutations: int = 999
    discovery: str = ""
    catalogue: str = ""
    predict: bool = True


COHORT_FILES = (
    "variants",
    "sequences",
    "matrix",
    "phenotypes",
    "tree",
    "distances",
    "kinship",
)
"""Keys of ``[cohort]`` that name files."""
MISMATCH = ("refuse", "intersect")
"""What to do with samples that only variants, or only phenotypes, have."""
UNPHASED = ("as_written", "mask")
"""Two or more unphased heterozygous sites in a window: alleles taken in the order written, or missing."""


@dataclass(frozen=True)
class RunConfig:
    """Seed of everything random; bases of a shard, 0 for what this machine reads in ten minutes.

    ``trainers`` processes train the autoencoder together, each with a model of its own, on a GPU of its own
    where there are as many.
    """

    seed: int = 0
    shard_bases: int = 98_304
    trainers: int = 1


@dataclass(frozen=True)
class JobConfig:
    """Batch jobs: what `workbench submit` asks the scheduler for; empty leaves it to the site's defaults.

    Attributes
    ----------
    scheduler : str
        slurm, pbs, torque, lsf or sge; empty finds the one on this machine.
    tasks, max_running : int
        Tasks of a job array, and how many of them may run at once (0: all).
    partition, account, time, memory : str
        Queue, account, wall time ``H:MM:SS`` and memory ``32G`` of one task.
    cpus, gpus : int
        Cores and GPUs of one task; GPUs only where the model runs.
    warning : int
        Seconds before its end at which a task is told to save its state.
    setup, extra : list of str
        Shell lines run first (modules, environments); scheduler options passed on as they are.
    python, container, scratch : str
        Python of the workers (empty: this one), an Apptainer image, a folder for temporary files.
    """

    scheduler: str = ""
    tasks: int = 16
    max_running: int = 0
    partition: str = ""
    account: str = ""
    time: str = ""
    memory: str = ""
    cpus: int = 2
    gpus: int = 0
    warning: int = 120
    setup: list[str] = field(default_factory=list)
    extra: list[str] = field(default_factory=list)
    python: str = ""
    container: str = ""
    scratch: str = ""


@dataclass(frozen=True)
class StudyConfig:
    """The whole of ``study.toml``."""

    input: InputConfig = field(default_factory=InputConfig)
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


def _fits(value: object, kind: Any) -> bool:
    origin = get_origin(kind)
    if origin is list:
        return isinstance(value, list) and all(isinstance(v, get_args(kind)[0]) for v in value)
    if origin is dict:
        return isinstance(value, dict) and all(isinstance(v, str) for v in value.values())
    if kind is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if kind is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, kind)


def _section(cls: Any, values: dict[str, Any], where: str) -> Any:
    known = {f.name for f in fields(cls)}
    for key in values:
        if key not in known:
            raise InputError(
                f"{where}: unknown key {key!r}; expected one of {', '.join(sorted(known))}"
            )
    hints = get_type_hints(cls)
    built: dict[str, Any] = {}
    for key, value in values.items():
        kind = hints[key]
        if is_dataclass(kind):
            if not isinstance(value, dict):
                raise InputError(f"{where}: {key} must be a table, found {value!r}")
            built[key] = _section(kind, value, f"{where} [{key}]")
            continue
        if not _fits(value, kind):
            name = getattr(kind, "__name__", str(kind))
            raise InputError(f"{where}: {key} is {value!r}, expected {name}")
        built[key] = value
    return cls(**built)


def _require(holds: bool, text: str) -> None:
    if not holds:
        raise InputError(f"study.toml {text}")


def _check(config: StudyConfig) -> None:
    w, s, a, r = config.windows, config.split, config.sae, config.run
    _require(
        bool(config.input.genome), "[input]: genome is empty, expected a FASTA or GenBank file"
    )
    _require(
        0 <= w.warmup < w.window,
        f"[windows]: warmup {w.warmup} must be at least 0 and less than window {w.window}",
    )
    _require(w.batch >= 0, f"[windows]: batch {w.batch} must be positive, or 0 for what fits")
    _require(
        min(s.train, s.select, s.report) > 0 and abs(s.train + s.select + s.report - 1) < 1e-6,
        f"[split]: train {s.train}, select {s.select}, report {s.report} must be positive and sum to 1",
    )
    _require(
        a.architecture in SAE_ARCHITECTURES,
        f"[sae]: unknown architecture {a.architecture!r}; expected one of {', '.join(SAE_ARCHITECTURES)}",
    )
    _require(a.k >= 1, f"[sae]: k {a.k} must be at least 1")
    _require(a.l1 >= 0, f"[sae]: l1 {a.l1} must be positive, or 0 to adapt it to k")
    _require(
        not a.l1 or a.architecture in SAE_PENALISED,
        f"[sae]: l1 {a.l1} has no meaning for architecture {a.architecture}, whose sparsity is k;"
        f" set l1 = 0, or architecture to one of {', '.join(SAE_PENALISED)}",
    )
    _require(a.seeds >= 1, f"[sae]: seeds {a.seeds} must be at least 1")
    _require(
        a.precision in ("float32", "bfloat16"),
        f"[sae]: precision {a.precision!r}; expected float32 or bfloat16",
    )
    _require(
        a.learning_rate >= 0,
        f"[sae]: learning_rate {a.learning_rate} must be positive, or 0 for the measured rule",
    )
    _require(
        a.checkpoint_every >= 1, f"[sae]: checkpoint_every {a.checkpoint_every} must be at least 1"
    )
    _require(a.width >= 0, f"[sae]: width {a.width} must be positive, or 0 for 8 times the layer")
    _require(a.tokens >= a.batch >= 1, f"[sae]: tokens {a.tokens} must be at least batch {a.batch}")
    _require(
        r.shard_bases >= 0,
        f"[run]: shard_bases {r.shard_bases} must be positive, or 0 for shards of about ten minutes",
    )
    _require(
        r.trainers >= 1 and a.batch % r.trainers == 0,
        f"[run]: trainers {r.trainers} must be at least 1 and divide [sae] batch {a.batch}",
    )
    _require(
        not config.activations.cache or r.trainers == 1,
        f"[activations]: a cache is read by one process; [run] trainers is {r.trainers}",
    )
    _check_cohort(config.cohort)
    _check_phenotype(config.phenotype)
    j = config.jobs
    _require(j.tasks >= 1, f"[jobs]: tasks {j.tasks} must be at least 1")
    _require(
        min(j.max_running, j.gpus, j.warning) >= 0 < j.cpus,
        f"[jobs]: max_running {j.max_running}, gpus {j.gpus}, warning {j.warning} must not be negative,"
        f" cpus {j.cpus} must be at least 1",
    )
    for what, value, form, example in (
        ("time", j.time, r"(\d+-)?\d+:\d\d(:\d\d)?", "4:00:00"),
        ("memory", j.memory, r"\d+[KMGT]", "32G"),
    ):
        _require(
            not value or re.fullmatch(form, value) is not None,
            f"[jobs]: {what} is {value!r}, expected something like {example}",
        )
    _require(config.controls.bases >= 1, "[controls]: bases must be at least 1")


def _check_cohort(c: CohortConfig) -> None:
    given = [name for name in ("variants", "sequences", "matrix") if getattr(c, name)]
    others = [f.name for f in fields(c) if getattr(c, f.name) and f.name in COHORT_FILES]
    _require(
        len(given) == 1 or not others,
        f"[cohort]: {' and '.join(given) or 'none of variants, sequences, matrix'} given; expected one of"
        " variants (VCF or BCF), sequences (FASTA files) and matrix",
    )
    for key, allowed in (("mismatch", MISMATCH), ("unphased", UNPHASED)):
        value = getattr(c, key)
        _require(
            value in allowed, f"[cohort]: {key} is {value!r}, expected one of {', '.join(allowed)}"
        )
    _require(0 <= c.max_missing < 1, f"[cohort]: max_missing {c.max_missing} must be in 0 to 1")
    _require(c.flank >= 0, f"[cohort]: flank {c.flank} must be at least 0")


def _check_phenotype(p: PhenotypeConfig) -> None:
    for key, value, allowed in (
        ("model", p.model, ("fixed", "mixed")),
        ("strand", p.strand, ("+", "-", "both")),
    ):
        _require(
            value in allowed,
            f"[phenotype]: {key} is {value!r}, expected one of {', '.join(allowed)}",
        )
    _require(bool(p.burdens), "[phenotype]: burdens is empty, expected names such as sum or max")
    _require(
        p.fewest >= 1 and p.components >= 0 and p.permutations >= 0,
        f"[phenotype]: fewest {p.fewest} must be at least 1, components {p.components} and permutations"
        f" {p.permutations} must not be negative",
    )
    _require(
        not p.discovery or "=" in p.discovery,
        f"[phenotype]: discovery is {p.discovery!r}, expected COLUMN=VALUE",
    )


def read_config(path: Path) -> StudyConfig:
    """Read and check ``study.toml``. Raises ``InputError`` naming the key and what was expected."""
    try:
        values = tomllib.loads(path.read_text())
    except FileNotFoundError:
        raise InputError(
            f"{path.parent}: no study.toml here; make a study with `workbench new {path.parent}`"
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not valid TOML ({error})") from None
    config: StudyConfig = _section(StudyConfig, values, str(path))
    _check(config)
    return config


def write_config(config: StudyConfig, path: Path) -> None:
    """Write every value, defaults included, with what each section is for."""
    _check(config)
    document = tomlkit.document()
    hints = get_type_hints(StudyConfig)
    for section in fields(StudyConfig):
        table = tomlkit.table()
        table.comment((hints[section.name].__doc__ or "").split(";")[0].split(".")[0])
        for key, value in asdict(getattr(config, section.name)).items():
            table.add(key, value)
        document.add(section.name, table)
    with write_atomic(path) as temporary:
        temporary.write_text(tomlkit.dumps(document))
