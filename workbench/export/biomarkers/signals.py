"""Values of the leading candidates' features at single bases of the reference, as bedGraph and bigWig.

A file a feature and strand, over all that was read of the genome; bases without a value are gaps. The
features are those asked for, or of the strongest candidate of each phenotype and region.
"""

from __future__ import annotations

from pathlib import Path

from workbench.errors import InputError
from workbench.export import signals
from workbench.export.biomarkers.rows import leading, placed
from workbench.export.job import Job


def write_bedgraph(job: Job) -> list[Path]:
    """Text; ``job.out`` is a folder."""
    return signals.write_bedgraph(_led(job))


def write_bigwig(job: Job) -> list[Path]:
    """BigWig; ``job.out`` is a folder."""
    return signals.write_bigwig(_led(job))


def _led(job: Job) -> Job:
    rows = placed(job)
    if not rows:
        raise InputError(f"{job.study.folder}: no candidate, so no feature to write the values of")
    return job._replace(features=job.features or leading(rows))
