"""Burdens of a study: where its store is, and what it was made with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.cohort.store import BurdenStore

if TYPE_CHECKING:
    from workbench.study import Study

FOLDER = "burdens"


def origin_of(study: Study) -> dict[str, str]:
    """What burdens belong to: model, layer and autoencoder, or the hash of a ready matrix."""
    if study.config.cohort.matrix:
        return {"matrix": study.facts("cohort")["files"]["matrix"]}
    return {
        "model_hash": study.manifest.model["weights_hash"],
        "layer": study.layer,
        "sae_hash": study.sae_hash,
    }


def open_burdens(study: Study) -> BurdenStore:
    """The store of a study; ``InputError`` where there is none yet."""
    samples = list(study.table("samples")["sample"])
    return BurdenStore(study.folder / FOLDER, study.table("burdens"), samples, origin_of(study))
