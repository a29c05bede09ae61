"""What all benchmarks have in common: ``--quick``, ``--json``, and one JSON object as the last line."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# Genomes and cohorts beside the checkout; where they are absent, a benchmark says that it skipped.
DATA = ROOT.parent / "shared" / "data"


def parser(description: str, quick: str) -> argparse.ArgumentParser:
    """A parser with the options that every benchmark has; ``quick`` says what is left out."""
    made = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument("--quick", action="store_true", help=f"minutes at most: {quick}")
    made.add_argument("--json", action="store_true", help="last line is one JSON object")
    return made


def finish(given: argparse.Namespace, results: Mapping[str, object]) -> None:
    """Print the figures, one a line, and with ``--json`` all of them as one object."""
    for name, value in results.items():
        print(f"{name} {value if isinstance(value, str) else json.dumps(value, default=float)}")
    if given.json:
        print(json.dumps({"quick": given.quick} | dict(results), default=float), flush=True)


def skip(given: argparse.Namespace, why: str) -> None:
    """Say that nothing was measured, and why."""
    print(f"skipped: {why}")
    if given.json:
        print(json.dumps({"quick": given.quick, "skipped": why}))


def absent(*names: str) -> str:
    """Why data beside the checkout cannot be read; empty where all of it is there."""
    gone = [name for name in names if not (DATA / name).exists()]
    return f"no {', '.join(gone)} in ../shared/data beside the checkout" if gone else ""
