"""Painting on a finished study: strokes read anew by hand, arms, own canvases, files, refusals."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from feature_mining.edits.edit import Push, Steer
from feature_mining.kmers import sketch
from feature_mining.painting.goals import written_by
from feature_mining.painting.painting import Painting, Sheet, Stroke, plan_of, strengths
from genomic_models.corpora import FRACTION, Corpus, K
from genomic_models.dna import base_codes, reverse_complement
from tests.workbench.small_study import finished_study
from workbench.engines.local import run_experiment
from workbench.errors import InputError
from workbench.experiments import paint
from workbench.experiments.arms import other_of_density, others_of_density
from workbench.experiments.canvases import choose_canvases
from workbench.experiments.paint import CANVASES, PAINTING, copied_share, summarise_strokes
from workbench.experiments.painted import CONTROLS, NATURAL, PAINTED, UNPAINTED, Easel, other_concept, shifted
from workbench.experiments.registry import create_experiment, open_experiment
from workbench.experiments.settings import PaintSettings
from workbench.experiments.strokes import make_painting, on_one_line, parse_canvas
from workbench.files.parquet import read_parquet
from workbench.genome.fasta import read_fasta
from workbench.study.concepts import resolve
from workbench.study.study import Study

CONTIG = "NC_005816.1"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of a finished study."""
    copy = tmp_path_factory.mktemp("painting") / "study"
    shutil.copytree(finished_study(tmp_path_factory), copy)
    return copy


@pytest.fixture(scope="module")
def study(folder: Path) -> Study:
    return Study.open(folder)


@pytest.fixture(scope="module")
def features(study: Study) -> tuple[int, int]:
    """Two features that are active."""
    first = int(study.dictionary.unit.argmax())
    return first, other_of_density(study, first)


def quick(study: Study, features: tuple[int, int], *strokes: str, **more) -> PaintSettings:
    given = strokes or (f"{features[0]}@6-12=2", f"{features[0]} + 0.5*{features[1]}@15-24=0.5..1")
    painting = on_one_line(make_painting(study, given, 30))
    values = {"track": "CDS", "places": 2, "offset": 9, "context": 30, "painting": painting, "copies": 2}
    return PaintSettings(**values | more)


def run(study: Study, name: str, settings: PaintSettings) -> dict[str, pd.DataFrame]:
    create_experiment(study, name, "paint", settings)
    run_experiment(study, name)
    made = open_experiment(study, name).folder
    return {
        table: read_parquet(made / f"{table}.parquet") for table in ("strokes", "answers", "levels", "copied")
    }


def test_canvases_lie_in_their_interval_and_split(study: Study) -> None:
    given = PaintSettings(track="CDS", places=2, offset=9, context=30, split="select")
    blocks = [b for b in study.split.blocks if b.split == "select"]
    for canvas in choose_canvases(study, given, 30):
        chrom, start, end = canvas.place
        assert any(b.start <= start - 30 and end + 30 <= b.end for b in blocks)
        whole = study.genome.fetch(chrom, start - 30, end + 30)
        whole = whole if canvas.strand == "+" else reverse_complement(whole)
        assert canvas.before + canvas.sequence + canvas.after == whole and len(canvas.sequence) == 30
        track = next(t for t in study.tracks if t.name == "CDS").intervals
        first = start - 9 if canvas.strand == "+" else end + 9
        ends = track["start"] if canvas.strand == "+" else track["end"]
        assert (ends == first).any()
        letter = study.genome.fetch(chrom, canvas.locate(4), canvas.locate(4) + 1, canvas.strand)
        assert letter == canvas.sequence[4]


