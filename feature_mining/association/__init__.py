"""Features against annotation, base by base and interval by interval.

The path of a study: `labels` turns the tracks of one contig stretch into label states, `sparse`
turns the stretch's features round and puts their values in bins, `histogram` counts bins against
tracks (counts of stretches and shards add up), `scores` reads every score from the counts with the
threshold frozen on the *select* split, `intervals` counts whole intervals and runs, `null` gives
the circular-shift null, `multiplicity` the q-values, `composition` the sequence-composition control
and `verdict` the last word.
"""
