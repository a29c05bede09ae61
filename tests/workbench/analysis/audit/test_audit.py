"""The parts of the shortcut audit on planted effects and against brute force."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_matrix
from sklearn.linear_model import LinearRegression
from sklearn.metrics import r2_score

from tests.workbench.study_factory import N_FEATURES, make_study
from workbench.analysis.audit.flags import FLAGS, flag_features
from workbench.analysis.audit.near_copies import find_copies, read_copies
from workbench.analysis.audit.position_bias import PARTS, count_maps, map_table
from workbench.analysis.audit.sequence_bias import N_KMERS, Sums, kmer_share, linear_share
from workbench.analysis.audit.training_overlap import corpus_overlap, sketch_files
from workbench.progress import Silent
from workbench.stages.audit import take_features
from workbench.stages.registry import STAGES
from workbench.study.study import Study


@pytest.fixture(scope="module")
def synthetic(tmp_path_factory):
    return make_study(tmp_path_factory.mktemp("audit"))


class Edited:
    """The genome of a study with one stretch written over."""

    def __init__(self, genome, chrom: str, start: int, letters: str) -> None:
        self.genome, self.chrom, self.start, self.letters = genome, chrom, start, letters
        self.lengths, self.circular = genome.lengths, genome.circular

    def fetch(self, chrom: str, start: int, end: int, strand: str = "+") -> str:
        text = list(self.genome.fetch(self.chrom, 0, self.lengths[self.chrom]))
        text[self.start : self.start + len(self.letters)] = self.letters
        whole = "".join(text) if chrom == self.chrom else None
        return whole[start:end] if whole else self.genome.fetch(chrom, start, end, strand)


def test_a_copied_gene_is_found_and_masked(synthetic):
    study = Study.open(synthetic.study.folder)
    before = find_copies(study)
    assert before.share == 0 and before.tracks["copies"].sum() == 0
    # The gene at 200..800 of the train half is written over the one at 2200..2700, turned round.
    gene = study.genome.fetch("chrA", 200, 700, "-")
    changed = gene[:100] + "A" + gene[101:300] + "C" + gene[301:]
    study.__dict__["genome"] = Edited(study.genome, "chrA", 2300, changed)
    copies = find_copies(study)
    row = copies.tracks.set_index("track").loc["CDS"]
    assert row["n_report"] == 1  # chrA 2200-2700; most of chrB 700-1200 lies in select
    assert (row["copies_train"], row["copies_select"], row["copies"]) == (1, 0, 1)
    assert row["straddling"] == 1 and row["clusters"] == 5
    mask = copies.masks["chrA"]
    assert mask[2300:2700].all() and not mask[:2250].any()
    assert copies.share == pytest.approx(mask.sum() / (750 + 375), abs=1e-9)
    # What the stage writes is what the controls read.
    stage = STAGES["copies"]
    stage.run(study, stage.shards(study)[0], Silent())
    back = read_copies(study)
    assert all((back.masks[name] == copies.masks[name]).all() for name in copies.masks)
    pd.testing.assert_frame_equal(back.tracks, copies.tracks, check_dtype=False)
    assert (back.k, back.identity, back.share) == (copies.k, copies.identity, copies.share)


def test_map_counts_equal_brute_force(synthetic):
    study = synthetic.study
    plus, use_plus = synthetic.dense["chrA", "+"]
    minus, use_minus = synthetic.dense["chrA", "-"]
    counts = count_maps(study, "chrA", 0, 3000)
    use = use_plus & use_minus
    np.testing.assert_array_equal(counts.active[0], (plus[use] > 0).sum(axis=0))
    np.testing.assert_array_equal(counts.active[1], (minus[use] > 0).sum(axis=0))
    both = ((plus > 0) & (minus > 0))[use].sum(axis=0)
    np.testing.assert_array_equal(counts.both, both)
    stride = study.grid.stride
    place = np.zeros((N_FEATURES, PARTS), int)
    for base in np.flatnonzero(use):
        end = min((base // stride + 1) * stride, 3000)
        place[:, base % stride * PARTS // stride] += plus[base] > 0
        place[:, (end - 1 - base) * PARTS // stride] += minus[base] > 0
    np.testing.assert_array_equal(counts.place, place)
    assert counts.place_bases.sum() == 2 * use.sum()
    parts = [count_maps(study, "chrA", a, a + 1000) for a in (0, 1000, 2000)]
    whole = map_table([counts])
    np.testing.assert_allclose(map_table(parts)["plus_rate"], whole["plus_rate"])
    assert whole["strand_z"].isna().all()


def sums(x: np.ndarray, words: np.ndarray, fires: np.ndarray, weight: np.ndarray) -> Sums:
    one = np.zeros((len(words), N_KMERS))
    one[np.arange(len(words)), words] = 1
    heavy = weight[:, None]
    return Sums(
        float(weight.sum()),
        weight @ fires,
        x.T @ (heavy * x),
        x.T @ (heavy * fires),
        weight @ one,
        csr_matrix(one.T @ (heavy * fires)),
    )


def test_explained_shares_are_held_out_r_squared():
    random = np.random.default_rng(0)
    n = 3000
    parts = []
    for _ in range(2):
        gc = random.random(n)
        x = np.stack([np.ones(n), gc, gc**2], axis=1)
        words = random.integers(0, 40, n)
        fires = np.stack(
            [gc + 0.3 * random.normal(size=n) > 0.7, words == 7, random.random(n) < 0.1], axis=1
        ).astype(float)
        parts.append((x, words, fires, random.uniform(1, 3, n)))
    select, report = (sums(*part) for part in parts)
    ours = linear_share(select, report, 3)
    (x, _, a, w), (x2, _, a2, w2) = parts
    for f in range(3):
        model = LinearRegression().fit(x, a[:, f], sample_weight=w)
        expected = r2_score(a2[:, f], model.predict(x2), sample_weight=w2)
        assert ours[f] == pytest.approx(max(0, expected), abs=1e-4)
    assert ours[0] > 0.3 > 0.02 > ours[1]
    words_share = kmer_share(select, report)
    assert words_share[1] > 0.95
    assert words_share[2] < 0.02


def test_overlap_with_a_corpus_is_checked_where_it_is_at_hand(synthetic, tmp_path):
    study = Study.open(synthetic.study.folder)
    facts = corpus_overlap(study)
    assert facts["checked"] and facts["shared"] == 0 and facts["source"].startswith("sketch")
    audit = replace(study.config.audit, corpus=[study.config.input.genome])
    study.config = replace(study.config, audit=audit)
    facts = corpus_overlap(study)
    assert facts["checked"] and facts["shared"] == 1 and facts["identity"] == 1
    model = replace(study.config.model, name="evo2_7b")
    study.config = replace(study.config, model=model, audit=replace(audit, corpus=[]))
    facts = corpus_overlap(study)
    assert not facts["checked"] and "OpenGenome2" in facts["statement"]


def test_the_shipped_sketch_knows_a_genome_of_its_corpus(shared):
    kept = sketch_files([shared / "data" / "pretraining" / "NC_011916.fna.gz"])
    from genomic_models.corpora import corpus_of

    known = np.load(corpus_of("mini").sketch)
    assert 3500 < kept.size < 4500
    assert np.isin(kept, known).all()


def row(**changes: float) -> dict[str, float]:
    calm = {
        "fired": 5000, "first_rate": 0.1, "rest_rate": 0.1, "position_z": 0.5, "plus_rate": 0.1,
        "minus_rate": 0.1, "strand_z": 0.2, "early_fired": 50, "early_rate": 0.1, "late_rate": 0.1,
        "shift_fired": 500, "shift_change": 0.1, "gc_share": 0.01, "phase_share": 0.0,
        "kmer_share": 0.1, "report_fired": 900, "copied_share": 0.05,
    }  # fmt: skip
    return calm | changes


def test_every_flag_has_a_case_that_raises_it_and_one_that_just_does_not():
    nan = float("nan")
    cases = {
        "": [
            row(),
            row(early_rate=0.49),
            row(early_rate=0.9, early_fired=19),
            row(first_rate=0.04, position_z=-4.9),
            row(shift_change=0.49),
            row(plus_rate=0.2, strand_z=4.0),
            row(gc_share=nan, phase_share=nan, kmer_share=nan, copied_share=nan),
            row(copied_share=1.0, report_fired=19),
        ],
        "warmup": [row(early_rate=0.5)],
        "window_position": [row(first_rate=0.05, position_z=-5), row(rest_rate=0.05, position_z=9)],
        "shift_inconsistent": [row(shift_change=0.5)],
        "strand_inconsistent": [row(plus_rate=0.16, strand_z=5.0)],
        "gc": [row(gc_share=0.1)],
        "phase": [row(phase_share=0.1)],
        "kmer": [row(kmer_share=0.5)],
        "homology": [row(copied_share=0.5)],
        "gc,kmer": [row(gc_share=0.2, kmer_share=0.9)],
    }
    assert set(FLAGS) <= set(cases)
    for word, rows in cases.items():
        assert flag_features(pd.DataFrame(rows)).tolist() == [word] * len(rows)


def test_taking_features_keeps_order_and_blanks(synthetic):
    from feature_mining.association.sparse import by_feature

    reading = synthetic.study.features.rows("chrA", 0, 1200, "+")
    features = by_feature(*reading.features)
    few = take_features(features, np.array([7, -1, 3]))
    dense = reading.features.dense()
    for j, f in enumerate((7, -1, 3)):
        at = slice(few.indptr[j], few.indptr[j + 1])
        expected = dense[:, f] if f >= 0 else np.zeros(1200)
        np.testing.assert_array_equal(few.rows[at], np.flatnonzero(expected))
        np.testing.assert_array_equal(few.values[at], expected[expected > 0])
