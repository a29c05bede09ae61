"""Exports against brute force over dense arrays and against independent readers."""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
from pathlib import Path
from urllib.parse import unquote

import bioframe
import numpy as np
import pandas as pd
import pyBigWig
import pysam
import pytest

from tests.workbench.study_factory import CONTIGS, DEAD, GAP_OF_N, WARMUP, WEIGHTS, Synthetic, make_study
from workbench.errors import InputError
from workbench.export import WRITERS, export
from workbench.export.choice import Choice, choose
from workbench.export.runs import find_runs, genome_runs, join
from workbench.export.signals import segments
from workbench.export.stream import Piece, Reading
from workbench.files.gff3 import escape_attribute, escape_seqid
from workbench.study.passports import with_causal

GAP = 3


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Synthetic:
    return make_study(tmp_path_factory.mktemp("study"))


def brute_runs(made: Synthetic, choice: Choice, chrom: str, strand: str) -> list[tuple[int, int, float]]:
    """Runs (start, end, max) by walking along the dense array, base by base."""
    values, usable = made.dense[chrom, strand]
    runs: list[list[float]] = []
    for position, value in enumerate(values[:, choice.feature]):
        if not usable[position] or value <= 0 or value < np.float32(choice.threshold):
            continue
        if runs and position - (runs[-1][1] - 1) <= GAP + 1:
            runs[-1][1], runs[-1][2] = position + 1, max(runs[-1][2], value)
        else:
            runs.append([position, position + 1, value])
    return [(int(a), int(b), float(v)) for a, b, v in runs]


# -- tables ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("what", ["associations", "catalog", "tracks", "examples"])
def test_tables_come_back_as_they_were(made: Synthetic, tmp_path: Path, what: str) -> None:
    table = made.study.table(what)
    if what == "catalog":  # has what features are called, and what passports say, besides
        table.insert(1, "label", [made.study.feature_labels()[f].text for f in table["feature"]])
        table = with_causal(table, made.study.folder, made.study.sae_hash)
    parquet = export(made.study, what, "parquet", tmp_path / "t.parquet")
    pd.testing.assert_frame_equal(pd.read_parquet(parquet[0]), table)

    tsv = pd.read_csv(export(made.study, what, "tsv", tmp_path / "t.tsv")[0], sep="\t")
    assert list(tsv) == list(table)
    records = json.loads(export(made.study, what, "json", tmp_path / "t.json")[0].read_text())
    assert len(records) == len(table)
    for name in table.select_dtypes("number"):
        column = table[name].to_numpy(np.float64)
        tolerance = 1e-7 if table[name].dtype == np.float32 else 1e-15
        np.testing.assert_allclose(tsv[name].to_numpy(np.float64), column, rtol=tolerance)
        from_json = [np.nan if r[name] is None else r[name] for r in records]
        np.testing.assert_array_equal(from_json, column)


def test_an_apostrophe_before_what_a_spreadsheet_would_run(tmp_path: Path) -> None:
    study = make_study(tmp_path).study
    names = ["=HYPERLINK(1)", "+x", "-x", "@x", "-5", "a=b", "+1e3", ""]
    catalog = study.table("catalog").head(len(names)).assign(consensus=names)
    study.write_table("catalog", catalog)

    def cells(safe: bool) -> pd.DataFrame:
        out = export(study, "catalog", "tsv", tmp_path / "t.tsv", spreadsheet_safe=safe)[0]
        return pd.read_csv(out, sep="\t", dtype=str, keep_default_na=False)

    usual, safe = cells(False), cells(True)
    assert usual["consensus"].tolist() == names
    assert safe["consensus"].tolist() == [
        "'=HYPERLINK(1)", "'+x", "'-x", "'@x", "-5", "a=b", "+1e3", "",
    ]  # fmt: skip
    assert safe["strand"].tolist() == [f"'{s}" if s else "" for s in usual["strand"]]
    numbers = [name for name in usual if name not in ("consensus", "strand")]
    pd.testing.assert_frame_equal(safe[numbers], usual[numbers])
    out = tmp_path / "a.tsv"
    export(study, "activations", "tsv", out, [3], at="chrA:300-400", spreadsheet_safe=True)
    assert set(pd.read_csv(out, sep="\t")["strand"]) == {"'+", "'-"}
    with pytest.raises(InputError, match="catalog as parquet holds no TSV"):
        export(study, "catalog", "parquet", out, spreadsheet_safe=True)