def test_stretches_with_other_letters_are_no_canvas(
    study: Study, features: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    fetch = study.genome.fetch
    monkeypatch.setattr(study.genome, "fetch", lambda *place: "N" * len(fetch(*place)))
    with pytest.raises(InputError, match="0 intervals of CDS have room"):
        choose_canvases(study, quick(study, features), 30)
    with pytest.raises(InputError, match="holds N there or around; expected A, C, G, T"):
        parse_canvas(study, f"{CONTIG}:100-130", 0, 20)


def test_words_of_all_canvases_of_an_arm_are_looked_up(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    random = np.random.default_rng(0)
    known, new = ("".join(random.choice(list("ACGT"), 60_000)) for _ in range(2))
    np.save(tmp_path / "words.npy", sketch([base_codes(known)], K, FRACTION))
    monkeypatch.setattr(paint, "corpus_of", lambda name: Corpus("", tmp_path / "words.npy"))
    rows = [
        (PAINTED, 0, known[:30_000]),
        (PAINTED, 0, known[30_000:]),
        (UNPAINTED, 0, new),
        (UNPAINTED, 1, known),
    ]
    found = copied_share(study, pd.DataFrame(rows, columns=["arm", "stroke", "sequence"])).set_index("arm")
    assert found.loc[PAINTED, "sampled"] == found.loc[PAINTED, "in_training"] > 30
    assert found.loc[UNPAINTED, "sampled"] > 30 and not found.loc[UNPAINTED, "in_training"]


def test_strokes_are_read_without_edits(study: Study, features: tuple[int, int]) -> None:
    settings = quick(study, features)
    tables = run(study, "painted", settings)
    strokes = tables["strokes"]
    arms = {PAINTED, *CONTROLS, NATURAL}
    assert set(strokes["arm"]) == arms and len(strokes) == len(arms) * 2 * 2 * 2
    canvases = {c.number: c for c in choose_canvases(study, settings, 30)}
    summed = resolve(study, f"{features[0]} + 0.5*{features[1]}")
    for row in strokes.sample(12, random_state=0).itertuples():
        canvas = canvases[row.canvas]
        x = study.model.forward([canvas.before + row.sequence], taps=[study.layer]).taps[study.layer][0, -30:]
        f = study.sae.encode(x.float()).numpy()
        concept = resolve(study, str(features[0])) if row.stroke == 0 else summed
        level = concept.level(f, study.dictionary.unit.numpy())[row.start : row.end] / concept.top
        assert row.achieved == pytest.approx(level.mean(), rel=1e-2, abs=1e-4)
        assert row.peak == pytest.approx(level.max(), rel=1e-2, abs=1e-4)
        letters = row.sequence[row.start : row.end]
        codons = [letters[i : i + 3] for i in range(0, len(letters), 3)]
        stops = sum(codon in ("TAA", "TAG", "TGA") for codon in codons) / len(codons)
        found = strokes.loc[row.Index, "stops.plus_1"]
        assert found == pytest.approx(stops)
    natural = strokes[(strokes["arm"] == NATURAL) & (strokes["stroke"] == 0)]
    assert all(row.sequence == canvases[row.canvas].sequence for row in natural.itertuples())
    assert strokes.groupby("stroke")["painted"].first().tolist() == pytest.approx([2.0, 0.75])
    # Levels along the canvas are the mean of these.
    levels = tables["levels"]
    own = levels[(levels["arm"] == PAINTED) & (levels["concept"] == f"feature {features[0]}")]
    mean = own[own["position"].between(6, 11)]["level"].mean()
    first = strokes[(strokes["stroke"] == 0) & (strokes["arm"] == PAINTED)]
    assert mean == pytest.approx(first["achieved"].mean(), rel=1e-3, abs=1e-6)
    answers = tables["answers"]
    assert list(answers[answers["stroke"] == 0]["arm"]) == [PAINTED, *CONTROLS, NATURAL]
    gc = strokes[strokes["stroke"] == 0].groupby("arm")["gc"].mean()
    assert gc["same GC"] == pytest.approx(gc[PAINTED], abs=0.04)
    # In each stroke, and not over the whole alone, where it would bind at the end.
    for number, stroke in strokes.groupby("stroke"):
        inside = stroke.assign(
            share=[sum(b in "GC" for b in row.sequence[row.start : row.end]) for row in stroke.itertuples()]
        )
        counts = inside.groupby("arm")["share"].mean()
        size = int(stroke["end"].iloc[0] - stroke["start"].iloc[0])
        assert abs(counts["same GC"] - counts[PAINTED]) <= 0.02 * size + 1, number
    asked = open_experiment(study, "painted").folder
    page = (asked / "page.html").read_text()
    assert (
        study.sae_hash in page and "Copied from training?" not in page and "by 0.5 at 15 to 1 at 23" in page
    )
    assert Painting.from_json((asked / PAINTING).read_text()).strokes[0].strength == 2.0
    written = {name: "".join(pieces) for name, pieces in read_fasta(asked / CANVASES)}
    own = strokes[(strokes["stroke"] == 0) & (strokes["arm"] == PAINTED)]
    assert list(written.values()) == own["sequence"].tolist() and len(written) == 2 * 2
    assert (asked / CANVASES).read_text().count(" model output, not validated\n") == len(written)


def test_on_the_minus_strand_gc_is_held_stroke_by_stroke_too(study: Study, features: tuple[int, int]) -> None:
    settings = quick(study, features, f"{features[0]}@6-12:-=4")
    painting = Painting.from_json(settings.painting)
    easel = Easel(study, settings, painting, choose_canvases(study, settings, 30), lambda bases: None)
    painted = ["AT" * 3 + "GC" * 3 + "AT" * 9] * 4
    for text in easel._same_gc("-", painted):
        inside = sum(base in "GC" for base in text[6:12])
        assert inside >= 5 and sum(base in "GC" for base in text) <= inside + 2


def test_both_strands_are_redesigned_in_place(study: Study, features: tuple[int, int]) -> None:
    given = quick(study, features, f"{features[0]}@6-12=1", f"{features[0]}@18-24:-=1")
    painting = replace(Painting.from_json(given.painting), free=((5, 25),))
    settings = replace(
        given, painting=on_one_line(painting), fill="gradient", steps=4, copies=1, gc="0.2-0.8",
        avoid=["GGGG"],
        readouts=["stops.plus_1", "composition.gc"],
    )  # fmt: skip
    canvases = choose_canvases(study, settings, 30)
    for fill in ("gradient", "resample"):
        strokes = run(study, fill, replace(settings, fill=fill))["strokes"]
        for row in strokes[strokes["arm"] != NATURAL].itertuples():
            natural = canvases[row.canvas].sequence
            assert row.sequence[:5] == natural[:5] and row.sequence[25:] == natural[25:]
            own = row.sequence
            if own != natural:
                assert "GGGG" not in own and "CCCC" not in own
        both = strokes[strokes["arm"] == PAINTED].pivot(
            index="canvas", columns="stroke", values="composition.gc"
        )
        for number, row in both.iterrows():
            text = strokes[(strokes["arm"] == PAINTED) & (strokes["canvas"] == number)]["sequence"].iloc[0]
            for stroke, (start, end) in enumerate(((6, 12), (18, 24))):
                share = sum(base in "GC" for base in text[start:end]) / (end - start)
                assert row[stroke] == pytest.approx(share)


def test_written_canvases_keep_the_bases_that_may_not_change(study: Study, features: tuple[int, int]) -> None:
    given = quick(study, features, f"{features[0]}@6-12:-=1")
    painting = replace(Painting.from_json(given.painting), free=((5, 25),))
    strokes = run(study, "kept", replace(given, painting=on_one_line(painting), copies=1))["strokes"]
    natural = strokes[strokes["arm"] == NATURAL].set_index("canvas")["sequence"]
    for row in strokes.itertuples():
        kept = natural[row.canvas]
        assert row.sequence[:5] == kept[:5] and row.sequence[25:] == kept[25:]
    assert strokes[strokes["arm"] == PAINTED]["sequence"].tolist() != natural.tolist()
    empty = replace(painting, before="ACGT", after="ACGT")
    with pytest.raises(InputError, match="says which bases may change, and has no sequence"):
        create_experiment(study, "wrong", "paint", replace(given, painting=on_one_line(empty), track=""))


def test_the_arms_are_as_strong_as_what_they_control(study: Study, features: tuple[int, int]) -> None:
    settings = quick(study, features)
    painting = Painting.from_json(settings.painting)
    easel = Easel(study, settings, painting, choose_canvases(study, settings, 30), lambda bases: None)
    plan = plan_of(easel.painting, "+")
    pushed = easel._pushed("+").edits
    assert all(isinstance(edit, Push) for edit in pushed)
    assert {edit.where for edit in pushed} == {edit.where for edit in plan.edits}
    (first,) = [edit for edit in pushed if edit.where == plan.edits[0].where]
    unit, rows = study.dictionary.unit, study.sae.W_dec
    size = float(first.strength) * float(unit[first.feature] * rows[first.feature].norm())
    assert size == pytest.approx(2.0 * float(written_by(painting.palette[0], study.dictionary).norm()))
    other = other_concept(study, painting.palette[1])
    assert not set(other.features) & set(painting.palette[1].features)
    assert sorted(other.weights.values()) == sorted(painting.palette[1].weights.values())
    with pytest.raises(InputError, match="others are active"):
        others_of_density(study, range(study.sae_config.d_sae - 1))
    assert other.features == tuple(sorted(others_of_density(study, painting.palette[1].features)))
    before, after = strengths(painting, "+"), strengths(shifted(painting), "+")
    for name, values in before.items():
        assert np.roll(values, 15) == pytest.approx(after[name])
    assert all(isinstance(edit, Steer) for edit in plan.edits)
    # Written, the shifted strokes lie a canvas before, in what is read: what comes later changes nothing.
    earlier = easel._earlier(plan)
    moved = [(start - 30, end - 30) for edit in plan.edits for start, end in edit.where.intervals]
    assert [at for edit in earlier.edits for at in edit.where.intervals] == moved
    assert easel._earlier(plan_of(replace(easel.painting, before="A"), "+")) is None


def test_unpainted_is_a_rival_too() -> None:
    random = np.random.default_rng(0)
    rows = []
    for canvas in range(40):
        base = random.normal(0.5, 0.2)
        for arm in (PAINTED, *CONTROLS):
            response = base + (0.3 if arm == PAINTED else 0) + random.normal(0, 0.01)
            rows.append((arm, canvas, 0, "c", 0, 9, "+", 1.0, 0.8, 0.9, 0.5, response))
    columns = ["arm", "canvas", "stroke", "concept", "start", "end", "stroke_strand", "painted", "achieved"]
    strokes = pd.DataFrame(rows, columns=[*columns, "peak", "gc", "stops.plus_1"])
    found = summarise_strokes(strokes, PaintSettings())
    own = found[found["arm"] == PAINTED].iloc[0]
    assert own["win_rate"] == 1 and own["steers"] and own["effect"] == pytest.approx(0.3, abs=0.02)
    assert found[found["arm"] == UNPAINTED]["effect"].tolist() == [0.0] and own["gc_shift"] == 0
    less = summarise_strokes(strokes, PaintSettings(expect="less"))
    own = less[less["arm"] == PAINTED].iloc[0]
    assert own["win_rate"] == 0 and not own["steers"]


def test_a_painting_of_ones_own_canvas(cli, folder: Path, study: Study, features: tuple[int, int]) -> None:
    at = f"{CONTIG}:1,000-1,030:-"
    code, out, err = cli(
        "paint",
        folder,
        "--at",
        at,
        "--context",
        20,
        "--stroke",
        f"{features[0]}@3-9=1",
        "--name",
        "own",
        "--later",
    )
    assert code == 0, err
    assert "question.toml" in out
    asked = open_experiment(study, "own")
    painting = Painting.from_json(asked.settings.painting)
    canvas = parse_canvas(study, at, 0, 20)
    assert painting.sequence == canvas.sequence == reverse_complement(study.genome.fetch(CONTIG, 1000, 1030))
    assert painting.after == reverse_complement(study.genome.fetch(CONTIG, 980, 1000))
    # Changed by hand, and painted again from its file.
    changed = replace(
        painting, sheets=(*painting.sheets, Sheet("over it", (Stroke(painting.palette[0].name, 5, 8),)))
    )
    file = folder.parent / "mine.json"
    file.write_text(changed.to_json())
    code, out, err = cli("paint", folder, "--painting", file, "--name", "mine")
    assert code == 0 and "page.html" in out, err
    table = read_parquet(folder / "experiments" / "mine" / "strokes.parquet")
    assert set(table["stroke"]) == {0, 1} and set(table["canvas"]) == {0}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--stroke", "1@3-9"], "--stroke 1@3-9: expected CONCEPT@START-END=STRENGTH"),
        (["--stroke", "9999@3-9=1"], "no 9999"),
        (["--stroke", "{0}@9-3=1"], "stroke 9-3: expected 0 <= start < end"),
        (["--stroke", "{0}@3-99=1"], "stroke 3-99 leaves the canvas of 90 bases"),
        (["--stroke", "{0}@3-9=x"], "strength 'x' is not a number"),
        (["--stroke", "{0}@3-9=1", "--at", "nowhere"], "--at nowhere: expected CONTIG:START-END"),
        (["--stroke", "{0}@3-9=1", "--at", "x:1-9", "--track", "CDS"], "give one of them"),
        ([], "give what is painted in one way"),
        (["--stroke", "{0}@3-9=1", "--stroke", "{0}@3-9:-=1"], "strokes on both strands"),
        (["--stroke", "{0}@3-9=1", "--track", "none"], "track 'none' has no interval"),
        (["--stroke", "{0}@3-9=1", "--track", "CDS", "--places", "900"], "900 places are asked for"),
        (["--stroke", "{0}@3-9=0"], "nothing of the painting shows"),
        (["--stroke", "{0}@0-1=1"], "nothing of the painting shows"),
        (["--stroke", "{0}@3-9=1", "--readout", "nobody.x"], "there is no judge 'nobody'"),
        (["--stroke", "{0}@3-9=1", "--gc", "high"], "--gc high: expected LOW-HIGH"),
        (["--stroke", "{0}@3-9=1", "--mask", "88:ACGT"], "lies outside of the 90 bases"),
        (["--stroke", "{0}@3-9=1", "--fill", "guess"], "fill is 'guess', expected one of write"),
    ],
)
def test_what_cannot_be_painted_gets_a_sentence(
    refused, folder: Path, features: tuple[int, int], options: list[str], said: str
) -> None:
    given = [option.format(*features) for option in options]
    assert said in refused("paint", folder, "--name", "wrong", *given)
    assert not (folder / "experiments" / "wrong").exists()


def test_paintings_of_others_and_broken_ones_are_refused(
    refused, folder: Path, study: Study, features: tuple[int, int]
) -> None:
    painting = make_painting(study, [f"{features[0]}@3-9=1"], 30)
    file = folder.parent / "other.json"
    for change, said in (
        ({"model": "0" * 64}, "the painting is for a model with hash 000"),
        ({"autoencoders": {study.layer: "1" * 64}}, "autoencoder of blocks.2 with hash 111"),
        ({"sheets": ()}, "the painting has no stroke"),
    ):
        file.write_text(replace(painting, **change).to_json())
        assert said in refused("paint", folder, "--painting", file, "--name", "wrong")
    values = json.loads(painting.to_json())
    values["sheets"][0]["strokes"][0]["end"] = "far"
    file.write_text(json.dumps(values, indent=1))
    line = file.read_text()[: file.read_text().index('"far"')].count("\n") + 1
    sentence = refused("paint", folder, "--painting", file, "--name", "wrong")
    assert f"line {line}, field sheets[0].strokes[0].end: found" in sentence and str(file) in sentence
    with pytest.raises(InputError, match="no stroke"):
        create_experiment(study, "wrong", "paint", PaintSettings(painting='{"version": 1, "length": 30}'))
