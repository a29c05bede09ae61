"""Downloading a file: resumed where it broke off, checked, whole or not there at all."""

from __future__ import annotations

import http.client
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from workbench.errors import InputError
from workbench.files.atomic import write_atomic
from workbench.interruption import heed
from workbench.progress import Progress

# Seconds without a byte after which a connection counts as broken.
TIMEOUT = 60.0
ATTEMPTS = 5
# Seconds before the second try, twice as many before each next one; the longest that a server may ask for.
BACK_OFF = 1.0
LONGEST_WAIT = 120.0
_BUSY = (429, 500, 502, 503, 504)
_PIECE = 1 << 18
_MEANING = {
    401: "it asks for a log-in",
    403: "it refuses access",
    404: "it has no such thing",
    410: "it has no such thing any more",
}


def download(
    url: str,
    path: Path,
    begin: Callable[[int], None] = lambda size: None,
    told: Callable[[int], None] = lambda size: None,
    headers: Mapping[str, str] | None = None,
) -> None:
    """Fetch ``url`` into ``path``, which appears once all of it is there.

    A broken connection is taken up where it broke off, if the server can; a busy server is asked again, after
    as long as it says. What came before a stop lies in ``path`` with ``.part`` added, and the next call goes
    on from there. ``begin`` hears the bytes in all where the server says them, ``told`` those that came.

    Raises ``InputError`` for a server that cannot be reached, refuses, or sends less than it said.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part, mark = path.with_name(f"{path.name}.part"), path.with_name(f"{path.name}.part.etag")
    cause = ""
    for attempt in range(ATTEMPTS):
        if attempt:
            _wait(BACK_OFF * 2 ** (attempt - 1))
        try:
            _attempt(url, part, mark, begin, told, headers or {})
        except HTTPError as error:
            if error.code == 416:  # what lies there is of another file, or more than all of it
                part.unlink(missing_ok=True)
                cause = "it does not send the rest"
                continue
            if error.code not in _BUSY:
                meaning = _MEANING.get(error.code, error.reason)
                raise InputError(f"{url}: the server answers {error.code}: {meaning}") from None
            cause = f"the server answers {error.code}, {error.reason}"
            _wait(_asked_wait(error))
            continue
        except URLError as error:
            cause = f"cannot be reached ({error.reason})"
            continue
        except (http.client.HTTPException, OSError) as error:
            cause = f"the connection broke ({error or type(error).__name__})"
            continue
        mark.unlink(missing_ok=True)
        part.replace(path)
        return
    host = urlsplit(url).hostname
    raise InputError(
        f"{url}: {cause}, {ATTEMPTS} times; where this machine has no way to {host}, fetch it elsewhere and"
        f" put it at {path}"
    )


def download_shown(
    url: str, path: Path, title: str, progress: Progress, headers: Mapping[str, str] | None = None
) -> None:
    """`download` as a step of ``progress``, where the server says how much will come."""
    begun = False

    def begin(size: int) -> None:
        nonlocal begun
        if not begun:
            progress.begin(title, size, "bytes")
        begun = True

    download(url, path, begin, lambda size: progress.advance(size) if begun else None, headers)
    if begun:
        progress.end()


def _attempt(
    url: str,
    part: Path,
    mark: Path,
    begin: Callable[[int], None],
    told: Callable[[int], None],
    headers: Mapping[str, str],
) -> None:
    have = part.stat().st_size if part.exists() and mark.exists() else 0
    request = Request(url, headers={"User-Agent": "genomics-workbench"})
    for name, value in headers.items():
        request.add_unredirected_header(name, value)  # a token is for this server, not where it points to
    if have:
        request.add_header("Range", f"bytes={have}-")
        request.add_header("If-Range", mark.read_text())
    with urlopen(request, timeout=TIMEOUT) as answer:
        resumed = answer.status == 206
        length = answer.headers.get("Content-Length")
        size = int(length) if length else 0
        have = have if resumed else 0
        # Without a mark of its version nothing can be taken up: another file might have come meanwhile.
        version = answer.headers.get("ETag") or answer.headers.get("Last-Modified")
        if version and not resumed:
            with write_atomic(mark) as temporary:
                temporary.write_text(version)
        if have + size:
            begin(have + size)
        told(have)
        with part.open("ab" if resumed else "wb") as handle:
            got = 0
            while piece := answer.read(_PIECE):
                heed()
                handle.write(piece)
                got += len(piece)
                told(len(piece))
        if size and got < size:
            raise ConnectionError(f"{got:,} of {size:,} bytes came")


def _asked_wait(error: HTTPError) -> float:
    try:
        return min(LONGEST_WAIT, float(error.headers.get("Retry-After", 0)))
    except ValueError:
        return 0.0


def _wait(seconds: float) -> None:
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        heed()
        time.sleep(min(0.2, left))
