"""Strokes, their history, previews and files on a finished study: read anew by other programs and by hand."""

from __future__ import annotations

import json
import math
import shlex
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pysam
import pytest

from feature_mining.kmers import kmer_hashes
from feature_mining.painting.painting import Painting
from genomic_models.corpora import K
from genomic_models.dna import base_codes
from tests.workbench.small_study import finished_study
from workbench.engines.local import run_experiment
from workbench.errors import InputError
from workbench.experiments import preview
from workbench.experiments.arms import other_of_density
from workbench.experiments.brush import (
    ACTS,
    act,
    ask_anew,
    canvas_around,
    painting_of,
    put_stroke,
    settings_of,
    strongest,
)
from workbench.experiments.evidence import AS_RANDOM, BREAKS, NOT_TESTED, STEERS, verdict_of
from workbench.experiments.painted import NATURAL, PAINTED
from workbench.experiments.preview import ARMS, cropped, left_out, read_written, write_preview
from workbench.experiments.registry import create_experiment, open_experiment
from workbench.experiments.written_files import FILES, commands_of, file_of
from workbench.files.parquet import read_parquet
from workbench.genome.interval import Interval
from workbench.study import history
from workbench.study.concepts import resolve
from workbench.study.history import Node, add_node, change_node, cut_branch, read_history
from workbench.study.study import Study
from workbench.wording import NOT_VALIDATED

CONTIG = "NC_005816.1"
PLACE = Interval(CONTIG, 3000, 3030)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    copy = tmp_path_factory.mktemp("previews") / "study"
    shutil.copytree(finished_study(tmp_path_factory), copy)
    return Study.open(copy)


@pytest.fixture(scope="module")
def feature(study: Study) -> int:
    return int(study.dictionary.unit.argmax())


@pytest.fixture(scope="module")
def node(study: Study, feature: int) -> Node:
    """A stroke, written."""
    made = put_stroke(study, None, resolve(study, str(feature)), PLACE, "+", 2.0)
    made = add_node(study, replace(made, name="first"))
    written = write_preview(study, painting_of(study, made), settings_of(study, made))
    return change_node(study, made.number, written=written)


# -- strokes ---------------------------------------------------------------------------------------


def test_a_stroke_opens_a_canvas_of_the_genome_around_it(study: Study, feature: int) -> None:
    made = put_stroke(study, None, resolve(study, str(feature)), PLACE, "-", 2.0)
    assert made.place.size == study.model.context // 2
    painting = painting_of(study, made)
    assert painting.sequence == study.genome.fetch(*made.place)
    around = study.genome.fetch(CONTIG, made.start - len(painting.before), made.end + len(painting.after))
    assert painting.before + painting.sequence + painting.after == around
    (stroke,) = painting.strokes
    assert (made.start + stroke.start, made.start + stroke.end, stroke.strand) == (3000, 3030, "-")
    assert painting.free == ((stroke.start, stroke.end),)
    # At the beginning of a contig there is less room, and nothing before it.
    first = put_stroke(study, None, resolve(study, str(feature)), Interval(CONTIG, 0, 6), "+", 1.0)
    assert first.start == 0 and painting_of(study, first).before == ""
    with pytest.raises(InputError, match="a stroke of 129 bases: a canvas has 128 at most"):
        canvas_around(study, Interval(CONTIG, 0, 129))


def test_a_stroke_beside_the_canvas_begins_a_tree(study: Study, feature: int, node: Node) -> None:
    concept = resolve(study, str(feature))
    inside = put_stroke(study, node, concept, Interval(CONTIG, 3040, 3050), "+", 1.0)
    beside = put_stroke(study, node, concept, Interval(CONTIG, 8000, 8010), "+", 1.0)
    assert inside.parent == node.number and len(painting_of(study, inside).strokes) == 2
    assert beside.parent == 0 and len(painting_of(study, beside).strokes) == 1
    assert painting_of(study, inside).free == tuple(
        (s.start, s.end) for s in painting_of(study, inside).strokes
    )


