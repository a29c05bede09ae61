"""A network that others trained, through the whole study: OpenSpliceAI on introns of yeast.

    python benchmarks/openspliceai.py donors [FOLDER]  how true donors rank among all GT nearby
    python benchmarks/openspliceai.py make FOLDER      annotation, network and the command of a study
    python benchmarks/openspliceai.py edits STUDY      features taken out and put in, by the donor output

Yeast and the weights are in ``shared/data`` beside the checkout (weights are GPL-3 data of their authors,
trained on human, honeybee and *Arabidopsis*, not yeast). ``make`` writes tracks of donors (last base
of an exon), acceptors (first base) and introns from the GFF3's split coding sequences, and regions of
``AROUND`` bases on both sides of each intron: the study reads these alone. ``--network`` names other weights.
"""

from __future__ import annotations

import argparse
import gzip
import shutil
import sys
import tempfile
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from feature_mining.attribution.target import Output
from genomic_models import DNAModel, TapContext, load
from genomic_models.registry import with_random_weights
from workbench.genome.reference import Genome
from workbench.study.study import Study
from workbench.tracks import Contigs, read_tracks
from workbench.tracks.derive import features

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.command_line import DATA, absent, finish, parser, skip  # noqa: E402

YEAST, WEIGHTS = DATA / "yeast", DATA / "models" / "openspliceai"
GFF = YEAST / "saccharomyces_cerevisiae.gff.gz"
CODE = Path(__file__).with_name("networks") / "openspliceai.py"
NETWORK = "mane_400nt_rs10"
AROUND = 1_500
# Bases on both sides of a donor within which other GT are set against it, and their context.
NEAR, CONTEXT = 500, 200
DONORS = 120
# Versions of the records NC_001133 to NC_001148, which are the chromosomes in this order.
ROMAN = ("I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X", "XI", "XII", "XIII", "XIV", "XV", "XVI")
VERSIONS = (9, 8, 5, 10, 3, 5, 9, 6, 2, 9, 9, 5, 3, 8, 6, 4)
RENAME = {f"NC_{1133 + i:06}.{v}": f"chr{ROMAN[i]}" for i, v in enumerate(VERSIONS)}


class Intron(NamedTuple):
    """0-based half-open."""

    chrom: str
    start: int
    end: int
    strand: str


def read_introns(genome: Genome) -> list[Intron]:
    """Gaps of 20 bases or more between parts of coding sequences of the nuclear chromosomes, each once."""
    tracks = read_tracks(GFF, genome, RENAME)
    (coding,) = (track.intervals for track in tracks if track.name == "CDS")
    found = set()
    for chrom, _, _, _, parts in features(coding, Contigs(genome.lengths, genome.circular)):
        ordered = sorted(parts, key=lambda part: part.start)
        for left, right in pairwise(ordered):
            if right.start - left.end >= 20 and chrom != "chrM":
                found.add(Intron(chrom, left.end, right.start, left.strand))
    return sorted(found)


def donor_of(intron: Intron) -> int:
    """Position of the last base of the exon before an intron."""
    return intron.start - 1 if intron.strand == "+" else intron.end


