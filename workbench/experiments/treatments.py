"""What can be done about a symptom: features switched off or scaled, parts taken out, further training.

Each comes with its sham: the same done to features of the same density, to parts of the same kind and block,
or on the same sequence shuffled.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch

from feature_mining.edits.apply import Applied
from feature_mining.edits.edit import Ablate, Edit, Scale
from feature_mining.edits.passes import run
from feature_mining.edits.places import Where
from feature_mining.edits.plan import EditPlan
from feature_mining.pruning.effect import gating
from feature_mining.pruning.network import cut_network
from feature_mining.pruning.parts import KINDS, Parts
from genomic_models.contract import DNAModel, Forward, TapContext
from genomic_models.corpus import Corpus, write_corpus
from genomic_models.striped_hyena.model import StripedHyenaModel, own_network
from workbench.errors import InputError
from workbench.experiments.arms import others_of_density
from workbench.experiments.diagnosis import Diagnosis
from workbench.experiments.follow_up import Passes, inside_loci
from workbench.experiments.healing import train_further
from workbench.experiments.kind import Experiment
from workbench.experiments.symptoms import Symptom
from workbench.genome.interval import Interval
from workbench.genome.shuffled_genome import ShuffledGenome
from workbench.genome.windows import Sequences
from workbench.progress import Progress
from workbench.study.study import Study

# Factor of features that are scaled.
SCALED = 0.5
MODEL, PLAN, TRAINING = "model", "plan.json", "training"


class Treatment(NamedTuple):
    """One that can be tried.

    kind : of `TREATMENTS`
    what : in words
    items : features, or parts of the network; none for training
    passes : of the model under it
    made : what it is kept as, an edit plan or a model
    """

    kind: str
    what: str
    items: list[int]
    passes: Passes
    made: EditPlan | DNAModel


class Patient(NamedTuple):
    """What treatments are made from."""

    experiment: Experiment
    symptom: Symptom
    diagnosis: Diagnosis
    parts: Parts | None
    progress: Progress

    @property
    def study(self) -> Study:
        """The study whose model is treated."""
        return self.experiment.study


def untreated(study: Study) -> Passes:
    """Passes of the model as it is."""
    return _of_model(study.model)


def _of_model(model: DNAModel) -> Passes:
    def passes(sequences: Sequence[str], strands: Sequence[str], taps: Sequence[str]) -> Forward:
        return model.forward(sequences, taps=taps)

    return passes


def _of_plan(study: Study, plan: EditPlan) -> Passes:
    def passes(sequences: Sequence[str], strands: Sequence[str], taps: Sequence[str]) -> Forward:
        applied = Applied([plan], {study.layer: study.dictionary}, strands)
        return run(study.model, sequences, applied, taps)

    return passes


def along_random(study: Study, plan: EditPlan, seed: int) -> Passes:
    """As much change at each position as a plan makes, in one random direction."""
    width = study.manifest.model.d_model
    drawn = torch.randn(width, generator=torch.Generator().manual_seed(seed))
    drawn = drawn / drawn.norm()

    def passes(sequences: Sequence[str], strands: Sequence[str], taps: Sequence[str]) -> Forward:
        applied = Applied([plan], {study.layer: study.dictionary}, strands)
        edit = applied.edits[study.layer]

        def turned(x: torch.Tensor, context: TapContext) -> torch.Tensor:
            size = (edit(x, context).float() - x.float()).norm(dim=-1, keepdim=True)
            return (x.float() + size * drawn.to(x.device)).to(x)

        applied.edits[study.layer] = turned
        return run(study.model, sequences, applied, taps)

    return passes


# -- of features --------------------------------------------------------------------------------------


def _edited(patient: Patient, kind: str, features: list[int]) -> Treatment:
    study = patient.study
    edits: list[Edit] = []
    for feature in features:
        if kind == "scale":
            edits.append(Scale(study.layer, feature, SCALED))
        else:
            where = patient.symptom.where(study) if kind == "rule" else Where()
            edits.append(Ablate(study.layer, feature, where=where))
    plan = EditPlan(tuple(edits), study.manifest.model.weights_hash, {study.layer: study.sae_hash})
    verb = {"ablate": "set to 0", "scale": f"times {SCALED:g}", "rule": f"set to 0 {edits[0].where}"}[kind]
    listed = ", ".join(map(str, features[:8])) + (" ..." if len(features) > 8 else "")
    return Treatment(kind, f"features {listed} {verb}", features, _of_plan(study, plan), plan)


def _of_features(kind: str) -> Callable[[Patient], list[Treatment]]:
    def made(patient: Patient) -> list[Treatment]:
        carriers = _carriers(patient.diagnosis.features, "feature")
        return [_edited(patient, kind, carriers[:size]) for size in _sizes(patient, len(carriers))]

    return made


def _sizes(patient: Patient, there: int) -> list[int]:
    """A quarter of what may be taken, and all of it."""
    most = min(patient.experiment.settings.most, there)
    return sorted({max(1, most // 4), most}) if most else []


def _features_sham(patient: Patient, of: Treatment) -> Treatment | None:
    """As many others of the same density that do not carry the symptom; None where there are not so many."""
    try:
        others = others_of_density(patient.study, of.items, _carriers(patient.diagnosis.features, "feature"))
    except InputError:
        return None
    return _edited(patient, of.kind, others)


def _carriers(table: pd.DataFrame, column: str) -> list[int]:
    """What carries the symptom, by the diagnosis, that leads first."""
    found: list[int] = table.loc[table["carries"], column].tolist()
    return found


# -- of parts -----------------------------------------------------------------------------------------


def without_parts(study: Study, parts: Parts, items: Sequence[int]) -> Passes:
    """Passes of the model with parts of its network gated to 0."""
    kept = parts.everything()
    kept[list(items)] = False
    gates = torch.from_numpy(parts.settle(kept).astype(np.float32))[None].to(study.model.device)
    edits = gating(parts, gates)

    def passes(sequences: Sequence[str], strands: Sequence[str], taps: Sequence[str]) -> Forward:
        return study.model.forward(sequences, taps=taps, edits=edits)

    return passes


def _pruned(patient: Patient, items: list[int]) -> Treatment:
    study, parts = patient.study, patient.parts
    assert parts is not None
    kept = parts.everything()
    kept[items] = False
    network = cut_network(own_network(study.model, "treated"), parts, kept)
    made = StripedHyenaModel(network, patient.experiment.name)
    named = [_named(parts, i) for i in items[:4]]
    what = ", ".join(named) + (f" and {len(items) - 4} more" if len(items) > 4 else "") + " taken out"
    return Treatment("prune", what, items, without_parts(study, parts, items), made)


def _named(parts: Parts, part: int) -> str:
    kind, block = KINDS[parts.kind[part]], int(parts.block[part])
    return f"block {block}" if kind == "block" else f"{kind} {parts.index[part]} of block {block}"


def _of_parts(patient: Patient) -> list[Treatment]:
    parts, table = patient.parts, patient.diagnosis.parts
    if parts is None:
        return []
    carriers: list[int] = []
    left = {run.start: run.stop - run.start for runs in (parts.mixers, parts.inners) for run in runs.values()}
    for part in _carriers(table, "part"):
        # The last filter or head and the last channel of a block go with it alone.
        run = max((start for start in left if start <= part), default=-1)
        if run >= 0 and left[run] > 1:
            left[run] -= 1
            carriers.append(int(part))
    blocks = [part for part in _blocks(patient, parts) if table["carries"][table["part"] == part].all()]
    leading = [part for part in table["part"].tolist() if part in blocks][:1]
    sets = [leading, *(carriers[:size] for size in _sizes(patient, len(carriers)))]
    return [_pruned(patient, items) for items in sets if items]


def _blocks(patient: Patient, parts: Parts) -> list[int]:
    """Blocks that may go: not the one whose output the study reads."""
    own = f"{patient.study.layer}.".split(".")[:2]
    names = [["blocks", str(i)] for i in parts.present]
    return [place for place, name in enumerate(names) if name != own]


def _parts_sham(patient: Patient, of: Treatment) -> Treatment | None:
    """As many others of the same kind and block that do not carry it; None where there are not so many."""
    parts = patient.parts
    assert parts is not None
    carry = {*of.items, *_carriers(patient.diagnosis.parts, "part")}
    random = np.random.default_rng([patient.experiment.settings.seed, 17])
    chosen: list[int] = []
    for part in of.items:
        alike = (parts.kind == parts.kind[part]) & (parts.block == parts.block[part])
        if parts.kind[part] == KINDS.index("block"):
            alike = np.isin(np.arange(parts.count), _blocks(patient, parts))
        free = [i for i in np.flatnonzero(alike).tolist() if i not in carry and i not in chosen]
        if not free:
            return None
        chosen.append(int(random.choice(free)))
    return _pruned(patient, chosen)


# -- of training --------------------------------------------------------------------------------------


def _corpus(patient: Patient, genome: Sequences, folder: Path) -> Corpus:
    """Blocks of the train split, or of a symptom at loci the windows there; written once."""
    if (folder / "corpus.json").exists():
        return Corpus(folder)
    study, loci = patient.study, patient.symptom.loci
    places = [block.interval for block in study.manifest.blocks("train")]
    if loci is not None:
        places = [each for block in places for each in _near(study, loci, block)]
        if not places:
            raise InputError("no locus of the symptom lies in the train split: nothing to train on")
    return write_corpus(((str(place), genome.fetch(*place)) for place in places), folder)


def _near(study: Study, loci: pd.DataFrame, block: Interval) -> list[Interval]:
    """Stretches of a block with a window on both sides of the cells that meet a locus."""
    found: list[Interval] = []
    for cell in study.grid.cells_between(block.chrom, study.manifest.contigs[block.chrom], *block[1:]):
        if not inside_loci(loci, cell).any():
            continue
        start = max(block.start, cell.start - study.grid.window)
        end = min(block.end, cell.end + study.grid.window)
        if found and start <= found[-1].end:
            start = found.pop().start
        found.append(Interval(block.chrom, start, end))
    return found


def _trained(patient: Patient, genome: Sequences, name: str) -> Treatment:
    study, given = patient.study, patient.experiment.settings
    own_network(study.model, "trained")
    folder = patient.experiment.folder / TRAINING / name
    corpus = _corpus(patient, genome, folder / "corpus")
    begun = StripedHyenaModel(own_network(study.model, "trained"), study.model.name)
    made = train_further(study, begun, folder, corpus, given.train, given.seed, patient.progress)
    at = "the loci" if patient.symptom.loci is not None else "the train split"
    what = f"trained further on {given.train:,} bases of {at}" + (", shuffled" if name == "sham" else "")
    return Treatment("train", what, [], _of_model(made), made)


def _of_training(patient: Patient) -> list[Treatment]:
    if not patient.experiment.settings.train:
        return []
    return [_trained(patient, patient.study.genome, "treated")]


def _training_sham(patient: Patient, of: Treatment) -> Treatment | None:
    shuffled = ShuffledGenome(patient.study.genome, patient.experiment.settings.seed)
    return _trained(patient, shuffled, "sham")


class _Way(NamedTuple):
    """How treatments of a kind are made from a diagnosis, and the sham of one, if one can be made."""

    make: Callable[[Patient], list[Treatment]]
    sham: Callable[[Patient, Treatment], Treatment | None]


TREATMENTS: dict[str, _Way] = {
    "ablate": _Way(_of_features("ablate"), _features_sham),
    "scale": _Way(_of_features("scale"), _features_sham),
    "rule": _Way(_of_features("rule"), _features_sham),
    "prune": _Way(_of_parts, _parts_sham),
    "train": _Way(_of_training, _training_sham),
}
