"""Scripts for every scheduler against golden text, and their commands against stand-ins on PATH."""

from __future__ import annotations

import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from workbench.engines.schedulers.job import Entry, Job, megabytes, seconds
from workbench.engines.schedulers.registry import SCHEDULERS, find_scheduler
from workbench.engines.schedulers.scheduler import ranges
from workbench.errors import InputError
from workbench.study.config import JobConfig

SETTINGS = JobConfig(
    tasks=50,
    max_running=8,
    partition="gpu",
    account="lab",
    constraint="a100",
    mail="me@example.org",
    time="4:00:00",
    memory="32G",
    cpus=4,
    gpus=1,
    setup=["module load cuda"],
    extra=["--nice=10"],
    python="/opt/env/bin/python",
    scratch="/scratch/me",
)
ARRAY = Job(
    "wb-encode",
    ("shard", "/data/study", "--stage", "encode", "--shard", "{task}/50"),
    50,
    1,
    Path("/data/study/logs/jobs"),
    SETTINGS,
)
SINGLE = Job(
    "wb-encode-reduce",
    ("reduce", "/data/s", "--stage", "encode"),
    0,
    0,
    Path("/data/s/logs/jobs"),
    JobConfig(python="python3"),
)

SLURM = """\
#!/bin/bash
#SBATCH --job-name=wb-encode
#SBATCH --output=/data/study/logs/jobs/%x.%A_%a.log
#SBATCH --open-mode=append
#SBATCH --requeue
#SBATCH --signal=B:USR1@120
#SBATCH --cpus-per-task=4
#SBATCH --array=0-49%8
#SBATCH --gpus=1
#SBATCH --partition=gpu
#SBATCH --account=lab
#SBATCH --qos=long
#SBATCH --constraint=a100
#SBATCH --mail-user=me@example.org
#SBATCH --mail-type=FAIL
#SBATCH --time=4:00:00
#SBATCH --mem=32G
#SBATCH --nice=10
module load cuda
set -u
export OMP_NUM_THREADS=4 HF_HUB_OFFLINE=1 PYTHONUNBUFFERED=1
export TMPDIR=/scratch/me
if ! { mkdir -p "$TMPDIR" && [ -w "$TMPDIR" ]; }; then
    echo "workbench: scratch folder $TMPDIR cannot be written on $(hostname)" >&2
    exit 2
fi
child= warned=
trap 'warned=1; [ -n "$child" ] && kill -USR1 $child 2>/dev/null' USR1 USR2 TERM
/opt/env/bin/python -P -m workbench shard /data/study --stage encode --shard ''$SLURM_ARRAY_TASK_ID'/50' &
child=$!
[ -n "$warned" ] && kill -USR1 $child 2>/dev/null
wait $child; status=$?
while kill -0 $child 2>/dev/null; do wait $child; status=$?; done
if [ $status -eq 85 ]; then
    scontrol requeue "${SLURM_ARRAY_JOB_ID}_${SLURM_ARRAY_TASK_ID}"
fi
exit $status
"""

DIRECTIVES = {
    "pbs": [
        "-N wb-encode",
        "-j oe",
        "-o /data/study/logs/jobs/",
        "-r y",
        "-l select=1:ncpus=4:ngpus=1:mem=32768mb:a100",
        "-J 0-49%8",
        "-l walltime=4:00:00",
        "-q gpu",
        "-A lab",
        "-M me@example.org",
        "-m a",
        "--nice=10",
    ],
    "torque": [
        "-N wb-encode",
        "-j oe",
        "-o /data/study/logs/jobs/",
        "-r y",
        "-l nodes=1:ppn=4:gpus=1:a100",
        "-l mem=32768mb",
        "-t 0-49%8",
        "-l walltime=4:00:00",
        "-q gpu",
        "-A lab",
        "-M me@example.org",
        "-m a",
        "--nice=10",
    ],
    "lsf": [
        '-J "wb-encode[1-50]%8"',
        "-o /data/study/logs/jobs/wb-encode.%J_%I.log",
        "-r",
        "-Q 85",
        "-n 4",
        '-R "span[hosts=1]"',
        "-M 32768MB",
        '-gpu "num=1"',
        "-W 4:00",
        "-wa USR1 -wt 2",
        "-q gpu",
        "-P lab",
        '-R "select[a100]"',
        "--nice=10",
    ],
    "sge": [
        "-N wb-encode",
        "-S /bin/bash",
        "-cwd",
        "-j y",
        "-o /data/study/logs/jobs/",
        "-r y",
        "-notify",
        "-t 1-50",
        "-tc 8",
        "-pe smp 4",
        "-l gpu=1",
        "-l h_vmem=8192M",
        "-l h_rt=14400",
        "-q gpu",
        "-P lab",
        "-l a100",
        "-M me@example.org",
        "-m a",
        "--nice=10",
    ],
}
SIGNS = {"pbs": "#PBS ", "torque": "#PBS ", "lsf": "#BSUB ", "sge": "#$ "}
INDICES = {
    "slurm": ("SLURM_ARRAY_TASK_ID", "7"),
    "pbs": ("PBS_ARRAY_INDEX", "7"),
    "torque": ("PBS_ARRAYID", "7"),
    "lsf": ("LSB_JOBINDEX", "8"),
    "sge": ("SGE_TASK_ID", "8"),
}


