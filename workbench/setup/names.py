"""What a new study names has to exist, as far as that can be told before anything is read."""

from __future__ import annotations

from genomic_models.files import expanded
from workbench.genome.reference import record_names
from workbench.models.listing import check_model
from workbench.study.config import StudyConfig
from workbench.tracks.track import Contigs


def refuse_unknown(config: StudyConfig) -> None:
    """Raise ``InputError`` or ``ModelError`` for a model, layer or contig that there is not.

    Contigs are those said to be circular and those that others are renamed to.
    """
    check_model(config.model.name, config.model.layer, config.model.trust_remote_code)
    asked = [*config.input.circular, *config.input.rename.values()]
    if asked:
        names = record_names(expanded(config.input.genome))
        contigs = Contigs(dict.fromkeys(names, 0), frozenset())
        for name in asked:
            contigs.named(name)
