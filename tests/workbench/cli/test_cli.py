"""The command line: what it does, and one sentence with exit status 2 for what it cannot do."""

from __future__ import annotations

import gzip
import json
import os
import pickle
import re
import subprocess
import tomllib
from collections import Counter
from pathlib import Path
from typing import get_type_hints

import pandas as pd
import pytest

from genomic_models import load
from tests.conftest import ROOT
from tests.workbench.small_study import small_config, write_model
from workbench import Study
from workbench.cli import COMMANDS
from workbench.cli.tables import show

GENES = "##gff-version 3\nchr\tx\tCDS\t{start}\t{end}\t.\t+\t0\tID=a\n"


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return write_model(tmp_path_factory.mktemp("model") / "tiny")


@pytest.fixture
def fasta(tmp_path) -> Path:
    path = tmp_path / "g.fa"
    path.write_text(">chr\n" + "ACGTTGCAAGTC" * 200 + "\n")
    return path


def attempt(refused, cli, folder: Path, genome: Path, tracks: Path, *more: object) -> str:
    """Make a study and run it to its plan; the sentence of whichever is refused."""
    code, _, err = cli("new", folder, "--genome", genome, "--tracks", tracks, *more)
    assert code == 0, err
    line = refused("run", folder, "--until", "plan")
    assert not (folder / "manifest.json").exists()
    return line


BAD_FASTA = {
    "empty": ("", "no sequence|empty"),
    "protein": (">p\nMKVLAAGIVQLEF*\n", "line 2.*protein"),
    "duplicate": (">a\nACGT\n>a\nACGT\n", "line 3.*a.*twice"),
    "headless": ("ACGTACGT\n", "line 1.*before any header"),
    "hollow": (">a\n>b\nACGT\n", "record a is empty"),
}


@pytest.mark.parametrize("name", BAD_FASTA)
def test_bad_fasta(name, refused, cli, tmp_path):
    text, expected = BAD_FASTA[name]
    genome, tracks = tmp_path / "bad.fa", tmp_path / "t.bed"
    genome.write_text(text)
    tracks.write_text("chr\t1\t5\n")
    line = attempt(refused, cli, tmp_path / "study", genome, tracks)
    assert "bad.fa" in line
    assert re.search(expected, line), line


def test_truncated_gzip(refused, cli, tmp_path):
    whole = gzip.compress(b">a\n" + os.urandom(20_000).hex().replace("f", "A").encode())
    genome, tracks = tmp_path / "g.fa.gz", tmp_path / "t.bed"
    genome.write_bytes(whole[: len(whole) // 2])
    tracks.write_text("a\t1\t5\n")
    line = attempt(refused, cli, tmp_path / "study", genome, tracks)
    assert "g.fa.gz" in line and ("truncated" in line or "not DNA" in line)


BAD_TRACKS = {
    "past.gff3": (GENES.format(start=10, end=99_999), "line 2.*99999.*chr.*2400"),
    "backward.gff3": (GENES.format(start=90, end=10), "line 2.*start.*past|line 2.*start.*end"),
    "columns.gff3": ("chr\tx\tCDS\t1\t9\n", "line 1: 5 columns; expected 9"),
    "text.bed": ("chr\tone\tten\n", "line 1.*one.*whole number"),
    "names.bed": ("scaffold_7\t1\t50\n", "scaffold_7.*chr.*--rename"),
    "suffix.xyz": ("chr\t1\t5\n", "unknown kind of track"),
}


@pytest.mark.parametrize("name", BAD_TRACKS)
def test_bad_tracks(name, refused, cli, fasta, tmp_path):
    text, expected = BAD_TRACKS[name]
    tracks = tmp_path / name
    tracks.write_text(text)
    line = attempt(refused, cli, tmp_path / "study", fasta, tracks)
    assert name in line
    assert re.search(expected, line), line


def test_a_name_that_the_system_refuses(refused, tmp_path):
    name = "9" * 5000
    assert refused("new", tmp_path / "s", "--genome", name) == f"workbench: {name}: File name too long"


def test_missing_file(refused, tmp_path):
    assert "nowhere.fa: no such file" in refused("new", tmp_path / "s", "--genome", tmp_path / "nowhere.fa")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--model", "MODEL", "--layer", "blocks.99"], "no layer 'blocks.99'; it has embedding_"),
        (["--model", "evo2_7b", "--layer", "blocks.32"], "no layer 'blocks.32'; it has embedding_"),
        (["--model", "evo3"], "unknown model 'evo3': expected mini, mini-1, one of evo2_"),
        (["--model", "EMPTY"], "unknown model 'EMPTY'"),
        (["--circular", "plasmid"], "no contig plasmid; the genome has chr"),
        (["--rename", "1=chromosome"], "no contig chromosome; the genome has chr"),
        (["--dtype", "float16"], "dtype is 'float16', expected one of float32, bfloat16"),
        (["--device", "gpu"], "device is 'gpu', expected cpu, mps, cuda"),
    ],
)
def test_new_refuses_names_of_what_there_is_not(words, said, refused, cli, fasta, model, tmp_path):
    paths = {"MODEL": model, "EMPTY": tmp_path / "empty"}
    paths["EMPTY"].mkdir()
    words = [paths.get(word, word) for word in words]
    line = refused("new", tmp_path / "s", "--genome", fasta, *words)
    assert said.replace("EMPTY", str(tmp_path / "empty")) in line
    assert not (tmp_path / "s").exists()


