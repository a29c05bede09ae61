"""A weighted set of features that is read and painted as one, named only by evidence."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

import numpy as np

from feature_mining.edits.edit import Steer
from feature_mining.edits.places import Strength, Where
from feature_mining.feature_map import Csr
from feature_mining.json_fields import JsonFields

VERSION = 1
# Features that a line names.
_NAMED = 6
EVERYWHERE = Where()


@dataclass(frozen=True)
class Evidence:
    """What held-out data say of a concept; empty where nothing was asked, so that it stays a number.

    Attributes
    ----------
    verdict : str
        A word of `feature_mining.association.verdict.Verdict`.
    track, mode : str
        What it was compared with, and on which strand.
    lift, low, high : float, optional
        (average precision - chance) / (1 - chance) on the report split, and its 95 % interval.
    """

    verdict: str = ""
    track: str = ""
    mode: str = ""
    lift: float | None = None
    low: float | None = None
    high: float | None = None

    def __str__(self) -> str:
        if not self.verdict:
            return "a number"
        if not self.track:
            return self.verdict
        where = f" ({self.mode} strand)" if self.mode in ("same", "opposite") else ""
        lift = f", lift {self.lift:.3g}" if self.lift is not None else ""
        between = f" ({self.low:.3g} to {self.high:.3g})" if None not in (self.low, self.high) else ""
        return f"{self.track}{where}: {self.verdict}{lift}{between}"


@dataclass(frozen=True)
class Concept:
    """A weighted set of features of one autoencoder.

    Attributes
    ----------
    name : str
        One line.
    layer : str
        Tap of the autoencoder.
    weights : mapping of int to float
        By feature, in units of each feature's own 99.9 % activation, as strengths of edits are; at least one
        is not 0, and those that are 0 are left out.
    top : float
        The level that its strongest 0.1 % of active bases reach on the select sample, above 0; 1 for a
        single feature of weight 1.
    model, autoencoder : str
        Hashes of `EditPlan`; empty for any.
    how : str
        A sentence: how it was made.
    evidence : Evidence
    """

    name: str
    layer: str
    weights: Mapping[int, float]
    top: float
    model: str = ""
    autoencoder: str = ""
    how: str = ""
    evidence: Evidence = field(default_factory=Evidence)

    def __post_init__(self) -> None:
        if not self.name or not self.name.isprintable():
            raise ValueError(f"name {self.name!r} of a concept: expected one line of text")
        weights = {}
        for feature, weight in sorted(self.weights.items()):
            if isinstance(feature, bool) or not isinstance(feature, int) or feature < 0:
                raise ValueError(f"concept {self.name}: feature {feature!r}: expected a number from 0")
            if not math.isfinite(weight):
                raise ValueError(f"concept {self.name}: weight {weight} of feature {feature} is not finite")
            if weight:
                weights[feature] = float(weight)
        if not weights:
            raise ValueError(f"concept {self.name}: every weight is 0; expected one that is not")
        if not (math.isfinite(self.top) and self.top > 0):
            raise ValueError(f"concept {self.name}: top is {self.top}; expected a finite number above 0")
        if not all(math.isfinite(self.top * weight) for weight in weights.values()):
            raise ValueError(f"concept {self.name}: its top times a weight is too large a number")
        object.__setattr__(self, "weights", weights)

    def __hash__(self) -> int:
        return hash(self.to_json())

    def __str__(self) -> str:
        parts = [f"{weight:.3g} of {feature}" for feature, weight in self._largest[:_NAMED]]
        more = len(self.weights) - _NAMED
        listed = ", ".join(parts) + (f" and {more:,} more" if more > 0 else "")
        return f"{self.name} ({self.layer}): {listed}; {self.evidence}"

    @property
    def features(self) -> tuple[int, ...]:
        """Its features, ascending."""
        return tuple(self.weights)

    @property
    def _largest(self) -> list[tuple[int, float]]:
        return sorted(self.weights.items(), key=lambda item: -abs(item[1]))

    @classmethod
    def of_feature(
        cls, feature: int, layer: str, model: str, autoencoder: str, name: str | None = None
    ) -> Concept:
        """One feature by itself."""
        how = f"feature {feature}"
        return cls(name or how, layer, {feature: 1.0}, 1.0, model, autoencoder, how)

    def scaled(self, factors: Mapping[int, float]) -> Concept:
        """With some features turned up or down.

        ``top`` stays, so that what is painted of the other features stays. Raises ``ValueError`` for a
        feature that the concept does not have.
        """
        if absent := sorted(set(factors) - set(self.weights)):
            raise ValueError(
                f"concept {self.name} has no feature {absent[0]}; expected one of"
                f" {', '.join(map(str, self.features))}"
            )
        turned = ", ".join(f"{feature} times {factor:g}" for feature, factor in sorted(factors.items()))
        weights = {feature: weight * factors.get(feature, 1.0) for feature, weight in self.weights.items()}
        how = f"{self.how.rstrip('.')}; with {turned}"
        return replace(self, weights=weights, how=how, evidence=Evidence())

    def coefficients(self, scales: np.ndarray) -> np.ndarray:
        """What activations of `features`, in their order, are multiplied with to give the level.

        Parameters
        ----------
        scales : ndarray
            ``(d_sae,)``: every feature's 99.9 % activation, ``Dictionary.unit``; one of 0, that of a feature
            that was never active, adds nothing.

        Returns
        -------
        ndarray
            float64 ``(m,)``.
        """
        weights = np.fromiter(self.weights.values(), np.float64)
        units = np.asarray(scales, np.float64)[list(self.weights)]
        return np.divide(weights, units, out=np.zeros_like(weights), where=units > 0) / (weights @ weights)

    def level(self, activations: np.ndarray | Csr, scales: np.ndarray) -> np.ndarray:
        """How strongly it is present: ``<w, r> / <w, w>``, where ``r = activations / scales``.

        Adding ``s`` times its weights, in units of the features, adds ``s`` to the level.

        Parameters
        ----------
        activations : ndarray or Csr
            ``(n, d_sae)``.
        scales : ndarray
            As in `coefficients`.

        Returns
        -------
        ndarray
            float64 ``(n,)``.
        """
        own = self.coefficients(scales)
        if not isinstance(activations, Csr):
            return np.asarray(activations)[:, list(self.weights)] @ own
        every = np.zeros(activations.n_features)
        every[list(self.weights)] = own
        rows = np.repeat(np.arange(activations.n_rows), np.diff(activations.indptr))
        parts = every[activations.indices] * activations.values
        return np.bincount(rows, parts, minlength=activations.n_rows)

    def edits(self, strength: Strength, where: Where = EVERYWHERE) -> tuple[Steer, ...]:
        """Edits that add ``strength``, a share of `top`, a number or a ramp, to its level at some places.

        One a feature, the largest weight first; negative weights take away.
        """
        return tuple(
            Steer(self.layer, feature, _times(strength, self.top * weight), where=where)
            for feature, weight in self._largest
        )

    def check(self, model: str, autoencoder: str) -> None:
        """Raise ``ValueError`` with both hashes where it is of another model or autoencoder."""
        for what, own, found in (
            ("a model", self.model, model),
            (f"an autoencoder of {self.layer}", self.autoencoder, autoencoder),
        ):
            if own and own != found:
                raise ValueError(f"concept {self.name} is of {what} with hash {own}; this one has {found}")

    def to_json(self) -> str:
        """The concept as text; ``from_json`` gives it back."""
        values = {key.name: getattr(self, key.name) for key in fields(self)}
        values["weights"] = {str(feature): weight for feature, weight in self.weights.items()}
        known = asdict(self.evidence).items()
        values["evidence"] = {key: value for key, value in known if value not in ("", None)}
        return json.dumps({"version": VERSION} | values, indent=1)

    @classmethod
    def from_json(cls, text: str) -> Concept:
        """The concept that a text says.

        Raises ``ValueError`` for what is not JSON, another version, and a field that is unknown, missing or
        of another kind, with line and field.
        """
        read = JsonFields(text, "the concept")
        read.check_keys((), ("version", *(key.name for key in fields(cls))))
        if read.values["version"] != VERSION:
            raise read.wrong(("version",), f"{VERSION}, which this program reads")
        strings = {key: read.string(key) for key in ("name", "layer", "model", "autoencoder", "how")}
        if not strings["name"]:
            raise read.wrong(("name",), "a name")
        if not (top := read.number("top")) > 0:
            raise read.wrong(("top",), "a number above 0")
        weights = read.values["weights"]
        if not isinstance(weights, dict) or not weights:
            raise read.wrong(("weights",), "weights by feature")
        for key in weights:
            if not (key.isascii() and key.isdigit() and len(key) < 10):
                raise read.wrong(("weights", key), "a weight under the number of a feature")
        found = {int(key): read.number("weights", key) for key in weights}
        if not any(found.values()):
            raise read.wrong(("weights",), "one that is not 0")
        return cls(weights=found, top=top, evidence=_evidence(read), **strings)


def _evidence(read: JsonFields) -> Evidence:
    strings, numbers = ("verdict", "track", "mode"), ("lift", "low", "high")
    given = read.check_keys(("evidence",), (), (*strings, *numbers))
    readers: dict[str, Any] = dict.fromkeys(strings, read.string) | dict.fromkeys(numbers, read.number)
    return Evidence(**{key: readers[key]("evidence", key) for key in given})


def _times(strength: Strength, factor: float) -> Strength:
    if isinstance(strength, int | float):
        return strength * factor
    return tuple((position, value * factor) for position, value in strength)
