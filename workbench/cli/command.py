"""What every command of the command line has in common."""

from __future__ import annotations

import re
import signal
from typing import Any

from rich.markup import escape
from typer.core import TyperCommand

from workbench.interruption import Stopped

# A break of a line within a paragraph, but for those before an example.
_WRAPPED = re.compile(r"(?<!\n)\n(?!\n|workbench )")


class Command(TyperCommand):
    """A command whose help is plain text, brackets included, and which Ctrl-C ends with a sentence.

    Paragraphs of its help are broken where the terminal ends; examples begin a line.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.help = _WRAPPED.sub(" ", self.help or "")
        parts: list[Any] = [self, *self.params]
        for part in parts:
            part.help = part.help and escape(part.help)

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise Stopped(signal.SIGINT) from None
