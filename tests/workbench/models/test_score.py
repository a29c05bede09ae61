"""``workbench score`` against the library, and its memory on a long record."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from genomic_models import load
from genomic_models.scoring import score
from tests.workbench.small_study import write_model


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return write_model(tmp_path_factory.mktemp("model") / "tiny")


@pytest.fixture(scope="module")
def fasta(tmp_path_factory) -> Path:
    rng = np.random.default_rng(0)
    path = tmp_path_factory.mktemp("genome") / "g.fa"
    gap = "".join(rng.choice(list("ACGTNR"), 900, p=[0.2, 0.2, 0.2, 0.2, 0.15, 0.05]))
    path.write_text(f">gap\n{gap}\n>short\nacguNA\n")
    return path


def test_the_command_says_what_the_library_says(cli, model, fasta, tmp_path):
    """Lower case, U, N and other ambiguous letters, and windows, treated alike."""
    out = tmp_path / "s.parquet"
    code, said, err = cli("score", fasta, "--model", model, "--context", 100, "--json", "--out", out)
    assert code == 0, err
    gap = fasta.read_text().split("\n")[1]
    expected = score(load(str(model)), [gap, "ACGTNA"], context=100)
    table = pd.read_parquet(out)
    for row, result, name in zip(json.loads(said), expected, ("gap", "short"), strict=True):
        own = table[table["chrom"] == name]
        np.testing.assert_allclose(own["nats"], result.nats, atol=1e-4)
        assert own["position"].tolist() == list(range(len(result.nats)))
        assert row["scored"] == np.isfinite(result.nats).sum() == own["nats"].notna().sum()
        assert row["bits_per_base"] == pytest.approx(-own["nats"].mean() / np.log(2), abs=1e-4)
    known = own["base"].isin(list("ACGT"))
    assert "".join(own["base"]) == "ACGTNA" and own["nats"].notna().tolist() == [
        False, *known[1:]
    ]  # fmt: skip


def test_rows_written_in_pieces_are_one_table(cli, model, fasta, tmp_path, monkeypatch):
    cli("score", fasta, "--model", model, "--out", tmp_path / "whole.tsv")
    monkeypatch.setattr("workbench.models.score._ROWS", 7)
    cli("score", fasta, "--model", model, "--out", tmp_path / "pieces.tsv")
    assert (tmp_path / "pieces.tsv").read_text() == (tmp_path / "whole.tsv").read_text()


def test_a_context_that_the_model_has_not(refused, model, fasta):
    line = refused("score", fasta, "--model", model, "--context", 257)
    assert "context 257: expected 2 to 256 bases, the context of tiny" in line


MEASURED = """
import resource, sys
from pathlib import Path
from workbench.progress import Silent
from workbench.models.score import score_file

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

fasta, long, model = map(Path, sys.argv[1:])
score_file(fasta, str(model), "cpu", "float32", False, False, None, None, Silent())
before = peak()
score_file(long, str(model), "cpu", "float32", False, False, None, long.with_suffix(".tsv"), Silent())
print(peak() - before)
"""


def test_memory_on_100_kb(model, fasta, tmp_path):
    """A dense mask of the last chunk alone, 16,384 x 100,000, would be of 1.6 GB."""
    long = tmp_path / "long.fa"
    long.write_text(">c\n" + "".join(np.random.default_rng(1).choice(list("ACGT"), 100_000)) + "\n")
    command = [sys.executable, "-c", MEASURED, fasta, long, model]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=True)
    assert int(done.stdout) < 400_000, done.stdout  # KiB
    rows = pd.read_csv(long.with_suffix(".tsv"), sep="\t")
    assert len(rows) == 100_000 and rows["nats"].notna().sum() == 99_999