def test_slurm_script():
    job = replace(ARRAY, settings=replace(SETTINGS, qos="long"))
    assert SCHEDULERS["slurm"].render(job) == SLURM


LAST = {
    "slurm": "#SBATCH --mail-type=END,FAIL",
    "pbs": "#PBS -m ae",
    "torque": "#PBS -m ae",
    "lsf": "#BSUB -u me@example.org\n#BSUB -N",
    "sge": "#$ -m ae",
}


@pytest.mark.parametrize("name", LAST)
def test_the_end_of_the_last_job_is_mailed(name):
    text = SCHEDULERS[name].render(replace(SINGLE, settings=SETTINGS, last=True))
    assert f"{LAST[name]}\n" in text


def test_a_quality_of_service_is_refused_where_there_is_none():
    job = replace(SINGLE, settings=JobConfig(qos="long"))
    for name in ("pbs", "lsf", "sge"):
        with pytest.raises(InputError, match=f"qos is 'long', for which {name} has no option"):
            SCHEDULERS[name].render(job)
    assert "#PBS -l qos=long\n" in SCHEDULERS["torque"].render(job)


@pytest.mark.parametrize("name", DIRECTIVES)
def test_directives(name):
    lines = SCHEDULERS[name].render(ARRAY).splitlines()
    assert lines[0] == "#!/bin/bash"
    found = [line.removeprefix(SIGNS[name]) for line in lines if line.startswith(SIGNS[name])]
    assert found == DIRECTIVES[name]


@pytest.mark.parametrize("name", SCHEDULERS)
def test_every_script_runs_its_own_shards_and_passes_the_warning_on(name, tmp_path):
    """Run for real by bash: the task's 0-based index arrives, the signal too, and the status comes back."""
    python = tmp_path / "python"
    python.write_text(
        "#!/bin/bash\n"
        "trap 'exit 85' USR1\n"
        f'echo "$@" > {tmp_path}/args\n'
        "for i in $(seq 100); do sleep 0.1; done\n"
    )
    python.chmod(0o755)
    for tool in ("scontrol", "qrerun"):
        (tmp_path / tool).write_text(f'#!/bin/bash\necho {tool} "$@" > {tmp_path}/requeued\n')
        (tmp_path / tool).chmod(0o755)
    job = replace(ARRAY, settings=JobConfig(python=str(python)))
    script = tmp_path / "job.sh"
    script.write_text(SCHEDULERS[name].render(job))
    variable, value = INDICES[name]
    environment = {
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        variable: value,
        "SLURM_ARRAY_JOB_ID": "12",
        "PBS_JOBID": "12[7].server",
    }
    run = subprocess.Popen(["bash", str(script)], env=environment)
    while not (tmp_path / "args").exists() or not (tmp_path / "args").read_text():
        assert run.poll() is None
    run.send_signal(10)
    assert run.wait(timeout=20) == (99 if name == "sge" else 85)
    arguments = (tmp_path / "args").read_text().split(" ", 3)[3]
    assert arguments == "shard /data/study --stage encode --shard 7/50\n"
    again = {"slurm": "scontrol requeue 12_7", "pbs": "qrerun 12[7].server", "torque": "qrerun 12[7].server"}
    if name in again:
        assert (tmp_path / "requeued").read_text().strip() == again[name]


def test_a_single_job_asks_for_no_array_and_no_gpu():
    text = SCHEDULERS["slurm"].render(SINGLE)
    assert "--array" not in text and "--gpus" not in text
    assert "python3 -P -m workbench reduce /data/s --stage encode &" in text


def test_container():
    job = replace(SINGLE, settings=JobConfig(container="/img/wb.sif", python="python3"))
    text = SCHEDULERS["slurm"].render(job)
    assert "apptainer exec --bind /data/s --nv /img/wb.sif python3 -P -m workbench reduce" in text


@pytest.fixture
def tools(tmp_path, monkeypatch):
    """Stand-ins for a scheduler's commands: each notes its arguments and prints what it is told to."""

    def put(name: str, says: str, status: int = 0) -> Path:
        log = tmp_path / f"{name}.log"
        said = tmp_path / f"{name}.says"
        said.write_text(says)
        path = tmp_path / name
        path.write_text(
            f'#!/bin/bash\nprintf "%s\\n" "$*" >> {log}\n'
            f'[ "{status}" = 0 ] && cat {said} || {{ cat {said} >&2; exit {status}; }}\n'
        )
        path.chmod(0o755)
        return log

    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return put


