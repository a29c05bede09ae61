"""Compiled plans on a finished study: shares read anew by hand, changes as variants, refusals."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from feature_mining.edits.edit import Patch, Steer
from feature_mining.edits.passes import forward
from feature_mining.edits.places import Where
from feature_mining.edits.plan import EditPlan
from feature_mining.painting.compiler import put_at
from genomic_models.dna import reverse_complement
from tests.workbench.small_study import finished_study
from workbench.cohort.edits import parse_variant
from workbench.experiments.compile import COMPILED, RIVALS, shares_by_number, summarise_places
from workbench.experiments.registry import open_experiment
from workbench.files.parquet import read_parquet
from workbench.study.study import Study

CONTIG = "NC_005816.1"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of a finished study."""
    copy = tmp_path_factory.mktemp("compiling") / "study"
    shutil.copytree(finished_study(tmp_path_factory), copy)
    return copy


def test_changes_do_without_the_plan_what_it_says(cli, folder: Path) -> None:
    study = Study.open(folder)
    feature = int(study.dictionary.unit.argmax())
    places = [f"{CONTIG}:1,000-1,012", f"{CONTIG}:2,000-2,012:-"]
    code, out, err = cli(
        "compile", folder, "--concept", feature, "--strength", 2, "--at", places[0], "--at", places[1],
        "--bases", 12, "--window", 8, "--most", 2, "--context", 40, "--draws", 3,
    )  # fmt: skip
    assert code == 0 and "page.html" in out, err
    asked = open_experiment(study, "compiled")
    table = read_parquet(asked.folder / "compiled.parquet")
    assert set(table["method"]) == {COMPILED, *RIVALS} and set(table["changes"]) == {0, 1, 2}
    own = table[(table["method"] == COMPILED) & (table["changes"] == 2)].set_index("locus")
    for locus, (start, strand) in enumerate(((1000, "+"), (2000, "-"))):
        first, last = (start - 40, start + 20) if strand == "+" else (start - 8, start + 52)
        letters = study.genome.fetch(CONTIG, first, last, strand)
        changed = list(study.genome.fetch(CONTIG, first, last))
        names = own.loc[locus, "named"].split(", ")
        assert len(names) == 2
        for name in names:  # as `workbench variants` reads them
            variant = parse_variant(name)
            assert changed[variant.start - first] == variant.reference
            assert start <= variant.start < start + 12
            changed[variant.start - first] = variant.alternative
        after = "".join(changed) if strand == "+" else reverse_complement("".join(changed))
        plan = EditPlan((Steer(study.layer, feature, 2.0, where=Where(((40, 52),))),))
        none = EditPlan()
        dictionaries = {study.layer: study.dictionary}
        found = forward(study.model, [letters, letters, after], [plan, none, none], dictionaries)
        logs = found.logits[:, 51:59].float().log_softmax(-1)
        apart = [float((logs[0].exp() * (logs[0] - logs[i])).sum(-1).mean()) for i in (1, 2)]
        assert own.loc[locus, "effect"] == pytest.approx(apart[0], rel=0.02)
        assert own.loc[locus, "share"] == pytest.approx(1 - apart[1] / apart[0], rel=0.05, abs=0.02)
    page = (asked.folder / "page.html").read_text()
    assert "feature " + str(feature) + " by 2" in page and names[0] in page


def invented(shares: dict[str, list[float]], places: int = 30) -> pd.DataFrame:
    rows = []
    for locus in range(places):
        for method, values in shares.items():
            for changes, share in enumerate(values):
                rows.append((locus, True, 1, method, changes, share + 1e-3 * locus * bool(changes)))
    return pd.DataFrame(rows, columns=["locus", "tested", "fewest", "method", "changes", "share"])


