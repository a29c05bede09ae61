"""The released StripedHyena models: what each is, how large, and where its file is looked for.

Configurations, parameter counts and file facts are those of the published checkpoints of Evo 1, Evo 1.5
and Evo 2; ``parameter_count`` derives the counts from shapes, so that the table checks itself.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from genomic_models.files import expanded
from genomic_models.striped_hyena.config import VOCABULARY, StripedHyenaConfig

BF16_FINE = "not needed: bf16 and fp32 are fine"
FP8_ANY = "input projections need FP8 quantisation: without it the loss is about 0.17 nats a base too high"
FP8_HOPPER = (
    "input projections need FP8 with the truncated accumulator of Hopper GPUs: in bf16 or fp32, and "
    "on other GPUs, the model is broken (20 to 40 % accuracy)"
)
HEAD_WIDTH = 128
INDEX, SINGLE = "model.safetensors.index.json", "model.safetensors"


@dataclass(frozen=True)
class ReleasedModel:
    """One published checkpoint.

    Attributes
    ----------
    name : str
        How the model is asked for.
    config : StripedHyenaConfig
        Its architecture.
    repository : str
        ``OWNER/NAME`` on the Hugging Face hub.
    files : tuple of str
        Published files in the order in which they are joined; for safetensors, the index that
        names the shards.
    bytes : int or None
        Size of the files together; None where it is not documented.
    parameters : int
        Number of trained values, the tied embedding counted once.
    revision : str
        Branch, tag or start of the commit to take.
    sha256_prefix : str
        First 16 hexadecimal digits of the (merged) file's SHA-256; empty where not documented.
    fp8 : str
        Whether 8-bit input projections are needed, in words.
    context : int
        Longest sequence in bases that the model was trained for.
    note : str
        What else to know before using it.
    """

    name: str
    config: StripedHyenaConfig
    repository: str
    files: tuple[str, ...]
    bytes: int | None
    parameters: int
    revision: str
    sha256_prefix: str
    fp8: str
    context: int
    note: str

    @property
    def entries(self) -> tuple[str, ...]:
        """Names a copy of this checkpoint can begin with, the likeliest first."""
        if self.config.generation == "evo1":
            return (INDEX, SINGLE)
        whole = f"{self.name}.pt"
        return (whole,) if self.files == (whole,) else (whole, self.files[0])

    def by_hand(self, place: Path) -> str:
        """Which files to copy where, for a machine without a way to the hub: names, size, folder."""
        size = f" ({self.bytes:,} bytes together)" if self.bytes else " (size not published)"
        shards = " and the files that it lists" if self.files[0].endswith(".json") else ""
        return (
            f"copy {', '.join(self.files)}{shards}{size} from huggingface.co/{self.repository}, revision"
            f" {self.revision}, into {place}"
        )


def parameter_count(config: StripedHyenaConfig) -> int:
    """Trained values of a network, from its shapes; the tied embedding is counted once.

    Rotary frequencies are constants and do not count. Evo 2 has no biases but those of output
    projections; Evo 1 adds them to input projections, ``Wqkv`` and the short filter.
    """
    blocks = sum(block_parameters(config, i) for i in range(config.depth) if config.pattern[i] != "-")
    return VOCABULARY * config.width + blocks + config.width


def block_parameters(config: StripedHyenaConfig, index: int) -> int:
    """Trained values of a block."""
    width, inside, filters = config.width, config.mixer_width(index), config.mixer(index)
    evo1 = config.generation == "evo1"
    front = 3 * inside * width + (3 * inside if evo1 else 0)  # projections or Wqkv
    out = inside * width + width
    featurizer = 3 * inside * 3 + (3 * inside if evo1 else 0)
    modes = 2 * config.state * (2 if evo1 else 1)  # poles and residues; Evo 1: complex
    mixer = {
        "S": featurizer + filters * config.short_filter,
        "D": featurizer + filters * config.medium_filter + inside,
        "H": featurizer + inside * modes + inside,
        "*": 0,
    }
    return 2 * width + 3 * width * config.inner_width(index) + front + out + mixer[config.pattern[index]]


PATTERN_1B = "SDH*SDHSDH*SDHSDH*SDHSDH*"
PATTERN_7B = "SDH*SDHSDH*SDHSDH*SDHSDH*SDHSDH*"
PATTERN_20B = "SDH*SDHSDH*SDHSDH*SDHSDH"
PATTERN_40B = "SDH*SDHSDH*SDHSDH*SDHSDH*SDHSDH*SDH*SDHSDH*SDHSDH*"
PATTERN_EVO1 = "".join("*" if i in (8, 16, 24) else "H" for i in range(32))


def _evo2(
    pattern: str,
    width: int,
    groups: int,
    inner: int,
    context: int,
    base: float = 1e4,
    scale: float = 1.0,
    fp8: bool = False,
) -> StripedHyenaConfig:
    return StripedHyenaConfig(
        generation="evo2",
        pattern=pattern,
        width=width,
        heads=width // HEAD_WIDTH,
        inner=inner,
        groups=groups,
        rotary_base=base,
        position_scale=scale,
        context=context,
        fp8_projections=fp8,
    )


def _evo1(context: int, scale: float = 1.0) -> StripedHyenaConfig:
    return StripedHyenaConfig(
        generation="evo1",
        pattern=PATTERN_EVO1,
        width=4096,
        heads=32,
        inner=10928,
        groups=4096,
        state=8,
        position_scale=scale,
        context=context,
    )


EVO2_1B = _evo2(PATTERN_1B, 1920, 128, 5120, 8192, fp8=True)
EVO2_7B_BASE = _evo2(PATTERN_7B, 4096, 256, 11008, 8192)
EVO2_7B_262K = _evo2(PATTERN_7B, 4096, 256, 11008, 262144, scale=32)
EVO2_7B = _evo2(PATTERN_7B, 4096, 256, 11264, 1048576, scale=128)
EVO2_20B = _evo2(PATTERN_20B, 8192, 512, 22528, 1048576, base=1e6, scale=128, fp8=True)
EVO2_40B_BASE = _evo2(PATTERN_40B, 8192, 512, 21888, 8192, base=1e6, fp8=True)
EVO2_40B = _evo2(PATTERN_40B, 8192, 512, 22528, 1048576, base=1e6, scale=128, fp8=True)
EVO1_8K = _evo1(8192)
EVO1_131K = _evo1(131072, scale=16)

FIX = "revision 1.1_fix only: main holds wrongly permuted projections"
UNSIZED = "size of the files is not documented; about 12.9 GB"


def _model(
    name: str,
    config: StripedHyenaConfig,
    repository: str,
    parameters: int,
    revision: str,
    note: str,
    files: tuple[str, ...] = (),
    size: int | None = None,
    sha256: str = "",
    fp8: str = BF16_FINE,
) -> ReleasedModel:
    published = files or ((INDEX,) if config.generation == "evo1" else (f"{name}.pt",))
    return ReleasedModel(
        name=name,
        config=config,
        repository=repository,
        files=published,
        bytes=size,
        parameters=parameters,
        revision=revision,
        sha256_prefix=sha256,
        fp8=fp8,
        context=config.context,
        note=note,
    )


def _parts(name: str) -> tuple[str, ...]:
    return (f"{name}.pt.part0", f"{name}.pt.part1")


_ALL = (
    _model(
        "evo2_1b_base",
        EVO2_1B,
        "arcinstitute/evo2_1b_base",
        1_107_989_760,
        "2279e1df",
        "smallest Evo 2; trained at 8,192",
        size=2_698_327_083,
        sha256="8ffba7d0e6445a8f",
        fp8=FP8_ANY,
    ),
    _model(
        "evo2_7b_base",
        EVO2_7B_BASE,
        "arcinstitute/evo2_7b_base",
        6_481_059_584,
        "074097e9",
        "trained at 8,192; the published configuration file says 32,768",
        size=13_006_429_947,
        sha256="d8a0e775a5d84992",
    ),
    _model(
        "evo2_7b_microviridae",
        EVO2_7B_BASE,
        "evo-design/evo-2-7b-8k-microviridae",
        6_481_059_584,
        "main",
        "evo2_7b_base tuned on Microviridae; size of the file is not documented, about 13.0 GB",
    ),
    _model(
        "evo2_7b_262k",
        EVO2_7B_262K,
        "arcinstitute/evo2_7b_262k",
        6_481_059_584,
        "27c4f055",
        "the model of the published layer-26 SAE",
        size=13_860_249_112,
        sha256="887d009cb9eaf059",
    ),
    _model(
        "evo2_7b",
        EVO2_7B,
        "arcinstitute/evo2_7b",
        6_581_722_880,
        "bda0089f",
        "1 M context; not the model of the published SAE",
        size=13_766_621_200,
        sha256="c66645929dc1b9c6",
    ),
    _model(
        "evo2_20b",
        EVO2_20B,
        "arcinstitute/evo2_20b",
        19_738_780_160,
        "8b0f0a9a",
        "no attention in the last blocks; input projections are fp32 in the file",
        size=47_945_795_557,
        sha256="979b345dc700a9ca",
        fp8=FP8_HOPPER,
    ),
    _model(
        "evo2_40b",
        EVO2_40B,
        "arcinstitute/evo2_40b",
        41_117_574_144,
        "d529aa57",
        "two parts to be joined; the digest is of the joined file",
        files=_parts("evo2_40b"),
        size=2 * 41_126_745_847,
        sha256="dd299612b1c1cddd",
        fp8=FP8_HOPPER,
    ),
    _model(
        "evo2_40b_base",
        EVO2_40B_BASE,
        "arcinstitute/evo2_40b_base",
        40_331_142_144,
        "a91f87a9",
        "two parts to be joined; trained at 8,192",
        files=_parts("evo2_40b_base"),
        size=40_340_310_342 + 40_340_310_341,
        fp8=FP8_HOPPER,
    ),
    _model(
        "evo-1-8k-base",
        EVO1_8K,
        "togethercomputer/evo-1-8k-base",
        6_452_781_056,
        "1.1_fix",
        f"{FIX}; {UNSIZED}",
    ),
    _model(
        "evo-1-131k-base",
        EVO1_131K,
        "togethercomputer/evo-1-131k-base",
        6_452_781_056,
        "1.1_fix",
        FIX,
        size=12_913_213_568,
    ),
    _model(
        "evo-1.5-8k-base",
        EVO1_8K,
        "evo-design/evo-1.5-8k-base",
        6_452_781_056,
        "main",
        f"Evo 1 trained for longer; {UNSIZED}",
    ),
    _model(
        "evo-1-8k-crispr",
        EVO1_8K,
        "LongSafari/evo-1-8k-crispr",
        6_452_781_056,
        "main",
        f"tuned on CRISPR-Cas loci, prompted by class letters; {UNSIZED}",
    ),
    _model(
        "evo-1-8k-transposon",
        EVO1_8K,
        "LongSafari/evo-1-8k-transposon",
        6_452_781_056,
        "main",
        f"tuned on IS200 and IS605 transposons; {UNSIZED}",
    ),
)

# Every released model by name.
RELEASED: dict[str, ReleasedModel] = {model.name: model for model in _ALL}


def hub_cache() -> Path:
    """Folder in which the Hugging Face hub keeps its copies, by the hub's own variables."""
    if folder := os.environ.get("HF_HUB_CACHE"):
        return expanded(folder)
    general = os.environ.get("XDG_CACHE_HOME", "~/.cache")
    return expanded(os.environ.get("HF_HOME", f"{general}/huggingface")) / "hub"