def test_new_takes_what_there_is(cli, fasta, model, tmp_path):
    # The file of a released model may come later, and names are matched as in tracks.
    words = ["--model", "evo2_7b", "--layer", "blocks.26", "--circular", "chrchr", "--rename", "x=chr"]
    code, _, err = cli("new", tmp_path / "a", "--genome", fasta, *words)
    assert code == 0, err
    code, _, err = cli("new", tmp_path / "b", "--genome", fasta, "--model", "hf:some/model")
    assert code == 0, err
    code, _, err = cli("new", tmp_path / "c", "--genome", fasta, "--device", "cuda:0,cuda:1")
    assert code == 0, err


def test_unknown_stage(refused, cli, fasta, model, tmp_path):
    cli("new", tmp_path / "a", "--genome", fasta, "--model", model)
    line = refused("run", tmp_path / "a", "--until", "supper")
    assert "unknown stage 'supper'; expected one of plan, cohort" in line


def test_weights_that_are_missing_are_named(refused, cli, fasta, tmp_path):
    tracks = tmp_path / "t.bed"
    tracks.write_text("".join(f"chr\t{i}\t{i + 9}\n" for i in range(0, 2000, 50)))
    line = attempt(refused, cli, tmp_path / "a", fasta, tracks, "--model", "evo2_7b")
    assert "evo2_7b.pt" in line and "huggingface.co/arcinstitute/evo2_7b" in line


def test_a_checkpoint_that_lacks_tensors(refused, fasta, tmp_path):
    from safetensors.torch import load_file, save_file

    folder = write_model(tmp_path / "holes")
    state = load_file(folder / "model.safetensors")
    del state["blocks.1.filter.h"]
    save_file(state, folder / "model.safetensors")
    line = refused("score", fasta, "--model", folder)
    assert "blocks.1.filter.h" in line and "model.safetensors" in line