def test_acts_change_what_is_painted(study: Study, feature: int, node: Node) -> None:
    def strokes(made: Node) -> list[tuple[int, int, float]]:
        return [
            (made.start + s.start, made.start + s.end, s.strength) for s in painting_of(study, made).strokes
        ]

    here = {"sheet": 0, "stroke": 0}
    assert strokes(act(study, node, "move", here | {"by": 5})) == [(3005, 3035, 2.0)]
    assert strokes(act(study, node, "copy", here | {"start": 3031})) == [(3000, 3030, 2.0), (3031, 3061, 2.0)]
    assert strokes(act(study, node, "stretch", here | {"start": 2990, "end": 3001})) == [(2990, 3001, 2.0)]
    assert strokes(act(study, node, "strengthen", here | {"strength": 0.5})) == [(3000, 3030, 0.5)]
    assert strokes(act(study, node, "remove", here)) == []
    erased = act(study, node, "erase", {"start": 3010, "end": 3020, "strand": ""})
    assert strokes(erased) == [(3000, 3010, 2.0), (3020, 3030, 2.0)]
    assert len(painting_of(study, erased).free) == 2
    sheets = act(study, node, "sheet", {})
    assert [s.name for s in painting_of(study, sheets).sheets] == ["sheet 1", "sheet 2"]
    assert [s.name for s in painting_of(study, act(study, sheets, "raise", {"sheet": 0})).sheets] == [
        "sheet 2",
        "sheet 1",
    ]
    turned = act(study, node, "turn", {"concept": f"feature {feature}", "feature": feature, "factor": 0.5})
    assert painting_of(study, turned).palette[0].weights == {feature: 0.5}
    for made in (erased, sheets, turned):
        assert made.parent == node.number and made.did
    for name, given in {"move": here | {"stroke": 3, "by": 1}, "raise": {"sheet": 9}, "burn": {}}.items():
        with pytest.raises((InputError, ValueError)):
            act(study, node, name, given)
    assert set(ACTS) == {"move", "copy", "stretch", "strengthen", "remove", "erase", "sheet", "raise", "turn"}


def test_the_strongest_that_the_genome_shows_is_that_of_every_value(study: Study, feature: int) -> None:
    other = other_of_density(study, feature)
    values = [study.features.rows(CONTIG, 0, 9609, strand).features for strand in "+-"]
    largest = max(float(each.values[each.indices == feature].max(initial=0)) for each in values)
    unit = float(study.dictionary.unit[feature])
    assert strongest(study, resolve(study, str(feature))) == pytest.approx(largest / unit)
    both = resolve(study, f"{feature} + {other}")
    # The top is the level that 99.9 % of active bases do not reach: the largest is no lower.
    assert strongest(study, both) >= 1


# -- previews --------------------------------------------------------------------------------------


def test_a_preview_writes_what_is_painted_alone(study: Study, node: Node) -> None:
    reference = study.genome.fetch(*node.place)
    first, last = PLACE.start - node.start, PLACE.end - node.start
    assert set(node.written) == set(ARMS)
    for texts in node.written.values():
        assert len(texts) == settings_of(study, node).copies
        assert all(text[:first] + text[last:] == reference[:first] + reference[last:] for text in texts)
    assert any(text != reference for text in node.written[PAINTED])
    again = write_preview(study, painting_of(study, node), settings_of(study, node))
    assert again == node.written  # draws are seeded
    said = " ".join(left_out(painting_of(study, node), settings_of(study, node)))
    assert "4 samples" in said and "30 bases" in said and "whole canvas of 128" in said


def test_the_cropped_painting_reads_the_same_letters(study: Study, node: Node) -> None:
    painting = painting_of(study, node)
    small = cropped(painting, study.model.context)
    whole = painting.before + painting.sequence + painting.after
    assert small.before + small.sequence + small.after in whole
    assert small.sequence == study.genome.fetch(*PLACE) and small.strokes[0].start == 0
    assert len(small.before) + small.length <= study.model.context


