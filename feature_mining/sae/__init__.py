"""Sparse autoencoders: one frozen inference form, trainers behind a registry, calibration, quality.

``config`` what an autoencoder is; ``model`` what it does once trained; ``trainer`` and ``batch_topk`` how it
is made; ``calibrate`` its final threshold; ``source`` activations straight from a model; ``quality`` held-out
figures; ``evo2`` the published one.
"""
