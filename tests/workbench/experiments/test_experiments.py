"""Questions put to a finished study: their files, what they refuse, every engine, the answer."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyBigWig
import pytest
import torch

from feature_mining.attribution.features import attribute_features
from genomic_models.dna import BASES
from tests.workbench.small_study import finished_study
from workbench.engines.chain import steps
from workbench.engines.local import here, processes, run_experiment
from workbench.engines.shards import fingerprint
from workbench.errors import InputError
from workbench.experiments.attribute import AttributeSettings
from workbench.experiments.question import QUESTION
from workbench.experiments.registry import (
    as_stage,
    create_experiment,
    experiments,
    find_step,
    open_experiment,
)
from workbench.experiments.targets import Asked, parse_target
from workbench.files.parquet import read_parquet
from workbench.genome.interval import Interval
from workbench.study.config import JobConfig
from workbench.study.study import Study

CONTIG = "NC_005816.1"
# Short and coarse: a random model of 16 channels.
QUICK = AttributeSettings(
    targets=[f"{CONTIG}:701", f"{CONTIG}:1,000-1,009"], context=60, steps=8, ablated=3, bases=4
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of a finished study."""
    made = finished_study(tmp_path_factory)
    copy = tmp_path_factory.mktemp("experiments") / "study"
    shutil.copytree(made, copy)
    return copy


@pytest.fixture(scope="module")
def answered(folder: Path) -> Study:
    """The study with the experiment ``first``, run here."""
    study = Study.open(folder)
    create_experiment(study, "first", "attribute", QUICK)
    run_experiment(study, "first")
    return study


def test_a_target_is_read_in_the_direction_of_its_strand(folder: Path) -> None:
    study = Study.open(folder)
    reference = study.genome.fetch(CONTIG, 700, 701)
    other = "C" if reference != "C" else "A"
    asked = parse_target(study, f"{CONTIG}:701:{reference}:{other}")
    letters, before, target = asked.read(study, "-", 30)
    complement = str.maketrans("ACGT", "TGCA")
    # Written out by hand: the complement of what lies to the right, backwards.
    assert letters == study.genome.fetch(CONTIG, 700, 731).translate(complement)[::-1]
    assert before == 30 and letters[30] == reference.translate(complement)
    logits = study.model.forward([letters]).logits
    assert logits is not None
    logs = logits[0, 29].log_softmax(-1)
    expected = logs[ord(other.translate(complement))] - logs[ord(letters[30])]
    value = target.value(study.model, study.model.forward([letters]))
    assert float(value[0]) == pytest.approx(float(expected), abs=1e-6)
    stretch = parse_target(study, f"{CONTIG}:1,000-1,009")
    assert stretch.place == (CONTIG, 999, 1009)
    assert parse_target(study, "NC_005816:1000..1009").place == stretch.place


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("nowhere:5", "nowhere"),
        (f"{CONTIG}:0", "first base of 1 or more"),
        (f"{CONTIG}:9-5", "not before it"),
        (f"{CONTIG}:99999999", "9,609"),
        (f"{CONTIG}:701:AC:A", "one base in place of another"),
        ("gene", "expected CONTIG:POSITION"),
    ],
)
def test_a_target_that_is_none_gets_a_sentence(folder: Path, text: str, said: str) -> None:
    with pytest.raises(InputError, match=re.escape(said)):
        parse_target(Study.open(folder), text)


def test_what_cannot_be_asked_leaves_no_folder(folder: Path) -> None:
    study = Study.open(folder)
    wrong = "A" if study.genome.fetch(CONTIG, 700, 701) != "A" else "C"
    for settings, said in [
        (replace(QUICK, targets=[]), "no target given"),
        (replace(QUICK, targets=[f"{CONTIG}:701:{wrong}:G"]), "the genome has"),
        (replace(QUICK, targets=[f"{CONTIG}:1"], strands=["+"]), "nothing lies before it"),
        (replace(QUICK, strands=["x"]), "strands are"),
        (replace(QUICK, method="guess"), "method is 'guess'"),
    ]:
        with pytest.raises(InputError, match=said):
            create_experiment(study, "wrong", "attribute", settings)
        assert not (folder / "experiments" / "wrong").exists()
    with pytest.raises(InputError, match="expected a name of letters"):
        create_experiment(study, "../out", "attribute", QUICK)


