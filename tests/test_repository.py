"""What must hold for the repository as a whole."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from workbench.setup.demo_archive import ARCHIVE

ROOT = Path(__file__).resolve().parents[1]
# Bytes of the largest file that is not a set of weights.
LIMIT = 2_000_000


def tracked() -> list[Path]:
    """Files under version control that are here; skips outside a git checkout."""
    try:
        listing = subprocess.run(
            ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout: no list of the repository's files")
    return [path for name in listing.split("\0") if name and (path := ROOT / name).is_file()]


def test_imports_only_point_down() -> None:
    tool = Path(sys.executable).parent / "lint-imports"  # of the extra `test`: never skipped
    run = subprocess.run([tool, "--no-cache"], cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr


def test_readme_has_exactly_two_set_up_commands() -> None:
    text = (ROOT / "README.md").read_text()
    section = text.split("\n## Set up\n", 1)[1].split("\n## ", 1)[0]
    blocks = re.findall(r"^```bash\n(.*?)^```", section, flags=re.M | re.S)
    assert len(blocks) == 2
    commands = [block.replace("\\\n", " ").strip() for block in blocks]
    assert all("\n" not in command for command in commands)
    assert all("-c constraints.txt" in command for command in commands)
    assert commands[0].endswith("workbench demo")
    assert commands[1].endswith("-m pytest")


def test_no_large_file_but_weights_and_the_demo() -> None:
    # The demo's archive has a limit of its own, in test_demo_study.
    large = [
        str(path.relative_to(ROOT))
        for path in tracked()
        if path.suffix != ".safetensors" and path.name != ARCHIVE and path.stat().st_size > LIMIT
    ]
    assert not large


def test_every_module_says_what_it_is() -> None:
    mute = [
        str(path.relative_to(ROOT))
        for path in tracked()
        if path.suffix == ".py"
        and path.stat().st_size  # an empty __init__.py has nothing to say
        and not ast.get_docstring(ast.parse(path.read_text()))
    ]
    assert not mute
