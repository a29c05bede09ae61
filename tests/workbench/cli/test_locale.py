"""Files and folders with letters beyond ASCII, where the locale knows none."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.workbench.small_study import finished_study

# Every command in one process, since Python takes seconds to start.
PROGRAM = """
import sys
from workbench.cli import main
for words in COMMANDS:
    sys.argv = ["workbench", *words]
    try:
        main()
    except SystemExit as end:
        assert not end.code, words
"""
VCF = """##fileformat=VCFv4.2
##contig=<ID=NC_005816.1,length=9609>
#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO
NC_005816.1\t1200\t.\t{}\t{}\t.\t.\t.
"""


def test_paths_in_utf8_under_the_c_locale(tmp_path_factory: pytest.TempPathFactory, tmp_path: Path) -> None:
    place = tmp_path / "étude 桜"
    place.mkdir()
    shutil.copytree(finished_study(tmp_path_factory), place / "finie")
    for name, ending in (("génome", "fa"), ("gènes", "gff3")):
        shutil.copy(ROOT / "data_samples" / f"ecoli_k12_250kb.{ending}", place / f"{name}.{ending}")
    plasmid = ROOT / "data_samples" / "yersinia_pPCP1.fa"
    base = "".join(plasmid.read_text().splitlines()[1:])[1199]
    (place / "variations.vcf").write_text(VCF.format(base, "A" if base != "A" else "C"))
    (place / "séquence.fa").write_text(f">pièce\n{'ACGTTGCATT' * 8}\n", encoding="utf-8")
    commands = [
        ["new", "nouvelle-étude", "--genome", "génome.fa", "--tracks", "gènes.gff3", "--tokens", "4096"],
        ["run", "nouvelle-étude", "--until", "plan"],
        ["status", "finie"],
        ["score", "séquence.fa", "--out", "résultat.tsv"],
        ["features", "séquence.fa", "--study", "finie", "--out", "traits.tsv"],
        ["export", "finie", "--what", "activations", "--format", "bigwig", "--features", "1", "--out", "où"],
        ["variants", "finie", "--vcf", "variations.vcf", "--out", "écarts.tsv"],
        ["view", "finie", "--at", "NC_005816.1:1-500", "--features", "1", "--out", "vue-é.html"],
    ]
    where = {k: v for k, v in os.environ.items() if not k.startswith(("LC_", "LANG", "PYTHONUTF8"))}
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM.replace("COMMANDS", repr(commands))],
        cwd=place,
        env=where | {"LC_ALL": "C", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        encoding="utf-8",
    )
    assert run.returncode == 0, run.stderr
    assert f"made {place}/nouvelle-étude/study.toml" in run.stdout
    assert "\npièce," not in run.stdout and "pièce" in run.stdout
    assert "pièce\t" in (place / "traits.tsv").read_text(encoding="utf-8")
    assert "pièce\t" in (place / "résultat.tsv").read_text(encoding="utf-8")
    for name in ("où/f1.plus.bw", "écarts.tsv", "vue-é.html", "nouvelle-étude/manifest.json"):
        assert (place / name).stat().st_size > 100, name
