"""Detectors: concepts as calibrated scanners of sequence, and attacks on them.

`probe` makes a concept of a few features, `calls` what is above a threshold into calls, `precision` chooses
the threshold for what is promised and measures it, `domain` says where a detector has nothing to say,
`detector` holds all of it as a file, `attack` looks for base changes that hide or fake a site.
"""
