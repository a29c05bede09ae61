"""Relatedness of samples from their variants, whole or with one block of the genome left out."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np


def kinship(variants: np.ndarray) -> np.ndarray:
    """Centred relatedness matrix, GEMMA's ``-gk 1``: float64 (n_samples, n_samples).

    Parameters
    ----------
    variants : float (n_variants, n_samples)
        Allele counts; NaN counts as the variant's mean.

    Raises
    ------
    ValueError
        No variant differs between samples.
    """
    x, used = _centred(variants)
    if not used:
        raise ValueError(
            f"kinship: none of {len(variants)} variants differs between samples; give variants that do,"
            " or a kinship matrix"
        )
    return (x.T @ x) / used


def leave_block_out(variants: np.ndarray, blocks: np.ndarray) -> Iterator[tuple[object, np.ndarray]]:
    """Kinship without each block in turn, so that a tested block is not in its own kinship.

    Parameters
    ----------
    variants : float (n_variants, n_samples)
    blocks : (n_variants,)
        Contig or stretch of a chromosome of each variant.

    Yields
    ------
    block, kinship : float64 (n_samples, n_samples) from all other blocks

    Raises
    ------
    ValueError
        All variants that differ lie in one block.
    """
    names = list(dict.fromkeys(np.asarray(blocks).tolist()))
    n = variants.shape[1]
    sums, counts = {}, {}
    total, used = np.zeros((n, n)), 0
    for name in names:
        x, counts[name] = _centred(variants[np.asarray(blocks) == name])
        sums[name] = x.T @ x
        total += sums[name]
        used += counts[name]
    for name in names:
        if used == counts[name]:
            raise ValueError(
                f"kinship: every variant that differs between samples lies in block {name}, nothing is"
                " left when it is left out; give variants from the rest of the genome"
            )
        yield name, (total - sums[name]) / (used - counts[name])


def components(relatedness: np.ndarray, count: int) -> np.ndarray:
    """Leading principal components of a kinship, float64 (n_samples, count), each of variance 1.

    Signs are set so that the largest entry of each is positive. Fewer than `count` come back where the
    rank is lower.
    """
    n = len(relatedness)
    centred = relatedness - relatedness.mean(axis=0) - relatedness.mean(axis=1)[:, None]
    centred = centred + relatedness.mean()
    values, vectors = np.linalg.eigh(centred)
    keep = np.argsort(values)[::-1][: min(count, n - 1)]
    keep = keep[values[keep] > 1e-8 * values.max()]
    found = vectors[:, keep] * np.sqrt(n)
    return found * np.sign(found[np.abs(found).argmax(axis=0), np.arange(found.shape[1])])


def _centred(variants: np.ndarray) -> tuple[np.ndarray, int]:
    x = np.array(variants, dtype=np.float64)
    mean = np.nanmean(x, axis=1, keepdims=True) if len(x) else np.zeros((0, 1))
    x -= mean
    x[np.isnan(x)] = 0.0
    return x, int((np.abs(x).max(axis=1, initial=0.0) > 0).sum())