def _snapshots(repository: str) -> Path:
    return hub_cache() / f"models--{repository.replace('/', '--')}" / "snapshots"


def snapshots_of(repository: str) -> list[Path]:
    """Folders of a repository's revisions in the Hugging Face cache."""
    return sorted(path for path in _snapshots(repository).glob("*") if path.is_dir())


def where_to_look(name: str, model_dir: str | Path | None = None) -> list[Path]:
    """Places where a released model's file may lie, in the order in which they are tried.

    Parameters
    ----------
    name : str
        A key of ``RELEASED``.
    model_dir : path, optional
        Folder that holds checkpoints, directly or in a subfolder of the model's name. Without it,
        the variable ``WORKBENCH_MODELS`` says which folder.

    Returns
    -------
    list of Path
        First the given folder, then the snapshots of the Hugging Face cache, then a merged file
        beside that cache. A snapshot that is not there is shown with the wanted revision.

    Raises
    ------
    ValueError
        If no released model has that name.
    """
    if name not in RELEASED:
        raise ValueError(f"no released model is called {name!r}: choose one of {', '.join(RELEASED)}")
    model = RELEASED[name]
    places: list[Path] = []
    if chosen := model_dir or os.environ.get("WORKBENCH_MODELS"):
        folder = expanded(chosen)
        places += [root / entry for root in (folder / name, folder) for entry in model.entries]
    cache = hub_cache()
    snapshots = _snapshots(model.repository)
    here = snapshots_of(model.repository)
    # the wanted revision before any other that happens to be there
    here.sort(key=lambda path: not path.name.startswith(model.revision))
    places += [
        snapshot / entry for snapshot in here or [snapshots / model.revision] for entry in model.entries
    ]
    if model.config.generation == "evo2":
        places.append(cache.parent / f"{name}.pt")
    return places
