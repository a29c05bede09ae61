"""What of the model is asked about, as people write it: an allele, a base, an output, a later feature."""

from __future__ import annotations

import re
from typing import NamedTuple

from feature_mining.attribution.target import (
    Activation,
    AlleleOdds,
    BaseProbability,
    Likelihood,
    Output,
    Target,
)
from feature_mining.edits.apply import Dictionary
from feature_mining.sae.calibrate import Calibration
from feature_mining.sae.model import SparseAutoencoder
from genomic_models.dna import BASES, reverse_complement
from workbench.analysis.training_setup import layer_folder
from workbench.cohort.edits import parse_variant
from workbench.errors import InputError
from workbench.experiments.settings import FORMS
from workbench.genome.interval import Interval
from workbench.study.study import Study
from workbench.wording import plural

# Bases that are read before a place, and after it by a model that sees both sides, if nothing is said.
CONTEXT = 1024

_PLACE = re.compile(
    r"(?P<chrom>.+):(?P<start>[0-9,]+)(?:(?:-|\.\.)(?P<end>[0-9,]+))?"
    r"(?:@(?P<layer>[^@#]+)#(?P<feature>[0-9]{1,9})|=(?P<output>.+))?"
)


class Asked(NamedTuple):
    """An output of the model at a place.

    text : as it was written
    place : bases that the output is of, 0-based half-open
    reference, alternative : alleles of one base for log-odds of the second over the first; empty for the
        log-probability of what stands there
    layer, feature : of a later layer, whose activation over the place is asked for; empty and -1 otherwise
    output : class or track of the model's own that is asked for; empty otherwise
    """

    text: str
    place: Interval
    reference: str = ""
    alternative: str = ""
    layer: str = ""
    feature: int = -1
    output: str = ""

    @property
    def title(self) -> str:
        """What the output is, for people."""
        at = f"{self.place.chrom}:{self.place.start + 1:,}"
        if self.alternative:
            return f"log-odds of {self.alternative} over {self.reference} at {at}"
        here = at if self.place.size == 1 else f"{at}-{self.place.end:,}"
        if self.output:
            return f"{self.output} at {here}"
        if self.layer:
            return f"activation of feature {self.feature} of {self.layer} at {here}"
        if self.place.size == 1:
            return f"log-probability of the base at {at}"
        return f"log-likelihood of {at}-{self.place.end:,}"

    def read(self, study: Study, strand: str, context: int) -> tuple[str, int, Target]:
        """The sequence that ends with the place, in the direction of a strand's reading.

        For a model that sees both sides of a base as much follows after the place. ``context``: bases
        before the place; 0 for ``CONTEXT``, or what the model reads at once. Returns the letters, how many of
        them lie before the place, and the target within them. Raises ``InputError`` where nothing lies before
        it, where that is more than the model reads at once, or where a letter is not A, C, G or T.
        """
        model, size = study.model, self.place.size
        most = (model.longest - size) // (1 if model.causal else 2)
        context = context or max(1, min(CONTEXT, most))
        chrom, start, end = self.place
        length = study.manifest.contigs[chrom]
        left, right = max(0, start - context), min(length, end + context)
        if model.causal:
            left, right = (left, end) if strand == "+" else (start, right)
        before = start - left if strand == "+" else right - end
        if not before and model.causal:
            raise InputError(
                f"{self.text}: nothing lies before it on the {strand} strand's reading, so that nothing"
                " predicts it"
            )
        # Where a token is several bases, the model counts tokens and refuses by itself.
        if right - left > model.longest and model.base_tokens() is not None:
            where = "before" if model.causal else "around"
            less = f"context of at most {most:,}" if most > 0 else "shorter place"
            raise InputError(
                f"{self.text}: {plural(size, 'base')} with {context:,} {where} are more than the"
                f" {model.longest:,} that {model.name} reads at once; ask for a {less}"
            )
        letters = study.genome.fetch(chrom, left, right, strand).upper()
        after = before + size
        here = letters[before:after]
        if strange := set(here) - set(BASES):
            raise InputError(f"{self.text}: holds {', '.join(sorted(strange))}; expected A, C, G and T")
        if self.layer:
            own = _dictionary(study, self.layer, True)
            return letters, before, Activation(own, self.feature, before, after)
        if self.output:
            return letters, before, Output(self.output, before, after)
        if self.alternative:
            alleles = (self.reference, self.alternative)
            if strand == "-":
                alleles = (reverse_complement(alleles[0]), reverse_complement(alleles[1]))
            if here != alleles[0]:
                raise InputError(
                    f"{self.text}: the genome has {study.genome.fetch(chrom, start, end)} there, the variant"
                    f" says {self.reference}"
                )
            return letters, before, AlleleOdds(before, *alleles)
        if self.place.size == 1:
            return letters, before, BaseProbability(before, here)
        return letters, before, Likelihood(before, after)


