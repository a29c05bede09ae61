"""Canvases written base after base under a painting, on either strand."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from feature_mining.edits.apply import Dictionary
from feature_mining.edits.plan import EditPlan
from feature_mining.writing.constraints import Constraint
from feature_mining.writing.write import write
from genomic_models.contract import DNAModel
from genomic_models.dna import reverse_complement
from genomic_models.generation import Sampling


def write_canvases(
    model: DNAModel,
    heads: Sequence[str],
    length: int,
    strand: str,
    plans: Sequence[EditPlan],
    dictionaries: Mapping[str, Dictionary],
    constraints: Sequence[Constraint] = (),
    sampling: Sampling | None = None,
    number: int = 1,
    told: Callable[[int], object] = lambda count: None,
) -> list[list[list[str]]]:
    """Write canvases on one strand; the minus strand is written as its reverse complement.

    Parameters
    ----------
    model, dictionaries, sampling, told
        As of `feature_mining.writing.write.write`.
    heads : sequence of str
        What the strand's reading begins with: what stands before a canvas, or for the minus strand the
        reverse complement of what stands after it (`Scene.heads`).
    length : int
        Bases of a canvas.
    strand : str
    plans : sequence of EditPlan
        In positions of the strand's reading (`plan_of`); they share their draws.
    constraints : sequence of Constraint
        In positions of the plus strand of the canvas.
    number : int
        Canvases a head and plan.

    Returns
    -------
    list
        Canvases on the plus strand by plan, head and copy.
    """
    if strand == "-":
        constraints = [each.turned(length) for each in constraints]
    written = write(
        model, heads, length, plans, dictionaries, [strand] * len(heads), constraints, sampling, number,
        told=told,
    )  # fmt: skip
    found = [[[""] * number for _ in heads] for _ in plans]
    for each in written:
        text = each.sequence if strand == "+" else reverse_complement(each.sequence)
        found[each.plan][each.prompt][each.copy] = text
    return found