def test_parts_add_up_and_ablations_are_exact(answered: Study) -> None:
    asked = open_experiment(answered, "first")
    tables = {name: read_parquet(asked.folder / f"{name}.parquet") for name in ("targets", "features")}
    targets, features = tables["targets"], tables["features"]
    assert list(zip(targets["target"], targets["strand"], strict=True)) == [
        (text, strand) for text in QUICK.targets for strand in "+-"
    ]
    for row in targets.itertuples():
        mine = features[(features["target"] == row.target) & (features["strand"] == row.strand)]
        assert row.from_features == pytest.approx(mine["attribution"].sum(), abs=1e-5)
        apart = row.from_features + row.from_error - (row.value - row.baseline)
        assert abs(apart) / abs(row.value - row.baseline) == pytest.approx(
            row.completeness_error, rel=1e-3, abs=1e-6
        )
        assert mine["position"].between(row.start - QUICK.context, row.end - 1 + QUICK.context).all()
    # One ablation again, without the library: the feature's part taken out of the activation.
    ablations = read_parquet(asked.folder / "ablations.parquet")
    row = ablations.iloc[0]
    target = parse_target(answered, row["target"])
    letters, _, output = target.read(answered, row["strand"], QUICK.context)
    model, sae, layer = answered.model, answered.sae, answered.layer
    x = model.forward([letters], taps=[layer]).taps[layer][0]
    f = sae.encode(x)[:, int(row["feature"])]
    without = x - f[:, None] * sae.W_dec[int(row["feature"])]
    put = model.forward([letters], edits={layer: lambda own, context: without[None].to(own.dtype)})
    effect = output.value(model, model.forward([letters])) - output.value(model, put)
    assert float(effect[0]) == pytest.approx(row["effect"], abs=2e-5)
    for _, part in ablations.groupby(["target", "strand"]):
        leading, control = part[~part["control"]], part[part["control"]]
        assert len(leading) == len(control) == 3
        assert not set(leading["feature"]) & set(control["feature"])
        assert leading["attribution"].abs().min() >= control["attribution"].abs().max()


def test_a_feature_of_a_later_layer_is_a_target(folder: Path) -> None:
    study = Study.open(folder)
    layer, own = "blocks.3", study.sae
    study.sae.save(folder / "layers" / layer)
    study.calibration.save(folder / "layers" / layer)
    text = f"{CONTIG}:701-704@{layer}#5"
    letters, before, target = parse_target(study, text).read(study, "+", 60)
    forward = study.model.forward([letters], taps=[layer])
    expected = own.encode(forward.taps[layer][0])[before:, 5].sum()
    assert before == 60 and float(target.value(study.model, forward)[0]) == pytest.approx(float(expected))
    asked = create_experiment(study, "later", "attribute", replace(QUICK, targets=[text], strands=["+"]))
    run_experiment(study, "later")
    row = read_parquet(asked.folder / "targets.parquet").iloc[0]
    assert row["value"] == pytest.approx(float(expected), rel=1e-4, abs=1e-5)
    assert row["title"] == f"activation of feature 5 of {layer} at {CONTIG}:701-704"
    for wrong, said in [
        (f"{CONTIG}:701@blocks.1#5", "expected one after blocks.2"),
        (f"{CONTIG}:701@{layer}#64", "features 0 to 63"),
        (f"{CONTIG}:701@norm#1", "the study has no autoencoder of norm"),
    ]:
        with pytest.raises(InputError, match=said):
            parse_target(study, wrong)
    shutil.rmtree(asked.folder)


@pytest.mark.parametrize(
    ("target", "context", "said"),
    [
        ("701", 256, "701: 1 base with 256 before are more than the 256 that {0} reads at once; ask for a"),
        ("701-705", 9999, "ask for a context of at most 251"),
        (
            "701-960",
            0,
            "260 bases with 1 before are more than the 256 that {0} reads at once; ask for a shorter place",
        ),
    ],
)
@pytest.mark.parametrize("strand", "+-")
def test_no_more_is_read_than_the_model_reads_at_once(
    folder: Path, target: str, context: int, said: str, strand: str
) -> None:
    study = Study.open(folder)
    asked = parse_target(study, f"{CONTIG}:{target}")
    with pytest.raises(InputError) as error:
        asked.read(study, strand, context)
    assert said.format(study.model.name) in str(error.value)


