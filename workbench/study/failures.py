"""Why work failed, in a few kinds that people act on differently."""

from __future__ import annotations

import errno
import sys

from workbench.errors import InputError

# Kinds of failure and what they mean.
KINDS = {
    "oom": "out of memory: a smaller batch, more memory, or a larger GPU",
    "timeout": "the scheduler ended it at its time limit",
    "node": "its node was lost",
    "disk": "no space, no permission, or a failing disk",
    "preempted": "stopped by a signal before it was finished",
    "lost": "began and never ended: it was killed",
    "input": "the input or the settings; the same again would fail alike",
    "error": "anything else; see its log",
}

# Kinds for which the host may be at fault: the next try is better made elsewhere.
HOST_KINDS = ("node", "lost", "disk")

_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EIO, errno.ESTALE)


# What a scheduler's accounting calls the end of a job, as a kind.
ENDINGS = {"OUT_OF_MEMORY": "oom", "TIMEOUT": "timeout", "NODE_FAIL": "node", "PREEMPTED": "preempted"}


class InvalidShard(Exception):
    """A finished shard's file is missing or not what was written."""


def kind_of(error: BaseException) -> str:
    """The kind of an error, one of ``KINDS``."""
    cause = error.__cause__
    torch = sys.modules.get("torch")
    # Whoever has not imported PyTorch has no error of its.
    if isinstance(error, (MemoryError, torch.OutOfMemoryError) if torch else MemoryError):
        return "oom"
    if isinstance(error, RuntimeError) and "not enough memory" in str(error):
        return "oom"
    for each in (error, cause):
        if isinstance(each, OSError) and each.errno in _DISK:
            return "disk"
    return "input" if isinstance(error, ValueError | InputError) else "error"


def worth_retrying(error: BaseException) -> bool:
    """Whether the same work may succeed a little later."""
    passing = isinstance(error, OSError) and error.errno in (errno.EIO, errno.ESTALE)
    return passing or kind_of(error) not in ("input", "disk")