def load_network(folder: Path, network: str) -> DNAModel:
    """The model of a file of weights, from a folder with the code and a copy of the weights."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(CODE, folder / CODE.name)
    shutil.copy(WEIGHTS / f"openspliceai_{network}.pt", folder / "weights.pt")
    return load(f"file:{folder / CODE.name}", trust_remote_code=True)


def rank_donors(model: DNAModel, genome: Genome, introns: list[Intron], most: int) -> np.ndarray:
    """Share of the other GT within ``NEAR`` bases that the model finds likelier donors, a true one each.

    Introns that begin with GT, of those with room, ``most`` of them drawn at random.
    """
    room, shares = NEAR + CONTEXT, []
    for i in np.random.default_rng(0).permutation(len(introns)):
        intron, at = introns[i], donor_of(introns[i])
        if not room <= at < genome.lengths[intron.chrom] - room or len(shares) == most:
            continue
        letters = genome.fetch(intron.chrom, at - room, at + room + 1, intron.strand)
        if letters[room + 1 : room + 3] != "GT":
            continue
        said = model.forward([letters]).logits
        assert said is not None and model.outputs is not None
        donor = said[0, :, model.outputs.index("donor")].numpy()
        others = [j for j in range(room - NEAR, room + NEAR) if letters[j + 1 : j + 3] == "GT" and j != room]
        shares.append(float(np.mean(donor[others] > donor[room])))
    return np.array(shares)


def donors(folder: Path, network: str, most: int = DONORS) -> dict[str, float]:
    """How often the true donor is first, and its mean rank as a share; also with fresh weights."""
    genome = Genome(YEAST / "sacCer3.fa.gz", cache=folder / "cache")
    introns = read_introns(genome)
    model = load_network(folder, network)
    found: dict[str, float] = {}
    for name, own in (("", model), ("random_", with_random_weights(model, 0))):
        ranks = rank_donors(own, genome, introns, most)
        found |= {f"{name}first": float((ranks == 0).mean()), f"{name}rank": float(ranks.mean())}
    return found | {"donors": len(ranks)}


def make(folder: Path, network: str) -> None:
    """Write annotation, regions and network, and say how to make the study."""
    genome = Genome(YEAST / "sacCer3.fa.gz", cache=folder / "cache")
    introns = read_introns(genome)
    load_network(folder, network)
    tracks = {
        "intron": introns,
        "donor": [i._replace(start=donor_of(i), end=donor_of(i) + 1) for i in introns],
        "acceptor": [
            i._replace(start=i.end, end=i.end + 1)
            if i.strand == "+"
            else i._replace(start=i.start - 1, end=i.start)
            for i in introns
        ],
    }
    for name, rows in tracks.items():
        lines = [f"{r.chrom}\t{r.start}\t{r.end}\t.\t0\t{r.strand}\n" for r in sorted(set(rows))]
        (folder / f"{name}.bed").write_text("".join(lines))
    lines = [f"{i.chrom}\t{max(0, i.start - AROUND)}\t{i.end + AROUND}\n" for i in introns]
    (folder / "regions.bed").write_text("".join(lines))
    with gzip.open(GFF, "rt") as lines, (folder / "CDS.gff3").open("w") as coding:
        for fields in (line.split("\t") for line in lines):
            if len(fields) == 9 and fields[2] == "CDS" and fields[0] in RENAME:
                coding.write("\t".join([RENAME[fields[0]], *fields[1:]]))
    given = " ".join(f"--tracks {folder / name}" for name in [*(f"{t}.bed" for t in tracks), "CDS.gff3"])
    print(
        f"workbench new {folder / 'study'} --genome {YEAST / 'sacCer3.fa.gz'} {given}"
        f" --regions {folder / 'regions.bed'} --model file:{folder / CODE.name} --trust-remote-code"
        " --layer residual_units.8 --width 256 --k 8 --tokens 600000 --seeds 3\n"
        "then in study.toml: window = 1600, warmup = 200, [controls] bases = 150000"
    )


# -- features judged by the donor output -----------------------------------------------------------


class Arm(NamedTuple):
    """What is added to the layer at one position: float32 (d)."""

    name: str
    added: Tensor


def arms_of(
    study: Study, x: Tensor, feature: int, other: int, strength: float, random: np.random.Generator
) -> list[Arm]:
    """The feature taken out (strength 0) or added, and controls that move the activation as far.

    ``other``: a feature of nearly the same density. Controls: that feature's direction, and a random one.
    """
    rows = study.sae.W_dec
    size = float(study.sae.encode(x[None])[0, feature])
    amount = strength * float(study.dictionary.unit[feature]) if strength else -size
    own = amount * rows[feature]
    drawn = torch.from_numpy(random.normal(size=len(x)).astype(np.float32))
    turned = own.norm() * rows[other] / rows[other].norm() * np.sign(amount)
    return [
        Arm("feature", own),
        Arm("other feature", turned),
        Arm("random direction", own.norm() * drawn / drawn.norm()),
    ]


def effects(
    study: Study, places: list[tuple[str, int]], feature: int, other: int, strength: float
) -> dict[str, np.ndarray]:
    """Change of the donor's log-probability, nats, by arm, at the place of each reading ``(letters, at)``."""
    model, layer, random = study.model, study.layer, np.random.default_rng(0)
    found: dict[str, list[float]] = {}
    for letters, at in places:
        target = Output("donor", at, at + 1, (layer,))
        plain = model.forward([letters], taps=[layer])
        before = float(target.value(model, plain))
        for name, added in arms_of(study, plain.taps[layer][0, at].float(), feature, other, strength, random):

            def put(x: Tensor, context: TapContext, added: Tensor = added) -> Tensor:
                out = x.clone()
                out[:, at] += added  # noqa: B023
                return out

            after = float(target.value(model, model.forward([letters], edits={layer: put})))
            found.setdefault(name, []).append(after - before)
    return {name: np.array(values) for name, values in found.items()}


