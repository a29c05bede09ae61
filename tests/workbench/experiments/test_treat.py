"""A treatment: what is followed up is counted again by hand, and whack-a-mole shows."""

from __future__ import annotations

import shutil

import numpy as np
import pandas as pd
import pytest

from feature_mining.detection.calls import find_calls
from feature_mining.edits.edit import Ablate
from feature_mining.edits.passes import forward
from feature_mining.edits.plan import EditPlan
from genomic_models import load
from tests.workbench.scans.test_detectors import make
from tests.workbench.small_study import finished_study
from workbench.analysis.audit.position_bias import PARTS
from workbench.analysis.labels import labels_of
from workbench.analysis.sample import sample
from workbench.engines.local import run_experiment
from workbench.errors import InputError
from workbench.experiments import outcomes, treat
from workbench.experiments.diagnosis import Diagnosis, parts_of
from workbench.experiments.follow_up import EVERYWHERE, LOCI, follow_up
from workbench.experiments.outcomes import BETTER, SAME, UNTESTED, WORSE, changed
from workbench.experiments.registry import create_experiment
from workbench.experiments.symptoms import FlagSymptom, call_scores, detectors_of, find_symptom
from workbench.experiments.treat import beside, choose
from workbench.experiments.treat_settings import TreatSettings
from workbench.experiments.treatments import TREATMENTS, Patient, untreated
from workbench.files.parquet import read_parquet
from workbench.genome.region_classes import CLASSES
from workbench.genome.windows import read_sequence
from workbench.progress import Silent
from workbench.study.study import Study

ASKED = TreatSettings(symptom="loci:CDS", bases=1500, most=4, loss=1.0)


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Study:
    copy = tmp_path_factory.mktemp("treat") / "study"
    shutil.copytree(finished_study(tmp_path_factory), copy)
    return Study.open(copy)


@pytest.fixture(scope="module")
def treated(study):
    made = create_experiment(study, "cure", "treat", ASKED)
    run_experiment(study, "cure")
    return made


def table(experiment, name):
    return read_parquet(experiment.folder / f"{name}.parquet")