def test_levels_and_bits_are_those_of_the_unedited_model(study: Study, feature: int, node: Node) -> None:
    painting, given = painting_of(study, node), settings_of(study, node)
    found = read_written(study, painting, given, node.written)
    assert set(found.strokes["arm"]) == {*ARMS, NATURAL}
    small = cropped(painting, study.model.context)
    concept = resolve(study, str(feature))
    for row in found.strokes.itertuples():
        letters = row.sequence[row.start : row.end]
        forward = study.model.forward([small.before + letters], taps=[study.layer])
        f = study.sae.encode(forward.taps[study.layer][0, -30:].float()).numpy()
        level = concept.level(f, study.dictionary.unit.numpy()) / concept.top
        assert row.achieved == pytest.approx(level.mean(), rel=1e-2, abs=1e-4)
        ids = study.model.tokenize([small.before + letters]).ids
        bases = study.model.base_tokens()
        logs = forward.logits[0, :, bases].float().log_softmax(-1)[len(small.before) - 1 : -1]
        own = [float(logs[i, "ACGT".index(letter)]) for i, letter in enumerate(letters)]
        assert ids.shape[1] == len(small.before) + 30
        assert row.bits == pytest.approx(-np.mean(own) / math.log(2), rel=1e-3)
    mean = found.levels[found.levels["arm"] == PAINTED]
    assert mean["position"].tolist() == list(range(PLACE.start - node.start, PLACE.end - node.start))
    achieved = found.strokes[found.strokes["arm"] == PAINTED]["achieved"].mean()
    assert mean["level"].mean() == pytest.approx(achieved, rel=1e-4)
    assert len(found.verdicts) == 1


def test_words_of_the_genome_around_a_stroke_are_not_said_to_be_copied(
    study: Study, node: Node, monkeypatch
) -> None:
    painting, given = painting_of(study, node), settings_of(study, node)
    start, end = PLACE.start - node.start, PLACE.end - node.start
    everything = np.unique(kmer_hashes(base_codes(painting.sequence), K))
    monkeypatch.setattr(preview, "_sketch", lambda model: everything)
    monkeypatch.setattr(preview, "FRACTION", 1.0)
    as_it_was = read_written(study, painting, given, {**node.written, PAINTED: [painting.sequence]})
    words = {painting.sequence[i : i + K] for i in range(start - K + 1, end)}
    assert as_it_was.copied == (len(words), len(words)) and len(words) == end - start + K - 1
    own = read_written(study, painting, given, node.written)
    assert own.copied[0] <= 4 * len(words) and own.copied[1] < own.copied[0]


def test_an_experiment_of_a_node_has_the_same_painting_and_more_arms(study: Study, node: Node) -> None:
    create_experiment(study, "of_node", "paint", settings_of(study, node))
    run_experiment(study, "of_node")
    made = open_experiment(study, "of_node")
    strokes = read_parquet(made.folder / "strokes.parquet")
    assert set(ARMS) < set(strokes["arm"]) and set(strokes["canvas"]) == {0}
    # One place has no interval, so nothing is claimed of it.
    page = (made.folder / "page.html").read_text()
    assert "not tested: one place has no interval" in page and "follows the painting: it wins" not in page


def test_strokes_on_both_strands_are_redesigned_and_not_written(
    study: Study, feature: int, node: Node
) -> None:
    both = put_stroke(study, node, resolve(study, str(feature)), Interval(CONTIG, 3012, 3040), "-", 1.0)
    with pytest.raises(InputError, match="fill it in by resample or gradient"):
        write_preview(study, painting_of(study, both), settings_of(study, both))
    anew = ask_anew(study, both, fill="resample", copies=1)
    written = write_preview(study, painting_of(study, anew), settings_of(study, anew))
    assert len(written[PAINTED]) == 1 and len(written[PAINTED][0]) == anew.place.size
    for changes in ({"fill": "burn"}, {"copies": 0}, {"track": "CDS"}, {"readouts": []}, {"copies": "x"}):
        with pytest.raises(InputError):
            ask_anew(study, both, **changes)


