"""Networks of one's own behind the contract, against the networks themselves run by hand."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from genomic_models import Columns, ModelError, ModuleModel, Outputs, TapContext
from genomic_models.activations import read_activations
from genomic_models.bases import columns_of_bases
from genomic_models.module import one_hot
from genomic_models.registry import with_random_weights
from genomic_models.scoring import score

SEQUENCES = ["ACGTNGATTACAGGCA", "GGGTTACACCATGCAT"]
CLASSES = Outputs("classes", ("neither", "acceptor", "donor"), offset=3)


class Trunk(nn.Module):
    """Two convolutions that cut three letters off at either end, and classes."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv1d(4, 6, 3, padding=1), nn.Conv1d(6, 5, 7)
        self.head = nn.Conv1d(5, 3, 1)

    def forward(self, letters: Tensor) -> Tensor:
        return self.head(torch.relu(self.second(torch.relu(self.first(letters)))))


class Pooled(nn.Module):
    """Two tracks, a number for four bases."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.pool, self.head = nn.Conv1d(4, 6, 5, padding=2), nn.AvgPool1d(4), nn.Conv1d(6, 2, 1)

    def forward(self, letters: Tensor) -> Tensor:
        return self.head(self.pool(self.conv(letters)))


class Following(nn.Module):
    """The next base from the last three, of codes; channels last."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.conv = nn.Embedding(5, 8), nn.Conv1d(8, 8, 3)
        self.mixed, self.head = nn.Identity(), nn.Linear(8, 4)

    def forward(self, codes: Tensor) -> Tensor:
        x = nn.functional.pad(self.embedding(codes).transpose(1, 2), (2, 0))
        return self.head(self.mixed(torch.tanh(self.conv(x)).transpose(1, 2)))


def trained(kind: type[nn.Module]) -> nn.Module:
    torch.manual_seed(3)
    return kind().eval()


def trunk(**more: object) -> ModuleModel:
    settings: dict = {"taps": {"first": Columns(), "second": Columns(3)}, "outputs": CLASSES, "pad": 3}
    return ModuleModel(Trunk, trained(Trunk).state_dict(), **{**settings, **more})


def letters(sequence: str) -> Tensor:
    return torch.tensor([[[float(base == own) for base in sequence] for own in "ACGT"]])


def test_classes_and_taps_are_of_the_bases_of_the_sequence() -> None:
    model, network = trunk(), trained(Trunk)
    assert (model.layers, model.d_model("second"), model.outputs.offset) == (("first", "second"), 5, 0)
    found = model.forward(SEQUENCES, taps=model.layers)
    for row, sequence in enumerate(SEQUENCES):
        given = letters("NNN" + sequence + "NNN")
        first = network.first(given)
        second = network.second(torch.relu(first))
        torch.testing.assert_close(found.taps["first"][row], first[0, :, 3:-3].T)
        torch.testing.assert_close(found.taps["second"][row], second[0].T)
        torch.testing.assert_close(found.logits[row], network(given)[0].T.log_softmax(-1))


def test_probabilities_are_logged() -> None:
    plain = trunk().forward(SEQUENCES).logits

    class Softened(Trunk):
        def forward(self, letters: Tensor) -> Tensor:
            return super().forward(letters).softmax(1)

    soft = ModuleModel(
        Softened, trained(Trunk).state_dict(), {"first": Columns()}, CLASSES, pad=3, probabilities=True
    )
    torch.testing.assert_close(soft.forward(SEQUENCES).logits, plain, atol=1e-5, rtol=0)


def test_rows_do_not_hang_on_their_batch() -> None:
    """Sequences of other lengths beside them, and padding, change no number."""
    model = trunk()
    batch = model.forward([*SEQUENCES, "ACG", "A"], taps=["second"])
    for row, sequence in enumerate([*SEQUENCES, "ACG", "A"]):
        alone = model.forward([sequence], taps=["second"])
        size = len(sequence)
        assert batch.tokens.lengths[row] == size
        torch.testing.assert_close(
            batch.taps["second"][row, :size], alone.taps["second"][0], atol=1e-6, rtol=0
        )
        torch.testing.assert_close(batch.logits[row, :size], alone.logits[0], atol=1e-6, rtol=0)
    with pytest.raises(ModelError, match="edits need sequences of one length"):
        model.forward(["ACGT", "A"], edits={"first": lambda x, c: x})


