"""Burdens of a whole small study against features read directly, sample by sample."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from genomic_models.activations import read_activations
from genomic_models.dna import reverse_complement
from tests.workbench.cohort.test_haplotypes import row, write_vcf
from tests.workbench.small_study import small_config, write_model
from workbench.analysis.biomarkers.ablations import ablate_region
from workbench.analysis.burdens.drivers import read_drivers
from workbench.cohort.haplotypes import find_haplotypes
from workbench.cohort.sequences import sequence_calls, sequence_files
from workbench.engines.local import here, run, run_stage
from workbench.errors import InputError
from workbench.progress import Silent
from workbench.stages.registry import STAGES
from workbench.study.config import CohortConfig
from workbench.study.study import Study

CONTIG = "NC_005816.1"
SAMPLES = ["s1", "s2", "s3", "s4", "s5"]
START, END = 4342, 4780  # pim, immunity to pesticin


def variant_rows(sequence: str) -> list[str]:
    """A substitution, a deletion, an insertion; s4 is as s2, s5 is not called at the last site."""

    def at(position: int, size: int) -> str:
        return sequence[position : position + size]

    other = {"A": "C", "C": "A", "G": "T", "T": "G"}
    rows = [
        row(4400, at(4399, 1), other[at(4399, 1)], "1", "0", "1", "0", "0"),
        row(4500, at(4499, 4), at(4499, 1), "0", "1", "0", "1", "0"),
        row(4601, at(4600, 1), at(4600, 1) + "ACGTT", "0", "0", "1", "0", "."),
    ]
    return [r.replace("c ", f"{CONTIG} ", 1) for r in rows]


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory, samples: Path) -> Study:
    folder = tmp_path_factory.mktemp("cohort")
    lines = (samples / "yersinia_pPCP1.fa").read_text().split("\n")[1:]
    path = write_vcf(folder / "v.vcf", 9609, SAMPLES, variant_rows("".join(lines)))
    path.write_text(path.read_text().replace("ID=c,", f"ID={CONTIG},"))
    table = folder / "p.tsv"
    table.write_text("sample\ttrait\nx\t0\ns5\t1\ns4\t0\ns3\t1\ns2\t1\ns1\t0.5\n")
    bed = folder / "r.bed"
    bed.write_text(f"{CONTIG}\t{START}\t{END}\tpim\t0\t+\n{CONTIG}\t100\t300\tfar\t0\t+\n")
    config = small_config(samples, write_model(folder / "model"))
    config = replace(
        config,
        cohort=CohortConfig(
            variants=str(path), phenotypes=str(table), regions=str(bed), mismatch="intersect", max_missing=0.5
        ),
    )
    made = Study.create(folder / "study", config)
    run(made, until="sae")
    for name in ("haplotypes", "burdens"):
        run_stage(made, STAGES[name], here, Silent())
    return made


def direct(study: Study, edits: dict[int, tuple[str, str]], strand: str) -> np.ndarray:
    """Features (letters of the region, d_sae) of a haplotype, from its own genome and nothing of the stages.

    ``edits``: 1-based position to (REF, ALT).
    """
    letters = list(study.genome.fetch(CONTIG, 0, 9609))
    for position, (reference, alternative) in edits.items():
        letters[position - 1] = alternative
        for i in range(position, position - 1 + len(reference)):
            letters[i] = ""
    out = []
    for cell in study.grid.cells(CONTIG, 9609):
        lo, hi = max(cell.start, START), min(cell.end, END)
        if lo >= hi:
            continue
        warmup = study.grid.warmup
        left, right = (cell.start - warmup, cell.end) if strand == "+" else (cell.start, cell.end + warmup)
        whole = "".join(letters[left:right])
        before = "".join(letters[left:lo])
        inside = "".join(letters[lo:hi])
        sequence = whole if strand == "+" else reverse_complement(whole)
        values = study.sae.encode(read_activations(study.model, study.layer, [sequence])[0]).numpy()
        values = values if strand == "+" else values[::-1]
        out.append(values[len(before) : len(before) + len(inside)])
    return np.concatenate(out)


def parts(study: Study) -> list[dict[int, tuple[str, str]]]:
    """Each variant by itself."""
    rows = [r.split() for r in variant_rows(study.genome.fetch(CONTIG, 0, 9609))]
    return [{int(r[1]): (r[3], r[4])} for r in rows]


def cases(study: Study) -> dict[str, dict[int, tuple[str, str]]]:
    a, b, c = parts(study)
    return {"s1": a, "s2": b, "s3": a | c, "s4": b}


@pytest.mark.parametrize("strand", ["+", "-"])
def test_burdens_are_sums_over_each_samples_own_sequence(study: Study, strand: str) -> None:
    burdens = study.burdens.open("pim")
    place = {name: i for i, name in enumerate(study.burdens.samples)}
    found = {s: burdens.per_sample(s, strand) for s in ("max", "sum", "mean", "active")}
    for sample, edits in cases(study).items():
        values = direct(study, edits, strand)[:, burdens.features]
        i = place[sample]
        np.testing.assert_allclose(found["max"][:, i], values.max(axis=0), atol=2e-5)
        np.testing.assert_allclose(found["sum"][:, i], values.sum(axis=0), atol=2e-4)
        np.testing.assert_allclose(found["mean"][:, i], values.mean(axis=0), atol=2e-6)
        np.testing.assert_array_equal(found["active"][:, i], (values > 0).sum(axis=0))
        others = np.setdiff1d(np.arange(64), burdens.features)
        assert not direct(study, edits, strand)[:, others].any()


def test_gained_and_lost_compare_base_with_base(study: Study) -> None:
    burdens = study.burdens.open("pim")
    own, reference = direct(study, cases(study)["s1"], "+"), direct(study, {}, "+")
    change = (own - reference)[:, burdens.features]
    i = study.burdens.samples.index("s1")
    np.testing.assert_allclose(
        burdens.per_sample("gained", "+")[:, i], np.maximum(change, 0).sum(axis=0), atol=2e-4
    )
    np.testing.assert_allclose(
        burdens.per_sample("lost", "+")[:, i], np.maximum(-change, 0).sum(axis=0), atol=2e-4
    )
    assert np.abs(change[: 4399 - START]).max() < 1e-6  # nothing changes before the variant
    delta = burdens.values("delta_sum", "both")
    np.testing.assert_array_equal(delta[:, 0], 0)


def test_each_unique_haplotype_is_read_once(study: Study) -> None:
    facts = study.facts("haplotypes")
    assert facts["samples"] == 5
    assert facts["readings"] < facts["readings_if_each_sample"]
    table = study.table("haplotypes").query("region == 'pim'")
    assert table["carriers"].tolist() == [0, 2, 1, 1]
    assert [len(v) for v in table["variants"]] == [0, 1, 1, 2]
    own = study.burdens.open("pim").sample_haplotype[:, 0]
    assert own[study.burdens.samples.index("s2")] == own[study.burdens.samples.index("s4")] == 1


def test_missing_is_not_reference(study: Study) -> None:
    i = study.burdens.samples.index("s5")
    assert study.burdens.open("pim").sample_haplotype[i].tolist() == [-1]
    assert np.isnan(study.burdens.open("pim").per_sample("sum")[:, i]).all()
    regions = study.burdens.regions.set_index("region")
    assert regions.loc["pim", "missing"] == pytest.approx(0.2)
    assert regions.loc["far", "state"] == "no variant in any sample"


def test_samples_are_in_the_order_of_the_variants(study: Study) -> None:
    assert study.burdens.samples == SAMPLES
    assert study.cohort.samples["trait"].tolist() == [0.5, 1, 1, 0, 1]
    assert study.facts("cohort")["only_in_phenotypes"] == ["x"]


def test_windows_with_too_much_missing_are_dropped_and_said(study: Study) -> None:
    strict = replace(study.config, cohort=replace(study.config.cohort, max_missing=0.1))
    other = Study(study.folder, strict)
    for name in ("haplotypes", "burdens"):
        run_stage(other, STAGES[name], here, Silent())
    regions = other.burdens.regions.set_index("region")
    assert 0 < regions.loc["pim", "bases_dropped"] <= END - START
    dropped = other.facts("haplotypes")["dropped"]
    assert dropped and all(d["missing"] == pytest.approx(0.2) for d in dropped)
    for name in ("haplotypes", "burdens"):
        run_stage(study, STAGES[name], here, Silent())


def test_blocks_give_what_values_give(study: Study) -> None:
    burdens = study.burdens.open("pim")
    blocks = list(burdens.blocks("delta_max", "-", size=7))
    np.testing.assert_array_equal(
        np.concatenate([b.values for b in blocks]), burdens.values("delta_max", "-")
    )
    assert np.concatenate([b.features for b in blocks]).tolist() == burdens.features.tolist()
    with pytest.raises(InputError, match="no statistic 'median'"):
        burdens.values("median")


def test_a_ready_matrix(study: Study, tmp_path: Path) -> None:
    table = pd.DataFrame({"sample": SAMPLES, "f1": [1, 2, 1, 2, 5], "f2": [0, 1, 0, 1, np.nan]})
    path = tmp_path / "m.tsv"
    table.to_csv(path, sep="\t", index=False, na_rep="NA")
    given = replace(study.config.cohort, variants="", matrix=str(path))
    config = replace(study.config, cohort=given)
    made = Study.create(tmp_path / "s", config)
    run(made, until="cohort")
    run_stage(made, STAGES["burdens"], here, Silent())
    burdens = made.burdens.open("matrix")
    assert burdens.feature_names == ["f1", "f2"]
    np.testing.assert_array_equal(burdens.per_sample("value"), [[1, 2, 1, 2, np.nan], [0, 1, 0, 1, np.nan]])
    assert burdens.n_haplotypes == 3  # two rows, and a column of zeros in the reference's place


def test_drivers_are_what_taking_a_variant_out_does(study: Study) -> None:
    a, c = study.table("haplotypes").query("region == 'pim'")["variants"].iloc[3]
    both, only_a, only_c, none = (
        direct(study, edits, "+").max(axis=0)
        for edits in (cases(study)["s3"], cases(study)["s1"], parts(study)[2], {})
    )
    feature = int(np.argmax(np.abs(both - only_c)))
    table = read_drivers(study, "pim", [feature]).effects("max", "+").set_index("variant")
    # s1 carries a alone, s3 carries a and c: one carrier each.
    expected = ((both - only_c)[feature] + (only_a - none)[feature]) / 2
    assert table.loc[a, "effect"] == pytest.approx(expected, abs=2e-5)
    assert table.loc[a, "carriers"] == 2
    assert table.loc[c, "effect"] == pytest.approx((both - only_a)[feature], abs=2e-5)
    assert table.loc[c, "alone"] == pytest.approx((only_c - none)[feature], abs=2e-5)
    assert table["share"].sum() == pytest.approx(1)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"region": "nosuch"}, "no region nosuch; it has (pim, far|far, pim)"),
        ({"features": [64]}, "feature 64: expected a number from 0 to 63"),
        ({"statistic": "median"}, "no statistic median of strand both; expected mean, max"),
        ({"strand": "x"}, r"of strand x; expected .*, of \+, -, both"),
    ],
)
def test_what_has_no_drivers_is_refused(study: Study, changed: dict, said: str) -> None:
    asked = {"region": "pim", "features": [0], "statistic": "sum", "strand": "both"} | changed
    with pytest.raises(InputError, match=said):
        read_drivers(study, asked["region"], asked["features"]).effects(asked["statistic"], asked["strand"])
    if "region" in changed or "features" in changed:
        with pytest.raises(InputError, match=said):
            ablate_region(study, asked["region"], asked["features"])
    if "region" in changed:
        with pytest.raises(InputError, match=said):
            study.burdens.open(asked["region"])


def test_sequences_of_samples_give_what_their_variants_give(study: Study, tmp_path: Path) -> None:
    reference = study.genome.fetch(CONTIG, 0, 9609)
    for sample in ("s1", "s5"):
        letters = list(reference)
        if sample == "s1":
            letters[4399] = cases(study)["s1"][4400][1]
        (tmp_path / f"{sample}.fa").write_text(f">{CONTIG}\n{''.join(letters)}\n")
    (tmp_path / "n.fa").write_text(f">{CONTIG}\n{reference[:4500]}N{reference[4501:]}\n")
    calls = sequence_calls(sequence_files(tmp_path), study.genome, tmp_path / "cache", CONTIG, 4300, 4800)
    found = find_haplotypes(calls, reference[4300:4800], 4300)
    assert found.of_sample.tolist() == [-1, 1, 0]  # n, s1, s5
    (tmp_path / "other.fa").write_text(f">x\n{reference[:9000]}\n")
    with pytest.raises(InputError, match=f"no contig {CONTIG}; it has x"):
        sequence_calls(sequence_files(tmp_path), study.genome, tmp_path, CONTIG, 4300, 4800)
