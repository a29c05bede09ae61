"""Every benchmark has the same options and ends with one JSON object."""

import ast
import importlib
import json
from pathlib import Path

import pytest

from benchmarks import command_line

SCRIPTS = {
    path.stem: path.read_text()
    for path in Path(command_line.__file__).parent.glob("*.py")
    if '__name__ == "__main__"' in path.read_text()
}
# Scripts that are no benchmark: they make what ships and a picture, or are run by one in their own process.
PARTS = {"demo_study", "painting_pictures", "sae_memory"}
READERS = [name for name, text in SCRIPTS.items() if "absent(" in text and "skip(" in text]


def _called(text: str) -> set[str]:
    calls = [node.func for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)]
    return {call.id for call in calls if isinstance(call, ast.Name)}


def test_there_are_benchmarks_that_read_real_genomes() -> None:
    assert {"calibration", "association", "ecoli", "bits_per_base"} <= set(READERS)


@pytest.mark.parametrize("name", sorted(set(SCRIPTS) - PARTS))
def test_it_takes_the_common_options_and_finishes_alike(name: str) -> None:
    assert {"parser", "finish"} <= _called(SCRIPTS[name])


@pytest.mark.parametrize("name", READERS)
def test_without_the_data_it_says_that_it_was_skipped(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command_line, "DATA", tmp_path / "nowhere")
    monkeypatch.setattr("sys.argv", [name, "--quick", "--json"])
    importlib.import_module(f"benchmarks.{name}").main()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("skipped: ")
    found = json.loads(lines[-1])
    assert found["quick"] is True
    assert found["skipped"] in lines[0]


def test_the_last_line_is_one_object_with_every_figure(capsys: pytest.CaptureFixture[str]) -> None:
    given = command_line.parser("Measures nothing.", "less").parse_args(["--quick", "--json"])
    command_line.finish(given, {"speed": 2.5, "why": "words"})
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["speed 2.5", "why words"]
    assert json.loads(lines[-1]) == {"quick": True, "speed": 2.5, "why": "words"}
