"""Circuits: transcoders for all MLPs, and graphs with a certificate."""

from __future__ import annotations

from typing import Annotated

import typer

from workbench.cli.experiments import Folder, Later, Name, Workers, ask
from workbench.experiments.circuit_settings import CircuitSettings, TranscodeSettings
from workbench.files.settings import sentence

MADE, ASKED = TranscodeSettings(), CircuitSettings()


def transcode(
    folder: Folder,
    name: Name = ASKED.transcoders,
    width: Annotated[int, typer.Option(help=sentence(TranscodeSettings, "width"))] = MADE.width,
    k: Annotated[int, typer.Option(help=sentence(TranscodeSettings, "k"))] = MADE.k,
    bases: Annotated[int, typer.Option(help=sentence(TranscodeSettings, "bases"))] = MADE.bases,
    batch: Annotated[int, typer.Option(help=sentence(TranscodeSettings, "batch"))] = MADE.batch,
    seed: Annotated[int, typer.Option(help=sentence(TranscodeSettings, "seed"))] = MADE.seed,
    workers: Workers = 1,
    later: Later = False,
) -> None:
    """Train transcoders for all MLPs of a study's model, which circuits are traced through.

    A transcoder writes what an MLP writes, of features that are few at a base, with a linear skip beside
    them. All are trained at once, off one pass of the model over the train split; training goes on where it
    was stopped. page.html, in the study's experiments/NAME, says how much of each MLP is explained on bases
    that were not trained on, and how much by the skip alone. Then: workbench circuit.
    """
    ask(folder, name, "transcode", TranscodeSettings(width, k, bases, batch, seed), workers, later)


def circuit(
    folder: Folder,
    target: Annotated[list[str], typer.Option(help=f"{sentence(CircuitSettings, 'targets')} Repeatable.")],
    name: Name = "circuit",
    transcoders: Annotated[
        str, typer.Option(help=sentence(CircuitSettings, "transcoders"))
    ] = ASKED.transcoders,
    strand: Annotated[
        list[str] | None, typer.Option(help=f"{sentence(CircuitSettings, 'strands')} Default: +.")
    ] = None,
    context: Annotated[int, typer.Option(help=sentence(CircuitSettings, "context"))] = ASKED.context,
    features: Annotated[int, typer.Option(help=sentence(CircuitSettings, "features"))] = ASKED.features,
    held: Annotated[
        bool, typer.Option("--held/--moving", help=sentence(CircuitSettings, "held"))
    ] = ASKED.held,
    nodes: Annotated[float, typer.Option(help=sentence(CircuitSettings, "nodes"))] = ASKED.nodes,
    edges: Annotated[float, typer.Option(help=sentence(CircuitSettings, "edges"))] = ASKED.edges,
    interventions: Annotated[
        int, typer.Option(help=sentence(CircuitSettings, "interventions"))
    ] = ASKED.interventions,
    strength: Annotated[float, typer.Option(help=sentence(CircuitSettings, "strength"))] = ASKED.strength,
    seed: Annotated[int, typer.Option(help=sentence(CircuitSettings, "seed"))] = ASKED.seed,
    workers: Workers = 1,
    later: Later = False,
) -> None:
    """Trace how an output comes about, and certify the graph by interventions on the model.

    Nodes are bases, features of the transcoders of all blocks (workbench transcode) and errors, what those
    miss. Edges are exact with gates, attention patterns and sizes of norms held, and split by the mixer that
    carried them last and the distance. The certificate: random sets of nodes are changed by random amounts in
    the running model; R² is of what the graph predicts with what the model does, beside its gradient, the
    edges to the output alone, and the graph with its weights shuffled. Below 0.8, or with fewer than 1,000
    interventions, the page says not to trust it. Tables, a JSON file a graph, and page.html, in the study's
    experiments/NAME.
    """
    settings = CircuitSettings(
        target, transcoders, strand or ASKED.strands, context, features, held, nodes, edges, interventions,
        strength, seed,
    )  # fmt: skip
    ask(folder, name, "circuit", settings, workers, later)