def test_pbs_commands(tools, tmp_path):
    script = tmp_path / "s.sh"
    script.write_text(SCHEDULERS["pbs"].render(ARRAY))
    log = tools("qsub", "123[].server\n")
    pbs = SCHEDULERS["pbs"]
    assert pbs.submit(script, "wb-encode", ["7.server", "8[].server"]) == "123[].server"
    assert pbs.submit(script, "wb-encode", [], [1, 2, 3, 9]) == "123[].server"
    assert log.read_text().splitlines() == [
        f"-W depend=afterany:7.server:8[].server {script}",
        f"-J 1-3,9 {script}",
    ]
    tools(
        "qstat",
        '{"Jobs": {"123[].server": {"job_state": "B"}, "123[0].server": {"job_state": "R"},'
        ' "123[1].server": {"job_state": "Q"}, "123[2].server": {"job_state": "F"},'
        ' "9.server": {"job_state": "R"}, "124.server": {"job_state": "H"}}}',
    )
    assert pbs.queue(["123[].server", "124.server"]) == [
        Entry("123[].server", 0, "running", ""),
        Entry("123[].server", 1, "pending", ""),
        Entry("124.server", None, "pending", ""),
    ]


def test_torque_queue(tools):
    tools(
        "qstat",
        "Job ID      Name   User Time Use S Queue\n"
        "---------- ------ ---- -------- - -----\n"
        "12[0].srv  wb-enc me   00:00:01 R gpu\n"
        "12[1].srv  wb-enc me   0        Q gpu\n"
        "13.srv     wb-red me   0        H gpu\n",
    )
    assert SCHEDULERS["torque"].queue(["12[].srv", "13.srv"]) == [
        Entry("12[].srv", 0, "running", ""),
        Entry("12[].srv", 1, "pending", ""),
        Entry("13.srv", None, "pending", ""),
    ]


def test_lsf_commands(tools, tmp_path):
    script = tmp_path / "s.sh"
    script.write_text(SCHEDULERS["lsf"].render(ARRAY))
    log = tools("bsub", "Job <456> is submitted to queue <gpu>.\n")
    lsf = SCHEDULERS["lsf"]
    assert lsf.submit(script, "wb-encode", ["1", "2"]) == "456"
    assert lsf.submit(script, "wb-encode", [], [0, 4]) == "456"
    assert log.read_text().splitlines() == ["-w ended(1) && ended(2)", "-J wb-encode[1,5]"]
    tools("bjobs", "456|1|RUN\n456|2|PEND\n456|3|DONE\n457|0|PEND\n")
    assert lsf.queue(["456", "457"]) == [
        Entry("456", 0, "running", ""),
        Entry("456", 1, "pending", ""),
        Entry("457", None, "pending", ""),
    ]


def test_sge_commands(tools, tmp_path):
    script = tmp_path / "s.sh"
    script.write_text(SCHEDULERS["sge"].render(ARRAY))
    log = tools("qsub", "789.1-50:1\n")
    sge = SCHEDULERS["sge"]
    assert sge.submit(script, "wb-encode", ["1", "2"]) == "789"
    assert sge.submit(script, "wb-encode", [], [0, 1, 7]) == "789,789"
    assert log.read_text().splitlines() == [
        f"-terse -hold_jid 1,2 {script}",
        f"-terse -t 1-2 {script}",
        f"-terse -t 8 {script}",
    ]
    tools(
        "qstat",
        "<job_info><queue_info><job_list><JB_job_number>789</JB_job_number><state>r</state>"
        "<tasks>3</tasks></job_list></queue_info><job_info><job_list><JB_job_number>789</JB_job_number>"
        "<state>qw</state><tasks>4</tasks></job_list></job_info></job_info>",
    )
    assert sge.queue(["789"]) == [Entry("789", 2, "running", "r"), Entry("789", 3, "pending", "qw")]


def test_an_unknown_queue_is_refused_in_the_schedulers_words(tools, tmp_path):
    tools("sbatch", "sbatch: error: invalid partition specified: nowhere", 1)
    script = tmp_path / "s.sh"
    script.write_text(SLURM)
    with pytest.raises(InputError, match="invalid partition specified: nowhere"):
        SCHEDULERS["slurm"].check(script)


def test_the_scheduler_that_is_here_is_found(tools, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match="no scheduler on this machine"):
        find_scheduler("")
    with pytest.raises(InputError, match="unknown scheduler 'cron'"):
        find_scheduler("cron")
    tools("qsub", "")
    assert find_scheduler("").name == "pbs"
    tools("qconf", "")
    assert find_scheduler("").name == "sge"
    tools("bsub", "")
    assert find_scheduler("").name == "lsf"


def test_small_conversions():
    assert [seconds(t) for t in ("4:00:00", "1-02:30", "0:05:30")] == [14400, 95400, 330]
    assert [megabytes(m) for m in ("32G", "500M", "1T", "100K")] == [32768, 500, 1048576, 1]
    assert ranges([3, 0, 1, 7, 2]) == "0-3,7"
