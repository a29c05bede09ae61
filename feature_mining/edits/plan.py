"""An ordered set of edits, as a file that says which model and autoencoders it is for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from feature_mining.edits.edit import KINDS, Edit
from feature_mining.edits.places import places_from

VERSION = 1


@dataclass(frozen=True)
class EditPlan:
    """Edits in the order in which they act, and what they belong to.

    Attributes
    ----------
    edits : tuple of Edit
    model : str
        ``DNAModel.weights_hash``; empty for any model.
    autoencoders : dict of str to str
        ``SparseAutoencoder.hash`` by layer.
    """

    edits: tuple[Edit, ...] = ()
    model: str = ""
    autoencoders: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "edits", tuple(self.edits))

    def __str__(self) -> str:
        return "\n".join(map(str, self.edits)) or "no edit"

    def __hash__(self) -> int:
        return hash(self.to_json())

    @property
    def layers(self) -> tuple[str, ...]:
        """Taps that it acts at, in the order of their first edit."""
        return tuple(dict.fromkeys(edit.layer for edit in self.edits))

    def check(self, model: str, autoencoders: Mapping[str, str]) -> None:
        """Raise ``ValueError`` with both hashes where the plan is for another model or autoencoder."""
        if self.model and self.model != model:
            raise ValueError(f"the plan is for a model with hash {self.model}; this one has {model}")
        for layer in self.layers:
            if layer not in autoencoders:
                raise ValueError(
                    f"the plan edits {layer}; there is an autoencoder for {', '.join(autoencoders) or 'none'}"
                )
        for layer, found in self.autoencoders.items():
            if layer in autoencoders and found != autoencoders[layer]:
                raise ValueError(
                    f"the plan is for an autoencoder of {layer} with hash {found}; this one has"
                    f" {autoencoders[layer]}"
                )

    def to_json(self) -> str:
        """The plan as text; ``from_json`` gives it back."""
        edits = [{"kind": edit.kind} | asdict(edit) for edit in self.edits]
        values = {
            "version": VERSION,
            "model": self.model,
            "autoencoders": dict(self.autoencoders),
            "edits": edits,
        }
        return json.dumps(values, indent=1, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> EditPlan:
        """The plan that a text says.

        Raises ``ValueError`` for what is not JSON, another version, and an unknown kind or key, by the
        edit's number.
        """
        try:
            values = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"the plan is not JSON ({error})") from None
        expected = {"version", "model", "autoencoders", "edits"}
        if not isinstance(values, dict) or set(values) != expected:
            found = ", ".join(sorted(values)) if isinstance(values, dict) else type(values).__name__
            raise ValueError(f"the plan holds {found}; expected {', '.join(sorted(expected))}")
        if values["version"] != VERSION:
            raise ValueError(f"the plan is of version {values['version']}; this program reads {VERSION}")
        given = values["autoencoders"]
        if not isinstance(values["edits"], list) or not isinstance(values["model"], str):
            raise ValueError("the plan's edits are no list, or its model no text")
        if not isinstance(given, dict) or not all(isinstance(each, str) for each in given.values()):
            raise ValueError("the plan's autoencoders are no hashes by layer")
        edits = tuple(_edit(number, each) for number, each in enumerate(values["edits"], 1))
        return cls(edits, values["model"], given)


def _edit(number: int, given: Any) -> Edit:
    kind = given.get("kind") if isinstance(given, dict) else None
    if not isinstance(kind, str) or kind not in KINDS:
        raise ValueError(f"edit {number} is of kind {kind!r}; expected {', '.join(KINDS)}")
    values = {key: value for key, value in given.items() if key != "kind"}
    known = {each.name for each in fields(KINDS[kind])}
    if unknown := sorted(set(values) - known):
        raise ValueError(
            f"edit {number}: {kind} has no {', '.join(unknown)}; expected {', '.join(sorted(known))}"
        )
    try:
        if "where" in values:
            values["where"] = places_from(values["where"])
        return KINDS[kind](**values)
    except (TypeError, ValueError, AttributeError, OverflowError, RuntimeError) as error:
        raise ValueError(f"edit {number}: {error}") from None
