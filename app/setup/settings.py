"""Model, layer and settings of a new study, with their meaning."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

from app.setup.model_choice import model_choice
from workbench.study.config import ModelConfig, SAEConfig, StudyConfig, WindowConfig

EXPLAINED = """
* **Model**: the DNA language model to interpret. `mini` ships with the project and runs on any
  machine; Evo checkpoints appear here once their files are on this machine (`workbench models` says which
  files, and what hardware they need).
* **Layer**: after which block the model is read. Early layers represent bases and short k-mers, late
  ones the next base; the default lies between, at 70 % of the depth.
* **Features**: directions that the autoencoder learns; more of them are more specific and need more bases.
* **Active a base**: mean number of active features a base.
* **Training bases**: bases that the autoencoder is trained on; the largest part of a run's time.
* **Window and warm-up**: bases read together, and those at a window's start that are discarded because
  they have too little context.
* **Control**: the same pipeline on a network with random weights. Without it, every
  verdict says that this control did not run.
"""


@st.cache_data(show_spinner=False)
def _models() -> list[str]:
    from workbench.models.listing import here  # PyTorch

    return here()


@st.cache_data(show_spinner="Reading the model's layers")
def _layers(model: str) -> list[str]:
    from workbench.models.listing import layers  # PyTorch

    return layers(model)


def settings() -> StudyConfig:
    """Draw the boxes; returns a configuration without inputs."""
    config = StudyConfig()
    with st.expander("Model, layer and settings"):
        left, middle, right = st.columns(3)
        model = left.selectbox("Model", _models(), key="model")
        layer = middle.selectbox(
            "Layer",
            ["", *_layers(model)],
            key="layer",
            format_func=lambda name: name or "default (70 % of the depth)",
        )
        width = right.number_input(
            "Features", 0, 65536, 0, key="width", help="0: 8 times the width of the layer."
        )
        k = left.number_input("Active a base (k)", 1, 256, 16, key="k")
        tokens = middle.number_input(
            "Training bases", 20_000, 100_000_000, 4_000_000, step=100_000, key="tokens"
        )
        seeds = right.number_input(
            "Seeds", 1, 8, 1, key="seeds",
            help="Autoencoders trained together; two or more measure which features are reproduced.",
        )  # fmt: skip
        window = left.number_input("Window", 128, 1_000_000, config.windows.window, key="window")
        warmup = middle.number_input("Warm-up", 0, 100_000, config.windows.warmup, key="warmup")
        batch = right.number_input(
            "Batch", 64, 65536, 2048, key="batch", help="Bases a step; fewer for a small genome."
        )
        random = st.checkbox("Control: random weights", value=True, key="random_weights")
        st.markdown(EXPLAINED)
    model_choice()
    return replace(
        config,
        model=ModelConfig(name=str(model), layer=str(layer)),
        windows=WindowConfig(window=int(window), warmup=int(warmup)),
        sae=replace(
            SAEConfig(), width=int(width), k=int(k), tokens=int(tokens), seeds=int(seeds), batch=int(batch)
        ),
        controls=replace(config.controls, random_weights=random),
    )
