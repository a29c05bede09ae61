"""Commands for batch jobs, on a stand-in for Slurm: what is refused, and what is said."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from genomic_models.released import RELEASED
from tests.conftest import ROOT
from tests.workbench.small_study import finished_study, small_config, write_model
from workbench import Study
from workbench.engines import estimate, paper
from workbench.engines.shards import fingerprint
from workbench.engines.submission import submissions, submit
from workbench.engines.workers import check_workers
from workbench.stages.registry import STAGES
from workbench.study.config import JobConfig, ModelConfig
from workbench.study.failures import kind_of, worth_retrying
from workbench.study.shard_records import ShardRecords

SBATCH = """#!/bin/bash
if [ "$1" = --test-only ]; then
    if grep -q -- --partition=nowhere "$2"; then
        echo "sbatch: error: invalid partition specified: nowhere" >&2
        exit 1
    fi
    if grep -q -- --exclude=lonely "$2"; then
        echo "sbatch: error: Requested node configuration is not available" >&2
        exit 1
    fi
    exit 0
fi
echo "$@" >> LOG
echo $(( $(wc -l < LOG) + 100 ))
"""


@pytest.fixture(scope="module")
def planned(tmp_path_factory, samples) -> Path:
    folder = tmp_path_factory.mktemp("planned")
    study = Study.create(folder / "study", small_config(samples, write_model(folder / "tiny")))
    study.run(until="plan")
    return study.folder


@pytest.fixture
def folder(planned, tmp_path) -> Path:
    import shutil

    return Path(shutil.copytree(planned, tmp_path / "study"))


@pytest.fixture
def slurm(tmp_path, monkeypatch) -> Path:
    """A stand-in for Slurm; the file where submissions are noted."""
    tools, log = tmp_path / "bin", tmp_path / "sbatch.log"
    tools.mkdir()
    log.touch()
    for name, text in {
        "sbatch": SBATCH.replace("LOG", str(log)),
        "scontrol": "#!/bin/bash\necho MaxArraySize = 4\n",
        "squeue": f"#!/bin/bash\ncat {tmp_path}/queue 2>/dev/null; exit 0\n",
        "scancel": f'#!/bin/bash\necho "$@" >> {tmp_path}/cancelled\n',
        "sacct": "#!/bin/bash\necho 'Slurm accounting storage is disabled' >&2; exit 1\n",
    }.items():
        (tools / name).write_text(text)
        (tools / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    # Starting another Python takes seconds; two tests below do.
    monkeypatch.setattr("workbench.engines.submission.check_workers", lambda settings: None)
    return log


@pytest.fixture
def workers(slurm, monkeypatch) -> Path:
    """The stand-in, with the workers' Python really asked."""
    monkeypatch.setattr("workbench.engines.submission.check_workers", check_workers)
    return slurm


def test_arrays_and_reductions_are_chained(cli, folder, workers):
    code, out, err = cli("submit", folder, "--tasks", 8, "--gpus", 1, "--mem", "4G", "--time", "1:00:00")
    assert code == 0, err
    calls = workers.read_text().splitlines()
    names = [c.rsplit("/", 1)[1] for c in calls]
    assert names[:5] == [
        "wb-sae-reduce.sh",
        "wb-quality.sh",
        "wb-quality-reduce.sh",
        "wb-encode.sh",
        "wb-encode-reduce.sh",
    ]
    assert names[-1] == "wb-report-reduce.sh"
    # Each waits for the one before, however that ended; numbers are those the stand-in gave.
    for i, call in enumerate(calls[1:]):
        assert f"--dependency=afterany:{101 + i} " in call
    encode = (folder / "jobs" / "wb-encode.sh").read_text()
    # The scheduler's limit on array indices caps the tasks; their number is written into the script.
    assert "#SBATCH --array=0-2\n" in encode and "'/3'" in encode
    assert "#SBATCH --gpus=1" in encode
    # Jobs that merge what an array made ask for no GPU; one that works itself does.
    scripts = {p.stem: p.read_text() for p in (folder / "jobs").glob("*.sh")}
    asking = {name for name, text in scripts.items() if "--gpus=1" in text}
    assert {"wb-sae-reduce", "wb-encode", "wb-quality"} <= asking
    assert not {"wb-encode-reduce", "wb-quality-reduce", "wb-report-reduce"} & asking
    assert asking <= {f"wb-{n}{end}" for n, s in STAGES.items() if s.model for end in ("", "-reduce")}
    assert "101  sae reduce" in out


