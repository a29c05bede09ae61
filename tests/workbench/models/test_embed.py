"""Embeddings against the model's own passes, and against the features that a study made of its own."""

from __future__ import annotations

import shutil
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from feature_mining.feature_map import column
from genomic_models import load
from genomic_models.dna import reverse_complement
from tests.conftest import ROOT
from tests.workbench.small_study import finished_study, write_model
from workbench.engines.local import processes, run_experiment
from workbench.experiments.registry import create_experiment
from workbench.experiments.settings import EmbedSettings
from workbench.models import embed as module
from workbench.models import embedding
from workbench.study.study import Study

LAYERS = ("blocks.1", "blocks.2")
CONTIG = "NC_005816.1"


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return write_model(tmp_path_factory.mktemp("model") / "tiny")


@pytest.fixture(scope="module")
def records(tmp_path_factory) -> tuple[Path, dict[str, str]]:
    """Records of several lengths, one with an N, none longer than the model's context."""
    rng = np.random.default_rng(0)
    letters = {f"r{size}": "".join(rng.choice(list("ACGT"), size)) for size in (40, 200, 41)}
    letters["r200"] = letters["r200"][:70] + "N" + letters["r200"][71:]
    path = tmp_path_factory.mktemp("genome") / "g.fa"
    path.write_text("".join(f">{name}\n{text}\n" for name, text in letters.items()))
    return path, letters


def passes(model: Path, text: str, strand: str, layer: str) -> np.ndarray:
    """Activations of a record by itself, a row a base along the genome; NaN where it is no base."""
    read = text if strand == "+" else reverse_complement(text)
    rows = load(str(model)).forward([read], taps=[layer]).taps[layer][0, : len(text)].numpy()
    rows = rows if strand == "+" else rows[::-1]
    known = np.array([letter in "ACGT" for letter in text])
    return np.where(known[:, None], rows, np.nan)


POOLED = {
    "mean": lambda rows, strand: np.nanmean(rows, axis=0),
    "max": lambda rows, strand: np.nanmax(rows, axis=0),
    "last": lambda rows, strand: rows[-1 if strand == "+" else 0],
}


@pytest.mark.parametrize("pool", [*POOLED, "none"])
def test_records_by_themselves_in_every_format(cli, model, records, tmp_path, pool):
    path, letters = records
    strands = ("+", "-")
    expected = {}
    for layer in LAYERS:
        own = [(passes(model, text, s, layer), s) for text in letters.values() for s in strands]
        expected[layer] = (
            np.concatenate([rows for rows, _ in own])
            if pool == "none"
            else np.stack([POOLED[pool](rows, s) for rows, s in own])
        )
    asked = ("embed", path, "--model", model, "--pool", pool, "--layer", LAYERS[0], "--layer", LAYERS[1])
    found = {}
    for kind in ("parquet", "hdf5", "npy", "h5ad"):
        out = tmp_path / kind
        code, said, err = cli(*asked, "--format", kind, "--out", out)
        assert code == 0, err
        assert all(Path(line).exists() for line in said.split())
        found[kind] = out
    for layer in LAYERS:
        table = pq.read_table(found["parquet"] / f"{layer}.parquet")
        assert table.schema.metadata[b"pool"] == pool.encode()
        frame = table.to_pandas()
        with (
            h5py.File(found["hdf5"] / f"{layer}.h5") as file,
            h5py.File(found["h5ad"] / f"{layer}.h5ad") as own,
        ):
            arrays = [
                np.stack(frame["embedding"]),
                np.load(found["npy"] / f"{layer}.npy"),
                file["embeddings"][:],
                own["X"][:],
            ]
            starts = file["regions/first_row"][:]
        for array in arrays:
            np.testing.assert_allclose(array, expected[layer], atol=1e-4)
        beside = pd.read_csv(found["npy"] / "regions.tsv", sep="\t", comment="#")
        assert beside["first_row"].tolist() == starts.tolist()
        assert beside["bases"].tolist() == [40, 40, 199, 199, 41, 41]
        if pool == "none":
            # A row a base, in the order of the genome on both strands.
            assert frame["position"].tolist() == [i for n in (40, 200, 41) for _ in strands for i in range(n)]
        else:
            assert frame["name"].tolist() == [name for name in letters for _ in strands]


def test_anndata_reads_what_is_written(cli, model, records, tmp_path):
    anndata = pytest.importorskip("anndata", reason="anndata is for Python 3.12 and later")
    cli("embed", records[0], "--model", model, "--format", "h5ad", "--out", tmp_path / "e")
    data = anndata.read_h5ad(tmp_path / "e" / "blocks.2.h5ad")
    assert data.X.shape == (6, 16) and data.obs["strand"].tolist() == ["+", "-"] * 3


