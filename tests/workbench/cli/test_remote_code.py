"""Code that comes with a model: refused unless its user says so, and then named with its hash beforehand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from workbench.files.hashing import sha256_of

# A network of the next base.
CODE = """
from pathlib import Path
import torch
from genomic_models import ModuleModel

Path(__file__).with_name("ran").touch()


class Network(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.seen = torch.nn.Conv1d(4, 6, 3)
        self.said = torch.nn.Conv1d(6, 4, 1)

    def forward(self, x):
        return self.said(torch.relu(self.seen(torch.nn.functional.pad(x, (2, 0)))))


def model():
    torch.manual_seed(0)
    return ModuleModel(Network, Network().state_dict(), ["seen"], causal=True)
"""


@pytest.fixture
def network(tmp_path: Path) -> Path:
    path = tmp_path / "net.py"
    path.write_text(CODE)
    (tmp_path / "g.fa").write_text(">a\n" + "ATGCAAGTCCATTTGACA" * 12 + "\n")
    return path


COMMANDS = {
    "models": ("models", "{model}"),
    "score": ("score", "{at}/g.fa", "--model", "{model}"),
    "embed": ("embed", "{at}/g.fa", "--model", "{model}", "--out", "{at}/e"),
    "write": ("write", "--out", "{at}/w.fa", "--length", 20, "--model", "{model}"),
    "judge": ("judge", "{at}/g.fa", "--judge", "likelihood", "--model", "{model}"),
    "variants": ("variants", "{model}", "--genome", "{at}/g.fa", "--window", 60, "--variants", "a:100:C:T"),
    "doctor": ("doctor", "{at}", "--model", "{model}", "--json"),
}


@pytest.mark.parametrize("command", COMMANDS)
def test_code_runs_where_it_was_allowed(cli, network: Path, tmp_path: Path, command: str) -> None:
    model, ran = f"file:{network}", tmp_path / "ran"
    asked = [str(part).format(model=model, at=tmp_path) for part in COMMANDS[command]]
    digest = sha256_of(network)
    code, out, err = cli(*asked)
    assert code != 0 and not ran.exists()
    assert digest in out + err and "--trust-remote-code" in out + err
    code, out, err = cli(*asked, "--trust-remote-code")
    assert ran.exists() and f"runs code of {network} (sha256 {digest})" in err
    if command == "doctor":  # of the machine as a whole it may say something else
        findings = [json.loads(line) for line in out.splitlines()]
        assert {f["state"] for f in findings if f["check"] == "model"} == {"ok"}
    elif command == "write":  # a network that carries no state writes nothing
        assert code == 2 and "cannot resume from where it stopped" in err
    else:
        assert code == 0, err


def test_code_that_is_not_here_cannot_be_read_before(refused, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    message = refused("score", tmp_path / "g.fa", "--model", "hf:nobody/nothing", "--trust-remote-code")
    assert "its code is not on this machine" in message and "hf:FOLDER" in message
