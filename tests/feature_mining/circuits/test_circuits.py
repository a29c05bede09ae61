"""Graphs of networks whose circuit is known, and of random ones whose sums are; interventions as measured."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from feature_mining.attribution.target import AlleleOdds, BaseProbability
from feature_mining.circuits import influence
from feature_mining.circuits.certificate import CertificatePlan, agreement, certify, predict, trusted
from feature_mining.circuits.graph import Graph, GraphPlan, trace, written
from feature_mining.circuits.lags import split_by_lag
from feature_mining.circuits.replaced import Head, Replaced
from feature_mining.circuits.transcoders import (
    TranscoderPlan,
    load_transcoders,
    mlp_blocks,
    require_fit,
    save_transcoders,
    train_transcoders,
)
from feature_mining.sae.config import SAEConfig
from feature_mining.sae.model import SparseAutoencoder
from feature_mining.sae.training.site_source import ShuffledSites, Site, site_widths
from feature_mining.sae.training.source import Window
from feature_mining.sae.training.trainer import TrainConfig, Trainer
from genomic_models.contract import ModelError
from genomic_models.striped_hyena import layers
from genomic_models.striped_hyena.config import StripedHyenaConfig
from genomic_models.striped_hyena.model import StripedHyenaModel
from genomic_models.striped_hyena.network import StripedHyena, initialise
from tests.feature_mining.circuits import constructed
from tests.feature_mining.circuits.constructed import A, Both, C, G, T

ALL = GraphPlan(features=64, nodes=0.9999, edges=0.9999)


# -- constructed networks: the circuit is known ----------------------------------------------------------


def letters(length: int, **places: int) -> str:
    """T everywhere but at the places of other letters."""
    text = ["T"] * length
    for letter, place in places.items():
        text[place] = letter[0]
    return "".join(text)


def by_filter(letter: str, lag: int):
    """Predicts T after an A that has a G some bases before; one filter, one feature."""
    made = constructed.network("S" + letter)
    constructed.copy_by_filter(made, 1, lag, G, 4)
    feature = Both(1, (A, 4), T)
    constructed.multiply(made, 0, feature)
    last = lag + 3
    sequence = letters(last + 2, G=3, A=last)
    edges = {
        (("base", 3), ("feature", 1, last)): ("blocks.1", lag),
        (("base", last), ("feature", 1, last)): ("", 0),
        (("feature", 1, last), ("output",)): ("", 0),
    }
    return made, sequence, {feature: last}, edges


def by_head():
    """Predicts T after a C, where the letter after the only G is an A: a head copies it."""
    made = constructed.network("SS*")
    constructed.copy_by_filter(made, 1, 1, G, 4)
    constructed.copy_by_head(made, 2, 4, A, 8)
    feature = Both(2, (C, 8), T)
    constructed.multiply(made, 0, feature)
    sequence = letters(33, G=10, A=11, C=31)
    edges = {
        (("base", 11), ("feature", 2, 31)): ("blocks.2", 20),
        (("base", 31), ("feature", 2, 31)): ("", 0),
        (("feature", 2, 31), ("output",)): ("", 0),
    }
    return made, sequence, {feature: 31}, edges


def in_a_chain():
    """A feature that reads another one 40 bases before, and one that nothing reads."""
    made = constructed.network("SSD")
    constructed.copy_by_filter(made, 1, 3, G, 4)
    constructed.copy_by_filter(made, 2, 40, 12, 13)
    first, second, idle = Both(1, (A, 4), 12), Both(2, (C, 13), T), Both(2, (C, C), 15)
    for number, feature in enumerate((first, second, idle)):
        constructed.multiply(made, number, feature)
    sequence = letters(50, G=5, A=8, C=48)
    edges = {
        (("base", 5), ("feature", 1, 8)): ("blocks.1", 3),
        (("base", 8), ("feature", 1, 8)): ("", 0),
        (("feature", 1, 8), ("feature", 2, 48)): ("blocks.2", 40),
        (("base", 48), ("feature", 2, 48)): ("", 0),
        (("feature", 2, 48), ("output",)): ("", 0),
    }
    return made, sequence, {first: 8, second: 48, idle: 48}, edges


KNOWN = {
    "a filter of 7 taps, lag 5": lambda: by_filter("S", 5),
    "a filter of 128 taps, lag 77": lambda: by_filter("D", 77),
    "a copying head": by_head,
    "a chain of two features": in_a_chain,
}


def named(graph: Graph, node: int) -> tuple[object, ...]:
    row = graph.nodes.loc[node]
    if row["kind"] == "output":
        return ("output",)
    if row["kind"] == "base":
        return ("base", int(row["position"]))
    return (row["kind"], int(row["block"].removeprefix("blocks.")), int(row["position"]))


@pytest.mark.parametrize("name", list(KNOWN))
def test_the_circuit_of_a_constructed_network_is_found(name: str) -> None:
    made, sequence, features, known = KNOWN[name]()
    model = StripedHyenaModel(made, name)
    found = constructed.transcoders(model, sequence, features)
    last = len(sequence) - 2
    target = AlleleOdds(last + 1, "C", "T")
    if "head" in name or "chain" in name:
        target = AlleleOdds(last + 1, "G", "T")
    replaced = Replaced(model, sequence, found)
    graph = trace(replaced, target, last, ALL)
    edges = {(named(graph, s), named(graph, t)) for s, t in graph.edges[["source", "target"]].to_numpy()}
    hits = len(edges & set(known))
    assert 2 * hits / (len(edges) + len(known)) == 1, edges ^ set(known)  # edge F1
    assert graph.scores.replacement == pytest.approx(1) and graph.scores.completeness == pytest.approx(1)
    lags = split_by_lag(replaced, target, graph)
    for (source, node), own in lags.groupby(["source", "target"]):
        leading = own.iloc[0]
        assert (leading["block"], leading["lag"]) == known[named(graph, source), named(graph, node)]
        weight = graph.edges.set_index(["source", "target"])["weight"][source, node]
        assert leading["weight"] == pytest.approx(weight, rel=1e-6)


def test_what_writes_nothing_that_is_read_is_not_in_the_graph() -> None:
    made, sequence, features, _ = in_a_chain()
    model = StripedHyenaModel(made, "chain")
    replaced = Replaced(model, sequence, constructed.transcoders(model, sequence, features))
    assert replaced.parts["blocks.2"].codes[48, 1] > 0  # the idle one is active
    graph = trace(replaced, AlleleOdds(49, "G", "T"), 48, ALL)
    assert not ((graph.nodes["block"] == "blocks.2") & (graph.nodes["feature"] == 1)).any()


# -- random networks: sums are exact ---------------------------------------------------------------------


SEQUENCE = "ACGTTGCAAGCTTACGGATCACCATGCA"


def random_transcoders(model: StripedHyenaModel, seed: int = 3) -> dict[str, SparseAutoencoder]:
    generator = torch.Generator().manual_seed(seed)

    def drawn(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=generator)

    made = {}
    for block in mlp_blocks(model):
        d = model.d_model(block)
        rows = drawn(24, d)
        config = SAEConfig("skip_transcoder", d, 24, 4, apply_b_dec_to_input=False, d_out=d)
        made[block] = SparseAutoencoder(
            drawn(d, 24) / d**0.5, 0.1 * drawn(24), rows / rows.norm(dim=1, keepdim=True), 0.1 * drawn(d),
            torch.full((24,), 0.8), config, W_skip=0.3 * drawn(d, d) / d**0.5,
        )  # fmt: skip
    return made


def random_network(biases: bool = False) -> StripedHyena:
    network = initialise(StripedHyena(StripedHyenaConfig("evo2", "SDH*", 32, 2, 64, groups=8)), 1)
    with torch.no_grad():
        network.embedding_layer.weight *= 40
        for name, p in network.named_parameters():
            if name.endswith(".bias") and biases:
                p.normal_(0, 0.2, generator=torch.Generator().manual_seed(len(name)))
            if name.endswith((".l3.weight", "out_proj.weight", "out_filter_dense.weight")):
                p *= 10
    return network.double()


@pytest.fixture(scope="module")
def replaced() -> Replaced:
    model = StripedHyenaModel(random_network(), "random")
    return Replaced(model, SEQUENCE, random_transcoders(model), together=5)


TARGET = AlleleOdds(len(SEQUENCE) - 1, "A", "T")
WHOLE = GraphPlan(features=40, nodes=1.0, edges=1.0)


@pytest.fixture(scope="module")
def graph(replaced: Replaced) -> Graph:
    return trace(replaced, TARGET, len(SEQUENCE) - 2, WHOLE)


def test_edges_add_up_to_what_every_target_reads(replaced: Replaced, graph: Graph) -> None:
    """Biases of mixers are 0 here, so that bases, errors, features and the transcoders' biases are all."""
    logits = replaced.model.forward([SEQUENCE]).logits[0, -2]
    difference = float(logits[ord("T")] - logits[ord("A")])
    assert graph.value == pytest.approx(difference, abs=1e-9)
    assert len(graph.sums) == 41 and graph.sums["rest"].abs().max() < 1e-9
    assert graph.sums.iloc[-1]["value"] == pytest.approx(difference, abs=1e-9)
    for row in graph.sums.iloc[:-1].itertuples():
        part = replaced.parts[row.block]
        pre = part.read[row.position] @ part.encoder[:, row.feature] + part.encoder_bias[row.feature]
        assert row.value == pytest.approx(float(pre), abs=1e-12)
    # All edges are kept: those of the output are its sum.
    output = len(graph.nodes) - 1
    edges = graph.edges[graph.edges["target"] == output]["weight"].sum()
    assert edges + graph.sums.iloc[-1]["constants"] == pytest.approx(difference, abs=1e-9)


