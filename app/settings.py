"""Model, layer and settings of a new study, each with what it means."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

from workbench.config import ModelConfig, SAEConfig, StudyConfig, WindowConfig

EXPLAINED = """
* **Model**: the DNA language model that is looked into. `mini` ships with the project and runs on any
  machine; Evo checkpoints appear here once their files are on this machine (`workbench models` says which
  files, and what hardware they need).
* **Layer**: after which block the model is read. Early layers know letters and short words, late ones
  prepare the next letter; the default lies between, at 70 % of the depth.
* **Features**: directions that the autoencoder learns; more of them are finer and need more bases.
* **Active a base**: how many features may fire at one base on average.
* **Training bases**: how many bases the autoencoder sees; the largest part of a run's time.
* **Window and warm-up**: bases read together, and those at a window's start that are thrown away because
  the model has seen too little before them.
* **Control**: the whole recipe again on a network with random weights. Without it, no feature can be
  called learnt.
"""


@st.cache_data(show_spinner=False)
def _models() -> list[str]:
    from workbench.model_list import here

    return here()


@st.cache_data(show_spinner="Reading the model's layers")
def _layers(model: str) -> list[str]:
    from workbench.model_list import layers

    return layers(model)


def settings() -> StudyConfig:
    """The boxes; gives a configuration without inputs."""
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
            help="Autoencoders trained together; two or more show which features are found again.",
        )  # fmt: skip
        window = left.number_input("Window", 128, 1_000_000, 2048, key="window")
        warmup = middle.number_input("Warm-up", 0, 100_000, 512, key="warmup")
        batch = right.number_input(
            "Batch", 64, 65536, 2048, key="batch", help="Bases a step; fewer for a small genome."
        )
        random = st.checkbox("Control: random weights", value=True, key="random_weights")
        st.markdown(EXPLAINED)
    config = StudyConfig()
    return replace(
        config,
        model=ModelConfig(name=str(model), layer=str(layer)),
        windows=WindowConfig(window=int(window), warmup=int(warmup)),
        sae=replace(
            SAEConfig(),
            width=int(width),
            k=int(k),
            tokens=int(tokens),
            seeds=int(seeds),
            batch=int(batch),
        ),
        controls=replace(config.controls, random_weights=random),
    )