@pytest.mark.parametrize("strand", "+-")
def test_the_context_is_1024_bases_or_what_the_model_reads_at_once(
    folder: Path, strand: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = Study.open(folder)
    asked = parse_target(study, f"{CONTIG}:4,001-4,006")
    assert study.model.context == 256
    letters, before, _ = asked.read(study, strand, 0)
    assert len(letters) == 256 and before == 250
    monkeypatch.setattr(study.model, "context", 2048)
    letters, before, _ = asked.read(study, strand, 0)
    assert len(letters) == 1030 and before == 1024


@pytest.mark.parametrize("strand", "+-")
def test_a_model_that_sees_both_sides_reads_as_much_on_either(strand: str) -> None:
    study = SimpleNamespace(
        model=SimpleNamespace(longest=100, causal=False, name="both", base_tokens=lambda: BASES),
        manifest=SimpleNamespace(contigs={"one": 1000}),
        genome=SimpleNamespace(fetch=lambda chrom, start, end, strand: ("ACGT" * 250)[start:end]),
    )
    asked = Asked("one:501-506", Interval("one", 500, 506))
    letters, before, _ = asked.read(study, strand, 0)
    assert len(letters) == 100 and before == 47
    with pytest.raises(InputError, match="6 bases with 48 around are more than the 100 that both reads"):
        asked.read(study, strand, 48)
    # Tokens of several bases: how many are too many is the model's to say.
    study.model.base_tokens = lambda: None
    assert asked.read(study, strand, 48)[1] == 48


def test_direct_parts_and_shuffled_intervals_stand_in_tables_and_page(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = Study.open(folder)
    monkeypatch.setattr(study.model, "context", 1024)  # of whole genes
    settings = replace(QUICK, context=900, track="CDS", shuffles=2, targets=[f"{CONTIG}:4001"])
    create_experiment(study, "intervals", "attribute", settings)
    run_experiment(study, "intervals")
    asked = open_experiment(study, "intervals")
    tables = {name: read_parquet(asked.folder / f"{name}.parquet") for name in ("features", "intervals")}
    genes = next(t for t in study.tracks if t.name == "CDS").intervals
    for strand, (left, right) in {"+": (3100, 4000), "-": (4001, 4901)}.items():
        inside = genes[(genes["start"] >= left) & (genes["end"] <= right)]
        found = tables["intervals"][tables["intervals"]["strand"] == strand]
        assert list(zip(found["start"], found["end"], strict=True)) == list(
            zip(inside["start"], inside["end"], strict=True)
        )
    assert len(tables["intervals"]) == 2 and tables["intervals"]["ablated"].notna().all()
    # The direct parts again, by the library.
    letters, _, target = parse_target(study, settings.targets[0]).read(study, "+", 900)
    own = attribute_features(study.model, letters, target, study.dictionary, "direct").table
    mine = tables["features"][tables["features"]["strand"] == "+"]
    both = mine.assign(position=mine["position"] - 3100).merge(own, on=["feature", "position"])
    np.testing.assert_allclose(both["direct"], both["attribution_y"], rtol=1e-4, atol=1e-7)
    # A third of the sum of losses, as another reader sees it.
    bases = read_parquet(asked.folder / "bases.parquet")
    for strand, side in (("+", "plus"), ("-", "minus")):
        with pyBigWig.open(str(asked.folder / f"bases.1.{side}.bw")) as file:
            assert dict(file.chroms()) == dict(study.manifest.contigs)
            for row in bases[bases["strand"] == strand].to_dict("records"):
                lost = -sum(row[base] for base in "ACGT") / 3
                value = file.values(CONTIG, row["position"], row["position"] + 1)[0]
                assert value == pytest.approx(lost, abs=1e-6)
    page = (asked.folder / "page.html").read_text()
    assert "Contribution of" in page and "intervals of CDS in the context" in page
    with pytest.raises(InputError, match="there is no track 'none'; expected one of"):
        create_experiment(study, "wrong", "attribute", replace(settings, track="none"))
    shutil.rmtree(asked.folder)


def test_substitutions_are_those_of_the_genome(answered: Study) -> None:
    asked = open_experiment(answered, "first")
    bases = read_parquet(asked.folder / "bases.parquet")
    complement = str.maketrans("ACGT", "TGCA")
    for row in bases.itertuples():
        own = answered.genome.fetch(CONTIG, row.position, row.position + 1)
        assert row.base == (own if row.strand == "+" else own.translate(complement))
        assert getattr(row, row.base) == 0
    one = bases[(bases["target"] == QUICK.targets[0]) & (bases["strand"] == "-")]
    assert list(one["position"]) == [704, 703, 702, 701]
    # One of them anew, in a whole pass.
    row = one.iloc[1]
    letters, before, output = parse_target(answered, row["target"]).read(answered, "-", QUICK.context)
    changed = letters[: before - 3] + ("A" if row["base"] != "A" else "C") + letters[before - 2 :]
    values = [
        float(output.value(answered.model, answered.model.forward([each]))[0]) for each in (changed, letters)
    ]
    assert values[0] - values[1] == pytest.approx(row["A" if row["base"] != "A" else "C"], abs=2e-5)


class Page(HTMLParser):
    """Addresses that a page names, and its text."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.addresses += [str(value) for name, value in attrs if name in ("src", "href") and value]

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_says_what_was_asked_of_what_and_fetches_nothing(answered: Study) -> None:
    asked = open_experiment(answered, "first")
    page = Page()
    page.feed((asked.folder / "page.html").read_text())
    assert not [address for address in page.addresses if not address.startswith("#")]
    subject = asked.question.subject
    for text in (subject.model, subject.autoencoder, *QUICK.targets, "log-likelihood of"):
        assert text in page.text
    for file in answered.manifest.inputs.values():
        assert file.sha256 in page.text


def test_worker_processes_and_one_process_leave_the_same_tables(answered: Study) -> None:
    before = experiments(answered)
    create_experiment(answered, "second", "attribute", QUICK)
    run_experiment(answered, "second", processes(2, threads=torch.get_num_threads()))
    first, second = (open_experiment(answered, name).folder for name in ("first", "second"))
    for path in first.glob("*.parquet"):
        one, other = read_parquet(path), read_parquet(second / path.name)
        for column in one:
            if one[column].dtype.kind == "f":
                assert np.allclose(one[column], other[column], atol=1e-5, equal_nan=True)
            else:
                assert list(one[column]) == list(other[column])
    assert "first" in before and experiments(answered) == sorted([*before, "second"])


def test_what_is_done_is_not_repeated_and_what_is_damaged_is(answered: Study) -> None:
    create_experiment(answered, "third", "attribute", QUICK)
    run_experiment(answered, "third")
    asked = open_experiment(answered, "third")
    page = asked.folder / "page.html"
    before = page.stat().st_mtime_ns
    run_experiment(answered, "third")
    assert page.stat().st_mtime_ns == before
    part = next((asked.folder / "parts").glob("00001.features.*"))
    whole = part.read_bytes()
    part.write_bytes(whole[:-9])
    run_experiment(answered, "third")
    assert part.read_bytes() == whole
    stage = as_stage(answered, "third")
    other = create_experiment(answered, "fourth", "attribute", replace(QUICK, context=61))
    assert fingerprint(answered, stage) != fingerprint(answered, as_stage(answered, "fourth"))
    with pytest.raises(InputError, match="asks something else"):
        create_experiment(answered, "fourth", "attribute", QUICK)
    shutil.rmtree(other.folder)


def test_a_question_runs_in_another_study_of_the_same_features_and_in_no_other(
    answered: Study, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    shutil.copytree(answered.folder, other, ignore=shutil.ignore_patterns("experiments"))
    (other / "experiments" / "copied").mkdir(parents=True)
    question = other / "experiments" / "copied" / QUESTION
    shutil.copy(answered.folder / "experiments" / "first" / QUESTION, question)
    study = Study.open(other)
    run_experiment(study, "copied", here)
    assert (question.parent / "page.html").exists()
    question.write_text(question.read_text().replace(study.sae_hash, "0" * 8))
    with pytest.raises(InputError, match=f"asked of autoencoder 00000000; that of .* is {study.sae_hash}"):
        open_experiment(study, "copied")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (('kind = "attribute"', 'kind = "guess"'), "kind is 'guess'; expected one of attribute"),
        (("version = 1", "version = 2"), "version is 2; this program reads 1"),
        (("context = 60", "contxt = 60"), "unknown key 'contxt'"),
        (("context = 60", 'context = "far"'), "context is 'far', expected int"),
        (("context = 60", "context = -1"), "context -1 must be at least 0"),
        (("version = 1", "version = = 1"), "not valid TOML"),
    ],
)
def test_a_wrong_question_gets_a_sentence(answered: Study, change: tuple[str, str], said: str) -> None:
    path = answered.folder / "experiments" / "wrong" / QUESTION
    path.parent.mkdir(exist_ok=True)
    text = (answered.folder / "experiments" / "first" / QUESTION).read_text()
    assert change[0] in text
    path.write_text(text.replace(*change))
    with pytest.raises(InputError, match=re.escape(said)) as found:
        open_experiment(answered, "wrong")
    assert str(path) in str(found.value)
    shutil.rmtree(path.parent)


def test_an_experiment_is_queued_as_an_array_and_a_merge(answered: Study) -> None:
    create_experiment(answered, "queued", "attribute", QUICK)
    found = steps(answered, JobConfig(tasks=4), experiment="queued")
    assert [(s.stage, s.kind, s.job.tasks) for s in found] == [
        ("experiments/queued", "shards", 4),
        ("experiments/queued", "reduce", 0),
    ]
    assert "/" not in found[0].job.name
    with pytest.raises(InputError, match="unknown stage"):
        find_step(answered, "queued")
    shutil.rmtree(open_experiment(answered, "queued").folder)


def test_from_the_command_line(answered: Study, cli, refused) -> None:  # type: ignore[no-untyped-def]
    folder = answered.folder
    quick = ("--context", 60, "--steps", 4, "--ablated", 2, "--bases", 2)
    asked = ("attribute", folder, "--target", f"{CONTIG}:701", "--strand", "+", *quick)
    code, out, err = cli(*asked, "--name", "typed", "--later")
    assert code == 0 and "--run typed" in out, err
    code, out, _ = cli("experiments", folder)
    assert code == 0 and re.search(r"typed +attribute +waiting +0 of 1", out)
    code, out, err = cli("experiments", folder, "--run", "typed")
    assert code == 0 and out.strip().endswith("experiments/typed/page.html"), err
    for task in ("shard", "reduce"):
        extra = ("--shard", "0/1") if task == "shard" else ()
        assert cli(task, folder, "--stage", "experiments/typed", *extra)[0] == 0
    assert "asks something else" in refused(*asked, "--name", "typed", "--context", 61)
    assert "no such question" in refused("experiments", folder, "--run", "nothing")
    assert "expected CONTIG:POSITION" in refused("attribute", folder, "--target", "x", "--name", "new")
    code, out, err = cli("verify", folder)
    assert code == 0 and "finished stages and experiments" in out, err
    page = open_experiment(answered, "typed").folder / "page.html"
    page.write_text(page.read_text().replace("log-prob", "log-Prob", 1))
    assert "1 damaged" in refused("verify", folder)
    assert cli("experiments", folder, "--run", "typed")[0] == 0 and cli("verify", folder)[0] == 0


def test_what_one_task_made_is_not_made_again(answered: Study, cli) -> None:  # type: ignore[no-untyped-def]
    asked = create_experiment(answered, "begun", "attribute", QUICK)
    assert cli("shard", answered.folder, "--stage", "experiments/begun", "--shard", "0/4")[0] == 0
    (made,) = (asked.folder / "parts").glob("*.targets.parquet")
    before = made.stat().st_mtime_ns
    run_experiment(answered, "begun")
    assert made.stat().st_mtime_ns == before
    assert len(list((asked.folder / "parts").glob("*.targets.parquet"))) == 4


def test_a_question_without_controls_or_substitutions_is_answered(answered: Study) -> None:
    asked = create_experiment(
        answered, "bare", "attribute", replace(QUICK, ablated=0, bases=0, strands=["+", "+"])
    )
    run_experiment(answered, "bare")
    assert len(read_parquet(asked.folder / "targets.parquet")) == len(QUICK.targets)
    assert not (asked.folder / "bases.parquet").exists()
    assert "log-likelihood of" in (asked.folder / "page.html").read_text()