def test_what_is_left_is_the_part_of_the_mixers_biases() -> None:
    model = StripedHyenaModel(random_network(biases=True), "biased")
    own = Replaced(model, SEQUENCE, random_transcoders(model))
    found = trace(own, TARGET, len(SEQUENCE) - 2, replace(WHOLE, features=3))
    # By finite differences: the network is linear in them, its gates held.
    values = []
    for share in (1.0, 0.0):
        with Replay() as replay:
            read_linearly(own, model, {}, replay)
            with torch.no_grad():
                kept = {n: p.clone() for n, p in model.network.named_parameters() if n.endswith(".bias")}
                for name, p in model.network.named_parameters():
                    if name in kept:
                        p *= share
            values.append(float(read_linearly(own, model, {}, replay)))
            with torch.no_grad():
                for name, p in model.network.named_parameters():
                    if name in kept:
                        p.copy_(kept[name])
    assert found.sums.iloc[-1]["rest"] == pytest.approx(values[0] - values[1], abs=1e-9)


class Replay:
    """Gates, patterns and norms as they were in the first pass within it: a network that is frozen."""

    def __enter__(self) -> Replay:
        self.held: list[torch.Tensor] = []
        self.at, self.recording = 0, True
        self.own = layers.held
        layers.held = self._held
        return self

    def __exit__(self, *_: object) -> None:
        layers.held = self.own

    def _held(self, x: torch.Tensor) -> torch.Tensor:
        if self.recording:
            self.held.append(x.detach())
        self.at += 1
        return self.held[self.at - 1]


