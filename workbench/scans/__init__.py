"""Rules and detectors along sequence that exists: a study's feature maps, or any sequence file."""
