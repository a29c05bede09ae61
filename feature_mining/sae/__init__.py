"""Sparse autoencoders: one frozen inference form, trainers behind a registry, calibration, quality.

``config`` and ``model`` the inference form; ``calibrate`` its thresholds; ``pursuit`` another encoder;
``architectures`` what can be trained; ``training`` activations from a model, the training loop and final
thresholds; ``measures`` held-out quality; ``formats`` files of other libraries.
"""
