"""A detector: a concept, the score from which it is called, what was promised, and where it keeps silent."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from feature_mining.concepts.concept import Concept
from feature_mining.detection.domain import COLUMNS, Domain
from feature_mining.detection.precision import probability
from feature_mining.feature_map import Csr
from feature_mining.json_fields import JsonFields

VERSION = 1
MODES = ("same", "opposite", "any")
# Figures of the arrays in a file.
_DIGITS = 7
_FIELDS = (
    "version", "name", "concept", "units", "track", "mode", "window", "warmup", "threshold", "gap", "curve",
    "precision", "sites_per_megabase", "domain", "measured",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Detector:
    """A calibrated scanner for the sites of a track.

    Attributes
    ----------
    name : str
    concept : Concept
        Its level is the score; it carries the hashes of model and autoencoder.
    units : mapping of int to float
        99.9 % activation of each of its features where the detector was made, so that scores are the same in
        every study of the autoencoder.
    track, mode : str
        What it looks for, on which strand of the reading: ``same``, ``opposite`` or ``any``.
    window, warmup : int
        How sequence is read, in bases: what a base's score is depends on it.
    threshold : float
        Score from which a base is called.
    gap : int
        Bases below it that a call bridges.
    curve : (float, float)
        Intercept and slope of the log-odds that a call is true, by its highest score.
    precision : float
        Share of calls that are true, as promised.
    sites_per_megabase : float
        Where sites are so dense.
    domain : Domain
    measured : mapping of str to float
        What it was on the calibration part and on the report split.
    """

    name: str
    concept: Concept
    units: Mapping[int, float]
    track: str
    mode: str
    window: int
    warmup: int
    threshold: float
    gap: int
    curve: tuple[float, float]
    precision: float
    sites_per_megabase: float
    domain: Domain
    measured: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.mode not in MODES or set(self.units) != set(self.concept.features):
            raise ValueError(f"detector {self.name}: mode {self.mode!r}, or a unit missing or too many")
        if not 0 <= self.warmup < self.window or self.gap < 0 or not 0 < self.precision < 1:
            raise ValueError(f"detector {self.name}: window, warm-up, gap or precision out of range")

    def __str__(self) -> str:
        strand = {"same": " on the strand that is read", "opposite": " on the other strand", "any": ""}
        return (
            f"{self.name}: {self.track}{strand[self.mode]} where {self.concept.name} >= {self.threshold:.4g},"
            f" {100 * self.precision:.3g} % of calls true where there are {self.sites_per_megabase:,.4g}"
            " sites a megabase"
        )

    def check(self, model: str, autoencoder: str) -> None:
        """Raise ``ValueError`` with both hashes where it is of another model or autoencoder."""
        self.concept.check(model, autoencoder)

    @property
    def coefficients(self) -> np.ndarray:
        """What activations of the concept's features are multiplied with to give the score, float64 (m)."""
        weights = np.fromiter(self.concept.weights.values(), np.float64)
        units = np.array([self.units[feature] for feature in self.concept.features])
        own = np.divide(weights, units, out=np.zeros_like(weights), where=units > 0)
        return own / (weights @ weights) / self.concept.top

    def score(self, features: Csr, valued: np.ndarray) -> np.ndarray:
        """Score of every base, float64 ``(n,)``; NaN where ``valued`` is false."""
        scales = np.zeros(features.n_features)
        scales[list(self.units)] = list(self.units.values())
        return np.where(valued, self.concept.level(features, scales) / self.concept.top, np.nan)

    def probability(self, peaks: np.ndarray) -> np.ndarray:
        """That calls are true, by their highest scores."""
        return probability(peaks, self.curve)

    def to_json(self) -> str:
        """The detector as text; ``from_json`` gives it back, arrays to seven figures."""
        domain = self.domain
        values = {
            "version": VERSION,
            "name": self.name,
            "concept": json.loads(self.concept.to_json()),
            "units": {str(feature): unit for feature, unit in self.units.items()},
            "track": self.track,
            "mode": self.mode,
            "window": self.window,
            "warmup": self.warmup,
            "threshold": self.threshold,
            "gap": self.gap,
            "curve": list(self.curve),
            "precision": self.precision,
            "sites_per_megabase": self.sites_per_megabase,
            "measured": dict(self.measured),
            "domain": {
                "features": domain.features.tolist(),
                "centre": _short(domain.centre),
                "whiten": _short(domain.whiten),
                "limit": domain.limit,
            },
        }
        return json.dumps(values, indent=1)

    @classmethod
    def from_json(cls, text: str) -> Detector:
        """The detector that a text says; ``ValueError`` names the line and the field that is wrong."""
        read = JsonFields(text, "the detector")
        read.check_keys((), _FIELDS)
        if read.values["version"] != VERSION:
            raise read.wrong(("version",), f"{VERSION}, which this program reads")
        concept = Concept.from_json(read.part("concept"))
        if not isinstance(read.values["units"], dict):
            raise read.wrong(("units",), "units by feature")
        if set(read.values["units"]) != {str(feature) for feature in concept.features}:
            raise read.wrong(("units",), "a unit for each feature of the concept")
        units = {int(feature): _positive(read, "units", feature) for feature in read.values["units"]}
        if not isinstance(read.values["curve"], list) or len(read.values["curve"]) != 2:
            raise read.wrong(("curve",), "two numbers")
        if read.string("mode") not in MODES:
            raise read.wrong(("mode",), ", ".join(MODES))
        window, warmup, gap = (_whole(read, name) for name in ("window", "warmup", "gap"))
        if not warmup < window:
            raise read.wrong(("warmup",), f"less than the window, {window}")
        precision = read.number("precision")
        if not 0 < precision < 1:
            raise read.wrong(("precision",), "a share between 0 and 1")
        if not isinstance(read.values["measured"], dict):
            raise read.wrong(("measured",), "figures by name")
        return cls(
            read.string("name"),
            concept,
            units,
            read.string("track"),
            read.string("mode"),
            window,
            warmup,
            read.number("threshold"),
            gap,
            (read.number("curve", 0), read.number("curve", 1)),
            precision,
            _positive(read, "sites_per_megabase"),
            _domain(read),
            {name: read.number("measured", name) for name in read.values["measured"]},
        )


