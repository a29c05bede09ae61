"""The report of a synthetic study: what it says, and that it says it alone."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest

from tests.workbench.study_factory import COLUMNS, GENES, VERDICTS, Dense, make_study
from workbench import wording
from workbench.genome.interval import Interval
from workbench.report.charts import bits_by_class, marks
from workbench.report.context import best_associations, card_features, gather, one_mode_a_track
from workbench.report.loci import best_loci, close_up
from workbench.report.render import write_report
from workbench.report.sentences import summary, weaknesses
from workbench.report.strips import BINS, Strip, draw, missing, outline, spread
from workbench.study.locus import strips
from workbench.study.study import Study

EVIL = "<script>alert('x')</script> & \"co\""


class Written(NamedTuple):
    study: Study
    dense: Dense
    page: str


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Written:
    """A study whose promoter track has an evil name, and its report."""
    study, dense = make_study(tmp_path_factory.mktemp("report"))
    for name in ("tracks", "associations", "catalog"):
        table = study.table(name)
        column = "best_track" if name == "catalog" else "track"
        study.write_table(name, table.assign(**{column: table[column].replace("promoter", EVIL)}))
    path = study.folder / "report.html"
    write_report(study, path)
    return Written(study, dense, path.read_text(encoding="utf-8"))


class Tags(HTMLParser):
    """All tags with attributes, whether void and other tags close as they should, and the text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "br", "hr", "img", "link", "input"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def test_page_is_well_formed_and_fetches_nothing(written: Written) -> None:
    parsed = Tags(written.page)
    assert parsed.open == []
    assert {t for t, _ in parsed.tags}.isdisjoint({"script", "link", "img", "iframe", "object"})
    for _, attributes in parsed.tags:
        for name in ("src", "href", "xlink:href", "action"):
            assert (attributes.get(name) or "#").startswith("#")
        assert not any(name.startswith("on") for name in attributes)
    outside = re.findall(r"(?:https?:)?//[^\s\"'<>)]+", written.page)
    assert {u for u in outside if "." in u} <= {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}
    assert "@import" not in written.page
    assert str(written.study.folder.parent) not in written.page