def test_tracks_with_a_stride() -> None:
    """Columns of four bases: spans say which, and stop where the sequence does."""
    network = trained(Pooled)
    outputs = Outputs("tracks", ("up", "down"), stride=4)
    model = ModuleModel(Pooled, network.state_dict(), {"pool": Columns(stride=4)}, outputs, pad=4)
    sequence = "ACGTTGCAGG"
    found = model.forward([sequence], taps=["pool"])
    whole = network.pool(network.conv(letters("NNNN" + sequence + "NNNNNN")))
    torch.testing.assert_close(found.taps["pool"][0], whole[0, :, 1:4].T)
    assert model.spans("pool", found.tokens).tolist() == [[[0, 4], [4, 8], [8, 10]]]
    assert [model.outputs.column(base) for base in (-1, 0, 3, 4, 9)] == [0, 1, 1, 2, 3]
    torch.testing.assert_close(found.logits[0], network.head(whole)[0, :, :4].T)
    columns = columns_of_bases(model, found)
    assert columns.tolist() == [[1, 1, 1, 1, 2, 2, 2, 2, 3, 3]]
    (rows,) = read_activations(model, "pool", [sequence])
    assert torch.equal(rows, found.taps["pool"][0][[0, 0, 0, 0, 1, 1, 1, 1, 2, 2]])


def test_edits_reach_what_follows_and_nothing_beyond_the_sequence() -> None:
    model, network, seen = trunk(), trained(Trunk), []

    def double(x: Tensor, context: TapContext) -> Tensor:
        seen.append((context.tap, context.offset, tuple(x.shape)))
        return 2 * x

    found = model.forward(SEQUENCES[:1], taps=["first", "second"], edits={"first": double})
    first = network.first(letters("NNN" + SEQUENCES[0] + "NNN")).clone()
    first[:, :, 3:-3] *= 2
    torch.testing.assert_close(found.taps["first"][0], first[0, :, 3:-3].T)
    torch.testing.assert_close(found.taps["second"][0], network.second(torch.relu(first))[0].T)
    assert seen == [("first", 0, (1, 16, 6))]
    with pytest.raises(ModelError, match="edit at first returned shape"):
        model.forward(SEQUENCES, edits={"first": lambda x, c: x[:1]})
    assert not any(module._forward_hooks for module in model.network.modules())


def test_early_exit_and_gradients() -> None:
    model = trunk()
    early = model.forward(SEQUENCES, taps=["first"], until="first")
    assert early.logits is None
    with pytest.raises(ModelError, match="stop at first, before second"):
        model.forward(SEQUENCES, taps=["second"], until="first")
    leaf = early.taps["first"].clone().requires_grad_(True)
    found = model.forward(SEQUENCES, edits={"first": lambda x, c: leaf}, gradients=True)
    (gradient,) = torch.autograd.grad(found.logits[0, 8, 2], leaf)
    step = torch.zeros_like(leaf)
    step[0, 9, 1] = 1e-2
    moved = model.forward(SEQUENCES, edits={"first": lambda x, c: leaf.detach() + step}).logits[0, 8, 2]
    assert float(moved.detach() - found.logits[0, 8, 2].detach()) == pytest.approx(
        1e-2 * float(gradient[0, 9, 1]), rel=0.05
    )
    with pytest.raises(ModelError, match="cannot hold its gates"):
        model.forward(SEQUENCES, gradients=True, frozen=True)


@pytest.mark.parametrize("off", [torch.no_grad, torch.inference_mode])
def test_a_network_that_switches_gradients_off_cannot_be_differentiated(off: type) -> None:
    model = trunk()
    leaf = model.forward(SEQUENCES, taps=["first"], until="first").taps["first"].clone().requires_grad_(True)
    model.network.forward = off()(model.network.forward)
    with pytest.raises(ModelError, match="cannot be differentiated: its network switches gradients off"):
        model.forward(SEQUENCES, edits={"first": lambda x, c: leaf}, gradients=True)
    assert model.forward(SEQUENCES, gradients=True).logits is not None  # nothing is put in


def test_a_causal_network_scores_base_after_base() -> None:
    network = trained(Following)
    model = ModuleModel(
        Following,
        network.state_dict(),
        ["embedding", "mixed"],
        encode=lambda codes: codes,
        causal=True,
        channels_last=True,
    )
    assert model.predicts_bases and model.base_tokens().tolist() == [0, 1, 2, 3]
    codes = torch.tensor([["ACGTN".index(base) for base in SEQUENCES[0]]])
    logp = network(codes)[0, :-1].log_softmax(-1)
    expected = [logp[i, code] for i, code in enumerate(codes[0, 1:].tolist()) if code < 4]
    nats = score(model, SEQUENCES[:1])[0].nats
    torch.testing.assert_close(torch.tensor(nats[~torch.isnan(torch.tensor(nats))]), torch.stack(expected))
    with pytest.raises(ModelError, match="is said to be causal; first sees bases further right"):
        trunk(causal=True)