# -- verdicts --------------------------------------------------------------------------------------


def test_a_verdict_is_never_more_than_samples_can_say() -> None:
    apart, same = np.array([5.0, 6, 7, 8]), np.array([1.0, 2, 3, 4])
    found = verdict_of(apart, {"unpainted": same, "random": same}, True, 1.5)
    assert found.word == STEERS and "p 0.014" in found.why  # 1 of 70 arrangements
    assert verdict_of(apart, {"unpainted": same}, False, 1.5).word == AS_RANDOM
    assert verdict_of(apart, {"unpainted": same, "random": apart}, True, 1.5).word == AS_RANDOM
    assert verdict_of(apart, {"unpainted": same}, True, 2.01).word == BREAKS
    # What the model finds unlikely as it is has not been broken by an edit that leaves it so.
    assert verdict_of(apart, {"unpainted": same}, True, 2.05, unedited=2.02).word == STEERS
    assert verdict_of(apart, {"unpainted": same}, True, 2.2, unedited=2.02).word == BREAKS
    assert verdict_of(apart, {"unpainted": same}, True, 2.05, unedited=1.5).word == BREAKS
    assert verdict_of(apart[:2], {"unpainted": same[:2]}, True, 1.5).word == NOT_TESTED
    assert verdict_of(apart * np.nan, {"unpainted": same}, True, 1.5).word == NOT_TESTED
    assert verdict_of(apart, {}, True, 1.5).word == NOT_TESTED


def test_one_value_beside_many_is_judged_by_where_it_stands() -> None:
    many = np.arange(20.0)
    found = verdict_of(np.array([20.0]), {"random": many}, True, 1.5)
    assert found.word == STEERS and "p 0.048" in found.why  # 1 of 21 arrangements
    assert verdict_of(np.array([18.5]), {"random": many}, True, 1.5).word == AS_RANDOM
    assert verdict_of(np.array([-1.0]), {"random": many}, False, 1.5).word == STEERS
    assert verdict_of(np.array([20.0]), {"random": many, "other": many[:18]}, True, 1.5).word == NOT_TESTED
    assert verdict_of(many, {"random": np.array([-1.0])}, True, 1.5).word == STEERS
    assert verdict_of(many, {"random": np.array([0.5])}, True, 1.5).word == AS_RANDOM


def test_of_arms_that_are_alike_one_in_twenty_is_said_to_steer() -> None:
    random = np.random.default_rng(0)
    words = [
        verdict_of(random.normal(size=4), {"a": random.normal(size=4)}, True, 1.0).word for _ in range(400)
    ]
    assert words.count(STEERS) / 400 < 0.08


# -- history ---------------------------------------------------------------------------------------


def test_nodes_are_a_tree_that_can_be_named_and_cut(study: Study, feature: int, node: Node) -> None:
    concept = resolve(study, str(feature))
    one = add_node(study, put_stroke(study, node, concept, Interval(CONTIG, 3050, 3060), "+", 1.0))
    two = add_node(study, put_stroke(study, node, concept, Interval(CONTIG, 3050, 3060), "+", 3.0))
    leaf = add_node(study, act(study, two, "erase", {"start": 3000, "end": 3020, "strand": "+"}))
    tree = read_history(study)
    assert {one.number, two.number} <= {n.number for n in tree.children(node.number)}
    assert [n.number for n in tree.path(leaf.number)] == [node.number, two.number, leaf.number]
    named = change_node(study, one.number, name="kept\n ", note="why <b>\u202e</b>")
    assert named.name == "kept\\n" and "\u202e" not in named.note and named.title == named.name
    assert cut_branch(study, two.number) == [two.number, leaf.number]
    with pytest.raises(InputError, match=f"there is no node {leaf.number}"):
        read_history(study).node(leaf.number)
    again = add_node(study, put_stroke(study, node, concept, Interval(CONTIG, 3070, 3074), "+", 1.0))
    assert again.number == one.number + 1  # numbers above all that are there
    cut_branch(study, one.number)
    cut_branch(study, again.number)


