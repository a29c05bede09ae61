"""Was it learnt, or is it a shortcut: what else could explain a feature or a score."""
