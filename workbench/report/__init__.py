"""The report of a study: one HTML file with text, tables and inline SVG, nothing fetched from anywhere."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from workbench.study import Study

__all__ = ["write_audit", "write_report"]


def write_report(study: Study, path: Path) -> None:
    """Write the report of a finished study, atomically.

    The same study gives the same bytes. Raises ``InputError`` where a table of the study is missing.
    """
    from workbench.atomic import write_atomic
    from workbench.report.render import render

    page = render(study)
    with write_atomic(path) as temporary:
        temporary.write_text(page, encoding="utf-8")


def write_audit(study: Study, path: Path) -> None:
    """Write the page of the shortcut audit of a finished study, atomically."""
    from workbench.atomic import write_atomic
    from workbench.report.render import render_audit

    page = render_audit(study)
    with write_atomic(path) as temporary:
        temporary.write_text(page, encoding="utf-8")
