"""The study: files, stages, engines, provenance, command line, exports.

``Study.open(folder).run()`` does what ``workbench run folder`` does.
"""

from workbench.errors import InputError
from workbench.study import Study

__all__ = ["InputError", "Study"]
