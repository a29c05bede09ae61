"""An autoencoder from activations that one has, in one call."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
import torch

import feature_mining.sae
from feature_mining.sae import SparseAutoencoder, TrainConfig, Trained, read_sae, train_sae, write_sae
from feature_mining.sae.measures.quality import measure, summarise
from feature_mining.sae.training import given_rows
from feature_mining.sae.training.given_rows import ArrayRows, StreamRows
from tests.feature_mining.sae.conftest import ACTIVE, D_IN, TRUE, Planted

FEW: dict = {"d_sae": 24, "k": 3, "batch": 256, "progress": False}


@pytest.fixture(scope="module")
def planted() -> np.ndarray:
    """40 batches of sums of three of 24 known directions, ``(10240, 16)``."""
    source = Planted(256)
    return np.concatenate([next(source).numpy() for _ in range(40)])


@pytest.fixture(scope="module")
def trained(planted: np.ndarray) -> Trained:
    return train_sae(planted, d_sae=24, k=ACTIVE, rows=256 * 400, batch=256, progress=False)


def in_pieces(rows: np.ndarray) -> Iterator[np.ndarray]:
    """A generator of arrays of uneven length, empty ones among them."""
    at = 0
    for size in [0, 700, 1, 3000, 0, 999]:
        yield rows[at : at + size]
        at += size
    yield rows[at:]


def test_planted_directions_are_found_again(trained: Trained) -> None:
    cosines = trained.sae.W_dec @ Planted().truth.T
    assert cosines.shape == (24, TRUE)
    assert float((cosines.max(dim=0).values > 0.9).float().mean()) > 0.8
    assert trained.quality.explained_variance > 0.9


def test_figures_are_of_rows_that_were_not_trained_on(planted: np.ndarray, trained: Trained) -> None:
    source = ArrayRows(planted)
    held = [planted[block] for block in source.held_out]
    assert len(held) == 4 and {len(part) for part in held} == {256}
    own = summarise(measure(trained.sae, held), trained.sae.b_dec.numpy())
    assert trained.quality.explained_variance == own.explained_variance
    assert trained.quality.rows == trained.calibration.rows == 4 * 256
    assert trained.quality.l0 == pytest.approx(ACTIVE, abs=0.01)
    # What is given out and what is held out share no row, and together they are all.
    seen = {row.tobytes() for _ in range(36) for row in next(source).numpy()}
    assert seen.isdisjoint(row.tobytes() for part in held for row in part)
    given = {row.tobytes() for i in range(len(source.blocks)) for row in next(source.read([i])).numpy()}
    assert len(given) + 4 * 256 == len(planted)


@pytest.mark.parametrize("kind", ["tensor", "frame", "memory map", "hdf5", "float64", "bfloat16"])
def test_any_array_is_the_same_array(kind: str, planted: np.ndarray, tmp_path: Path) -> None:
    rows = planted[:2600]
    np.save(tmp_path / "rows.npy", rows)
    with h5py.File(tmp_path / "rows.h5", "w") as file:
        file["rows"] = rows
        half = torch.from_numpy(rows).bfloat16()
        makes: dict[str, Callable] = {
            "tensor": lambda: torch.from_numpy(rows).requires_grad_(),
            "frame": lambda: pd.DataFrame(rows, index=[f"cell {i}" for i in range(len(rows))]),
            "memory map": lambda: np.load(tmp_path / "rows.npy", mmap_mode="r"),
            "hdf5": lambda: file["rows"],
            "float64": lambda: rows.astype(np.float64),
            "bfloat16": lambda: half,
        }
        plain = half.float().numpy() if kind == "bfloat16" else rows
        found = train_sae(makes[kind](), rows=512, **FEW)
    assert found.sae.hash == train_sae(plain, rows=512, **FEW).sae.hash


def test_a_stream_is_the_same_in_whatever_pieces(planted: np.ndarray) -> None:
    rows = planted[:6000]
    once = train_sae(in_pieces(rows), rows=4096, **FEW)
    assert once.sae.hash == train_sae(list(in_pieces(rows)), rows=4096, **FEW).sae.hash
    assert once.sae.hash == train_sae([pd.DataFrame(rows)], rows=4096, **FEW).sae.hash
    # Blocks 9 and 19 of 256 rows are held out.
    held = [rows[9 * 256 : 10 * 256], rows[19 * 256 : 20 * 256]]
    assert once.calibration.rows == 512
    own = summarise(measure(once.sae, held), once.sae.b_dec.numpy())
    assert once.quality.explained_variance == own.explained_variance
    # A list is read again when it ends, an iterator is not.
    assert train_sae([rows], rows=16_384, **FEW).training.tokens == 16_384
    with pytest.raises(ValueError, match="the source ended after 21 of 64 batches"):
        train_sae(iter([rows]), rows=16_384, **FEW)


def test_a_stream_is_shuffled_within_its_buffer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(given_rows, "BUFFER", 1024)
    rows = np.arange(5120, dtype=np.float32)[:, None]
    source = StreamRows([rows], 256, hold_out=False)
    given = [next(source)[:, 0].numpy() for _ in range(20)]
    # All rows of an epoch, each once, and none further from its place than the buffer.
    assert sorted(np.concatenate(given)) == list(range(5120))
    assert all((np.sort(part) != part).any() for part in given)
    assert max(abs(float(part.mean()) - 256 * i - 128) for i, part in enumerate(given)) < 1024
    # The next epoch comes in another order.
    assert not np.array_equal(next(source)[:, 0].numpy(), given[0])


class Stopped(Exception):
    pass


@pytest.mark.parametrize("form", ["array", "stream"])
def test_training_goes_on_from_a_checkpoint_to_the_same_bytes(
    form: str, planted: np.ndarray, tmp_path: Path
) -> None:
    rows = planted[:4000]

    def given() -> object:
        return rows if form == "array" else [rows[:1500], rows[1500:]]

    whole = train_sae(given(), rows=256 * 130, **FEW)
    checkpoint = str(tmp_path / "training.safetensors")

    def stop(step: int, metrics: dict) -> None:
        if step == 110:
            raise Stopped

    with pytest.raises(Stopped):
        train_sae(given(), rows=256 * 130, checkpoint=checkpoint, **FEW | {"progress": stop})
    told: list[int] = []
    again = train_sae(
        given(),
        rows=256 * 130,
        checkpoint=checkpoint,
        **FEW | {"progress": lambda step, metrics: told.append(step)},
    )
    assert told[0] == 101  # the checkpoint is of step 100
    assert again.sae.hash == whole.sae.hash
    other = rows + 1 if form == "array" else [rows[:3000] + 1, rows[3000:]]
    with pytest.raises(ValueError, match="of training on other activations"):
        train_sae(other, rows=256 * 130, checkpoint=checkpoint, **FEW)


def test_a_stream_too_short_for_its_checkpoint_is_refused() -> None:
    rows = np.random.default_rng(0).normal(size=(512, 4)).astype(np.float32)
    source = StreamRows(iter([rows]), 256)
    with pytest.raises(ValueError, match="ended after 2 batches; the checkpoint is 5 into it"):
        source.load_state_dict({"given": 5, "first": 1})


def test_bad_activations_are_refused(planted: np.ndarray) -> None:
    bad = planted[:1000].copy()
    bad[777, 3] = np.nan
    with pytest.raises(ValueError, match="row 777 holds NaN"):
        train_sae(bad, rows=512, **FEW)
    with pytest.raises(ValueError, match="row 777 of the stream holds NaN"):
        train_sae([bad[:500], bad[500:]], rows=512, **FEW)
    with pytest.raises(ValueError, match="row 0 holds NaN, an infinite value or one too large"):
        train_sae(np.full((1000, 4), 1e300), rows=512, **FEW)
    frame = pd.DataFrame(planted[:1000]).assign(name="x")
    with pytest.raises(ValueError, match="columns name hold no numbers"):
        train_sae(frame, rows=512, **FEW)
    with pytest.raises(ValueError, match="shape \\(10240,\\); expected \\(rows, width\\)"):
        train_sae(planted[:, 0], **FEW)
    with pytest.raises(ValueError, match=r"from 0 on: shape \(16,\); expected \(rows, width\)"):
        train_sae(list(planted[:10]), **FEW)
    with pytest.raises(ValueError, match="rows of width 16, then 8"):
        train_sae([planted[:300], planted[:300, :8]], rows=512, **FEW)
    with pytest.raises(ValueError, match="hold no real numbers"):
        train_sae(["rows.npy"], rows=512, **FEW)
    with pytest.raises(ValueError, match="4 rows of activations; expected at least 10"):
        train_sae(planted[:4], **FEW)
    with pytest.raises(ValueError, match="fewer rows than one batch of 256"):
        train_sae([planted[:100]][:0], rows=512, **FEW | {"d_sae": 0})
    with pytest.raises(ValueError, match="say how many rows to train on"):
        train_sae(iter([planted]), **FEW)
    with pytest.raises(TypeError, match="of type PosixPath; expected an array"):
        train_sae(Path("rows.npy"), **FEW)
    with pytest.raises(ValueError, match="fewer than 2,560 rows"):
        train_sae([planted[:2000]], rows=512, **FEW)


def test_an_unknown_architecture_is_refused_with_the_list(planted: np.ndarray) -> None:
    with pytest.raises(ValueError, match="'odd'; expected one of batch_topk, gated, jump_relu, matryoshka"):
        TrainConfig(8, 2, 1, architecture="odd")
    with pytest.raises(ValueError, match="'odd'; expected one of batch_topk, gated"):
        train_sae(planted, architecture="odd")


def test_rows_held_out_may_be_given(planted: np.ndarray) -> None:
    found = train_sae(planted[:2600], rows=512, held_out=planted[5000:5400], **FEW)
    assert found.calibration.rows == 400
    source = ArrayRows(planted[:2600], hold_out=False)
    assert sum(b.stop - b.start for b in source.blocks) == 2600


def test_small_arrays_train_and_width_follows(planted: np.ndarray) -> None:
    found = train_sae(planted[:60], rows=600, k=2, progress=False, seed=3, layer="blocks.4", model="mini")
    assert found.sae.config.d_sae == 8 * D_IN
    assert found.training.steps == 600 // 54  # a batch is all of the rows that are trained on
    assert repr(found.sae) == "SparseAutoencoder(batch_topk, 16 to 128, k 2, blocks.4 of mini)"


def test_what_is_kept_and_read_by_names_that_are_strings(trained: Trained, tmp_path: Path) -> None:
    folder = str(tmp_path / "deep" / "own")
    trained.save(folder)
    again = SparseAutoencoder.load(folder)
    assert again.hash == trained.sae.hash
    assert feature_mining.sae.Calibration.load(folder).rows == trained.calibration.rows
    write_sae(again, "saelens", str(tmp_path / "theirs"))
    there = read_sae(str(tmp_path / "theirs")).sae
    x = Planted().__next__()
    assert torch.equal(there.encode(x) > 0, again.encode(x) > 0)


def test_what_is_printed_is_short(trained: Trained) -> None:
    assert repr(trained.sae) == "SparseAutoencoder(batch_topk, 16 to 24, k 3)"
    q = trained.quality
    assert repr(trained) == (
        f"Trained(SparseAutoencoder(batch_topk, 16 to 24, k 3); of 1,024 held-out rows: explained variance"
        f" {q.explained_variance:.3f}, L0 {q.l0:.1f}, dead features {q.dead_fraction:.1%})"
    )
    assert repr(trained.training).endswith(
        f"; 400 steps, 102,400 rows, mse {trained.training.final_mse:.3f}, {trained.training.dead} dead)"
    )
    assert repr(trained.calibration) == f"Calibration(24 features on 1,024 rows, L0 {q.l0:.1f})"
    assert repr(trained.sae.encode_sparse(torch.zeros(7, 16))).startswith("Csr(7 rows, 24 features, ")


def test_progress_is_a_line_where_there_is_no_terminal(
    planted: np.ndarray, capsys: pytest.CaptureFixture[str]
) -> None:
    train_sae(planted[:1000], rows=1024, **FEW | {"progress": True})
    out, err = capsys.readouterr()
    assert not out
    assert err.startswith("training: 4 of 4 steps, ") and " rows/s, 0 s left; explained " in err


def test_exports_are_there_and_the_package_alone_is_light() -> None:
    for name in feature_mining.sae.__all__:
        assert getattr(feature_mining.sae, name)
    with pytest.raises(AttributeError, match="has no attribute 'train_SAE'"):
        feature_mining.sae.train_SAE  # noqa: B018
    asked = (
        "import sys, feature_mining.sae, feature_mining.sae.config; assert 'torch' not in sys.modules\n"
        "from feature_mining.sae import train_sae; assert 'workbench' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", asked], check=True)
