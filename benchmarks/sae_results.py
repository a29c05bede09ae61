"""Results of ``benchmarks/sae.py``, one a library, variant and seed, kept in a JSON file as they come.

A run that was ended goes on where it was; what is there already is not computed again.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from statistics import median

Score = dict[str, float]
# Part, library and variant, what tells runs apart (seed, steps).
Key = tuple[str, str, str]


class Results:
    """Scores by key; written after each, where there is a file to write to.

    Raises ``ValueError`` for a file that holds something else.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.found: dict[str, Score] = {}
        if path is not None and path.exists():
            try:
                self.found = json.loads(path.read_text())["sae"]
            except (ValueError, KeyError, TypeError) as error:
                raise ValueError(f"{path}: not results of this benchmark ({error})") from None

    def get(self, key: Key, compute: Callable[[], Score]) -> Score:
        """The score of ``key``, computed if it is not there yet."""
        name = " | ".join(key)
        if name not in self.found:
            self.found[name] = compute()
            if self.path is not None:
                temporary = self.path.with_suffix(".tmp")
                temporary.write_text(json.dumps({"sae": self.found}, indent=1))
                temporary.replace(self.path)
        return self.found[name]


def summarise(scores: dict[tuple[str, str], list[Score]]) -> dict[str, object]:
    """What the runs of quality say together: ours against the best peer of the same variant, dead features.

    Medians over seeds; ``dead_fraction`` is the worst seed.
    """

    def middle(key: tuple[str, str], name: str) -> float:
        return median(row[name] for row in scores[key])

    results: dict[str, object] = {}
    for key, name in (("explained_minus_best_peer", "ev"), ("mcc_minus_best_peer", "mcc")):
        differences = {}
        for library, variant in scores:
            peers = [k for k in scores if k[1] == variant and k[0] != "ours"]
            if library == "ours" and peers:
                best = max(middle(k, name) for k in peers)
                differences[variant] = round(middle((library, variant), name) - best, 4)
        results[key] = differences
    results["dead_fraction"] = {
        f"{library} {variant}": max(row["dead"] for row in rows)
        for (library, variant), rows in scores.items()
    }
    results["quality"] = {f"{library} {variant}": rows for (library, variant), rows in scores.items()}
    return results
