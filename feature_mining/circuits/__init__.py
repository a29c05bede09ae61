"""Circuits: how a prediction comes about, from bases through features of all blocks, and whether that holds.

`transcoders` are trained for the MLPs; `graph` traces a prediction through them; `lags` says which filter or
head carried an edge over which distance; `certificate` predicts interventions and measures them.
"""
