"""The study: files, stages, engines, provenance, command line, exports.

``Study.open(folder).run()`` does what ``workbench run folder`` does.
"""

from workbench.errors import InputError
from workbench.progress import Progress
from workbench.study.study import Study


def _run(study: Study, workers: int, until: str | None, force: str | None, progress: Progress | None) -> None:
    # Imported here: the engines import all stages, and those PyTorch, which --help does without.
    from workbench.engines.local import here, processes, run

    run(study, processes(workers) if workers > 1 else here, until, force, progress)


# A study knows no engine; it is given the one of this process here, above both.
Study.runner = staticmethod(_run)

__all__ = ["InputError", "Study"]
