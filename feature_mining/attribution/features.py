"""Which features of a layer an output hangs on, at which positions.

The activation is taken apart as ``x = f W_dec + b_dec + error``; each active feature has its part, and so
has the error, so that the parts add up to the difference between the output and the output at ``x = b_dec``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from feature_mining.attribution.target import Target, check_finite
from feature_mining.edits.apply import Applied, Dictionary
from feature_mining.edits.edit import Ablate
from feature_mining.edits.passes import run
from feature_mining.edits.plan import EditPlan
from feature_mining.sae.row_norms import ROW_NORMS
from genomic_models.contract import DNAModel
from genomic_models.taps import Put

METHODS = ("gradient", "integrated", "direct")


@dataclass(frozen=True)
class FeatureAttribution:
    """What an output hangs on.

    Attributes
    ----------
    table : DataFrame
        ``feature, position`` (0-based, in the direction of the reading, the first base of a token),
        ``activation``, ``attribution`` in units of the target; a row for each active pair, largest
        attribution first.
    error : ndarray
        ``(L,)`` float32: the share of what the autoencoder does not explain, by column of the layer.
    value, baseline : float
        The target as it is, and with the layer at ``b_dec`` throughout.
    completeness_error : float
        How far all parts together are from ``value - baseline``, as a share of it.
    """

    table: pd.DataFrame
    error: np.ndarray
    value: float
    baseline: float
    completeness_error: float


def attribute_features(
    model: DNAModel,
    sequence: str,
    target: Target,
    dictionary: Dictionary,
    method: str = "integrated",
    steps: int = 16,
) -> FeatureAttribution:
    """Attribute an output to the features of one layer.

    Parameters
    ----------
    model : DNAModel
        One whose passes can be differentiated.
    sequence : str
        In the direction of the reading.
    target : Target
        Of a layer after the dictionary's, or of the predictions.
    dictionary : Dictionary
        An autoencoder that reads and writes one layer.
    method : str
        ``gradient``: activation times the gradient at the activation itself, one pass and a half.
        ``integrated``: the gradient averaged over ``steps`` points of the way from ``b_dec`` (midpoint rule;
        Sundararajan et al. 2017), whose parts add up but for the error of the sum.
        ``direct``: as ``gradient``, with gates, attention patterns and sizes of norms held as they are: what
        reaches the output by itself, not by what it opens for others.
    steps : int

    Raises
    ------
    ValueError
        For another method, and for a dictionary of several layers.
    """
    if method not in METHODS:
        raise ValueError(f"method {method!r}: expected {' or '.join(METHODS)}")
    if dictionary.reads != dictionary.writes or len(dictionary.reads) != 1:
        raise ValueError("attribution takes an autoencoder that reads and writes one layer")
    (layer,) = dictionary.reads
    x = model.forward([sequence], taps=[layer], until=layer).taps[layer].float().clone()
    sae = dictionary.sae
    rest = sae.b_dec.to(x)
    if sae.config.row_norm:
        _, centre, size = ROW_NORMS[sae.config.row_norm](x[0])
        rest = rest * size + centre
    away = x - rest
    if method != "integrated":
        value, gradient = _gradient(model, sequence, target, layer, x, frozen=method == "direct")
    else:
        shares = [(step + 0.5) / steps for step in range(steps)]
        slopes_on_the_way = (_gradient(model, sequence, target, layer, rest + s * away)[1] for s in shares)
        gradient = sum(slopes_on_the_way, torch.zeros_like(x)) / steps
        value = _gradient(model, sequence, target, layer, x, backward=False)[0]
    baseline = _gradient(model, sequence, target, layer, rest.expand_as(x), backward=False)[0]
    active = sae.encode_sparse(x[0])
    spans = model.spans(layer, model.tokenize([sequence]))
    rows = np.repeat(np.arange(active.n_rows), np.diff(active.indptr))
    slopes = (gradient[0] @ sae.W_dec.T.to(x))[rows, active.indices.astype(np.int64)].numpy()
    sizes = 1.0 if not sae.config.row_norm else size.expand(len(x[0]), 1)[rows, 0].numpy()
    parts = active.values * slopes * sizes
    table = pd.DataFrame(
        {
            "feature": active.indices.astype(np.int64),
            "position": rows if spans is None else spans[0, rows, 0].numpy(),
            "activation": active.values,
            "attribution": parts,
        }
    )
    error = ((x[0] - sae.write(active, x[0])) * gradient[0]).sum(-1).numpy()
    whole = float(parts.sum(dtype=np.float64) + error.sum(dtype=np.float64))
    apart = abs(whole - (value - baseline)) / max(abs(value - baseline), 1e-12)
    order = table["attribution"].abs().sort_values(ascending=False, kind="stable").index
    return FeatureAttribution(table.loc[order].reset_index(drop=True), error, value, baseline, apart)


def ablate_features(
    model: DNAModel,
    sequence: str,
    target: Target,
    layer: str,
    dictionary: Dictionary,
    features: Sequence[int],
    together: int = 8,
) -> pd.DataFrame:
    """How much an output loses with each feature set to zero throughout, exactly: a pass each.

    ``feature``; ``effect``: the output as it is less the output without the feature. ``together`` passes run
    at once.
    """
    untouched = target.value(model, model.forward([sequence], taps=target.taps))
    check_finite(untouched)
    effects = []
    for start in range(0, len(features), together):
        plans = [EditPlan((Ablate(layer, int(f)),)) for f in features[start : start + together]]
        applied = Applied(plans, {layer: dictionary})
        found = run(model, [sequence] * len(plans), applied, target.taps)
        effects += (untouched - target.value(model, found)).tolist()
    return pd.DataFrame({"feature": list(features), "effect": effects})


def _gradient(
    model: DNAModel,
    sequence: str,
    target: Target,
    layer: str,
    x: Tensor,
    backward: bool = True,
    frozen: bool = False,
) -> tuple[float, Tensor]:
    """The target with a layer's activation ``(1, L, d)`` put in, and its gradient by it."""
    leaf = x.detach().clone().requires_grad_(backward)
    edits = {layer: Put(leaf)}
    found = model.forward([sequence], taps=target.taps, edits=edits, gradients=backward, frozen=frozen)
    value = check_finite(target.value(model, found))[0]
    if not backward:
        return float(value), x
    (gradient,) = torch.autograd.grad(value, leaf)
    return float(value.detach()), gradient