@pytest.mark.parametrize(("what", "format"), [("catalog", "tsv"), ("activations", "bed")])
def test_what_a_killed_export_left_is_removed(
    made: Synthetic, tmp_path: Path, what: str, format: str
) -> None:
    ended = subprocess.Popen(["true"])
    ended.wait()
    left = tmp_path / f".out.{format}.tmp-{platform.node()}-{ended.pid}-0a0b0c0d"
    left.write_text("half")
    beside = tmp_path / f".out.{format}.provenance.json.tmp-{platform.node()}-{ended.pid}-0a0b0c0d"
    beside.write_text("half")
    (tmp_path / f".other.{format}.tmp-{platform.node()}-{ended.pid}-0a0b0c0d").write_text("half")
    export(made.study, what, format, tmp_path / f"out.{format}", [3])
    assert not left.exists() and len(list(tmp_path.glob(".other*"))) == 1
    assert beside.exists() == (format == "bed")  # which has its provenance in itself


@pytest.mark.parametrize("format", ["bedgraph", "bigwig", "igv", "hub"])
def test_what_a_killed_export_left_in_its_folder_is_removed(
    made: Synthetic, tmp_path: Path, format: str
) -> None:
    ended = subprocess.Popen(["true"])
    ended.wait()
    gone, out = f"tmp-{platform.node()}-{ended.pid}-0a0b0c0d", tmp_path / "out"
    inner = out / "signals" if format in ("igv", "hub") else out
    (inner / f".spool.{gone}").mkdir(parents=True)
    (inner / f".spool.{gone}" / "f3.plus").write_text("half")
    left = [inner / f".f3.minus.bw.{gone}", inner / f".f3.minus.bw.{gone}.bw", out / f".genome.fa.{gone}"]
    if format != "bedgraph":
        left.append(tmp_path / f".out.provenance.json.{gone}")
        left[-1].write_text("half")
    going = f"tmp-{platform.node()}-{os.getpid()}-0a0b0c0d"
    kept = [out / ".mine.tmp-1", out / f".f3.minus.bw.{going}", tmp_path / f".x.bw.{gone}", out / "deep"]
    kept[-1].mkdir()
    kept.append(out / "deep" / f".f3.minus.bw.{gone}")
    for path in (*left, *kept[:3], kept[-1]):
        path.write_text("half")
    export(made.study, "activations", format, out, [3], at="chrA:300-400")
    assert not [path for path in left if path.exists()] and all(path.exists() for path in kept)
    assert not (inner / f".spool.{gone}").exists()


def test_lists_and_missing_values(made: Synthetic, tmp_path: Path) -> None:
    written = export(made.study, "features", "tsv", tmp_path / "catalog.tsv", [4, DEAD])
    lines = written[0].read_text().splitlines()
    header = lines[0].split("\t")
    four, dead = (dict(zip(header, line.split("\t"), strict=True)) for line in lines[1:])
    assert four["feature"] == "4" and four["similar"] == "5,6,7,8"
    assert four["similar_cosine"] == "0.4,0.3,0.2,0.1"
    assert dead["dead"] == "True" and dead["best_auroc"] == "" and dead["best_track"] == ""
    written = export(made.study, "catalog", "json", tmp_path / "catalog.json", [DEAD])
    (record,) = json.loads(written[0].read_text())
    assert record["best_auroc"] is None and record["similar"] == [1, 2, 3, 4]


def test_provenance_beside_tables(made: Synthetic, tmp_path: Path) -> None:
    out, sidecar = export(made.study, "tracks", "tsv", tmp_path / "tracks.tsv")
    assert sidecar.name == "tracks.tsv.provenance.json"
    facts = json.loads(sidecar.read_text())
    assert facts["weights"] == WEIGHTS and facts["layer"] == "blocks.3"
    assert facts["sae"] == made.study.sae.hash
    assert facts["manifest"] == made.study.manifest.hash
    assert sorted(p.name for p in tmp_path.iterdir()) == [out.name, sidecar.name]


# -- which features -------------------------------------------------------------------------------


def test_default_features_are_the_distinguishable_best(made: Synthetic) -> None:
    assert [c.feature for c in choose(made.study, None)] == [3, 5, 7]


