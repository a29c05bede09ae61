"""What is said of models that are no files of ours, and what scoring masked tokens costs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.genomic_models.test_local_code import CODE
from workbench.files.hashing import sha256_of


def test_a_network_from_a_file(cli, refused, tmp_path: Path) -> None:
    path = tmp_path / "net.py"
    path.write_text(CODE)
    assert f"would run here (sha256 {sha256_of(path)})" in refused("models", f"file:{path}")
    code, out, _ = cli("models", f"file:{path}", "--trust-remote-code")
    lines = out.splitlines()
    assert code == 0 and lines[0].endswith("one base a token, a place sees both sides")
    assert lines[2:] == [
        "gives classes: exon, intron; a column for every 1 bases from base 0 on",
        f"runs {path} (sha256 {sha256_of(path)})",
        "layers: 0 (5)",
    ]
    (tmp_path / "g.fa").write_text(">a\nACGT\n")
    message = refused("score", tmp_path / "g.fa", "--model", f"file:{path}", "--trust-remote-code")
    assert message.endswith(
        "gives classes (exon, intron) and does not predict base after base: it cannot score"
    )


def test_masked_tokens_are_counted_beforehand(cli, tmp_path: Path) -> None:
    """Two words of six and two letters, a special token besides: four passes; N is not scored."""
    pytest.importorskip("transformers", reason="the extra `hf` is not installed")
    from benchmarks.networks.published import write_checkpoint

    folder = write_checkpoint("Nucleotide Transformer v1", tmp_path / "nt")
    (tmp_path / "g.fa").write_text(">a\nATGCAAGTCCATNG\n")
    code, out, err = cli("score", tmp_path / "g.fa", "--model", f"hf:{folder}", "--json")
    assert code == 0 and "each token is masked in turn, 4 passes" in out + err
    (row,) = json.loads(out[out.index("[") :])
    assert (row["bases"], row["scored"]) == (14, 13)
    assert (
        cli("models", f"hf:{folder}")[1]
        .splitlines()[0]
        .endswith("other tokens than single bases, a place sees both sides")
    )
