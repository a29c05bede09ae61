"""Detectors: made, run along sequence, and attacked."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from workbench.cli.experiments import Folder, Later, Name, Workers, ask
from workbench.experiments.detector_settings import AttackSettings, DetectSettings
from workbench.files.settings import sentence
from workbench.progress import showing
from workbench.study.study import Study

DETECT, ATTACK = DetectSettings(), AttackSettings()


def make(
    folder: Folder,
    track: Annotated[str, typer.Option(help=sentence(DetectSettings, "track"))],
    name: Name = "detector",
    concept: Annotated[
        str, typer.Option(help="A concept whose level is the score; default: a sparse probe is fitted.")
    ] = "",
    features: Annotated[int, typer.Option(help=sentence(DetectSettings, "features"))] = DETECT.features,
    precision: Annotated[float, typer.Option(help=sentence(DetectSettings, "precision"))] = DETECT.precision,
    sites_per_megabase: Annotated[
        float, typer.Option(help=sentence(DetectSettings, "sites_per_megabase"))
    ] = DETECT.sites_per_megabase,
    mode: Annotated[
        str, typer.Option(help=f"{sentence(DetectSettings, 'mode')} same, opposite or any.")
    ] = DETECT.mode,
    attacks: Annotated[str, typer.Option(help=sentence(DetectSettings, "attacks"))] = DETECT.attacks,
    later: Later = False,
) -> None:
    """Make a calibrated detector for the sites of a track, and test what it promises.

    The score of a base is the level of a concept: one that you name, or an L1 logistic probe on a few
    features. Probe, threshold and the probability of each call are chosen on the select split, in two parts;
    how many calls are true is measured once on the report split, with its interval, where sites are as dense
    as stated. A detector keeps silent where sequence is unlike that of its genome. Where there are too few
    sites to say, or no threshold reaches what is asked for, that is what is said.

    detector.json (with the hashes of model and autoencoder; refused elsewhere), tables, and page.html, in the
    study's experiments/NAME.

    workbench detect make DIR --track CDS_stop --precision 0.8 --name stops
    workbench detect make DIR --track CDS_stop --concept 757 --sites-per-megabase 500 --name few
    """
    from workbench.study.concepts import resolve  # PyTorch

    text = resolve(Study.open(folder), concept).to_json() if concept else ""
    one_line = " ".join(text.split())
    settings = DetectSettings(track, mode, one_line, features, precision, sites_per_megabase, attacks)
    ask(folder, name, "detect", settings, 1, later)


def scan(
    subject: Annotated[
        Path, typer.Argument(help="Folder of a study, or FASTA, GenBank, EMBL.", metavar="STUDY|FASTA")
    ],
    detector: Annotated[Path, typer.Option(help="File of a detector.")],
    out: Annotated[Path, typer.Option(help="Calls to write: .gff3 or .bed.")],
    study: Annotated[
        Path | None, typer.Option(help="Study whose model and autoencoder read a sequence file.")
    ] = None,
) -> None:
    """Run a detector along sequence, both strands, piece by piece.

    A line a call, with the probability that it is true as its score (BED: times 1,000), and a line a stretch
    on which the detector abstained, since its words or features are unlike those that it was calibrated on:
    there nothing is said. Probabilities are those where sites are as dense as the detector states. Bases
    without enough context before them (the study's warm-up), and N, have no value.

    workbench detect scan DIR --detector DIR/experiments/stops/detector.json --out stops.gff3
    workbench detect scan other.fa --study DIR --detector detector.json --out stops.bed
    """
    with showing() as progress:
        from workbench.scans.detectors import read_detector, scan  # PyTorch
        from workbench.scans.source import open_source  # PyTorch

        given = read_detector(detector)
        opened, source = open_source(subject, study)
        found = scan(opened, given, source, out, progress)
    print(f"{given}")
    print(f"{found}: {out}")


def attack(
    folder: Folder,
    detector: Annotated[str, typer.Option(help="File of a detector, or the experiment that made it.")],
    name: Name = "attack",
    sites: Annotated[int, typer.Option(help=sentence(AttackSettings, "sites"))] = ATTACK.sites,
    changes: Annotated[int, typer.Option(help=sentence(AttackSettings, "changes"))] = ATTACK.changes,
    reach: Annotated[int, typer.Option(help=sentence(AttackSettings, "reach"))] = ATTACK.reach,
    synonymous: Annotated[
        bool, typer.Option("--synonymous/--any-change", help=sentence(AttackSettings, "synonymous"))
    ] = ATTACK.synonymous,
    seed: Annotated[int, typer.Option(help=sentence(AttackSettings, "seed"))] = ATTACK.seed,
    retrain: Annotated[
        bool, typer.Option("--retrain/--no-retrain", help="Also retrain on the attacks, and attack that.")
    ] = True,
    workers: Workers = 1,
    later: Later = False,
) -> None:
    """Mislead a detector by few base changes, and see whether one that learnt from it holds.

    Sites that it calls are hidden, and places far from any site are made to be called: greedily (every
    allowed change is read), guided by the gradient, and by as many random changes. The bases of a site stay
    as they are, and in coding sequence so does the protein, so that a hidden site is still one and a faked
    one is none. Then a probe is fitted that also knows the attacked sequence of the select split,
    NAME-retrained, and attacked anew, NAME-again; the page of the first says how many old attacks still work.

    workbench detect attack DIR --detector stops --name stops-red
    """
    from workbench.experiments.attack import as_setting  # PyTorch
    from workbench.experiments.detect import find_detector  # PyTorch

    study = Study.open(folder)

    def attack_it(which: str, called: str) -> None:
        text = as_setting(find_detector(study, which))
        settings = AttackSettings(text, sites, changes, reach, synonymous, seed)
        ask(folder, called, "attack", settings, workers, later)

    attack_it(detector, name)
    if later or not retrain:
        return
    old = find_detector(study, detector)
    again = f"{name}-retrained"
    settings = DetectSettings(
        old.track, old.mode, "", max(len(old.concept.features), DETECT.features), old.precision,
        old.sites_per_megabase, name,
    )  # fmt: skip
    ask(folder, again, "detect", settings, 1, later)
    attack_it(again, f"{name}-again")
