"""What runs in the child process of `workbench.files.contained`: libraries that read foreign binary files.

Started as a script, so that it imports nothing of the workbench. It answers requests on the connection whose
number is its argument: a request ``[name, *arguments]`` in JSON begins a reading and asks for its first item,
an empty one asks for the next. A reply begins with ``+`` (an item follows), ``.`` (no more) or ``!`` (a
sentence on what went wrong follows).
"""

from __future__ import annotations

import gzip
import json
import os
import resource
import signal
import struct
import sys
import time
from collections.abc import Callable, Iterator
from functools import lru_cache
from itertools import chain, repeat
from multiprocessing.connection import Connection
from typing import Any

# Bytes of address space.
MEMORY = 1 << 30
# CPU seconds for one item.
SECONDS = 4
# What an index is named after its file.
INDEXES = (".tbi", ".csi")
_LOG = 1 << 20
_BATCH = 1 << 20
_BASES = 1 << 20


def _bcf(path: str) -> Any:
    import pysam  # in the child process alone

    # Looking for an index that is not there is no error to print.
    before = pysam.set_verbosity(0)
    file = pysam.VariantFile(path)
    pysam.set_verbosity(before)
    return file


def bcf_header(path: str) -> Iterator[bytes]:
    """The header as text."""
    with _bcf(path) as file:
        yield str(file.header).encode()


def bcf_records(path: str, *region: Any) -> Iterator[bytes]:
    """Records as lines of a VCF, some at a time; of ``contig, start, end`` alone where these are given."""
    with _bcf(path) as file:
        if not region or file.is_valid_tid(file.get_tid(region[0])):
            yield from _joined(map(str, file.fetch(*region) if region else file))


def _index(path: str) -> str | None:
    return next((path + s for s in INDEXES if os.path.exists(path + s)), None)


def _tabix(path: str) -> Any:
    import pysam  # in the child process alone

    return pysam.TabixFile(path, index=_index(path), encoding="utf-8")


def _indexed_spans(index: str) -> list[tuple[int, bytes, int, int]]:
    """Number and name (none in that of a BCF) of each contig with records, where they begin and end.

    Formats .tbi and .csi of the SAM specification; places are virtual ones of BGZF.
    """
    with gzip.open(index) as file:
        data = file.read()
    if data[:4] == b"CSI\1":
        depth, own = struct.unpack_from("<ii", data, 8)
        names, at = data[44 : 16 + own], 16 + own
        (contigs,) = struct.unpack_from("<i", data, at)
        head, at = "<IQi", at + 4
    else:
        contigs, own = struct.unpack_from("<i24xi", data, 4)
        names, at, head, depth = data[36 : 36 + own], 36 + own, "<Ii", 5
    # A bin that is none: it holds counts.
    counts = ((1 << 3 * (depth + 1)) - 1) // 7 + 1
    found = []
    for contig, name in zip(range(contigs), chain(names.split(b"\0"), repeat(b"")), strict=False):
        (bins,) = struct.unpack_from("<i", data, at)
        at += 4
        places: list[int] = []
        for _ in range(bins):
            number, *_, chunks = struct.unpack_from(head, data, at)
            at += struct.calcsize(head)
            if number != counts:
                places += struct.unpack_from(f"<{2 * chunks}Q", data, at)
            at += 16 * chunks
        if head == "<Ii":
            at += 4 + 8 * struct.unpack_from("<i", data, at)[0]
        if places:
            found.append((contig, name, min(places), max(places)))
    return found


def index_fits(path: str) -> Iterator[bytes]:
    """Whether each contig begins where the index says, and nothing follows the last, in JSON."""
    import pysam  # in the child process alone

    spans = _indexed_spans(str(_index(path)))
    fits = True
    try:
        with pysam.BGZFile(path, mode="r", index=None) as file:
            for contig, name, start, _ in spans:
                file.seek(start)
                if name:
                    fits &= file.readline().split(b"\t", 1)[0] == name
                else:
                    fits &= struct.unpack_from("<i", file.read(12), 8)[0] == contig
            file.seek(max(end for *_, end in spans))
            fits &= not file.read(1)
    except (OSError, ValueError, struct.error):  # no block there, no record in the index
        fits = False
    yield json.dumps(fits).encode()


def indexed_contigs(path: str) -> Iterator[bytes]:
    """Contigs of an index, in JSON."""
    with _tabix(path) as file:
        yield json.dumps(file.contigs).encode()


def indexed_lines(path: str, contig: str, start: int, end: int) -> Iterator[bytes]:
    """Lines of a bgzipped and indexed file that meet a stretch, some at a time."""
    with _tabix(path) as file:
        if contig in file.contigs:
            yield from _joined(file.fetch(contig, start, end))


def _joined(lines: Iterator[str]) -> Iterator[bytes]:
    held: list[str] = []
    size = 0
    for line in lines:
        held.append(line.rstrip("\n"))
        size += len(line)
        if size > _BATCH:
            yield "\n".join(held).encode()
            held, size = [], 0
    if held:
        yield "\n".join(held).encode()


def signal_contigs(path: str) -> Iterator[bytes]:
    """Lengths of a bigWig's contigs, in JSON; null for a bigBed."""
    file = _signal(path, os.stat(path).st_mtime_ns)
    yield json.dumps(dict(file.chroms()) if file.is_bigwig else None).encode()


def signal_values(path: str, contig: str, start: int, end: int) -> Iterator[bytes]:
    """float32 of ``[start, end)``, NaN where the file says nothing, some bases at a time."""
    import numpy as np  # in the child process alone

    file = _signal(path, os.stat(path).st_mtime_ns)
    for at in range(start, end, _BASES):
        stop = min(end, at + _BASES)
        found = file.values(contig, at, stop, missing=np.nan, oob=np.nan)
        yield np.asarray(found, np.float32).tobytes()


@lru_cache(maxsize=8)
def _signal(path: str, changed: int) -> Any:
    import pybigtools  # in the child process alone

    return pybigtools.open(path)


READINGS: dict[str, Callable[..., Iterator[bytes]]] = {
    f.__name__: f
    for f in (
        bcf_header,
        bcf_records,
        index_fits,
        indexed_contigs,
        indexed_lines,
        signal_contigs,
        signal_values,
    )
}


def _limit() -> None:
    """Allow as much work as one item may take."""
    spent = int(time.process_time())
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    most = spent + 1 + SECONDS
    # A machine may allow less (`ulimit -t`): its limit cannot be raised.
    resource.setrlimit(
        resource.RLIMIT_CPU, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard)
    )


def serve(connection: Connection) -> None:
    """Answer requests until the other side closes."""
    items: Iterator[bytes] = iter(())
    while True:
        try:
            request = connection.recv_bytes()
        except EOFError:
            return
        _limit()
        try:
            if request:
                name, *arguments = json.loads(request)
                items = READINGS[name](*arguments)
            reply = b"+" + next(items)
        except StopIteration:
            reply = b"."
        # The libraries raise classes of their own; Rust's panics are no Exception.
        except BaseException as error:
            reply = b"!" + (str(error) or type(error).__name__).encode()
        connection.send_bytes(reply)


def main() -> None:
    """Take limits, then serve."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (_LOG, _LOG))
    # What ends this process is its parent's end, which closes the connection.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1):
        signal.signal(number, signal.SIG_IGN)
    serve(Connection(int(sys.argv[1])))


if __name__ == "__main__":
    main()
