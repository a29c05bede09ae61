"""Candidate biomarkers of a whole small study with a planted variant, and their files in foreign readers."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import gffutils
import numpy as np
import pandas as pd
import pysam
import pytest

from tests.workbench.cohort.test_haplotypes import row, write_vcf
from tests.workbench.small_study import small_config, write_model
from workbench.biomarkers.names import hgvs, spdi
from workbench.biomarkers.tiers import RULES, tier_of
from workbench.cohort.edits import parse_variant
from workbench.config import CohortConfig, PhenotypeConfig
from workbench.engines.local import run
from workbench.errors import InputError
from workbench.export import export
from workbench.export.candidates import score
from workbench.genome import Genome
from workbench.study import Study

CONTIG = "NC_005816.1"
N = 160
CAUSAL, NEUTRAL = 4400, 4600
TRAIT = "resists a;b=c&d,e <i>"
"""A name with everything that GFF3, VCF or HTML reserve."""


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory, samples: Path) -> Study:
    """Carriers of the variant at 4400 have the trait, but for a few; 4600 is carried at random."""
    folder = tmp_path_factory.mktemp("biomarkers")
    random = np.random.default_rng(5)
    letters = "".join((samples / "yersinia_pPCP1.fa").read_text().split("\n")[1:])
    other = {"A": "C", "C": "A", "G": "T", "T": "G"}
    names = [f"s{i}" for i in range(N)]
    carried = {p: random.random(N) < 0.4 for p in (CAUSAL, NEUTRAL)}
    rows = [
        row(p, letters[p - 1], other[letters[p - 1]], *carried[p].astype(int).astype(str))
        for p in (CAUSAL, NEUTRAL)
    ]
    rows = [r.replace("c ", f"{CONTIG} ", 1) for r in rows]
    path = write_vcf(folder / "v.vcf", 9609, names, rows)
    text = path.read_text().replace("ID=c,", f"ID={CONTIG},")
    path.write_text(text.replace("#CHROM", "##simulated=made for a test\n#CHROM", 1))
    flipped = random.random(N) < 0.1
    table = pd.DataFrame(
        {
            "sample": names,
            TRAIT: (carried[CAUSAL] ^ flipped).astype(int),
            "lineage": np.where(np.arange(N) % 2, "L1", "L2"),
            "part": np.where(np.arange(N) < N // 2, "first", "second"),
        }
    )
    table.to_csv(folder / "p.tsv", sep="\t", index=False)
    bed = folder / "r.bed"
    bed.write_text(f"{CONTIG}\t4342\t4780\tpim\t0\t+\n")
    config = replace(
        small_config(samples, write_model(folder / "model")),
        cohort=CohortConfig(
            variants=str(path),
            phenotypes=str(folder / "p.tsv"),
            phenotype=[TRAIT],
            groups=["lineage", "part"],
            regions=str(bed),
        ),
        phenotype=PhenotypeConfig(permutations=99, discovery="part=first"),
    )
    made = Study.create(folder / "study", config)
    run(made, until="biomarkers")
    return made


def tool(*command: str | Path) -> str:
    if not shutil.which(str(command[0])):
        pytest.skip(f"{command[0]} is not installed")
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, check=True)
    assert "rror" not in done.stderr and "W::" not in done.stderr
    return done.stdout


def test_the_planted_variant_drives_the_first_candidate(study: Study) -> None:
    table = study.table("biomarkers")
    first = table.iloc[0]
    assert first["driving_variants"][0].startswith(f"{CONTIG}:{CAUSAL}:")
    assert first["driving_hgvs"][0].startswith(f"{CONTIG}:g.{CAUSAL}")
    assert first["driving_spdi"][0].startswith(f"{CONTIG}:{CAUSAL - 1}:")
    assert first["driving_delta"][0] != 0
    assert (first["chrom"], first["start"], first["end"]) == (CONTIG, 4342, 4780)
    assert first["n"] == N and first["evidence_tier"] == "B" and bool(first["replicated"])
    assert first["sae_sha256"] == study.sae.hash and first["simulated"] == "made for a test"
    assert table["not_for_clinical_use"].all() and table["candidate_id"].is_unique
    assert (table["q"] <= 0.05).all() and (
        table["tier_rule"] == table["evidence_tier"].map(RULES)
    ).all()
    source = study.table("phenotype_associations").set_index(["burden", "feature"])
    for r in table.itertuples():
        assert r.p == source.loc[(r.burden, r.feature), "p"]
    catalog = study.table("catalog").set_index("feature")
    assert first["label"] == catalog.loc[first["feature"], "best_track"]
    held = study.table("prediction").query("group == 'all' and folds == 'lineages held out'")
    auroc = held.set_index("predictors")["auroc"]
    expected = auroc[f"features, {first['burden']}"] - auroc["lineage"]
    assert first["cv_auroc_delta"] == pytest.approx(expected)


def test_regions_name_a_feature_or_a_variant(study: Study) -> None:
    table = study.table("phenotype_regions")
    plain = table["burden"] == "variants"
    assert plain.sum() == 1 and (table.loc[plain, "feature"] == -1).all()
    assert table.loc[plain, "variant"].iloc[0].startswith(f"{CONTIG}:{CAUSAL}:")
    assert (table.loc[~plain, "feature"] >= 0).all() and (table.loc[~plain, "variant"] == "").all()


def test_tables_come_back(study: Study, tmp_path: Path) -> None:
    table = study.table("biomarkers")
    tsv = pd.read_csv(export(study, "biomarkers", "tsv", tmp_path / "b.tsv")[0], sep="\t")
    assert list(tsv) == list(table) and tsv["phenotype"].eq(TRAIT).all()
    np.testing.assert_allclose(tsv["p"], table["p"], rtol=1e-12)
    records = json.loads(export(study, "biomarkers", "json", tmp_path / "b.json")[0].read_text())
    assert [r["candidate_id"] for r in records] == table["candidate_id"].tolist()


def test_bedtools_reads_the_bed(study: Study, tmp_path: Path) -> None:
    (path,) = export(study, "biomarkers", "bed", tmp_path / "b.bed")
    assert "SIMULATED: made for a test; not for clinical use" in path.read_text()
    probe = tmp_path / "probe.bed"
    probe.write_text(f"{CONTIG}\t4779\t4900\n{CONTIG}\t4780\t4900\n")
    hits = tool("bedtools", "intersect", "-a", probe, "-b", path, "-c").splitlines()
    n = len(study.table("biomarkers"))
    assert [int(line.split("\t")[-1]) for line in hits] == [n, 0]
    for line in path.read_text().splitlines():
        if not line.startswith("#"):
            fields = line.split("\t")
            assert len(fields) == 9 and 0 <= int(fields[4]) <= 1000


def test_gffutils_reads_the_gff3_with_its_escapes(study: Study, tmp_path: Path) -> None:
    (path,) = export(study, "biomarkers", "gff3", tmp_path / "b.gff3")
    found = list(gffutils.create_db(str(path), ":memory:").all_features())
    assert {f.id for f in found} == set(study.table("biomarkers")["candidate_id"])
    assert {(f.seqid, f.start, f.end) for f in found} == {(CONTIG, 4343, 4780)}
    assert all(f.attributes["phenotype"] == [TRAIT] for f in found)
    assert "a%3Bb%3Dc%26d%2Ce" in path.read_text()


def test_bcftools_and_tabix_read_the_vcf(study: Study, tmp_path: Path) -> None:
    path, index = export(study, "biomarkers", "vcf", tmp_path / "b.vcf.gz")
    assert index.exists()
    assert {p.name for p in tmp_path.iterdir()} == {path.name, index.name}
    table = study.table("biomarkers")
    with pysam.VariantFile(str(path)) as file:
        records = {r.pos: r for r in file}
        header = str(file.header)
    assert study.manifest.model["weights_hash"] in header and "not for clinical use" in header
    driven = table[[any(f":{CAUSAL}:" in v for v in row) for row in table["driving_variants"]]]
    causal = records[CAUSAL]
    assert sorted(causal.info["CAND"]) == sorted(driven["candidate_id"])
    feature, delta, layer = causal.info["SAEF"][0].split("|")
    assert int(feature) in set(driven["feature"]) and float(delta) != 0 and layer == "blocks.2"
    lines = tool("bcftools", "view", "-H", path).splitlines()
    assert len(lines) == len(records)
    one = tool("tabix", path, f"{CONTIG}:{CAUSAL}-{CAUSAL}").splitlines()
    assert len(one) == 1 and one[0].split("\t")[1] == str(CAUSAL)
    with pytest.raises(InputError, match=r"expected a name that ends in \.vcf\.gz"):
        export(study, "biomarkers", "vcf", tmp_path / "b.vcf")


@pytest.mark.parametrize(
    ("row", "tier"),
    [
        ({"lineage_effect": "locus", "replicated": True}, "B"),
        ({"lineage_effect": "locus", "replicated": False}, "C"),
        ({"lineage_effect": "locus", "replicated": float("nan")}, "C"),
        ({"lineage_effect": "locus"}, "C"),
        ({"lineage_effect": "lineage", "replicated": True}, "D"),
        ({}, "D"),
    ],
)
def test_tiers(row: dict[str, object], tier: str) -> None:
    assert tier_of(row) == tier


@pytest.mark.parametrize(
    ("variant", "name"),
    [
        ("c:2:C:T", "c:g.2C>T"),
        ("c:1:ACA:A", "c:g.2_3del"),
        ("c:3:AG:A", "c:g.6del"),  # one of GGG: named after the last
        ("c:3:A:AG", "c:g.6dup"),
        ("c:2:C:CTT", "c:g.2_3insTT"),
        ("c:2:CA:TT", "c:g.2_3delinsTT"),
        ("c:7:T:TT", "c:g.8dup"),
    ],
)
def test_hgvs(variant: str, name: str, tmp_path: Path) -> None:
    path = tmp_path / "c.fa"
    path.write_text(">c\nACAGGGTT\n")
    assert hgvs(parse_variant(variant), Genome(path, circular=[], cache=tmp_path)) == name


def test_spdi_counts_from_zero() -> None:
    assert spdi(parse_variant("c:5:A:AT")) == "c:4:A:AT"


def test_score_of_q() -> None:
    assert [score(q) for q in (1.0, 0.05, 1e-10, 1e-100, 0.0)] == [0, 13, 100, 1000, 1000]
