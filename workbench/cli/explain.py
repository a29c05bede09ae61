"""What a phenotype's predictor rests on."""

from __future__ import annotations

from typing import Annotated

import typer

from workbench.cli.experiments import Folder, Later, Name, Workers, ask
from workbench.experiments.explain_settings import ExplainSettings
from workbench.files.settings import sentence

DEFAULT = ExplainSettings()


def explain(
    folder: Folder,
    phenotype: Annotated[str, typer.Option(help=sentence(ExplainSettings, "phenotype"))],
    sample: Annotated[
        list[str] | None, typer.Option(help=f"{sentence(ExplainSettings, 'samples')} Repeatable.")
    ] = None,
    burden: Annotated[str, typer.Option(help=sentence(ExplainSettings, "burden"))] = DEFAULT.burden,
    permutations: Annotated[
        int, typer.Option(help=sentence(ExplainSettings, "permutations"))
    ] = DEFAULT.permutations,
    seed: Annotated[int, typer.Option(help=sentence(ExplainSettings, "seed"))] = DEFAULT.seed,
    name: Name = "explanation",
    workers: Workers = 1,
    later: Later = False,
) -> None:
    """Say whether a phenotype's predictor uses loci or lineage, for the cohort and for single samples.

    The predictor is that of the study's predictions, from folds that did not see the sample. For the cohort:
    its score beside lineage and relatedness alone, beside the loci without what tells lineages apart, with
    whole lineages held out, and with the phenotype permuted within lineages; what each locus adds. For a
    sample: what each locus adds to its prediction, what of that its whole lineage gets, and the prediction
    with the locus set to reference. page.html says what it may not be used for.
    """
    settings = ExplainSettings(phenotype, sample or [], burden, permutations, seed)
    ask(folder, name, "explain", settings, workers, later)