def test_a_dry_run_prints_and_queues_nothing(cli, folder, slurm):
    code, out, _ = cli("submit", folder, "--dry-run", "--until", "encode", "--account", "lab")
    assert code == 0
    assert re.findall(r"^# ---- (\S+)", out, re.M) == [
        "wb-sae-reduce",
        "wb-quality",
        "wb-quality-reduce",
        "wb-encode",
        "wb-encode-reduce",
    ]
    assert out.count("#SBATCH --account=lab") == 5
    queued = re.findall(r"^# JOB(\d): (.*)$", out, re.M)
    assert [command for _, command in queued] == [
        f"sbatch --parsable {folder}/jobs/wb-sae-reduce.sh",
        f"sbatch --parsable --dependency=afterany:JOB1 {folder}/jobs/wb-quality.sh",
        f"sbatch --parsable --dependency=afterany:JOB2 {folder}/jobs/wb-quality-reduce.sh",
        f"sbatch --parsable --dependency=afterany:JOB3 {folder}/jobs/wb-encode.sh",
        f"sbatch --parsable --dependency=afterany:JOB4 {folder}/jobs/wb-encode-reduce.sh",
    ]
    assert slurm.read_text() == "" and not (folder / "jobs").exists()


@pytest.mark.parametrize("scheduler", ["slurm", "pbs", "torque", "lsf", "sge"])
def test_what_a_dry_run_prints_is_what_a_submission_does(cli, folder, slurm, scheduler, monkeypatch):
    """The commands that are printed, with the job ids filled in, are those that are run."""
    ran = []

    def ask(*command: str, given: str | None = None) -> str:
        if any(word in command for word in ("-W", "-w", "-hold_jid")) or "wb-" in " ".join(command) or given:
            ran.append(list(command))
        return f"Job <{700 + len(ran)}>" if command[0] == "bsub" else f"{700 + len(ran)}"

    for module in ("slurm", "pbs", "lsf", "sge"):
        monkeypatch.setattr(f"workbench.engines.schedulers.{module}.ask", ask)
    _, out, _ = cli("submit", folder, "--scheduler", scheduler, "--dry-run", "--until", "quality")
    printed = [shlex.split(line) for line in re.findall(r"^# JOB\d: (.*)$", out, re.M)]
    study = Study.open(folder)
    made = submit(study, JobConfig(scheduler=scheduler), until="quality")
    ids = {f"JOB{i}": queued.job for i, queued in enumerate(made.jobs, 1)}
    filled = [[re.sub(r"JOB\d", lambda found: ids[found.group()], w) for w in words] for words in printed]
    chained = [
        words for words in ran if words[0] in ("sbatch", "qsub", "bsub") and "--test-only" not in words
    ]
    assert filled == chained and len(filled) == 3


def test_a_dry_run_says_so_when_nothing_is_left(cli, folder, slurm, monkeypatch):
    monkeypatch.setattr("workbench.engines.submission.steps", lambda *a, **k: [])
    code, out, _ = cli("submit", folder, "--dry-run")
    assert code == 0 and out == f"nothing left to do; report: {folder / 'report.html'}\n"


def test_a_merge_without_a_gpu_names_what_is_missing(refused, folder, monkeypatch):
    text = (folder / "study.toml").read_text()
    (folder / "study.toml").write_text(re.sub(r"^device = .*$", 'device = "cuda"', text, flags=re.M))
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("workbench.engines.survey.refuse_unready", lambda *a: None)
    line = refused("reduce", folder, "--stage", "encode")
    shards = len(Study.open(folder).manifest.shards)
    assert f"stage encode: {shards} of {shards} shards are missing (0, 1, 2" in line
    assert f"there is no cuda here to make them; queue them with `workbench retry {folder}`" in line


def test_a_login_node_without_the_device_plans_on_the_cpu(
    cli, samples, planned, tmp_path, slurm, monkeypatch
):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    config = small_config(samples, planned.parent / "tiny")
    study = Study.create(tmp_path / "new", replace(config, model=replace(config.model, device="cuda")))
    code, _, err = cli("submit", study.folder, "--until", "sae")
    assert code == 0 and "no cuda here: the model is checked on the CPU" in err
    # What is locked does not hang on where it was read.
    mine, theirs = (Study.open(f).manifest.model for f in (study.folder, planned))
    assert mine == theirs
    assert (study.folder / "jobs" / "wb-sae-reduce.sh").exists()


