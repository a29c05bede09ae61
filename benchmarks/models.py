"""Families of DNA models through the contract: tiny checkpoints in the published form, and one real network.

    python benchmarks/models.py [--quick] [--json]

``families``: what went through; ``max_error_vs_reference``: largest difference of a logit or of a block's
output between the contract and transformers' own class of the family, all sequences padded into one batch
here and each alone there; of families whose network is ours, of the logits on their card, which are those of
the published code (``genomic_models/native/registry.py``), or of a padded batch from its sequences alone.
``openspliceai_top1``: share of yeast donors that the network trained on honeybee puts first among all GT
within 500 bases (real weights, a species that it never saw), and ``..._random`` with fresh ones.
``embed_fraction``: processor time of the bare forward pass of mini over that of ``workbench embed``, loading
and hashing included, which writes a row a base of both strands to ``.npy``; ``..._pooled`` of means a record,
``..._wall`` of the first in seconds that passed, which others' load and the disk count in. Both take turns,
and the medians of the turns' quotients count. ``studies``, not with --quick: whole studies of 50 kb of
*E. coli*, to their reports, by a model of words, one of byte pairs and one that sees both sides; how many
tracks have which verdict (their weights are random), and seconds.
"""

from __future__ import annotations

import sys
import tempfile
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
import transformers

from genomic_models import load

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.command_line import absent, finish, parser  # noqa: E402
from benchmarks.networks.published import OWN, PUBLISHED, write_checkpoint  # noqa: E402
from benchmarks.openspliceai import DONORS, donors  # noqa: E402
from genomic_models.dna import reverse_complement  # noqa: E402
from genomic_models.native.loading import tiny_logits  # noqa: E402
from genomic_models.native.registry import FAMILIES  # noqa: E402
from tests.workbench.small_study import small_config  # noqa: E402
from workbench.models.embed import embed_file  # noqa: E402
from workbench.progress import Silent  # noqa: E402
from workbench.study.config import (  # noqa: E402
    ControlConfig,
    InputConfig,
    ModelConfig,
    RunConfig,
    SplitConfig,
    WindowConfig,
)
from workbench.study.study import Study  # noqa: E402

NETWORK = "honeybee_400nt_rs10"
STUDIED = 50_000
# Of words, of byte pairs, of both sides.
WHOLE = ("Nucleotide Transformer v2", "DNABERT-2", "Caduceus-ps")


