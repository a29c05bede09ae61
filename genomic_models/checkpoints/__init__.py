"""Readers of published checkpoints: files of any known layout to tensors under the network's names."""