def test_regions_overlapping_and_cut_in_parts_are_the_same(cli, model, records, tmp_path, monkeypatch):
    """A region's embedding is the pool of its bases', whatever is read beside it."""
    path, letters = records
    bed = tmp_path / "r.bed"
    spans = [("r200", 10, 90), ("r200", 60, 200), ("r40", 0, 40), ("r200", 5, 6)]
    bed.write_text("".join(f"{c}\t{a}\t{b}\t{c}_{a}\n" for c, a, b in spans))
    asked = ("embed", path, "--model", model, "--regions", bed, "--strand", "-", "--layer", "blocks.1")
    assert cli(*asked, "--out", tmp_path / "whole")[0] == 0
    monkeypatch.setattr(embedding, "MOST_VALUES", 16)
    assert cli(*asked, "--out", tmp_path / "parts")[0] == 0
    whole, parts = (pq.read_table(tmp_path / n / "blocks.1.parquet").to_pandas() for n in ("whole", "parts"))
    pd.testing.assert_frame_equal(whole, parts)
    for row in whole.itertuples():
        rows = passes(model, letters[row.chrom], "-", "blocks.1")[row.start : row.end]
        np.testing.assert_allclose(row.embedding, np.nanmean(rows, axis=0), atol=1e-4)
        assert row.bases == np.isfinite(rows[:, 0]).sum()


def test_stopped_and_gone_on_with_the_files_are_the_same(cli, refused, model, records, tmp_path, monkeypatch):
    monkeypatch.setattr(embedding, "MOST_VALUES", 16 * 2)
    asked = ("embed", records[0], "--model", model, "--format", "npy")
    assert cli(*asked, "--out", tmp_path / "once")[0] == 0
    embed_regions, done = module.embed_regions, []

    def fails_at_the_second(*args, **named):
        if done:
            raise RuntimeError("the power failed")
        done.append(1)
        return embed_regions(*args, **named)

    monkeypatch.setattr(module, "embed_regions", fails_at_the_second)
    with pytest.raises(RuntimeError):
        cli(*asked, "--out", tmp_path / "twice")
    assert not (tmp_path / "twice" / "blocks.2.npy").exists()
    monkeypatch.setattr(module, "embed_regions", embed_regions)
    assert cli(*asked, "--out", tmp_path / "twice")[0] == 0
    for name in ("blocks.2.npy", "regions.tsv", "embeddings.json"):
        assert (tmp_path / "once" / name).read_bytes() == (tmp_path / "twice" / name).read_bytes()
    # All is there: nothing is read again.
    monkeypatch.setattr(module, "embed_regions", fails_at_the_second)
    assert cli(*asked, "--out", tmp_path / "twice")[0] == 0
    assert "pool" in refused(*asked, "--pool", "max", "--out", tmp_path / "twice")


def test_long_records_are_read_in_windows(cli, model, tmp_path):
    """The first quarter of a window is discarded; where a record begins nothing is known."""
    text = "".join(np.random.default_rng(1).choice(list("ACGT"), 700))
    path = tmp_path / "g.fa"
    path.write_text(f">long\n{text}\n")
    cli(
        "embed",
        path,
        "--model",
        model,
        "--pool",
        "none",
        "--strand",
        "+",
        "--format",
        "npy",
        "--out",
        tmp_path / "e",
    )
    found = np.load(tmp_path / "e" / "blocks.2.npy")
    assert np.isnan(found[:64]).all() and np.isfinite(found[64:]).all()
    # The cell of bases 192 to 384 is read from 128 on.
    expected = passes(model, text[128:384], "+", "blocks.2")[64:]
    np.testing.assert_allclose(found[192:384], expected, atol=1e-4)


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Study:
    made = finished_study(tmp_path_factory)
    copy = tmp_path_factory.mktemp("embeddings") / "study"
    shutil.copytree(made, copy)
    return Study.open(copy)


def test_the_features_of_a_study_are_made_from_its_embeddings(study):
    settings = EmbedSettings(pool="none", format="npy")
    made = create_experiment(study, "all", "embed", settings)
    run_experiment(study, "all", processes(2))
    rows = pd.read_csv(made.folder / "regions.tsv", sep="\t", comment="#")
    values = np.load(made.folder / "blocks.2.npy")
    for strand in "+-":
        row = rows[rows["strand"] == strand].iloc[0]
        start = int(row["first_row"]) + 3000
        own = values[start : start + 500]
        codes = study.sae.encode(_tensor(own)).numpy()
        csr = study.features.rows(CONTIG, 3000, 3500, strand).features
        stored = np.stack([column(csr, feature) for feature in range(study.sae.config.d_sae)], axis=1)
        np.testing.assert_allclose(codes, stored, atol=2e-3 * stored.max())
    page = (made.folder / "page.html").read_text()
    assert "blocks.2.npy" in page


def _tensor(values: np.ndarray):
    import torch

    return torch.from_numpy(np.ascontiguousarray(values))


def test_of_a_study_by_track_with_a_picture(cli, refused, study):
    assert cli("embed", study.folder, "--regions", "CDS", "--name", "genes")[0] == 0
    folder = study.folder / "experiments" / "genes"
    rows = pq.read_table(folder / "blocks.2.parquet").to_pandas()
    track = next(t for t in study.tracks if t.name == "CDS")
    assert len(rows) == 2 * len(track.intervals)
    page = (folder / "page.html").read_text()
    assert "<svg" in page and "track: yersinia_pPCP1.gff3" in page
    # No autoencoder was asked, and where the files lie is not told.
    assert "autoencoder" not in page and str(ROOT) not in page
    assert "neither a BED file nor a track" in refused(
        "embed", study.folder, "--regions", "gene5", "--name", "x"
    )
    assert "expected one of" in refused("embed", study.folder, "--pool", "sum", "--name", "y")
    assert "has no layer" in refused("embed", study.folder, "--layer", "blocks.99", "--name", "z")
    assert not (study.folder / "experiments" / "z").exists()