def test_thresholds_are_those_of_the_best_track(made: Synthetic) -> None:
    first, dead = choose(made.study, [3, DEAD, 3])
    table = made.study.table("associations").set_index(["feature", "track", "mode"])
    assert first.threshold == float(table.loc[(3, first.track, first.mode), "threshold"])
    assert first.name == "f3|CDS (same strand)"
    assert dead == Choice(DEAD, "dead", "", "", 0.0, 0.0) and dead.name == f"f{DEAD}|dead"


def test_no_distinguishable_track_gives_every_best(made: Synthetic, tmp_path: Path) -> None:
    weak = make_study(tmp_path / "weak").study
    weak.write_table("tracks", weak.table("tracks").assign(verdict="not distinguishable"))
    assert [c.feature for c in choose(weak, None)] == [3, 5, 7, 11, 12]


def test_unknown_feature_is_one_sentence(made: Synthetic, tmp_path: Path) -> None:
    for what, form in (("activations", "bed"), ("activations", "bigwig"), ("catalog", "tsv")):
        with pytest.raises(InputError, match=r"feature 412: .* features 0 to 19"):
            export(made.study, what, form, tmp_path / "out", [412])
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(InputError, match="no feature named"):
        export(made.study, "activations", "bed", tmp_path / "x.bed", [])
    assert not (tmp_path / "x.bed").exists()


def test_unknown_combination_lists_those_that_exist(made: Synthetic, tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"catalog as bigwig; .*activations as tsv, parquet, bed, gff3, bedgraph"
    ):
        export(made.study, "features", "bigwig", tmp_path / "x")
    with pytest.raises(InputError, match=r"strand '\?'"):
        export(made.study, "activations", "bed", tmp_path / "x", strand="?")
    with pytest.raises(InputError, match="no strand to choose"):
        export(made.study, "catalog", "tsv", tmp_path / "x", strand="+")
    tables = {"associations", "catalog", "tracks", "examples"}
    assert {what for what, _ in WRITERS} == tables | {"biomarkers", "activations"}
    for what in tables:
        assert [form for w, form in WRITERS if w == what] == ["tsv", "parquet", "json"]


# -- runs -----------------------------------------------------------------------------------------


def test_runs_by_hand() -> None:
    positions = np.array([2, 3, 6, 10, 20, 24], np.int64)
    values = np.array([1, 4, 2, 3, 1, 9], np.float32)
    runs = find_runs(positions, values, gap=3)
    assert runs[["start", "end", "max", "sum", "active"]].tolist() == [
        (2, 11, 4.0, 10.0, 4),
        (20, 25, 9.0, 10.0, 2),
    ]
    assert [(r["start"], r["end"]) for r in find_runs(positions, values, gap=2)] == [
        (2, 7), (10, 11), (20, 21), (24, 25),
    ]  # fmt: skip
    assert find_runs(positions[:0], values[:0], 3).size == 0
    joined = join(runs[:1], find_runs(np.array([14, 30]), np.array([7, 1], np.float32), 3), 3)
    assert joined[["start", "end", "max", "active"]].tolist() == [(2, 15, 7.0, 5), (30, 31, 1.0, 1)]


@pytest.mark.parametrize("cut", [1, 2, 5, 7, 64, 200])
def test_runs_do_not_depend_on_the_cut(cut: int) -> None:
    from feature_mining.association.sparse import by_feature

    rng = np.random.default_rng(cut)
    n = 200
    values = np.where(rng.random((n, 2)) < 0.25, rng.random((n, 2)), 0).astype(np.float32)
    chosen = [Choice(0, "", "", "", 0.0, 1.0), Choice(1, "", "t", "same", 0.4, 1.0)]

    def stream(step: int) -> list[Piece]:
        found = []
        for start in range(0, n, step):
            part = values[start : start + step]
            rows, indices = np.nonzero(part)
            indptr = np.concatenate([[0], np.cumsum((part > 0).sum(axis=1))])
            reading = Reading(by_feature(indptr, indices, part[rows, indices], 2), np.ones(len(part), bool))
            found.append(Piece("c", start, start + len(part), {"+": reading}))
        return found

    def collect(step: int) -> np.ndarray:
        return np.concatenate([runs for _, runs in genome_runs(iter(stream(step)), chosen, GAP)])

    whole, pieces = collect(n), collect(cut)
    for name in ("start", "end", "max", "active", "choice"):
        np.testing.assert_array_equal(pieces[name], whole[name])
    assert (np.diff(pieces["start"]) >= 0).all()


