"""Training: it learns, it resumes bit for bit, it never sees what is held out."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from genomic_models import ModuleModel, Outputs, load
from genomic_models.contract import ModelError
from genomic_models.corpus import Corpus, write_corpus
from genomic_models.pretraining import PretrainConfig, Pretrainer, learning_rate_at
from genomic_models.striped_hyena.config import StripedHyenaConfig
from genomic_models.striped_hyena.model import StripedHyenaModel, own_network
from genomic_models.striped_hyena.network import StripedHyena, initialise

ARCHITECTURE = StripedHyenaConfig("evo2", "SDH*", 16, 2, 32, groups=4, context=64)
CONFIG = PretrainConfig(tokens=64 * 4 * 12, length=64, batch=4, holdout=0.2, block=256, autocast=False)


@pytest.fixture
def corpus(tmp_path):
    rng = np.random.default_rng(0)
    random = "".join(rng.choice(list("ACGT"), 3000))
    return write_corpus([("repeat", "ACCGTTTGAN" * 300), ("random", random)], tmp_path / "corpus")


def test_corpus_round_trip(corpus, tmp_path):
    again = Corpus(tmp_path / "corpus")
    assert [(r.name, r.offset, r.length) for r in again.records] == [
        ("repeat", 0, 3000),
        ("random", 3000, 3000),
    ]
    assert bytes(again.letters[:10]) == b"ACCGTTTGAN"
    rows = again.read(np.array([0, 0]), 10, np.array([False, True]))
    assert [bytes(r) for r in rows] == [b"ACCGTTTGAN", b"NTCAAACGGT"]


@pytest.mark.parametrize("phase", [0, 17, 63])
def test_training_windows_never_touch_heldout_blocks(corpus, phase):
    training, held = corpus.window_starts(64, 256, 0.2, 0, phase)
    _, held0 = corpus.window_starts(64, 256, 0.2, 0, 0)
    out = np.zeros(6000, bool)
    for start in held0:
        out[start : start + 64] = True
    assert len(training) and len(held0)
    assert not any(out[s : s + 64].any() for s in training)
    assert all(s % 3000 + 64 <= 3000 for s in [*training, *held])


def test_what_is_given_several_times_is_read_so_often_and_held_out_once(corpus, tmp_path):
    once, held_once = corpus.window_starts(64, 256, 0.2, 0, 17)
    corpus.repeat([3, 1])
    again = Corpus(tmp_path / "corpus")
    assert [r.times for r in again.records] == [3, 1]
    often, held = again.window_starts(64, 256, 0.2, 0, 17)
    assert sorted(often) == sorted([*once, *once[once < 3000], *once[once < 3000]])
    assert list(held) == list(held_once)
    # And so in an epoch of training.
    trainer = Pretrainer(ARCHITECTURE, replace(CONFIG, batch=1), again, tmp_path / "run")
    epoch = [trainer.batch(step)[0] for step in range(len(often))]
    repeats = sum(bool((row == ord("N")).any()) for row in epoch)
    assert repeats == 3 * (len(epoch) - (once >= 3000).sum()) / 3 and repeats > len(epoch) / 2


def test_loss_falls_and_resume_gives_the_same_weights(corpus, tmp_path):
    progress = []
    whole = Pretrainer(ARCHITECTURE, CONFIG, corpus, tmp_path / "whole")
    whole.run(progress.append)
    assert progress[-1].step == progress[-1].steps == 12
    assert progress[-1].bits < progress[0].bits - 0.8

    first = Pretrainer(ARCHITECTURE, CONFIG, corpus, tmp_path / "halved")
    first.run(should_stop=lambda: first.step >= 5)
    second = Pretrainer(ARCHITECTURE, CONFIG, corpus, tmp_path / "halved")
    assert second.step == 5
    second.run()
    a = load_file(tmp_path / "whole" / "model.safetensors")
    b = load_file(tmp_path / "halved" / "model.safetensors")
    assert a.keys() == b.keys()
    assert all(torch.equal(a[k], b[k]) for k in a)


def test_weights_carry_published_names_and_negative_poles(corpus, tmp_path):
    trainer = Pretrainer(ARCHITECTURE, CONFIG, corpus, tmp_path / "run")
    weights = trainer.weights()
    assert (weights["blocks.2.filter.log_poles"] < 0).all()
    assert weights["blocks.1.filter.h"].shape == (4, 1, 128)


def poles(folder, block: int = 2) -> torch.Tensor:
    return load_file(folder / "model.safetensors")[f"blocks.{block}.filter.log_poles"]


def test_no_filter_remembers_longer_than_its_reach(corpus, tmp_path):
    # Nothing here but the long filter sees further than seven bases.
    architecture, left = replace(ARCHITECTURE, pattern="SH"), {}
    here, other = "ACGT" * 16, "TTGA" * 8 + "ACGT" * 8
    for reach in (0.0, 4.0):
        folder = tmp_path / f"reach_{reach:g}"
        Pretrainer(architecture, replace(CONFIG, reach=reach), corpus, folder).run()
        model = load(str(folder))
        with torch.inference_mode():
            a, b = (model.forward([text], taps=["blocks.1"]).taps["blocks.1"][0] for text in (here, other))
        left[reach] = float((a[63] - b[63]).norm() / (a[31] - b[31]).norm())
    assert (-1 / poles(tmp_path / "reach_0", 1)).max() > 20
    assert (-1 / poles(tmp_path / "reach_4", 1)).max() < 4
    assert left[4.0] < 10 * math.exp(-32 / 4) < left[0.0]


def test_a_run_without_a_bound_goes_on_with_one(corpus, tmp_path):
    first = Pretrainer(ARCHITECTURE, replace(CONFIG, reach=0.0), corpus, tmp_path / "run")
    first.run(should_stop=lambda: first.step >= 5)
    before = poles(tmp_path / "run")
    # States of before there was a bound do not name it.
    stamp = json.loads((tmp_path / "run" / "progress.json").read_text())
    del stamp["reach"], stamp["training"]["reach"]
    (tmp_path / "run" / "progress.json").write_text(json.dumps(stamp))
    second = Pretrainer(ARCHITECTURE, replace(CONFIG, reach=16.0), corpus, tmp_path / "run")
    second.save()
    after, slow = poles(tmp_path / "run"), before > -1 / 15
    assert second.step == 5 and 0 < slow.sum() < slow.numel()
    assert torch.allclose(after[~slow], before[~slow], rtol=1e-5)
    assert (after[slow] < -1 / 16).all() and (after[slow] > -1 / 14).all()


def test_another_corpus_is_refused(corpus, tmp_path):
    Pretrainer(ARCHITECTURE, CONFIG, corpus, tmp_path / "run").save()
    other = write_corpus([("other", "ACGT" * 500)], tmp_path / "other")
    with pytest.raises(ModelError, match="another architecture or corpus"):
        Pretrainer(ARCHITECTURE, CONFIG, other, tmp_path / "run")


def test_schedule_rises_stays_and_falls_to_zero():
    config = PretrainConfig(tokens=2048 * 4 * 100, warmup=2048 * 4 * 10, decay=0.2)
    assert learning_rate_at(0, config) == pytest.approx(0.1)
    assert learning_rate_at(9, config) == learning_rate_at(80, config) == pytest.approx(1.0)
    assert learning_rate_at(85, config) == pytest.approx(0.5)  # 1 - sqrt(5 / 20)
    assert learning_rate_at(100, config) == pytest.approx(0.0)
    short = PretrainConfig(tokens=2048 * 4 * 20, warmup=2048 * 4 * 10)
    assert learning_rate_at(1, short) == pytest.approx(1.0)


def test_the_length_of_a_run_is_open_until_the_rate_falls(corpus, tmp_path):
    planned = replace(CONFIG, warmup=256)
    longer = replace(planned, tokens=2 * planned.tokens)
    for name, config in {"whole": planned, "shortened": longer}.items():
        first = Pretrainer(ARCHITECTURE, config, corpus, tmp_path / name)
        first.run(should_stop=lambda first=first: first.step >= 5)
        Pretrainer(ARCHITECTURE, planned, corpus, tmp_path / name).run()
    a, b = (load_file(tmp_path / name / "model.safetensors") for name in ("whole", "shortened"))
    assert all(torch.equal(a[k], b[k]) for k in a)


def test_a_run_goes_on_with_longer_windows(corpus, tmp_path):
    first = Pretrainer(ARCHITECTURE, CONFIG, corpus, tmp_path / "run")
    first.run(should_stop=lambda: first.step >= 5)
    architecture, config = replace(ARCHITECTURE, context=128), replace(CONFIG, length=128, batch=2)
    progress = []
    Pretrainer(architecture, config, corpus, tmp_path / "run").run(progress.append)
    assert [p.tokens for p in progress] == [256 * step for step in range(6, 13)]
    assert json.loads((tmp_path / "run" / "config.json").read_text())["context"] == 128


@pytest.mark.parametrize("sequences", [[], [("gap", "N" * 500)]])
def test_a_corpus_without_a_base_is_refused(sequences, tmp_path):
    with pytest.raises(ModelError, match=f"none of its {500 * len(sequences)} letters"):
        write_corpus(sequences, tmp_path / "none")
    assert not list((tmp_path / "none").iterdir())


def test_windows_of_a_gap_stop_no_training_and_count_in_no_score(tmp_path):
    corpus = write_corpus([("bases", "ACCGTTTGAN" * 100), ("gap", "N" * 3000)], tmp_path / "corpus")
    trainer = Pretrainer(ARCHITECTURE, replace(CONFIG, holdout=0.5, batch=1), corpus, tmp_path / "run")
    in_gap = [bool((trainer.batch(step) == ord("N")).all()) for step in range(12)]
    trainer.run()
    assert any(in_gap) and not all(in_gap)
    assert all(torch.isfinite(tensor).all() for tensor in trainer.weights().values())
    rows = trainer._heldout
    with torch.no_grad():
        chances = trainer.network(rows)[0].double().log_softmax(2)
    bits = [
        -float(chances[row, at - 1, letter]) / math.log(2)
        for row, letters in enumerate(rows.tolist())
        for at, letter in enumerate(letters)
        if at and chr(letter) in "ACGT"
    ]
    assert 0 < len(bits) < rows.numel() / 2
    assert trainer.evaluate() == pytest.approx(sum(bits) / len(bits), rel=1e-5)


def begun(corpus, tmp_path) -> StripedHyenaModel:
    """A model that was trained for a few steps."""
    Pretrainer(ARCHITECTURE, CONFIG, corpus, tmp_path / "begun").run()
    model = load(str(tmp_path / "begun"))
    assert isinstance(model, StripedHyenaModel)
    return model


def test_training_goes_on_from_a_model_and_after_a_stop_gives_the_same_bytes(corpus, tmp_path):
    origin = begun(corpus, tmp_path)
    progress: list = []
    whole = Pretrainer(ARCHITECTURE, CONFIG, corpus, tmp_path / "whole", origin=origin)
    assert not any(optimizer.state for optimizer in whole.optimizers)
    with torch.no_grad():
        first_bits = whole.loss(origin.network, whole.batch(0)).item() / math.log(2)
    whole.run(progress.append)
    assert progress[0].bits == pytest.approx(first_bits, rel=1e-5) and progress[-1].bits < first_bits

    first = Pretrainer(ARCHITECTURE, CONFIG, corpus, tmp_path / "halved", origin=origin)
    first.run(should_stop=lambda: first.step >= 5)
    Pretrainer(ARCHITECTURE, CONFIG, corpus, tmp_path / "halved", origin=origin).run()
    for name in ("model.safetensors", "config.json", "progress.json"):
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "halved" / name).read_bytes()
    assert load(str(tmp_path / "whole")).weights_hash != origin.weights_hash


def test_filters_of_a_model_that_training_goes_on_from_begin_within_the_reach(corpus, tmp_path):
    origin = begun(corpus, tmp_path)
    own = origin.network.state_dict()
    with torch.no_grad():
        own["blocks.2.filter.log_poles"][0] = -1 / 1000
    for reach in (0.0, 16.0):
        run = tmp_path / f"reach_{reach:g}"
        Pretrainer(ARCHITECTURE, replace(CONFIG, reach=reach), corpus, run, origin=origin).save()
        slow = own["blocks.2.filter.log_poles"] > (-1 / 15 if reach else 0.0)
        assert slow.any() == bool(reach) and (-1 / poles(run)[slow] < reach).all()
        for name, tensor in load_file(run / "model.safetensors").items():
            expected, found = own[name], tensor
            if name == "blocks.2.filter.log_poles":
                expected, found = expected[~slow], found[~slow]
            assert torch.allclose(found, expected, rtol=1e-5, atol=0), name
    # Such runs had no bound before their state named it, whatever their settings said.
    run = tmp_path / "reach_0"
    before, stamp = poles(run), json.loads((run / "progress.json").read_text())
    del stamp["reach"]
    stamp["training"]["reach"] = 128.0
    (run / "progress.json").write_text(json.dumps(stamp))
    Pretrainer(ARCHITECTURE, replace(CONFIG, reach=0.0), corpus, run, origin=origin).save()
    assert torch.equal(before, poles(run))


def test_a_run_from_one_model_does_not_go_on_from_another(corpus, tmp_path):
    origin = begun(corpus, tmp_path)
    Pretrainer(ARCHITECTURE, CONFIG, corpus, tmp_path / "run", origin=origin).save()
    stamp = json.loads((tmp_path / "run" / "progress.json").read_text())
    assert stamp["origin"] == origin.weights_hash
    with pytest.raises(ModelError, match="or from another model"):
        Pretrainer(ARCHITECTURE, CONFIG, corpus, tmp_path / "run")


def test_models_of_other_kinds_are_not_trained_on():
    older = StripedHyenaConfig("evo1", "H*", 16, 2, 32, groups=16, state=4, context=64)
    for config, reason in ((older, "Evo 1's kind"), (replace(ARCHITECTURE, fp8_projections=True), "FP8")):
        model = StripedHyenaModel(initialise(StripedHyena(config), 0), "other")
        with pytest.raises(ModelError, match=f"other .*{reason}.* cannot be trained here: expected mini"):
            own_network(model, "trained here")

    def build():
        return torch.nn.Sequential(torch.nn.Conv1d(4, 2, 1))

    classes = ModuleModel(build, build().state_dict(), ["0"], Outputs("classes", ("a", "b")), causal=True)
    with pytest.raises(ModelError, match="cannot be trained here: expected mini or a folder"):
        own_network(classes, "trained here")