def test_the_same_number_of_changes_is_compared() -> None:
    table = invented({COMPILED: [0, 0.6], "greedy": [0, 0.5], "random": [0, -0.1], "likelihood": [0, -0.4]})
    found = summarise_places(table, 0)
    mean = 1e-3 * np.arange(30).mean()
    assert found["compiled"] == pytest.approx(0.6 + mean) and found["changes"] == 1
    assert found["rivals"] == pytest.approx(
        {"greedy": 0.5 + mean, "random": -0.1 + mean, "likelihood": -0.4 + mean}
    )
    assert found["best_control"] == "greedy" and found["win_rate"] == found["win_low"] == 1
    shares = shares_by_number(table, 0).set_index(["method", "changes"])
    assert shares.loc[(COMPILED, 1), "share"] == pytest.approx(0.6 + mean)
    assert shares.loc[(COMPILED, 1), "low"] < 0.6 + mean < shares.loc[(COMPILED, 1), "high"]
    # Where the plan does nothing, nothing is said.
    idle = pd.DataFrame(
        [(0, False, COMPILED, 0, 0.0)], columns=["locus", "tested", "method", "changes", "share"]
    )
    assert summarise_places(idle, 0) == {"places": 1, "tested": 0}
    both = summarise_places(pd.concat([table, idle.assign(locus=99)]), 0)
    assert both["places"] == 31 and both["tested"] == 30 and both["compiled"] == found["compiled"]


def test_a_plan_that_does_nothing_is_not_tested(cli, folder: Path) -> None:
    study = Study.open(folder)
    feature = int(study.dictionary.unit.argmax())
    file = folder.parent / "idle.json"
    file.write_text(EditPlan((Steer(study.layer, feature, 0.0),)).to_json())
    options = [
        "--plan",
        file,
        "--track",
        "CDS",
        "--places",
        2,
        "--offset",
        9,
        "--context",
        30,
        "--name",
        "idle",
    ]
    code, _, err = cli("compile", folder, *options)
    assert code == 0, err
    page = (folder / "experiments" / "idle" / "page.html").read_text()
    assert "Not tested: the plan moves no prediction at any of 2 places" in page


def test_a_plan_is_put_at_a_place() -> None:
    plan = EditPlan(
        (
            Steer("blocks.0", 3, ((2, 0.5), (4, 1.0)), where=Where(((2, 5),))),
            Patch("blocks.0", 1, (1.0, 2.0), 3),
        ),
        "m",
    )
    moved = put_at(plan, 10)
    assert moved.edits == (
        Steer("blocks.0", 3, ((12, 0.5), (14, 1.0)), where=Where(((12, 15),))),
        Patch("blocks.0", 1, (1.0, 2.0), 13),
    )


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ([], "give what is compiled in one way"),
        (["--concept", "{0}"], "give the places in one way: --at or --track"),
        (["--concept", "{0}", "--at", f"{CONTIG}:0-20"], "has 0 bases before"),
        (["--concept", "{0}", "--at", f"{CONTIG}:5-20", "--window", "999"], "expected 1 or more, and 999"),
        (
            ["--concept", "{0}", "--at", f"{CONTIG}:500-520", "--context", "400"],
            "the model reads at most 256",
        ),
        (["--concept", "nothing", "--at", f"{CONTIG}:500-520"], "no such concept"),
        (["--concept", "{0}", "--strength", "nan", "--at", f"{CONTIG}:500-520"], "expected a finite number"),
        (["--concept", "{0}", "--at", "x"], "--at x: expected CONTIG:START-END"),
        (["--concept", "{0}", "--at", f"{CONTIG}:500-503"], "5 changes of a place of 3 bases"),
        (["--concept", "{0}", "--track", "CDS", "--places", "999"], "999 places are asked for"),
    ],
)
def test_what_cannot_be_compiled_gets_a_sentence(
    refused, folder: Path, options: list[str], said: str
) -> None:
    feature = int(Study.open(folder).dictionary.unit.argmax())
    assert said in refused("compile", folder, "--name", "wrong", *[o.format(feature) for o in options])
    assert not (folder / "experiments" / "wrong").exists()