def read_linearly(own: Replaced, model, changes: dict[str, torch.Tensor], replay: Replay) -> torch.Tensor:
    """The output with changes of what is written, everything that is held as it was in the first pass."""
    seen: dict[str, torch.Tensor] = {}
    replay.at = 0
    given = {name: (x + changes.get(name, 0))[None] for name, x in own._written().items()}
    edits = own._edits(given, seen)
    found = model.forward([own.sequence], edits=edits)
    replay.recording = False
    return TARGET.value(model, found)[0]


def test_edges_are_finite_differences_of_the_frozen_network(replaced: Replaced, graph: Graph) -> None:
    """Of the output by each of its sources: the pass is run again without that source, gates replayed."""
    output = len(graph.nodes) - 1
    edges = graph.edges[graph.edges["target"] == output].sample(25, random_state=1)
    with Replay() as replay:
        whole = read_linearly(replaced, replaced.model, {}, replay)
        assert float(whole) == pytest.approx(graph.value, abs=1e-9)
        for source, weight in zip(edges["source"], edges["weight"], strict=True):
            row = graph.nodes.loc[source]
            less = torch.zeros_like(replaced.embedding)
            less[row["position"]] = -written(replaced, graph, source)
            without = read_linearly(replaced, replaced.model, {row["block"]: less}, replay)
            assert float(whole - without) == pytest.approx(weight, abs=1e-8)


