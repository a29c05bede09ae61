"""Python that makes a model: it runs where that was allowed, its bytes count, mistakes are told by line."""

from __future__ import annotations

import hashlib
import re
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from genomic_models import ModelError, load
from genomic_models.code_files import code_files
from tests.conftest import ROOT

CODE = """
from pathlib import Path
import torch
from genomic_models import ModuleModel, Outputs

Path(__file__).with_name("ran").touch()


def build():
    return torch.nn.Sequential(torch.nn.Conv1d(4, 5, 3, padding=1), torch.nn.Conv1d(5, 2, 1))


def model():
    torch.manual_seed(0)
    return ModuleModel(build, build().state_dict(), ["0"], Outputs("classes", ("exon", "intron")))
"""


def digest_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def code(tmp_path: Path) -> Path:
    path = tmp_path / "net.py"
    path.write_text(CODE)
    return path


def test_it_runs_only_where_that_was_allowed(code: Path) -> None:
    with pytest.raises(
        ModelError, match=rf"would run here \(sha256 {digest_of(code)}\): read it, then allow it"
    ):
        load(f"file:{code}")
    assert not code.with_name("ran").exists()
    model = load(f"file:{code}", dtype="bfloat16", trust_remote_code=True)
    assert code.with_name("ran").exists()
    assert (model.name, model.layers, model.dtype) == (f"file:{code}", ("0",), torch.bfloat16)
    assert model.outputs.names == ("exon", "intron") and not model.predicts_bases


def test_other_code_is_another_model(code: Path) -> None:
    first = load(f"file:{code}", trust_remote_code=True).weights_hash
    assert load(f"file:{code}", trust_remote_code=True).weights_hash == first
    code.write_text(CODE.replace("padding=1", "padding=1, dilation=1"))
    assert load(f"file:{code}", trust_remote_code=True).weights_hash != first


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def model(:\n    pass", r"line 1: SyntaxError"),
        ("import torch\n\ndef model():\n    return 1 / 0\n", r"line 4: ZeroDivisionError: division by zero"),
        ("x = 1", r"has no attribute 'model'; expected a function model\(\)"),
        ("def model():\n    return 7\n", r"model\(\) gives int, not a model"),
        (CODE.replace('["0"]', '["9"]'), "no module '9' to tap; its modules are 0, 1"),
        (None, r"net\.py cannot be read \(No such file or directory\)"),
    ],
)
def test_mistakes_end_in_one_sentence(code: Path, text: str | None, message: str) -> None:
    code.unlink() if text is None else code.write_text(text)
    with pytest.raises(ModelError, match=message):
        load(f"file:{code}", trust_remote_code=True)


def test_files_that_a_name_would_run(code: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    digest = digest_of(code)
    assert code_files("mini") == code_files("file:nothing") == code_files("hf:nobody/nothing") == {}
    assert code_files(f"file:{code}") == code_files(f"hf:{tmp_path}") == {str(code): digest}
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    snapshot = tmp_path / "hub" / "models--owner--name" / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    (snapshot / "modeling.py").write_text(CODE)
    assert code_files("hf:owner/name") == {str(snapshot / "modeling.py"): digest}
    # Settings say whose code runs: it may be another repository's.
    folder = tmp_path / "folder"
    folder.mkdir()
    settings = folder / "config.json"
    settings.write_text('{"hidden_size": 4}')
    assert code_files(f"hf:{folder}") == {}
    settings.write_text('{"auto_map": {"AutoModel": "owner/name\\u002d-modeling.Network"}}')
    expected = {str(settings): digest_of(settings), str(snapshot / "modeling.py"): digest}
    assert code_files(f"hf:{folder}") == expected


def test_the_file_in_the_guide(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As it stands there, with a network that cuts 200 letters off either end."""
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs/models.md").read_text(), re.DOTALL)
    text = next(block for block in blocks if "ModuleModel" in block)

    class Network(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.residual_units = torch.nn.ModuleList(torch.nn.Conv1d(4, 4, 1) for _ in range(9))
            self.head = torch.nn.Conv1d(4, 3, 1)

        def forward(self, letters: torch.Tensor) -> torch.Tensor:
            for unit in self.residual_units:
                letters = unit(letters)
            return self.head(letters)[:, :, 200:-200]

    torch.save(Network().state_dict(), tmp_path / "weights.pt")
    (tmp_path / "net.py").write_text(text)
    monkeypatch.setitem(sys.modules, "my_package", SimpleNamespace(Network=Network))
    model = load(f"file:{tmp_path / 'net.py'}", trust_remote_code=True)
    found = model.forward(["ACGTACGTAC"], taps=model.layers)
    assert model.layers == ("residual_units.8",) and found.logits.shape == (1, 10, 3)
