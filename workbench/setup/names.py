"""What a new study names has to exist, as far as that can be told before anything is read."""

from __future__ import annotations

from genomic_models.files import expanded
from workbench.cohort.variant_lines import VariantLines
from workbench.genome.reference import record_lengths, record_names
from workbench.models.listing import check_model
from workbench.study.config import StudyConfig
from workbench.tracks.renaming import found_map, propose, told_contigs
from workbench.tracks.track import Contigs


def found_names(config: StudyConfig) -> dict[str, str]:
    """Contig names of tracks, regions and variants that are none of the genome's, with the genome's for each.

    Those that lengths or chromosomes tell. Raises ``InputError`` for a file of which that is not clear.
    """
    given = config.input
    lengths = record_lengths(expanded(given.genome))
    files = {path: told_contigs(expanded(path)) for path in (*given.tracks, given.regions) if path}
    if config.cohort.variants:
        files[config.cohort.variants] = VariantLines(expanded(config.cohort.variants)).told()
    found: dict[str, str] = {}
    for path, told in files.items():
        found |= found_map(path, propose(told, lengths, given.rename | found))
    return found


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