def test_what_a_history_does_not_hold_is_refused(study: Study, node: Node, monkeypatch) -> None:
    with pytest.raises(InputError, match="at most 80"):
        change_node(study, node.number, name="x" * 81)
    with pytest.raises(InputError, match="letters A, C, G and T"):
        change_node(study, node.number, written={PAINTED: ["ACGT"]})
    with pytest.raises(InputError, match="is not on the genome"):
        add_node(study, replace(node, end=10**9))
    with pytest.raises(InputError, match="there is no node 99"):
        add_node(study, replace(node, parent=99))
    monkeypatch.setattr(history, "MOST", 1)
    with pytest.raises(InputError, match="as many as it may"):
        add_node(study, node)
    assert read_history(study).node(node.number) == node


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda v: v | {"autoencoder": "0f"}, "of another autoencoder, 0f; this study has"),
        (lambda v: v | {"version": 2}, "version 2; this workbench reads version 1"),
        (lambda v: v | {"nodes": {}}, "no list of 500"),
        (lambda v: v | {"nodes": [{"number": 1}]}, "node 1 of the list cannot be read"),
        (lambda v: v | {"nodes": [v["nodes"][0], v["nodes"][0]]}, "node 2 of the list cannot be read"),
        (lambda v: v | {"nodes": [v["nodes"][0] | {"chrom": "x"}]}, "is not on the genome"),
        (lambda v: v | {"nodes": [v["nodes"][0] | {"parent": 5}]}, "comes before the one"),
    ],
)
def test_a_damaged_history_is_refused(study: Study, node: Node, change, said: str) -> None:
    path = study.folder / history.FILE
    before = path.read_text()
    try:
        path.write_text(json.dumps(change(json.loads(before))))
        with pytest.raises(InputError, match=said):
            read_history(study)
        with pytest.raises(InputError):
            add_node(study, node)
    finally:
        path.write_text(before)


def test_a_painting_of_other_letters_is_refused(study: Study, node: Node) -> None:
    painting = json.loads(node.painting)
    painting["sequence"] = painting["sequence"][::-1]
    with pytest.raises(InputError, match="is not what stands at"):
        painting_of(study, replace(node, painting=json.dumps(painting)))
    with pytest.raises(InputError, match="sequence"):
        painting_of(study, replace(node, painting=json.dumps(painting | {"sequence": "AC"})))


# -- files -----------------------------------------------------------------------------------------


def test_the_vcf_gives_back_what_was_written(study: Study, node: Node, tmp_path: Path) -> None:
    shift = node.written[PAINTED][0]
    moved = shift[:60] + "AC" + shift[60:90] + shift[92:]  # an insertion and a deletion
    own = change_node(study, node.number, written={PAINTED: [*node.written[PAINTED], moved]})
    try:
        path, genome = tmp_path / "written.vcf", tmp_path / "genome.fa"
        path.write_text(file_of(study, own, "vcf"))
        genome.write_text(f">{CONTIG}\n{study.genome.fetch(CONTIG, 0, 9609)}\n")
        with pysam.VariantFile(str(path)) as read:
            assert NOT_VALIDATED in str(read.header)
            records = list(read)
        assert any(len(r.ref) != len(r.alts[0]) for r in records)
        packed = tmp_path / "written.vcf.gz"
        pysam.tabix_compress(str(path), str(packed))
        pysam.tabix_index(str(packed), preset="vcf")
        if shutil.which("bcftools") is None:
            pytest.skip("no bcftools here")
        for i, text in enumerate(own.written[PAINTED], 1):
            command = [
                "bcftools",
                "consensus",
                "-f",
                genome,
                "-s",
                f"node{node.number}_{i}",
                "-H",
                "A",
                packed,
            ]
            out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            whole = "".join(out.splitlines()[1:])
            assert whole[node.start : node.end] == text
    finally:
        change_node(study, node.number, written=node.written)