@pytest.mark.parametrize("strand", ["both", "+", "-"])
def test_bed_runs_equal_brute_force(made: Synthetic, tmp_path: Path, strand: str) -> None:
    wanted = [3, 7, 0, DEAD]
    (path,) = export(made.study, "activations", "bed", tmp_path / "runs.bed", wanted, strand)
    frame = bioframe.read_table(str(path), schema="bed9", comment="#")
    strands = "+-" if strand == "both" else strand
    expected = []
    for choice in choose(made.study, wanted):
        for chrom in CONTIGS:
            for side in strands:
                for start, end, peak in brute_runs(made, choice, chrom, side):
                    score = min(1000, round(1000 * peak / choice.max))
                    expected.append((chrom, start, end, "_".join(choice.name.split()), score, side))
    columns = ["chrom", "start", "end", "name", "score", "strand"]
    found = list(frame[columns].itertuples(index=False, name=None))
    assert sorted(found) == sorted(expected) and len(found) > 50
    assert found == sorted(found, key=lambda r: r[:3])
    assert set(frame["itemRgb"]) <= {"0,114,178", "213,94,0"}
    assert (frame["thickStart"] == frame["start"]).all()
    first = path.read_text().splitlines()[0]
    assert first.startswith("# model=mini ") and f"weights={WEIGHTS} layer=blocks.3" in first


def test_bed_and_gff3_open_in_tabix(made: Synthetic, tmp_path: Path) -> None:
    (bed,) = export(made.study, "activations", "bed", tmp_path / "runs.bed", [3])
    (gff,) = export(made.study, "activations", "gff3", tmp_path / "runs.gff3", [3])
    counts = []
    for path, preset in ((bed, "bed"), (gff, "gff")):
        packed = pysam.tabix_index(str(path), preset=preset, keep_original=True)
        with pysam.TabixFile(packed) as index:
            counts.append(len(list(index.fetch("chrA", 200, 800))))
    assert counts[0] == counts[1] > 0


def test_gff3_agrees_with_bed(made: Synthetic, tmp_path: Path) -> None:
    (bed,) = export(made.study, "activations", "bed", tmp_path / "runs.bed")
    (gff,) = export(made.study, "activations", "gff3", tmp_path / "runs.gff3")
    lines = gff.read_text().splitlines()
    assert lines[:3] == ["##gff-version 3", "##sequence-region chrA 1 3000", "##sequence-region chrB 1 1500"]
    assert re.fullmatch(r"# model=mini weights=\S+ layer=blocks\.3 sae=\S+ manifest=\S+ .*", lines[3])
    rows, ids = [], set()
    for line in lines[4:]:
        chrom, _, kind, start, end, score, strand, phase, ninth = line.split("\t")
        attributes = {k: unquote(v) for k, v in (pair.split("=") for pair in ninth.split(";"))}
        assert kind == "sequence_feature" and phase == "." and float(score) > 0
        assert 0 < int(attributes["active_bases"]) <= int(end) - int(start) + 1
        ids.add(attributes["ID"])
        # BED has no blanks in names.
        rows.append((chrom, int(start) - 1, int(end), attributes["Name"].replace(" ", "_"), strand))
    assert len(ids) == len(rows)
    table = pd.read_csv(bed, sep="\t", comment="#", header=None)
    assert rows == list(table[[0, 1, 2, 3, 5]].itertuples(index=False, name=None))


def test_escapes() -> None:
    assert escape_attribute("a;b=c&d,e%f\tg µ") == "a%3Bb%3Dc%26d%2Ce%25f%09g µ"
    assert escape_seqid("gi|12>x y") == "gi|12%3Ex%20y"


# -- signals --------------------------------------------------------------------------------------


def test_segments_by_hand() -> None:
    usable = np.array([0, 1, 1, 1, 1, 1, 0, 1, 1, 0], bool)
    rows, values = np.array([3, 4, 8]), np.array([1.5, 1.5, 2], np.float32)
    assert segments(rows, values, usable).tolist() == [
        (0, 1, 3, 0.0), (0, 3, 5, 1.5), (0, 5, 6, 0.0), (0, 7, 8, 0.0), (0, 8, 9, 2.0),
    ]  # fmt: skip
    assert segments(rows[:0], values[:0], np.zeros(4, bool)).size == 0


