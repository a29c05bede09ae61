"""Tables on the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich import box
from rich.console import Console
from rich.table import Table

from workbench.wording import visible

# Letters up to which the rows' names stay on one line, however narrow the terminal.
NAME = 24
WIDE = 10_000


def show(columns: Sequence[str], rows: Iterable[Sequence[str]], title: str = "", caption: str = "") -> None:
    """Print a table, the first column with the rows' names; cells are plain text.

    On a terminal long cells are folded to its width; in a file or a pipe a row is a line. Nothing is cut.
    """
    console = Console(markup=False, highlight=False, emoji=False)
    if not console.is_terminal:
        console.width = WIDE
    cells = [[visible(cell) for cell in row] for row in rows]
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), title=title or None, caption=caption or None)
    for name in columns:
        table.add_column(name, overflow="fold")
    table.columns[0].no_wrap = all(len(row[0]) <= NAME for row in cells)
    for row in cells:
        table.add_row(*row)
    console.print(table)
