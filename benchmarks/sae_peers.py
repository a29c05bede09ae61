"""How other libraries train, driven the way their own trainers do, at the learning rates that suit them best.

Each runner takes batches ``(2048, d)`` and gives a function that encodes, one that decodes, and the decoder
rows, as its library would at inference. Best rates on the planted data, from a sweep of 5.7e-4 to 1.6e-2:
8e-3 for dictionary_learning's TopK and sparsify's, 4e-3 for SAELens and for dictionary_learning's BatchTopK.
"""

from __future__ import annotations

import importlib.util
import itertools
from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor

Batches = Iterator[Tensor]


class Trained(NamedTuple):
    """What a library trained: ``encode``, ``decode``, decoder rows ``(m, d)``."""

    encode: Callable[[Tensor], Tensor]
    decode: Callable[[Tensor], Tensor]
    decoder: Tensor


def dictionary_learning(kind: str, rate: float) -> Callable[[Batches, int, int, int, int, int], Trained]:
    """A trainer of dictionary_learning: ``TopKTrainer`` or ``BatchTopKTrainer``, its own ``update``."""

    def run(batches: Batches, d_in: int, d_sae: int, k: int, steps: int, seed: int) -> Trained:
        from dictionary_learning import trainers

        made = getattr(trainers.top_k if kind == "topk" else trainers.batch_top_k, CLASSES[kind])(
            steps=steps,
            activation_dim=d_in,
            dict_size=d_sae,
            k=k,
            layer=0,
            lm_name="planted",
            lr=rate,
            warmup_steps=steps // 20,
            decay_start=steps * 4 // 5,
            threshold_start_step=min(1000, steps // 2),
            seed=seed,
            device="cpu",
        )
        # Hard-wired to ten million rows, so that no feature could count as dead in a short run.
        made.dead_feature_threshold = steps * 2048 // 20
        for step, x in enumerate(batches):
            made.update(step, x)
        ae = made.ae.eval()
        inference = (lambda x: ae.encode(x, use_threshold=True)) if kind != "topk" else ae.encode
        with torch.no_grad():
            return Trained(
                torch.no_grad()(inference), torch.no_grad()(ae.decode), ae.decoder.weight.detach().T.clone()
            )

    return run


CLASSES = {"topk": "TopKTrainer", "batch_topk": "BatchTopKTrainer"}


def sparsify(rate: float) -> Callable[[Batches, int, int, int, int, int], Trained]:
    """Sparsify's ``SparseCoder`` in the loop of its trainer (Adam, fraction of variance unexplained)."""

    def run(batches: Batches, d_in: int, d_sae: int, k: int, steps: int, seed: int) -> Trained:
        from sparsify import SparseCoder, SparseCoderConfig
        from transformers import get_linear_schedule_with_warmup

        torch.manual_seed(seed)
        coder = SparseCoder(d_in, SparseCoderConfig(num_latents=d_sae, k=k), dtype=torch.float32)
        optimiser = torch.optim.Adam(coder.parameters(), lr=rate)
        schedule = get_linear_schedule_with_warmup(optimiser, steps // 20, steps)
        for step, x in enumerate(batches):
            if step == 0:
                coder.b_dec.data = x.mean(dim=0)
            if coder.cfg.normalize_decoder:
                coder.set_decoder_norm_to_unit_norm()
            coder(x).fvu.backward()
            if coder.cfg.normalize_decoder:
                coder.remove_gradient_parallel_to_decoder_directions()
            optimiser.step()
            optimiser.zero_grad()
            schedule.step()

        def encode(x: Tensor) -> Tensor:
            with torch.no_grad():
                found = coder.encode(x)
                dense = torch.zeros(len(x), d_sae)
                return dense.scatter_(1, found.top_indices, found.top_acts)

        decoder = coder.W_dec.detach()
        return Trained(encode, lambda f: f @ decoder + coder.b_dec.detach(), decoder.clone())

    return run


def saelens(kind: str, rate: float) -> Callable[[Batches, int, int, int, int, int], Trained]:
    """SAELens' ``SAETrainer``, with a dead window that fits the run."""

    def run(batches: Batches, d_in: int, d_sae: int, k: int, steps: int, seed: int) -> Trained:
        from sae_lens import saes
        from sae_lens.config import SAETrainerConfig
        from sae_lens.training.sae_trainer import SAETrainer

        torch.manual_seed(seed)
        name = {"topk": "TopK", "batch_topk": "BatchTopK"}[kind]
        module = {"topk": saes.topk_sae, "batch_topk": saes.batchtopk_sae}[kind]
        config = getattr(module, f"{name}TrainingSAEConfig")(d_in=d_in, d_sae=d_sae, k=k)
        sae = getattr(module, f"{name}TrainingSAE")(config)
        trainer = SAETrainer(
            cfg=SAETrainerConfig(
                total_training_samples=steps * 2048,
                train_batch_size_samples=2048,
                lr=rate,
                lr_end=rate / 10,
                lr_warm_up_steps=steps // 20,
                lr_decay_steps=steps // 5,
                dead_feature_window=50,
                n_batches_for_norm_estimate=1,
            ),
            sae=sae,
            data_provider=itertools.chain(batches, itertools.repeat(None)),
        )
        with torch.enable_grad():
            trained = trainer.fit()
        from tempfile import TemporaryDirectory

        from sae_lens import SAE

        with TemporaryDirectory() as folder:
            trained.save_inference_model(folder)
            loaded = SAE.load_from_disk(folder)
        return Trained(
            torch.no_grad()(loaded.encode), torch.no_grad()(loaded.decode), loaded.W_dec.detach().clone()
        )

    return run


# Library and variant to the module that must be installed, and the runner.
PEERS = {
    ("eai-sparsify", "topk"): ("sparsify", sparsify(8e-3)),
    ("dictionary-learning", "topk"): ("dictionary_learning", dictionary_learning("topk", 8e-3)),
    ("sae-lens", "topk"): ("sae_lens", saelens("topk", 4e-3)),
    ("dictionary-learning", "batch_topk"): ("dictionary_learning", dictionary_learning("batch_topk", 4e-3)),
    ("sae-lens", "batch_topk"): ("sae_lens", saelens("batch_topk", 4e-3)),
}


def installed(module: str) -> bool:
    """Whether a peer can be imported here."""
    return importlib.util.find_spec(module) is not None
