"""Where shards run: this process, worker processes here, a Dask cluster, or the scheduler's job arrays.

All call ``shards.run_shard`` and believe the same ledger, so a run may be stopped anywhere and taken up by
another engine.
"""