def parse_target(study: Study, text: str, own: bool = False) -> Asked:
    """An output from its text, one of `FORMS`. Raises ``InputError`` for any other text.

    ``own``: whether it may be a feature of the study's own layer, too.
    """
    text = text.strip()
    if text.count(":") >= 3:
        variant = parse_variant(text)
        if len(variant.reference) != 1 or len(variant.alternative) != 1:
            raise InputError(f"{text}: expected one base in place of another; score others with `variants`")
        chrom = study.contigs.named(variant.chrom)
        place = Interval(*study.contigs.stretch(chrom, variant.start, variant.start + 1))
        return Asked(text, place, variant.reference, variant.alternative)
    found = _PLACE.fullmatch(text)
    if found is None:
        raise InputError(f"{text!r}: expected {FORMS}")
    start = int(found["start"].replace(",", ""))
    end = int((found["end"] or found["start"]).replace(",", ""))
    if start < 1 or end < start:
        raise InputError(f"{text}: expected a first base of 1 or more and an end that is not before it")
    chrom = study.contigs.named(found["chrom"])
    if end > (length := study.manifest.contigs[chrom]):
        raise InputError(f"{text}: {chrom} has {length:,} bases")
    place = Interval(chrom, start - 1, end)
    if found["output"] is not None:
        _check_output(study, text, found["output"])
        return Asked(text, place, output=found["output"])
    if found["layer"] is None:
        return Asked(text, place)
    width, feature = _dictionary(study, found["layer"], own).sae.config.d_sae, int(found["feature"])
    if feature >= width:
        raise InputError(f"{text}: {found['layer']} has features 0 to {width - 1}")
    return Asked(text, place, layer=found["layer"], feature=feature)


def _check_output(study: Study, text: str, name: str) -> None:
    """Raise ``InputError`` for what is no class or track of the model."""
    outputs = study.model.outputs
    if outputs is None:
        raise InputError(f"{text}: model {study.model.name} has no classes or tracks")
    if name not in outputs.names:
        raise InputError(f"{text}: expected one of the model's {outputs.kind}, {', '.join(outputs.names)}")


def _dictionary(study: Study, layer: str, own: bool) -> Dictionary:
    """The autoencoder of a layer after the study's own, or of that; ``InputError`` where it has none."""
    if own and layer == study.layer:
        return study.dictionary
    order = study.model.layers
    if layer not in order or order.index(layer) <= order.index(study.layer):
        raise InputError(
            f"layer {layer!r}: expected {'that of the study or ' if own else ''}one after {study.layer}, the"
            " layer of the study"
        )
    folder = layer_folder(study, layer)
    if not folder.is_dir():
        raise InputError(
            f"the study has no autoencoder of {layer}: name it under [activations] layers, then run the study"
        )
    try:
        return Dictionary.at(layer, SparseAutoencoder.load(folder), Calibration.load(folder))
    except ValueError as error:
        raise InputError(f"{folder}: {error}") from None
