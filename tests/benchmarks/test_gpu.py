"""The benchmark of a card, where there is none: every size cut, on the CPU."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
import torch

from benchmarks.gpu import main, random_model, sizes
from genomic_models.released import EVO2_7B_BASE, parameter_count
from tests.conftest import ROOT


def test_every_figure_is_measured():
    script = [sys.executable, str(ROOT / "benchmarks" / "gpu.py"), "--json", "--tiny", "--device", "cpu"]
    done = subprocess.run(script, capture_output=True, text=True, check=True, cwd=ROOT)
    found = json.loads(done.stdout.splitlines()[-1])
    for name in ("compute_fraction", "extraction_fraction", "training_over_bound", "writing_fraction"):
        assert 0 < found[name] < 10, name
    for name in ("forward_bases_per_s", "writing_bases_per_s", "attribution_passes", "card_gb_per_s"):
        assert found[name] > 0, name


def test_the_whole_network_is_not_for_a_cpu(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["gpu.py", "--device", "cpu"])
    with pytest.raises(SystemExit) as refusal:
        main()
    assert refusal.value.code == 2 and "give --tiny as well" in capsys.readouterr().err


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU, and it would be measured")
def test_without_a_card_nothing_is_said(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["gpu.py", "--quick", "--json"])
    main()
    assert "no GPU" in json.loads(capsys.readouterr().out.splitlines()[-1])["skipped"]


def test_the_network_has_the_published_shape():
    whole, quick = sizes(False, False).config, sizes(True, False).config
    assert whole == EVO2_7B_BASE and quick.pattern == EVO2_7B_BASE.pattern[:8]
    tiny = sizes(False, True).config
    model = random_model(tiny, torch.device("cpu"))
    count = sum(p.numel() for p in model.network.parameters())
    assert count == parameter_count(tiny) and model.dtype == torch.bfloat16
    logits = model.forward(["ACGTACGTAC"]).logits
    assert logits is not None and torch.isfinite(logits.float()).all()
