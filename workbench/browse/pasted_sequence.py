"""A pasted sequence through a study's model: likelihood, features, and every substitution in a stretch."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from genomic_models.dna import BASES, reverse_complement
from workbench.browse.value_scale import ValueScale
from workbench.errors import InputError
from workbench.genome.fasta import check_letters
from workbench.study.locus import check_features

if TYPE_CHECKING:
    from workbench.study.study import Study
    from workbench.variants.effects import SequenceReading

# Bases of a sequence.
LONGEST = 4000
# Bases of which every substitution is read.
MOST_MUTATED = 60
# Bases kept on each side of a mutated stretch.
CONTEXT = 256


class Pasted(NamedTuple):
    """What a model says of a sequence.

    sequence : upper-case letters
    nats : by strand, float32 (L) at plus-strand positions; NaN at the base that each reading starts with
    fires : ``feature, strand, position`` (0-based, plus strand), ``value``: each base at which one fires
    """

    sequence: str
    nats: dict[str, np.ndarray]
    fires: pd.DataFrame


def clean(text: str, longest: int = LONGEST) -> str:
    """Letters of a pasted sequence; a FASTA header, blanks and numbers are left out.

    Raises ``InputError`` for letters that are not DNA, and for too few or too many.
    """
    lines = text.strip().splitlines()
    headers = sum(line.startswith(">") for line in lines)
    if headers > 1:
        raise InputError(f"{headers} records pasted; expected one sequence")
    joined = re.sub(r"[\s\d]", "", "".join(x for x in lines if not x.startswith(">")))
    sequence = check_letters("pasted sequence", joined)
    if not 2 <= len(sequence) <= longest:
        raise InputError(f"pasted sequence of {len(sequence):,} bases: expected 2 to {longest:,}")
    return sequence


def read_pasted(study: Study, sequence: str) -> Pasted:
    """Likelihood and features of a sequence on both strands, without anything round it."""
    from workbench.variants.effects import read_sequences  # takes seconds to import: PyTorch

    if len(sequence) > study.model.context:
        raise InputError(
            f"{len(sequence):,} bases: longer than the context of the model, {study.model.context:,}"
        )
    turned = {"+": sequence, "-": reverse_complement(sequence)}
    found = read_sequences(study.model, study.layer, list(turned.values()), study.batch)
    last, nats, tables = len(sequence) - 1, {}, []
    for strand, letters in turned.items():
        reading = found[letters]
        nats[strand] = reading.nats if strand == "+" else reading.nats[::-1]
        assert reading.activations is not None
        csr = study.sae.encode_sparse(np.ascontiguousarray(reading.activations))
        rows = np.repeat(np.arange(len(sequence)), np.diff(csr.indptr))
        place = rows if strand == "+" else last - rows
        columns = {"feature": csr.indices.astype(np.int64), "strand": strand, "position": place}
        tables.append(pd.DataFrame(columns | {"value": csr.values}))
    return Pasted(sequence, nats, pd.concat(tables, ignore_index=True))


def firing(pasted: Pasted, catalog: pd.DataFrame, scale: ValueScale, warmup: int = 0) -> pd.DataFrame:
    """A row a feature that is active: how often, where strongest, and how rare that value is on the genome.

    Parameters
    ----------
    pasted : Pasted
    catalog : DataFrame
        ``dead`` by feature.
    scale : ValueScale
    warmup : int
        Bases at the start of each reading that the study discards; they do not count, unless the sequence has
        no others.

    Returns
    -------
    DataFrame
        ``feature``, ``bases``, ``largest`` (no unit), ``strand``, ``position``, ``of_top`` (share of full
        scale, which may exceed 1), ``rarity`` (`ValueScale.rarity`) and ``aside``: why a row is not ranked,
        ``dead`` or ``warm-up`` (active there alone), else empty. Ranked rows first, the rarest value first.
    """
    fires, length = pasted.fires, len(pasted.sequence)
    warmup = warmup if length > warmup else 0
    read = fires["position"].where(fires["strand"] == "+", length - 1 - fires["position"])
    fires = fires.assign(_warm=read < warmup)
    order = ["_warm", "value"]
    best = fires.sort_values(order, ascending=[True, False], kind="stable").drop_duplicates("feature")
    best = best.set_index("feature").rename(columns={"value": "largest"})
    counted = fires[fires["_warm"] == best["_warm"].reindex(fires["feature"]).to_numpy()]
    best["bases"] = counted.groupby("feature").size()
    table = best.reset_index()
    features, values = table["feature"].to_numpy(np.int64), table["largest"].to_numpy(np.float64)
    table["of_top"] = values / scale.top[features]
    table["rarity"] = scale.rarity(features, values)
    dead = catalog["dead"].reindex(features).to_numpy(bool)
    table["aside"] = np.select([dead, table["_warm"].to_numpy(bool)], ["dead", "warm-up"], "")
    table["_last"] = table["aside"] != ""
    table = table.sort_values(["_last", "rarity", "of_top"], ascending=[True, True, False], kind="stable")
    columns = ["feature", "bases", "largest", "strand", "position", "of_top", "rarity", "aside"]
    return table[columns].reset_index(drop=True)


def mutate(study: Study, sequence: str, start: int, end: int, feature: int) -> pd.DataFrame:
    """Every substitution of a stretch: effect on the likelihood, and on a feature's largest value.

    ``CONTEXT`` bases on each side are read with it.

    Parameters
    ----------
    study : Study
    sequence : str
    start, end : int
        0-based half-open; at most ``MOST_MUTATED`` bases.
    feature : int

    Returns
    -------
    DataFrame
        ``position, reference, letter``; ``log_likelihood``: change in nats, mean of both strands, below 0
        where the substitution is less likely; ``feature``: change of the largest value on either strand.
        Rows of the reference letter are 0.
    """
    from workbench.variants.effects import read_sequences  # takes seconds to import: PyTorch

    if not 0 <= start < end <= len(sequence) or end - start > MOST_MUTATED:
        raise InputError(
            f"stretch {start}-{end}: expected 0 <= start < end <= {len(sequence)}, at most {MOST_MUTATED}"
            " bases"
        )
    check_features(study, [feature])
    left = max(0, start - CONTEXT)
    around = sequence[left : end + CONTEXT]
    rows = [
        (at, around[at - left], letter, around[: at - left] + letter + around[at - left + 1 :])
        for at in range(start, end)
        for letter in BASES
    ]
    given = list(dict.fromkeys([around, *(text for *_, text in rows)]))
    scores: dict[str, tuple[np.ndarray, float]] = {}
    # In small groups: activations of all sequences at once would not stay small.
    size = max(1, study.batch * 4)
    for first in range(0, len(given), size):
        group = given[first : first + size]
        turned = [reverse_complement(text) for text in group]
        found = read_sequences(study.model, study.layer, [*group, *turned], size)
        for text, other in zip(group, turned, strict=True):
            sides = found[text], found[other]
            both = np.stack([s.nats for s in sides])
            scores[text] = both, max(_largest(study, side, feature) for side in sides)
    nats, value = scores[around]
    return pd.DataFrame(
        [
            (a, r, x, np.nansum(scores[t][0] - nats, dtype=float) / 2, scores[t][1] - value)
            for a, r, x, t in rows
        ],
        columns=["position", "reference", "letter", "log_likelihood", "feature"],
    )


def _largest(study: Study, reading: SequenceReading, feature: int) -> float:
    assert reading.activations is not None
    csr = study.sae.encode_sparse(np.ascontiguousarray(reading.activations))
    return float(csr.values[csr.indices == feature].max(initial=0.0))
