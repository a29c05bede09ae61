"""StripedHyena (Evo 1) and StripedHyena 2 (Evo 2) in plain PyTorch."""