def test_lags_of_an_edge_add_up_and_nothing_that_moved_is_in_place(
    replaced: Replaced, graph: Graph, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("feature_mining.circuits.lags.MOST", 1000)
    monkeypatch.setattr("feature_mining.circuits.lags.LEAST", 0.0)
    keep = graph.edges.sample(60, random_state=2)
    own = Graph(graph.nodes, keep, graph.value, graph.sums, graph.scores, graph.active)
    lags = split_by_lag(replaced, TARGET, own)
    places = graph.nodes["position"].to_numpy()
    for source, node, weight in keep[["source", "target", "weight"]].itertuples(index=False):
        parts = lags[(lags["source"] == source) & (lags["target"] == node)]
        assert parts["weight"].sum() == pytest.approx(weight, abs=1e-9)
        in_place = parts.loc[parts["block"] == "", "weight"].sum()
        if places[source] != places[node]:
            assert abs(in_place) < 1e-9
        # No further than from the source itself, and through mixers that lie between.
        assert parts["lag"].between(0, places[node] - places[source]).all()
        source_block, target_block = graph.nodes["block"][[source, node]]
        between = [b for b in replaced.blocks if source_block in ("embedding_layer",) or b > source_block]
        if target_block != "output":
            between = [b for b in between if b <= target_block]
        assert set(parts["block"]) - {""} <= set(between)


# -- influence, pruning, scores --------------------------------------------------------------------------


def test_influence_is_the_sum_over_all_paths() -> None:
    random = np.random.default_rng(0)
    features, others = 5, 4
    weights = random.normal(size=(features + 1, others + features))
    for feature in range(features):  # only features before it feed a feature
        weights[feature, others + feature :] = 0
    found = influence.influence(weights, features)
    assert found.shares.sum(axis=1) == pytest.approx(1)
    among = found.shares[:, others:]
    square = np.vstack([among[:-1]])
    paths = np.linalg.inv(np.eye(features) - square)
    assert found.targets[:-1] == pytest.approx(among[-1] @ paths)
    total = np.append(among[-1] @ paths, 1) @ found.shares
    assert found.sources == pytest.approx(total)
    errors = np.array([True, False, True, False] + [False] * features)
    scored = influence.scores(found, errors, features)
    assert scored.replacement == pytest.approx(total[[1, 3]].sum() / total[:4].sum())
    assert total[:4].sum() == pytest.approx(1)  # all that reaches the output began somewhere
    expected = (1 - found.shares[:, errors].sum(axis=1)) @ found.targets / found.targets.sum()
    assert scored.completeness == pytest.approx(expected)


def test_pruning_keeps_the_fewest_that_make_up_the_share() -> None:
    sizes = np.array([0.1, 0.4, 0.0, 0.3, 0.2])
    assert influence.leading(sizes, 0.7).tolist() == [False, True, False, True, False]
    assert influence.leading(sizes, 1.0).tolist() == [True, True, False, True, True]
    random = np.random.default_rng(1)
    weights = random.normal(size=(9, 20)) ** 3
    for feature in range(8):
        weights[feature, 12 + feature :] = 0
    found = influence.influence(weights, 8)
    kept, lines = influence.prune(found, 8, 0.7, 0.9)
    assert found.sources[kept].sum() <= found.sources.sum() and kept.sum() < 20
    there = np.append(kept[12:], True)
    assert (lines <= (there[:, None] & kept)).all()
    assert (lines.any(axis=0) == kept).all()


# -- the certificate -------------------------------------------------------------------------------------


def test_interventions_are_measured_by_running_the_model(replaced: Replaced, graph: Graph) -> None:
    told: list[int] = []
    found = certify(replaced, TARGET, graph, CertificatePlan(40, 0.5, 7), told.append)
    # What lies before the first change is read once.
    assert len(found) == 40 and 40 < sum(told) < (40 + 8) * len(SEQUENCE)
    kinds = graph.nodes["kind"].to_numpy()
    open_to = np.flatnonzero(np.isin(kinds, ["feature", "error"]))
    # The same draws by hand, one at a time, an edit a node.
    random = np.random.default_rng([7, len(open_to)])
    model, plain = replaced.model, TARGET.value(replaced.model, replaced.model.forward([SEQUENCE]))[0]
    for row in found.head(6).itertuples():
        size = round(np.exp(random.uniform(0, np.log(len(open_to)))))
        members = random.choice(open_to, size, replace=False)
        strengths = random.uniform(-0.5, 0.5, size)
        assert row.nodes == size

        def edit(x, context, members=members, strengths=strengths):
            x = x.clone()
            for node, strength in zip(members, strengths, strict=True):
                if context.tap == f"{graph.nodes['block'][node]}.mlp":
                    x[0, graph.nodes["position"][node]] += strength * written(replaced, graph, int(node))
            return x

        edits = {f"{block}.mlp": edit for block in replaced.blocks}
        changed = TARGET.value(model, model.forward([SEQUENCE], edits=edits))[0]
        assert row.measured == pytest.approx(float(changed - plain), abs=1e-9)


def test_predictions_follow_all_paths(graph: Graph) -> None:
    count = len(graph.nodes)
    table = np.zeros((count, count))
    for source, node, weight in graph.edges[["source", "target", "weight"]].itertuples(index=False):
        table[node, source] = weight
    values = graph.nodes["activation"].to_numpy().copy()
    values[graph.nodes["kind"] != "feature"] = 1
    relative = table / values[:, None]  # a share of the target for each share of the source
    relative[-1] = table[-1]
    changes = np.random.default_rng(0).uniform(-1, 1, (6, count - 1))
    changes[:, graph.nodes["kind"][:-1] == "base"] = 0
    total = np.linalg.inv(np.eye(count) - relative)
    expected = (np.column_stack([changes, np.zeros(6)]) @ total.T)[:, -1]
    weights = graph.edges["weight"].to_numpy()
    assert predict(graph, weights, changes) == pytest.approx(expected, abs=1e-9)


def test_small_changes_are_what_the_gradient_says(replaced: Replaced, graph: Graph) -> None:
    found = certify(replaced, TARGET, graph, CertificatePlan(60, 1e-4, 1))
    fits = agreement(found["measured"].to_numpy(), found["gradient"].to_numpy())
    assert fits.r2 > 0.9999 and fits.slope == pytest.approx(1, abs=1e-3) and fits.tried == 60
    assert found["shuffled"].std() > 0 and not np.allclose(found["shuffled"], found["predicted"])


def test_agreement_is_of_predictions_as_they_are() -> None:
    measured = np.array([1.0, 2.0, 3.0, 4.0])
    assert agreement(measured, measured) == (1.0, 1.0, 4)
    half = agreement(measured, measured / 2)
    assert half.slope == pytest.approx(2) and half.r2 == pytest.approx(1 - 7.5 / 5)
    assert np.isnan(agreement(np.ones(3), np.ones(3)).r2)


def test_a_graph_is_trusted_by_a_thousand_interventions_and_no_fewer() -> None:
    assert trusted(0.8, 1000) and not trusted(0.79, 1000) and not trusted(1.0, 999)
    assert not trusted(np.nan, 1000)


# -- transcoders -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def small() -> StripedHyenaModel:
    network = initialise(StripedHyena(StripedHyenaConfig("evo2", "SD*", 16, 2, 32, groups=4)), 4)
    with torch.no_grad():
        for block in network.blocks:
            block.mlp.l3.weight *= 30
    return StripedHyenaModel(network, "small")


def windows(seed: int, count: int = 12) -> list[Window]:
    random = np.random.default_rng(seed)
    return [Window("".join(random.choice(list("ACGT"), 140)), 12, None) for _ in range(count)]


def test_all_layers_are_trained_off_one_pass_each_as_alone(small, tmp_path) -> None:
    plan = TranscoderPlan(width=2, k=4, steps=30, batch=256, seed=2)
    passes = []
    own = small.forward

    def counted(sequences, *args, **kwargs):
        passes.append(len(sequences))
        return own(sequences, *args, **kwargs)

    small.forward = counted
    try:
        trained = train_transcoders(small, windows(0), windows(1, 4), plan, together=4)
    finally:
        del small.forward
    # All windows fit into the buffer: each is read once, and those held out once.
    assert sum(passes) == 12 + 4
    assert [fit.block for fit in trained.fits] == ["blocks.0", "blocks.1", "blocks.2"]
    for fit in trained.fits:
        assert fit.explained > max(0.2, fit.linear) and fit.rows == 4 * 128
        assert fit.l0 == pytest.approx(4, abs=0.5)
    # The same weights as of a transcoder that trains alone on its two sites.
    sites = [Site(small, "blocks.1.post_norm"), Site(small, "blocks.1.mlp")]
    config = TrainConfig(
        32, 4, 30, 256, "skip_transcoder", seed=2, model="small", layer="blocks.1.mlp",
        weights_hash=small.weights_hash, sites=site_widths(sites),
    )  # fmt: skip
    alone = Trainer(config).fit(ShuffledSites(sites, windows(0), 256, 4, 16_384, 2)).sae
    torch.testing.assert_close(alone.W_dec, trained.transcoders["blocks.1"].W_dec)
    torch.testing.assert_close(alone.W_skip, trained.transcoders["blocks.1"].W_skip)
    save_transcoders(trained, tmp_path)
    again = load_transcoders(tmp_path)
    assert {b: s.hash for b, s in again.items()} == {b: s.hash for b, s in trained.transcoders.items()}


def test_what_does_not_fit_is_a_sentence(small, tmp_path) -> None:
    made = random_transcoders(small)
    assert require_fit(small, made) == ["blocks.0", "blocks.1", "blocks.2"]
    with pytest.raises(ModelError, match=r"transcoders of blocks\.0 do not match model small, whose MLPs"):
        require_fit(small, {"blocks.0": made["blocks.0"]})
    config = replace(made["blocks.1"].config, weights_hash="0" * 64)
    with pytest.raises(ModelError, match=r"blocks\.1: the transcoder is of weights 000000000000"):
        require_fit(small, made | {"blocks.1": replace(made["blocks.1"], config=config)})
    wide = random_transcoders(StripedHyenaModel(random_network(), "wide"))["blocks.1"]
    with pytest.raises(ModelError, match="expected a transcoder from 16 to 16 channels"):
        require_fit(small, made | {"blocks.1": wide})
    with pytest.raises(ValueError, match="no transcoders"):
        load_transcoders(tmp_path)


def test_nothing_reaches_an_output_of_zero(small) -> None:
    """Such as a feature that is not active at the place."""

    class Off(BaseProbability):
        def value(self, model, forward):
            return super().value(model, forward) * 0

    own = Replaced(small, SEQUENCE, random_transcoders(small))
    with pytest.raises(ModelError, match="nothing of the locus reaches the output"):
        trace(own, Off(5, "A"), 4, WHOLE)


def test_a_head_reads_what_comes_before_it(replaced: Replaced) -> None:
    """A base further right changes no feature before it."""
    slopes = replaced.pull([Head("blocks.2", 10, 3), Head("blocks.1", 4, 0)])
    assert (
        slopes["embedding_layer"][0, 11:].abs().max() < 1e-12 < slopes["embedding_layer"][0, :11].abs().max()
    )
    assert slopes["blocks.0"][1, 5:].abs().max() < 1e-12 < slopes["blocks.0"][1, :5].abs().max()
    assert slopes.get("blocks.2") is None or slopes["blocks.2"].abs().max() == 0
