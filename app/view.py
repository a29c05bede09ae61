"""``python -m app.view STUDY PLACE QUERY OUT``: the page of a view of the browser, for ``workbench view``.

PLACE is as people write it, or empty; QUERY is that of an address of the browse page.
"""

from __future__ import annotations

import logging
import sys
from pathlib import Path

from workbench import InputError


def write_view(folder: str, place: str, query: str, out: Path) -> None:
    """Write the page of a view.

    Raises ``InputError`` or ``ValueError``, a sentence, for what is not in the study.
    """
    from app import links
    from app.canvas.browsing import read_text, requested_view
    from app.data.annotation import tracks
    from app.data.study import open_study
    from app.exports.standalone import view_page
    from workbench.files.atomic import write_atomic

    opened = open_study(folder)
    tracks(opened).result()
    asked = links.split_query(query)
    if place:
        asked["at"] = str(read_text(opened, place)[0])
    page = view_page(opened, requested_view(opened, links.parse_browse(asked)))
    with write_atomic(out) as temporary:
        temporary.write_text(page, encoding="utf-8")


def stop(said: str) -> int:
    """Say why there is no page; the exit status."""
    print(said, file=sys.stderr)
    return 2


if __name__ == "__main__":
    # Streamlit warns that there is no server: there is none.
    logging.disable(logging.WARNING)
    try:
        folder, place, query, out = sys.argv[1:]
        write_view(folder, place, query, Path(out))
    except OSError as error:
        sys.exit(stop(f"{error.filename}: {error.strerror}"))
    except (InputError, ValueError) as error:
        sys.exit(stop(str(error)))
