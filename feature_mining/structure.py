"""Structure in a feature that no annotation is needed to see, each score with its own null.

Four scores, all larger for more structure: `periodicity` of where runs begin, `palindrome` (stems of
reverse-complementary bases around the strongest bases), `conservation` (strongest bases whose wider
surroundings are near copies of one another), `boundary` (the same bases wherever a run begins). A
score is compared with draws in which only that structure is destroyed: starts jittered, windows
shuffled with their dinucleotides kept, places within runs instead of starts.
z is (score − mean) / sd of the draws, p = (1 + draws at or above) / (1 + draws).
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np

from feature_mining.dinucleotide_shuffle import shuffle_rows
from feature_mining.logo import information, position_frequencies

DRAWS = 49
LONGEST_LAG = 120
PERIODS = np.arange(2, 41)
JITTER = 20
LONGEST_LOOP = 8
LONGEST_STEM = 10
# Bases from the active one at which the middle of a stem may lie.
REACH = 12
CORE = 8
NEAR = 0.7
SHORTEST_RUN = 12
# Bases on either side of a run's beginning whose letters are compared.
EDGE = 8
# Starts, windows or runs below which a feature has no score.
FEWEST = 20


class Evidence(NamedTuple):
    """A score, its null, and what it says (a period in bases, a stem, an offset), as a number.

    draws : float64 (DRAWS), scores of the null
    """

    score: float
    detail: float
    draws: np.ndarray

    @property
    def z(self) -> float:
        """(score − mean) / sd of the draws; NaN without a score or where the draws do not vary."""
        spread = float(self.draws.std(ddof=1)) if self.draws.size > 1 else 0.0
        return (self.score - float(self.draws.mean())) / spread if spread > 0 else float("nan")

    @property
    def p(self) -> float:
        """(1 + draws at or above the score) / (1 + draws); NaN without a score."""
        if np.isnan(self.score):
            return float("nan")
        return (1 + int((self.draws >= self.score).sum())) / (1 + self.draws.size)


NOTHING = Evidence(float("nan"), float("nan"), np.full(DRAWS, np.nan))


def periodicity(starts: np.ndarray, random: np.random.Generator) -> Evidence:
    """Peak of the spectrum of distances between nearby starts; detail: the period in bases.

    Parameters
    ----------
    starts : int64 (n), ascending, first bases of a feature's runs on one strand

    Notes
    -----
    Distances up to `LONGEST_LAG`; periods of 2 to 40 bases; the score is the mean cosine at the best
    period. In the null every start moves by up to `JITTER` bases, which keeps the density along the genome.
    """
    if starts.size < FEWEST:
        return NOTHING
    spectrum = _spectrum(starts)
    if spectrum is None:
        return NOTHING
    best = int(np.argmax(spectrum))
    draws = np.zeros(DRAWS)
    for i in range(DRAWS):
        moved = np.sort(starts + random.integers(-JITTER, JITTER + 1, starts.size))
        found = _spectrum(moved)
        draws[i] = found.max() if found is not None else 0.0
    return Evidence(float(spectrum[best]), float(PERIODS[best]), draws)


def _spectrum(starts: np.ndarray) -> np.ndarray | None:
    lags = _lags(starts, LONGEST_LAG)
    total = lags.sum()
    if total < FEWEST:
        return None
    at = np.arange(1, LONGEST_LAG + 1)
    waves = np.cos(2 * np.pi * at[None, :] / PERIODS[:, None])
    found: np.ndarray = waves @ lags / total
    return found


@numba.njit(cache=True, nogil=True)
def _lags(starts, longest):
    counts = np.zeros(longest, np.float64)
    for i in range(starts.size):
        j = i + 1
        while j < starts.size and starts[j] - starts[i] <= longest:
            if starts[j] > starts[i]:
                counts[starts[j] - starts[i] - 1] += 1
            j += 1
    return counts


def palindrome(windows: np.ndarray, random: np.random.Generator) -> Evidence:
    """Mean length of the best stem round the active base; detail: its most common loop in bases.

    Parameters
    ----------
    windows : uint8 (n, width), bases around the strongest bases, the active one in the middle

    Notes
    -----
    A stem is a run of complementary letters that face each other across a loop of up to `LONGEST_LOOP`
    bases, no longer than `LONGEST_STEM`. In the null each window's dinucleotides are shuffled.
    """
    if len(windows) < FEWEST:
        return NOTHING
    stems, loops = _stems(windows, LONGEST_LOOP, LONGEST_STEM, REACH)
    draws = np.zeros(DRAWS)
    for i in range(DRAWS):
        shuffled = shuffle_rows(windows, random)
        draws[i] = _stems(shuffled, LONGEST_LOOP, LONGEST_STEM, REACH)[0].mean()
    common = int(np.bincount(loops[stems >= np.median(stems)]).argmax())
    return Evidence(float(stems.mean()), float(common), draws)


@numba.njit(cache=True, nogil=True)
def _stems(windows, longest_loop, longest_stem, reach):
    n, width = windows.shape
    stems = np.zeros(n, np.int64)
    loops = np.zeros(n, np.int64)
    middle = width // 2
    for w in range(n):
        for left in range(max(0, middle - reach), min(width - 1, middle + reach)):
            for loop in range(longest_loop + 1):
                stem = 0
                a, b = left, left + loop + 1
                while a >= 0 and b < width and stem < longest_stem:
                    if windows[w, a] > 3 or windows[w, a] + windows[w, b] != 3:
                        break
                    stem += 1
                    a -= 1
                    b += 1
                if stem > stems[w]:
                    stems[w] = stem
                    loops[w] = loop
    return stems, loops


def conservation(windows: np.ndarray, places: np.ndarray, random: np.random.Generator) -> Evidence:
    """Mean identity of each window's flanks with those of its nearest other; detail: share of near copies.

    Parameters
    ----------
    windows : uint8 (n, width), the active base in the middle
    places : int64 (n), their positions; windows closer than a width to each other are not compared

    Notes
    -----
    The `CORE` bases on either side of the active one are left out: what every strong base has there is the
    feature's motif, not a copy of a longer sequence. In the null the dinucleotides of each window are
    shuffled, which keeps its composition. A near copy agrees in `NEAR` of the flanking letters.
    """
    if len(windows) < FEWEST:
        return NOTHING
    identity = _nearest(windows, places, CORE)
    draws = np.zeros(DRAWS)
    for i in range(DRAWS):
        draws[i] = _nearest(shuffle_rows(windows, random), places, CORE).mean()
    return Evidence(float(identity.mean()), float((identity >= NEAR).mean()), draws)


@numba.njit(cache=True, nogil=True)
def _nearest(windows, places, core):
    n, width = windows.shape
    middle = width // 2
    letters = width - 2 * core - 1
    best = np.zeros(n)
    for i in range(n):
        for j in range(i):
            if abs(places[i] - places[j]) < width:
                continue
            same = 0
            for k in range(width):
                if abs(k - middle) > core and windows[i, k] == windows[j, k] and windows[i, k] < 4:
                    same += 1
            share = same / letters
            best[i] = max(best[i], share)
            best[j] = max(best[j], share)
    return best


def boundary(
    codes: np.ndarray, starts: np.ndarray, lengths: np.ndarray, random: np.random.Generator
) -> Evidence:
    """Information of the letters round the beginnings of runs, in bits; detail: the run's median length.

    Parameters
    ----------
    codes : uint8 (n), letters of a stretch in the direction of the reading
    starts, lengths : int64 (m), runs of the feature in the stretch; only those of at least
        `SHORTEST_RUN` bases count

    Notes
    -----
    In the null each run is entered at a random base of its own inside instead: a feature whose runs are
    all of one composition has no boundary for that.
    """
    keep = (lengths >= SHORTEST_RUN) & (starts >= EDGE) & (starts + lengths + EDGE < codes.size)
    starts, lengths = starts[keep], lengths[keep]
    if starts.size < FEWEST:
        return NOTHING
    around = np.arange(-EDGE, EDGE)
    draws = np.zeros(DRAWS)
    for i in range(DRAWS):
        inside = starts + EDGE + (random.random(starts.size) * (lengths - EDGE)).astype(np.int64)
        draws[i] = _bits(codes[inside[:, None] + around])
    return Evidence(_bits(codes[starts[:, None] + around]), float(np.median(lengths)), draws)


def _bits(windows: np.ndarray) -> float:
    frequencies = position_frequencies(windows)
    return float(information(frequencies, len(windows)).sum())


def surely(evidence: list[Evidence], chance: float = 0.02) -> np.ndarray:
    """Which features' scores no draw of any feature reaches by chance, bool (n).

    Max-T over features (Westfall & Young 1993): draws are made comparable as z against the other draws of
    their feature, the largest of each round is taken over all features, and a score must exceed all but
    `chance` of those maxima.
    """
    z = np.array([e.z for e in evidence])
    rounds = np.full(DRAWS, -np.inf)
    for e in evidence:
        spread = float(e.draws.std(ddof=1))
        if np.isfinite(spread) and spread > 0:
            n = e.draws.size
            mean = (e.draws.sum() - e.draws) / (n - 1)
            rest = (np.square(e.draws).sum() - np.square(e.draws)) / (n - 1) - mean**2
            own = (e.draws - mean) / np.sqrt(np.maximum(rest, 1e-12) * (n - 1) / (n - 2))
            rounds = np.maximum(rounds, own)
    if not np.isfinite(rounds).any():
        return np.zeros(len(evidence), bool)
    found: np.ndarray = np.nan_to_num(z, nan=-np.inf) > np.quantile(rounds, 1 - chance)
    return found
