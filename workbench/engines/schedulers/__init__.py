"""Schedulers of clusters: what a job is, and how Slurm, PBS, Torque, LSF and SGE are asked to run it."""
