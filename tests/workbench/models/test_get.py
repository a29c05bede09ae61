"""Files of models from a hub on this machine: dropped connections, wrong bytes, refusals, a token."""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from genomic_models import ModelError, load
from genomic_models.released import RELEASED, where_to_look
from tests.conftest import ROOT
from tests.workbench.archive_server import serving
from workbench.errors import InputError
from workbench.files import download as downloading
from workbench.models.get import get_model
from workbench.progress import Silent

WEIGHTS = bytes(range(256)) * 40


@pytest.fixture
def hub(monkeypatch):
    """A hub that holds one whole checkpoint and one in shards."""
    digest = hashlib.sha256(WEIGHTS).hexdigest()[:16]
    whole = replace(RELEASED["evo2_7b"], repository="lab/whole", bytes=len(WEIGHTS), sha256_prefix=digest)
    parts = replace(RELEASED["evo-1-8k-base"], repository="lab/parts", bytes=None, sha256_prefix="")
    monkeypatch.setitem(RELEASED, "evo2_7b", whole)
    monkeypatch.setitem(RELEASED, "evo-1-8k-base", parts)
    index = json.dumps({"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}})
    with serving() as held:
        held.files["/lab/whole/resolve/main/evo2_7b.pt"] = WEIGHTS
        at = f"/lab/parts/resolve/{parts.revision}"
        held.files[f"{at}/model.safetensors.index.json"] = index.encode()
        held.files |= {f"{at}/model-{i}.safetensors": bytes([i]) * 3000 for i in (1, 2)}
        monkeypatch.setenv("HF_ENDPOINT", held.address)
        monkeypatch.setattr(downloading, "BACK_OFF", 0.0)
        monkeypatch.delenv("WORKBENCH_MODELS", raising=False)
        monkeypatch.delenv("HF_TOKEN", raising=False)
        yield held


def test_the_commands_that_are_shown_bring_the_model(cli, hub, tmp_path, monkeypatch):
    folder = tmp_path / "all models"
    said = cli("models", "evo2_7b", "--folder", folder)[1].splitlines()
    at = said.index("to fetch them, resumed and checked:")
    get, export = (shlex.split(line) for line in said[at + 1 : at + 3])
    assert said[at + 3] == f"or by hand into '{folder}'/evo2_7b/:"
    assert said[at + 4] == f"  {hub.address}/lab/whole/resolve/main/evo2_7b.pt"
    assert cli(*get[1:])[0] == 0
    assert export[0] == "export"
    monkeypatch.setenv(*export[1].split("=", 1))
    now = cli("models", "evo2_7b")[1]
    assert f"found   {folder}/evo2_7b/evo2_7b.pt" in now and "to fetch them" not in now
    monkeypatch.delenv("WORKBENCH_MODELS")
    other = cli("models", "evo-1-8k-base")[1]
    assert "  workbench models get evo-1-8k-base --folder ~/models\n" in other
    assert "model.safetensors.index.json, and the files that it names\n" in other


def test_what_was_fetched_is_found(cli, hub, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "secret")
    hub.drop = 2
    code, said, err = cli("models", "get", "evo2_7b", "--folder", tmp_path)
    assert code == 0, err
    path = tmp_path / "evo2_7b" / "evo2_7b.pt"
    assert str(path.parent) in said and path.read_bytes() == WEIGHTS
    assert path in where_to_look("evo2_7b", tmp_path)
    assert set(hub.ranges) == {"", "bytes=1000-", "bytes=2000-"} and set(hub.tokens) == {"Bearer secret"}
    # Again: it is there, and nothing is asked.
    hub.files.clear()
    assert cli("models", "get", "evo2_7b", "--folder", tmp_path)[0] == 0


def test_a_token_does_not_follow_to_another_server(hub, tmp_path, monkeypatch):
    """The hub points to where its files lie, which refuses what it did not ask for."""
    monkeypatch.setenv("HF_TOKEN", "secret")
    with serving() as other:
        other.files = dict(hub.files)
        hub.elsewhere = other.address
        get_model("evo2_7b", tmp_path, Silent())
        assert set(hub.tokens) == {"Bearer secret"} and set(other.tokens) == {""}


def test_shards_that_an_index_lists(hub, tmp_path, monkeypatch):
    monkeypatch.setenv("WORKBENCH_MODELS", str(tmp_path))
    place = get_model("evo-1-8k-base", None, Silent())
    assert sorted(p.name for p in place.iterdir()) == [
        "model-1.safetensors", "model-2.safetensors", "model.safetensors.index.json"
    ]  # fmt: skip
    assert where_to_look("evo-1-8k-base")[0] == place / "model.safetensors.index.json"
    at = next(key for key in hub.files if key.endswith("index.json"))
    hub.files[at] = json.dumps({"weight_map": {"a": "../../x.safetensors"}}).encode()
    with pytest.raises(InputError, match="something other than safetensors"):
        get_model("evo-1-8k-base", tmp_path / "other", Silent())


def test_wrong_bytes_are_refused(hub, tmp_path):
    hub.files["/lab/whole/resolve/main/evo2_7b.pt"] = WEIGHTS[:-1] + b"x"
    with pytest.raises(InputError, match=r"SHA-256 begins with .* that of the published file"):
        get_model("evo2_7b", tmp_path, Silent())
    hub.files["/lab/whole/resolve/main/evo2_7b.pt"] = WEIGHTS[:-1]
    with pytest.raises(InputError, match="were published"):
        get_model("evo2_7b", tmp_path / "b", Silent())


@pytest.mark.parametrize(
    ("answers", "word"),
    [([401], "log-in"), ([404], "no such thing"), ([429] * 5, "429"), ([503] * 5, "put it at .*evo2_7b.pt")],
)
def test_refusals_are_said(hub, tmp_path, answers, word):
    hub.refuse = [(status, "0") for status in answers]
    with pytest.raises(InputError, match=word) as refusal:
        get_model("evo2_7b", tmp_path, Silent())
    assert not list(tmp_path.rglob("*.pt"))
    place = tmp_path / "evo2_7b"
    by_hand = "copy evo2_7b.pt (10,240 bytes together) from huggingface.co/lab/whole, revision"
    assert by_hand in str(refusal.value) and str(refusal.value).endswith(f"into {place}")


def test_offline_it_is_said_what_to_copy_where(hub, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    with pytest.raises(ModelError) as refusal:
        load("evo2_7b")
    said = str(refusal.value)
    assert "workbench models get evo2_7b --folder FOLDER" in said
    assert "or copy evo2_7b.pt (10,240 bytes together) from huggingface.co/lab/whole, revision" in said
    assert said.endswith("into FOLDER/evo2_7b by hand")


def test_what_is_asked_for_wrongly(refused, hub, tmp_path):
    assert "--folder" in refused("models", "get", "evo2_7b")
    assert "unknown model" in refused("models", "get", "evo3", "--folder", tmp_path)
    assert "models get NAME" in refused("models", "get")
    assert "models get NAME" in refused("models", "mini", "evo2_7b")


def test_other_families_by_the_hubs_own_library(refused, hub, tmp_path):
    """Weights, settings and the tokenizer's files come; programs do not."""
    pytest.importorskip("huggingface_hub", reason="the extra `hf` is not installed")
    files = {"config.json": b"{}", "model.safetensors": WEIGHTS, "modeling.py": b"import os"}
    listed = {"id": "lab/family", "sha": hub.commit, "siblings": [{"rfilename": name} for name in files]}
    hub.files["/api/models/lab/family/revision/v1"] = json.dumps(listed).encode()
    tree = [{"type": "file", "path": name, "size": len(b), "oid": "1" * 40} for name, b in files.items()]
    at = f"/api/models/lab/family/tree/{hub.commit}?recursive=true&expand=false"
    hub.files[at] = json.dumps(tree).encode()
    hub.files |= {f"/lab/family/resolve/{hub.commit}/{name}": content for name, content in files.items()}
    script = """
from pathlib import Path
from workbench.models.get import get_model
from workbench.progress import Silent
print(get_model("hf:lab/family@v1", None, Silent()))
"""
    places = {"HF_HOME": str(tmp_path), "HF_ENDPOINT": hub.address, "HF_HUB_OFFLINE": "0"}
    environment = os.environ | places | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    place = Path(done.stdout.strip())
    assert sorted(p.name for p in place.iterdir()) == ["config.json", "model.safetensors"]
    assert (place / "model.safetensors").read_bytes() == WEIGHTS
    # The same name, other bytes: the hub's own library compares lengths alone.
    at = f"/lab/family/resolve/{hub.commit}/model.safetensors"
    hub.etags[at] = hashlib.sha256(WEIGHTS).hexdigest()
    hub.files[at] = WEIGHTS[:-1] + b"x"
    spoilt = subprocess.run(
        [sys.executable, "-c", script],
        env=environment | {"HF_HOME": str(tmp_path / "spoilt")},
        capture_output=True,
        text=True,
    )
    assert spoilt.returncode and "the hub says" in spoilt.stderr.splitlines()[-1], spoilt.stderr
    assert not list((tmp_path / "spoilt").rglob("model.safetensors"))
    hub.files[at] = WEIGHTS
    # A repository that has what PyTorch saved, and nothing else.
    for key in [key for key in hub.files if "safetensors" in key]:
        hub.files[key.replace("model.safetensors", "pytorch_model.bin")] = hub.files.pop(key)
    for key, content in list(hub.files.items()):
        if key.startswith("/api/models/lab/family"):
            hub.files[key] = content.replace(b"model.safetensors", b"pytorch_model.bin")
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=environment | {"HF_HOME": str(tmp_path / "other")},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    place = Path(done.stdout.strip())
    assert sorted(p.name for p in place.iterdir()) == ["config.json", "pytorch_model.bin"]
    assert (place / "pytorch_model.bin").read_bytes() == WEIGHTS