def test_a_model_of_classes_has_no_likelihood() -> None:
    """Neither where it sees both sides, nor where it does not."""
    model = trunk()
    message = (
        r"gives classes \(neither, acceptor, donor\) and does not predict base after base: it cannot score"
    )
    with pytest.raises(ModelError, match=message):
        score(model, SEQUENCES)
    model.causal = True
    with pytest.raises(ModelError, match=message):
        score(model, SEQUENCES)


def test_fresh_weights_are_those_of_the_seed() -> None:
    model = trunk()
    state = torch.get_rng_state()
    one, same, other = (with_random_weights(model, seed) for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), state)
    assert one.weights_hash == same.weights_hash
    assert len({one.weights_hash, other.weights_hash, model.weights_hash}) == 3
    torch.manual_seed(1)
    expected = Trunk().eval()
    given = letters("NNN" + SEQUENCES[0] + "NNN")
    torch.testing.assert_close(one.forward(SEQUENCES[:1]).logits[0], expected(given)[0].T.log_softmax(-1))
    assert one.name == "module (random weights, seed 1)" and model.name == "module"


def test_bf16() -> None:
    model = trunk().to("cpu", torch.bfloat16)
    found = model.forward(SEQUENCES, taps=["first"])
    assert found.taps["first"].dtype == model.dtype == torch.bfloat16
    assert found.logits.dtype == torch.float32
    torch.testing.assert_close(found.logits, trunk().forward(SEQUENCES).logits, atol=0.05, rtol=0)


@pytest.mark.parametrize("suffix", ["pt", "safetensors"])
def test_weights_from_a_file(tmp_path: Path, suffix: str) -> None:
    state, path = trained(Trunk).state_dict(), tmp_path / f"weights.{suffix}"
    torch.save(state, path) if suffix == "pt" else save_file(state, path)
    found = ModuleModel(Trunk, path, {"first": Columns()}, CLASSES, pad=3)
    assert found.weights_hash == trunk().weights_hash


def test_a_pickle_that_runs_code_is_no_file_of_weights(tmp_path: Path) -> None:
    marker = tmp_path / "ran"

    class Evil:
        def __reduce__(self) -> tuple:
            return Path.touch, (marker,)

    torch.save({"first.weight": Evil()}, tmp_path / "weights.pt")
    with pytest.raises(ModelError, match="cannot be read as data"):
        ModuleModel(Trunk, tmp_path / "weights.pt", ["first"], CLASSES, pad=3)
    assert not marker.exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"taps": ["third"]}, "no module 'third' to tap; its modules are first, second, head"),
        ({"taps": {"second": Columns(4)}}, "pad 3 less the offset 4 of tap second must be 0 or more"),
        ({"taps": ["second"], "pad": 0}, r"tap second gives .* expected a column for every 1"),
        ({"outputs": Outputs("classes", ("a", "b"))}, "3 outputs a place, expected 2"),
        ({"outputs": CLASSES, "pad": 0, "taps": ["first"]}, None),
        (
            {"outputs": Outputs("classes", ("a", "b", "c"), 0)},
            "outputs for 64 bases, expected 67 of offset 0",
        ),
        ({"encode": lambda codes: codes}, "does not take 70 letters"),
    ],
)
def test_what_does_not_fit_is_refused(changes: dict, message: str | None) -> None:
    if message is None:  # outputs of the inner bases alone are allowed: nothing is said of the others
        model = trunk(**changes)
        found = columns_of_bases(model, model.forward(SEQUENCES[:1]))[0].tolist()
        assert found == [-1] * 3 + list(range(10)) + [-1] * 3
        return
    with pytest.raises(ModelError, match=message):
        trunk(**changes)


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"first.weight": torch.zeros(1)}, "weights do not fit"),
        ({"x": torch.zeros(1)}, "6 missing: first.weight"),
    ],
)
def test_other_weights_are_refused(state: dict, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        ModuleModel(Trunk, state, ["first"], CLASSES, pad=3)


@pytest.mark.parametrize(
    ("sequences", "message"),
    [
        ([], "no sequence"),
        (["ACGT", ""], "sequence 1 is empty"),
        (["ACGE"], "not DNA"),
        (["A" * 99], "at most 64"),
    ],
)
def test_sequences_that_cannot_be_read(sequences: list[str], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        trunk(context=64).forward(sequences)


def test_one_hot_of_other_letters_is_nothing() -> None:
    assert one_hot(torch.tensor([[0, 3, 4]])).tolist() == [[[1, 0, 0], [0, 0, 0], [0, 0, 0], [0, 1, 0]]]
