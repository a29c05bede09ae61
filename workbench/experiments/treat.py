"""A model treated for a symptom: what carries it, what is done about it, and what that changes.

Diagnosis and treatments are made on the select split, and one is chosen by what it relieves within the bits
that it may cost. It alone is followed up on the report split, beside a sham and a random direction of the
same size: the symptom, and everything else that the study knows of the model.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd

from feature_mining.edits.plan import EditPlan
from genomic_models.striped_hyena.model import StripedHyenaModel, own_network
from workbench.analysis.sample import sample
from workbench.errors import InputError
from workbench.experiments.diagnosis import GRADIENT, Diagnosis, diagnose, parts_of
from workbench.experiments.follow_up import FollowUp, follow_up
from workbench.experiments.healing import save_model
from workbench.experiments.kind import Experiment, Kind
from workbench.experiments.outcomes import (
    RANDOM,
    SHAM,
    TREATED,
    changed,
    compare_arms,
    compare_flags,
    compare_verdicts,
)
from workbench.experiments.page import shown_place
from workbench.experiments.symptoms import Symptom, detectors_of, find_symptom
from workbench.experiments.treat_settings import PROPOSE, TreatSettings
from workbench.experiments.treatments import (
    MODEL,
    PLAN,
    TRAINING,
    TREATMENTS,
    Patient,
    Treatment,
    along_random,
    untreated,
)
from workbench.files.atomic import write_atomic
from workbench.files.parquet import read_parquet, write_parquet
from workbench.progress import Progress
from workbench.stages.stage import Shard
from workbench.study.study import Study

TABLES = ("features", "parts", "candidates", "changes", "verdicts", "flags")
# Passes over the report split, and treatments that are tried on select, about.
_ARMS, _TRIED = 4, 8


def _shards(experiment: Experiment) -> list[Shard]:
    study, given = experiment.study, experiment.settings
    find_symptom(study, given.symptom)
    if given.treatment == "train" and not given.train:
        raise InputError("train 0: the treatment train needs a number of bases to train on")
    if given.treatment in ("prune", "train"):
        own_network(study.model, "treated so")
    study.model.require_bases("bits a base cannot be followed up")
    tried = _TRIED if given.treatment == PROPOSE else 2
    passes = 1 + GRADIENT + tried + _ARMS
    return [Shard(0, passes * given.bases * study.grid.window // study.grid.stride + 2 * given.train)]


class _Visit:
    """One run: the sample of each split, read under any arm."""

    def __init__(self, experiment: Experiment, progress: Progress) -> None:
        self.experiment, self.progress = experiment, progress
        study, given = experiment.study, experiment.settings
        self.study: Study = study
        self.symptom: Symptom = find_symptom(study, given.symptom)
        self.detectors = detectors_of(study)
        self.drawn = {split: sample(study, split, given.bases // 2) for split in ("select", "report")}

    def read(self, split: str, treatment: Treatment | None = None) -> FollowUp:
        """What the model does on a split, treated or not."""
        passes = treatment.passes if treatment else untreated(self.study)
        loci = self.symptom.loci
        return follow_up(self.study, passes, self.drawn[split], loci, self.detectors, self.progress)

    def diagnose(self, before: FollowUp) -> Diagnosis:
        """What carries the symptom on the select split."""
        study, given = self.study, self.experiment.settings
        cells = [each.cell for each in self.drawn["select"]]
        focus = self.symptom.focus(study, before)
        return diagnose(study, focus, cells, beside(study), given.seed, self.progress)


def beside(study: Study) -> np.ndarray:
    """For every feature the next one in order of density, int64 ``(F,)``; features that never fire last."""
    density = study.table("catalog").sort_values("feature")["density"].to_numpy()
    order = np.argsort(-density, kind="stable")
    alive = max(2, int((density > 0).sum()))
    found = np.empty(len(order), np.int64)
    found[order] = order[np.arange(1, len(order) + 1) % len(order)]
    # The rarest that fires has the one before it.
    found[order[alive - 1]] = order[alive - 2]
    return found


def _run(experiment: Experiment, shard: Shard, progress: Progress) -> int:
    given, visit = experiment.settings, _Visit(experiment, progress)
    before = visit.read("select")
    if not np.isfinite(visit.symptom.strength(before, before)[0]):
        raise InputError(
            f"symptom {given.symptom}: the bases that were read of the select split show nothing of it; read"
            " more --bases"
        )
    diagnosis = visit.diagnose(before)
    patient = Patient(experiment, visit.symptom, diagnosis, parts_of(visit.study), progress)
    kinds = list(TREATMENTS) if given.treatment == PROPOSE else [given.treatment]
    tried = [each for kind in kinds for each in TREATMENTS[kind].make(patient)]
    candidates = _try(visit, before, tried)
    tables = {"features": diagnosis.features, "parts": diagnosis.parts, "candidates": candidates}
    chosen = choose(candidates, given.loss)
    candidates["chosen"] = np.arange(len(candidates)) == chosen
    arms: dict[str, FollowUp] = {}
    report = visit.read("report")
    if chosen is not None:
        treatment = tried[chosen]
        arms[TREATED] = visit.read("report", treatment)
        if sham := TREATMENTS[treatment.kind].sham(patient, treatment):
            arms[SHAM] = visit.read("report", sham)
        if isinstance(treatment.made, EditPlan):
            passes = along_random(visit.study, treatment.made, given.seed)
            arms[RANDOM] = visit.read("report", treatment._replace(passes=passes))
        _keep(experiment, treatment)
    tables["changes"] = compare_arms(visit.symptom, visit.detectors, report, arms)
    tables["verdicts"] = compare_verdicts(visit.study, report, arms)
    tables["flags"] = compare_flags(report, arms)
    for name, table in tables.items():
        write_parquet(_part(experiment, name), table)
    return shard.size


def _try(visit: _Visit, before: FollowUp, tried: list[Treatment]) -> pd.DataFrame:
    """Treatments on the select split: ``treatment, what, items``, strength and bits before and after.

    ``relief`` is the share of the symptom's strength that is gone, ``low, high`` the interval of the change
    of its strength, ``more`` the bits a base more over all bases.
    """
    symptom, rows = visit.symptom, []
    for treatment in tried:
        after = visit.read("select", treatment)
        strengths = symptom.strength(before, before), symptom.strength(after, before)
        was, now = (float(each[0]) for each in strengths)
        *_, low, high, _ = changed("", "", "", strengths, symptom.held(before), False)
        bits = [each.bits[:, 0].sum() / each.letters[:, 0].sum() for each in (before, after)]
        row = (treatment.kind, treatment.what, len(treatment.items), was, now)
        rows.append((*row, (was - now) / max(was, 1e-12), low, high, float(bits[1] - bits[0])))
    names = ["treatment", "what", "items", "before", "after", "relief", "low", "high", "more"]
    return pd.DataFrame(rows, columns=names)


def choose(candidates: pd.DataFrame, loss: float) -> int | None:
    """Row of the treatment that relieves most within ``loss`` bits a base; the mildest where none does."""
    if candidates.empty:
        return None
    within = candidates[(candidates["more"] <= loss) & (candidates["relief"] > 0)]
    return int(within["relief"].idxmax() if len(within) else candidates["more"].idxmin())


def _keep(experiment: Experiment, treatment: Treatment) -> None:
    """The treatment as a file: an edit plan, or a model that loads like any other."""
    if isinstance(treatment.made, EditPlan):
        with write_atomic(experiment.folder / PLAN) as temporary:
            temporary.write_text(treatment.made.to_json() + "\n", encoding="utf-8")
        return
    assert isinstance(treatment.made, StripedHyenaModel)
    study = experiment.study
    lock = study.manifest.model
    card = (
        f"# {study.folder.name} {experiment.name}\n\n`{lock.shown_name}` (weights hash"
        f" `{lock.weights_hash}`) treated for {shown_place(experiment.settings.symptom)}: {treatment.what}.\n"
    )
    save_model(experiment.folder / MODEL, treatment.made, card)


def _part(experiment: Experiment, name: str) -> Path:
    return experiment.folder / "parts" / f"{name}.parquet"


def _finish(experiment: Experiment) -> None:
    from workbench.experiments.treat_page import write_treated  # Altair, which no shard needs

    tables = {name: read_parquet(_part(experiment, name)) for name in TABLES}
    for name, table in tables.items():
        write_parquet(experiment.folder / f"{name}.parquet", table)
    write_treated(experiment, tables)
    shutil.rmtree(experiment.folder / TRAINING, ignore_errors=True)


KIND = Kind(
    name="treat",
    title="a treatment of the model, and what else it changes",
    settings=TreatSettings,
    needs=("catalog", "audit"),
    shards=_shards,
    run=_run,
    finish=_finish,
)
