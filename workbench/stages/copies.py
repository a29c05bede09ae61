"""Near copies of train and select sequence along the report split, found before anything is scored.

Scores that verdicts rest on leave these bases out, of the features and of every control alike: an rRNA
operon of which the train split holds a copy is no held-out sequence. Only the sequence and the tracks'
intervals are read.
"""

from __future__ import annotations

from workbench.analysis.audit.near_copies import COPIED, TILE, find_copies, write_copies
from workbench.progress import Progress
from workbench.stages.stage import Shard, Stage
from workbench.study.study import Study


def run(study: Study, shard: Shard, progress: Progress) -> int:
    """Look the report split up in train and select."""
    found = find_copies(study)
    write_copies(study, found)
    facts = {"k": found.k, "identity": found.identity, "share": found.share}
    study.write_facts("audit_copies", facts | {"tile": TILE, "copied": COPIED})
    bases = sum(study.manifest.contigs.values())
    progress.advance(bases)
    return bases


STAGE = Stage(
    name="copies",
    title="looking for near copies across the splits",
    needs=("plan",),
    sections=("statistics", "tracks", "split"),
    run=run,
    shards=lambda study: [Shard(0, sum(study.manifest.contigs.values()))],
)
