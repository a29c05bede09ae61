"""Python of one's own that makes a model: ``file:PATH``.

The file holds a function ``model`` without arguments that gives a ``Model``, most simply a
``ModuleModel``. It runs as any program of its user does, so only where they said so.
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from types import ModuleType

import torch

from genomic_models.errors import ModelError
from genomic_models.files import expanded
from genomic_models.model import Model
from genomic_models.module import ModuleModel

PREFIX = "file:"
FUNCTION = "model"


def load_file(name: str, device: str, dtype: torch.dtype, trusted: bool) -> Model:
    """The model that ``file:PATH`` makes.

    Its hash covers the bytes of the file beside the weights: other code gives other numbers.

    Raises
    ------
    ModelError
        Not trusted, no such file, no function ``model`` in it, or one that fails or gives something else.
    """
    path = expanded(name.removeprefix(PREFIX)).resolve()
    try:
        source = path.read_bytes()
    except OSError as error:
        raise ModelError(f"model {name}: {path} cannot be read ({error.strerror})") from error
    if not trusted:
        digest = hashlib.sha256(source).hexdigest()
        raise ModelError(
            f"model {name} is Python code, which would run here (sha256 {digest}): read it, then allow it"
            " with --trust-remote-code, or trust_remote_code=True in Python"
        )
    module = ModuleType(f"genomic_models_file_{path.stem}")
    module.__file__ = str(path)
    # Where pickles and dataclasses look a class's module up.
    sys.modules[module.__name__] = module
    try:
        exec(compile(source, str(path), "exec"), module.__dict__)
        made = getattr(module, FUNCTION)()
    except ModelError:
        raise
    except Exception as error:
        where = f", line {line}" if (line := _line(error, path)) else ""
        raise ModelError(
            f"model {name}: {path}{where}: {type(error).__name__}: {error}; expected a function {FUNCTION}()"
            " that gives a ModuleModel"
        ) from error
    if not isinstance(made, Model):
        raise ModelError(f"model {name}: {path}: {FUNCTION}() gives {type(made).__name__}, not a model")
    if isinstance(made, ModuleModel):
        made.to(device, dtype)
    made.name = name
    made.weights_hash = hashlib.sha256(made.weights_hash.encode() + source).hexdigest()
    return made


def _line(error: BaseException, path: Path) -> int:
    """Line of a file at which an error rose; 0 where it did not rise in it."""
    if isinstance(error, SyntaxError):
        return error.lineno or 0
    found, step = 0, error.__traceback__
    while step is not None:
        if step.tb_frame.f_code.co_filename == str(path):
            found = step.tb_lineno
        step = step.tb_next
    return found