def test_a_second_submission_is_refused_while_jobs_wait(cli, refused, folder, slurm, tmp_path):
    assert cli("submit", folder, "--until", "sae")[0] == 0
    (tmp_path / "queue").write_text("101|N/A|PENDING|Priority\n999|0|RUNNING|None\n")
    assert "jobs of this study are in the queue (101)" in refused("submit", folder)
    assert "in the queue (101)" in refused("run", folder)
    code, out, _ = cli("status", folder)
    assert code == 0 and "queue: 1 pending (Priority)" in out
    code, out, _ = cli("cancel", folder)
    assert (tmp_path / "cancelled").read_text() == "101\n" and "cancelled 101" in out
    # Nothing is queued, and much is missing: the ways out.
    (tmp_path / "queue").write_text("")
    out = cli("status", folder)[1]
    assert "queue: empty\nnot done, and nothing is queued; why: workbench logs" in out
    assert f"all that is missing: workbench submit {folder}; what failed" in out
    said = f"no such shard failed or was lost; what is missing: workbench submit {folder}\n"
    assert cli("retry", folder)[1] == said


def test_an_unknown_partition_is_refused_before_anything_is_queued(refused, folder, slurm):
    line = refused("submit", folder, "--partition", "nowhere")
    assert "invalid partition specified: nowhere" in line
    assert slurm.read_text() == ""


def test_no_scheduler(refused, folder, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "no scheduler on this machine" in refused("submit", folder)
    assert "no `bparams` on this machine" in refused("submit", folder, "--scheduler", "lsf")


def test_a_python_that_cannot_work_is_refused(refused, folder, workers, tmp_path):
    line = refused("submit", folder, "--python", "/usr/bin/false")
    assert "the workers' Python /usr/bin/false cannot run the workbench" in line
    line = refused("submit", folder, "--setup", "echo module not found >&2; exit 3")
    assert "cannot run the workbench" in line and "module not found" in line
    old = tmp_path / "python"
    old.write_text('#!/bin/bash\necho \'{"python": "3.11", "torch": "1.0"}\'\n')
    old.chmod(0o755)
    line = refused("submit", folder, "--python", old)
    assert re.search(r"is (1\.0|not installed) on the workers and \S+( installed)? here", line), line
    assert workers.read_text() == ""


def test_scratch_of_a_node_is_not_looked_for_here(cli, refused, folder, slurm):
    code, _, err = cli("submit", folder, "--scratch", "${SLURM_TMPDIR}/wb", "--until", "sae")
    assert code == 0, err
    script = (folder / "jobs" / "wb-sae-reduce.sh").read_text()
    assert 'export TMPDIR="${SLURM_TMPDIR}/wb"\n' in script
    for scratch in ("$(rm -rf ~)", "$A`id`/x", '$A"; id; "', "$A b"):
        assert "nothing else that a shell would run" in refused("submit", folder, "--scratch", scratch)


def test_scratch_that_is_missing_or_full_is_refused(refused, folder, slurm, tmp_path):
    assert "is not a folder that can be written" in refused("submit", folder, "--scratch", "/nowhere")
    small = tmp_path / "small"
    small.mkdir()
    if (
        os.geteuid()
        or subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(small)], capture_output=True
        ).returncode
    ):
        pytest.skip("a small disk needs root and mount")
    try:
        line = refused("submit", folder, "--scratch", small)
    finally:
        subprocess.run(["umount", str(small)], check=True)
    assert re.search(r"has 0\.00 GB free, expected at least 1\.1 GB", line)


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--time", "soon", "time is 'soon', expected something like 4:00:00"),
        ("--mem", "lots", "memory is 'lots', expected something like 32G"),
        ("--qos", "a b", "qos is 'a b', expected a name"),
        ("--constraint", "a100; id", "constraint is 'a100; id', expected something like a100"),
        ("--mail", "me", "mail is 'me', expected something like you@example.org"),
        ("--tasks", "0", "tasks 0 must be at least 1"),
        ("--until", "lunch", "unknown stage 'lunch'"),
        ("--scheduler", "cron", "unknown scheduler 'cron'"),
    ],
)
def test_values_that_make_no_sense(option, value, said, refused, folder, slurm):
    assert said in refused("submit", folder, option, value)


def test_retry_needs_a_submission_and_a_known_kind(refused, folder):
    assert "nothing was submitted" in refused("retry", folder)
    assert "--only hunger: expected kinds among oom, timeout" in refused("retry", folder, "--only", "hunger")