def test_page_can_be_read_without_seeing(written: Written) -> None:
    tags = Tags(written.page).tags
    pictures = [a for t, a in tags if t == "svg"]
    tables = [a for t, a in tags if t == "table"]
    assert len(pictures) >= 10
    assert all(a.get("role") == "img" for a in pictures)
    assert written.page.count("<caption") == len(tables)
    levels = [int(t[1]) for t, _ in tags if re.fullmatch("h[1-6]", t)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert max(np.diff(levels)) <= 1
    ids = [a["id"] for _, a in tags if a.get("id")]
    assert len(ids) == len(set(ids))
    used = set(re.findall(r"url\(#([^)]+)\)", written.page))
    assert used <= set(ids)


def test_quality_section_holds_probes_units_and_absorption(written: Written) -> None:
    section = written.page.split('id="sae"')[1].split('id="genome"')[0]
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", section))
    assert "divergence (KL)" in text
    # Of four features 0, 1, 1, 2 tracks; of three neurons 3, 4, 0.
    assert "tracks a feature answers to 1.33 mean" in text
    assert "2 of 4 to one, 1 to several, 1 to none" in text
    assert "tracks a neuron answers to 3.50 mean" in text
    absorbed = "gene in tRNA 27.1 % absorbed, of 1,234 held-out bases (same strand): the features of gene"
    assert f"{absorbed} are silent (40 %) and feature 7 carries it; elsewhere on gene 1.3 %" in text
    assert "coding +0.010 bits cost of the reconstruction on 1,200 bases (untouched 1.850)" in text
    assert "Sparse probing: mean average precision lift over 2 tracks" in section


def test_a_study_judged_without_tracks_has_a_report_all_the_same(tmp_path: Path) -> None:
    study = make_study(tmp_path / "study").study
    for table in (study.folder / "tables").glob("quality_*.parquet"):
        table.unlink()
    write_report(study, tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text()
    assert "divergence (KL)" in text
    assert "Sparse probing" not in text and "absorbed" not in text


def test_names_are_escaped(written: Written) -> None:
    assert "<script" not in written.page
    assert "&lt;script&gt;" in written.page


def test_page_holds_verdicts_and_weaknesses(written: Written) -> None:
    text = re.sub(r"\s+", " ", " ".join(Tags(written.page).words))
    evidence = gather(written.study)
    for sentence in [*summary(evidence), *(w.sentence for w in weaknesses(evidence))]:
        assert re.sub(r"\s+", " ", sentence) in text
    for verdict in set(VERDICTS.values()):
        assert verdict in text
    assert "report split" in text
    assert evidence.sae["hash"] in text
    assert written.study.manifest.hash in text


def test_same_study_gives_the_same_bytes(written: Written, tmp_path: Path) -> None:
    write_report(Study.open(written.study.folder), tmp_path / "again.html")
    assert (tmp_path / "again.html").read_text(encoding="utf-8") == written.page


def test_mode_is_chosen_by_the_select_score() -> None:
    tracks = pd.DataFrame(
        {
            "track": ["a", "a", "b"],
            "mode": ["same", "any", "any"],
            "base_rate": [0.1, 0.2, 0.1],
            "ap_select": [0.4, 0.3, 0.2],
            "ap_lift": [0.1, 0.9, 0.5],
            "verdict": ["composition", "learnt", "learnt"],
        }
    )
    shown = one_mode_a_track(tracks)
    assert shown[["track", "mode"]].to_numpy().tolist() == [["b", "any"], ["a", "same"]]


def test_summary_counts_tracks(written: Written) -> None:
    evidence = gather(written.study)
    rows = evidence.shown
    assert sorted(rows["track"]) == sorted([EVIL, "CDS"])
    learnt = rows.loc[rows["verdict"] == "learnt", "track"].tolist()
    first = summary(evidence)[0]
    assert first.startswith(f"{len(learnt)} of 2 tracks" if learnt else "None of 2 tracks")
    for _, row in rows.iterrows():
        mode = {"CDS": "CDS"}.get(row["track"], "promoter"), row["mode"]
        assert row["verdict"] == VERDICTS[mode]
    assert len(evidence.tracks) == len(COLUMNS)


def test_weaknesses_follow_the_numbers(written: Written) -> None:
    rules = {w.rule: w.sentence for w in weaknesses(gather(written.study))}
    few = rules["fewer than 20 intervals in the report split"]
    assert "CDS (2)" in few
    small = rules["report split under 100 kb"]
    assert "1.12 kb" in small or "1.13 kb" in small
    assert "train and report blocks share a contig" in rules
    after = rules["a change above 10 % anywhere after the warm-up"]
    assert wording.percent(0.6 * float(np.exp(-64 / 60))) in after
    assert not any("explained variance" in rule for rule in rules)


def test_weak_numbers_are_called_weak(tmp_path: Path) -> None:
    study, _ = make_study(tmp_path)
    quality = study.facts("quality")
    quality["explained_variance"] = 0.412
    quality["bits"] |= {"clean": 1.97, "sae": 1.99, "recovered_mean": 0.31}
    study.write_facts("quality", quality)
    catalog = study.table("catalog")
    catalog["dead"] = np.arange(len(catalog)) < 5
    study.write_table("catalog", catalog.assign(over_dense=np.arange(len(catalog)) == 7))
    tracks = study.table("tracks")
    tracks["random_ap_lift"] = np.nan
    tracks["verdict"] = "not distinguishable"
    tracks.loc[tracks["track"] == "CDS", "feature"] = 7
    study.write_table("tracks", tracks)
    evidence = gather(study)
    text = "\n".join(w.sentence for w in weaknesses(evidence))
    for part in (
        "explains only 41.2 % of the variance",
        "only 31 % comes back",
        "1.970 bits a base",
        "5 of 20 features (25 %) are dead",
        "1 of 20 features (5 %) are over-dense",
        "2 of 2 tracks have no feature that stands out from chance by enough",
        "control “random weights” did not run",
        "fires on more than 10 % of bases for ",
    ):
        assert part in text, part
    assert summary(evidence)[0].startswith("None of 2 tracks has a feature that beats")


def test_cards_take_the_best_of_each_track_first(written: Written) -> None:
    evidence = gather(written.study)
    features = card_features(evidence.shown, evidence.catalog)
    best = evidence.shown["feature"].tolist()
    assert features[: len(set(best))] == list(dict.fromkeys(best))
    assert len(features) == len(set(features)) >= 6
    rows = best_associations(evidence.associations, features[0])
    assert rows["track"].is_unique


def test_loci_lie_in_the_report_split_and_apart(written: Written) -> None:
    places = best_loci(written.study, [3, 7])
    assert len(places) == 2
    assert {p.chrom for p in places} == {"chrA", "chrB"}
    for place in places:
        assert (written.study.split.codes(place.chrom, place.start, place.end) == 2).all()
    near = close_up(written.study, places[0], 3)
    values = np.maximum(*(written.dense[near.chrom, s][0][:, 3] for s in "+-"))
    inside = values[places[0].start : places[0].end]
    assert near.start <= places[0].start + int(inside.argmax()) < near.end


def _leaves(spec: dict) -> list[dict]:  # type: ignore[type-arg]
    return [layer for row in spec["vconcat"] for layer in row["layer"]]


def test_strips_share_one_axis_and_stay_small(written: Written) -> None:
    locus = Interval("chrA", 2250, 3000)
    shown = [Strip(f, EVIL, 5.0) for f in range(6)]
    spec = draw(written.study, locus, shown)
    assert 0 < marks(spec) <= 5000
    domains = {tuple(s["encoding"]["x"]["scale"]["domain"]) for s in _leaves(spec) if "x" in s["encoding"]}
    assert domains == {(2250.5, 3000.5)}
    assert len({row["width"] for row in spec["vconcat"]}) == 1
    assert spec["bounds"] == "flush"
    genes = next(s for s in _leaves(spec) if s["mark"]["type"] == "bar")["data"]["values"]
    drawn = [(g["start"], g["end"], g["strand"]) for g in genes]
    met = [gene for gene in GENES if gene[0] == "chrA" and gene[2] > 2250]
    # The first base is number 1, and its number stands under its middle.
    expected = [(max(s, 2250) + 0.5, min(e, 3000) + 0.5, d) for c, s, e, d in met]
    assert drawn == expected


def test_drawn_plots_begin_at_one_x(written: Written) -> None:
    """In the finished picture every strip has the same left edge and the same width."""
    picture = re.search(r'<figure class="locus">(.*?)</figure>', written.page, re.S)
    assert picture is not None
    places = re.findall(
        r'concat_\d+_group"[^>]*><g transform="translate\(([-\d.]+),[-\d.]+\)"><path class="background"'
        r'[^>]* d="M[-\d.]+,[-\d.]+h([\d.]+)',
        picture[1],
    )
    assert len(places) >= 7
    assert len(set(places)) == 1


def test_outline_is_the_binned_maximum(written: Written) -> None:
    values = written.dense["chrA", "-"][0][2000:3000, 7]
    bins = strips(written.study, [7], "chrA", 2000, 3000, "-", BINS)[7]
    rows = outline(bins, Strip(7, "promoter", 4.0), "-")
    assert len(rows) == 251
    assert rows[0]["start"] == 2000
    assert rows[-1]["start"] == 3000
    for row in rows[:-1]:
        at = row["start"] - 2000
        assert row["share"] == pytest.approx(-values[at : at + 4].max() / 4, abs=1e-4)


def test_missing_and_spread() -> None:
    values = [np.nan, np.nan, 1, 0, np.nan, 2]
    bins = pd.DataFrame({"start": range(100, 112, 2), "end": range(102, 114, 2), "value": values})
    assert missing(bins, "-") == [
        {"start": 100, "end": 104, "low": -1, "high": 0},
        {"start": 108, "end": 110, "low": -1, "high": 0},
    ]
    assert spread(np.array([0, 5, 10]), np.array([10, 9, 20])) == [0, 1, 0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (wording.fixed(-0.12345), "−0.123"),
        (wording.fixed(-0.0001), "0.000"),
        (wording.strength(9427.71), "9,428"),
        (wording.fixed(float("nan")), "–"),
        (wording.signed(0.2), "+0.200"),
        (wording.effect(0.6054), "+0.605"),
        (wording.effect(-104513.3), "−104,513"),
        (wording.effect(6.123e-5), "+6.12 × 10⁻⁵"),
        (wording.effect(0.0), "+0"),
        (wording.effects_between(-1e-4, 0.25), "[−1.00 × 10⁻⁴, +0.25]"),
        (wording.effects_between(float("nan"), 0.25), ""),
        (wording.count(4641652), "4,641,652"),
        (wording.percent(0.81), "81 %"),
        (wording.percent(0.03217), "3.22 %"),
        (wording.percent(0.99999), "> 99.9 %"),
        (wording.probability(0.00012), "1 × 10⁻⁴"),
        (wording.probability(0.031), "0.031"),
        (wording.bases(154478), "154 kb"),
        (wording.bases(4641652), "4.64 Mb"),
        (wording.between(-0.01, 0.2), "[−0.010, +0.200]"),
        (wording.between(None, 0.2), ""),
        (wording.listed(["a", "b", "c"], 2), "a, b and 1 more"),
        (wording.plural(1, "track"), "1 track"),
    ],
)
def test_numbers_as_text(text: str, expected: str) -> None:
    assert text == expected


def test_study_without_annotation(tmp_path: Path) -> None:
    study, _ = make_study(tmp_path)
    for name in ("tracks", "associations"):
        study.write_table(name, pd.DataFrame())
    blank = {c: np.nan for c in study.table("catalog") if c.startswith("best_")}
    words = {"best_track": "", "best_mode": "", "verdict": ""}
    study.write_table("catalog", study.table("catalog").assign(**{**blank, **words}))
    assert summary(gather(study))[0].startswith("No track was tested")
    write_report(study, tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "no annotation with enough intervals" in page
    assert page.count('class="card"') == 6 + 1  # and one unexplained feature


def test_track_without_a_score_is_called_untested(tmp_path: Path) -> None:
    study, _ = make_study(tmp_path)
    tracks = study.table("tracks")
    lost = tracks["track"] == "promoter"
    tracks.loc[lost, "feature"] = -1
    tracks.loc[lost, ["n_intervals", "ap_lift", "average_precision", "z", "q"]] = np.nan
    study.write_table("tracks", tracks.assign(verdict="not distinguishable"))
    evidence = gather(study)
    said = summary(evidence)
    assert said[0].startswith("None of 1 tested track has a feature that beats every control")
    why = "no feature could be picked: no base of the track in the select split"
    assert f"1 track not tested ({why}): promoter." in said
    doubts = [w.sentence for w in weaknesses(evidence)]
    assert "1 of 2 tracks could not be tested, which says nothing for or against it: promoter." in doubts
    assert "1 of 2 tracks has no feature that stands out from chance by enough: CDS." in doubts
    assert not any("promoter (" in doubt for doubt in doubts)
    study.write_table("tracks", tracks.assign(feature=-1, verdict="not distinguishable"))
    assert summary(gather(study))[0].startswith("None of 2 tracks could be tested on held-out")
    few = tracks.assign(feature=3, q=0.1, sample_blocks=2, verdict="not distinguishable")
    study.write_table("tracks", few)
    assert summary(gather(study))[0].startswith("Too small to judge: none of 2 tracks could be")
    assert all("promoter" not in s for s in summary(evidence)[:2])


def test_what_was_left_out_of_the_annotation_is_on_the_page(written: Written) -> None:
    assert "left out" not in Tags(written.page).words
    study = Study.open(written.study.folder)
    notes = ["genes.gff3: left out: 3 region over whole contigs", EVIL]
    study.annotation = study.annotation._replace(notes=notes)
    path = study.folder / "noted.html"
    write_report(study, path)
    parsed = Tags(path.read_text(encoding="utf-8"))
    assert parsed.open == []
    assert parsed.words[parsed.words.index("left out") + 1 :][:2] == notes
    # As the settings are now, not as they were when it was planned.
    changed = Study.open(written.study.folder)
    changed.config = replace(
        changed.config, statistics=replace(changed.config.statistics, min_intervals=100_000)
    )
    (note,) = gather(changed).notes
    assert note.startswith("not tested, fewer than 100000 intervals: ") and "promoter (" in note


def test_a_model_without_a_next_base_costs_no_bits(written: Written) -> None:
    """What is said then is how far what it says moves, in the summary, the doubts and the chart."""
    evidence = gather(written.study)
    nothing = {name: float("nan") for name in ("clean", "sae", "mean", "zero", "recovered_mean")}
    moved = {"kl_sae": 0.0123, "kl_mean": 0.02, "kl_zero": 0.03, "kl_recovered_mean": 0.385, "bases": 9}
    quality = evidence.quality | {"bits": nothing | moved, "bits_by_class": {"coding": nothing | moved}}
    evidence = replace(evidence, quality=quality)
    said = "it changes what the model says of a base by 0.012 bits (divergence; the layer at its mean 0.02)"
    assert said in summary(evidence)[-1]
    assert any(said in w.sentence for w in weaknesses(evidence))
    chart = json.dumps(bits_by_class(quality["bits_by_class"]))
    assert "divergence from the untouched model" in chart and "0.0123" in chart and "NaN" not in chart
