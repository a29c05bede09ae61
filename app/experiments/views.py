"""What is drawn of experiments beyond tables and page, by kind; a kind without a view needs none."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from app.data.study import Opened
from app.experiments.attribution import show_attribution
from app.experiments.circuits import show_circuit
from app.experiments.detectors import show_attack, show_detector
from app.experiments.differences import show_diff
from app.experiments.embedding_map import show_embeddings
from app.experiments.explanation import show_explained
from app.experiments.layer_scan import show_layers
from app.experiments.painting import show_painting
from app.experiments.steering import show_passports, show_steering
from app.experiments.treatment import show_pruned, show_treatment
from workbench.experiments.kind import Experiment

VIEWS: Mapping[str, Callable[[Opened, Experiment], None]] = {
    "attribute": show_attribution,
    "circuit": show_circuit,
    "steer": show_steering,
    "passport": show_passports,
    "embed": show_embeddings,
    "layers": show_layers,
    "paint": show_painting,
    "detect": show_detector,
    "attack": show_attack,
    "prune": show_pruned,
    "treat": show_treatment,
    "explain": show_explained,
    "diff": show_diff,
}
