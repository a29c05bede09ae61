"""Tables as Parquet: written whole, with a checksum a page that is compared when they are read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from workbench.errors import InputError
from workbench.files.atomic import write_atomic
from workbench.files.text import check_file

if TYPE_CHECKING:
    import pandas as pd


def write_parquet(path: Path, table: pd.DataFrame) -> None:
    """Write a table, without its index."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with write_atomic(path) as temporary:
        table.to_parquet(temporary, index=False, write_page_checksum=True)


def read_parquet(path: Path) -> pd.DataFrame:
    """Read a table; ``InputError`` where the file is missing or damaged."""
    import pandas as pd  # heavy itself

    check_file(path)
    try:
        return pd.read_parquet(path, page_checksum_verification=True)
    except Exception as error:  # damage ends Arrow in errors of many classes
        cause = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"{path}: cannot be read as Parquet ({cause})") from None