def _domain(read: JsonFields) -> Domain:
    read.check_keys(("domain",), ("features", "centre", "whiten", "limit"))
    features = _array(read, "features", 1)
    if (features < 0).any() or (features % 1).any():
        raise read.wrong(("domain", "features"), "numbers of features")
    centre, whiten = _array(read, "centre", 1), _array(read, "whiten", 2)
    size = COLUMNS + 1 + len(features)
    if centre.shape != (size,) or whiten.shape != (size, size):
        raise read.wrong(("domain", "centre"), f"{size} numbers, and {size} rows of as many in whiten")
    return Domain(features.astype(np.int64), centre, whiten, _positive(read, "domain", "limit"))


def _array(read: JsonFields, name: str, dimensions: int) -> np.ndarray:
    value = read.values["domain"][name]
    try:
        found = np.array(value, np.float64)
    except (TypeError, ValueError, OverflowError):
        found = np.zeros(())
    if not isinstance(value, list) or found.ndim != dimensions or not np.isfinite(found).all():
        raise read.wrong(("domain", name), "finite numbers, rows of the same length")
    return found


def _positive(read: JsonFields, *path: str) -> float:
    value = read.number(*path)
    if value < 0:
        raise read.wrong(path, "a number of at least 0")
    return value


def _whole(read: JsonFields, name: str) -> int:
    value: Any = read.values[name]
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise read.wrong((name,), "a whole number from 0")
    return value


def _short(array: np.ndarray) -> list[Any]:
    rounded = np.array([float(f"{value:.{_DIGITS}g}") for value in array.ravel()])
    found: list[Any] = rounded.reshape(array.shape).tolist()
    return found