def test_a_reduction_before_its_shards_is_refused(refused, folder):
    assert "stage encode needs stage sae, which is not done" in refused("reduce", folder, "--stage", "encode")
    assert "unknown stage 'lunch'" in refused("reduce", folder, "--stage", "lunch")


def test_lost_shards_are_told_from_living_ones(cli, folder, slurm, tmp_path):
    assert cli("submit", folder, "--until", "encode")[0] == 0
    records = ShardRecords(folder / "ledger" / "encode")
    for shard, job in ((0, "103_0"), (1, "103_1")):
        record = {"attempts": 1, "host": "elsewhere", "pid": 1, "job": job, "time": 0.0}
        records.put(shard, "run", json.dumps(record))
    (tmp_path / "queue").write_text("103|1|RUNNING|None\n")
    code, out, _ = cli("status", folder, "--json")
    values = json.loads(out)
    stages = {s["stage"]: s for s in values["stages"]}
    assert code == 0 and stages["encode"]["lost"] == {"0": "lost"}
    (tmp_path / "queue").write_text("")
    before = len(slurm.read_text().splitlines())
    code, out, err = cli("retry", folder)
    assert code == 0, err
    assert len(slurm.read_text().splitlines()) > before


@pytest.mark.parametrize(("host", "kind", "avoided"), [
    ("broken", "disk", True), ("lonely", "disk", False), ("broken", "error", False)
])  # fmt: skip
def test_what_a_host_did_is_retried_on_another_if_there_is_one(
    cli, folder, slurm, monkeypatch, host, kind, avoided
):
    assert cli("submit", folder, "--until", "encode")[0] == 0
    monkeypatch.setattr("platform.node", lambda: host)
    study = Study.open(folder)
    study.ledger.begin("encode", 1)
    study.ledger.fail("encode", 1, fingerprint(study, STAGES["encode"]), kind, "it went wrong")
    code, _, err = cli("retry", folder)
    assert code == 0, err
    script = (folder / "jobs" / "wb-encode.sh").read_text()
    assert (f"#SBATCH --exclude={host}" in script) == avoided
    # A later submission is not kept off that host.
    assert submissions(study)[-1].settings.extra == []


def test_logs_show_failures_with_their_trace(cli, folder):
    study = Study.open(folder)
    study.ledger.begin("encode", 2)
    mark = fingerprint(study, STAGES["encode"])
    study.ledger.fail("encode", 2, mark, "oom", "MemoryError: too small", "Traceback: there")
    code, out, _ = cli("logs", folder, "--failed")
    assert code == 0 and "encode 2 failed: oom: MemoryError: too small" in out
    assert "    Traceback: there" in out


def test_a_failure_is_shown_until_it_is_mended(cli, folder):
    study = Study.open(folder)
    ledger, mark = study.ledger, fingerprint(study, STAGES["encode"])

    def shown() -> tuple[str, dict[str, int]]:
        stages = json.loads(cli("status", folder, "--json")[1])["stages"]
        return next((s["state"], s["failures"]) for s in stages if s["stage"] == "encode")

    ledger.begin("encode", 2)
    ledger.fail("encode", 2, mark, "input", "study.toml [cohort]: wrong")
    assert shown() == ("failed", {"input: study.toml [cohort]: wrong": 1})
    assert "input: study.toml [cohort]: wrong" in cli("status", folder)[1]
    # Another worker, which began it as well, came to its end before.
    ledger.mark("encode", 2, mark, 1.0)
    ledger.fail("encode", 2, mark, "error", "a file was gone")
    assert shown() == ("running", {})
    # The settings were others, and are back.
    ledger.fail("encode", 3, "other", "input", "study.toml [windows]: wrong")
    assert shown() == ("running", {})
    ledger.fail("encode", None, mark, "input", "nothing to merge")
    assert shown() == ("failed", {"input: nothing to merge": 1})
    ledger.fail("encode", 4, mark, "oom", "too small")
    ledger.mark("encode", None, mark, 1.0)
    assert shown() == ("done", {})


def test_doctor_names_what_is_wrong(cli, tmp_path):
    code, out, _ = cli("doctor", tmp_path, "--json")
    found = {f["check"]: f for f in map(json.loads, out.splitlines())}
    assert code == 0 and {f["state"] for n, f in found.items() if n != "scheduler"} == {"ok"}
    assert found["locking"]["found"] == "a second driver is kept out"
    code, out, _ = cli("doctor", tmp_path, "--model", "evo2_7b")
    assert code == 1 and "no weights found" in out.replace("\n", " ")


