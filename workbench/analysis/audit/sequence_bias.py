"""How much of where a feature fires is explained by the letters around: GC, k-mers, three-base phase.

Share = R² of whether the feature fires, fitted on the control sample of the select split and taken on that
of the report split, never below 0. GC: GC within 50 bases and its square. Phase: the composition of the
three phases within 60 bases, beyond GC. K-mer: the six letters that end at the base, as group means.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.sparse import csr_matrix

from feature_mining.association.composition import GROUP_START, LONGEST, N_DENSE, covariates
from genomic_models.dna import reverse_complement_codes
from workbench.analysis.detectors import HALO
from workbench.analysis.readings import STRANDS
from workbench.analysis.sample import Drawn, report_sample, select_sample, sequence_codes

if TYPE_CHECKING:
    from workbench.study.study import Study

N_KMERS = 4**LONGEST
# Bases with the mean rate that every k-mer's own are mixed with.
PRIOR = 5.0
_PHASES = slice(N_DENSE - 12, N_DENSE)
_LONGEST_GROUP = LONGEST - 1


class Sums(NamedTuple):
    """Weighted sums over bases. n; active (F); xx (15, 15); xa (15, F); kmers (4096); kmer_active sparse."""

    n: float
    active: np.ndarray
    xx: np.ndarray
    xa: np.ndarray
    kmers: np.ndarray
    kmer_active: csr_matrix


class Explained(NamedTuple):
    """Shares float64 (F) in 0..1, NaN for a feature that fires on too few bases, and firings on report."""

    gc: np.ndarray
    phase: np.ndarray
    kmer: np.ndarray
    fired: np.ndarray


FEWEST = 20


def explained_shares(study: Study) -> Explained:
    """Shares of all features."""
    select, report = (_sums(study, d) for d in (select_sample(study), report_sample(study)))
    few = np.minimum(select.active, report.active) < FEWEST
    gc = linear_share(select, report, 3)
    both = linear_share(select, report, len(select.xx))
    shares = [gc, np.maximum(both - gc, 0), kmer_share(select, report)]
    gc, phase, kmer = (np.where(few, np.nan, share) for share in shares)
    return Explained(gc, phase, kmer, report.active)


def linear_share(select: Sums, report: Sums, columns: int) -> np.ndarray:
    """R² on report of a least-squares fit on select, on the first columns; float64 (F), at least 0."""
    at = slice(0, columns)
    ridge = 1e-6 * select.n * np.eye(columns)
    weights = np.linalg.solve(select.xx[at, at] + ridge, select.xa[at])
    error = report.active - 2 * (weights * report.xa[at]).sum(axis=0)
    error = error + np.einsum("if,ij,jf->f", weights, report.xx[at, at], weights, optimize=True)
    return _share(error, report)


def kmer_share(select: Sums, report: Sums) -> np.ndarray:
    """R² on report of the mean by six-letter word learnt on select, float64 (F), at least 0."""
    rate = select.active / select.n
    own, held = select.kmer_active.tocsc(), report.kmer_active.tocsc()
    error = np.empty(select.active.size)
    for f in range(error.size):
        part = slice(own.indptr[f], own.indptr[f + 1])
        mean = np.full(N_KMERS, PRIOR * rate[f])
        mean[own.indices[part]] += own.data[part]
        mean /= select.kmers + PRIOR
        hits = slice(held.indptr[f], held.indptr[f + 1])
        together = (mean[held.indices[hits]] * held.data[hits]).sum()
        error[f] = report.active[f] - 2 * together + (report.kmers * mean**2).sum()
    return _share(error, report)


def _share(error: np.ndarray, report: Sums) -> np.ndarray:
    spread = report.active - report.active**2 / report.n
    return np.clip(1 - error / np.maximum(spread, 1e-12), 0.0, 1.0)


def _sums(study: Study, drawn: list[Drawn]) -> Sums:
    width = study.sae_config.d_sae
    size = 3 + _PHASES.stop - _PHASES.start
    n, active = 0.0, np.zeros(width)
    xx, xa = np.zeros((size, size)), np.zeros((size, width))
    kmers, kmer_active = np.zeros(N_KMERS), csr_matrix((N_KMERS, width))
    for d in drawn:
        plus = sequence_codes(study, d.cell)
        for strand in STRANDS:
            reading = study.features.rows(d.cell.chrom, d.cell.start, d.cell.end, strand)
            codes = plus if strand == "+" else reverse_complement_codes(plus)
            hot, dense = covariates(codes, HALO, codes.size - HALO)
            if strand == "-":
                hot, dense = hot[::-1], dense[::-1]
            word = hot[:, _LONGEST_GROUP].astype(np.int64) - GROUP_START[_LONGEST_GROUP]
            use = reading.callable & (word >= 0)
            fires = csr_matrix(
                (np.ones(reading.features.indices.size), reading.features.indices, reading.features.indptr),
                shape=(use.size, width),
            )[use]
            gc = dense[use, :1].astype(np.float64)
            x = np.hstack([np.ones_like(gc), gc, gc**2, dense[use, _PHASES]])
            words = word[use]
            one = csr_matrix(
                (np.ones(words.size), (words, np.arange(words.size))), shape=(N_KMERS, words.size)
            )
            n += d.weight * words.size
            active += d.weight * np.asarray(fires.sum(axis=0)).ravel()
            xx += d.weight * (x.T @ x)
            xa += d.weight * (fires.T @ x).T
            kmers += d.weight * np.bincount(words, minlength=N_KMERS)
            kmer_active = kmer_active + d.weight * (one @ fires)
    return Sums(n, active, xx, xa, kmers, kmer_active)
