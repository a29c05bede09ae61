"""An autoencoder of another library in a study: locked to the model, its own thresholds kept."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from feature_mining.sae.config import SAEConfig
from feature_mining.sae.formats import write
from feature_mining.sae.model import SparseAutoencoder
from workbench.analysis.imported_sae import import_for
from workbench.errors import InputError
from workbench.study.manifest import ModelLock

MODEL = ModelLock("fake", "abc", "blocks.0", 4, "float32", 64, "nothing")


def identity(**facts: str) -> SparseAutoencoder:
    return SparseAutoencoder(
        torch.eye(4),
        torch.zeros(4),
        torch.eye(4),
        torch.zeros(4),
        torch.tensor([0.5, 0.5, 0.5, 2.0]),
        SAEConfig("jumprelu", 4, 4, 0, **facts),
    )


def test_own_thresholds_are_kept_and_values_measured(tmp_path: Path) -> None:
    write(identity(), "saelens", tmp_path)
    x = torch.tensor([[1.0, 0.2, 0.0, 1.9]] * 30 + [[3.0, 0.2, 0.0, 1.9]] * 10)
    sae, calibration = import_for(tmp_path, MODEL, [x])
    assert sae.threshold.tolist() == [0.5, 0.5, 0.5, 2.0]
    assert calibration.maximum.tolist() == [3.0, 0.0, 0.0, 0.0]
    assert (calibration.l0, calibration.rows) == (1.0, 40)
    # A bin at the foot of an octave is a sixteenth wide.
    assert calibration.quantiles[0, 1] == pytest.approx(1.0, rel=1 / 16)
    assert (sae.config.model, sae.config.weights_hash) == ("fake", "abc")


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"model": "other"}, "model other; the study has fake"),
        ({"layer": "blocks.1"}, r"layer blocks\.1; the study has blocks\.0"),
        ({"weights_hash": "xyz"}, "weights xyz; the study has abc"),
    ],
)
def test_of_another_model_layer_or_weights_is_refused(tmp_path: Path, facts: dict, message: str) -> None:
    identity(**facts).save(tmp_path)
    with pytest.raises(InputError, match=message):
        import_for(tmp_path, MODEL, [torch.ones(3, 4)])


def test_of_another_width_is_refused(tmp_path: Path) -> None:
    identity().save(tmp_path)
    with pytest.raises(InputError, match="width 4; the study has 9"):
        import_for(tmp_path, replace(MODEL, d_model=9), [torch.ones(3, 4)])