def test_every_file_says_what_it_is_and_can_be_read(
    study: Study, node: Node, tmp_path: Path, cli, refused
) -> None:
    for form, (suffix, _) in FILES.items():
        out = tmp_path / f"x.{suffix}"
        code, said, _ = cli("history", study.folder, "--node", node.number, "--format", form, "--out", out)
        assert code == 0 and str(out) in said
        if form != "painting":
            assert NOT_VALIDATED in out.read_text()
    with pysam.FastxFile(str(tmp_path / "x.fa")) as read:
        records = list(read)
    assert [r.sequence for r in records] == [study.genome.fetch(*node.place), *node.written[PAINTED]]
    lines = [line.split("\t") for line in (tmp_path / "x.gff3").read_text().splitlines() if line[0] != "#"]
    assert (lines[0][0], lines[0][3], lines[0][4], lines[0][6]) == (CONTIG, "3001", "3030", "+")
    painting = Painting.from_json((tmp_path / "x.json").read_text())
    assert painting == painting_of(study, node)
    # The question, put into a folder, is the experiment of the node.
    folder = study.folder / "experiments" / "copied"
    folder.mkdir(parents=True)
    shutil.copy(tmp_path / "x.toml", folder / "question.toml")
    assert open_experiment(study, "copied").settings == settings_of(study, node)
    shutil.rmtree(folder)
    # So do the commands that are named: what they ask is the experiment of the node.
    changed = replace(
        node, asked={**node.asked, "copies": 3, "expect": "less", "temperature": 0.7, "seed": 5}
    )
    for each, name in ((node, "named"), (changed, "changed")):
        change_node(study, node.number, asked=each.asked, experiment=name)
        for command in commands_of(study, replace(each, experiment=name)):
            words = [w.replace("painting.json", str(tmp_path / "p.json")) for w in shlex.split(command)]
            code, _, err = cli(*words[1:], *(["--later"] if words[1] == "paint" else []))
            assert code == 0, err
        assert open_experiment(study, name).settings == settings_of(study, each)
        shutil.rmtree(study.folder / "experiments" / name)
    change_node(study, node.number, asked=node.asked, experiment="")
    code, said, _ = cli("history", study.folder)
    assert code == 0 and "first" in said and f"{CONTIG}:{node.start + 1:,}" in said
    assert "give --node with --format" in refused("history", study.folder, "--format", "vcf")
    assert "expected one of fasta" in refused("history", study.folder, "--node", 1, "--format", "pdf")
    assert "there is no node 77" in refused("history", study.folder, "--node", 77, "--format", "vcf")


def test_a_session_takes_the_history_along_under_new_numbers(
    study: Study, node: Node, tmp_path: Path, cli
) -> None:
    leaf = add_node(study, act(study, node, "erase", {"start": 3000, "end": 3010, "strand": ""}))
    out, copy = tmp_path / "session.json", tmp_path / "copy"
    shutil.copytree(study.folder, copy)
    assert cli("session", study.folder, "--out", out)[0] == 0
    (copy / history.FILE).unlink()
    other = Study.open(copy)
    own = add_node(other, replace(node, note="already there"))
    for _ in range(2):  # restored again nothing is there twice
        code, said, _ = cli("session", copy, "--restore", out)
        assert code == 0 and "2 nodes" in said
        kept = read_history(other)
        assert len(kept.nodes) == 3 and kept.node(own.number) == own
    (moved,) = [n for n in kept.nodes.values() if n.did == leaf.did]
    parent = kept.node(moved.parent)
    assert replace(parent, number=node.number) == node and moved.painting == leaf.painting
    cut_branch(study, leaf.number)
