"""Models by themselves, without a study: list, score, pretrain."""
