"""Detectors made on planted features, their attack and what is learnt from it; what cannot be said is not."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from feature_mining.detection.detector import Detector
from feature_mining.detection.precision import measure
from feature_mining.sae.calibrate import Calibration
from genomic_models.dna import reverse_complement
from tests.workbench import study_factory
from tests.workbench.scans.test_coding import proteins
from tests.workbench.scans.test_detectors import CONTIG, make
from tests.workbench.small_study import finished_study
from workbench import Study
from workbench.experiments.attack import KIND as ATTACK
from workbench.experiments.attack import as_setting, curves
from workbench.experiments.attacked import read_attacked, read_attacks, transfer
from workbench.experiments.detect import KIND as DETECT
from workbench.experiments.detect import find_detector, precision_error
from workbench.experiments.detector_settings import AttackSettings, DetectSettings
from workbench.experiments.registry import create_experiment
from workbench.files.parquet import read_parquet
from workbench.genome.interval import Interval
from workbench.progress import Silent
from workbench.scans.detectors import tiles
from workbench.scans.making import NotTested, Scored, halves, read_scores, split_pieces
from workbench.scans.source import StudySource

LENGTH = 240_000
# What marks promoters in the planted study, and is active without them too.
FEATURE = 7


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Study:
    """One contig with a promoter a kilobase, at most of which a feature fires, as it does in noise."""
    random = np.random.default_rng(1)
    places = [
        int(at) for at in np.arange(700, LENGTH - 700, 1000) + random.integers(0, 400, LENGTH // 1000 - 1)
    ]
    genes = [("chrA", at, at + 300, str(random.choice(["+", "-"]))) for at in places]
    sites = [(c, s - 40, s, "+") if d == "+" else (c, e, e + 40, "-") for c, s, e, d in genes]

    def planted(sequences: dict[str, str], _: np.random.Generator) -> study_factory.Dense:
        found = {}
        for strand in "+-":
            values = random.gamma(2.0, 0.5, (LENGTH, study_factory.N_FEATURES)).astype(np.float32)
            values[random.random(values.shape) > 0.02] = 0
            values[:, FEATURE] = np.where(random.random(LENGTH) < 0.004, random.gamma(1.0, 0.5, LENGTH), 0)
            for _, start, end, side in sites:
                if side == strand and random.random() < 0.8:
                    values[random.integers(start, end), FEATURE] = 2.0 + random.gamma(3.0, 0.5)
            found["chrA", strand] = values.astype(np.float32), np.ones(LENGTH, bool)
        return found

    with pytest.MonkeyPatch.context() as patch:
        own = {"CONTIGS": {"chrA": LENGTH}, "GENES": genes, "PROMOTERS": sites, "SHARD": 24_000}
        for name, value in (own | {"GAP_OF_N": ("chrA", 0, 0), "_dense": planted}).items():
            patch.setattr(study_factory, name, value)
        made = study_factory.make_study(tmp_path_factory.mktemp("planted")).study
    width = study_factory.N_FEATURES
    edges = np.tile(np.linspace(0.1, 5, 63, dtype=np.float32), (width, 1))
    levels = np.array([0.25, 0.5, 0.75, 0.9, 0.99, 0.999], np.float32)
    top = np.full((width, 6), 4.0, np.float32)
    Calibration(edges, top[:, 0].copy(), levels, top, 1000, 1.0).save(made.folder / "sae")
    return made


def run(study: Study, name: str, kind, settings) -> Path:
    made = create_experiment(study, name, kind.name, settings)
    for shard in kind.shards(made):
        kind.run(made, shard, Silent())
    kind.finish(made)
    return made.folder


@pytest.fixture(scope="module")
def made(study) -> Path:
    return run(study, "promoters", DETECT, DetectSettings(track="promoter", features=3, precision=0.8))


def test_a_probe_finds_the_planted_feature_and_keeps_its_promise(study, made) -> None:
    detector = find_detector(study, "promoters")
    weights = detector.concept.weights
    assert max(weights, key=lambda f: abs(weights[f])) == FEATURE and len(weights) <= 3
    assert (detector.track, detector.mode, detector.precision) == ("promoter", "same", 0.8)
    assert detector.sites_per_megabase == pytest.approx(1000, rel=0.1)
    found = detector.measured
    assert found["report_precision_low"] <= 0.8 <= found["report_precision_high"] + 0.03
    assert precision_error(detector) == abs(found["report_precision"] - 0.8) < 0.2
    assert 0.4 < found["report_recall"] < 0.9 and found["report_abstained"] < 0.1
    page = (made / "page.html").read_text()
    assert "Promised: 80" in page and detector.concept.autoencoder in page and "<svg" in page


def test_calls_of_the_report_split_are_counted_as_said(study, made) -> None:
    """Calls of the table against sites of the annotation, by hand."""
    detector, calls = find_detector(study, "promoters"), read_parquet(made / "calls.parquet")
    blocks = [(s, e) for _, s, e, _ in study.manifest.blocks("report")]
    assert all(any(s <= row.start and row.end <= e for s, e in blocks) for row in calls.itertuples())
    (track,) = [t for t in study.tracks if t.name == "promoter"]
    for row in calls.itertuples():
        own = track.intervals[track.intervals["strand"] == row.strand]
        assert row.true == bool(((own["start"] < row.end) & (own["end"] > row.start)).any())
        values = study.features.rows("chrA", row.start, row.end, row.strand)
        score = detector.score(values.features, values.callable)
        assert row.peak == pytest.approx(score.max()) and row.peak >= detector.threshold
    assert calls["true"].mean() == pytest.approx(detector.measured["report_precision"], abs=0.02)
    bins = read_parquet(made / "reliability.parquet")
    assert bins["calls"].sum() == len(calls)


def test_precision_and_recall_are_those_of_counting(study, made) -> None:
    """At the density of its sites and at a third of it, base by base over the maps, with other draws."""
    detector = find_detector(study, "promoters")
    (track,) = [t for t in study.tracks if t.name == "promoter"]
    counts = []
    for chrom, start, end, _ in study.manifest.blocks("report"):
        for strand in "+-":
            rows = study.features.rows(chrom, start, end, strand)
            above = (detector.score(rows.features, rows.callable) >= detector.threshold).nonzero()[0]
            near = [i for i, at in enumerate(above) if not i or at - above[i - 1] > detector.gap + 1]
            calls = [set(range(part[0], part[-1] + 1)) for part in np.split(above, near[1:]) if len(part)]
            own = track.intervals[track.intervals["strand"] == strand]
            own = own[(own["start"] < end) & (own["end"] > start)]
            sites = [set(range(r.start - start, r.end - start)) for r in own.itertuples()]
            counts.append(
                (
                    sum(any(call & site for site in sites) for call in calls),
                    sum(not any(call & site for site in sites) for call in calls),
                    sum(any(call & site for call in calls) for site in sites),
                    len(sites),
                    (end - start) / 2,
                )
            )
    true, false, hit, total, bases = np.sum(counts, axis=0)
    held = [tile for piece in split_pieces(study, "report", 10**9) for tile in scored(study, detector, piece)]
    readings = read_scores(detector, track, held)
    third = detector.sites_per_megabase / 3e6
    for density in (third, 3 * third):
        found = measure(readings, detector.threshold, detector.gap, density)
        h, f = density * true / total, false / bases
        assert found.precision.value == pytest.approx(h / (h + f), rel=0.02)
        assert found.recall.value == pytest.approx(hit / total, rel=0.02)
        # Normal in the log of false calls a true one, both counted about as Poisson's.
        spread = 1.96 * np.sqrt(1 / true + 1 / max(false, 1))
        expected = [h / (h + f * np.exp(side * spread)) for side in (1, -1)]
        assert [found.precision.low, found.precision.high] == pytest.approx(expected, abs=0.06)
    for figure in ("precision", "recall"):
        assert detector.measured[f"report_{figure}"] == pytest.approx(getattr(found, figure).value, abs=0.03)


def scored(study: Study, detector: Detector, piece: Interval) -> list[Scored]:
    source = StudySource(study)
    return [
        Scored(t.chrom, t.start, t.end, t.scores(detector), detector.domain.centre)
        for t in tiles(source, *piece)
    ]


def test_sites_within_others_stay_what_they_are(study, made) -> None:
    detector, (track,) = find_detector(study, "promoters"), [t for t in study.tracks if t.name == "promoter"]
    rows = track.intervals.head(4).assign(
        start=[20_000, 20_100, 20_150, 20_900],
        end=[20_500, 20_200, 20_160, 21_000],
        strand=["+", "+", "-", "+"],
    )
    held = scored(study, detector, Interval("chrA", 0, 30_000))
    plus, minus = read_scores(detector, replace(track, intervals=rows), held)
    assert plus.sites.tolist() == [[20_000, 20_500], [20_100, 20_200], [20_900, 21_000]]
    assert minus.sites.tolist() == [[20_150, 20_160]]


def test_a_track_on_the_other_strand_has_the_same_calls_turned(study, made, monkeypatch) -> None:
    """With every promoter on its other strand, a detector of the opposite strand is the same one."""
    from workbench.scans import making
    from workbench.study.concepts import resolve

    concept, (track,) = resolve(study, str(FEATURE)), [t for t in study.tracks if t.name == "promoter"]
    turned = track.intervals.assign(strand=track.intervals["strand"].map({"+": "-", "-": "+"}))
    found = []
    for mode, intervals in (("same", track.intervals), ("opposite", turned)):
        monkeypatch.setattr(making, "track_of", lambda *_, own=intervals: replace(track, intervals=own))
        asked = making.Asked("one", "promoter", mode, concept, 1, 0.7, 0.0)
        found.append(making.make_detector(study, asked, Silent()))
    same, opposite = found
    assert len(same.calls) > 20 and set(same.calls["strand"]) == {"+", "-"}
    key = ["chrom", "start", "end"]
    own = opposite.calls.assign(strand=opposite.calls["strand"].map({"+": "-", "-": "+"}))
    pd.testing.assert_frame_equal(
        *(t.sort_values([*key, "strand"], ignore_index=True) for t in (same.calls, own))
    )
    assert opposite.report == same.report


def test_where_sites_are_rarer_the_threshold_is_higher(study, made) -> None:
    rare = DetectSettings(track="promoter", features=3, precision=0.65, sites_per_megabase=300)
    run(study, "rare", DETECT, rare)
    usual, rarer = find_detector(study, "promoters"), find_detector(study, "rare")
    assert rarer.threshold > usual.threshold and rarer.sites_per_megabase == pytest.approx(300)
    # The same score is less likely to be a site.
    peak = np.array([rarer.threshold])
    assert rarer.probability(peak)[0] < usual.probability(peak)[0]


def test_a_concept_takes_the_place_of_the_probe(study) -> None:
    from workbench.study.concepts import resolve

    text = json.dumps(json.loads(resolve(study, str(FEATURE)).to_json()))
    run(study, "alone", DETECT, DetectSettings(track="promoter", concept=text, precision=0.7))
    assert find_detector(study, "alone").concept.weights == {FEATURE: 1.0}


def test_what_cannot_be_said_is_not_tested(study) -> None:
    with pytest.raises(NotTested, match=r"no threshold reaches a precision of 0.999"):
        run(study, "sure", DETECT, DetectSettings(track="promoter", precision=0.999, sites_per_megabase=2))
    with pytest.raises(Exception, match="no interval of a track 'rRNA'"):
        run(study, "rrna", DETECT, DetectSettings(track="rRNA"))


def test_a_small_study_says_that_there_is_too_little(cli, tmp_path_factory) -> None:
    folder = finished_study(tmp_path_factory)
    code, _, err = cli("detect", "make", folder, "--track", "CDS_stop", "--name", "stops")
    assert code == 2 and "not tested: " in err


def test_halves_are_cut_at_cells() -> None:
    pieces = [Interval("a", 0, 900), Interval("a", 2000, 2300)]
    first, second = halves(pieces, 100)
    assert first == [Interval("a", 0, 600)]
    assert second == [Interval("a", 600, 900), Interval("a", 2000, 2300)]


def test_pieces_are_whole_cells_of_the_split(study) -> None:
    for split in ("train", "select", "report"):
        pieces = split_pieces(study, split, 10**9)
        blocks = [(s, e) for _, s, e, _ in study.manifest.blocks(split)]
        assert sum(p.size for p in pieces) == sum(e - s for s, e in blocks)
        few = split_pieces(study, split, 1)
        assert len(few) == 1


@pytest.fixture(scope="module")
def attacked(tmp_path_factory) -> tuple[Study, Path, Detector]:
    """A detector of the small study under attack, with weights that are random: what holds, holds of any."""
    study = Study.open(finished_study(tmp_path_factory))
    detector = replace(make(study), track="CDS_stop", threshold=0.2)
    settings = AttackSettings(as_setting(detector), sites=2, changes=3, reach=24)
    return study, run(study, "red", ATTACK, settings), detector


def test_attacks_keep_sites_and_proteins_and_reach_what_they_say(attacked) -> None:
    study, folder, detector = attacked
    table = read_parquet(folder / "attacks.parquet")
    genome = study.genome.fetch(CONTIG, 0, study.manifest.contigs[CONTIG]).upper()
    before, changed = proteins(study, genome), 0
    for row in table.itertuples():
        letters, changes = list(row.letters), [re.fullmatch(r"(\d+)(.)>(.)", c) for c in row.changes.split()]
        for at, old, new in (change.groups() for change in changes):
            assert letters[int(at)] == new != old
            letters[int(at)] = old
            inside = row.first + detector.gap <= int(at) < row.last - detector.gap
            assert row.goal == "fake" or not inside
            changed += 1
        plain, found = "".join(letters), row.letters
        if row.strand == "-":
            plain, found = reverse_complement(plain), reverse_complement(found)
        assert genome.count(plain) == 1
        assert proteins(study, genome.replace(plain, found)) == before
    assert changed > 50
    assert set(table["split"]) == {"select", "report"} and set(table["goal"]) == {"hide", "fake"}
    assert table.groupby(["split", "goal", "spot"])["way"].nunique().eq(3).all()
    hidden = table[(table["goal"] == "hide") & (table["way"] == "greedy")]
    for row in hidden.itertuples():
        assert row.before >= detector.threshold
        assert (row.after < detector.threshold) == np.isfinite(row.needed)
    faked = table[(table["goal"] == "fake") & (table["way"] == "greedy")]
    assert (faked["before"] < detector.threshold).all()
    found = curves(table, 3)
    for _, own in found.groupby(["split", "goal", "way"]):
        assert own["share"].is_monotonic_increasing and own["share"].between(0, 1).all()
        assert ((own["low"] <= own["share"]) & (own["share"] <= own["high"])).all()
    report = found[(found["split"] == "report") & (found["changes"] == 3)].set_index(["goal", "way"])["share"]
    for goal in ("hide", "fake"):
        assert report[goal, "greedy"] >= report[goal, "random"]
    page = (folder / "page.html").read_text()
    assert "sites hidden" in page and page.count("<svg") == 2


def test_what_was_attacked_is_read_again_as_it_was_scored(attacked) -> None:
    study, _, detector = attacked
    table = read_attacks(study, "red")
    won = table[(table["split"] == "report") & (table["way"] != "random") & (table["needed"] > 0)]
    again = transfer(study, detector, "red")
    assert again["attacked"].sum() == len(won)
    # The detector that was attacked is misled by all of them.
    assert (again["held"] == 0).all()
    if ((table["split"] == "select") & (table["way"] != "random") & (table["needed"] > 0)).any():
        rows = read_attacked(study, "red", "select")
        assert rows.features.n_rows == len(rows.site) > 0


def test_a_detector_of_another_study_is_not_attacked(attacked, refused, tmp_path) -> None:
    study, _, detector = attacked
    path = tmp_path / "other.json"
    path.write_text(detector.to_json().replace(study.sae_hash, "0" * 64))
    told = refused("detect", "attack", study.folder, "--detector", path, "--name", "other")
    assert "0" * 64 in told and study.sae_hash in told


def test_random_changes_are_a_mean_over_draws() -> None:
    rows = [
        ("report", "hide", "random", spot, needed)
        for spot, needed in ((0, 1), (0, np.nan), (1, np.nan), (1, 2))
    ]
    table = pd.DataFrame(rows, columns=["split", "goal", "way", "spot", "needed"])
    found = curves(table, 2)
    assert found["share"].tolist() == [0, 0.25, 0.5]
    # None of two places is not none of all.
    assert found["low"][0] == 0 and found["high"][0] == pytest.approx(0.6667, abs=0.03)
