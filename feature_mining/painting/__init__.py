"""Concepts painted onto a stretch of DNA, and edits of features turned into changes of bases.

`painting` holds strokes on a canvas and what shows where they overlap, `operations` change it, `scene` reads
canvases where they stand, `goals` say what a reading of them shall show, `write`, `resample` and `design`
fill them in, `compiler` finds the base changes that do what an edit does, `rivals` choose others.
"""
