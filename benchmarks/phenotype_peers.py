"""plink2 and GEMMA on arrays: the same samples, features and covariates as the workbench is given."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from pathlib import Path

import numpy as np
import pandas as pd

PLINK2 = ("/usr/lib/plink2/plink2-avx2", "plink2")


def find(*names: str) -> str | None:
    """First of these programs that is there."""
    return next((found for n in names if (found := shutil.which(n))), None)


def run(command: list[str], folder: Path) -> float:
    """Seconds of a command; its last words where it fails."""
    began = time.perf_counter()
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{command[0]}: {(done.stdout + done.stderr)[-600:]}")
    return time.perf_counter() - began


def write_bed(folder: Path, values: np.ndarray, y: np.ndarray, covariates: np.ndarray) -> None:
    """PLINK 1 files of 0/1 features as homozygous genotypes: a carrier has dosage 2, effects are halved."""
    m, n = values.shape
    # Two bits a sample, 00 homozygous for the first allele (counted), 11 for the second.
    codes = np.where(values > 0, 0, 3).astype(np.uint8)
    codes = np.pad(codes, ((0, 0), (0, -n % 4)))
    packed = codes[:, 0::4] | codes[:, 1::4] << 2 | codes[:, 2::4] << 4 | codes[:, 3::4] << 6
    (folder / "x.bed").write_bytes(bytes([0x6C, 0x1B, 0x01]) + packed.astype(np.uint8).tobytes())
    with open(folder / "x.bim", "w") as out:
        out.writelines(f"1\tv{i}\t0\t{i + 1}\tA\tC\n" for i in range(m))
    with open(folder / "x.fam", "w") as out:
        out.writelines(f"0\ts{i}\t0\t0\t0\t-9\n" for i in range(n))
    names = [f"s{i}" for i in range(n)]
    status = pd.DataFrame({"#IID": names, "y": y.astype(int) + 1})
    status.to_csv(folder / "y.txt", sep="\t", index=False)
    columns = {f"c{j}": covariates[:, j] for j in range(1, covariates.shape[1])}
    pd.DataFrame({"#IID": names} | columns).to_csv(folder / "c.txt", sep="\t", index=False)


def plink_glm(folder: Path, mode: str, last: int, threads: int) -> tuple[pd.DataFrame, float]:
    """`--glm` of the first `last` features: table (effects of the 0/1 coding) and seconds."""
    command = [
        find(*PLINK2) or "plink2",
        *("--bfile", "x", "--pheno", "y.txt", "--covar", "c.txt", "--covar-variance-standardize"),
        *("--glm", mode, "hide-covar", "cols=+beta"),
        *("--from-bp", "1", "--to-bp", str(last), "--chr", "1"),
        *("--threads", str(threads), "--out", f"out_{mode}"),
    ]
    seconds = run(command, folder)
    path = next(folder.glob(f"out_{mode}.y.glm.*"))
    table = pd.read_csv(path, sep="\t")
    sign = np.where(table["A1"] == "A", 2.0, -2.0)
    table["BETA"] *= sign
    table["SE" if "SE" in table else "LOG(OR)_SE"] *= 2.0
    path.unlink()
    return table.rename(columns={"LOG(OR)_SE": "SE"}), seconds


def gemma_lmm(
    folder: Path, values: np.ndarray, y: np.ndarray, covariates: np.ndarray, kinship: np.ndarray
) -> tuple[pd.DataFrame, float]:
    """Exact mixed model, Wald test: table, and seconds of rotation and optimisation alone."""
    with open(folder / "g.txt", "w") as out:
        for i, row in enumerate(values):
            out.write(f"v{i}, A, C, " + ", ".join(f"{v:g}" for v in row) + "\n")
    np.savetxt(folder / "yq.txt", y, fmt="%.10g")
    np.savetxt(folder / "cq.txt", covariates, fmt="%.10g")
    np.savetxt(folder / "k.txt", kinship, fmt="%.10g")
    command = ["gemma", "-g", "g.txt", "-p", "yq.txt", "-c", "cq.txt", "-k", "k.txt", "-lmm", "1"]
    run([*command, "-maf", "0", "-r2", "1", "-notsnp", "-o", "out"], folder)
    log = (folder / "output" / "out.log.txt").read_text()
    steps = ("calculating UtX", "optimization")
    minutes = [float(re.findall(rf"time on {step} = +([\d.e+-]+)", log)[0]) for step in steps]
    return pd.read_csv(folder / "output" / "out.assoc.txt", sep="\t"), sum(minutes) * 60