def read(study, split="report", passes=None, detectors=None, loci=None):
    drawn = sample(study, split, ASKED.bases // 2)
    return follow_up(study, passes or untreated(study), drawn, loci, detectors or {}, Silent())


def test_counts_are_those_of_the_maps_and_bits_those_of_scoring(study):
    loci = study.tracks[0].intervals
    found = read(study, loci=loci)
    drawn = sample(study, "report", ASKED.bases // 2)
    fired, first = np.zeros((2, study.sae_config.d_sae), np.int64), 0
    for each in drawn:
        for s, strand in enumerate("+-"):
            rows = study.features.rows(*each.cell[:3], strand)
            dense = rows.features.dense() > 0
            fired[s] += dense[rows.callable].sum(axis=0)
            along = np.arange(len(dense)) if strand == "+" else np.arange(len(dense))[::-1]
            first += int(dense[rows.callable & (along * PARTS // study.grid.stride == 0)].sum())
    # Rounding at a threshold may move a firing.
    assert np.abs(found.active.sum(axis=0) - fired).max() <= 2
    assert abs(int(found.place[:, :, 0].sum()) - first) <= 4
    cell = drawn[1].cell
    text = study.genome.fetch(cell.chrom, cell.start - study.grid.warmup, cell.end)
    alone = follow_up(study, untreated(study), [drawn[1]], loci, {}, Silent())
    whole = 0.0
    for letters_read in (text, study.genome.fetch(cell.chrom, cell.start, cell.end + study.grid.warmup, "-")):
        ids = study.model.tokenize([letters_read]).ids
        logs = study.model.forward([letters_read]).logits[0].float().log_softmax(-1)
        at = range(study.grid.warmup, len(letters_read))
        whole -= sum(float(logs[p - 1, ids[0, p]]) for p in at) / np.log(2)
    assert alone.bits[:, 0].sum() == pytest.approx(whole, rel=1e-4)
    assert alone.letters[:, 0].sum() == 2 * (cell.end - cell.start)
    inside = np.zeros(study.manifest.contigs[cell.chrom], bool)
    for start, end in zip(loci["start"], loci["end"], strict=True):
        inside[start:end] = True
    assert alone.letters[:, alone.classes.index(LOCI)].sum() == 2 * inside[cell.start : cell.end].sum()
    assert alone.classes == [EVERYWHERE, *CLASSES, LOCI]
    assert alone.letters[:, 1 : 1 + len(CLASSES)].sum() == alone.letters[:, 0].sum()


def test_the_treatment_that_is_kept_does_what_is_said_of_it(study, treated):
    chosen = table(treated, "candidates").query("chosen").iloc[0]
    changes = table(treated, "changes").set_index(["what", "arm", "name"])
    if (treated.folder / "plan.json").exists():
        plan = EditPlan.from_json((treated.folder / "plan.json").read_text())
        assert len(plan.edits) == chosen["items"] and plan.model == study.model.weights_hash

        def passes(sequences, strands, taps):
            return forward(study.model, sequences, [plan], {study.layer: study.dictionary}, taps, strands)
    else:
        model = load(str(treated.folder / "model"))

        def passes(sequences, strands, taps):
            return model.forward(sequences, taps=taps)

    loci = find_symptom(study, ASKED.symptom).loci
    after, before = read(study, passes=passes, loci=loci), read(study, loci=loci)
    for at, name in enumerate(after.classes):
        if before.letters[:, at].any():
            row = changes.loc[(outcomes.BITS, treat.TREATED, name)]
            for column, arm in (("before", before), ("after", after)):
                bits = arm.bits[:, at].sum() / arm.letters[:, at].sum()
                assert row[column] == pytest.approx(bits, abs=1e-5)
    symptom = changes.loc[outcomes.SYMPTOM]
    assert set(symptom.index.get_level_values("arm")) >= {treat.TREATED, treat.SHAM}
    flags = table(treated, "flags").query("arm == 'treated'").set_index("flag")
    was, now = before.flags(), after.flags()
    for flag, row in flags.iterrows():
        assert (row["before"], row["after"]) == (was[flag].sum(), now[flag].sum())
        assert row["before"] - row["cured"] - row["silenced"] + row["new"] == row["after"]


def test_every_kind_was_tried_and_the_choice_keeps_the_budget(treated):
    candidates = table(treated, "candidates")
    assert set(candidates["treatment"]) == {"ablate", "scale", "rule", "prune"}
    within = candidates[(candidates["more"] <= ASKED.loss) & (candidates["relief"] > 0)]
    chosen = candidates[candidates["chosen"]]
    assert len(chosen) == 1
    if len(within):
        assert chosen["relief"].iloc[0] == within["relief"].max()
    features, parts = table(treated, "features"), table(treated, "parts")
    assert features["carries"].iloc[0] and parts["carries"].iloc[0]
    controls = features[["random", "other", "shifted"]].max(axis=1)
    carried = features["carries"]
    assert (features.loc[carried, "relief"] > controls[carried].clip(lower=0)).all()


def test_the_choice_is_the_most_relief_within_the_budget_else_the_mildest():
    tried = pd.DataFrame({"relief": [0.9, 0.5, 0.1, -0.2], "more": [0.5, 0.02, 0.01, -0.1]})
    assert choose(tried, 0.02) == 1 and choose(tried, 0.6) == 0
    assert choose(tried.iloc[:2].reset_index(drop=True), 0.001) == 1
    assert choose(tried.iloc[:0], 1.0) is None


def test_words_of_a_change_follow_its_interval():
    random = np.random.default_rng(0)
    before = np.concatenate([[1.0], 1 + 0.1 * random.normal(size=400)])
    for shift, less, word in ((0.5, False, WORSE), (0.5, True, BETTER), (-0.5, False, BETTER)):
        row = changed("bits", "all", "arm", (before, before + shift), 20, less)
        assert row[-1] == word and row[5] == pytest.approx(shift)
    noise = np.concatenate([[0.01], random.normal(size=400)])
    assert changed("", "", "", (before, before + noise), 20, False)[-1] == SAME
    assert changed("", "", "", (before, before + 0.5), 3, False)[-1] == UNTESTED


def test_a_feature_that_falls_silent_is_not_cured(study):
    """Ablating what carries the flag takes the flag off, and no strength."""
    drawn = sample(study, "select", ASKED.bases // 2)
    before = follow_up(study, untreated(study), drawn, None, {}, Silent())
    busy = np.argsort(-before.active.sum(axis=(0, 1)))[:6]
    symptom = FlagSymptom("window_position", busy, (32, study.grid.stride))
    plan = EditPlan(tuple(Ablate(study.layer, int(f)) for f in busy))

    def passes(sequences, strands, taps):
        return forward(study.model, sequences, [plan], {study.layer: study.dictionary}, taps, strands)

    after = follow_up(study, passes, drawn, None, {}, Silent())
    enough = before.active.sum(axis=(0, 1))[busy] >= 100
    silent = after.active.sum(axis=(0, 1))[busy] < 0.5 * before.active.sum(axis=(0, 1))[busy]
    assert (silent & enough).any()
    was, now = (symptom.strength(each, before)[0] for each in (before, after))
    # By hand: how unevenly they fire in the first eighth of a window's kept bases.
    ratios = np.zeros((2, len(busy)))
    for row, arm in zip(ratios, (before, after), strict=True):
        bases = arm.place_bases[:, 0].sum(), arm.place_bases[:, 1:].sum()
        for at, feature in enumerate(busy):
            first, rest = arm.place[:, feature, 0].sum(), arm.place[:, feature, 1:].sum()
            row[at] = abs(np.log2((first + 0.5) / (bases[0] + 1) / ((rest + 0.5) / (bases[1] + 1))))
    assert was == pytest.approx(np.median(ratios[0][enough]))
    counted = np.where(silent, ratios.max(axis=0), ratios[1])
    assert now == pytest.approx(np.median(counted[enough]))
    # Silence alone leaves nothing uneven: without the rule all of these would count as better.
    assert (ratios[1] < ratios[0])[silent].any()


def test_a_sham_is_of_as_many_that_do_not_carry_the_symptom_or_there_is_none(study, treated):
    found = Diagnosis(table(treated, "features"), table(treated, "parts"))
    patient = Patient(treated, find_symptom(study, ASKED.symptom), found, parts_of(study), Silent())
    made = 0
    for kind, own, column in (("ablate", found.features, "feature"), ("prune", found.parts, "part")):
        carriers = set(own.loc[own["carries"], column])
        for each in TREATMENTS[kind].make(patient):
            if sham := TREATMENTS[kind].sham(patient, each):
                made += 1
                assert len(set(sham.items)) == len(each.items) and not carriers & set(sham.items)
    assert made
    all_carry = Diagnosis(*(own.assign(carries=True) for own in found))
    for kind in ("ablate", "prune"):
        ways = TREATMENTS[kind]
        assert all(ways.sham(patient._replace(diagnosis=all_carry), of) is None for of in ways.make(patient))


def test_features_are_set_beside_others_of_like_density(study):
    density = study.table("catalog").sort_values("feature")["density"].to_numpy()
    found = beside(study)
    alive = np.flatnonzero(density > 0)
    assert (found[alive] != alive).all() and (density[found[alive]] > 0).all()
    order = alive[np.argsort(-density[alive], kind="stable")]
    assert (found[order[:-1]] == order[1:]).all()


def test_training_and_its_sham_and_a_bed_file(study, tmp_path, cli, monkeypatch):
    lines = [f"{b.chrom}\t{b.start + 40}\t{b.end}\n" for b in study.manifest.split]
    (tmp_path / "wrong.bed").write_text("".join(lines))
    monkeypatch.chdir(tmp_path)
    words = ("treat", study.folder, "--symptom", "loci:wrong.bed", "--treatment", "train", "--train", 2048)
    code, _, err = cli(*words, "--bases", 800, "--name", "school")
    assert code == 0, err
    folder = study.folder / "experiments" / "school"
    assert str(tmp_path / "wrong.bed") in (folder / "question.toml").read_text()
    changes = read_parquet(folder / "changes.parquet").query("what == 'symptom'").set_index("arm")
    # A random network learns most at first; shuffled sequence teaches it composition alone.
    assert changes.loc["treated", "change"] < -0.1 and set(changes.index) == {"treated", "sham"}
    assert changes.loc["treated", "after"] <= changes.loc["sham", "after"] + 0.05
    assert load(str(folder / "model")).weights_hash != study.model.weights_hash
    assert not (folder / "training").exists()
    page = (folder / "page.html").read_text()
    assert "trained further on 2,048 bases of the loci" in page and "<td>loci:wrong.bed</td>" in page
    cards = [path.read_text() for path in (folder / "model").glob("*.md")]
    assert cards and not any(str(tmp_path) in text for text in [page, *cards])


def test_the_page_and_what_is_refused(study, treated, refused):
    page = (treated.folder / "page.html").read_text()
    assert "<svg" in page and "Everything else" in page and "What was tried" in page
    assert str(study.folder) not in page
    ask = ("treat", study.folder, "--name", "no", "--symptom")
    assert "expected flag:NAME, detector:NAME or loci:TRACK" in refused(*ask, "cough")
    assert "other flags are of the sequence" in refused(*ask, "flag:gc")
    assert "neither a BED file nor a track" in refused(*ask, "loci:nowhere")
    assert "experiments" in refused(*ask, "detector:none")
    assert "needs a number of bases" in refused(*ask, "loci:CDS", "--treatment", "train")
    assert not (study.folder / "experiments" / "no").exists()


def test_a_flag_that_no_feature_has_is_refused(study):
    audit = study.table("audit")
    study.write_table("audit", audit.assign(flags=""))
    try:
        with pytest.raises(InputError, match="nothing to treat"):
            find_symptom(study, "flag:warmup")
    finally:
        study.write_table("audit", audit)


@pytest.mark.parametrize("flag", ["window_position", "warmup", "strand_inconsistent"])
def test_the_loss_of_a_flag_is_how_unevenly_its_features_fire(study, flag):
    """Its gradient form is the difference of mean activation between the two sides that the rule compares."""
    symptom = FlagSymptom(flag, np.array([3, 5]), (32, study.grid.stride))
    cell = sample(study, "select", 400)[1].cell
    focus = symptom.focus(study, read(study, "select"))
    part = read_sequence(study.genome, study.grid, cell, "+")
    weights = focus.weights(cell, "+", part, False)
    kept = np.arange(part.skip, part.skip + len(part.callable))
    eighth = np.arange(len(kept)) * PARTS // study.grid.stride == 0
    if flag == "window_position":
        assert weights[kept[eighth]].sum() == pytest.approx(1) and weights.sum() == pytest.approx(0)
    elif flag == "warmup":
        assert weights[:32].sum() == pytest.approx(1) and weights[kept].sum() == pytest.approx(-1)
    else:
        other = focus.weights(cell, "-", read_sequence(study.genome, study.grid, cell, "-"), False)
        assert weights.sum() == pytest.approx(1) and other.sum() == pytest.approx(-1)
    shifted = focus.weights(cell, "+", part, True)
    assert shifted.sum() == pytest.approx(0, abs=1e-9) and np.abs(shifted - weights).max() > 0
    assert set(np.sign(focus.coefficients)) <= {-1.0, 0.0, 1.0}


def test_moved_margins_move_the_verdict():
    known = pd.Series(
        {
            "ap_lift": 0.3, "sample_ap_lift": 0.3, "q": 0.001, "feature": 4, "composition_ap_lift": 0.1,
            "margin_composition_low": 0.1, "verdict": "learnt", "mode": "any",
        }
    )  # fmt: skip
    assert outcomes._moved(known, 0.0) == "learnt"
    assert outcomes._moved(known, -0.15) == "composition"
    assert outcomes._moved(known, -0.29) == "not distinguishable"
    assert outcomes._moved(known, np.nan) == "not tested"


def test_a_detector_that_misfires_is_followed_up(study):
    """Its calls, and the false ones that its loss sums, are those on the study's own maps."""
    detector = make(study)
    folder = study.folder / "experiments" / "bell"
    folder.mkdir(parents=True)
    (folder / "detector.json").write_text(detector.to_json())
    symptom = find_symptom(study, "detector:bell")
    assert list(detectors_of(study)) == ["bell"]
    found = read(study, detectors={"bell": detector})
    counted = call_scores(detector, found.detectors["bell"])
    cells = [each.cell for each in sample(study, "report", ASKED.bases // 2)]
    (track,) = (t for t in study.tracks if t.name == "CDS")
    hits = sites = 0
    for run in runs(cells):
        for strand in "+-":
            rows = study.features.rows(run[0].chrom, run[0].start, run[-1].end, strand)
            calls = find_calls(detector.score(rows.features, rows.callable), detector.threshold, detector.gap)
            own = track.intervals[track.intervals["strand"] == strand]
            for start, end in zip(own["start"] - run[0].start, own["end"] - run[0].start, strict=True):
                if rows.callable[max(0, start) : max(0, end)].any():
                    sites += 1
                    hits += bool(((calls.start < end) & (calls.end > start)).any())
    assert sites and counted.recall[0] == pytest.approx(hits / sites)
    strength = symptom.strength(found, found)[0]
    p, r = counted.precision[0], counted.recall[0]
    assert strength == pytest.approx(1 - 2 * p * r / (p + r))
    focus = symptom.focus(study, found)
    assert list(focus.features) == list(detector.concept.features)
    total, cell = 0.0, cells[1]
    for strand in "+-":
        part = read_sequence(study.genome, study.grid, cell, strand)
        weights = focus.weights(cell, strand, part, False)
        rows = study.features.rows(*cell[:3], strand)
        called = detector.score(rows.features, rows.callable) >= detector.threshold
        inside = labels_of(study, [("CDS", "same")], *cell[:3], strand)
        false = called & ~inside.table[inside.states][:, 0]
        own = weights[part.skip : part.skip + len(false)]
        assert ((own if strand == "+" else own[::-1]) > 0).tolist() == false.tolist()
        total += weights.sum()
    assert 0 < total <= 1
    shutil.rmtree(folder)


def runs(cells):
    found = [[cells[0]]]
    for cell in cells[1:]:
        if found[-1][-1].end == cell.start:
            found[-1].append(cell)
        else:
            found.append([cell])
    return found
