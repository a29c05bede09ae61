"""A small finished study made by hand, without a model: two contigs, 20 features, all tables filled.

``make_study(folder)`` writes the folder that a real run leaves behind, with random but plausible numbers,
and gives back the dense arrays that the feature files were made from, for brute-force checks.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch

from feature_mining.feature_map import from_dense
from feature_mining.sae.config import SAEConfig
from feature_mining.sae.model import SparseAutoencoder
from genomic_models import load
from workbench.genome.interval import Block, Interval
from workbench.study.config import InputConfig, SplitConfig, StudyConfig, WindowConfig
from workbench.study.feature_store import Origin, StrandMap, shard_path, write_shard
from workbench.study.manifest import Manifest, ModelLock, hash_file, versions
from workbench.study.study import Study

N_FEATURES = 20
DEAD = 19
D_MODEL = 16
WARMUP = 64
CONTIGS = {"chrA": 3000, "chrB": 1500}
GAP_OF_N = ("chrA", 1000, 1040)
SHARD = 1200
LAYER = "blocks.3"
WEIGHTS = load("mini").weights_hash
GENES = [
    ("chrA", 200, 800, "+"),
    ("chrA", 900, 1300, "-"),
    ("chrA", 1500, 2100, "+"),
    ("chrA", 2200, 2700, "-"),
    ("chrB", 150, 600, "+"),
    ("chrB", 700, 1200, "-"),
]
PROMOTERS = [(c, s - 40, s, "+") if d == "+" else (c, e, e + 40, "-") for c, s, e, d in GENES]
COLUMNS = [(t, m) for t in ("CDS", "promoter") for m in ("same", "opposite", "any")]
BEST = dict(zip(COLUMNS, (3, 5, 3, 7, 11, 12), strict=True))
VERDICTS = dict(
    zip(
        COLUMNS,
        (
            "learnt",
            "raw neuron as good",
            "composition",
            "learnt",
            "not distinguishable",
            "not distinguishable",
        ),
        strict=True,
    )
)

Dense = dict[tuple[str, str], tuple[np.ndarray, np.ndarray]]


class Synthetic(NamedTuple):
    """The study, and by (chrom, strand) values float32 (length, N_FEATURES) and callable bool (length)."""

    study: Study
    dense: Dense


def make_study(folder: Path, seed: int = 0) -> Synthetic:
    """Write a synthetic study under ``folder`` (inputs under ``folder/inputs``)."""
    rng = np.random.default_rng(seed)
    inputs = folder / "inputs"
    inputs.mkdir(parents=True)
    sequences = _write_genome(inputs / "genome.fa", rng)
    _write_tracks(inputs / "genes.gff3", inputs / "promoter.bed")
    config = StudyConfig(
        input=InputConfig(
            genome=str(inputs / "genome.fa"),
            tracks=[str(inputs / "genes.gff3"), str(inputs / "promoter.bed")],
        ),
        windows=WindowConfig(window=512, warmup=WARMUP, batch=2),
        split=SplitConfig(),
    )
    study = Study.create(folder / "study", config)
    study.lock(_manifest(study))
    sae = _sae(study.folder / "sae", rng)
    dense = _dense(sequences, rng)
    _write_features(study, dense, Origin(WEIGHTS, LAYER, sae.hash))
    associations = _associations(rng)
    tracks = _tracks(associations, rng)
    study.write_table("associations", associations)
    study.write_table("tracks", tracks)
    study.write_table("catalog", _catalog(associations, tracks, dense))
    examples, logos = _examples(sequences, dense)
    study.write_table("examples", examples)
    study.write_table("logos", logos)
    _write_discovery(study, tracks)
    study.write_facts("quality", quality())
    for name, table in quality_tables().items():
        study.write_table(f"quality_{name}", table)
    study.write_facts("training", training())
    return Synthetic(study, dense)


def _write_discovery(study: Study, tracks: pd.DataFrame) -> None:
    """Tables and facts of the stages concepts, audit and unexplained."""
    concepts = tracks[["track", "mode"]].assign(
        lift_1=0.3, lift_2=0.35, lift_5=0.4, lift_20=0.5, base_rate=0.3, auroc_20=0.9,
        single_f1=0.4, union_f1=0.55, union_precision=0.6, union_recall=0.5,
        union_interval_recall=0.75, n_intervals=4, layer_ap_lift=0.6, composition_ap_lift=0.2,
        completeness=0.83, answer="a few features", rule="five features reach at least 80 %",
    )  # fmt: skip
    concepts["features"] = concepts["union"] = [[3, 5, 7]] * len(concepts)
    study.write_table("concepts", concepts)
    copies = (tracks["track"] == "promoter").to_numpy()
    homology = tracks[["track", "mode", "feature"]].assign(
        lift_all=0.5, bases_all=900, lift_without=np.where(copies, 0.1, 0.45),
        bases_without=np.where(copies, 300, 880), n_intervals=6, n_report=2, copies_train=1,
        copies_select=0, copies=1, clusters=5, straddling=1,
    )  # fmt: skip
    study.write_table("homology", homology)
    flags = ["kmer" if f == 3 else "warmup,gc" if f == 4 else "" for f in range(N_FEATURES)]
    audit = pd.DataFrame({"feature": range(N_FEATURES), "fired": 100, "flags": flags})
    study.write_table("audit", audit)
    rows = {"feature": [9, 10], "rank": [1, 0], "structures": ["palindrome", ""]}
    rows |= {"density": [0.01, 0.02], "consensus": ["NNNGCNNN"] * 2, "flags": ["", "kmer"]}
    rows |= {"best_track": ["CDS"] * 2, "best_ap_lift": [0.001, 0.002]}
    for name in ("periodicity", "palindrome", "conservation", "boundary"):
        rows |= {name: [1.0, 1.0], f"{name}_detail": [4.0, 4.0]}
        rows |= {f"{name}_z": [12.0, 1.0], f"{name}_p": [0.02, 0.5]}
    study.write_table("unexplained", pd.DataFrame(rows))
    facts = {
        "windows": 16, "warmup": WARMUP, "window": 512, "profile": [20.0, 9.0, 8.0, 8.0],
        "kept_profile": [8.0] * 8,
        "copies": {"k": 13, "identity": 0.9, "share": 0.05, "tile": 256, "copied": 0.25},
        "corpus": {"statement": "nothing", "checked": False, "source": ""},
        "flags": {
            name: {"rule": f"rule of {name}", "meaning": f"meaning of {name}", "features": 1}
            for name in ("gc", "kmer", "warmup")
        },
    }  # fmt: skip
    study.write_facts("audit", facts)


def _write_genome(path: Path, rng: np.random.Generator) -> dict[str, str]:
    sequences = {name: "".join(rng.choice(list("ACGT"), n)) for name, n in CONTIGS.items()}
    chrom, start, end = GAP_OF_N
    whole = sequences[chrom]
    sequences[chrom] = whole[:start] + "N" * (end - start) + whole[end:]
    path.write_text("".join(f">{name}\n{s}\n" for name, s in sequences.items()))
    return sequences


def _write_tracks(gff: Path, bed: Path) -> None:
    lines = ["##gff-version 3"]
    for i, (chrom, start, end, strand) in enumerate(GENES):
        place = f"{start + 1}\t{end}\t.\t{strand}"
        lines.append(f"{chrom}\tsynthetic\tCDS\t{place}\t0\tID=cds{i};gene=gene{i}")
    gff.write_text("\n".join(lines) + "\n")
    rows = [f"{c}\t{s}\t{e}\tp{i}\t0\t{d}" for i, (c, s, e, d) in enumerate(PROMOTERS)]
    bed.write_text("\n".join(rows) + "\n")


def _manifest(study: Study) -> Manifest:
    given = study.config.input
    named = {"genome": given.genome} | {f"track:{t}": t for t in given.tracks}
    split, shards = [], []
    for chrom, length in CONTIGS.items():
        cuts = [0, length // 2, 3 * length // 4, length]
        for name, start, end in zip(("train", "select", "report"), cuts, cuts[1:], strict=False):
            split.append(Block(chrom, start, end, name))
        for start in range(0, length, SHARD):
            shards.append(Interval(chrom, start, min(start + SHARD, length)))
    return Manifest(
        model=ModelLock(
            name="mini",
            weights_hash=WEIGHTS,
            layer=LAYER,
            d_model=D_MODEL,
            dtype="float32",
            context=2048,
            pretraining="none: a synthetic study",
        ),
        windows={"window": 512, "warmup": WARMUP, "batch": 2},
        contigs=dict(CONTIGS),
        circular=[],
        inputs={what: hash_file(Path(path)) for what, path in named.items()},
        split=split,
        shards=shards,
        seeds={"seed": 0},
        versions=versions(),
    )


def _sae(folder: Path, rng: np.random.Generator) -> SparseAutoencoder:
    decoder = torch.from_numpy(rng.normal(size=(N_FEATURES, D_MODEL)).astype(np.float32))
    decoder = decoder / decoder.norm(dim=1, keepdim=True)
    config = SAEConfig(
        architecture="batch_topk",
        d_in=D_MODEL,
        d_sae=N_FEATURES,
        k=4,
        apply_b_dec_to_input=True,
        model="mini",
        layer=LAYER,
        weights_hash=WEIGHTS,
    )
    tensors = {
        "W_enc": decoder.T.contiguous(),
        "b_enc": torch.zeros(N_FEATURES),
        "W_dec": decoder,
        "b_dec": torch.zeros(D_MODEL),
        "threshold": torch.full((N_FEATURES,), 0.1),
    }
    sae = SparseAutoencoder(**tensors, config=config)
    sae.save(folder)
    return sae


def _dense(sequences: dict[str, str], rng: np.random.Generator) -> Dense:
    """Sparse random values; the best features of CDS and promoter fire inside them."""
    dense: Dense = {}
    for chrom, sequence in sequences.items():
        n = len(sequence)
        letters = np.frombuffer(sequence.encode(), np.uint8) != ord("N")
        position = np.arange(n)
        for strand in "+-":
            values = rng.gamma(2.0, 0.5, (n, N_FEATURES))
            values[rng.random((n, N_FEATURES)) > 0.03] = 0
            for intervals, feature in ((GENES, 3), (PROMOTERS, 7)):
                for name, start, end, side in intervals:
                    if (name, side) == (chrom, strand):
                        burst = 1 + rng.gamma(3.0, 0.5, end - start)
                        burst[rng.random(end - start) < 0.1] = 0
                        values[start:end, feature] = burst
            warm = position >= WARMUP if strand == "+" else position < n - WARMUP
            callable_ = warm & letters
            values[~callable_] = 0
            values[:, DEAD] = 0
            # Of so few bits that they are stored exactly.
            dense[chrom, strand] = values.astype(np.float16).astype(np.float32), callable_
    return dense


def _write_features(study: Study, dense: Dense, origin: Origin) -> None:
    folder = study.folder / "features"
    folder.mkdir(exist_ok=True)
    for i, (chrom, start, end) in enumerate(study.manifest.shards):
        strands = {}
        for strand in "+-":
            values, callable_ = dense[chrom, strand]
            strands[strand] = StrandMap(from_dense(values[start:end]), callable_[start:end])
        write_shard(shard_path(folder, chrom, i), chrom, start, origin, strands)


def _associations(rng: np.random.Generator) -> pd.DataFrame:
    rows = []
    for feature in range(N_FEATURES):
        for column in COLUMNS if feature != DEAD else []:
            best = BEST[column] == feature
            strong = best and VERDICTS[column] != "not distinguishable"
            rate = 0.3 if column[0] == "CDS" else 0.04
            lift = rng.uniform(0.4, 0.8) if strong else rng.uniform(0, 0.015)
            precision, recall = rng.uniform(0.5, 0.9, 2) if strong else rng.uniform(0.01, 0.1, 2)
            f1 = 2 * precision * recall / (precision + recall)
            average = rate + lift * (1 - rate)
            auroc = 0.5 + lift / 2
            z = rng.uniform(8, 20) if strong else rng.normal()
            rows.append(
                {
                    "feature": feature,
                    "track": column[0],
                    "mode": column[1],
                    "sign": np.int8(1),
                    "threshold": np.float32(rng.uniform(0.2, 0.8)),
                    "threshold_bin": int(rng.integers(1, 20)),
                    "n_select": 2000,
                    "n_report": 2000,
                    "base_rate": rate,
                    "auroc": auroc,
                    "average_precision": average,
                    "ap_lift": lift,
                    "precision": precision,
                    "recall": recall,
                    "f1": f1,
                    "f1_chance": 2 * rate / (1 + rate),
                    "f1_shuffled": 0.8 * rate,
                    "mcc": lift * 0.9,
                    "auroc_select": min(1.0, auroc + 0.01),
                    "ap_select": min(1.0, average + 0.01 + 0.001 * best),
                    "f1_select": min(1.0, f1 + 0.01),
                    "odds_ratio": float(np.exp(3 * lift)),
                    "mean_inside": 0.1 + lift,
                    "mean_outside": 0.1,
                    "interval_recall_any": min(1.0, recall + 0.1),
                    "interval_recall_half": recall,
                    "run_precision": precision,
                    "interval_f1": f1,
                    "n_intervals": 4,
                    "n_runs": int(rng.integers(5, 90)),
                    "z": z,
                    "p": 1e-6 if strong else float(rng.uniform(0.1, 1)),
                    "q": 1e-4 if strong else float(rng.uniform(0.5, 1)),
                }
            )
    return pd.DataFrame(rows)


def _tracks(associations: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    rows = []
    scores = [
        "base_rate", "n_intervals", "auroc", "average_precision", "ap_lift", "f1", "f1_chance",
        "interval_f1", "z", "q",
    ]  # fmt: skip
    for column, feature in BEST.items():
        mine = associations[
            (associations["feature"] == feature)
            & (associations["track"] == column[0])
            & (associations["mode"] == column[1])
        ].iloc[0]
        row: dict[str, Any] = {"track": column[0], "mode": column[1], "feature": feature}
        row |= {name: mine[name] for name in scores}
        row |= {
            "sample_ap_lift": mine["ap_lift"],
            "neuron": int(rng.integers(D_MODEL)),
            "neuron_sign": 1,
            "random_feature": int(rng.integers(N_FEATURES)),
            "pca": int(rng.integers(D_MODEL)),
            "pca_sign": -1,
            "sample_intervals": 30,
            "sample_blocks": 12,
            "copied_share": 0.0,
            "layer_ap_lift": 0.9,
        }
        short = {"learnt": 0.2, "raw neuron as good": 0.0, "composition": -0.05}
        near = short.get(VERDICTS[column], 0.0)
        margins = {"neuron": near, "composition": near if near < 0 else 0.25, "random": 0.3}
        margins |= {"pca": near + 0.01, "shuffled": 0.35}
        for name, margin in margins.items():
            row[f"{name}_ap_lift"] = mine["ap_lift"] - margin
            row[f"margin_{name}"] = margin
            row[f"margin_{name}_low"], row[f"margin_{name}_high"] = margin - 0.03, margin + 0.03
        row["margin"] = min(margins.values())
        row["verdict"] = VERDICTS[column]
        row["rule"] = f"synthetic rule for {VERDICTS[column]}"
        rows.append(row)
    return pd.DataFrame(rows)


def _catalog(associations: pd.DataFrame, tracks: pd.DataFrame, dense: Dense) -> pd.DataFrame:
    readings = {s: [v for (_, t), v in dense.items() if t == s] for s in "+-"}
    active = {s: sum((v > 0).sum(axis=0) for v, _ in r) for s, r in readings.items()}
    usable = {s: sum(int(c.sum()) for _, c in r) for s, r in readings.items()}
    total = sum(v.sum(axis=0, dtype=np.float64) for v, _ in dense.values())
    rows = []
    for feature in range(N_FEATURES):
        n = int(active["+"][feature] + active["-"][feature])
        chrom, position, strand, value = _peaks(dense, feature, 1)[0] if n else ("", -1, "", 0.0)
        row: dict[str, Any] = {
            "feature": feature,
            "n_active": n,
            "density": n / (usable["+"] + usable["-"]),
            "density_plus": active["+"][feature] / usable["+"],
            "density_minus": active["-"][feature] / usable["-"],
            "max": np.float32(value),
            "mean_active": total[feature] / max(n, 1),
            "flags": "kmer" if feature == 3 else "",
            "dead": feature == DEAD,
            "over_dense": n / (usable["+"] + usable["-"]) > 0.1,
            "chrom": chrom,
            "position": position,
            "strand": strand,
            "consensus": "NNNNNTATAATNNNNNNNNNNNNNN" if n else "",
            "similar": np.array([(feature + k) % DEAD for k in range(1, 5)]),
            "similar_cosine": np.array([0.4, 0.3, 0.2, 0.1], np.float32),
        }
        mine = associations[associations["feature"] == feature]
        row |= {"best_track": "", "best_mode": "", "verdict": ""}
        if len(mine):
            best = mine.sort_values("ap_lift", ascending=False).iloc[0]
            row |= {"best_track": best["track"], "best_mode": best["mode"], "best_q": best["q"]}
            for name in ("ap_lift", "auroc", "average_precision", "f1"):
                row[f"best_{name}"] = best[name]
            led = tracks[
                (tracks["feature"] == feature)
                & (tracks["track"] == best["track"])
                & (tracks["mode"] == best["mode"])
            ]
            row["verdict"] = led["verdict"].iloc[0] if len(led) else ""
        rows.append(row)
    return pd.DataFrame(rows)


def _peaks(dense: Dense, feature: int, count: int) -> list[tuple[str, int, str, float]]:
    found = [
        (chrom, int(p), strand, float(values[p, feature]))
        for (chrom, strand), (values, _) in dense.items()
        for p in np.flatnonzero(values[:, feature])
    ]
    return sorted(found, key=lambda hit: -hit[3])[:count]


def _examples(sequences: dict[str, str], dense: Dense) -> tuple[pd.DataFrame, pd.DataFrame]:
    turn = str.maketrans("ACGT", "TGCA")
    examples, logos = [], []
    for feature in range(N_FEATURES):
        windows = []
        for rank, (chrom, position, strand, value) in enumerate(_peaks(dense, feature, 12)):
            padded = "." * 25 + sequences[chrom] + "." * 25
            window = padded[position : position + 51]
            if strand == "-":
                window = window.translate(turn)[::-1]
            windows.append(window)
            examples.append((feature, rank, chrom, position, strand, value, window))
        letters = np.array([list(w) for w in windows]) if windows else np.empty((0, 51), str)
        for i in range(51 if windows else 0):
            share = np.array([(letters[:, i] == b).mean() for b in "ACGT"])
            share = share / max(share.sum(), 1e-9)
            bits = 2 + float(np.sum(share * np.log2(np.maximum(share, 1e-9))))
            logos.append((feature, i - 25, *share, bits, len(windows)))
    return (
        pd.DataFrame(
            examples, columns=["feature", "rank", "chrom", "position", "strand", "value", "sequence"]
        ),
        pd.DataFrame(logos, columns=["feature", "position", "A", "C", "G", "T", "information", "n"]),
    )


def quality() -> dict[str, Any]:
    """Facts of the SAE's quality, as the stage writes them."""
    edges = np.linspace(-4, 0, 9)
    position = list(range(0, 448, 32))
    return {
        "explained_variance": 0.81,
        "cosine": 0.93,
        "l2_ratio": 0.9,
        "relative_bias": 0.98,
        "l0": 4.1,
        "l0_training": 4.0,
        "k": 4,
        "dead_fraction": 1 / N_FEATURES,
        "over_dense_fraction": 0.0,
        "bases": 2200,
        "split": "report",
        "bits": {
            "clean": 1.88,
            "sae": 1.9,
            "zero": 2.4,
            "mean": 2.1,
            "recovered_zero": (2.4 - 1.9) / (2.4 - 1.88),
            "recovered_mean": (2.1 - 1.9) / (2.1 - 1.88),
            "kl_sae": 0.021,
            "bases": 2200,
        },
        "bits_by_class": {
            "coding": {
                "clean": 1.85,
                "sae": 1.86,
                "mean": 2.0,
                "recovered_mean": (2.0 - 1.86) / (2.0 - 1.85),
                "bases": 1200,
            }
        },
        "density": {"edges": edges.tolist(), "counts": [0, 1, 1, 2, 6, 7, 2, 0]},
        "shift": {
            "offset": 224,
            "warmup": WARMUP,
            "position": position,
            "activation": [0.4 * float(np.exp(-p / 60)) for p in position],
            "features": [0.6 * float(np.exp(-p / 60)) for p in position],
            "after_warmup": {"activation": 0.02, "features": 0.03},
        },
        "strands": {"base": {"median": 0.31}, "bin": {"median": 0.62}},
        "dictionary": {
            "decoder_cosine": {"p95": 0.7},
            "encoder_cosine": {"p95": 0.6},
            "encoder_decoder_cosine": {"median": 0.9},
        },
    }


