"""The model of a study, loaded once for all sessions, or a sentence that says how to ask without the app."""

from __future__ import annotations

from genomic_models.contract import DNAModel, ModelError
from genomic_models.released import RELEASED
from workbench import InputError
from workbench.models.needs import machine_memory
from workbench.study.study import Study


def ready_model(study: Study, command: str) -> DNAModel:
    """The model of a study, which stays loaded with it.

    Raises ``InputError`` with the command that asks the same elsewhere, for a model whose weights are not
    there or do not fit into this machine's memory.
    """
    if "model" not in vars(study):
        given = study.config.model
        known = RELEASED.get(given.name)
        size = known.parameters * (4 if given.dtype == "float32" else 2) if known else 0
        if size > (here := machine_memory()):
            raise InputError(
                f"{given.name} takes {size / 1e9:.0f} GB, this machine has {here / 1e9:.0f}: where it fits,"
                f" ask by: {command}"
            )
    try:
        return study.model
    except (InputError, ModelError, OSError, MemoryError) as error:
        raise InputError(f"{error}. Where the model is at hand, ask by: {command}") from error