def error_of(family: str, folder: Path, bases: int) -> float:
    """Largest difference of a logit or a block's output from transformers' own class."""
    model = load(f"hf:{write_checkpoint(family, folder)}")
    draws = np.random.default_rng(0)
    sequences = ["".join(draws.choice(list("ACGT"), size)) for size in (bases, bases // 2, bases // 3)]
    found = model.forward(sequences, taps=model.layers)
    assert found.logits is not None
    network = getattr(transformers, type(model.network).__name__).from_pretrained(folder).eval()  # type: ignore[attr-defined]
    worst = 0.0
    for row, sequence in enumerate(sequences):
        ids = model.tokenize([sequence]).ids
        n = ids.shape[1]
        with torch.inference_mode():
            expected = network(input_ids=ids, output_hidden_states=True)
        pairs = [(found.logits[row, :n], expected.logits[0])]
        # The last hidden state is after the last norm.
        for name, hidden in zip(model.layers[:-1], expected.hidden_states[:-1], strict=True):
            pairs.append((found.taps[name][row, :n], hidden[0]))
        worst = max(worst, *(float((a - b).abs().max()) for a, b in pairs))
    return worst


def error_of_own(family: str, folder: Path, bases: int) -> float:
    """Largest difference from the card's logits, and of a padded batch from its sequences alone."""
    card = next(known for known in FAMILIES if known.name == family)
    apart = tiny_logits(card)[-1, : len(card.logits)] - torch.tensor(card.logits)
    worst = float(apart.abs().max())
    model = load(f"hf:{write_checkpoint(family, folder)}")
    draws = np.random.default_rng(0)
    sequences = ["".join(draws.choice(list("ACGT"), size)) for size in (bases, bases // 2, bases // 3)]
    found = model.forward(sequences, taps=model.layers)
    assert found.logits is not None
    for row, sequence in enumerate(sequences):
        alone = model.forward([sequence], taps=model.layers)
        assert alone.logits is not None
        n = alone.logits.shape[1]
        pairs = [(found.logits[row, :n], alone.logits[0])]
        pairs += [(found.taps[name][row, :n], alone.taps[name][0]) for name in model.layers]
        worst = max(worst, *(float((a - b).abs().max()) for a, b in pairs))
    return worst


def embed_fractions(folder: Path, records: int, turns: int) -> dict[str, float]:
    """Throughput of embedding to disk over that of the bare forward pass, by how it pools."""
    draws = np.random.default_rng(0)
    sequences = ["".join(draws.choice(list("ACGT"), 2048)) for _ in range(records)]
    path = folder / "records.fa"
    path.write_text("".join(f">r{i}\n{sequence}\n" for i, sequence in enumerate(sequences)))
    model = load("mini")
    layer, batch = model.default_layer, WindowConfig().batch
    both = [turn(sequence) for turn in (str, reverse_complement) for sequence in sequences]

    def bare() -> None:
        for first in range(0, len(both), batch):
            with torch.inference_mode():
                model.forward(both[first : first + batch], taps=[layer], until=layer)

    def embed(pool: str, turn: int) -> None:
        given = ("mini", [], None, pool, ["+", "-"], "npy", "cpu", "float32", Silent())
        embed_file(path, folder / f"{pool}-{turn}", *given)

    found: dict[str, list[np.ndarray]] = {"none": [], "mean": []}
    bare()
    for turn in range(turns):
        for pool, shares in found.items():
            times = []
            for run in (bare, partial(embed, pool, turn)):
                started = np.array([time.process_time(), time.perf_counter()])
                run()
                times.append(np.array([time.process_time(), time.perf_counter()]) - started)
            shares.append(times[0] / times[1])
    by_base, pooled = (np.median(found[pool], axis=0) for pool in ("none", "mean"))
    return {
        "embed_fraction": float(by_base[0]),
        "embed_fraction_pooled": float(pooled[0]),
        "embed_fraction_wall": float(by_base[1]),
    }


def whole_study(family: str, folder: Path) -> dict[str, object]:
    """A study of the first ``STUDIED`` bases of a sample under a tiny checkpoint, from plan to report.

    Blocks are short, so that the report split has the eight that a track needs to be judged.
    """
    samples = ROOT / "data_samples"
    config = small_config(samples, Path("mini"))
    checkpoint = write_checkpoint(family, folder / "model")
    genome = samples / "ecoli_k12_250kb.fa"
    contig = genome.read_text().split(maxsplit=1)[0].removeprefix(">")
    regions = folder / "studied.bed"
    regions.write_text(f"{contig}\t0\t{STUDIED}\n")
    config = replace(
        config,
        input=InputConfig(str(genome), [str(genome.with_suffix(".gff3"))], str(regions)),
        model=ModelConfig(name=f"hf:{checkpoint}", layer="blocks.1"),
        split=SplitConfig(block=1_000),
        controls=ControlConfig(bases=STUDIED),
        run=RunConfig(shard_bases=10_000),
    )
    study = Study.create(folder / "study", config)
    started = time.perf_counter()
    study.run()
    report = (folder / "study" / "report.html").stat().st_size
    verdicts = study.table("tracks")["verdict"].value_counts().to_dict()
    return {"seconds": time.perf_counter() - started, "report_bytes": report, "verdicts": verdicts}


def main() -> None:
    """Print the figures."""
    given = parser(__doc__, "60 bases, 40 donors, 12 records, no studies").parse_args()
    transformers.utils.logging.disable_progress_bar()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        bases = 60 if given.quick else 150
        errors = {
            family: (error_of_own if family in OWN else error_of)(family, folder / str(i), bases)
            for i, family in enumerate(PUBLISHED)
        }
        results: dict[str, object] = {"families": errors, "max_error_vs_reference": max(errors.values())}
        if why := absent("yeast", "models/openspliceai"):
            results["openspliceai_skipped"] = why
        else:
            found = donors(folder / "network", NETWORK, 40 if given.quick else DONORS)
            results |= {
                "openspliceai_top1": found["first"],
                "openspliceai_top1_random": found["random_first"],
            }
        results |= embed_fractions(folder, 12 if given.quick else 96, 3 if given.quick else 7)
        if not given.quick:
            results["studies"] = {family: whole_study(family, folder / f"study {family}") for family in WHOLE}
    finish(given, results)


if __name__ == "__main__":
    main()