def quality_tables() -> dict[str, pd.DataFrame]:
    """Probes, units and absorption, as the stage writes them."""
    lift = {0: 0.62, 1: 0.31, 2: 0.38, 5: 0.47, 20: 0.55}
    probing = pd.DataFrame(
        [
            {"track": track, "size": size, "ap_lift": value, "f1": value, "auroc": 0.9}
            for track in ("CDS", "tRNA")
            for size, value in lift.items()
        ]
    )
    kinds = ["feature"] * 4 + ["neuron"] * 3
    units = pd.DataFrame({"kind": kinds, "unit": range(7), "tracks": [0, 1, 1, 2, 3, 4, 0]})
    row = {
        "parent": "gene", "child": "tRNA", "mode": "same", "main": [3, 5], "child_bases": 1234,
        "rest_bases": 900, "silent_child": 0.4, "silent_rest": 0.1, "absorbed_child": 0.271,
        "absorbed_rest": 0.013, "absorber": 7, "absorber_share": 0.8,
    }  # fmt: skip
    return {"probing": probing, "units": units, "absorption": pd.DataFrame([row])}


def training() -> dict[str, Any]:
    """Facts of the SAE's training, as the stage writes them."""
    steps = list(range(0, 1001, 100))
    return {
        "steps": 1000,
        "tokens": 2_048_000,
        "learning_rate": 3e-4,
        "final_mse": 0.19,
        "clipped": 3,
        "dead_at_end": 1,
        "seconds": 12.5,
        "history": [
            {"step": s, "mse": 0.19 + 0.8 * float(np.exp(-s / 200)), "l0": 4.0, "dead": 1} for s in steps
        ],
    }