def readings(study: Study, introns: list[Intron], decoys: bool) -> list[tuple[str, int]]:
    """Letters around each donor of the report split, or around the first other GT after it; and the place."""
    blocks = [b.interval for b in study.split.blocks if b.split == "report"]
    found = []
    for intron in introns:
        at, room = donor_of(intron), 2 * CONTEXT
        if not any(intron.chrom == b.chrom and b.start <= at < b.end for b in blocks):
            continue
        if not room <= at < study.genome.lengths[intron.chrom] - room:
            continue
        letters = study.genome.fetch(intron.chrom, at - room, at + room + 1, intron.strand)
        place = letters.find("GT", room + 3) - 1 if decoys else room
        if 0 <= place <= room + CONTEXT:
            found.append((letters, place))
    return found


def edits(folder: Path) -> list[dict[str, object]]:
    """The best feature of donors, picked on select: taken out at donors, added at other GTs; report split."""
    study = Study.open(folder)
    table = study.table("tracks").set_index(["track", "mode"])
    feature = int(table.loc[("donor", "same"), "feature"])
    density = study.table("catalog").set_index("feature")["density"]
    alive = density[(density > 0) & (density.index != feature)]
    other = int((np.log(alive) - np.log(density[feature])).abs().idxmin())
    introns = read_introns(study.genome)
    random, out = np.random.default_rng(0), []
    for what, strength, decoys in (("taken out at donors", 0.0, False), ("added at other GT", 1.0, True)):
        places = readings(study, introns, decoys)
        for arm, values in effects(study, places, feature, other, strength).items():
            drawn = random.choice(values, (2000, len(values))).mean(1)
            low, high = np.quantile(drawn, [0.025, 0.975])
            active = float(np.mean(values != 0))
            out.append(
                {
                    "feature": feature,
                    "what": what,
                    "arm": arm,
                    "places": len(values),
                    "moved": active,
                    "nats": float(values.mean()),
                    "low": float(low),
                    "high": float(high),
                }
            )
    return out


def arguments() -> argparse.ArgumentParser:
    """Options of the command line."""
    made = parser(__doc__, "40 donors")
    made.add_argument("what", nargs="?", choices=("donors", "make", "edits"), default="donors")
    made.add_argument("folder", nargs="?", type=Path, help="not needed by donors, which then keep nothing")
    made.add_argument("--network", default=NETWORK, help="file of weights, openspliceai_NAME.pt")
    return made


def main() -> None:
    """Whatever was asked for."""
    options = arguments()
    given = options.parse_args()
    if why := absent("yeast", "models/openspliceai"):
        skip(given, why)
    elif given.folder is None:
        if given.what != "donors":
            options.error(f"{given.what} needs a folder")
        with tempfile.TemporaryDirectory() as name:
            finish(given, donors(Path(name), given.network, 40 if given.quick else DONORS))
    elif given.what == "make":
        make(given.folder.resolve(), given.network)
    elif given.what == "edits":
        finish(given, {"edits": edits(given.folder)})
    else:
        finish(given, donors(given.folder.resolve(), given.network, 40 if given.quick else DONORS))


if __name__ == "__main__":
    main()
