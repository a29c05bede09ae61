"""Sparse autoencoders: one frozen inference form, trainers behind a registry, calibration, quality.

``model`` what a trained autoencoder does; ``trainer`` and ``batch_topk`` how it is made; ``calibrate``
its final threshold; ``source`` activations straight from a model; ``quality`` held-out figures; ``evo2``
the published one.
"""
