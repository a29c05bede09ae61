"""Whole studies in which something is not there: each ends in its report, or is refused in a sentence.

Exports of what is not there are files of a header, or one sentence.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import torch

from feature_mining.sae.config import SAEConfig
from feature_mining.sae.model import SparseAutoencoder
from tests.workbench.small_study import small_config, write_model
from workbench import Study
from workbench.analysis.biomarkers.columns import COLUMNS
from workbench.errors import InputError
from workbench.export import WRITERS, export
from workbench.report.context import gather
from workbench.study.config import CohortConfig, InputConfig, PhenotypeConfig, StudyConfig

LENGTH, WINDOW, SAMPLES = 4800, 128, 24
GENES = [(60 + 300 * i, 210 + 300 * i, "+-"[i % 2]) for i in range(15)]


@pytest.fixture(scope="module")
def inputs(tmp_path_factory) -> Path:
    """A contig of 15 genes and one of a single window, variants of 24 samples, a model, autoencoders."""
    folder = tmp_path_factory.mktemp("empty")
    draw = np.random.default_rng(1)
    letters = "".join(draw.choice(list("ACGT"), LENGTH))
    window = "".join(draw.choice(list("ACGT"), WINDOW))
    (folder / "g.fa").write_text(f">c\n{letters}\n>w\n{window}\n")
    (folder / "window.fa").write_text(f">w\n{window}\n")
    rows = [
        f"c\tx\tgene\t{start + 1}\t{end}\t.\t{strand}\t.\tID=g{start};Name=g{start}\n"
        for start, end, strand in GENES
    ]
    rows.append("w\tx\tgene\t11\t100\t.\t+\t.\tID=w;Name=w\n")
    (folder / "a.gff3").write_text("##gff-version 3\n" + "".join(rows))
    # All in one block of the split, so that no other has any of it.
    (folder / "one.bed").write_text("c\t10\t20\n")
    (folder / "near.bed").write_text("".join(f"c\t{10 + 3 * i}\t{12 + 3 * i}\n" for i in range(4)))
    header = ["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT"]
    lines = ["\t".join([*header, *(f"s{i}" for i in range(SAMPLES))])]
    for start, _, _ in GENES[:4]:
        other = "CGTA"["ACGT".index(letters[start + 40])]
        site = ["c", str(start + 41), ".", letters[start + 40], other, ".", ".", ".", "GT"]
        lines.append("\t".join([*site, *(str(int(x)) for x in draw.random(SAMPLES) < 0.4)]))
    meta = '##fileformat=VCFv4.2\n##FORMAT=<ID=GT,Number=1,Type=String,Description="g">\n'
    (folder / "v.vcf").write_text(meta + "\n".join(lines) + "\n")
    samples = pd.DataFrame({"sample": [f"s{i}" for i in range(SAMPLES)]})
    chance = draw.random(SAMPLES)
    samples.assign(drug=(chance < 0.5).astype(int), mic=draw.random(SAMPLES).round(3)).to_csv(
        folder / "chance.tsv", sep="\t", index=False
    )
    samples.assign(drug=[1] + [0] * (SAMPLES - 1)).to_csv(folder / "one.tsv", sep="\t", index=False)
    write_model(folder / "model")
    for name, alive in (("silent", []), ("one", [5])):
        decoder, bias = torch.eye(16).repeat(2, 1), torch.full((32,), -1e6)
        bias[alive] = 0
        SparseAutoencoder(
            decoder.T.contiguous(),
            bias,
            decoder,
            torch.zeros(16),
            torch.zeros(32),
            SAEConfig(d_in=16, d_sae=32, k=4, architecture="relu_l1"),
        ).save(folder / name)
    return folder


def settings(inputs: Path, **given: str) -> StudyConfig:
    """Settings with other files of ``inputs``: genome, tracks (empty for none), phenotypes, source."""
    small = small_config(inputs, inputs / "model")
    track = given.get("tracks", "a.gff3")
    cohort = CohortConfig(
        variants=str(inputs / "v.vcf"), phenotypes=str(inputs / given.get("phenotypes", ""))
    )
    silent = str(inputs / given["source"]) if "source" in given else ""
    return replace(
        small,
        input=InputConfig(
            genome=str(inputs / given.get("genome", "g.fa")), tracks=[str(inputs / track)] if track else []
        ),
        sae=replace(small.sae, width=32, k=4, tokens=2048, source=silent),
        controls=replace(small.controls, bases=1000, random_weights="source" not in given),
        cohort=cohort if "phenotypes" in given else small.cohort,
        phenotype=PhenotypeConfig(permutations=19, fewest=3),
    )


def exported(study: Study, out: Path) -> dict[str, str]:
    """What comes of every export: the first line of a text, or the sentence of a refusal."""
    found = {}
    for what, form in WRITERS:
        if what == "biomarkers" and not study.config.has_phenotypes:
            continue
        path = out / (f"{what}.vcf.gz" if form == "vcf" else f"{what}.{form}")
        try:
            written = export(study, what, form, path)
        except InputError as error:
            found[what, form] = str(error)
        else:
            assert written and all(p.exists() for p in written)
            text = form in ("tsv", "json", "bed", "gff3")
            found[what, form] = path.read_text().split("\n")[0] if text else f"{len(written)} files"
    return found


@pytest.mark.slow
def test_nothing_significant(inputs, tmp_path):
    study = Study.create(tmp_path / "s", settings(inputs, phenotypes="chance.tsv"))
    study.run()
    tests = study.table("phenotype_associations")
    assert len(tests) and not (tests["q"] <= 0.05).any()
    candidates = study.table("biomarkers")
    assert candidates.empty and list(candidates) == list(COLUMNS)
    schema = pq.read_schema(study.folder / "tables" / "biomarkers.parquet")
    kinds = {name: str(schema.field(name).type) for name in ("feature", "beta", "candidate_id")}
    assert kinds["feature"] == "int64" and kinds["beta"] == "double"
    assert kinds["candidate_id"] in ("string", "large_string")
    assert study.table("biomarker_lineages").empty
    text = (study.folder / "report.html").read_text()
    assert "drug" in text and "mic" in text
    found = exported(study, tmp_path / "out")
    assert found["biomarkers", "tsv"].split("\t")[:2] == ["candidate_id", "phenotype"]
    for form in ("bedgraph", "bigwig", "igv", "igvjs", "hub", "vcf"):
        assert "no candidate" in found["biomarkers", form]


@pytest.mark.slow
def test_one_feature_alive_and_one_sample_of_a_class(inputs, tmp_path):
    """With the case held out only controls are left: what cannot be scored says so."""
    study = Study.create(tmp_path / "s", settings(inputs, source="one", phenotypes="one.tsv"))
    study.run()
    catalog = study.table("catalog").set_index("feature")
    assert catalog.index[~catalog["dead"]].tolist() == [5] and len(catalog) == 32
    assert set(study.table("examples")["feature"]) == {5}
    assert study.table("biomarkers").empty
    prediction = study.table("prediction")
    assert prediction["auroc"].isna().all()
    text = (study.folder / "report.html").read_text()
    assert "only controls remain to train on" in text
    found = exported(study, tmp_path / "out")
    assert found["catalog", "tsv"].startswith("feature\t")


@pytest.mark.slow
def test_no_track_that_can_be_tested(inputs, tmp_path):
    study = Study.create(tmp_path / "s", settings(inputs, tracks="near.bed"))
    study.run()
    tracks = study.table("tracks")
    assert (tracks["feature"] == -1).all() and set(tracks["verdict"]) == {"not tested"}
    assert tracks["q"].isna().all()
    assert "not tested" in (study.folder / "report.html").read_text()
    found = exported(study, tmp_path / "out")
    assert found["tracks", "tsv"].startswith("track\tmode")
    assert "no track has a best feature" in found["activations", "bed"]


@pytest.mark.slow
def test_without_annotation_features_are_described(inputs, tmp_path):
    study = Study.create(tmp_path / "s", settings(inputs, tracks="", phenotypes="chance.tsv"))
    study.run()
    # Nothing is trained or read for controls that there is nothing to compare with.
    assert not {"baselines", "pick"} & {p.name for p in (study.folder / "ledger").iterdir()}
    assert not len(study.table("tracks")) and not len(study.table("associations"))
    # What pages draw from a table of no row, they find the columns of.
    assert {"ap_lift", "ap_select"} <= set(gather(study).associations)
    catalog = study.table("catalog")
    assert (~catalog["dead"]).sum() > 5 and len(study.table("logos")) and len(study.table("unexplained"))
    assert study.facts("quality")["explained_variance"] > 0
    report = (study.folder / "report.html").read_text()
    assert "No track was tested: features are described, not judged" in report
    assert "Features that no track explains" in report and "Quality of the autoencoder" in report
    assert "did not run" not in report
    found = exported(study, tmp_path / "out")
    assert found["catalog", "tsv"].startswith("feature\t")
    assert found["associations", "tsv"].startswith("feature\ttrack")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"tracks": "one.bed"}, "no interval track with at least 2 intervals in the annotation"),
        ({"genome": "window.fa"}, "the genome is too small to be split"),
        ({"source": "silent"}, "no feature is active on the calibration sample"),
    ],
)
def test_what_is_refused_before_any_work(inputs, tmp_path, given, said):
    study = Study.create(tmp_path / "s", settings(inputs, **given))
    with pytest.raises(InputError, match=said):
        study.run()
    assert not (study.folder / "features").exists()
