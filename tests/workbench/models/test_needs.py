"""What models need, against what `workbench models` lists and what the machine says by other means."""

from __future__ import annotations

from pathlib import Path

import psutil

from genomic_models.registry import SHIPPED
from genomic_models.released import RELEASED
from workbench.models import needs as module
from workbench.models.listing import GIB, list_models
from workbench.models.needs import Needs, machine_memory, mini_rate, needs


def test_models_need_what_is_listed(tmp_path: Path) -> None:
    name = "evo2_7b_262k"
    (tmp_path / f"{name}.pt").write_bytes(b"")
    listed = {row[0]: row for row in list_models(tmp_path)}
    found = {each.name: each for each in needs(tmp_path)}
    assert list(found) == list(listed)
    for each in found.values():
        bf16 = listed[each.name][3]
        size = each.memory(2) / GIB
        assert bf16 == (f"{size:.1f} GiB" if size >= 1 else f"{size * 1024:.0f} MiB")
        assert each.memory(4) == 2 * each.memory(2)
        assert (listed[each.name][5] == "needed") == (each.precision != "")
        if each.name not in SHIPPED:
            assert RELEASED[each.name].repository in each.source
    assert found[name].here and found[name].places == (tmp_path / f"{name}.pt",)
    absent = found["evo2_40b"]
    assert not absent.here and len(absent.places) > 1 and tmp_path in absent.places[0].parents


def test_a_model_fits_or_does_not() -> None:
    model = Needs("x", 1_000, (), False, "", "")
    assert [model.fits(size) for size in (4_001, 4_000, 2_001, 2_000)] == [
        *("yes", "in bfloat16 alone", "in bfloat16 alone", "no")
    ]


def test_memory_is_the_machines_or_the_containers(tmp_path: Path, monkeypatch) -> None:
    whole = psutil.virtual_memory().total
    limit = tmp_path / "memory.max"
    monkeypatch.setattr(module, "_LIMIT", limit)
    assert machine_memory() == whole
    for text, wanted in (("max\n", whole), ("1000000\n", 1_000_000), (f"{2 * whole}\n", whole)):
        limit.write_text(text)
        assert machine_memory() == wanted
    assert mini_rate() > 0
