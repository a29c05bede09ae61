"""The table of released models against the published figures."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from genomic_models.released import RELEASED, parameter_count, where_to_look
from genomic_models.striped_hyena.network import StripedHyena

PUBLISHED = {
    "evo2_1b_base": 1_107_989_760,
    "evo2_7b_base": 6_481_059_584,
    "evo2_7b_microviridae": 6_481_059_584,
    "evo2_7b_262k": 6_481_059_584,
    "evo2_7b": 6_581_722_880,
    "evo2_20b": 19_738_780_160,
    "evo2_40b_base": 40_331_142_144,
    "evo2_40b": 41_117_574_144,
    "evo-1-8k-base": 6_452_781_056,
    "evo-1-131k-base": 6_452_781_056,
    "evo-1.5-8k-base": 6_452_781_056,
    "evo-1-8k-crispr": 6_452_781_056,
    "evo-1-8k-transposon": 6_452_781_056,
}


def test_table_is_complete() -> None:
    assert set(RELEASED) == set(PUBLISHED)


@pytest.mark.parametrize("name", PUBLISHED)
def test_parameter_count_from_shapes(name: str) -> None:
    assert RELEASED[name].parameters == PUBLISHED[name]
    assert parameter_count(RELEASED[name].config) == PUBLISHED[name]


@pytest.mark.parametrize("name", ["evo2_7b_262k", "evo-1-8k-base"])
def test_count_equals_the_network(name: str) -> None:
    with torch.device("meta"):
        network = StripedHyena(RELEASED[name].config)
    assert sum(p.numel() for p in network.parameters()) == PUBLISHED[name]


@pytest.mark.parametrize(
    ("name", "letter", "where"),
    [
        ("evo2_1b_base", "*", [3, 10, 17, 24]),
        ("evo2_7b", "S", [0, 4, 7, 11, 14, 18, 21, 25, 28]),
        ("evo2_7b", "D", [1, 5, 8, 12, 15, 19, 22, 26, 29]),
        ("evo2_7b", "H", [2, 6, 9, 13, 16, 20, 23, 27, 30]),
        ("evo2_7b", "*", [3, 10, 17, 24, 31]),
        ("evo2_20b", "*", [3, 10, 17]),
        ("evo2_40b", "*", [3, 10, 17, 24, 31, 35, 42, 49]),
        ("evo2_40b", "H", [2, 6, 9, 13, 16, 20, 23, 27, 30, 34, 38, 41, 45, 48]),
        ("evo-1-8k-base", "*", [8, 16, 24]),
    ],
)
def test_layer_kinds(name: str, letter: str, where: list[int]) -> None:
    pattern = RELEASED[name].config.pattern
    assert [i for i, kind in enumerate(pattern) if kind == letter] == where


def test_parameters_and_fp8() -> None:
    assert RELEASED["evo2_7b"].parameters == 6_581_722_880
    needing = {name for name, model in RELEASED.items() if model.config.fp8_projections}
    assert needing == {"evo2_1b_base", "evo2_20b", "evo2_40b", "evo2_40b_base"}
    assert all(("need FP8" in model.fp8) == (name in needing) for name, model in RELEASED.items())


def test_where_to_look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORKBENCH_MODELS", raising=False)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hf" / "hub"))
    snapshots = tmp_path / "hf" / "hub" / "models--arcinstitute--evo2_40b" / "snapshots"
    merged = tmp_path / "hf" / "evo2_40b.pt"
    entries = ["evo2_40b.pt", "evo2_40b.pt.part0"]
    assert where_to_look("evo2_40b") == [*(snapshots / "d529aa57" / e for e in entries), merged]

    for revision in ("0aaa", "d529aa57ffff"):
        (snapshots / revision).mkdir(parents=True)
    in_cache = [snapshots / r / e for r in ("d529aa57ffff", "0aaa") for e in entries]
    assert where_to_look("evo2_40b") == [*in_cache, merged]

    folder = tmp_path / "models"
    first = [*(folder / "evo2_40b" / e for e in entries), *(folder / e for e in entries)]
    assert where_to_look("evo2_40b", folder) == [*first, *in_cache, merged]
    monkeypatch.setenv("WORKBENCH_MODELS", str(folder))
    assert where_to_look("evo2_40b") == [*first, *in_cache, merged]


def test_evo1_begins_with_index_or_single_file(tmp_path: Path) -> None:
    first = where_to_look("evo-1-8k-base", tmp_path)[:2]
    folder = tmp_path / "evo-1-8k-base"
    assert first == [folder / "model.safetensors.index.json", folder / "model.safetensors"]


def test_unknown_name() -> None:
    with pytest.raises(ValueError, match="evo3"):
        where_to_look("evo3")
