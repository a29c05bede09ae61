"""Embeddings by models of words, byte pairs and both sides: long records, each strand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("transformers", reason="the extra `hf` is not installed")

from benchmarks.networks.published import write_checkpoint
from genomic_models import load
from genomic_models.activations import read_activations
from genomic_models.dna import reverse_complement
from genomic_models.kmers import phases


@pytest.mark.parametrize("family", ["Nucleotide Transformer v2", "DNABERT-2", "Caduceus-ps", "HyenaDNA"])
def test_long_records_on_both_strands(cli, family: str, tmp_path: Path) -> None:
    """Longer than the context: a base has the value of the one window that keeps it; ends lack context.

    A window of N alone has a token for each, beside the special ones.
    """
    folder = write_checkpoint(family, tmp_path / "model")
    model = load(f"hf:{folder}")
    sequence = "".join(np.random.default_rng(0).choice(list("ATGC"), 700))
    sequence = sequence[:150] + "N" * 250 + sequence[400:]
    length = len(sequence)
    path = tmp_path / "g.fa"
    path.write_text(f">a\n{sequence}\n")
    given = ("--layer", "blocks.1", "--pool", "none", "--format", "npy", "--out", tmp_path / "out")
    code, said, err = cli("embed", path, "--model", f"hf:{folder}", *given)
    assert code == 0, err
    found = np.load(next(line for line in said.split() if line.endswith(".npy")))
    window, warmup = model.longest, model.longest // 4
    ahead = 0 if model.causal else warmup
    expected = np.full((2, length, model.d_model("blocks.1")), np.nan, np.float32)
    stride = window - warmup - ahead
    for start in range(0, length, stride):
        end = min(length, start + stride)
        for row, (left, right) in enumerate(((warmup, ahead), (ahead, warmup))):
            first, last = max(0, start - left), min(length, end + right)
            text = sequence[first:last]
            (values,) = read_activations(model, "blocks.1", [reverse_complement(text) if row else text])
            rows = values.numpy()[::-1] if row else values.numpy()
            for base in range(start, end):
                if base >= left and base + right < length and sequence[base] != "N":
                    expected[row, base] = rows[base - first]
    np.testing.assert_allclose(found, expected.reshape(2 * length, -1), atol=1e-5)
    assert np.isnan(found).any() and np.isfinite(found).all(1).sum() >= 700


def test_six_readings_of_words(cli, refused, tmp_path: Path) -> None:
    """Each base the mean over the six ways of cutting words, by hand; wherever a sequence begins."""
    folder = write_checkpoint("Nucleotide Transformer v1", tmp_path / "model")
    model = load(f"hf:{folder}")
    sequence = "".join(np.random.default_rng(1).choice(list("ATGC"), 90))
    path = tmp_path / "g.fa"
    path.write_text(f">a\n{sequence}\n")
    given = ("embed", path, "--model", f"hf:{folder}", "--layer", "embedding", "--strand", "+")
    given += ("--pool", "none", "--format", "npy", "--out", tmp_path / "out")
    code, said, err = cli(*given, "--phases", 6)
    assert code == 0, err
    found = np.load(next(line for line in said.split() if line.endswith(".npy")))
    sums = np.zeros_like(found)
    for first, rest in phases(sequence, 6):
        (rows,) = read_activations(model, "embedding", [rest])
        sums[first:] += rows.numpy()
    np.testing.assert_allclose(found, sums / np.minimum(np.arange(1, 91), 6)[:, None], atol=1e-5)
    (once,) = read_activations(model, "embedding", [sequence])
    assert np.abs(found - once.numpy()).max() > 0.01
    assert "holds embeddings with phases '6', and '1' is asked for" in refused(*given)
