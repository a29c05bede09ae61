"""Candidate biomarkers of a whole small study with a planted variant, and their files in foreign readers."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import gffutils
import numpy as np
import pandas as pd
import pysam
import pytest

from tests.workbench.analysis.biomarkers.conftest import CAUSAL, CONTIG, QUANTITY, TRAIT, N, tool
from workbench.analysis.biomarkers.candidates import choose_candidates
from workbench.analysis.biomarkers.columns import COLUMNS, schema
from workbench.analysis.biomarkers.tiers import RULES, tier_of
from workbench.analysis.biomarkers.variant_names import hgvs, spdi
from workbench.analysis.phenotypes.associations import associate
from workbench.analysis.phenotypes.prediction import read_catalogue
from workbench.cohort.edits import parse_variant
from workbench.errors import InputError
from workbench.export import export
from workbench.export.biomarkers.rows import score
from workbench.genome.reference import Genome
from workbench.study.study import Study


def test_the_planted_variant_drives_the_first_candidate(study: Study) -> None:
    table = study.table("biomarkers")
    first = table[table["phenotype"] == TRAIT].iloc[0]
    assert first["driving_variants"][0].startswith(f"{CONTIG}:{CAUSAL}:")
    assert first["driving_hgvs"][0].startswith(f"{CONTIG}:g.{CAUSAL}")
    assert first["driving_spdi"][0].startswith(f"{CONTIG}:{CAUSAL - 1}:")
    assert first["driving_delta"][0] != 0
    assert (first["chrom"], first["start"], first["end"]) == (CONTIG, 4342, 4780)
    assert first["n"] == N and first["evidence_tier"] == "A" and bool(first["replicated"])
    assert list(first["catalogue_variants"]) == [first["driving_variants"][0]]
    assert first["catalogue_share"] == pytest.approx(first["driving_share"][0]) and (
        first["driving_share"][0] >= 0.5
    )
    other = table[table["phenotype"] == QUANTITY]
    assert len(other) and not (other["evidence_tier"] == "A").any()  # the catalogue is of the other
    assert first["sae_sha256"] == study.sae.hash and first["simulated"] == "made for a test"
    assert table["not_for_clinical_use"].all() and table["candidate_id"].is_unique
    assert (table["q"] <= 0.05).all() and (table["tier_rule"] == table["evidence_tier"].map(RULES)).all()
    source = study.table("phenotype_associations").set_index(["phenotype", "burden", "feature"])
    for r in table.itertuples():
        assert r.p == source.loc[(r.phenotype, r.burden, r.feature), "p"]
    catalog = study.table("catalog").set_index("feature")
    assert first["closest_track"] == catalog.loc[first["feature"], "best_track"]
    assert first["label"] == study.feature_labels()[first["feature"]].text
    held = study.table("prediction").query(
        "phenotype == @TRAIT and group == 'all' and folds == 'lineages held out'"
    )
    auroc = held.set_index("predictors")["auroc"]
    expected = auroc[f"features, {first['burden']}"] - auroc["lineage"]
    assert first["cv_auroc_delta"] == pytest.approx(expected)


def test_dead_features_are_no_candidates(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    before, catalog, real = choose_candidates(study), study.table("catalog"), study.table
    feature = before["feature"].iloc[0]
    catalog.loc[catalog["feature"] == feature, "dead"] = True
    monkeypatch.setattr(study, "table", lambda name: catalog if name == "catalog" else real(name))
    after = choose_candidates(study)
    assert len(after) and feature not in after["feature"].tolist()
    # A table that was made before this rule is read by it.
    assert feature not in study.table("biomarkers")["feature"].tolist()


def test_features_switched_off(study: Study) -> None:
    table = study.table("biomarkers")
    assert study.config.phenotype.strand == "both"
    for row in table.itertuples():
        maps = [study.features.rows(CONTIG, row.start, row.end, strand) for strand in "+-"]
        assert row.ablation_active == sum((m.features.indices == row.feature).sum() for m in maps)
        assert np.isfinite(row.ablation_bits) and row.ablation_kl >= 0
        assert (row.ablation_kl > 0) == (row.ablation_active > 0)
    # The same feature over the same region has one effect, whatever the burden.
    assert (table.groupby(["region", "feature"])["ablation_bits"].nunique() == 1).all()


def test_the_table_says_where_it_is_from_and_of_what(study: Study) -> None:
    table = study.table("biomarkers")
    assert list(table) == list(COLUMNS) == [f["name"] for f in schema()["fields"]]
    first = table.iloc[0]
    assert first["assembly"] == CONTIG  # no file names the assembly
    assert first["gene"] == "pim" and first["locus_tag"] == "YP_pPCP05"
    assert first["model"] == "model"  # the folder's name, not where it lies
    text = table.to_json() + json.dumps(schema())
    assert str(study.folder.parent) not in text.replace("\\/", "/")
    ways = {"gained": "rises above", "lost": "falls below"}
    said = f"sum over bases of what {ways[first['burden']]} the reference haplotype at the same base"
    assert first["burden_definition"] == said
    today = pd.Timestamp.now("UTC").normalize().tz_localize(None)
    assert abs(pd.Timestamp(first["date"]) - today) <= pd.Timedelta(days=1)


def test_effects_by_lineage(study: Study) -> None:
    table = study.table("biomarkers")
    effects = study.table("biomarker_lineages")
    assert set(effects["candidate_id"]) == set(table["candidate_id"])
    first = table[table["phenotype"] == TRAIT].iloc[0]
    own = effects[effects["candidate_id"] == first["candidate_id"]]
    assert own["group"].tolist() == ["L1", "L2"] and own["n"].sum() == N
    assert (np.sign(own["beta"]) == np.sign(first["beta"])).all()
    assert (own["ci_low"] * own["ci_high"] > 0).all() and (own["test"] == "firth wald").all()
    assert (table["lineages_tested"] == 2).all() and table["heterogeneity_p"].between(0, 1).all()
    growth = table["phenotype"] == QUANTITY
    assert (table["se_hc3"] / table["se"])[growth].between(0.5, 2).all()
    assert table.loc[~growth, "se_hc3"].isna().all()


def test_a_known_catalogue_is_a_baseline_of_prediction(study: Study) -> None:
    table = study.table("prediction").query("group == 'all' and folds == 'lineages held out'")
    drug = table[table["phenotype"] == TRAIT].set_index("predictors")["auroc"]
    assert drug["catalogue"] > 0.8 > drug["lineage"]  # the variant that causes it is in the catalogue
    growth = table[table["phenotype"] == QUANTITY].set_index("predictors")["r2"]
    assert growth["catalogue"] < 0 < growth["variants"]  # of this trait it knows nothing


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (None, "no such file"),
        ("name\tphenotype\nx\ty\n", "no column variant, expected variant"),
        ("variant\tdrug\nx\ty\n", "no column phenotype, expected variant"),
        ("", "empty; expected a table"),
    ],
)
def test_a_catalogue_that_is_none(study: Study, tmp_path: Path, text: str | None, sentence: str) -> None:
    path = tmp_path / "known.tsv"
    if text is not None:
        path.write_text(text)
    given = replace(study.config.phenotype, catalogue=str(path))
    other = Study(study.folder, replace(study.config, phenotype=given))
    with pytest.raises(InputError, match=sentence) as caught:
        read_catalogue(other, TRAIT)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_mixed_model_without_variants_elsewhere_is_refused(study: Study) -> None:
    given = replace(study.config.phenotype, model="mixed")
    other = Study(study.folder, replace(study.config, phenotype=given))
    with pytest.raises(InputError, match=r"every variant that differs .* lies in block pim"):
        associate(other, QUANTITY, "gained")


def test_regions_name_a_feature_or_a_variant(study: Study) -> None:
    table = study.table("phenotype_regions").query("phenotype == @TRAIT")
    plain = table["burden"] == "variants"
    assert plain.sum() == 1 and (table.loc[plain, "feature"] == -1).all()
    assert table.loc[plain, "variant"].iloc[0].startswith(f"{CONTIG}:{CAUSAL}:")
    assert (table.loc[~plain, "feature"] >= 0).all() and (table.loc[~plain, "variant"] == "").all()


def test_tables_come_back(study: Study, tmp_path: Path) -> None:
    table = study.table("biomarkers")
    tsv = pd.read_csv(export(study, "biomarkers", "tsv", tmp_path / "b.tsv")[0], sep="\t")
    assert list(tsv) == list(table) and set(tsv["phenotype"]) == {TRAIT, QUANTITY}
    np.testing.assert_allclose(tsv["p"], table["p"], rtol=1e-12)
    records = json.loads(export(study, "biomarkers", "json", tmp_path / "b.json")[0].read_text())
    assert [r["candidate_id"] for r in records] == table["candidate_id"].tolist()


def test_bedtools_reads_the_bed(study: Study, tmp_path: Path) -> None:
    (path,) = export(study, "biomarkers", "bed", tmp_path / "b.bed")
    assert "not for clinical use; SIMULATED: made for a test" in path.read_text()
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
    assert {tuple(f.attributes["phenotype"]) for f in found} == {(TRAIT,), (QUANTITY,)}
    assert "a%3Bb%3Dc%26d%2Ce" in path.read_text()


def test_bcftools_and_tabix_read_the_vcf(study: Study, tmp_path: Path) -> None:
    path, index = export(study, "biomarkers", "vcf", tmp_path / "b.vcf.gz")
    assert index.exists()
    assert {p.name for p in tmp_path.iterdir()} == {path.name, index.name}
    table = study.table("biomarkers")
    with pysam.VariantFile(str(path)) as file:
        records = {r.pos: r for r in file}
        header = str(file.header)
    assert study.manifest.model.weights_hash in header and "not for clinical use" in header
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
        ({"lineage_effect": "locus", "replicated": True, "catalogue_share": 0.5}, "A"),
        ({"lineage_effect": "locus", "replicated": True, "catalogue_share": 0.49}, "B"),
        ({"lineage_effect": "locus", "replicated": True, "catalogue_share": float("nan")}, "B"),
        ({"lineage_effect": "locus", "replicated": False, "catalogue_share": 1.0}, "C"),
        ({"lineage_effect": "lineage", "replicated": True, "catalogue_share": 1.0}, "D"),
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