def test_estimate_measures_a_probe_and_leaves_the_study_alone(cli, folder, tmp_path_factory, monkeypatch):
    before = sorted(p.name for p in folder.rglob("*"))
    made, real = [], estimate.estimate
    monkeypatch.setattr(estimate, "estimate", lambda *given: made.append(real(*given)) or made[0])
    code, out, err = cli("submit", folder, "--estimate", "--tasks", 1)
    assert code == 0, err
    assert re.search(r"one worker: [\d.]+ h; 1 tasks: [\d.]+ h", out)
    assert re.search(r"memory of a worker [\d.]+ GB \(measured by a probe of \d+ s here\)", out)
    assert f"shared disk: {made[0].disk / 1e9:.2f} GB in {made[0].files} files" in out
    assert sorted(p.name for p in folder.rglob("*")) == before
    # Against the same study, run to its end.
    done = Study.open(finished_study(tmp_path_factory))
    costs = {cost.stage: cost for cost in made[0].stages}
    shards = len(done.manifest.shards)
    assert costs["encode"].shards == costs["annotate"].shards == shards
    # A file a shard, and of records the task's and the merge's.
    assert costs["encode"].files == shards + 2
    stages = ("features", "sae", "work", "tables", "report.html", "audit.html")
    written = [p for name in stages for p in [done.folder / name, *(done.folder / name).rglob("*")]]
    written = [p for p in written if p.is_file()]
    assert made[0].disk == pytest.approx(sum(p.stat().st_size for p in written), rel=0.25)
    records = len([*(done.folder / "ledger").rglob("*")])
    assert made[0].files == pytest.approx(len(written) + records, rel=0.25)
    assert 0 < sum(cost.merge for cost in made[0].stages) < 60


def test_what_an_evo_costs_that_cannot_run_here(cli, samples, tmp_path, monkeypatch):
    """On paper where it runs: the letters that it reads, counted by hand, over a rate by hand."""
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "empty"))
    config = small_config(samples, tmp_path)
    model = ModelConfig(name="evo2_7b", layer="blocks.26", device="cuda", dtype="bfloat16")
    study = Study.create(tmp_path / "study", replace(config, model=model))
    monkeypatch.setattr("workbench.engines.estimate.SECONDS", 0.1)
    made, real = [], paper.estimate_on_paper
    monkeypatch.setattr(paper, "estimate_on_paper", lambda *given: made.append(real(*given)) or made[0])
    code, out, err = cli("submit", study.folder, "--estimate", "--tasks", 2, "--gpus", 1)
    assert code == 0, err
    assert not study.planned and {p.name for p in study.folder.iterdir()} == {"study.toml", "cache"}
    (rate,) = re.findall(r"([\d,]+) letters a second to the layer", out.replace("\n", " "))
    by_hand = 989e12 * 0.35 / (2 * RELEASED["evo2_7b"].parameters * 27 / 32)
    assert float(rate.replace(",", "")) == pytest.approx(by_hand, rel=0.02)
    assert "13.2 GB of weights" in out.replace("\n", " ")
    # Windows of 128 letters for 96 bases, on both strands.
    letters = 2 * sum(study.genome.lengths.values()) * 128 / 96
    seconds = {stage.stage: stage.seconds for stage in made[0].estimate.stages}
    assert seconds["encode"] == pytest.approx(letters / by_hand, rel=0.05)
    # Five products with the dictionary, of 4,096 by 64, a base that is trained on, beside the pass.
    trained = config.sae.tokens * 128 / 96 / by_hand * (1 + 5 * 2 * 4096 * 64 * by_hand / (989e12 * 0.35))
    assert seconds["sae"] == pytest.approx(trained, rel=0.3)


def test_a_model_whose_shape_is_not_known_is_no_matter_of_paper(refused, samples, tmp_path):
    config = small_config(samples, write_model(tmp_path / "tiny"))
    study = Study.create(tmp_path / "s", replace(config, model=replace(config.model, device="cuda")))
    if not torch.cuda.is_available():
        assert "cuda" in refused("submit", study.folder, "--estimate")


def test_kinds_of_errors():
    assert kind_of(MemoryError()) == "oom"
    assert kind_of(OSError(28, "No space left on device")) == "disk"
    assert kind_of(ValueError("no such contig")) == "input"
    assert kind_of(RuntimeError("odd")) == "error"
    assert worth_retrying(OSError(116, "Stale file handle")) and worth_retrying(RuntimeError())
    assert not worth_retrying(ValueError()) and not worth_retrying(OSError(28, ""))
