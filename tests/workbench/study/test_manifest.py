"""The manifest: files of earlier versions are read and known by the same hash, damaged ones refused."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from workbench.errors import InputError
from workbench.genome.interval import Block, Interval
from workbench.study.manifest import InputFile, Manifest

EARLIER = """{
 "model": {
  "name": "mini", "weights_hash": "8eaa", "layer": "blocks.4", "d_model": 192, "dtype": "float32",
  "context": 2048, "pretraining": "twelve bacterial genomes"
 },
 "windows": {"window": 2048, "warmup": 512, "batch": 4},
 "contigs": {"two": 9000, "one": 30000},
 "circular": ["one"],
 "inputs": {"genome": {"path": "genome.fa", "bytes": 39020, "sha256": "d536"}},
 "split": [
  {"chrom": "two", "start": 0, "end": 4608, "split": "train"},
  {"chrom": "one", "start": 1536, "end": 30000, "split": "report"}
 ],
 "shards": [
  {"chrom": "two", "start": 0, "end": 9000},
  {"chrom": "one", "start": 0, "end": 30000}
 ],
 "seeds": {"seed": 0},
 "versions": {"torch": "2.6.0"}
}"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "manifest.json"
    path.write_text(EARLIER)
    return path


def test_a_file_of_before_is_read(path: Path) -> None:
    manifest = Manifest.read(path)
    assert (manifest.model.layer, manifest.model.d_model) == ("blocks.4", 192)
    assert manifest.inputs == {"genome": InputFile("genome.fa", 39020, "d536")}
    assert manifest.blocks("report") == [Block("one", 1536, 30000, "report")]
    assert [*manifest.shards] == [Interval("two", 0, 9000), Interval("one", 0, 30000)]
    assert list(manifest.contigs) == ["two", "one"]


def test_its_hash_and_its_text_stay(path: Path, tmp_path: Path) -> None:
    manifest = Manifest.read(path)
    values = {k: v for k, v in json.loads(EARLIER).items() if k != "versions"}
    expected = hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()
    assert manifest.hash == expected
    assert replace(manifest, versions={}).hash == expected
    manifest.write(tmp_path / "again.json")
    again = json.loads((tmp_path / "again.json").read_text())
    assert list(again) == [*json.loads(EARLIER), "sha256"]
    del again["sha256"]
    assert again == json.loads(EARLIER)


def test_a_byte_anywhere(path: Path) -> None:
    manifest = Manifest.read(path)
    manifest.write(path)
    whole = path.read_bytes()
    refused = 0
    for at in range(len(whole)):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        try:
            assert Manifest.read(path) == manifest
        except InputError:
            refused += 1
    # What is left are blanks between values.
    assert refused > 0.7 * len(whole.replace(b" ", b""))


BLOCK = {"chrom": "one", "start": 0, "end": 9, "split": "train"}


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"model": None}, "damaged manifest: model"),
        ({"model": {"name": "mini"}}, "damaged manifest: model"),
        ({"shards": [{"chrom": "one"}]}, "damaged manifest: shards"),
        ({"shards": [{"chrom": "one", "start": "0", "end": 9}]}, "damaged manifest: shards"),
        ({"shards": [{"chrom": "one", "start": 0, "end": 9, "hue": 1}]}, "damaged manifest: shards"),
        ({"shards": 7}, "damaged manifest: shards"),
        ({"split": [["one", 0, 9, "train"]]}, "damaged manifest: split"),
        ({"split": [BLOCK | {"split": "urain"}]}, "damaged manifest: split has .*no part of"),
        ({"split": [BLOCK | {"chrom": "three"}]}, "damaged manifest: split has .*no part of"),
        ({"shards": [{"chrom": "one", "start": 5, "end": 5}]}, "shards has one:5-5, which is no part"),
        ({"shards": [{"chrom": "one", "start": 0, "end": 10**9}]}, "shards has .*no part of"),
        ({"inputs": {}}, "damaged manifest: inputs"),
        ({"windows": {"window": 2048}}, "damaged manifest: windows"),
        ({"contigs": ["one"]}, "damaged manifest: contigs"),
        ({"colour": "red"}, "made by a newer version .* colour"),
    ],
)
def test_others_are_refused(path: Path, change: dict[str, Any], sentence: str) -> None:
    path.write_text(json.dumps(json.loads(EARLIER) | change))
    with pytest.raises(InputError, match=sentence):
        Manifest.read(path)


def test_a_part_that_is_not_there(path: Path) -> None:
    values = json.loads(EARLIER)
    del values["seeds"]
    path.write_text(json.dumps(values))
    with pytest.raises(InputError, match="damaged manifest: seeds"):
        Manifest.read(path)