def test_bigwig_equals_the_arrays_and_gaps_are_missing(made: Synthetic, tmp_path: Path) -> None:
    out = tmp_path / "tracks"
    written = export(made.study, "activations", "bigwig", out, [3, DEAD])
    names = [f"f{f}.{s}.bw" for f in (3, DEAD) for s in ("plus", "minus")]
    assert [p.name for p in written] == [*names, "tracks.provenance.json"]
    assert sorted(p.name for p in out.iterdir()) == sorted(names)
    for path, (feature, strand) in zip(written, [(f, s) for f in (3, DEAD) for s in "+-"], strict=False):
        with pyBigWig.open(str(path)) as file:
            assert file.chroms() == CONTIGS
            for chrom, length in CONTIGS.items():
                values, usable = made.dense[chrom, strand]
                read = file.values(chrom, 0, length, numpy=True)
                np.testing.assert_array_equal(np.isnan(read), ~usable)
                np.testing.assert_array_equal(read[usable], values[usable, feature])
    with pyBigWig.open(str(written[0])) as plus, pyBigWig.open(str(written[1])) as minus:
        assert plus.stats("chrA", 0, WARMUP, nBins=1) == [None]
        assert minus.stats("chrA", 3000 - WARMUP, 3000, nBins=1) == [None]
        assert plus.stats(*GAP_OF_N, nBins=1) == minus.stats(*GAP_OF_N, nBins=1) == [None]
    # Zeros are one interval although the contig was cut into shards.
    with pyBigWig.open(str(written[2])) as dead:
        assert dead.intervals("chrA") == ((WARMUP, 1000, 0.0), (1040, 3000, 0.0))


def test_bedgraph_equals_bigwig(made: Synthetic, tmp_path: Path) -> None:
    texts = export(made.study, "activations", "bedgraph", tmp_path / "text", [7], "-")
    assert [p.name for p in texts] == ["f7.minus.bedgraph"]
    table = pd.read_csv(texts[0], sep="\t", comment="#", header=None)
    assert texts[0].read_text().startswith("# model=mini ")
    (binary, _) = export(made.study, "activations", "bigwig", tmp_path / "binary", [7], "-")
    with pyBigWig.open(str(binary)) as file:
        intervals = [(c, *i) for c in CONTIGS for i in file.intervals(c)]
    assert len(intervals) == len(table)
    for (chrom, start, end, value), row in zip(intervals, table.itertuples(index=False), strict=True):
        assert (chrom, start, end) == tuple(row[:3])
        assert np.float32(value) == np.float32(row[3])


def test_a_failure_leaves_nothing(made: Synthetic, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bigWig library does not raise what stops it: a short file must be noticed."""
    from workbench.files import bigwig

    monkeypatch.setattr(bigwig, "_covered", lambda path: 0)
    with pytest.raises(InputError, match=r"f3\.plus\.bw: 0 of \d+ bases were written"):
        export(made.study, "activations", "bigwig", tmp_path / "out", [3])
    assert list((tmp_path / "out").iterdir()) == []


def test_files_in_the_way(made: Synthetic, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("kept")
    with pytest.raises(InputError, match="is a file; expected the name of a folder"):
        export(made.study, "activations", "bigwig", tmp_path / "file", [3])
    with pytest.raises(InputError, match="is a folder; expected the name of a file"):
        export(made.study, "activations", "bed", tmp_path, [3])
    assert (tmp_path / "file").read_text() == "kept"


def test_command(made: Synthetic, tmp_path: Path) -> None:
    import typer
    from typer.testing import CliRunner

    from workbench.cli.export import export as command

    app = typer.Typer()
    app.command()(command)
    folder, out = str(made.study.folder), str(tmp_path / "runs.bed")
    base = [folder, "--what", "activations", "--format", "bed", "--out", out]
    result = CliRunner().invoke(app, [*base, "--features", "3,7", "--strand", "-"])
    assert result.exit_code == 0, result.output
    assert "f3|" in result.output and out in result.output.replace("\n", "")
    strands = {line.split("\t")[5] for line in Path(out).read_text().splitlines()[1:]}
    assert strands == {"-"}
    result = CliRunner().invoke(app, [*base, "--features", "x"])
    assert isinstance(result.exception, InputError)