class Malice:
    """Unpickling it would run code."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self):
        return (Path.touch, (self.marker,))


def test_a_pickle_that_would_run_code(refused, fasta, tmp_path, monkeypatch):
    marker = tmp_path / "ran"
    (tmp_path / "evo2_7b.pt").write_bytes(pickle.dumps({"a": Malice(marker)}))
    monkeypatch.setenv("WORKBENCH_MODELS", str(tmp_path))
    line = refused("score", fasta, "--model", "evo2_7b")
    assert "evo2_7b.pt" in line
    assert not marker.exists()


def test_unknown_key_and_wrong_type_in_study_toml(refused, cli, fasta, tmp_path):
    cli("new", tmp_path / "s", "--genome", fasta)
    path = tmp_path / "s" / "study.toml"
    text = path.read_text()
    path.write_text(text.replace("warmup = 256", "warm_up = 512"))
    assert "unknown key 'warm_up'; expected one of batch, warmup, window" in refused("run", tmp_path / "s")
    path.write_text(text.replace("warmup = 256", 'warmup = "many"'))
    assert "warmup is 'many', expected int" in refused("run", tmp_path / "s")
    path.write_text(text.replace("warmup = 256", "warmup = 5120"))
    assert "warmup 5120 must be less than window 2048" in refused("run", tmp_path / "s")


def test_no_study_there(refused, tmp_path):
    assert "no study.toml here; make a study with `workbench new" in refused("run", tmp_path)


def mounted(options: str, folder: Path) -> None:
    """Mount a tmpfs or skip: only root can."""
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], capture_output=True, check=False
    )
    if done.returncode:
        pytest.skip("cannot mount a tmpfs here (needs root)")


@pytest.mark.parametrize("options", ["size=400k", "ro,size=1m"])
def test_full_disk_and_read_only_folder(options, refused, samples, model, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    if options.startswith("ro"):
        mounted(options, disk)
        try:
            line = refused("new", disk / "s", "--genome", samples / "yersinia_pPCP1.fa")
        finally:
            subprocess.run(["umount", str(disk)], check=True)
        assert "read-only" in line.lower() or "cannot make the folder" in line
        return
    mounted(options, disk)
    try:
        study = Study.create(disk / "s", small_config(samples, model))
        line = refused("run", study.folder)
        assert "full" in line
        left = [p for p in study.folder.rglob("*.h5")]
        assert not [p for p in study.folder.rglob(".*.tmp-*")]
        for path in left:  # whatever carries its final name is whole
            import h5py

            with h5py.File(path) as file:
                assert "minus/values" in file
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_score_table_and_json(cli, fasta, model, tmp_path):
    code, out, err = cli("score", fasta, "--model", model, "--json", "--out", tmp_path / "s.tsv")
    assert code == 0, err
    row = json.loads(out)[0]
    assert (row["name"], row["bases"], row["scored"]) == ("chr", 2400, 2399)
    table = pd.read_csv(tmp_path / "s.tsv", sep="\t")
    assert table["nats"].sum() == pytest.approx(row["nats"], rel=1e-4)
    assert list(table["base"][:4]) == list("ACGT")


def test_models_lists_all_and_describes_one(cli, model):
    code, out, _ = cli("models")
    assert code == 0
    rows = {line.split()[0]: line for line in out.splitlines() if line.strip()}
    assert "ships with the project" in rows["mini"]
    assert re.search(r"6\.6 G +12\.8 GiB +12\.3 GiB +1,048,576 +no +not here", rows["evo2_7b"])
    assert "evo2_7b_microviridae" in rows
    code, out, _ = cli("models", "evo2_7b_262k")
    assert code == 0
    assert "6,481,059,584 parameters" in out and "blocks.26" in out


def test_shards_by_hand_then_run(cli, samples, model, tmp_path):
    study = Study.create(tmp_path / "s", small_config(samples, model))
    code, _, err = cli("run", study.folder, "--until", "sae")
    assert code == 0, err
    for task in range(2):
        assert cli("shard", study.folder, "--stage", "encode", "--shard", f"{task}/2")[0] == 0
    code, out, _ = cli("status", study.folder, "--json")
    stages = {s["stage"]: s for s in json.loads(out)["stages"]}
    assert stages["encode"]["done"] == stages["encode"]["shards"] == len(study.manifest.shards)


def test_pretrain_resumes_and_its_model_loads(cli, samples, tmp_path):
    out = tmp_path / "m"
    command = ["pretrain", "--genome", samples / "yersinia_pPCP1.fa", "--out", out]
    command += ["--pattern", "SD", "--width", 16, "--heads", 2, "--inner", 32]
    command += ["--length", 128, "--batch", 2]
    assert cli(*command, "--tokens", 1024)[0] == 0
    code, _, err = cli("score", samples / "yersinia_pPCP1.fa", "--model", out)
    assert code == 0, err


def test_a_genome_given_twice_is_read_twice_as_often(cli, refused, samples, tmp_path):
    genome, out = samples / "yersinia_pPCP1.fa", tmp_path / "small"
    command = ["pretrain", "--out", out, "--tokens", "256", "--length", "64", "--batch", "2"]
    command += ["--pattern", "SD", "--width", "16", "--heads", "2", "--inner", "32"]
    times = []
    for given in ([genome], [genome, genome]):
        code, _, err = cli(*command, *(word for path in given for word in ("--genome", path)))
        assert code == 0, err
        times.append([record["times"] for record in json.loads((out / "corpus" / "corpus.json").read_text())])
    assert times == [[1], [2]] and (out / "corpus" / "corpus.bin").stat().st_size == 9609
    assert json.loads((out / "progress.json").read_text())["reach"] == 128
    other = tmp_path / "other.fa"
    other.write_text(">c\n" + "ACGT" * 100 + "\n")
    assert "holds the corpus of other files" in refused(*command, "--genome", other)


def test_pretrain_goes_on_from_a_model_and_its_card_says_so(cli, refused, samples, tmp_path):
    origin, out = write_model(tmp_path / "tiny"), tmp_path / "tuned"
    command = ["pretrain", "--from", origin, "--genome", samples / "yersinia_pPCP1.fa", "--out", out]
    command += ["--length", 128, "--batch", 2, "--tokens", 512]
    code, _, err = cli(*command)
    assert code == 0, err
    code, said, _ = cli("models", out)
    made, digest = load(str(out)), load(str(origin)).weights_hash
    assert code == 0 and f"`tiny` (weights hash `{digest}`), trained further" in said
    assert "| NC_005816.1 | 9,609 |" in said and made.weights_hash in said and made.context == 256
    assert json.loads((out / "progress.json").read_text())["reach"] == 0
    assert cli(*command[:-8], "--out", tmp_path / "bound", *command[-6:], "--reach", 16)[0] == 0
    assert json.loads((tmp_path / "bound" / "progress.json").read_text())["reach"] == 16
    assert "leave it out" in refused(*command, "--width", 32)
    assert "goes on from" in refused(*command[:-6], "--from", out)
    assert "or from another model" in refused(*[c for c in command if c not in ("--from", origin)])
    elsewhere = ["--out", tmp_path / "none"]
    for name in ("evo-1-8k-base", "nowhere"):
        assert name in refused(
            "pretrain", "--from", name, "--genome", samples / "yersinia_pPCP1.fa", *elsewhere
        )
    assert not (tmp_path / "none").exists()


BRACKETS = re.compile(r"\[[a-z]+\]")


@pytest.mark.parametrize("name", COMMANDS)
def test_help_keeps_what_is_in_brackets(name, cli):
    function = COMMANDS[name]
    said = function.__doc__ + "".join(
        option.help or ""
        for hint in get_type_hints(function, include_extras=True).values()
        for option in getattr(hint, "__metadata__", ())
    )
    code, out, err = cli(name, "--help")
    assert code == 0, err
    for section in set(BRACKETS.findall(said)):
        assert section in out
    assert "[[" not in out


def test_some_help_has_brackets():
    assert "[cohort]" in COMMANDS["new"].__doc__ and "[jobs]" in COMMANDS["submit"].__doc__


def test_version(cli):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert cli("--version")[:2] == (0, project["version"] + "\n")


ROWS = [
    ("a row's name", "study.toml [phenotype]: lineage is 'x[1]', expected one of [b]", "1,048,576"),
    ("[/] another", "/a/path/that/is/longer/than/any/terminal/that/people/have/in/use/today", "7"),
]


@pytest.mark.parametrize("columns", [40, 60, 200])
def test_no_table_is_cut(columns, monkeypatch, capsys):
    heads = ("name", "failures", "bases")
    monkeypatch.setenv("COLUMNS", str(columns))
    show(heads, ROWS)
    lines = capsys.readouterr().out.splitlines()
    for row in [heads, *ROWS]:
        assert any(all(cell in line for cell in row) for line in lines)
    # On a terminal: each letter is there, and no line is longer than it is wide.
    monkeypatch.setenv("FORCE_COLOR", "1")
    show(heads, ROWS)
    out = re.sub(r"\x1b\[[\d;]*m", "", capsys.readouterr().out)
    assert max(map(len, out.splitlines())) <= columns
    counts = Counter(re.sub(r"[\s─]", "", out))
    assert counts == Counter("".join("".join(row) for row in [heads, *ROWS]).replace(" ", ""))
